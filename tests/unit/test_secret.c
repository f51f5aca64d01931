/* SPDX-License-Identifier: Apache-2.0 */
#include "base/secret.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

/* VmFlags of the mapping in /proc/self/smaps (proc(5)), "" when there is none. */
static void flags_of(const void *address, char *out, size_t size)
{
	FILE *maps = fopen("/proc/self/smaps", "re");
	char line[512];
	int inside = 0;

	assert_non_null(maps);
	out[0] = '\0';
	while (fgets(line, sizeof(line), maps)) {
		char *end;
		uintptr_t first = strtoul(line, &end, 16), last = *end == '-' ? strtoul(end + 1, NULL, 16) : 0;

		if (last > 0)
			inside = first <= (uintptr_t)address && (uintptr_t)address < last;
		else if (inside && strncmp(line, "VmFlags:", 8) == 0)
			(void)snprintf(out, size, "%s", line);
	}
	(void)fclose(maps);
}

static void it_is_in_no_core_dump(void **state)
{
	struct secret s;
	char flags[512];

	(void)state;
	assert_int_equal(secret_new(&s, 4096), 0);
	assert_int_equal(s.capacity, 4096);
	assert_int_equal(s.len, 0);
	assert_string_equal(s.text, "");
	memset(s.text, 'x', s.capacity);
	assert_int_equal(strlen(s.text), s.capacity);
	flags_of(s.text, flags, sizeof(flags));
	assert_non_null(strstr(flags, " dd"));
	assert_non_null(strstr(flags, " wf"));
	secret_wipe(&s);
	assert_null(s.text);
	secret_wipe(&s);
}

static void there_is_nothing_left(void **state)
{
	struct secret s;
	unsigned char present;
	char *at;

	(void)state;
	assert_int_equal(secret_new(&s, 100), 0);
	at = s.text;
	assert_int_equal(mincore(at, 1, &present), 0);
	secret_wipe(&s);
	assert_int_equal(mincore(at, 1, &present), -1);
	assert_int_equal(errno, ENOMEM);
}

static void too_large(void **state)
{
	struct secret s;

	(void)state;
	assert_int_equal(secret_new(&s, SIZE_MAX - 65536), -ENOMEM);
	assert_null(s.text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_in_no_core_dump),
		cmocka_unit_test(there_is_nothing_left),
		cmocka_unit_test(too_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
