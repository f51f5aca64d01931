/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's events on their way into the model. */
#ifndef PORTSYNCD_DAEMON_KERNEL_H
#define PORTSYNCD_DAEMON_KERNEL_H

#include "daemon/private.h"

/* Of its sockets: to send, and the first size of a receive buffer, which grows when a link needs more. */
#define KERNEL_SEND_BYTES ((size_t)2 << 20)
#define KERNEL_DATAGRAM_BYTES ((size_t)32 << 10)

/* Feeds the kernel's events to the model. */
int kernel_build(struct daemon *d);

/* From now on the rows of a warm start wait for their links for a limited time only. */
void kernel_end_keeping_later(struct daemon *d);

#endif
