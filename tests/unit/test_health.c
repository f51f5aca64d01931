/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/health.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"

#define S NSEC_PER_SEC
#define T0 (1000 * S)

static const struct health_limits limits = {
	.stall_nsec = 10 * S,
	.max_latency_nsec = 10 * NSEC_PER_MSEC,
	.max_failure_percent = 5.0,
	.min_success_percent = 99.0,
	.min_sync_percent = 90.0,
	.max_memory_bytes = 1000,
};

static const struct snapshot quiet = {
	.sync = {.synced = true, .changed_nsec = T0 - 5 * S},
	.conns = {{.ready = true}, {.ready = true}, {.ready = true}, {.ready = true}, {.ready = true}},
	.config_done = true,
	.init_done = true,
	.sums = {.configured = 32, .in_sync = 32},
	.socket = {.works = true},
};

static void judge_at(struct health *h, const struct snapshot *v, uint64_t nsec)
{
	const struct health_input in = {.snapshot = v, .memory_bytes = 500, .now_nsec = nsec};

	health_judge(h, &in, &limits);
}

static void a_quiet_switch_is_healthy(void **state)
{
	struct health h = {0};

	(void)state;
	for (uint64_t at = T0; at < T0 + 7 * 86400 * S; at += 3600 * S)
		judge_at(&h, &quiet, at);
	assert_int_equal(h.report.level, HEALTH_HEALTHY);
	assert_int_equal(h.report.since_nsec, T0);
	for (size_t i = 0; i < HEALTH_CHECKS; i++) {
		assert_int_equal(h.report.checks[i].level, HEALTH_HEALTHY);
		assert_int_equal(h.report.checks[i].since_nsec, T0);
	}
	assert_false(h.report.checks[HEALTH_LATENCY].known);
	assert_false(h.report.checks[HEALTH_FAILURES].known);
}

/* What one judgement makes of figures that follow 1,000 s in which all was well. */
struct moment {
	const char *what;
	void (*change)(struct snapshot *v, struct health_input *in);
	enum health_check_index check;
	enum health_level level;
	double value; /* < 0: there is none */
	uint64_t ago; /* seconds, when it began */
};

static void unsynced(struct snapshot *v, struct health_input *in)
{
	v->sync.synced = false;
	v->sync.changed_nsec = in->now_nsec - 10 * S;
}

static void unsynced_too_long(struct snapshot *v, struct health_input *in)
{
	v->sync.synced = false;
	v->sync.changed_nsec = in->now_nsec - 11 * S;
}

static void database_away(struct snapshot *v, struct health_input *in)
{
	(void)in;
	v->conns[SNAPSHOT_STATE_DB].ready = false;
}

static void subscription_away(struct snapshot *v, struct health_input *in)
{
	(void)in;
	v->conns[SNAPSHOT_APPL_EVENTS].ready = false;
}

/* So many of 1,000 took up to 200 us, all others up to 20 ms. */
static void spread(struct snapshot *v, uint64_t fast)
{
	v->latency.count = 1000;
	for (size_t i = 0; i < snapshot_time_bounds.n; i++) {
		bool all = snapshot_time_bounds.bounds[i] >= 20 * NSEC_PER_MSEC;

		v->latency.below[i] = all ? 1000 : snapshot_time_bounds.bounds[i] >= 200 * NSEC_PER_USEC ? fast : 0;
	}
	v->latency_within = fast;
}

static void one_marker(struct snapshot *v, struct health_input *in)
{
	(void)in;
	v->init_done = false;
}

static void no_markers(struct snapshot *v, struct health_input *in)
{
	(void)in;
	v->config_done = v->init_done = false;
}

static void ports_awaited(struct snapshot *v, struct health_input *in)
{
	(void)in;
	v->sums.awaited = 3;
}

static void old_links(struct snapshot *v, struct health_input *in)
{
	(void)in;
	v->sums.old = 4;
}

static void links_without_ports(struct snapshot *v, struct health_input *in)
{
	(void)in;
	v->sums.configured = v->sums.in_sync = 0;
	v->sums.present = 5;
}

static void links_before_ports(struct snapshot *v, struct health_input *in)
{
	links_without_ports(v, in);
	v->config_done = v->init_done = false;
}

static void address_missing(struct snapshot *v, struct health_input *in)
{
	(void)in;
	v->http.missing = 1;
}

static void recording_failed(struct snapshot *v, struct health_input *in)
{
	(void)in;
	v->recorder.failing = true;
}

static void few_are_slow(struct snapshot *v, struct health_input *in)
{
	(void)in;
	spread(v, 990);
}

static void too_many_are_slow(struct snapshot *v, struct health_input *in)
{
	(void)in;
	spread(v, 989);
}

static void too_few_to_tell(struct snapshot *v, struct health_input *in)
{
	(void)in;
	v->latency.count = 19;
	v->watch.newlink = 9;
	v->publish.refused = 10;
}

static void one_percent_fails(struct snapshot *v, struct health_input *in)
{
	(void)in;
	v->watch.newlink = 900;
	v->watch.dellink = 90;
	v->publish.refused = 10;
}

static void two_percent_fail(struct snapshot *v, struct health_input *in)
{
	(void)in;
	v->watch.newlink = 980;
	v->watch.malformed = 5;
	v->watch.truncations = 5;
	v->publish.refused = 5;
	v->links.no_memory = 5;
}

static void ten_percent_fail(struct snapshot *v, struct health_input *in)
{
	(void)in;
	v->watch.newlink = 90;
	v->publish.refused = 10;
}

static void some_ports_differ(struct snapshot *v, struct health_input *in)
{
	(void)in;
	v->sums.in_sync = 8;
}

static void no_ports(struct snapshot *v, struct health_input *in)
{
	(void)in;
	v->sums.configured = v->sums.in_sync = 0;
}

static void overrun(struct snapshot *v, struct health_input *in)
{
	v->watch.overruns = 2;
	v->watch.overrun_nsec = in->now_nsec - 59 * S;
}

static void lines_lost(struct snapshot *v, struct health_input *in)
{
	v->log.dropped = 3;
	v->log.dropped_nsec = in->now_nsec - 59 * S;
}

static void log_refused_for_a_moment(struct snapshot *v, struct health_input *in)
{
	v->log.refused_since = (in->now_nsec - 10 * S) / NSEC_PER_USEC;
}

static void log_refused(struct snapshot *v, struct health_input *in)
{
	v->log.refused_since = (in->now_nsec - 11 * S) / NSEC_PER_USEC;
}

static void just_enough_memory(struct snapshot *v, struct health_input *in)
{
	(void)v;
	in->memory_bytes = 1000;
}

static void too_much_memory(struct snapshot *v, struct health_input *in)
{
	(void)v;
	in->memory_bytes = 1001;
}

static const struct moment moments[] = {
	{"no sync for 10 s", unsynced, HEALTH_KERNEL, HEALTH_DEGRADED, 10, 10},
	{"no sync for 11 s", unsynced_too_long, HEALTH_KERNEL, HEALTH_UNHEALTHY, 11, 11},
	{"a database away", database_away, HEALTH_REDIS, HEALTH_DEGRADED, 0, 0},
	{"a subscription away", subscription_away, HEALTH_REDIS, HEALTH_DEGRADED, 0, 0},
	{"no PortInitDone yet", one_marker, HEALTH_MARKERS, HEALTH_DEGRADED, 1, 0},
	{"both markers gone", no_markers, HEALTH_MARKERS, HEALTH_DEGRADED, 2, 0},
	{"ports awaited", ports_awaited, HEALTH_AWAITED, HEALTH_DEGRADED, 3, 0},
	{"old interfaces", old_links, HEALTH_OLD_LINKS, HEALTH_DEGRADED, 4, 0},
	{"interfaces of no port", links_without_ports, HEALTH_NO_PORTS, HEALTH_DEGRADED, 5, 0},
	{"interfaces before PortConfigDone", links_before_ports, HEALTH_NO_PORTS, HEALTH_HEALTHY, 0, 0},
	{"a busy address", address_missing, HEALTH_HTTP, HEALTH_DEGRADED, 1, 0},
	{"a recording that failed", recording_failed, HEALTH_RECORDER, HEALTH_DEGRADED, 1, 0},
	{"1 % slow", few_are_slow, HEALTH_LATENCY, HEALTH_HEALTHY, 200, 0},
	{"1.1 % slow", too_many_are_slow, HEALTH_LATENCY, HEALTH_DEGRADED, 20000, 0},
	{"19 events, slow", too_few_to_tell, HEALTH_LATENCY, HEALTH_HEALTHY, -1, 0},
	{"19 events, failed", too_few_to_tell, HEALTH_FAILURES, HEALTH_HEALTHY, -1, 0},
	{"1 % fail", one_percent_fails, HEALTH_FAILURES, HEALTH_HEALTHY, 1, 0},
	{"2 % fail", two_percent_fail, HEALTH_FAILURES, HEALTH_DEGRADED, 2, 0},
	{"10 % fail", ten_percent_fail, HEALTH_FAILURES, HEALTH_UNHEALTHY, 10, 0},
	{"ports that just changed", some_ports_differ, HEALTH_PORTS, HEALTH_HEALTHY, 25, 0},
	{"no ports", no_ports, HEALTH_PORTS, HEALTH_HEALTHY, 100, 0},
	{"an overrun", overrun, HEALTH_OVERRUNS, HEALTH_DEGRADED, 2, 59},
	{"log lines lost", lines_lost, HEALTH_LOG, HEALTH_DEGRADED, 3, 59},
	{"a log target that is restarted", log_refused_for_a_moment, HEALTH_LOG_TARGET, HEALTH_HEALTHY, 10, 0},
	{"a log target that takes nothing", log_refused, HEALTH_LOG_TARGET, HEALTH_DEGRADED, 11, 11},
	{"memory at the limit", just_enough_memory, HEALTH_MEMORY, HEALTH_HEALTHY, 1000, 0},
	{"memory above it", too_much_memory, HEALTH_MEMORY, HEALTH_DEGRADED, 1001, 0},
};

/* However long nobody asked. */
static void what_was_lost_a_minute_ago_is_over(void **state)
{
	struct snapshot v = quiet;
	struct health h = {0};

	(void)state;
	v.watch.overruns = v.log.dropped = 5;
	v.watch.overrun_nsec = v.log.dropped_nsec = T0;
	judge_at(&h, &v, T0 + 60 * S);
	assert_int_equal(h.report.level, HEALTH_HEALTHY);
	assert_float_equal(h.report.checks[HEALTH_LOG].value, 0, 1e-6);
	v.log.dropped = 7;
	v.log.dropped_nsec = T0 + 61 * S;
	judge_at(&h, &v, T0 + 62 * S);
	assert_float_equal(h.report.checks[HEALTH_LOG].value, 2, 1e-6);
	assert_float_equal(h.report.checks[HEALTH_OVERRUNS].value, 0, 1e-6);
}

static void each_check(void **state)
{
	(void)state;
	for (const struct moment *m = moments; m < moments + ARRAY_SIZE(moments); m++) {
		struct snapshot v = quiet;
		struct health_input in = {.snapshot = &v, .memory_bytes = 500, .now_nsec = T0 + 1000 * S};
		struct health h = {0};
		const struct health_check *check = &h.report.checks[m->check];

		print_message("%s\n", m->what);
		judge_at(&h, &quiet, T0);
		m->change(&v, &in);
		health_judge(&h, &in, &limits);
		assert_int_equal(check->level, m->level);
		if (m->change != links_before_ports) /* whose other faults are not meant here */
			assert_int_equal(h.report.level, m->level);
		assert_int_equal(check->known, m->value >= 0);
		if (check->known)
			assert_float_equal(check->value, m->value, 1e-6);
		assert_int_equal(check->since_nsec, m->level == HEALTH_HEALTHY ? T0 : T0 + (1000 - m->ago) * S);
		if (m->level != HEALTH_HEALTHY)
			assert_int_equal(h.report.since_nsec, check->since_nsec);
	}
}

/* What lasts becomes worse, and all is well when it is over. */
static void redis_away_for_long(void **state)
{
	struct snapshot away = quiet, deaf = quiet;
	struct health h = {0};

	(void)state;
	away.conns[SNAPSHOT_CONFIG_DB].ready = false;
	deaf.conns[SNAPSHOT_CONFIG_EVENTS].ready = false;
	judge_at(&h, &quiet, T0);
	judge_at(&h, &away, T0 + 1 * S);
	judge_at(&h, &away, T0 + 11 * S);
	assert_int_equal(h.report.level, HEALTH_DEGRADED);
	assert_int_equal(h.report.since_nsec, T0 + 1 * S);
	judge_at(&h, &away, T0 + 12 * S);
	assert_int_equal(h.report.level, HEALTH_UNHEALTHY);
	assert_int_equal(h.report.since_nsec, T0 + 1 * S); /* the fault is the same */
	judge_at(&h, &quiet, T0 + 13 * S);
	assert_int_equal(h.report.level, HEALTH_HEALTHY);
	judge_at(&h, &deaf, T0 + 14 * S);
	judge_at(&h, &deaf, T0 + 1000 * S);
	assert_int_equal(h.report.level, HEALTH_DEGRADED);
}

/* Even if nobody asked meanwhile. */
static void redis_was_away_long_before_the_first_look(void **state)
{
	struct snapshot away = quiet;
	struct health h = {0};

	(void)state;
	away.conns[SNAPSHOT_STATE_DB].ready = away.conns[SNAPSHOT_APPL_EVENTS].ready = false;
	away.conns[SNAPSHOT_APPL_EVENTS].outage_usec = (T0 - 500 * S) / NSEC_PER_USEC; /* that is no database */
	away.conns[SNAPSHOT_STATE_DB].outage_usec = (T0 - 5 * S) / NSEC_PER_USEC;
	judge_at(&h, &away, T0);
	assert_int_equal(h.report.level, HEALTH_DEGRADED);
	assert_float_equal(h.report.checks[HEALTH_REDIS].value, 5, 1e-6);
	judge_at(&h, &away, T0 + 6 * S);
	assert_int_equal(h.report.level, HEALTH_UNHEALTHY);
	away.conns[SNAPSHOT_STATE_DB] = quiet.conns[SNAPSHOT_STATE_DB];
	judge_at(&h, &away, T0 + 7 * S);
	assert_int_equal(h.report.level, HEALTH_DEGRADED);
	assert_float_equal(h.report.checks[HEALTH_REDIS].value, 507, 1e-6);
}

static void ports_out_of_sync_for_long(void **state)
{
	struct snapshot low = quiet;
	struct health h = {0};

	(void)state;
	low.sums.in_sync = 28; /* 87.5 % */
	judge_at(&h, &low, T0);
	judge_at(&h, &low, T0 + 10 * S);
	assert_int_equal(h.report.level, HEALTH_HEALTHY);
	judge_at(&h, &low, T0 + 11 * S);
	assert_int_equal(h.report.level, HEALTH_DEGRADED);
	low.sums.in_sync = 29; /* 90.6 % */
	judge_at(&h, &low, T0 + 12 * S);
	assert_int_equal(h.report.level, HEALTH_HEALTHY);
	low.sums.in_sync = 28;
	judge_at(&h, &low, T0 + 13 * S);
	assert_int_equal(h.report.level, HEALTH_HEALTHY);
}

/* However often it is judged: an event of the last minute counts for a minute. */
static void the_last_minute(void **state)
{
	static const uint64_t steps[] = {S / 50, S, 7 * S, 15 * S, 59 * S};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		struct snapshot v = quiet;
		struct health h = {0};
		uint64_t at = T0;

		for (; at < T0 + 300 * S; at += steps[i])
			judge_at(&h, &v, at);
		v.watch.overruns = 1;
		v.watch.overrun_nsec = at;
		v.watch.newlink = 100;
		v.publish.refused = 100;
		for (uint64_t end = at + 55 * S; at < end; at += steps[i]) {
			judge_at(&h, &v, at);
			assert_int_equal(h.report.checks[HEALTH_OVERRUNS].level, HEALTH_DEGRADED);
			assert_int_equal(h.report.checks[HEALTH_FAILURES].level, HEALTH_UNHEALTHY);
		}
		for (uint64_t end = at + 75 * S; at < end; at += steps[i])
			judge_at(&h, &v, at);
		judge_at(&h, &v, at);
		assert_int_equal(h.report.level, HEALTH_HEALTHY);
	}
}

static void a_limit_of_zero_is_none(void **state)
{
	const struct health_limits none = {.min_success_percent = 99, .max_failure_percent = 5, .min_sync_percent = 90};
	struct snapshot v = quiet;
	struct health_input in = {.snapshot = &v, .memory_bytes = 1 << 30, .now_nsec = T0};
	struct health h = {0};

	(void)state;
	health_judge(&h, &in, &none);
	assert_int_equal(h.report.level, HEALTH_HEALTHY);
	v.sync.synced = false;
	in.now_nsec += 9999 * S;
	health_judge(&h, &in, &none);
	assert_int_equal(h.report.level, HEALTH_DEGRADED);
}

static void live_and_ready(void **state)
{
	struct snapshot v = quiet;

	(void)state;
	assert_true(health_is_live(10 * S, &limits));
	assert_false(health_is_live(10 * S + 1, &limits));
	assert_true(health_is_ready(&v));
	v.conns[SNAPSHOT_CONFIG_EVENTS].ready = false;
	assert_true(health_is_ready(&v));
	v.init_done = false;
	assert_false(health_is_ready(&v));
	v.init_done = v.markers_unknown = true;
	assert_false(health_is_ready(&v));
	v = quiet;
	v.conns[SNAPSHOT_APPL_DB].ready = false;
	assert_false(health_is_ready(&v));
	v = quiet;
	v.sync.synced = false;
	assert_false(health_is_ready(&v));
	v = (struct snapshot){.dry_run = true, .sync = {.synced = true}};
	assert_true(health_is_ready(&v));
}

static void a_loop_that_hangs(void **state)
{
	struct health h = {0};
	struct health_report report;

	(void)state;
	judge_at(&h, &quiet, T0);
	report = h.report;
	health_add_stall(&report, 10 * S, T0 + 100 * S, &limits);
	assert_int_equal(report.level, HEALTH_HEALTHY);
	assert_float_equal(report.checks[HEALTH_LOOP].value, 10, 1e-6);
	health_add_stall(&report, 11 * S, T0 + 101 * S, &limits);
	assert_int_equal(report.level, HEALTH_UNHEALTHY);
	assert_int_equal(report.checks[HEALTH_LOOP].level, HEALTH_UNHEALTHY);
	assert_int_equal(report.checks[HEALTH_LOOP].since_nsec, T0 + 90 * S);
	assert_int_equal(report.since_nsec, T0 + 90 * S);
}

/* The clock: nothing to wait for while all is well, else the moment at which time alone makes a difference. */
static void when_to_judge_again(void **state)
{
	struct snapshot v = quiet;
	struct health h = {0};

	(void)state;
	judge_at(&h, &v, T0);
	assert_true(h.due_nsec == UINT64_MAX);
	v.watch.newlink = 1000;
	v.latency.count = v.latency_within = 1000;
	judge_at(&h, &v, T0 + S);
	assert_true(h.due_nsec == UINT64_MAX);
	v.conns[SNAPSHOT_STATE_DB].ready = false;
	v.conns[SNAPSHOT_STATE_DB].outage_usec = (T0 + 2 * S) / NSEC_PER_USEC;
	judge_at(&h, &v, T0 + 3 * S);
	assert_int_equal(h.report.checks[HEALTH_REDIS].level, HEALTH_DEGRADED);
	assert_int_equal(h.due_nsec, T0 + 12 * S + 1);
	judge_at(&h, &v, h.due_nsec);
	assert_int_equal(h.report.checks[HEALTH_REDIS].level, HEALTH_UNHEALTHY);
	assert_int_equal(h.report.checks[HEALTH_REDIS].since_nsec, T0 + 2 * S);
	assert_true(h.due_nsec == UINT64_MAX);
	v = quiet;
	v.sums.in_sync = 8;
	judge_at(&h, &v, T0 + 20 * S);
	assert_int_equal(h.due_nsec, T0 + 30 * S + 1);
	judge_at(&h, &v, h.due_nsec);
	assert_int_equal(h.report.level, HEALTH_DEGRADED);
	assert_int_equal(h.report.since_nsec, T0 + 20 * S);
}

/* Judged when something happened and when it is due, as the loop does: what is of the minute is over with it. */
static void what_failed_is_over_by_the_clock(void **state)
{
	struct snapshot v = quiet;
	struct health h = {0};
	uint64_t at = T0 + 9000 * S;

	(void)state;
	judge_at(&h, &v, T0);
	for (unsigned i = 1; i <= 3; i++) {
		v.watch.newlink += 10;
		v.publish.refused += 10;
		judge_at(&h, &v, at + i * S);
	}
	assert_int_equal(h.report.checks[HEALTH_FAILURES].level, HEALTH_UNHEALTHY);
	for (unsigned looks = 0; h.due_nsec != UINT64_MAX; looks++) {
		assert_true(looks < HEALTH_SAMPLES);
		judge_at(&h, &v, h.due_nsec);
	}
	assert_int_equal(h.report.level, HEALTH_HEALTHY);
	assert_in_range(h.report.since_nsec, at + 60 * S, at + 64 * S);
}

/* Since all was well, by the fault that began first, also when another one follows it. */
static void since_the_first_of_several_faults(void **state)
{
	struct snapshot v = quiet;
	struct health h = {0};

	(void)state;
	judge_at(&h, &v, T0);
	v.sums.in_sync = 8;
	judge_at(&h, &v, T0 + 1 * S);
	v.sums.old = 1;
	judge_at(&h, &v, T0 + 5 * S);
	assert_int_equal(h.report.since_nsec, T0 + 5 * S);
	judge_at(&h, &v, T0 + 12 * S);
	assert_int_equal(h.report.since_nsec, T0 + 1 * S);
	v.sums.in_sync = 32;
	judge_at(&h, &v, T0 + 20 * S);
	assert_int_equal(h.report.since_nsec, T0 + 1 * S);
	assert_int_equal(h.report.checks[HEALTH_PORTS].since_nsec, T0 + 20 * S);
	v.sums.old = 0;
	judge_at(&h, &v, T0 + 21 * S);
	assert_int_equal(h.report.level, HEALTH_HEALTHY);
	assert_int_equal(h.report.since_nsec, T0 + 21 * S);
}

static void reasons_of_checks(void **state)
{
	struct snapshot v = quiet;
	struct health h = {0};
	char text[64];

	(void)state;
	judge_at(&h, &v, T0);
	assert_string_equal(health_reasons(&h.report, text, sizeof(text)), "");
	v.watch.overruns = 1;
	v.watch.overrun_nsec = T0;
	v.conns[SNAPSHOT_STATE_DB].ready = false;
	judge_at(&h, &v, T0 + S);
	assert_string_equal(health_reasons(&h.report, text, sizeof(text)), "redis_away, overruns");
	assert_string_equal(health_reasons(&h.report, text, 8), "redis_a");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_quiet_switch_is_healthy),
		cmocka_unit_test(what_was_lost_a_minute_ago_is_over),
		cmocka_unit_test(each_check),
		cmocka_unit_test(redis_away_for_long),
		cmocka_unit_test(redis_was_away_long_before_the_first_look),
		cmocka_unit_test(ports_out_of_sync_for_long),
		cmocka_unit_test(the_last_minute),
		cmocka_unit_test(a_limit_of_zero_is_none),
		cmocka_unit_test(live_and_ready),
		cmocka_unit_test(a_loop_that_hangs),
		cmocka_unit_test(when_to_judge_again),
		cmocka_unit_test(what_failed_is_over_by_the_clock),
		cmocka_unit_test(since_the_first_of_several_faults),
		cmocka_unit_test(reasons_of_checks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
