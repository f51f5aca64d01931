/* SPDX-License-Identifier: Apache-2.0 */
/* Limits the lines of each kind in a window of time. Thread-safe. */
#ifndef PORTSYNCD_LOG_LIMIT_H
#define PORTSYNCD_LOG_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "log/kinds.h"

#define LOG_WINDOW_SECS 10

/* Sets the window in seconds (0: no limits) and the lines of each kind (< 0: as kinds.h says). A change starts all
 * windows over and forgets what was suppressed. */
void loglimit_set(unsigned window_secs, long lines);

/* True if another line of the kind may pass. Sets *held to the number suppressed in the window that just ended, which
 * the caller reports; mostly 0. */
bool loglimit_pass(enum log_kind kind, unsigned *held);

/* A limiter owned by one object, e.g. a port. Zero-initialise; not thread-safe. The owner reports what it suppressed.
 */
struct loglimit_own {
	uint64_t since; /* as states[] in limit.c */
	unsigned passed, held;
};
bool loglimit_pass_own(struct loglimit_own *own, enum log_kind kind);
/* True while its window lasts. */
bool loglimit_lasts(const struct loglimit_own *own);
/* When the window ends, CLOCK_MONOTONIC us. */
uint64_t loglimit_ends(const struct loglimit_own *own);
/* Adds what an owner suppressed to the kind's count, which loglimit_take() returns. */
void loglimit_add_held(enum log_kind kind, unsigned n);

/* Takes the number of suppressed lines not reported yet, of windows that ended; or of all. */
unsigned loglimit_take(enum log_kind kind, bool all);

#endif
