/* SPDX-License-Identifier: Apache-2.0 */
/* Detects a storm of events. Pure: the caller passes the time. */
#ifndef PORTSYNCD_PACE_H
#define PORTSYNCD_PACE_H

#include <stdbool.h>
#include <stdint.h>

struct pace {
	bool storm;
	uint64_t window_usec;   /* since when events are counted ... */
	uint64_t window_events; /* ... from this figure on */
};

/*
 * After a read: true when events come so fast, for so long, that letting them gather pays. total: events so far. A
 * storm begins at 15 a millisecond, over ten milliseconds, and ends below 12: a burst, say of all ports of a switch, is
 * not one, and its last events do not wait.
 */
bool pace_is_storm(struct pace *p, uint64_t now_usec, uint64_t total);

#endif
