/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where and how the calling thread, and any it makes from then on, gets processor time. Each call returns 0, or a
 * negative errno after a warning that says what would help; then nothing has changed.
 */
#ifndef PORTSYNCD_CPU_H
#define PORTSYNCD_CPU_H

#include <sched.h>

/* All of these CPUs, and only these; at least one. */
int cpu_set_affinity(const cpu_set_t *cpus);

/*
 * policy: SCHED_FIFO or SCHED_RR, priority 1..99 (sched(7)). Threads and processes that are made later go back to
 * SCHED_OTHER: only the loop, which sleeps when it has nothing to do, is to be trusted with real-time.
 */
int cpu_set_scheduler(int policy, int priority);
const char *cpu_scheduler_name(int policy);

/* -20..19 (setpriority(2)) */
int cpu_set_nice(int nice);

#endif
