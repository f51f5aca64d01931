/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Work that may block, such as writing a file, one piece at a time, so that the loop never waits for a disk. What the
 * piece is and how it went stays in memory of the caller, which changes hands: it is the thread's from worker_give()
 * until worker_take().
 *
 * There are two threads, since a thread cannot take its nice value back without a capability: one steps back behind the
 * loop; the other keeps the process's priority, for the piece that the loop waits for when it ends. On a busy machine
 * the first might not run in all of that time.
 */
#ifndef PORTSYNCD_WORKER_H
#define PORTSYNCD_WORKER_H

#include <stdbool.h>
#include <stdint.h>

struct worker;

struct worker_job {
	const char *name;          /* of the threads; the second appends "-end". At most 11 bytes. */
	void (*begin)(void *user); /* by the first thread, once, before any work; may be NULL */
	void (*work)(void *user);
	void *user;
};

enum worker_pace {
	WORKER_STEPS_BACK,
	WORKER_AT_ONCE, /* somebody waits for it */
};

/* Starts the threads. 0 or negative errno. */
int worker_new(struct worker **ret, const struct worker_job *job);
/* Ends the threads after the present piece, waiting at most patience_usec. NULL is fine. False: the thread hangs, and
 * keeps the worker's memory and all that its work uses. */
bool worker_free(struct worker *w, uint64_t patience_usec);

/* A piece is being worked on. */
bool worker_is_busy(const struct worker *w);
/* None is, and the last one's outcome was taken. */
bool worker_is_idle(const struct worker *w);
/* Has the next piece done; not while the worker is busy. Safe in a signal handler. */
void worker_give(struct worker *w, enum worker_pace pace);

/* Becomes readable when a piece is done: call worker_take(). */
int worker_fd(const struct worker *w);
/* True once for each piece. */
bool worker_take(struct worker *w);
/* Waits at most patience_usec; true: no piece is under way, and worker_take() has the last one. Safe in a signal
 * handler. */
bool worker_wait(const struct worker *w, uint64_t patience_usec);

#endif
