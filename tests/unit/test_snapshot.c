/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/snapshot.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/util.h"

static void bounds_ascend_and_labels_say_the_same(void **state)
{
	static const struct {
		const struct snapshot_bounds *bounds;
		double unit;
	} all[] = {{&snapshot_time_bounds, 1e9}, {&snapshot_sync_bounds, 1e9}, {&snapshot_rows_bounds, 1}};

	(void)state;
	for (size_t k = 0; k < ARRAY_SIZE(all); k++) {
		const struct snapshot_bounds *b = all[k].bounds;

		assert_true(b->n <= SNAPSHOT_BOUNDS_MAX);
		for (size_t i = 0; i < b->n; i++) {
			assert_true(i == 0 || b->bounds[i] > b->bounds[i - 1]);
			assert_true(fabs(strtod(b->labels[i], NULL) * all[k].unit - (double)b->bounds[i]) < 1e-3);
		}
	}
	assert_string_equal(snapshot_time_bounds.labels[0], "5e-06");
	assert_string_equal(snapshot_time_bounds.labels[snapshot_time_bounds.n - 1], "1.0");
}

/* Those beyond the capacity are counted, too. */
static void ports_are_summed_up(void **state)
{
	static const struct snapshot_port ports[] = {
		{.name = "up",
		 .link = {.ifindex = 1, .flags = IFF_RUNNING},
		 .appl = {.configured = true},
		 .in_sync = true},
		{.name = "old", .link = {.ifindex = 2, .old = true}, .owed = true},
		{.name = "waiting", .link = {.ifindex = 3}, .owed = true},
		{.name = "awaited", .appl = {.configured = true, .expected = true}},
	};
	struct snapshot s = {0};

	(void)state;
	assert_int_equal(snapshot_reserve(&s, 2), 0);
	for (size_t i = 0; i < ARRAY_SIZE(ports); i++)
		snapshot_add_port(&s, &ports[i]);
	assert_int_equal(s.n_ports, 4);
	assert_string_equal(s.ports[1].name, "old");
	assert_int_equal(s.sums.configured, 2);
	assert_int_equal(s.sums.present, 3);
	assert_int_equal(s.sums.up, 1);
	assert_int_equal(s.sums.old, 1);
	assert_int_equal(s.sums.waiting, 1);
	assert_int_equal(s.sums.awaited, 1);
	assert_int_equal(s.sums.in_sync, 1);
	assert_int_equal(s.sums.owed, 2);
	snapshot_done(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bounds_ascend_and_labels_say_the_same),
		cmocka_unit_test(ports_are_summed_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
