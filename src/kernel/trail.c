/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/trail.h"

#include "log/audit.h"

void kernel_audit_spoofed(size_t n)
{
	if (n > 0)
		audit_record(AUDIT_SPOOF, AUDIT_FAILURE, "a process that is not the kernel", NULL,
			     "%zu netlink messages were not the kernel's and were dropped", n);
}

void kernel_audit_overrun(void)
{
	audit_record(AUDIT_OVERRUN, AUDIT_FAILURE, AUDIT_KERNEL, NULL,
		     "the kernel dropped link events: the receive buffer was full");
}

void kernel_audit_synced(void)
{
	audit_record(AUDIT_RESYNC, AUDIT_SUCCESS, audit_self(), NULL, "all links were read: in sync with the kernel");
}

void kernel_audit_small_buffer(void)
{
	audit_record(AUDIT_CAPABILITY, AUDIT_FAILURE, audit_self(), NULL,
		     "CAP_NET_ADMIN is missing: net.core.rmem_max bounds the receive buffer");
}
