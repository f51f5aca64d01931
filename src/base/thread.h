/* SPDX-License-Identifier: Apache-2.0 */
/* Threads beside the event loop. */
#ifndef PORTSYNCD_THREAD_H
#define PORTSYNCD_THREAD_H

#include <pthread.h>
#include <stddef.h>

/*
 * Starts a thread with all signals blocked. stack_bytes 0: the default; one below the architecture's minimum is raised
 * to it. 0 or negative errno.
 */
int thread_start(pthread_t *ret, size_t stack_bytes, void *(*run)(void *), void *arg);

/* Names the calling thread, with at most 15 bytes. The main thread keeps its own, by which others find the process. */
void thread_name_self(const char *name);

/* Lets the loop go first: SCHED_BATCH and nice 19 for the calling thread. */
void thread_step_back(void);

#endif
