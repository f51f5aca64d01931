/* SPDX-License-Identifier: Apache-2.0 */
/* A folder of a test's own, and all that is in it. */
#ifndef PORTSYNCD_SCRATCH_H
#define PORTSYNCD_SCRATCH_H

#define SCRATCH_BYTES 64

void scratch_make(char path[SCRATCH_BYTES]);
void scratch_remove(const char *path);

#endif
