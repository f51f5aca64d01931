/* SPDX-License-Identifier: Apache-2.0 */
/* How much memory the process has, and that it stays there, so that no event waits for a page that was swapped out. */
#ifndef PORTSYNCD_MEMORY_H
#define PORTSYNCD_MEMORY_H

/*
 * How malloc(3) gets memory from the kernel and returns it, which glibc would else learn from what was freed so far.
 * Call it before anything large is allocated.
 */
void memory_prepare(void);

/*
 * Gives back the pages of the program and its libraries: most were only needed to load them, for symbols and
 * constructors. Pages used again come from the page cache. Call it before memory_lock(), which would keep them.
 */
void memory_give_back(void);

/*
 * Locks all pages, those of later allocations too, each when it is first used (mlockall(2), MCL_ONFAULT): what is
 * reserved but never touched costs nothing. 0, or a negative errno after a warning; then nothing is locked. Where
 * RLIMIT_MEMLOCK would be in force nothing is locked either, since it would make a later allocation fail.
 */
int memory_lock(void);

/*
 * Call it before CAP_IPC_LOCK is given up. If that capability allowed the lock, RLIMIT_MEMLOCK would bind from then on,
 * so the limit is lifted. If lifting it is refused (it needs CAP_SYS_RESOURCE), locked pages stay locked, except the
 * stack, which may grow, and later memory is not locked. 0 or a negative errno; then nothing is locked.
 */
int memory_settle(void);

#endif
