/* SPDX-License-Identifier: Apache-2.0 */
/* --dry-run: without Redis. Every link with a port's name is a port, and each command is printed instead of sent. */
#ifndef PORTSYNCD_DRYRUN_H
#define PORTSYNCD_DRYRUN_H

#include <stdio.h>

#include "ports/links.h"

/*
 * Prints what DRYRUN_PORTS of the dirty ports owe, and takes it as written: so much fits into a pipe that is writable
 * (PIPE_BUF bytes). 0, or a negative errno when out cannot be written.
 */
#define DRYRUN_PORTS 16
int dryrun_flush(struct links *links, const char *separator, FILE *out);

#endif
