/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's events on their way into the model. */
#ifndef PORTSYNCD_DAEMON_KERNEL_H
#define PORTSYNCD_DAEMON_KERNEL_H

#include "daemon/private.h"

/* How the kernel's links are followed. */
struct watch_options kernel_options(const struct config *config);

/* Feeds the kernel's events to the model. */
int kernel_build(struct daemon *d);

/* From now on the rows of a warm start wait for their links for a limited time only. */
void kernel_end_keeping_later(struct daemon *d);

#endif
