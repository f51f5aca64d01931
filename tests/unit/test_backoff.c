/* SPDX-License-Identifier: Apache-2.0 */
#include "base/backoff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/util.h"

/* A quarter at most is taken off. */
static void check_delay(struct backoff *b, uint64_t msec)
{
	assert_in_range(backoff_next_usec(b), msec * USEC_PER_MSEC * 3 / 4, msec * USEC_PER_MSEC);
}

static void doubles_up_to_the_bound(void **state)
{
	struct backoff b = {.initial_ms = 100, .max_ms = 30000};

	(void)state;
	for (uint64_t msec = 100; msec < 30000; msec *= 2)
		check_delay(&b, msec);
	for (int i = 0; i < 5; i++)
		check_delay(&b, 30000);
}

static void starts_again(void **state)
{
	struct backoff b = {.initial_ms = 100, .max_ms = 30000};

	(void)state;
	check_delay(&b, 100);
	check_delay(&b, 200);
	backoff_reset(&b);
	check_delay(&b, 100);
}

static void never_overflows(void **state)
{
	struct backoff b = {.initial_ms = 1U << 31, .max_ms = UINT32_MAX};

	(void)state;
	for (int i = 0; i < 5; i++)
		assert_true(backoff_next_usec(&b) >= (UINT64_C(1) << 31) * USEC_PER_MSEC * 3 / 4);
}

static void has_jitter(void **state)
{
	struct backoff b = {.initial_ms = 1000, .max_ms = 1000};
	unsigned int differ = 0;
	uint64_t first = backoff_next_usec(&b);

	(void)state;
	for (int i = 0; i < 100; i++)
		differ += backoff_next_usec(&b) != first;
	assert_true(differ > 90);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(doubles_up_to_the_bound),
		cmocka_unit_test(starts_again),
		cmocka_unit_test(never_overflows),
		cmocka_unit_test(has_jitter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
