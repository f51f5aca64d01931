/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon's loop lets sd-event prepare again only after a touch: a source without one would sleep on. */
#include "base/timer.h"

#include <malloc.h>
#include <stdlib.h>

#include "base/util.h"
#include "test.h"

struct fixture {
	sd_event *event;
	sd_event_source *timer, *deferred;
	unsigned fired, turns;
};

static int on_timer(sd_event_source *source, uint64_t usec, void *user)
{
	struct fixture *fx = user;

	(void)source;
	(void)usec;
	fx->fired++;
	return 0;
}

static int on_turn(sd_event_source *source, void *user)
{
	struct fixture *fx = user;

	(void)source;
	fx->turns++;
	return 0;
}

static int setup(void **state)
{
	struct fixture *fx = calloc(1, sizeof(*fx));

	assert_non_null(fx);
	assert_int_equal(sd_event_new(&fx->event), 0);
	assert_int_equal(timer_add(&fx->timer, fx->event, 0, on_timer, fx), 0);
	assert_int_equal(timer_add_deferred(&fx->deferred, fx->event, on_turn, fx), 0);
	(void)timer_take_touch();
	*state = fx;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fx = *state;

	timer_set_now(0);
	sd_event_source_disable_unref(fx->timer);
	sd_event_source_disable_unref(fx->deferred);
	sd_event_unref(fx->event);
	free(fx);
	return 0;
}

size_t __sanitizer_get_current_allocated_bytes(void) __attribute__((weak));

static size_t allocated(void)
{
	return __sanitizer_get_current_allocated_bytes ? __sanitizer_get_current_allocated_bytes()
						       : mallinfo2().uordblks;
}

/* A daemon that gets no memory any more must not end because more of its timers than ever run out at once. */
static void many_sources_at_once_need_no_memory(void **state)
{
	enum { TIMERS = 100 };
	struct fixture *fx = *state;
	sd_event_source *timers[TIMERS];
	size_t before;

	assert_int_equal(timer_reserve(fx->event, 2 * TIMERS), 0);
	for (size_t i = 0; i < TIMERS; i++)
		assert_int_equal(timer_add(&timers[i], fx->event, 0, on_timer, fx), 0);
	before = allocated();
	for (size_t i = 0; i < TIMERS; i++)
		timer_start_at(timers[i], 1);
	while (fx->fired < TIMERS)
		assert_true(sd_event_run(fx->event, 0) >= 0);
	assert_int_equal(allocated(), before);
	for (size_t i = 0; i < TIMERS; i++)
		sd_event_source_disable_unref(timers[i]);
}

static void nothing_runs_at_first(void **state)
{
	struct fixture *fx = *state;

	assert_false(timer_is_running(fx->timer) || timer_is_running(fx->deferred));
	assert_int_equal(sd_event_run(fx->event, 0), 0);
	assert_false(timer_take_touch());
}

static void what_is_started_or_enabled_touches_once(void **state)
{
	struct fixture *fx = *state;

	timer_start(fx->timer, 0);
	assert_true(timer_take_touch());
	assert_false(timer_take_touch());
	timer_start_at(fx->timer, 1);
	assert_true(timer_take_touch());
	assert_int_equal(timer_enable(fx->deferred, SD_EVENT_ONESHOT), 0);
	assert_true(timer_take_touch());
	while (sd_event_run(fx->event, 0) > 0)
		continue;
	assert_true(fx->fired == 1 && fx->turns == 1);
}

/* One that runs out earlier stays, and costs no look. */
static void a_timer_that_is_early_enough_is_left_alone(void **state)
{
	struct fixture *fx = *state;
	uint64_t at;

	timer_start_by(fx->timer, 1000);
	assert_true(timer_take_touch());
	timer_start_by(fx->timer, 2000);
	assert_false(timer_take_touch());
	assert_int_equal(sd_event_source_get_time(fx->timer, &at), 0);
	assert_int_equal(at, 1000);
	timer_stop(fx->timer);
	timer_start_by(fx->timer, 2000);
	assert_true(timer_take_touch());
}

static void an_exit_touches_and_has_its_code(void **state)
{
	struct fixture *fx = *state;
	int code = 0;

	assert_int_equal(timer_exit(fx->event, 7), 0);
	assert_true(timer_take_touch());
	assert_int_equal(sd_event_get_exit_code(fx->event, &code), 0);
	assert_int_equal(code, 7);
}

/* Beside sd-event the turn's beginning is what counts; a delay that is too long never ends. */
static void a_delay_counts_from_the_turn(void **state)
{
	struct fixture *fx = *state;
	uint64_t at;

	timer_set_now(5000);
	assert_int_equal(timer_now(fx->event), 5000);
	timer_start(fx->timer, 70);
	assert_int_equal(sd_event_source_get_time(fx->timer, &at), 0);
	assert_int_equal(at, 5070);
	timer_start(fx->timer, UINT64_MAX - 10);
	assert_int_equal(sd_event_source_get_time(fx->timer, &at), 0);
	assert_true(at == UINT64_MAX);
	timer_set_now(0);
	assert_true(timer_now(fx->event) > 5000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(many_sources_at_once_need_no_memory),     TEST(nothing_runs_at_first),
		TEST(what_is_started_or_enabled_touches_once), TEST(a_timer_that_is_early_enough_is_left_alone),
		TEST(an_exit_touches_and_has_its_code),        TEST(a_delay_counts_from_the_turn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
