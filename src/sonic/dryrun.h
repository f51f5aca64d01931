/* SPDX-License-Identifier: Apache-2.0 */
/* --dry-run: without Redis. Each command is printed instead of sent. */
#ifndef PORTSYNCD_DRYRUN_H
#define PORTSYNCD_DRYRUN_H

#include <stdbool.h>
#include <stdio.h>

#include "ports/links.h"

/*
 * Prints what at most DRYRUN_PORTS dirty ports owe, which fits into a writable pipe (PIPE_BUF bytes), and marks it as
 * written. every_link: each link with a port's name counts as a configured port. 0, or a negative errno when out cannot
 * be written.
 */
#define DRYRUN_PORTS 16
int dryrun_flush(struct links *links, const char *separator, bool every_link, FILE *out);

#endif
