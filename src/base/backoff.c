/* SPDX-License-Identifier: Apache-2.0 */
#include "base/backoff.h"

#include "base/util.h"

/* xorshift: jitter needs spread, not secrecy. */
static uint32_t chance(void)
{
	static _Thread_local uint32_t state;

	if (state == 0)
		state = (uint32_t)now_usec() | 1;
	state ^= state << 13;
	state ^= state >> 17;
	state ^= state << 5;
	return state;
}

uint64_t backoff_next_usec(struct backoff *b)
{
	uint32_t delay_ms = b->next_ms ? b->next_ms : b->initial_ms;
	uint64_t delay = delay_ms * USEC_PER_MSEC;

	b->next_ms = delay_ms > b->max_ms / 2 ? b->max_ms : delay_ms * 2;
	return delay - chance() % (delay / 4 + 1);
}
