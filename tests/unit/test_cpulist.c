/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cpulist.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"

static void assert_set(const cpu_set_t *cpus, const char *members)
{
	for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		char name[8];

		(void)snprintf(name, sizeof(name), " %u ", cpu);
		assert_int_equal(CPU_ISSET(cpu, cpus) != 0, strstr(members, name) != NULL);
	}
}

static void lists_of_cpus(void **state)
{
	static const struct {
		const char *list, *members;
	} good[] = {
		{"", ""},
		{"0", " 0 "},
		{"0-1,3", " 0  1  3 "},
		{"3,0-1", " 0  1  3 "},
		{"1023", " 1023 "},
		{"1022-1023,0", " 0  1022  1023 "},
		{"5-5", " 5 "},
		{"0,0,0-1,1", " 0  1 "},
		{"007", " 7 "},
		{"62-65", " 62  63  64  65 "},
	};
	cpu_set_t cpus;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_int_equal(cpulist_parse(good[i].list, &cpus), 0);
		assert_set(&cpus, good[i].members);
	}
	assert_int_equal(cpulist_parse("0-1023", &cpus), 0);
	assert_int_equal(CPU_COUNT(&cpus), CPU_SETSIZE);
}

static void what_is_no_list(void **state)
{
	static const char *const bad[] = {
		",",
		"0,",
		",0",
		"0,,1",
		"-",
		"-1",
		"0-",
		"0-1-2",
		"3-1",
		"1024",
		"0-1024",
		"a",
		"0x1",
		"0 1",
		" 0",
		"0 ",
		"0, 1",
		"+1",
		"0;1",
		"0\n",
		"1.5",
		"all",
		"4294967296",
		"18446744073709551616",
		"0-4294967297",
		"99999999999999999999999",
	};
	cpu_set_t cpus;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(cpulist_parse(bad[i], &cpus), -EINVAL);
}

static void there_and_back(void **state)
{
	static const char *const lists[] = {"", "0", "0-1", "0,2", "0-1,3", "1-3,5-6,63-64,1023", "0-1023"};
	cpu_set_t cpus;
	char text[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		assert_int_equal(cpulist_parse(lists[i], &cpus), 0);
		assert_string_equal(cpulist_format(&cpus, text, sizeof(text)), lists[i]);
	}
}

static void what_is_too_long_is_cut(void **state)
{
	cpu_set_t cpus;
	char text[8];

	(void)state;
	assert_int_equal(cpulist_parse("10-11,13-14", &cpus), 0);
	assert_string_equal(cpulist_format(&cpus, text, sizeof(text)), "10-11,1");
	assert_string_equal(cpulist_format(&cpus, text, 6), "10-11");
	assert_string_equal(cpulist_format(&cpus, text, 3), "10");
	assert_string_equal(cpulist_format(&cpus, text, 1), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_of_cpus),
		cmocka_unit_test(what_is_no_list),
		cmocka_unit_test(there_and_back),
		cmocka_unit_test(what_is_too_long_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
