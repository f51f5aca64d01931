/* SPDX-License-Identifier: Apache-2.0 */
/* What the log hears of a connection that goes and comes: one line for each time away, whatever number of tries. */
#ifndef PORTSYNCD_REDIS_OUTAGE_H
#define PORTSYNCD_REDIS_OUTAGE_H

#include <stdint.h>

#include "log/audit.h"

#define OUTAGE_REASON_BYTES 400

struct outage {
	const char *label, *endpoint;
	uint64_t since_usec;              /* 0: it is not away */
	char reason[OUTAGE_REASON_BYTES]; /* the last one, fit for a log; "": it is not away */
};

/* reason: why it went, or why a try failed; of unknown origin. event: what is recorded of it, NULL: nothing. */
void outage_tell(struct outage *away, uint64_t now_usec, const char *reason, const struct audit_event *event);
void outage_over(struct outage *away, uint64_t now_usec);

#endif
