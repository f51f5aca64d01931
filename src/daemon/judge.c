/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When the daemon's health is judged, and what systemd shows of it. A judgement is made soon after something changed,
 * when the passing of time changes it, at each reconciliation, and when figures are requested. While all is well and
 * nothing changes no timer is armed.
 */
#include "daemon/judge.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "base/timer.h"
#include "daemon/status.h"
#include "host/notify.h"
#include "metrics/health.h"
#include "metrics/procstat.h"

#define SOON_USEC (200 * USEC_PER_MSEC)
#define APART_USEC USEC_PER_SEC /* between judgements that nobody requested */
#define ACCURACY_USEC (100 * USEC_PER_MSEC)
#define PROC "/proc"
#define MIN_SUCCESS_PERCENT 99.0 /* of the events; with fewer health is degraded */
#define BYTES_PER_MB (UINT64_C(1) << 20)

/* Figures that move when something happened that may change the judgement. */
struct activity {
	uint64_t messages, faults, refused, drift, lines, configured, expected;
};

struct daemon_judge {
	sd_event_source *timer, *bell;
	uint64_t armed_usec;      /* when the timer rings; 0: it does not */
	uint64_t judged_usec;     /* the last judgement */
	bool in_turn;             /* it was made in this turn of the loop */
	struct activity activity; /* as they were then */
	struct health health;
	struct health_limits limits;
	struct snapshot own;
	bool notifying;   /* this judgement goes to systemd */
	char status[384]; /* as it was last sent */
};

/* --- when --- */

static void arm(struct daemon_judge *j, uint64_t at_usec)
{
	if (j->armed_usec != 0 && j->armed_usec <= at_usec)
		return;
	j->armed_usec = at_usec;
	timer_start_at(j->timer, at_usec);
}

void judge_soon(struct daemon *d)
{
	arm(d->judge, MAX(now_usec() + SOON_USEC, d->judge->judged_usec + APART_USEC));
}

static void arm_due(struct daemon_judge *j)
{
	if (j->health.due_nsec != UINT64_MAX)
		arm(j, MAX(j->health.due_nsec / NSEC_PER_USEC + 1, j->judged_usec + SOON_USEC));
}

static struct activity activity_now(const struct daemon *d)
{
	const struct watch_stats *w;
	struct activity now = {0};
	struct log_stats log;

	if (d->awaited)
		return now;
	w = watch_stats(d->watch);
	now.messages = w->messages;
	now.faults = w->overruns + w->truncations + w->socket_errors + w->malformed;
	now.configured = links_stats(d->links)->configured;
	now.expected = links_expected(d->links);
	log_stats(&log);
	now.lines = log.dropped + log.suppressed;
	if (d->publish) {
		now.refused = publish_stats(d->publish)->refused;
		now.drift = publish_stats(d->publish)->drift;
	}
	return now;
}

void judge_turn(struct daemon *d)
{
	struct daemon_judge *j = d->judge;
	struct activity now;

	if (j->in_turn) {
		j->in_turn = false;
		return;
	}
	/* A judgement is due soon anyway. */
	if (j->armed_usec != 0 && j->armed_usec <= j->judged_usec + APART_USEC)
		return;
	now = activity_now(d);
	if (j->health.due_nsec != UINT64_MAX || j->health.report.level != HEALTH_HEALTHY ||
	    memcmp(&now, &j->activity, sizeof(now)) != 0)
		judge_soon(d);
}

/* --- the judgement --- */

static bool same_levels(const struct health_report *a, const struct health_report *b)
{
	for (size_t i = 0; i < HEALTH_CHECKS; i++)
		if (a->checks[i].level != b->checks[i].level)
			return false;
	return true;
}

struct health_report judge_snapshot(struct daemon *d, const struct snapshot *s)
{
	struct daemon_judge *j = d->judge;
	const struct health_report before = j->health.report;
	const struct health_input in = {
		.snapshot = s,
		.memory_bytes = procstat_resident(PROC),
		.now_nsec = now_nsec(),
	};

	health_judge(&j->health, &in, &j->limits);
	j->judged_usec = in.now_nsec / NSEC_PER_USEC;
	j->activity = activity_now(d);
	j->in_turn = true;
	arm_due(j);
	/* A client that requested the figures knows; systemd does not. */
	if (!j->notifying && !same_levels(&before, &j->health.report))
		judge_soon(d);
	return j->health.report;
}

/* --- what systemd shows --- */

static void compose_status(const struct snapshot *s, const struct health_report *health, char *out, size_t size)
{
	char reasons[192];

	(void)health_reasons(health, reasons, sizeof(reasons));
	(void)snprintf(
		out, size,
		"STATUS=%" PRIu64 " of %" PRIu64 " configured ports in sync, %" PRIu64 " up; kernel %s; Redis %s; "
		"PortInitDone %s; %s%s%s",
		s->sums.in_sync, s->sums.configured, s->sums.up, s->sync.synced ? "in sync" : "not in sync",
		health->checks[HEALTH_REDIS].level == HEALTH_HEALTHY ? "connected" : "away",
		s->init_done ? "sent" : "not sent", health_level_name(health->level), reasons[0] ? ": " : "", reasons);
}

static void notify_systemd(const struct daemon *d)
{
	struct daemon_judge *j = d->judge;
	char status[sizeof(j->status)];

	if (!d->notify)
		return;
	compose_status(&j->own, &j->health.report, status, sizeof(status));
	if (strcmp(status, j->status) == 0)
		return;
	memcpy(j->status, status, sizeof(status));
	notify_send(d->notify, "%s", status);
}

void judge_now(struct daemon *d)
{
	struct health_report health; /* j->health has it as well */

	d->judge->notifying = true;
	status_fill(&d->judge->own, &health, d);
	d->judge->notifying = false;
	/* Until then STATUS says what is awaited. */
	if (!d->awaited)
		notify_systemd(d);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *user)
{
	struct daemon *d = user;

	(void)source;
	(void)usec;
	d->judge->armed_usec = 0;
	judge_now(d);
	return 0;
}

/* The log's thread found that lines cannot be written, or can again. */
static int on_bell(sd_event_source *source, int fd, uint32_t revents, void *user)
{
	eventfd_t count;

	(void)source;
	(void)revents;
	(void)eventfd_read(fd, &count);
	judge_soon(user);
	return 0;
}

/* --- building --- */

static struct health_limits limits_of(const struct config *config)
{
	return (struct health_limits){
		.stall_nsec = (uint64_t)config->max_stall_secs * NSEC_PER_SEC,
		.max_latency_nsec = (uint64_t)config->max_latency_usecs * NSEC_PER_USEC,
		.max_failure_percent = config->max_failure_percent,
		.min_success_percent = MIN_SUCCESS_PERCENT,
		.min_sync_percent = config->min_sync_percent,
		.max_memory_bytes = (uint64_t)config->max_memory_mb * BYTES_PER_MB,
	};
}

const struct health_limits *judge_limits(const struct daemon *d)
{
	return &d->judge->limits;
}

int judge_build(struct daemon *d)
{
	struct daemon_judge *j = calloc(1, sizeof(*j));

	if (!j)
		return -ENOMEM;
	d->judge = j;
	j->limits = limits_of(d->config);
	return timer_add(&j->timer, d->event, ACCURACY_USEC, on_timer, d);
}

int judge_start(struct daemon *d)
{
	int fd = log_bell(), r = 0;

	if (fd >= 0)
		r = sd_event_add_io(d->event, &d->judge->bell, fd, EPOLLIN, on_bell, d);
	judge_now(d);
	return r < 0 ? r : 0;
}

void judge_free(struct daemon *d)
{
	if (!d->judge)
		return;
	sd_event_source_disable_unref(d->judge->timer);
	sd_event_source_disable_unref(d->judge->bell);
	free(d->judge);
}
