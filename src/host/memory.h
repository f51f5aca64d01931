/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps the process's pages in memory, so that no event waits for one that was swapped out. */
#ifndef PORTSYNCD_MEMORY_H
#define PORTSYNCD_MEMORY_H

/*
 * Gives back the pages of the program and its libraries: most were only needed to load them, for symbols and
 * constructors. What is used again is in the page cache. Before memory_lock(), which would keep them.
 */
void memory_give_back(void);

/*
 * Locks all pages, those of later allocations too, each when it is first used (mlockall(2), MCL_ONFAULT): what is
 * reserved but never touched costs nothing. 0, or a negative errno after a warning; then nothing is locked. Where
 * RLIMIT_MEMLOCK would be in force nothing is locked either, since it would make a later allocation fail.
 */
int memory_lock(void);

/*
 * Before CAP_IPC_LOCK is given up. If that is what allowed the lock, RLIMIT_MEMLOCK would be in force from then on: so
 * it is lifted. Where that is refused (CAP_SYS_RESOURCE), what is locked stays so, but for the stack, which may grow,
 * and later memory is not locked. 0 or a negative errno; then nothing is locked.
 */
int memory_settle(void);

#endif
