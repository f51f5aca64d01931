/* SPDX-License-Identifier: Apache-2.0 */
/* Doubling delays with jitter, so that many waiters do not come back at the same moment. */
#ifndef PORTSYNCD_BACKOFF_H
#define PORTSYNCD_BACKOFF_H

#include <stdint.h>

struct backoff {
	uint32_t initial_ms, max_ms;
	uint32_t next_ms; /* 0: start with initial_ms */
};

/* The delay to wait now, in microseconds: next_ms less a random share of up to a quarter. Doubles next_ms. */
uint64_t backoff_next_usec(struct backoff *b);

static inline void backoff_reset(struct backoff *b)
{
	b->next_ms = 0;
}

#endif
