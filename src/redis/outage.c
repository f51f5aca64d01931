/* SPDX-License-Identifier: Apache-2.0 */
#include "redis/outage.h"

#include <inttypes.h>
#include <string.h>

#include "base/util.h"

void outage_tell(struct outage *away, uint64_t now_usec, const char *reason, const struct audit_event *event)
{
	static const struct audit_event none;
	bool record = event && audit_wanted(event->kind);

	if (!event)
		event = &none;
	(void)printable(reason, strlen(reason), away->reason, sizeof(away->reason));
	if (away->since_usec != 0) {
		audit_event_line(log_wanted(LOG_DEBUG, KIND_REDIS_RETRY), record, LOG_DEBUG, KIND_REDIS_RETRY, event,
				 LOG_HERE, NULL, "%s: %s: %s", away->label, away->endpoint, away->reason);
		return;
	}
	away->since_usec = now_usec;
	audit_event_line(log_wanted(LOG_WARNING, KIND_REDIS_AWAY), record, LOG_WARNING, KIND_REDIS_AWAY, event,
			 LOG_HERE, NULL, "%s: no connection to %s: %s; retrying", away->label, away->endpoint,
			 away->reason);
}

void outage_over(struct outage *away, uint64_t now_usec)
{
	uint64_t msec = (now_usec - away->since_usec) / USEC_PER_MSEC;

	if (away->since_usec == 0)
		log_info(KIND_REDIS_CONNECTED, "%s: connected to %s", away->label, away->endpoint);
	else
		log_notice(KIND_REDIS_BACK, "%s: connected to %s, was away for %" PRIu64 ".%03" PRIu64 " s",
			   away->label, away->endpoint, msec / 1000, msec % 1000);
	away->since_usec = 0;
	away->reason[0] = '\0';
}
