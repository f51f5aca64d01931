/* SPDX-License-Identifier: Apache-2.0 */
/* --dry-run: no Redis; every link that matches is a port, and what would be written is printed, one line a change. */
#ifndef PORTSYNCD_DRYRUN_H
#define PORTSYNCD_DRYRUN_H

#include <stdio.h>

#include "ports/links.h"

/*
 * Prints what DRYRUN_PORTS of the dirty ports owe and takes it as written: that fits into a pipe that has room at all
 * (PIPE_BUF bytes). 0, or a negative errno when out can't be written.
 */
#define DRYRUN_PORTS 16
int dryrun_flush(struct links *links, const char *separator, FILE *out);

#endif
