/* SPDX-License-Identifier: Apache-2.0 */
/* --dry-run: without Redis. Each command is printed instead of sent. */
#ifndef PORTSYNCD_DRYRUN_H
#define PORTSYNCD_DRYRUN_H

#include <stdbool.h>
#include <stdio.h>

#include "ports/links.h"

/*
 * Prints what DRYRUN_PORTS of the dirty ports owe, and takes it as written: so much fits into a pipe that is writable
 * (PIPE_BUF bytes). every_link: each link with a port's name is taken for a configured port. 0, or a negative errno
 * when out cannot be written.
 */
#define DRYRUN_PORTS 16
int dryrun_flush(struct links *links, const char *separator, bool every_link, FILE *out);

#endif
