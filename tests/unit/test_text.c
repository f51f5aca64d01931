/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void a_value_of_a_label(void **state)
{
	struct text text = {0};

	(void)state;
	text_label(&text, "a\nb\"c\\");
	assert_int_equal(text.len, 11);
	assert_memory_equal(text.data, "\"a\\nb\\\"c\\\\\"", 11);
	free(text.data);
}

static void a_string_of_json(void **state)
{
	struct text text = {0};

	(void)state;
	text_json(&text, "a\n\x01\"\\\x7f\xc3\xa9");
	text_add(&text, "", 1);
	assert_string_equal(text.data, "\"a\\u000a\\u0001\\\"\\\\\x7f\xc3\xa9\"");
	free(text.data);
}

static void names_become_utf8(void **state)
{
	static const struct {
		const char *name, *text;
	} cases[] = {
		{"", ""},
		{"Ethernet0", "Ethernet0"},
		{"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"},
		{"\xc0\x80", "\\xc0\\x80"},                   /* too long a form */
		{"\xed\xa0\x80", "\\xed\\xa0\\x80"},          /* a surrogate */
		{"\xe2\x82", "\\xe2\\x82"},                   /* cut */
		{"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"}, /* past the end */
		{"\\xff", "\\x5cxff"},                        /* not the same as the byte */
	};
	char out[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_string_equal(text_utf8(cases[i].name, out), cases[i].text);
}

static void seconds_are_exact(void **state)
{
	static const struct {
		uint64_t nsec;
		const char *text;
	} cases[] = {
		{0, "0"},
		{1, "0.000000001"},
		{1500000000, "1.5"},
		{NSEC_PER_SEC, "1"},
		{NSEC_PER_SEC + 10, "1.00000001"},
		{UINT64_MAX, "18446744073.709551615"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct text text = {0};

		text_seconds(&text, cases[i].nsec);
		assert_int_equal(text.len, strlen(cases[i].text));
		assert_memory_equal(text.data, cases[i].text, text.len);
		free(text.data);
	}
}

/* The expectations are what date(1) says. */
static void stamps_of_times(void **state)
{
	static const struct {
		uint64_t usec;
		enum text_fraction fraction;
		const char *text;
	} cases[] = {
		{0, TEXT_MICROSECONDS, "1970-01-01T00:00:00.000000Z"},
		{UINT64_C(951782399999999), TEXT_MICROSECONDS, "2000-02-28T23:59:59.999999Z"},
		{UINT64_C(951782400000000), TEXT_MILLISECONDS, "2000-02-29T00:00:00.000Z"},
		{UINT64_C(1791533226005004), TEXT_MILLISECONDS, "2026-10-09T08:07:06.005Z"},
		{UINT64_C(1791533226005004), TEXT_MICROSECONDS, "2026-10-09T08:07:06.005004Z"},
		{UINT64_C(253402300799000000), TEXT_MILLISECONDS, "9999-12-31T23:59:59.000Z"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct text text = {0};

		text_stamp(&text, cases[i].usec, cases[i].fraction);
		text_add(&text, "", 1);
		assert_string_equal(text.data, cases[i].text);
		free(text.data);
	}
}

static void digits_of_a_number(void **state)
{
	static const struct {
		uint64_t value;
		const char *text;
	} cases[] = {{0, "0"}, {9, "9"}, {10, "10"}, {9100, "9100"}, {UINT64_MAX, "18446744073709551615"}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char out[TEXT_DIGITS_MAX + 1] = "";

		assert_string_equal(text_digits(cases[i].value, out + TEXT_DIGITS_MAX), cases[i].text);
	}
}

static void items_are_appended(void **state)
{
	char out[16] = "";

	(void)state;
	text_append(out, sizeof(out), ", ", "%d", 1);
	assert_string_equal(out, "1");
	text_append(out, sizeof(out), ", ", "%s", "two");
	assert_string_equal(out, "1, two");
	text_append(out, sizeof(out), "", "%s", "!");
	assert_string_equal(out, "1, two!");
}

/* Whether it is the item or the separator that no longer fits. */
static void what_does_not_fit_is_cut(void **state)
{
	char out[16] = "";

	(void)state;
	memset(out + 8, 'x', sizeof(out) - 8);
	text_append(out, 8, ", ", "abc");
	text_append(out, 8, ", ", "defg");
	assert_string_equal(out, "abc, de");
	text_append(out, 8, ", ", "h");
	assert_string_equal(out, "abc, de");
	(void)memcpy(out, "abcdef", 7);
	text_append(out, 8, ", ", "g");
	assert_string_equal(out, "abcdef,");
	assert_memory_equal(out + 8, "xxxxxxxx", 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_value_of_a_label), cmocka_unit_test(a_string_of_json),
		cmocka_unit_test(names_become_utf8),  cmocka_unit_test(seconds_are_exact),
		cmocka_unit_test(stamps_of_times),    cmocka_unit_test(digits_of_a_number),
		cmocka_unit_test(items_are_appended), cmocka_unit_test(what_does_not_fit_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
