/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/pace.h"

#define WINDOW_USEC 1000
#define STORM_EVENTS 15 /* in a window */

bool pace_is_storm(struct pace *p, uint64_t now_usec, uint64_t total, uint64_t just_read)
{
	uint64_t elapsed = now_usec - p->window_usec, events = total - p->window_events;
	bool storm = just_read >= STORM_EVENTS;

	if (p->storm)
		storm = events * 2 * WINDOW_USEC >= STORM_EVENTS * elapsed;
	else if (elapsed <= WINDOW_USEC)
		storm = storm || events >= STORM_EVENTS;
	if (storm || p->storm || elapsed > WINDOW_USEC) {
		p->window_usec = now_usec;
		p->window_events = total;
	}
	p->storm = storm;
	return storm;
}
