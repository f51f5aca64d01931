/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel says of a link against what the model has of it. Pure. */
#ifndef PORTSYNCD_DIFFERENCE_H
#define PORTSYNCD_DIFFERENCE_H

#include "ports/links.h"

#define DIFFERENCE_BYTES 160

/*
 * Compares the fields that events tell of: whether there is a port's link, its name, admin, oper, MTU, master. True
 * when they differ; then text has it for the log, e.g. "mtu 4000 -> 1500, master 7 -> 0". Of an old link nothing but
 * its end and its name count.
 */
bool difference(const struct links *l, const struct link_msg *msg, char text[DIFFERENCE_BYTES]);

#endif
