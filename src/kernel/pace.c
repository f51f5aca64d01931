/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/pace.h"

#include "base/util.h"

#define WINDOW_USEC 10000
#define BEGIN_PER_MSEC 15
#define END_PER_MSEC 12

bool pace_is_storm(struct pace *p, uint64_t now_usec, uint64_t total)
{
	uint64_t elapsed = now_usec - p->window_usec, events = total - p->window_events;
	uint64_t least = p->storm ? END_PER_MSEC : BEGIN_PER_MSEC;

	if (elapsed < WINDOW_USEC)
		return p->storm;
	p->storm = events * USEC_PER_MSEC >= least * elapsed;
	p->window_usec = now_usec;
	p->window_events = total;
	return p->storm;
}
