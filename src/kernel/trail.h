/* SPDX-License-Identifier: Apache-2.0 */
/* What the audit trail has of the kernel's events (log/audit.h). */
#ifndef PORTSYNCD_TRAIL_H
#define PORTSYNCD_TRAIL_H

#include <stddef.h>

/* n datagrams did not come from the kernel; of none nothing is recorded. */
void trail_spoofed(size_t n);
void trail_overrun(void);
void trail_synced(void);
/* The receive buffer is smaller than it was asked for. */
void trail_small_buffer(void);

#endif
