/* SPDX-License-Identifier: Apache-2.0 */
/* What the page, its stream and its text show: the daemon is looked at once a second at most, for all of them. */
#ifndef PORTSYNCD_METRICS_FEED_H
#define PORTSYNCD_METRICS_FEED_H

#include "metrics/live.h"
#include "metrics/page.h"

/* As of the last look. */
struct feed {
	struct live live;
	struct snapshot snapshot; /* without ports */
	struct health_report health;
	json_t *problems; /* as in /status */
	bool fresh;       /* the loop answered */

	/* Private. */
	uint64_t looked_usec; /* CLOCK_MONOTONIC; 0: never */
	struct text full, update;
};

/* The pages' feed, with a look that is less than a second old; one waits for the loop. NULL without memory. */
struct feed *feed_look(struct pages *p);
/* CLOCK_MONOTONIC us: when the next look is due. */
uint64_t feed_due(const struct feed *f);
/*
 * Server-sent event of the last look: all there is ("all"), or what is new since the look before ("news"). Made once
 * for all readers. Its failed is set if memory ran out.
 */
const struct text *feed_event(struct pages *p, struct feed *f, bool all);

#endif
