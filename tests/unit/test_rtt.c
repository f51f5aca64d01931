/* SPDX-License-Identifier: Apache-2.0 */
#include "redis/rtt.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/util.h"

#define MINUTE_NSEC (60 * NSEC_PER_SEC)

static void from_the_write_to_the_last_answer(void **state)
{
	struct rtt r = {0};

	(void)state;
	rtt_sent(&r, 3, now_nsec() - MINUTE_NSEC);
	rtt_answered(&r, 1);
	rtt_answered(&r, 2);
	assert_int_equal(r.hist.count, 0);
	rtt_answered(&r, 3);
	assert_int_equal(r.hist.count, 1);
	assert_true(r.hist.sum >= MINUTE_NSEC);
}

static void an_answer_ends_it_once(void **state)
{
	struct rtt r = {0};

	(void)state;
	rtt_sent(&r, 1, now_nsec());
	rtt_answered(&r, 1);
	rtt_answered(&r, 2);
	assert_int_equal(r.hist.count, 1);
}

static void a_second_write_meanwhile_is_not_timed(void **state)
{
	struct rtt r = {0};

	(void)state;
	rtt_sent(&r, 1, now_nsec() - MINUTE_NSEC);
	rtt_sent(&r, 2, now_nsec());
	rtt_answered(&r, 1);
	assert_int_equal(r.hist.count, 1);
	assert_true(r.hist.max >= MINUTE_NSEC);
	rtt_answered(&r, 2);
	assert_int_equal(r.hist.count, 1);
}

static void what_is_forgotten_has_no_answer(void **state)
{
	struct rtt r = {0};

	(void)state;
	rtt_sent(&r, 1, now_nsec());
	rtt_forget(&r);
	rtt_answered(&r, 1);
	assert_int_equal(r.hist.count, 0);
	rtt_sent(&r, 2, now_nsec());
	rtt_answered(&r, 2);
	assert_int_equal(r.hist.count, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(from_the_write_to_the_last_answer),
		cmocka_unit_test(an_answer_ends_it_once),
		cmocka_unit_test(a_second_write_meanwhile_is_not_timed),
		cmocka_unit_test(what_is_forgotten_has_no_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
