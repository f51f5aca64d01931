/* SPDX-License-Identifier: Apache-2.0 */
/* What the audit trail has of the kernel's events (log/audit.h). */
#ifndef PORTSYNCD_TRAIL_H
#define PORTSYNCD_TRAIL_H

#include <stddef.h>

/* n datagrams did not come from the kernel; of none nothing is recorded. */
void kernel_audit_spoofed(size_t n);
void kernel_audit_overrun(void);
void kernel_audit_synced(void);
/* The receive buffer is smaller than it was asked for. */
void kernel_audit_small_buffer(void);

#endif
