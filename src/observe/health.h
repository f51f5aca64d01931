/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether the daemon is well: a function of the figures, the limits, the time, and the judgement before (for "since
 * when", and for what happened within the last minute). A switch on which nothing happens is healthy.
 */
#ifndef PORTSYNCD_HEALTH_H
#define PORTSYNCD_HEALTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "observe/view.h"

enum health_level { HEALTH_HEALTHY, HEALTH_DEGRADED, HEALTH_UNHEALTHY };

enum health_check_index {
	HEALTH_LOOP,    /* seconds that the loop's present turn takes; over the limit: unhealthy */
	HEALTH_KERNEL,  /* seconds without sync; degraded at once, over the limit unhealthy */
	HEALTH_REDIS,   /* seconds that a connection is away; as before, but a subscription is never worse than degraded
			 */
	HEALTH_LATENCY, /* P99 of the last minute's events in microseconds; over max_latency_us: degraded */
	HEALTH_FAILURES, /* percent of events; over 100 - min_success_rate degraded, over max_failure_rate unhealthy */
	HEALTH_PORTS, /* percent of the configured ports that are in sync; under the limit for stall_nsec: degraded */
	HEALTH_OLD_LINKS,  /* interfaces that a cold start retired and nobody has deleted; more than 0: degraded */
	HEALTH_OVERRUNS,   /* in the last minute; more than 0: degraded */
	HEALTH_LOG,        /* lines lost in the last minute; more than 0: degraded */
	HEALTH_LOG_TARGET, /* seconds that it takes no lines; over the limit: degraded */
	HEALTH_MEMORY,     /* bytes; over the limit: degraded */
	HEALTH_CHECKS,
};

struct health_limits {
	uint64_t stall_nsec; /* 0: time alone makes nothing unhealthy */
	uint64_t max_latency_nsec;
	double max_failure_percent, min_success_percent, min_sync_percent;
	uint64_t max_memory_bytes; /* 0: none */
};

struct health_check {
	enum health_level level;
	bool known; /* false: too few events for a share */
	double value, limit;
	uint64_t since_nsec; /* CLOCK_MONOTONIC: since when the level is this */
};

struct health_sample {
	uint64_t nsec, processed, failed, timed, timed_within, overruns, log_dropped;
	uint64_t below[VIEW_BOUNDS_MAX]; /* of those timed: view_time_bounds */
};

#define HEALTH_SAMPLES 16

struct health {
	enum health_level level;
	uint64_t since_nsec;
	struct health_check checks[HEALTH_CHECKS];

	/* Private. */
	bool begun;
	uint64_t redis_away_nsec, ports_low_nsec; /* since when; 0: they are not */
	size_t n_samples;
	struct health_sample samples[HEALTH_SAMPLES]; /* oldest first */
};

struct health_input {
	const struct view *view;
	uint64_t stall_nsec, memory_bytes, now_nsec; /* now: CLOCK_MONOTONIC */
};

/* Zero *h before the first call. */
void health_judge(struct health *h, const struct health_input *in, const struct health_limits *limits);

/* Unlike health, these say what a supervisor and a load balancer need. */
bool health_is_live(uint64_t stall_nsec, const struct health_limits *limits);
bool health_is_ready(const struct view *view);

const char *health_level_name(enum health_level level);
/* "loop_stall", and the unit of value and limit: "seconds", "percent", ... */
const char *health_check_name(enum health_check_index check);
const char *health_check_unit(enum health_check_index check);
/* The names of the checks that are not healthy, "redis, overruns"; "" for none. Returns out. */
const char *health_reasons(const struct health *h, char *out, size_t size);

/* What the failure rate is of: events of ports that were read and applied, and those that came to nothing. */
uint64_t health_processed(const struct view *view);
uint64_t health_failed(const struct view *view);

#endif
