/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hist.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/util.h"

static const uint64_t bounds[] = {1, 5, 63, 64, 128, 5000, 1000000};
#define N ARRAY_SIZE(bounds)

static void an_empty_one(void **state)
{
	static const struct hist h;
	uint64_t counts[N];

	(void)state;
	hist_cumulate(&h, bounds, N, counts);
	for (size_t i = 0; i < N; i++)
		assert_int_equal(counts[i], 0);
	assert_int_equal(hist_quantile(&h, 0.5), 0);
}

static void values_up_to_each_bound(void **state)
{
	static const uint64_t expected[N] = {2, 2, 2, 3, 4, 5, 6};
	static struct hist h;
	uint64_t counts[N];

	(void)state;
	hist_add(&h, 0);
	hist_add(&h, 1);
	hist_add(&h, 64);
	hist_add(&h, 128);
	hist_add(&h, 5000);
	hist_add(&h, 1000000);
	hist_add(&h, 2000000);
	hist_cumulate(&h, bounds, N, counts);
	for (size_t i = 0; i < N; i++)
		assert_int_equal(counts[i], expected[i]);
	assert_int_equal(h.count, 7);
	assert_int_equal(h.sum, 3005193);
	assert_int_equal(h.max, 2000000);
}

/* A value that is more than 1/64 above a bound is never counted as below it, one below never as above. */
static void every_bound_is_exact_to_a_64th(void **state)
{
	(void)state;
	for (uint64_t value = 3; value < UINT64_C(1) << 40; value += 1 + value / 50) {
		static struct hist h;
		const uint64_t around[] = {value - value / 63 - 1, value, value + 1};
		uint64_t counts[3];

		h = (struct hist){0};
		hist_add(&h, value);
		hist_cumulate(&h, around, 3, counts);
		assert_int_equal(counts[0], 0);
		assert_int_equal(counts[1], 1);
		assert_int_equal(counts[2], 1);
	}
}

static void the_largest_value_of_all(void **state)
{
	static struct hist h;
	const uint64_t bound[] = {1000, UINT64_MAX};
	uint64_t counts[2];

	(void)state;
	hist_add(&h, UINT64_MAX);
	hist_cumulate(&h, bound, 2, counts);
	assert_int_equal(counts[0], 0);
	assert_int_equal(counts[1], 1);
}

static void the_largest_is_kept(void **state)
{
	static struct hist h;

	(void)state;
	hist_add(&h, 1000000);
	assert_int_equal(hist_quantile(&h, 0.5), 1000000);
	hist_add(&h, 1);
	assert_int_equal(h.max, 1000000);
	assert_int_equal(hist_quantile(&h, 1), 1000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_one),
		cmocka_unit_test(values_up_to_each_bound),
		cmocka_unit_test(every_bound_is_exact_to_a_64th),
		cmocka_unit_test(the_largest_value_of_all),
		cmocka_unit_test(the_largest_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
