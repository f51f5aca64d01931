/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel says of a link against what the model has of it. Pure. */
#ifndef PORTSYNCD_DIFFERENCE_H
#define PORTSYNCD_DIFFERENCE_H

#include "ports/links.h"

#define DIFFERENCE_BYTES 160

/*
 * Compares what events report: whether there is a port's link, its name, admin, oper, MTU, master. port is the one
 * whose link has the message's ifindex, or NULL. True when they differ; then text says how for the log, e.g. "mtu 4000
 * -> 1500, master 7 -> 0". Of an old link only its end and its name count.
 */
bool difference(const struct port *port, const struct link_msg *msg, char text[DIFFERENCE_BYTES]);

#endif
