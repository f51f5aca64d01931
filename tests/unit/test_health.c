/* SPDX-License-Identifier: Apache-2.0 */
#include "observe/health.h"

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

static const struct view quiet = {
	.synced = true,
	.sync_changed_nsec = T0 - 5 * S,
	.conns = {{.ready = true}, {.ready = true}, {.ready = true}, {.ready = true}, {.ready = true}},
	.init_done = true,
	.ports_configured = 32,
	.ports_in_sync = 32,
	.netlink_works = true,
};

static void judge_at(struct health *h, const struct view *v, uint64_t nsec)
{
	const struct health_input in = {.view = v, .memory_bytes = 500, .now_nsec = nsec};

	health_judge(h, &in, &limits);
}

static void test_a_quiet_switch_is_healthy(void **state)
{
	struct health h = {0};

	(void)state;
	for (uint64_t at = T0; at < T0 + 7 * 86400 * S; at += 3600 * S)
		judge_at(&h, &quiet, at);
	assert_int_equal(h.level, HEALTH_HEALTHY);
	assert_int_equal(h.since_nsec, T0);
	for (size_t i = 0; i < HEALTH_CHECKS; i++) {
		assert_int_equal(h.checks[i].level, HEALTH_HEALTHY);
		assert_int_equal(h.checks[i].since_nsec, T0);
	}
	assert_false(h.checks[HEALTH_LATENCY].known);
	assert_false(h.checks[HEALTH_FAILURES].known);
}

/* What one judgement makes of figures that follow 1,000 s in which all was well. */
struct moment {
	const char *what;
	void (*change)(struct view *v, struct health_input *in);
	enum health_check_index check;
	enum health_level level;
	double value; /* < 0: there is none */
};

static void loop_long(struct view *v, struct health_input *in)
{
	(void)v;
	in->stall_nsec = 10 * S;
}

static void loop_too_long(struct view *v, struct health_input *in)
{
	(void)v;
	in->stall_nsec = 10 * S + 1;
}

static void unsynced(struct view *v, struct health_input *in)
{
	v->synced = false;
	v->sync_changed_nsec = in->now_nsec - 10 * S;
}

static void unsynced_too_long(struct view *v, struct health_input *in)
{
	v->synced = false;
	v->sync_changed_nsec = in->now_nsec - 11 * S;
}

static void database_away(struct view *v, struct health_input *in)
{
	(void)in;
	v->conns[VIEW_STATE_DB].ready = false;
}

static void subscription_away(struct view *v, struct health_input *in)
{
	(void)in;
	v->conns[VIEW_APPL_EVENTS].ready = false;
}

/* So many of 1,000 took up to 200 us, all others up to 20 ms. */
static void spread(struct view *v, uint64_t fast)
{
	v->latency.count = 1000;
	for (size_t i = 0; i < view_time_bounds.n; i++) {
		bool all = view_time_bounds.bounds[i] >= 20 * NSEC_PER_MSEC;

		v->latency.below[i] = all ? 1000 : view_time_bounds.bounds[i] >= 200 * NSEC_PER_USEC ? fast : 0;
	}
	v->latency_within = fast;
}

static void few_are_slow(struct view *v, struct health_input *in)
{
	(void)in;
	spread(v, 990);
}

static void too_many_are_slow(struct view *v, struct health_input *in)
{
	(void)in;
	spread(v, 989);
}

static void too_few_to_tell(struct view *v, struct health_input *in)
{
	(void)in;
	v->latency.count = 19;
	v->newlink = 9;
	v->refused = 10;
}

static void one_percent_fails(struct view *v, struct health_input *in)
{
	(void)in;
	v->newlink = 900;
	v->dellink = 90;
	v->refused = 10;
}

static void two_percent_fail(struct view *v, struct health_input *in)
{
	(void)in;
	v->newlink = 980;
	v->malformed = 5;
	v->truncations = 5;
	v->refused = 5;
	v->no_memory = 5;
}

static void ten_percent_fail(struct view *v, struct health_input *in)
{
	(void)in;
	v->newlink = 90;
	v->refused = 10;
}

static void some_ports_differ(struct view *v, struct health_input *in)
{
	(void)in;
	v->ports_in_sync = 8;
}

static void no_ports(struct view *v, struct health_input *in)
{
	(void)in;
	v->ports_configured = v->ports_in_sync = 0;
}

static void overrun(struct view *v, struct health_input *in)
{
	v->overruns = 2;
	v->overrun_nsec = in->now_nsec - 59 * S;
}

static void lines_lost(struct view *v, struct health_input *in)
{
	v->log_dropped = 3;
	v->dropped_nsec = in->now_nsec - 59 * S;
}

static void log_refused_for_a_moment(struct view *v, struct health_input *in)
{
	v->log_refused_nsec = in->now_nsec - 10 * NSEC_PER_SEC;
}

static void log_refused(struct view *v, struct health_input *in)
{
	v->log_refused_nsec = in->now_nsec - 11 * NSEC_PER_SEC;
}

static void just_enough_memory(struct view *v, struct health_input *in)
{
	(void)v;
	in->memory_bytes = 1000;
}

static void too_much_memory(struct view *v, struct health_input *in)
{
	(void)v;
	in->memory_bytes = 1001;
}

static const struct moment moments[] = {
	{"a turn of 10 s", loop_long, HEALTH_LOOP, HEALTH_HEALTHY, 10},
	{"a longer turn", loop_too_long, HEALTH_LOOP, HEALTH_UNHEALTHY, 10},
	{"no sync for 10 s", unsynced, HEALTH_KERNEL, HEALTH_DEGRADED, 10},
	{"no sync for 11 s", unsynced_too_long, HEALTH_KERNEL, HEALTH_UNHEALTHY, 11},
	{"a database away", database_away, HEALTH_REDIS, HEALTH_DEGRADED, 0},
	{"a subscription away", subscription_away, HEALTH_REDIS, HEALTH_DEGRADED, 0},
	{"1 % slow", few_are_slow, HEALTH_LATENCY, HEALTH_HEALTHY, 200},
	{"1.1 % slow", too_many_are_slow, HEALTH_LATENCY, HEALTH_DEGRADED, 20000},
	{"19 events, slow", too_few_to_tell, HEALTH_LATENCY, HEALTH_HEALTHY, -1},
	{"19 events, failed", too_few_to_tell, HEALTH_FAILURES, HEALTH_HEALTHY, -1},
	{"1 % fail", one_percent_fails, HEALTH_FAILURES, HEALTH_HEALTHY, 1},
	{"2 % fail", two_percent_fail, HEALTH_FAILURES, HEALTH_DEGRADED, 2},
	{"10 % fail", ten_percent_fail, HEALTH_FAILURES, HEALTH_UNHEALTHY, 10},
	{"ports that just changed", some_ports_differ, HEALTH_PORTS, HEALTH_HEALTHY, 25},
	{"no ports", no_ports, HEALTH_PORTS, HEALTH_HEALTHY, 100},
	{"an overrun", overrun, HEALTH_OVERRUNS, HEALTH_DEGRADED, 2},
	{"log lines lost", lines_lost, HEALTH_LOG, HEALTH_DEGRADED, 3},
	{"a log target that is restarted", log_refused_for_a_moment, HEALTH_LOG_TARGET, HEALTH_HEALTHY, 10},
	{"a log target that takes nothing", log_refused, HEALTH_LOG_TARGET, HEALTH_DEGRADED, 11},
	{"memory at the limit", just_enough_memory, HEALTH_MEMORY, HEALTH_HEALTHY, 1000},
	{"memory above it", too_much_memory, HEALTH_MEMORY, HEALTH_DEGRADED, 1001},
};

/* However long nobody asked. */
static void test_what_was_lost_a_minute_ago_is_over(void **state)
{
	struct view v = quiet;
	struct health h = {0};

	(void)state;
	v.overruns = v.log_dropped = 5;
	v.overrun_nsec = v.dropped_nsec = T0;
	judge_at(&h, &v, T0 + 60 * S);
	assert_int_equal(h.level, HEALTH_HEALTHY);
	assert_float_equal(h.checks[HEALTH_LOG].value, 0, 1e-6);
	v.log_dropped = 7;
	v.dropped_nsec = T0 + 61 * S;
	judge_at(&h, &v, T0 + 62 * S);
	assert_float_equal(h.checks[HEALTH_LOG].value, 2, 1e-6);
	assert_float_equal(h.checks[HEALTH_OVERRUNS].value, 0, 1e-6);
}

static void test_each_check(void **state)
{
	(void)state;
	for (const struct moment *m = moments; m < moments + ARRAY_SIZE(moments); m++) {
		struct view v = quiet;
		struct health_input in = {.view = &v, .memory_bytes = 500, .now_nsec = T0 + 1000 * S};
		struct health h = {0};
		const struct health_check *check = &h.checks[m->check];

		print_message("%s\n", m->what);
		judge_at(&h, &quiet, T0);
		m->change(&v, &in);
		health_judge(&h, &in, &limits);
		assert_int_equal(check->level, m->level);
		assert_int_equal(h.level, m->level);
		assert_int_equal(check->known, m->value >= 0);
		if (check->known)
			assert_float_equal(check->value, m->value, 1e-6);
		assert_int_equal(check->since_nsec, m->level == HEALTH_HEALTHY ? T0 : T0 + 1000 * S);
		assert_int_equal(h.since_nsec, check->since_nsec);
	}
}

/* What lasts becomes worse, and all is well when it is over. */
static void test_redis_away_for_long(void **state)
{
	struct view away = quiet, deaf = quiet;
	struct health h = {0};

	(void)state;
	away.conns[VIEW_CONFIG_DB].ready = false;
	deaf.conns[VIEW_CONFIG_EVENTS].ready = false;
	judge_at(&h, &quiet, T0);
	judge_at(&h, &away, T0 + 1 * S);
	judge_at(&h, &away, T0 + 11 * S);
	assert_int_equal(h.level, HEALTH_DEGRADED);
	assert_int_equal(h.since_nsec, T0 + 1 * S);
	judge_at(&h, &away, T0 + 12 * S);
	assert_int_equal(h.level, HEALTH_UNHEALTHY);
	assert_int_equal(h.since_nsec, T0 + 12 * S);
	judge_at(&h, &quiet, T0 + 13 * S);
	assert_int_equal(h.level, HEALTH_HEALTHY);
	judge_at(&h, &deaf, T0 + 14 * S);
	judge_at(&h, &deaf, T0 + 1000 * S);
	assert_int_equal(h.level, HEALTH_DEGRADED);
}

/* Also when nobody asked meanwhile. */
static void test_redis_was_away_long_before_the_first_look(void **state)
{
	struct view away = quiet;
	struct health h = {0};

	(void)state;
	away.conns[VIEW_STATE_DB].ready = away.conns[VIEW_APPL_EVENTS].ready = false;
	away.conns[VIEW_APPL_EVENTS].away_nsec = T0 - 500 * S; /* that is no database */
	away.conns[VIEW_STATE_DB].away_nsec = T0 - 5 * S;
	judge_at(&h, &away, T0);
	assert_int_equal(h.level, HEALTH_DEGRADED);
	assert_float_equal(h.checks[HEALTH_REDIS].value, 5, 1e-6);
	judge_at(&h, &away, T0 + 6 * S);
	assert_int_equal(h.level, HEALTH_UNHEALTHY);
	away.conns[VIEW_STATE_DB] = quiet.conns[VIEW_STATE_DB];
	judge_at(&h, &away, T0 + 7 * S);
	assert_int_equal(h.level, HEALTH_DEGRADED);
	assert_float_equal(h.checks[HEALTH_REDIS].value, 507, 1e-6);
}

static void test_ports_out_of_sync_for_long(void **state)
{
	struct view low = quiet;
	struct health h = {0};

	(void)state;
	low.ports_in_sync = 28; /* 87.5 % */
	judge_at(&h, &low, T0);
	judge_at(&h, &low, T0 + 10 * S);
	assert_int_equal(h.level, HEALTH_HEALTHY);
	judge_at(&h, &low, T0 + 11 * S);
	assert_int_equal(h.level, HEALTH_DEGRADED);
	low.ports_in_sync = 29; /* 90.6 % */
	judge_at(&h, &low, T0 + 12 * S);
	assert_int_equal(h.level, HEALTH_HEALTHY);
	low.ports_in_sync = 28;
	judge_at(&h, &low, T0 + 13 * S);
	assert_int_equal(h.level, HEALTH_HEALTHY);
}

/* However often it is asked, what is told of the last minute ends with it. */
static void test_the_last_minute(void **state)
{
	static const uint64_t steps[] = {S / 50, S, 7 * S, 15 * S, 59 * S};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		struct view v = quiet;
		struct health h = {0};
		uint64_t at = T0;

		for (; at < T0 + 300 * S; at += steps[i])
			judge_at(&h, &v, at);
		v.overruns = 1;
		v.overrun_nsec = at;
		v.newlink = 100;
		v.refused = 100;
		for (uint64_t end = at + 55 * S; at < end; at += steps[i]) {
			judge_at(&h, &v, at);
			assert_int_equal(h.checks[HEALTH_OVERRUNS].level, HEALTH_DEGRADED);
			assert_int_equal(h.checks[HEALTH_FAILURES].level, HEALTH_UNHEALTHY);
		}
		for (uint64_t end = at + 75 * S; at < end; at += steps[i])
			judge_at(&h, &v, at);
		judge_at(&h, &v, at);
		assert_int_equal(h.level, HEALTH_HEALTHY);
	}
}

static void test_a_limit_of_zero_is_none(void **state)
{
	const struct health_limits none = {.min_success_percent = 99, .max_failure_percent = 5, .min_sync_percent = 90};
	struct view v = quiet;
	struct health_input in = {.view = &v, .stall_nsec = 9999 * S, .memory_bytes = 1 << 30, .now_nsec = T0};
	struct health h = {0};

	(void)state;
	health_judge(&h, &in, &none);
	assert_int_equal(h.level, HEALTH_HEALTHY);
	v.synced = false;
	in.now_nsec += 9999 * S;
	health_judge(&h, &in, &none);
	assert_int_equal(h.level, HEALTH_DEGRADED);
}

static void test_live_and_ready(void **state)
{
	struct view v = quiet;

	(void)state;
	assert_true(health_is_live(10 * S, &limits));
	assert_false(health_is_live(10 * S + 1, &limits));
	assert_true(health_is_ready(&v));
	v.conns[VIEW_CONFIG_EVENTS].ready = false;
	assert_true(health_is_ready(&v));
	v.init_done = false;
	assert_false(health_is_ready(&v));
	v = quiet;
	v.conns[VIEW_APPL_DB].ready = false;
	assert_false(health_is_ready(&v));
	v = quiet;
	v.synced = false;
	assert_false(health_is_ready(&v));
	v = (struct view){.dry_run = true, .synced = true};
	assert_true(health_is_ready(&v));
}

static void test_reasons(void **state)
{
	struct view v = quiet;
	struct health h = {0};
	char text[64];

	(void)state;
	judge_at(&h, &v, T0);
	assert_string_equal(health_reasons(&h, text, sizeof(text)), "");
	v.overruns = 1;
	v.overrun_nsec = T0;
	v.conns[VIEW_STATE_DB].ready = false;
	judge_at(&h, &v, T0 + S);
	assert_string_equal(health_reasons(&h, text, sizeof(text)), "redis_away, overruns");
	assert_string_equal(health_reasons(&h, text, 8), "redis_a");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_quiet_switch_is_healthy),
		cmocka_unit_test(test_what_was_lost_a_minute_ago_is_over),
		cmocka_unit_test(test_each_check),
		cmocka_unit_test(test_redis_away_for_long),
		cmocka_unit_test(test_redis_was_away_long_before_the_first_look),
		cmocka_unit_test(test_ports_out_of_sync_for_long),
		cmocka_unit_test(test_the_last_minute),
		cmocka_unit_test(test_a_limit_of_zero_is_none),
		cmocka_unit_test(test_live_and_ready),
		cmocka_unit_test(test_reasons),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
