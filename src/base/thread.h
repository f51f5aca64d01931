/* SPDX-License-Identifier: Apache-2.0 */
/* Threads beside the event loop. */
#ifndef PORTSYNCD_THREAD_H
#define PORTSYNCD_THREAD_H

#include <pthread.h>
#include <stddef.h>

/* Starts one of this name in which all signals are blocked; stack_bytes 0: as usual. 0 or negative errno. */
int thread_start(pthread_t *ret, const char *name, size_t stack_bytes, void *(*run)(void *), void *arg);

/* The calling thread steps back behind the loop: SCHED_BATCH and the weakest nice value. */
void thread_step_back(void);

#endif
