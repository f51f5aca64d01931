/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Saves the state in a thread of its own, so that the loop never waits for a disk. One buffer changes hands: the loop
 * fills in all but the changes; the thread takes those from their ring, writes the file, and returns the buffer.
 */
#ifndef PORTSYNCD_SAVER_H
#define PORTSYNCD_SAVER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/worker.h"
#include "state/state.h"
#include "state/statefile.h"

struct saver;

/* Starts the thread. The file must outlive it. 0 or negative errno. */
int saver_new(struct saver **ret, struct statefile *file);

/*
 * Ends the thread after the present save, waiting at most patience_usec. NULL is fine. False: the thread hangs in the
 * disk and keeps the saver's memory; do not free the file either.
 */
bool saver_free(struct saver *s, uint64_t patience_usec);

/* The empty buffer with capacity for that many ports; NULL during a save or without memory. */
struct state *saver_claim(struct saver *s, size_t ports);
/* Saves the claimed buffer. */
void saver_give(struct saver *s, enum worker_pace pace);

/* Becomes readable when a save has ended: call saver_take(). */
int saver_fd(const struct saver *s);
/* True once for each save: *r and why are the outcome of statefile_save(). */
bool saver_take(struct saver *s, int *r, char why[STATEFILE_WHY_BYTES]);

/* Waits at most patience_usec for the save to end; then saver_take() has its outcome. */
bool saver_wait(const struct saver *s, uint64_t patience_usec);

#endif
