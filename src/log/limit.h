/* SPDX-License-Identifier: Apache-2.0 */
/* How many lines of each kind may pass in a window of time. For all threads. */
#ifndef PORTSYNCD_LOG_LIMIT_H
#define PORTSYNCD_LOG_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "log/kinds.h"

#define LOG_WINDOW_SECS 10

/* A window of so many seconds, 0: no limits; lines < 0: of each kind as many as messages.h says. Where that is
 * something else than before, all begins afresh and what was held back is forgotten. */
void loglimit_set(unsigned window_secs, long lines);

/* True when one more line of the kind may pass. *held gets how many were held back in the window that is over, to be
 * told now; mostly 0. */
bool loglimit_pass(enum log_kind kind, unsigned *held);

/* The same for one of many of whom such lines tell, one port say, by itself: zeroed at first, for one thread. What is
 * held back is counted for its owner to tell. */
struct loglimit_own {
	uint64_t since; /* as states[] in loglimit.c */
	unsigned passed, held;
};
bool loglimit_pass_own(struct loglimit_own *own, enum log_kind kind);
/* Its window is not over. */
bool loglimit_lasts(const struct loglimit_own *own);
/* When it is, CLOCK_MONOTONIC us. */
uint64_t loglimit_ends(const struct loglimit_own *own);
/* What an owner held back counts for the kind: loglimit_take() gives it. */
void loglimit_add_held(enum log_kind kind, unsigned n);

/* Lines that were held back in a window that is over, or whose end must not be awaited, and were not told yet. */
unsigned loglimit_take(enum log_kind kind, bool all);

#endif
