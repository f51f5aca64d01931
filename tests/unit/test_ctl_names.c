/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "ctl/names.h"

static int sign(int value)
{
	return (value > 0) - (value < 0);
}

static void natural_order(void **state)
{
	/* Each before the next. */
	static const char *const sorted[] = {
		"",
		"Eth1",
		"Ethernet",
		"Ethernet-IB0",
		"Ethernet-Rec0",
		"Ethernet0",
		"Ethernet0.9",
		"Ethernet0.10",
		"Ethernet4",
		"Ethernet008",
		"Ethernet8",
		"Ethernet12",
		"Ethernet100",
		"Ethernet99999999999999999998",
		"Ethernet99999999999999999999",
		"PortChannel1",
		"\xff",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sorted); i++)
		for (size_t k = 0; k < ARRAY_SIZE(sorted); k++)
			assert_int_equal(sign(names_compare(sorted[i], sorted[k])), (i > k) - (i < k));
}

static void assert_match(const char *pattern, const char *name, bool expected)
{
	char *list[] = {(char *)pattern};

	if (names_match(name, 1, list) != expected)
		fail_msg("%s %s %s", pattern, expected ? "does not fit" : "fits", name);
}

static void patterns_of_names(void **state)
{
	char pattern[300];

	(void)state;
	assert_true(names_match("Ethernet0", 0, NULL));
	assert_match("Ethernet0", "Ethernet0", true);
	assert_match("Ethernet0", "Ethernet00", false);
	assert_match("Ethernet1*", "Ethernet16", true);
	assert_match("Ethernet1*", "Ethernet0", false);
	assert_match("Ethernet[0-4]", "Ethernet4", true);
	assert_match("Ethernet?", "Ethernet12", false);
	assert_match("Ethernet8,Ethernet0,*12", "Ethernet12", true);
	assert_match("Ethernet8,Ethernet0", "Ethernet4", false);
	assert_match("", "Ethernet0", false);
	assert_match(",", "Ethernet0", false);
	memset(pattern, '*', sizeof(pattern) - 1);
	for (size_t len = 255; len <= 257; len++) {
		pattern[len] = '\0';
		assert_match(pattern, "Ethernet0", len < 256); /* a longer one fits no name */
		pattern[len] = '*';
	}
}

static void ranges_of_names(void **state)
{
	(void)state;
	assert_match("Ethernet168-180", "Ethernet168", true);
	assert_match("Ethernet168-180", "Ethernet172", true);
	assert_match("Ethernet168-180", "Ethernet180", true);
	assert_match("Ethernet168-180", "Ethernet181", false);
	assert_match("Ethernet168-180", "Ethernet16", false);
	assert_match("Ethernet168-180", "Ethernet1680", false);
	assert_match("Ethernet168-180", "Ethernet172.10", false);
	assert_match("Ethernet168-180", "PortChannel170", false);
	assert_match("Ethernet168-Ethernet180", "Ethernet172", true);
	assert_match("Ethernet180-168", "Ethernet172", false);
	assert_match("Ethernet0-99999999999999999999", "Ethernet4294967296", true);
	assert_match("Ethernet0-", "Ethernet0", false);
	assert_match("Ethernet-Rec0", "Ethernet-Rec0", true);
	assert_match("Ethernet-Rec0-4", "Ethernet-Rec3", true);
	assert_match("Ethernet0-4,Ethernet12-16", "Ethernet12", true);
	assert_match("0-4", "Ethernet0", false);
	assert_match("Ethernet1x4", "Ethernet3", false);
	assert_match("Ethernet1-4x", "Ethernet3", false);
	assert_match("Ethernet1-4,Ethernet9", "Ethernet3", true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(natural_order),
		cmocka_unit_test(patterns_of_names),
		cmocka_unit_test(ranges_of_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
