/* SPDX-License-Identifier: Apache-2.0 */
/* When health is judged without anybody looking, and what `systemctl status` shows of it. */
#include "daemon/judge.h"

#include <stdlib.h>
#include <sys/eventfd.h>

#include "daemon/status.h"
#include "host/notify.h"
#include "log_catcher.h"
#include "patience.h"
#include "test.h"

struct fixture {
	struct log_catcher manager; /* its socket is that of the service manager */
	struct config config;
	struct daemon daemon;
};

/* What the parts of the daemon would say. */
static struct watch_stats watched;
static struct links_stats links_have;
static struct snapshot figures;
static unsigned judgements;
static int bell;

const struct watch_stats *__wrap_watch_stats(const struct watch *w);
const struct links_stats *__wrap_links_stats(const struct links *l);
size_t __wrap_links_expected(const struct links *l);
void __wrap_status_fill(struct snapshot *s, struct health_report *health, void *user);
int __wrap_log_bell(void);

const struct watch_stats *__wrap_watch_stats(const struct watch *w)
{
	(void)w;
	return &watched;
}

const struct links_stats *__wrap_links_stats(const struct links *l)
{
	(void)l;
	return &links_have;
}

size_t __wrap_links_expected(const struct links *l)
{
	(void)l;
	return 0;
}

void __wrap_status_fill(struct snapshot *s, struct health_report *health, void *user)
{
	judgements++;
	*s = figures;
	s->watch = watched;
	s->taken_nsec = now_nsec();
	*health = judge_snapshot(user, s);
}

int __wrap_log_bell(void)
{
	return bell;
}

static int setup(void **state)
{
	struct fixture *fx = calloc(1, sizeof(*fx));

	assert_non_null(fx);
	catcher_manages(&fx->manager);
	config_defaults(&fx->config);
	fx->daemon.config = &fx->config;
	watched = (struct watch_stats){0};
	links_have = (struct links_stats){.configured = 2};
	figures = (struct snapshot){
		.dry_run = true, /* without Redis and its markers */
		.init_done = true,
		.sync = {.synced = true},
		.sums = {.configured = 2, .in_sync = 2, .up = 1},
	};
	judgements = 0;
	bell = -1;
	assert_int_equal(sd_event_new(&fx->daemon.event), 0);
	assert_int_equal(notify_new(&fx->daemon.notify), 0);
	assert_int_equal(notify_attach(fx->daemon.notify, fx->daemon.event), 0);
	assert_int_equal(judge_build(&fx->daemon), 0);
	*state = fx;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fx = *state;

	judge_free(&fx->daemon);
	notify_detach(fx->daemon.notify);
	notify_free(fx->daemon.notify);
	sd_event_unref(fx->daemon.event);
	catcher_manages_no_more(&fx->manager);
	free(fx);
	return 0;
}

/* One turn of the loop. */
static int turn(struct fixture *fx, uint64_t wait_usec)
{
	int r = sd_event_run(fx->daemon.event, wait_usec);

	assert_true(r >= 0);
	judge_turn(&fx->daemon);
	return r;
}

/* The loop turns, and sleeps as long as nothing happens, until the manager was told this. */
static void becomes(struct fixture *fx, const char *text)
{
	uint64_t end = patience_ends_usec();

	judge_turn(&fx->daemon);
	while (!catcher_next(&fx->manager) || !strstr(fx->manager.line, text)) {
		assert_true(now_usec() < end);
		(void)turn(fx, end - MIN(now_usec(), end));
	}
}

static void start(struct fixture *fx)
{
	assert_int_equal(judge_start(&fx->daemon), 0);
	becomes(fx, "; healthy");
	judge_turn(&fx->daemon);
}

/* A switch on which nothing happens must not wake for our sake. */
static void a_quiet_healthy_switch_sleeps(void **state)
{
	struct fixture *fx = *state;

	start(fx);
	judgements = 0;
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(turn(fx, 300 * USEC_PER_MSEC), 0);
	assert_int_equal(judgements, 0);
	assert_false(catcher_next(&fx->manager));
}

static void the_status_line_says_what_matters(void **state)
{
	struct fixture *fx = *state;

	assert_int_equal(judge_start(&fx->daemon), 0);
	assert_true(catcher_next(&fx->manager));
	assert_string_equal(fx->manager.line,
			    "STATUS=2 of 2 configured ports in sync, 1 up; kernel in sync; Redis connected; "
			    "PortInitDone sent; healthy");
}

/* A fault is shown without anybody asking for figures. */
static void an_overrun_is_shown(void **state)
{
	struct fixture *fx = *state;

	start(fx);
	watched.overruns++;
	watched.overrun_nsec = now_nsec();
	becomes(fx, "; degraded: overruns");
}

/* No event comes when the kernel is silent: the clock alone makes it worse. */
static void time_alone_makes_it_unhealthy(void **state)
{
	struct fixture *fx = *state;

	judge_free(&fx->daemon);
	fx->config.max_stall_secs = 1;
	assert_int_equal(judge_build(&fx->daemon), 0);
	start(fx);
	figures.sync = (struct snapshot_sync){.synced = false, .changed_nsec = now_nsec()};
	judge_now(&fx->daemon);
	becomes(fx, "; unhealthy: kernel_unsynced");
	figures.sync.synced = true;
	becomes(fx, "; healthy");
}

static void the_same_status_is_sent_once(void **state)
{
	struct fixture *fx = *state;

	start(fx);
	for (unsigned i = 0; i < 10; i++)
		judge_now(&fx->daemon);
	assert_false(catcher_next(&fx->manager));
	figures.sums.up = 2;
	judge_now(&fx->daemon);
	assert_true(catcher_next(&fx->manager));
	assert_non_null(strstr(fx->manager.line, ", 2 up"));
}

/* What a scrape finds first, good or bad, systemd shows soon after. */
static void what_a_client_learns_systemd_learns(void **state)
{
	struct fixture *fx = *state;

	judge_free(&fx->daemon);
	fx->config.max_stall_secs = 3600;
	assert_int_equal(judge_build(&fx->daemon), 0);
	start(fx);
	figures.sync = (struct snapshot_sync){.synced = false, .changed_nsec = now_nsec()};
	figures.taken_nsec = now_nsec();
	assert_int_equal(judge_snapshot(&fx->daemon, &figures).level, HEALTH_DEGRADED);
	assert_false(catcher_next(&fx->manager));
	becomes(fx, "; degraded: kernel_unsynced");
	figures.sync.synced = true;
	assert_int_equal(judge_snapshot(&fx->daemon, &figures).level, HEALTH_HEALTHY);
	becomes(fx, "; healthy");
}

/* With events all the time a judgement a second is enough: each costs a walk over all ports. */
static void a_storm_is_judged_once_a_second(void **state)
{
	struct fixture *fx = *state;
	uint64_t begin, lasted;

	start(fx);
	judgements = 0;
	begin = now_usec();
	while (judgements < 2) {
		watched.messages++;
		(void)turn(fx, USEC_PER_MSEC);
	}
	lasted = now_usec() - begin;
	assert_true(lasted >= USEC_PER_SEC);
}

/* While its file is awaited STATUS says so, and nothing is judged that is not there. */
static void what_is_awaited_is_not_overwritten(void **state)
{
	struct fixture *fx = *state;

	fx->daemon.awaited = "database_config.json";
	assert_int_equal(judge_start(&fx->daemon), 0);
	assert_false(catcher_next(&fx->manager));
}

static void the_log_rings_when_its_target_fails(void **state)
{
	struct fixture *fx = *state;

	bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert_true(bell >= 0);
	start(fx);
	judgements = 0;
	assert_int_equal(eventfd_write(bell, 1), 0);
	for (uint64_t end = patience_ends_usec(); judgements == 0;) {
		assert_true(now_usec() < end);
		(void)turn(fx, 100 * USEC_PER_MSEC);
	}
	/* It was emptied: the loop does not spin. */
	assert_int_equal(turn(fx, 300 * USEC_PER_MSEC), 0);
	(void)close(bell);
}

static void limits_are_those_of_the_configuration(void **state)
{
	struct fixture *fx = *state;
	const struct health_limits *limits;

	judge_free(&fx->daemon);
	fx->config.max_stall_secs = 7;
	fx->config.max_latency_usecs = 300;
	fx->config.max_memory_mb = 3;
	assert_int_equal(judge_build(&fx->daemon), 0);
	limits = judge_limits(&fx->daemon);
	assert_int_equal(limits->stall_nsec, 7 * NSEC_PER_SEC);
	assert_int_equal(limits->max_latency_nsec, 300 * NSEC_PER_USEC);
	assert_int_equal(limits->max_memory_bytes, 3 << 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_quiet_healthy_switch_sleeps),
		TEST(the_status_line_says_what_matters),
		TEST(an_overrun_is_shown),
		TEST(time_alone_makes_it_unhealthy),
		TEST(the_same_status_is_sent_once),
		TEST(what_a_client_learns_systemd_learns),
		TEST(a_storm_is_judged_once_a_second),
		TEST(what_is_awaited_is_not_overwritten),
		TEST(the_log_rings_when_its_target_fails),
		TEST(limits_are_those_of_the_configuration),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
