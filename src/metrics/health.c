/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/health.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "base/util.h"

#define WINDOW_NSEC (60 * NSEC_PER_SEC)
#define SPACING_NSEC (WINDOW_NSEC / (HEALTH_SAMPLES / 2 - 2))
#define SHARE_OF 20 /* the fewest events of which a percentage is meaningful */
#define MEMORY_NSEC (10 * NSEC_PER_SEC)
#define P99_REST 1.0 /* percent that may take longer */
#define P99_OF 100

/* clang-format off */
static const struct {
	const char *name, *unit;
} checks[HEALTH_CHECKS] = {
	[HEALTH_LOOP] = {"loop_stall", "seconds"},
	[HEALTH_KERNEL] = {"kernel_unsynced", "seconds"},
	[HEALTH_REDIS] = {"redis_away", "seconds"},
	[HEALTH_MARKERS] = {"markers_missing", "markers"},
	[HEALTH_AWAITED] = {"ports_awaited", "ports"},
	[HEALTH_OLD_LINKS] = {"old_links", "interfaces"},
	[HEALTH_NO_PORTS] = {"no_ports", "interfaces"},
	[HEALTH_PORTS] = {"ports_in_sync", "percent"},
	[HEALTH_CONFIG] = {"configuration", "faults"},
	[HEALTH_LATENCY] = {"latency", "microseconds, P99"},
	[HEALTH_FAILURES] = {"failures", "percent"},
	[HEALTH_OVERRUNS] = {"overruns", "in the last minute"},
	[HEALTH_LOG] = {"log_drops", "in the last minute"},
	[HEALTH_LOG_TARGET] = {"log_target", "seconds"},
	[HEALTH_HTTP] = {"http_address", "addresses"},
	[HEALTH_RECORDER] = {"recordings", "failed"},
	[HEALTH_MEMORY] = {"memory", "bytes"},
};
/* clang-format on */

const char *health_level_name(enum health_level level)
{
	static const char *const names[] = {"healthy", "degraded", "unhealthy"};

	return names[level];
}

const char *health_check_name(enum health_check_index check)
{
	return checks[check].name;
}

const char *health_check_unit(enum health_check_index check)
{
	return checks[check].unit;
}

uint64_t health_processed(const struct snapshot *snapshot)
{
	return snapshot->watch.newlink + snapshot->watch.dellink - snapshot->links.ignored;
}

uint64_t health_failed(const struct snapshot *snapshot)
{
	return snapshot->watch.malformed + snapshot->watch.truncations + snapshot->links.no_memory +
	       snapshot->publish.refused;
}

/* --- the last minute --- */

static struct health_sample take_sample(const struct health_input *in)
{
	struct health_sample sample = {
		.nsec = in->now_nsec,
		.processed = health_processed(in->snapshot),
		.failed = health_failed(in->snapshot),
		.timed = in->snapshot->latency.count,
		.timed_within = in->snapshot->latency_within,
		.overruns = in->snapshot->watch.overruns,
		.log_dropped = in->snapshot->log.dropped,
	};

	memcpy(sample.below, in->snapshot->latency.below, sizeof(sample.below));
	return sample;
}

static bool recent(uint64_t nsec, uint64_t now_nsec)
{
	return now_nsec - nsec < WINDOW_NSEC;
}

static void forget_oldest(struct health *h)
{
	h->n_samples--;
	memmove(h->samples, h->samples + 1, h->n_samples * sizeof(h->samples[0]));
}

static struct health_sample since_sample(const struct health_sample *from, const struct health_sample *now)
{
	struct health_sample between = {
		.nsec = now->nsec - from->nsec,
		.processed = now->processed - from->processed,
		.failed = now->failed - from->failed,
		.timed = now->timed - from->timed,
		.timed_within = now->timed_within - from->timed_within,
		.overruns = now->overruns - from->overruns,
		.log_dropped = now->log_dropped - from->log_dropped,
	};

	for (size_t i = 0; i < SNAPSHOT_BOUNDS_MAX; i++)
		between.below[i] = now->below[i] - from->below[i];
	return between;
}

/* What happened within the last minute. Where earlier judgements are further away, nothing happened in between. */
static struct health_sample last_minute(struct health *h, const struct health_input *in,
					const struct health_sample *now)
{
	if (h->n_samples == 0)
		h->samples[h->n_samples++] = (struct health_sample){
			.nsec = now->nsec,
			.overruns = recent(in->snapshot->watch.overrun_nsec, now->nsec) ? 0 : now->overruns,
			.log_dropped = recent(in->snapshot->log.dropped_nsec, now->nsec) ? 0 : now->log_dropped,
		};
	while (h->n_samples > 1 && now->nsec - h->samples[1].nsec >= WINDOW_NSEC)
		forget_oldest(h);
	return since_sample(&h->samples[0], now);
}

/* The newest sample is always that of the last judgement. The others are spaced so that all of them together span more
 * than a minute. */
static void remember(struct health *h, const struct health_sample *now)
{
	size_t n = h->n_samples;

	if (n > 1 && now->nsec - h->samples[n - 2].nsec < SPACING_NSEC) {
		h->samples[n - 1] = *now;
		return;
	}
	if (n == HEALTH_SAMPLES)
		forget_oldest(h);
	h->samples[h->n_samples++] = *now;
}

/* --- checks --- */

static double percent(uint64_t part, uint64_t whole)
{
	return 100.0 * (double)part / (double)whole;
}

static double seconds(uint64_t nsec)
{
	return (double)nsec / (double)NSEC_PER_SEC;
}

/* A check, when its fault began (0: now, as far as is known), and when the passing of time may change it. */
struct verdict {
	struct health_check check;
	uint64_t begun_nsec, due_nsec;
};

static struct verdict judge_figure(double value, double limit, bool bad)
{
	return (struct verdict){
		.check = {.level = bad ? HEALTH_DEGRADED : HEALTH_HEALTHY,
			  .known = true,
			  .value = value,
			  .limit = limit},
		.due_nsec = UINT64_MAX,
	};
}

/* A count that should be 0. */
static struct verdict judge_none(uint64_t count)
{
	return judge_figure((double)count, 0, count > 0);
}

/* A fault that has lasted since then (0: there is none): degraded at once, unhealthy after stall_nsec. */
static struct verdict judge_time(uint64_t since, uint64_t now, const struct health_limits *limits)
{
	uint64_t lasts = since && now > since ? now - since : 0;
	struct verdict v = judge_figure(seconds(lasts), seconds(limits->stall_nsec), since != 0);

	v.begun_nsec = since;
	if (!since || !limits->stall_nsec)
		return v;
	if (lasts > limits->stall_nsec)
		v.check.level = HEALTH_UNHEALTHY;
	else
		v.due_nsec = since + limits->stall_nsec + 1;
	return v;
}

static bool databases_ready(const struct snapshot *v)
{
	for (size_t i = 0; i < SNAPSHOT_DATABASES; i++)
		if (!v->conns[i].ready)
			return false;
	return true;
}

/* Since when the first of these connections to go is away; 0: that is not known. */
static uint64_t away_since(const struct snapshot_conn *conns, size_t n)
{
	uint64_t since = 0;

	for (size_t i = 0; i < n; i++)
		if (!conns[i].ready && conns[i].outage_usec && (!since || conns[i].outage_usec < since))
			since = conns[i].outage_usec;
	return since * NSEC_PER_USEC;
}

/* An outage whose beginning is not known counts from the first judgement that finds it. */
static void note_redis(struct health *h, const struct health_input *in, bool databases, bool all)
{
	uint64_t since = away_since(in->snapshot->conns, databases ? SNAPSHOT_CONNS : SNAPSHOT_DATABASES);

	if (all)
		h->outage_nsec = 0;
	else if (since)
		h->outage_nsec = since;
	else if (h->outage_nsec == 0)
		h->outage_nsec = in->now_nsec;
}

static struct verdict judge_redis(struct health *h, const struct health_input *in, const struct health_limits *limits)
{
	const struct snapshot *v = in->snapshot;
	bool databases = v->dry_run || databases_ready(v);
	bool all = databases &&
		   (v->dry_run || (v->conns[SNAPSHOT_APPL_EVENTS].ready && v->conns[SNAPSHOT_CONFIG_EVENTS].ready));
	struct verdict verdict;

	note_redis(h, in, databases, all);
	verdict = judge_time(h->outage_nsec, in->now_nsec, limits);
	/* Without a subscription the daemon is only slower to learn of changes. */
	if (databases)
		verdict.check.level = MIN(verdict.check.level, HEALTH_DEGRADED);
	return verdict;
}

/* The first bound under which 99 % are; the last one if none is. */
static uint64_t p99_bound(const struct health_sample *minute)
{
	for (size_t i = 0; i < snapshot_time_bounds.n; i++)
		if (P99_OF * (minute->timed - minute->below[i]) <= minute->timed)
			return snapshot_time_bounds.bounds[i];
	return snapshot_time_bounds.bounds[snapshot_time_bounds.n - 1];
}

/* The exact count of events over the limit decides; the bound that is shown agrees with it. */
static struct verdict judge_latency(const struct health_sample *minute, const struct health_limits *limits)
{
	uint64_t over = minute->timed - MIN(minute->timed_within, minute->timed), limit = limits->max_latency_nsec;
	struct verdict few = {.check.limit = (double)limit / NSEC_PER_USEC, .due_nsec = UINT64_MAX};
	bool bad;

	if (minute->timed < SHARE_OF)
		return few;
	bad = percent(over, minute->timed) > P99_REST;
	return judge_figure((double)(bad ? MAX(p99_bound(minute), limit) : MIN(p99_bound(minute), limit)) /
				    NSEC_PER_USEC,
			    few.check.limit, bad);
}

static struct verdict judge_failures(const struct health_sample *minute, const struct health_limits *limits)
{
	uint64_t all = minute->processed + minute->failed;
	struct verdict verdict = {.check.limit = limits->max_failure_percent, .due_nsec = UINT64_MAX};
	double share;

	if (all < SHARE_OF)
		return verdict;
	share = percent(minute->failed, all);
	verdict = judge_figure(share, limits->max_failure_percent, share > 100.0 - limits->min_success_percent);
	if (share > limits->max_failure_percent)
		verdict.check.level = HEALTH_UNHEALTHY;
	return verdict;
}

/*
 * When the last minute has moved on so far that the judgement changes, if nothing else happens. A failure or a slow
 * event weighs more as others leave the minute, and is over when it leaves itself.
 */
static uint64_t minute_due(const struct health *h, const struct health_sample *now, const struct health_limits *limits)
{
	const struct health_check *checks_now = h->report.checks;

	for (size_t i = 1; i < h->n_samples; i++) {
		struct health_sample rest = since_sample(&h->samples[i], now);

		if (judge_latency(&rest, limits).check.level != checks_now[HEALTH_LATENCY].level ||
		    judge_failures(&rest, limits).check.level != checks_now[HEALTH_FAILURES].level)
			return h->samples[i].nsec + WINDOW_NSEC;
	}
	return UINT64_MAX;
}

/* Ports that have just changed are out of sync for a moment, which is not a fault. */
static struct verdict judge_ports(struct health *h, const struct health_input *in, const struct health_limits *limits)
{
	const struct snapshot *v = in->snapshot;
	struct verdict verdict;
	double share = v->sums.configured ? percent(v->sums.in_sync, v->sums.configured) : 100.0;

	if (v->dry_run || share >= limits->min_sync_percent)
		h->ports_low_nsec = 0;
	else if (h->ports_low_nsec == 0)
		h->ports_low_nsec = in->now_nsec;
	verdict = judge_figure(share, limits->min_sync_percent,
			       h->ports_low_nsec != 0 && in->now_nsec - h->ports_low_nsec > limits->stall_nsec);
	verdict.begun_nsec = h->ports_low_nsec;
	if (h->ports_low_nsec != 0 && verdict.check.level == HEALTH_HEALTHY)
		verdict.due_nsec = h->ports_low_nsec + limits->stall_nsec + 1;
	return verdict;
}

/* The markers that APPL_DB is known to lack; one that was not sent yet counts, too. */
static struct verdict judge_markers(const struct snapshot *v)
{
	return judge_none(v->dry_run ? 0 : (uint64_t)!v->config_done + !v->init_done);
}

/* Before PortConfigDone nobody knows which ports there are. */
static struct verdict judge_no_ports(const struct snapshot *v)
{
	return judge_none(v->config_done && v->sums.configured == 0 ? v->sums.present : 0);
}

/* Events within the last minute; the last one happened at last_nsec. */
static struct verdict judge_count(uint64_t count, uint64_t last_nsec, uint64_t now_nsec)
{
	struct verdict verdict = judge_none(recent(last_nsec, now_nsec) ? count : 0);

	if (verdict.check.level == HEALTH_HEALTHY)
		return verdict;
	verdict.begun_nsec = last_nsec;
	verdict.due_nsec = last_nsec + WINDOW_NSEC;
	return verdict;
}

/* At a boot it starts later than this daemon, and it may be restarted: only a long absence is a fault. */
static struct verdict judge_log_target(const struct health_input *in, const struct health_limits *limits)
{
	struct verdict verdict = judge_time(in->snapshot->log.refused_since * NSEC_PER_USEC, in->now_nsec, limits);

	verdict.check.level = verdict.check.value > verdict.check.limit ? HEALTH_DEGRADED : HEALTH_HEALTHY;
	return verdict;
}

/* No event announces that memory was freed: look again. */
static struct verdict judge_memory(const struct health_input *in, const struct health_limits *limits)
{
	struct verdict verdict = judge_figure((double)in->memory_bytes, (double)limits->max_memory_bytes,
					      limits->max_memory_bytes && in->memory_bytes > limits->max_memory_bytes);

	if (verdict.check.level != HEALTH_HEALTHY)
		verdict.due_nsec = in->now_nsec + MEMORY_NSEC;
	return verdict;
}

/* --- the whole --- */

static uint64_t since(const struct health_check *before, const struct verdict *verdict, bool begun, uint64_t now_nsec)
{
	bool was_bad = begun && before->level != HEALTH_HEALTHY, is_bad = verdict->check.level != HEALTH_HEALTHY;

	if (begun && was_bad == is_bad)
		return before->since_nsec;
	return is_bad && verdict->begun_nsec ? MIN(verdict->begun_nsec, now_nsec) : now_nsec;
}

static void keep(struct health *h, size_t i, const struct verdict *verdict, uint64_t now_nsec)
{
	struct health_check *check = &h->report.checks[i];
	uint64_t since_nsec = since(check, verdict, h->begun, now_nsec);

	*check = verdict->check;
	check->since_nsec = since_nsec;
	h->due_nsec = MIN(h->due_nsec, MAX(verdict->due_nsec, now_nsec + 1));
}

static void keep_worst(struct health_report *report, bool begun, uint64_t now_nsec)
{
	enum health_level was = report->level;
	uint64_t first = now_nsec;

	report->level = HEALTH_HEALTHY;
	for (size_t i = 0; i < HEALTH_CHECKS; i++) {
		const struct health_check *check = &report->checks[i];

		report->level = MAX(report->level, check->level);
		if (check->level != HEALTH_HEALTHY)
			first = MIN(first, check->since_nsec);
	}
	if (!begun || (was == HEALTH_HEALTHY) != (report->level == HEALTH_HEALTHY))
		report->since_nsec = first;
	else if (report->level != HEALTH_HEALTHY)
		report->since_nsec = MIN(report->since_nsec, first);
}

void health_judge(struct health *h, const struct health_input *in, const struct health_limits *limits)
{
	struct health_sample now = take_sample(in), minute = last_minute(h, in, &now);
	const struct verdict judged[HEALTH_CHECKS] = {
		[HEALTH_LOOP] = judge_figure(0, seconds(limits->stall_nsec), false),
		[HEALTH_KERNEL] = judge_time(in->snapshot->sync.synced ? 0 : in->snapshot->sync.changed_nsec,
					     in->now_nsec, limits),
		[HEALTH_REDIS] = judge_redis(h, in, limits),
		[HEALTH_MARKERS] = judge_markers(in->snapshot),
		[HEALTH_AWAITED] = judge_none(in->snapshot->sums.awaited),
		[HEALTH_OLD_LINKS] = judge_none(in->snapshot->sums.old),
		[HEALTH_NO_PORTS] = judge_no_ports(in->snapshot),
		[HEALTH_PORTS] = judge_ports(h, in, limits),
		[HEALTH_CONFIG] = judge_none(in->snapshot->config_faults),
		[HEALTH_LATENCY] = judge_latency(&minute, limits),
		[HEALTH_FAILURES] = judge_failures(&minute, limits),
		[HEALTH_OVERRUNS] = judge_count(minute.overruns, in->snapshot->watch.overrun_nsec, in->now_nsec),
		[HEALTH_LOG] = judge_count(minute.log_dropped, in->snapshot->log.dropped_nsec, in->now_nsec),
		[HEALTH_LOG_TARGET] = judge_log_target(in, limits),
		[HEALTH_HTTP] = judge_none(in->snapshot->http.missing),
		[HEALTH_RECORDER] = judge_none(in->snapshot->recorder.failing),
		[HEALTH_MEMORY] = judge_memory(in, limits),
	};

	h->due_nsec = UINT64_MAX;
	for (size_t i = 0; i < HEALTH_CHECKS; i++)
		keep(h, i, &judged[i], in->now_nsec);
	keep_worst(&h->report, h->begun, in->now_nsec);
	h->begun = true;
	remember(h, &now);
	h->due_nsec = MIN(h->due_nsec, minute_due(h, &now, limits));
}

void health_add_stall(struct health_report *report, uint64_t stall_nsec, uint64_t now_nsec,
		      const struct health_limits *limits)
{
	struct health_check *loop = &report->checks[HEALTH_LOOP];

	loop->known = true;
	loop->value = seconds(stall_nsec);
	loop->limit = seconds(limits->stall_nsec);
	if (health_is_live(stall_nsec, limits))
		return;
	loop->level = HEALTH_UNHEALTHY;
	loop->since_nsec = now_nsec - MIN(stall_nsec, now_nsec);
	keep_worst(report, true, now_nsec);
}

bool health_is_live(uint64_t stall_nsec, const struct health_limits *limits)
{
	return limits->stall_nsec == 0 || stall_nsec <= limits->stall_nsec;
}

bool health_is_ready(const struct snapshot *v)
{
	return v->sync.synced && !v->markers_unknown && (v->dry_run || (databases_ready(v) && v->init_done));
}

const char *health_reasons(const struct health_report *report, char *out, size_t size)
{
	out[0] = '\0';
	for (size_t i = 0; i < HEALTH_CHECKS; i++)
		if (report->checks[i].level != HEALTH_HEALTHY)
			text_append(out, size, ", ", "%s", checks[i].name);
	return out;
}
