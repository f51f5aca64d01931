/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/pace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/util.h"

struct clock {
	struct pace pace;
	uint64_t now, total;
};

/* So many events in each of the milliseconds that go by. */
static bool pass(struct clock *c, uint64_t msec, uint64_t events_per_msec)
{
	c->now += msec * USEC_PER_MSEC;
	c->total += msec * events_per_msec;
	return pace_is_storm(&c->pace, c->now, c->total);
}

static void begins_with_fifteen_a_millisecond(void **state)
{
	struct clock c = {0};

	(void)state;
	assert_false(pass(&c, 10, 14));
	assert_false(pass(&c, 10, 14));
	assert_true(pass(&c, 10, 15));
}

static void ends_below_twelve(void **state)
{
	struct clock c = {0};

	(void)state;
	assert_true(pass(&c, 10, 15));
	assert_true(pass(&c, 10, 12));
	assert_true(pass(&c, 10, 13));
	assert_false(pass(&c, 10, 11));
	assert_false(pass(&c, 10, 12));
}

static void a_burst_that_was_read_late_is_none(void **state)
{
	struct clock c = {0};

	(void)state;
	assert_false(pass(&c, 1000, 1));
	assert_false(pass(&c, 1, 25));
	assert_false(pass(&c, 1, 4));
}

/* 512 ports that change at once take the kernel some three milliseconds. */
static void a_burst_of_all_ports_is_none(void **state)
{
	struct clock c = {0};

	(void)state;
	for (int second = 0; second < 10; second++) {
		assert_false(pass(&c, 1000, 0));
		for (int msec = 0; msec < 3; msec++)
			assert_false(pass(&c, 1, 170));
	}
}

static void nothing_is_judged_within_ten_milliseconds(void **state)
{
	struct clock c = {0};

	(void)state;
	assert_true(pass(&c, 10, 100));
	assert_true(pass(&c, 9, 0));
	assert_false(pass(&c, 1, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(begins_with_fifteen_a_millisecond),
		cmocka_unit_test(ends_below_twelve),
		cmocka_unit_test(a_burst_that_was_read_late_is_none),
		cmocka_unit_test(a_burst_of_all_ports_is_none),
		cmocka_unit_test(nothing_is_judged_within_ten_milliseconds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
