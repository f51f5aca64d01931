/* SPDX-License-Identifier: Apache-2.0 */
/* What a judgement of the daemon's health says: the checks, and since when each is as it is. health.h makes it. */
#ifndef PORTSYNCD_METRICS_HEALTH_REPORT_H
#define PORTSYNCD_METRICS_HEALTH_REPORT_H

#include <stdbool.h>
#include <stdint.h>

enum health_level { HEALTH_HEALTHY, HEALTH_DEGRADED, HEALTH_UNHEALTHY };

enum health_check_index {
	HEALTH_LOOP,    /* seconds that the loop's present turn takes; over the limit: unhealthy */
	HEALTH_KERNEL,  /* seconds without sync; degraded at once, over the limit unhealthy */
	HEALTH_REDIS,   /* seconds that a connection is away; as before, but a subscription is never worse than degraded
			 */
	HEALTH_MARKERS, /* PortConfigDone and PortInitDone, how many of them APPL_DB lacks; more than 0: degraded */
	HEALTH_AWAITED, /* ports that PortInitDone waits for; more than 0: degraded */
	HEALTH_OLD_LINKS, /* interfaces left from before a cold start, set down and ignored; more than 0: degraded */
	HEALTH_NO_PORTS,  /* interfaces that are there while no port is configured; more than 0: degraded */
	HEALTH_PORTS,   /* percent of the configured ports that are in sync; under the limit for stall_nsec: degraded */
	HEALTH_CONFIG,  /* what is bad in the configuration it runs with; more than 0: degraded */
	HEALTH_LATENCY, /* P99 of the last minute's events in microseconds; over max_latency_us: degraded */
	HEALTH_FAILURES, /* percent of events; over 100 - min_success_rate degraded, over max_failure_rate unhealthy */
	HEALTH_OVERRUNS, /* in the last minute; more than 0: degraded */
	HEALTH_LOG,      /* lines lost in the last minute; more than 0: degraded */
	HEALTH_LOG_TARGET, /* seconds that it takes no lines; over the limit: degraded */
	HEALTH_HTTP,       /* addresses that could not be listened on; more than 0: degraded */
	HEALTH_MEMORY,     /* bytes; over the limit: degraded */
	HEALTH_CHECKS,
};

struct health_check {
	enum health_level level;
	bool known; /* false: too few events for a share */
	double value, limit;
	uint64_t since_nsec; /* CLOCK_MONOTONIC: when the fault began, or when it was over */
};

struct health_report {
	enum health_level level; /* of the worst check */
	uint64_t since_nsec;     /* when the first of the faults began since all was well, or when all was well again */
	struct health_check checks[HEALTH_CHECKS];
};

#endif
