/* SPDX-License-Identifier: Apache-2.0 */
#include "observe/health.h"

#include <stdio.h>
#include <string.h>

#include "base/util.h"

#define WINDOW_NSEC (60 * NSEC_PER_SEC)
#define SPACING_NSEC (WINDOW_NSEC / (HEALTH_SAMPLES - 2))
#define SHARE_OF 20  /* events: of fewer no share is told */
#define P99_REST 1.0 /* percent that may take longer */
#define P99_OF 100

static const struct {
	const char *name, *unit;
} checks[HEALTH_CHECKS] = {
	[HEALTH_LOOP] = {"loop_stall", "seconds"},
	[HEALTH_KERNEL] = {"kernel_unsynced", "seconds"},
	[HEALTH_REDIS] = {"redis_away", "seconds"},
	[HEALTH_LATENCY] = {"latency", "microseconds, P99"},
	[HEALTH_FAILURES] = {"failures", "percent"},
	[HEALTH_PORTS] = {"ports_in_sync", "percent"},
	[HEALTH_OLD_LINKS] = {"old_links", "interfaces"},
	[HEALTH_OVERRUNS] = {"overruns", "in the last minute"},
	[HEALTH_LOG] = {"log_drops", "in the last minute"},
	[HEALTH_LOG_TARGET] = {"log_target", "seconds"},
	[HEALTH_MEMORY] = {"memory", "bytes"},
};

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

uint64_t health_processed(const struct view *view)
{
	return view->newlink + view->dellink - view->ignored;
}

uint64_t health_failed(const struct view *view)
{
	return view->malformed + view->truncations + view->no_memory + view->refused;
}

/* --- the last minute --- */

static struct health_sample take_sample(const struct health_input *in)
{
	struct health_sample sample = {
		.nsec = in->now_nsec,
		.processed = health_processed(in->view),
		.failed = health_failed(in->view),
		.timed = in->view->latency.count,
		.timed_within = in->view->latency_within,
		.overruns = in->view->overruns,
		.log_dropped = in->view->log_dropped,
	};

	memcpy(sample.below, in->view->latency.below, sizeof(sample.below));
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

/* What happened within the last minute, or since the judgement before if nobody asked for longer than that. */
static struct health_sample last_minute(struct health *h, const struct health_input *in,
					const struct health_sample *now)
{
	const struct health_sample *from = &h->samples[0];
	struct health_sample minute;

	if (h->n_samples == 0)
		h->samples[h->n_samples++] = (struct health_sample){
			.nsec = now->nsec,
			.overruns = recent(in->view->overrun_nsec, now->nsec) ? 0 : now->overruns,
			.log_dropped = recent(in->view->dropped_nsec, now->nsec) ? 0 : now->log_dropped,
		};
	while (h->n_samples > 1 && now->nsec - h->samples[1].nsec >= WINDOW_NSEC)
		forget_oldest(h);
	minute = (struct health_sample){
		.nsec = now->nsec - from->nsec,
		.processed = now->processed - from->processed,
		.failed = now->failed - from->failed,
		.timed = now->timed - from->timed,
		.timed_within = now->timed_within - from->timed_within,
		.overruns = now->overruns - from->overruns,
		.log_dropped = now->log_dropped - from->log_dropped,
	};
	for (size_t i = 0; i < VIEW_BOUNDS_MAX; i++)
		minute.below[i] = now->below[i] - from->below[i];
	return minute;
}

static void remember(struct health *h, const struct health_sample *now)
{
	if (now->nsec - h->samples[h->n_samples - 1].nsec < SPACING_NSEC)
		return;
	if (h->n_samples == HEALTH_SAMPLES)
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

static struct health_check judge_figure(double value, double limit, bool bad)
{
	return (struct health_check){
		.level = bad ? HEALTH_DEGRADED : HEALTH_HEALTHY, .known = true, .value = value, .limit = limit};
}

/* Something that should not be at all, since then (0: it is not), and not for long. */
static struct health_check judge_time(uint64_t since, uint64_t now, const struct health_limits *limits)
{
	uint64_t lasts = since && now > since ? now - since : 0;
	struct health_check check = judge_figure(seconds(lasts), seconds(limits->stall_nsec), since != 0);

	if (limits->stall_nsec && lasts > limits->stall_nsec)
		check.level = HEALTH_UNHEALTHY;
	return check;
}

static struct health_check judge_loop(const struct health_input *in, const struct health_limits *limits)
{
	struct health_check check = judge_figure(seconds(in->stall_nsec), seconds(limits->stall_nsec), false);

	if (!health_is_live(in->stall_nsec, limits))
		check.level = HEALTH_UNHEALTHY;
	return check;
}

static bool databases_ready(const struct view *v)
{
	for (size_t i = 0; i < VIEW_DATABASES; i++)
		if (!v->conns[i].ready)
			return false;
	return true;
}

/* Since when the first of these connections that is away is so; 0: that is not known. */
static uint64_t away_since(const struct view_conn *conns, size_t n)
{
	uint64_t since = 0;

	for (size_t i = 0; i < n; i++)
		if (!conns[i].ready && conns[i].away_nsec && (!since || conns[i].away_nsec < since))
			since = conns[i].away_nsec;
	return since;
}

/* What is not known, since when the first connection is awaited, counts from the first look. */
static void note_redis(struct health *h, const struct health_input *in, bool databases, bool all)
{
	uint64_t since = away_since(in->view->conns, databases ? VIEW_CONNS : VIEW_DATABASES);

	if (all)
		h->redis_away_nsec = 0;
	else if (since)
		h->redis_away_nsec = since;
	else if (h->redis_away_nsec == 0)
		h->redis_away_nsec = in->now_nsec;
}

static struct health_check judge_redis(struct health *h, const struct health_input *in,
				       const struct health_limits *limits)
{
	const struct view *v = in->view;
	bool databases = v->dry_run || databases_ready(v);
	bool all =
		databases && (v->dry_run || (v->conns[VIEW_APPL_EVENTS].ready && v->conns[VIEW_CONFIG_EVENTS].ready));
	struct health_check check;

	note_redis(h, in, databases, all);
	check = judge_time(h->redis_away_nsec, in->now_nsec, limits);
	/* Without a subscription it is only slower to hear of changes. */
	if (databases)
		check.level = MIN(check.level, HEALTH_DEGRADED);
	return check;
}

/* The first bound under which 99 % are; what is beyond the last one is not told apart. */
static uint64_t p99_bound(const struct health_sample *minute)
{
	for (size_t i = 0; i < view_time_bounds.n; i++)
		if (P99_OF * (minute->timed - minute->below[i]) <= minute->timed)
			return view_time_bounds.bounds[i];
	return view_time_bounds.bounds[view_time_bounds.n - 1];
}

/* By the exact count of those over the limit, with which the bound that is shown agrees. */
static struct health_check judge_latency(const struct health_sample *minute, const struct health_limits *limits)
{
	uint64_t over = minute->timed - MIN(minute->timed_within, minute->timed), limit = limits->max_latency_nsec;
	struct health_check check = {.limit = (double)limit / NSEC_PER_USEC};
	bool bad;

	if (minute->timed < SHARE_OF)
		return check;
	bad = percent(over, minute->timed) > P99_REST;
	return judge_figure((double)(bad ? MAX(p99_bound(minute), limit) : MIN(p99_bound(minute), limit)) /
				    NSEC_PER_USEC,
			    check.limit, bad);
}

static struct health_check judge_failures(const struct health_sample *minute, const struct health_limits *limits)
{
	uint64_t all = minute->processed + minute->failed;
	struct health_check check = {.limit = limits->max_failure_percent};
	double share;

	if (all < SHARE_OF)
		return check;
	share = percent(minute->failed, all);
	check = judge_figure(share, limits->max_failure_percent, share > 100.0 - limits->min_success_percent);
	if (share > limits->max_failure_percent)
		check.level = HEALTH_UNHEALTHY;
	return check;
}

/* Ports that have just changed are not in sync for a moment: that is no fault. */
static struct health_check judge_ports(struct health *h, const struct health_input *in,
				       const struct health_limits *limits)
{
	const struct view *v = in->view;
	double share = v->ports_configured ? percent(v->ports_in_sync, v->ports_configured) : 100.0;

	if (v->dry_run || share >= limits->min_sync_percent)
		h->ports_low_nsec = 0;
	else if (h->ports_low_nsec == 0)
		h->ports_low_nsec = in->now_nsec;
	return judge_figure(share, limits->min_sync_percent,
			    h->ports_low_nsec != 0 && in->now_nsec - h->ports_low_nsec > limits->stall_nsec);
}

/* Of what happened, the last time then. If nobody asked for longer than a minute, the count may be of before too. */
static struct health_check judge_count(uint64_t count, uint64_t last_nsec, uint64_t now_nsec)
{
	if (!recent(last_nsec, now_nsec))
		count = 0;
	return judge_figure((double)count, 0, count > 0);
}

/* It comes later than we do at a boot, and is restarted: that is no fault. */
static struct health_check judge_log_target(const struct health_input *in, const struct health_limits *limits)
{
	struct health_check check = judge_time(in->view->log_refused_nsec, in->now_nsec, limits);

	check.level = check.value > check.limit ? HEALTH_DEGRADED : HEALTH_HEALTHY;
	return check;
}

static struct health_check judge_memory(const struct health_input *in, const struct health_limits *limits)
{
	return judge_figure((double)in->memory_bytes, (double)limits->max_memory_bytes,
			    limits->max_memory_bytes && in->memory_bytes > limits->max_memory_bytes);
}

static void keep(struct health *h, size_t i, struct health_check now, uint64_t now_nsec)
{
	struct health_check *check = &h->checks[i];

	now.since_nsec = h->begun && check->level == now.level ? check->since_nsec : now_nsec;
	*check = now;
}

static void keep_worst(struct health *h, uint64_t now_nsec)
{
	enum health_level worst = HEALTH_HEALTHY;

	for (size_t i = 0; i < HEALTH_CHECKS; i++)
		worst = MAX(worst, h->checks[i].level);
	if (!h->begun || worst != h->level)
		h->since_nsec = now_nsec;
	h->level = worst;
	h->begun = true;
}

void health_judge(struct health *h, const struct health_input *in, const struct health_limits *limits)
{
	struct health_sample now = take_sample(in), minute = last_minute(h, in, &now);
	const struct health_check judged[HEALTH_CHECKS] = {
		[HEALTH_LOOP] = judge_loop(in, limits),
		[HEALTH_KERNEL] = judge_time(in->view->synced ? 0 : in->view->sync_changed_nsec, in->now_nsec, limits),
		[HEALTH_REDIS] = judge_redis(h, in, limits),
		[HEALTH_LATENCY] = judge_latency(&minute, limits),
		[HEALTH_FAILURES] = judge_failures(&minute, limits),
		[HEALTH_PORTS] = judge_ports(h, in, limits),
		[HEALTH_OLD_LINKS] = judge_figure((double)in->view->ports_old, 0, in->view->ports_old > 0),
		[HEALTH_OVERRUNS] = judge_count(minute.overruns, in->view->overrun_nsec, in->now_nsec),
		[HEALTH_LOG] = judge_count(minute.log_dropped, in->view->dropped_nsec, in->now_nsec),
		[HEALTH_LOG_TARGET] = judge_log_target(in, limits),
		[HEALTH_MEMORY] = judge_memory(in, limits),
	};

	for (size_t i = 0; i < HEALTH_CHECKS; i++)
		keep(h, i, judged[i], in->now_nsec);
	keep_worst(h, in->now_nsec);
	remember(h, &now);
}

bool health_is_live(uint64_t stall_nsec, const struct health_limits *limits)
{
	return limits->stall_nsec == 0 || stall_nsec <= limits->stall_nsec;
}

bool health_is_ready(const struct view *v)
{
	return v->synced && (v->dry_run || (databases_ready(v) && v->init_done));
}

const char *health_reasons(const struct health *h, char *out, size_t size)
{
	size_t at = 0;

	out[0] = '\0';
	for (size_t i = 0; i < HEALTH_CHECKS && at < size; i++)
		if (h->checks[i].level != HEALTH_HEALTHY)
			at += (size_t)snprintf(out + at, size - at, "%s%s", at > 0 ? ", " : "", checks[i].name);
	return out;
}
