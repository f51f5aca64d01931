/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether the daemon is well: a function of the figures, the limits, the time, and the previous judgement. A switch on
 * which nothing happens is healthy. The event loop judges, on one clock: when something changed, when time alone
 * changes the judgement (due_nsec), and when figures are requested. So what it says about the last minute, and about
 * when a fault began, does not depend on how often anybody looks.
 */
#ifndef PORTSYNCD_METRICS_HEALTH_H
#define PORTSYNCD_METRICS_HEALTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "metrics/snapshot.h"

enum health_level { HEALTH_HEALTHY, HEALTH_DEGRADED, HEALTH_UNHEALTHY };

enum health_check_index {
	HEALTH_LOOP,   /* seconds that the loop's present turn takes; over the limit: unhealthy */
	HEALTH_KERNEL, /* seconds without sync; degraded at once, over the limit unhealthy */
	/* Seconds that a connection is away; the same, but without a subscription it is never worse than degraded. */
	HEALTH_REDIS,
	HEALTH_MARKERS,   /* PortConfigDone and PortInitDone, how many of them APPL_DB lacks; more than 0: degraded */
	HEALTH_AWAITED,   /* ports that PortInitDone waits for; more than 0: degraded */
	HEALTH_OLD_LINKS, /* interfaces left from before a cold start, set down and ignored; more than 0: degraded */
	HEALTH_NO_PORTS,  /* interfaces that are there while no port is configured; more than 0: degraded */
	HEALTH_PORTS,   /* percent of the configured ports that are in sync; under the limit for stall_nsec: degraded */
	HEALTH_CONFIG,  /* faults in the configuration it runs with; more than 0: degraded */
	HEALTH_LATENCY, /* P99 of the last minute's events in microseconds; over max_latency_usecs: degraded */
	HEALTH_FAILURES,   /* percent of events; over 1 degraded, over max_failure_percent unhealthy */
	HEALTH_OVERRUNS,   /* in the last minute; more than 0: degraded */
	HEALTH_LOG,        /* lines lost in the last minute; more than 0: degraded */
	HEALTH_LOG_TARGET, /* seconds that it takes no lines; over the limit: degraded */
	HEALTH_HTTP,       /* addresses that could not be listened on; more than 0: degraded */
	HEALTH_RECORDER,   /* recordings that could not be written since one could; more than 0: degraded */
	HEALTH_MEMORY,     /* bytes; over the limit: degraded */
	HEALTH_CHECKS,
};

struct health_check {
	enum health_level level;
	bool known; /* false: too few events for a percentage */
	double value, limit;
	uint64_t since_nsec; /* CLOCK_MONOTONIC: when the fault began, or when it was over */
};

struct health_report {
	enum health_level level; /* of the worst check */
	uint64_t since_nsec;     /* when the first of the faults began since all was well, or when all was well again */
	struct health_check checks[HEALTH_CHECKS];
};

struct health_limits {
	uint64_t stall_nsec; /* 0: time alone makes nothing unhealthy */
	uint64_t max_latency_nsec;
	double max_failure_percent, min_success_percent, min_sync_percent;
	uint64_t max_memory_bytes; /* 0: none */
};

struct health_sample {
	uint64_t nsec, processed, failed, timed, timed_within, overruns, log_dropped;
	uint64_t below[SNAPSHOT_BOUNDS_MAX]; /* of those timed: snapshot_time_bounds */
};

#define HEALTH_SAMPLES 32

struct health {
	struct health_report report;
	/* CLOCK_MONOTONIC: when the passing of time may change the judgement; UINT64_MAX: it will not. */
	uint64_t due_nsec;

	/* Private. */
	bool begun;
	uint64_t outage_nsec, ports_low_nsec; /* since when; 0: they are not */
	size_t n_samples;
	struct health_sample samples[HEALTH_SAMPLES]; /* oldest first */
};

struct health_input {
	const struct snapshot *snapshot;
	uint64_t memory_bytes, now_nsec; /* now: CLOCK_MONOTONIC */
};

/* Zero *h before the first call. */
void health_judge(struct health *h, const struct health_input *in, const struct health_limits *limits);
/* What the loop cannot judge itself: that its present turn, or the answer to a request, takes so long; 0: it turns. */
void health_add_stall(struct health_report *report, uint64_t stall_nsec, uint64_t now_nsec,
		      const struct health_limits *limits);

/* Unlike health, these say what a supervisor and a load balancer need. */
bool health_is_live(uint64_t stall_nsec, const struct health_limits *limits);
bool health_is_ready(const struct snapshot *snapshot);

const char *health_level_name(enum health_level level);
/* "loop_stall", and the unit of value and limit: "seconds", "percent", ... */
const char *health_check_name(enum health_check_index check);
const char *health_check_unit(enum health_check_index check);
/* The names of the checks that are not healthy, "redis, overruns"; "" for none. Returns out. */
const char *health_reasons(const struct health_report *report, char *out, size_t size);

/* The failure rate is of these: events of ports that were read and applied, and those that came to nothing. */
uint64_t health_processed(const struct snapshot *snapshot);
uint64_t health_failed(const struct snapshot *snapshot);

#endif
