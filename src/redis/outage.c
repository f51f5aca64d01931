/* SPDX-License-Identifier: Apache-2.0 */
#include "redis/outage.h"

#include <inttypes.h>
#include <string.h>

#include "base/util.h"
#include "log/log.h"

void outage_tell(struct outage *away, uint64_t now_usec, const char *reason)
{
	(void)printable(reason, strlen(reason), away->reason, sizeof(away->reason));
	if (away->since_usec != 0) {
		log_debug(KIND_REDIS_RETRY, "%s: %s: %s", away->label, away->endpoint, away->reason);
		return;
	}
	away->since_usec = now_usec;
	log_warning(KIND_REDIS_AWAY, "%s: no connection to %s: %s; retrying", away->label, away->endpoint,
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
