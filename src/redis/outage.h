/* SPDX-License-Identifier: Apache-2.0 */
/* What the log hears of a connection that goes and comes: one line for each time away, whatever number of tries. */
#ifndef PORTSYNCD_REDIS_OUTAGE_H
#define PORTSYNCD_REDIS_OUTAGE_H

#include <stdint.h>

#define AWAY_REASON_BYTES 400

struct away {
	const char *label, *endpoint;
	uint64_t since_usec;            /* 0: it is not away */
	char reason[AWAY_REASON_BYTES]; /* the last one, fit for a log; "": it is not away */
};

/* reason: why it went, or why a try failed; of unknown origin. */
void away_tell(struct away *away, uint64_t now_usec, const char *reason);
void away_over(struct away *away, uint64_t now_usec);

#endif
