/* SPDX-License-Identifier: Apache-2.0 */
/* What a check of the daemon's health that is not healthy means, and what to do about it. Complements log/advice.h. */
#ifndef PORTSYNCD_METRICS_CHECKADVICE_H
#define PORTSYNCD_METRICS_CHECKADVICE_H

#include "log/advice.h"
#include "metrics/health.h"

/*
 * reason: what else the daemon knows about it, as with redis_away; NULL or "": nothing. Where a kind of line reports
 * the same, this is that kind's advice. The texts are static; none is NULL.
 */
const struct advice *check_advice(enum health_check_index check, const char *reason);

#endif
