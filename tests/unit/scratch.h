/* SPDX-License-Identifier: Apache-2.0 */
/* A folder of a test's own, and all that is in it; and a port. */
#ifndef PORTSYNCD_SCRATCH_H
#define PORTSYNCD_SCRATCH_H

#define SCRATCH_BYTES 64

void scratch_make(char path[SCRATCH_BYTES]);
void scratch_remove(const char *path);

/* A TCP port of 127.0.0.1 at which nobody listens. */
unsigned scratch_port(void);

#endif
