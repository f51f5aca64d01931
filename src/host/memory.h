/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps the process's pages in memory, so that no event waits for one that was swapped out. */
#ifndef PORTSYNCD_MEMORY_H
#define PORTSYNCD_MEMORY_H

#include <stdbool.h>

/*
 * Locks all pages, those of later allocations too, each when it is first used (mlockall(2), MCL_ONFAULT): what is
 * reserved but never touched costs nothing. 0, or a negative errno after a warning; then nothing is locked. Where
 * RLIMIT_MEMLOCK would be in force nothing is locked either, since it would make a later allocation fail.
 * confined: CAP_IPC_LOCK will be given up, which lifts that limit; so where we have it, the limit itself is lifted.
 */
int memory_lock(bool confined);

#endif
