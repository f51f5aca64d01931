/* SPDX-License-Identifier: Apache-2.0 */
#include "ports/row.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"

/* Text of a given length, NULs and all. */
#define BYTES(text) (text), sizeof(text) - 1

/* The names SONiC's daemons ask for (docs/sonic.md#readers), and the order upstream writes them in. */
static void names_are_what_sonic_reads(void **state)
{
	static const char *const names[] = {"state", "netdev_oper_status", "admin_status", "mtu"};

	(void)state;
	assert_int_equal(ROW_FIELDS, ARRAY_SIZE(names));
	for (unsigned int i = 0; i < ROW_FIELDS; i++)
		assert_string_equal(row_field_name((enum row_field)i), names[i]);
	assert_string_equal(row_field_name(ROW_STATE), "state");
	assert_string_equal(row_field_name(ROW_OPER), "netdev_oper_status");
	assert_string_equal(row_field_name(ROW_ADMIN), "admin_status");
	assert_string_equal(row_field_name(ROW_MTU), "mtu");
}

static const struct {
	enum row_field field;
	int64_t value;
	const char *text;
} written[] = {
	{ROW_STATE, 1, "ok"},
	{ROW_OPER, 0, "down"},
	{ROW_OPER, 1, "up"},
	{ROW_ADMIN, 0, "down"},
	{ROW_ADMIN, 1, "up"},
	{ROW_MTU, 0, "0"},
	{ROW_MTU, 1, "1"},
	{ROW_MTU, 68, "68"},
	{ROW_MTU, 9100, "9100"},
	{ROW_MTU, 10000, "10000"},
	{ROW_MTU, 4294967295, "4294967295"},
};

static void writes_what_sonic_writes(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(written); i++) {
		char buf[ROW_TEXT_MAX];

		assert_string_equal(row_format(written[i].field, written[i].value, buf), written[i].text);
	}
}

/* Not one byte after the text is read: a reply's value need not end there. */
static void reads_what_was_written(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(written); i++) {
		size_t len = strlen(written[i].text);
		char *copy cleanup(free_ptr) = malloc(len + 1), *exact cleanup(free_ptr) = malloc(len);

		assert_non_null(copy);
		assert_non_null(exact);
		memcpy(exact, written[i].text, len);
		assert_int_equal(row_parse(written[i].field, exact, len), written[i].value);
		memcpy(copy, written[i].text, len);
		copy[len] = '7';
		assert_int_equal(row_parse(written[i].field, copy, len), written[i].value);
	}
}

/* What we would never write must be seen as different, or it would never be repaired. */
static void all_else_is_other(void **state)
{
	static const struct {
		enum row_field field;
		const char *text;
		size_t len;
	} cases[] = {
		{ROW_STATE, BYTES("")},
		{ROW_STATE, BYTES("o")},
		{ROW_STATE, BYTES("OK")},
		{ROW_STATE, BYTES("okay")},
		{ROW_STATE, BYTES("ok\0")},
		{ROW_STATE, BYTES(" ok")},
		{ROW_STATE, BYTES("up")},
		{ROW_OPER, BYTES("")},
		{ROW_OPER, BYTES("u")},
		{ROW_OPER, BYTES("UP")},
		{ROW_OPER, BYTES("up ")},
		{ROW_OPER, BYTES("up\0")},
		{ROW_OPER, BYTES("dow")},
		{ROW_OPER, BYTES("downs")},
		{ROW_OPER, BYTES("unknown")},
		{ROW_OPER, BYTES("ok")},
		{ROW_OPER, BYTES("1")},
		{ROW_OPER, BYTES("\xff\xfe")},
		{ROW_ADMIN, BYTES("")},
		{ROW_ADMIN, BYTES("Down")},
		{ROW_ADMIN, BYTES("do\0n")},
		{ROW_ADMIN, BYTES("true")},
		{ROW_MTU, BYTES("")},
		{ROW_MTU, BYTES("00")},
		{ROW_MTU, BYTES("09100")},
		{ROW_MTU, BYTES("+9100")},
		{ROW_MTU, BYTES("-5")},
		{ROW_MTU, BYTES(" 9100")},
		{ROW_MTU, BYTES("9100 ")},
		{ROW_MTU, BYTES("9100\n")},
		{ROW_MTU, BYTES("9100\0")},
		{ROW_MTU, BYTES("91\x00"
				"00")},
		{ROW_MTU, BYTES("9100.0")},
		{ROW_MTU, BYTES("0x238c")},
		{ROW_MTU, BYTES("9e3")},
		{ROW_MTU, BYTES("4294967296")},
		{ROW_MTU, BYTES("9999999999")},
		{ROW_MTU, BYTES("10000000000")},
		{ROW_MTU, BYTES("18446744073709560716")}, /* 9100 to whoever counts in 64 bits */
		{ROW_MTU, BYTES("\xd9\xa9")},
		{ROW_MTU, BYTES("9\xb1")},
		{ROW_MTU, BYTES("9:")},
		{ROW_MTU, BYTES("9/")},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (row_parse(cases[i].field, cases[i].text, cases[i].len) != ROW_OTHER)
			fail_msg("%s \"%s\" (%zu bytes) passes", row_field_name(cases[i].field), cases[i].text,
				 cases[i].len);
}

static void absent_is_nil(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < ROW_FIELDS; i++) {
		assert_int_equal(row_parse((enum row_field)i, NULL, 0), ROW_NIL);
		assert_int_equal(row_nil.value[i], ROW_NIL);
	}
	assert_true(ROW_NIL < 0 && ROW_OTHER < 0 && ROW_NIL != ROW_OTHER);
}

static void difference_names_the_fields(void **state)
{
	const struct row base = {{1, 0, 1, 9100}};

	(void)state;
	for (unsigned int mask = 0; mask < 1U << ROW_FIELDS; mask++) {
		struct row want = base;

		for (unsigned int i = 0; i < ROW_FIELDS; i++)
			if (mask & 1U << i)
				want.value[i] = i == ROW_MTU ? 1500 : !want.value[i];
		assert_int_equal(row_diff(&base, &want), mask);
		assert_int_equal(row_diff(&want, &base), mask);
	}
}

static void absent_and_other_differ_from_all_values(void **state)
{
	const struct row want = {{1, 1, 0, 0}}, other = {{ROW_OTHER, ROW_OTHER, ROW_OTHER, ROW_OTHER}};
	struct row half = {{1, ROW_NIL, 0, ROW_OTHER}};

	(void)state;
	assert_int_equal(row_diff(&row_nil, &want), 0xf);
	assert_int_equal(row_diff(&other, &want), 0xf);
	assert_int_equal(row_diff(&row_nil, &other), 0xf);
	assert_int_equal(row_diff(&row_nil, &row_nil), 0);
	assert_int_equal(row_diff(&half, &want), 1U << ROW_OPER | 1U << ROW_MTU);
	half.value[ROW_MTU] = (int64_t)UINT32_MAX + 1; /* equal in 32 bits */
	assert_int_equal(row_diff(&half, &want), 1U << ROW_OPER | 1U << ROW_MTU);
}

static void what_is_packed_is_unpacked(void **state)
{
	static const int64_t values[] = {ROW_OTHER, ROW_NIL, 0, 1},
			     mtus[] = {ROW_OTHER, ROW_NIL, 0, 1, 9100, UINT32_MAX};

	(void)state;
	for (unsigned i = 0; i < 64 * ARRAY_SIZE(mtus); i++) {
		const struct row row = {{values[i % 4], values[i / 4 % 4], values[i / 16 % 4], mtus[i / 64]}};
		const struct row_packed packed = row_pack(&row);
		const struct row back = row_unpack(packed);

		assert_int_equal(row_diff(&row, &back), 0);
		assert_int_equal(packed.bits == 0, row_diff(&row_nil, &row) == 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_what_sonic_reads),
		cmocka_unit_test(writes_what_sonic_writes),
		cmocka_unit_test(reads_what_was_written),
		cmocka_unit_test(all_else_is_other),
		cmocka_unit_test(absent_is_nil),
		cmocka_unit_test(difference_names_the_fields),
		cmocka_unit_test(absent_and_other_differ_from_all_values),
		cmocka_unit_test(what_is_packed_is_unpacked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
