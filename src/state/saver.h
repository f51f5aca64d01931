/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Saves the state in a thread of its own, so that the loop never waits for a disk. There is one buffer: the loop fills
 * it while it has it, and gives it away; the thread writes the file and gives it back.
 */
#ifndef PORTSYNCD_SAVER_H
#define PORTSYNCD_SAVER_H

#include <stdbool.h>
#include <stdint.h>

#include "state/state.h"
#include "state/statefile.h"

struct saver;

/* Starts the thread. The file must outlive it. 0 or negative errno. */
int saver_new(struct saver **ret, struct statefile *file);

/*
 * Ends the thread after the save that is under way, for which it waits at most so long. NULL is fine. False: the thread
 * hangs in the disk and is left behind with the saver's memory; the file must stay too.
 */
bool saver_free(struct saver *s, uint64_t patience_usec);

/* The buffer, with room for so many ports and none in it; NULL while a save is under way, or without memory. */
struct state *saver_claim(struct saver *s, size_t ports);
/* The claimed buffer is filled: it is saved. */
void saver_give(struct saver *s);

/* Readable when a save has ended; then call saver_take(). */
int saver_fd(const struct saver *s);
/* True once for each save, with its outcome: *r as of statefile_save(), with its line in why. */
bool saver_take(struct saver *s, int *r, char why[STATEFILE_WHY_BYTES]);

/* Waits until no save is under way, at most so long; then saver_take() has the outcome. */
bool saver_wait(const struct saver *s, uint64_t patience_usec);

#endif
