/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether the daemon is well: a function of the figures, the limits, the time, and the judgement before. A switch on
 * which nothing happens is healthy. The event loop judges, on one clock: when something changed, when time alone
 * changes the judgement (due_nsec), and when somebody asks. So what it says of the last minute, and since when
 * something is wrong, does not depend on who looks.
 */
#ifndef PORTSYNCD_METRICS_HEALTH_H
#define PORTSYNCD_METRICS_HEALTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "metrics/health_report.h"
#include "metrics/snapshot.h"

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
	/* CLOCK_MONOTONIC: when time alone may make another judgement, as something is wrong, or will be; UINT64_MAX:
	 * it will not */
	uint64_t due_nsec;

	/* Private. */
	bool begun;
	uint64_t redis_away_nsec, ports_low_nsec; /* since when; 0: they are not */
	size_t n_samples;
	struct health_sample samples[HEALTH_SAMPLES]; /* oldest first */
};

struct health_input {
	const struct snapshot *snapshot;
	uint64_t memory_bytes, now_nsec; /* now: CLOCK_MONOTONIC */
};

/* Zero *h before the first call. */
void health_judge(struct health *h, const struct health_input *in, const struct health_limits *limits);
/* What the loop cannot judge: that its present turn has taken so long, or that a question was not answered for so long;
 * 0: it turns. */
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

/* What the failure rate is of: events of ports that were read and applied, and those that came to nothing. */
uint64_t health_processed(const struct snapshot *snapshot);
uint64_t health_failed(const struct snapshot *snapshot);

#endif
