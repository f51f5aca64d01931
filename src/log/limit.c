/* SPDX-License-Identifier: Apache-2.0 */
#include "log/limit.h"

#include <stdatomic.h>
#include <time.h>

#include "base/util.h"

/* When a window ends, two threads may let one line too many or too few pass, which does no harm. */
static struct {
	_Atomic uint64_t since; /* CLOCK_MONOTONIC us; 0: none passed yet */
	atomic_uint passed, held;
} states[KINDS];

static _Atomic uint64_t window_usec = LOG_WINDOW_SECS * USEC_PER_SEC;
static atomic_long lines_of_all = -1;

void loglimit_set(unsigned window_secs, long lines)
{
	if (window_usec == window_secs * USEC_PER_SEC && lines_of_all == lines)
		return;
	window_usec = window_secs * USEC_PER_SEC;
	lines_of_all = lines;
	for (size_t i = 0; i < KINDS; i++) {
		states[i].since = 0;
		states[i].held = 0;
	}
}

/* The coarse clock: in a storm reading it is all that a line costs. A window may be some milliseconds longer. */
static uint64_t coarse_usec(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	return (uint64_t)ts.tv_sec * USEC_PER_SEC + (uint64_t)ts.tv_nsec / NSEC_PER_USEC;
}

/* 0: any number. */
static unsigned limit_of(enum log_kind kind)
{
	long all = atomic_load_explicit(&lines_of_all, memory_order_relaxed);
	unsigned lines = log_kinds[kind].lines;

	if (atomic_load_explicit(&window_usec, memory_order_relaxed) == 0 || lines == 0)
		return 0;
	return all >= 0 ? (unsigned)all : lines;
}

bool loglimit_pass(enum log_kind kind, unsigned *held)
{
	unsigned limit = limit_of(kind);
	uint64_t now, since;

	*held = 0;
	if (limit == 0)
		return true;
	now = coarse_usec();
	since = atomic_load_explicit(&states[kind].since, memory_order_relaxed);
	if ((since == 0 || now - since >= atomic_load_explicit(&window_usec, memory_order_relaxed)) &&
	    atomic_compare_exchange_strong(&states[kind].since, &since, now)) {
		*held = atomic_exchange(&states[kind].held, 0);
		states[kind].passed = 0;
	}
	/* Read first: in a storm only a counter is written. */
	if (atomic_load_explicit(&states[kind].passed, memory_order_relaxed) < limit) {
		atomic_fetch_add_explicit(&states[kind].passed, 1, memory_order_relaxed);
		return true;
	}
	atomic_fetch_add_explicit(&states[kind].held, 1, memory_order_relaxed);
	return false;
}

unsigned loglimit_take(enum log_kind kind, bool all)
{
	uint64_t since = states[kind].since;

	if (!all && since > 0 && coarse_usec() - since < window_usec)
		return 0;
	return atomic_exchange(&states[kind].held, 0);
}

bool loglimit_lasts(const struct loglimit_own *own)
{
	return own->since > 0 && coarse_usec() - own->since < window_usec;
}

uint64_t loglimit_ends(const struct loglimit_own *own)
{
	return own->since + window_usec;
}

void loglimit_add_held(enum log_kind kind, unsigned n)
{
	atomic_fetch_add_explicit(&states[kind].held, n, memory_order_relaxed);
}

bool loglimit_pass_own(struct loglimit_own *own, enum log_kind kind)
{
	unsigned limit = limit_of(kind);

	if (limit == 0)
		return true;
	if (!loglimit_lasts(own)) {
		own->since = coarse_usec();
		own->passed = 0;
	}
	if (own->passed < limit) {
		own->passed++;
		return true;
	}
	own->held++;
	return false;
}
