/* SPDX-License-Identifier: Apache-2.0 */
#include "redis/resp.h"

#include <errno.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"

/* ---- commands ---- */

static void expect_bytes(const struct resp_buffer *b, const char *bytes, size_t len)
{
	assert_int_equal(b->len, len);
	assert_memory_equal(b->data + b->start, bytes, len);
}

static void encodes_a_command(void **state)
{
	static const char expected[] = "*4\r\n$4\r\nHSET\r\n$0\r\n\r\n$3\r\na\0\xff\r\n$12\r\nabcdefghijkl\r\n";
	const struct resp_arg argv[] = {RESP_STR("HSET"), {NULL, 0}, {"a\0\xff", 3}, RESP_STR("abcdefghijkl")};
	struct resp_buffer b;

	(void)state;
	assert_int_equal(resp_buffer_init(&b, 16, 4096), 0);
	assert_int_equal(resp_append(&b, ARRAY_SIZE(argv), argv), 0);
	expect_bytes(&b, expected, sizeof(expected) - 1);
	resp_buffer_done(&b);
}

static void appends_behind_what_waits(void **state)
{
	const struct resp_arg ping[] = {RESP_STR("PING")};
	struct resp_buffer b;

	(void)state;
	assert_int_equal(resp_buffer_init(&b, 30, 30), 0);
	assert_int_equal(resp_append(&b, 1, ping), 0);
	assert_int_equal(resp_append(&b, 1, ping), 0);
	assert_int_equal(resp_append(&b, 1, ping), -E2BIG);
	expect_bytes(&b, "*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nPING\r\n", 28);
	resp_consume(&b, 13);
	expect_bytes(&b, "\n*1\r\n$4\r\nPING\r\n", 15);
	assert_int_equal(resp_append(&b, 1, ping), 0);
	expect_bytes(&b, "\n*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nPING\r\n", 29);
	assert_int_equal(b.cap, 30);
	resp_consume(&b, 29);
	assert_int_equal(b.len, 0);
	resp_buffer_done(&b);
}

static void refuses_what_no_buffer_may_hold(void **state)
{
	const struct resp_arg huge[] = {{"x", SIZE_MAX}, {"x", SIZE_MAX}};
	struct resp_arg exact[] = {{"0123456789", 10}};
	struct resp_buffer b;

	(void)state;
	/* *1 $10 and ten bytes: 21 with all line ends */
	assert_int_equal(resp_buffer_init(&b, 8, 21), 0);
	assert_int_equal(resp_append(&b, 2, huge), -E2BIG);
	assert_int_equal(resp_append(&b, 1, exact), 0);
	assert_int_equal(b.cap, 21);
	resp_consume(&b, 21);
	exact[0] = (struct resp_arg){"01234567890", 11};
	assert_int_equal(resp_append(&b, 1, exact), -E2BIG);
	assert_int_equal(b.len, 0);
	resp_buffer_done(&b);
}

/* Any mix of appending and consuming must give the bytes in order. */
static void keeps_order_in_any_mix(void **state)
{
	struct resp_buffer b, all;
	unsigned int seed = 1;
	size_t checked = 0;
	char text[400];

	(void)state;
	memset(text, 'x', sizeof(text));
	assert_int_equal(resp_buffer_init(&b, 64, 8192), 0);
	assert_int_equal(resp_buffer_init(&all, 64, 64U << 20), 0);
	for (unsigned int i = 0; i < 20000; i++) {
		struct resp_arg argv[2] = {{&i, sizeof(i)}, {text, (size_t)rand_r(&seed) % sizeof(text)}};
		size_t n;

		if (resp_append(&b, 2, argv) == 0)
			assert_int_equal(resp_append(&all, 2, argv), 0);
		n = (size_t)rand_r(&seed) % (b.len + 1);
		assert_memory_equal(b.data + b.start, all.data + checked, b.len);
		resp_consume(&b, n);
		checked += n;
	}
	assert_int_equal(checked + b.len, all.len);
	assert_true(b.cap <= 8192);
	resp_buffer_done(&b);
	resp_buffer_done(&all);
}

/* ---- replies ---- */

static int new_reader(void **state)
{
	*state = resp_reader_new();
	return *state ? 0 : -1;
}

static int free_reader(void **state)
{
	resp_reader_free(*state);
	return 0;
}

static const struct resp_value *next(struct resp_reader *r)
{
	const struct resp_value *v = NULL;

	assert_int_equal(resp_reader_next(r, &v), 1);
	assert_non_null(v);
	return v;
}

static void feed(struct resp_reader *r, const char *text)
{
	assert_int_equal(resp_reader_feed(r, text, strlen(text)), 0);
}

static void expect_nothing(struct resp_reader *r)
{
	const struct resp_value *v;

	assert_int_equal(resp_reader_next(r, &v), 0);
}

static void check_string(const struct resp_value *v, enum resp_type type, const char *text, size_t len)
{
	assert_int_equal(v->type, type);
	assert_int_equal(v->len, len);
	assert_memory_equal(v->str, text, len + 1);
}

/* As after a storm in which Redis had no processor: no memory is taken for it. */
static void many_answers_at_once_need_no_memory(void **state)
{
	enum { ANSWERS = 1000 };
	struct resp_reader *r = *state;
	const struct resp_value *value;
	char answers[4 * ANSWERS + 1];
	size_t before;

	for (size_t i = 0; i < ANSWERS; i++)
		(void)snprintf(answers + 4 * i, 5, ":1\r\n");
	before = mallinfo2().uordblks;
	assert_int_equal(resp_reader_feed(r, answers, sizeof(answers) - 1), 0);
	for (size_t i = 0; i < ANSWERS; i++) {
		assert_int_equal(resp_reader_next(r, &value), 1);
		assert_int_equal(value->integer, 1);
	}
	assert_int_equal(mallinfo2().uordblks, before);
}

static void reads_every_type(void **state)
{
	struct resp_reader *r = *state;

	expect_nothing(r);
	feed(r, "+OK\r\n-ERR no\r\n:-42\r\n:9223372036854775807\r\n$0\r\n\r\n$-1\r\n*-1\r\n*0\r\n");
	check_string(next(r), RESP_STATUS, "OK", 2);
	check_string(next(r), RESP_ERROR, "ERR no", 6);
	assert_int_equal(next(r)->integer, -42);
	assert_true(next(r)->integer == INT64_MAX);
	check_string(next(r), RESP_STRING, "", 0);
	assert_int_equal(next(r)->type, RESP_NIL);
	assert_int_equal(next(r)->type, RESP_NIL);
	assert_int_equal(next(r)->n, 0);
	expect_nothing(r);
}

static void strings_may_hold_any_byte(void **state)
{
	struct resp_reader *r = *state;

	assert_int_equal(resp_reader_feed(r, "$5\r\na\0\r\n\xff\r\n", 11), 0);
	check_string(next(r), RESP_STRING, "a\0\r\n\xff", 5);
}

static void reads_nested_arrays_byte_by_byte(void **state)
{
	static const char text[] = "*4\r\n*2\r\n$1\r\n0\r\n*1\r\n:7\r\n$-1\r\n*0\r\n$3\r\nend\r\n";
	const struct resp_value *v;
	struct resp_reader *r = *state;

	for (size_t i = 0; i < sizeof(text) - 1; i++) {
		expect_nothing(r);
		assert_int_equal(resp_reader_feed(r, text + i, 1), 0);
	}
	v = next(r);
	assert_int_equal(v->type, RESP_ARRAY);
	assert_int_equal(v->n, 4);
	assert_int_equal(v->elem[0]->n, 2);
	check_string(v->elem[0]->elem[0], RESP_STRING, "0", 1);
	assert_int_equal(v->elem[0]->elem[1]->elem[0]->integer, 7);
	assert_int_equal(v->elem[1]->type, RESP_NIL);
	assert_int_equal(v->elem[2]->n, 0);
	check_string(v->elem[3], RESP_STRING, "end", 3);
	expect_nothing(r);
}

static void reads_a_long_array(void **state)
{
	struct resp_reader *r = *state;
	const struct resp_value *v;
	char text[32];

	feed(r, "*100000\r\n");
	for (int i = 0; i < 100000; i++) {
		(void)snprintf(text, sizeof(text), "%d", i);
		(void)snprintf(text, sizeof(text), "$%zu\r\n%d\r\n", strlen(text), i);
		feed(r, text);
		if (i % 1000 == 0)
			expect_nothing(r);
	}
	v = next(r);
	assert_int_equal(v->n, 100000);
	for (int i = 0; i < 100000; i++)
		assert_int_equal(strtol(v->elem[i]->str, NULL, 10), i);
}

static void refuse(const char *bytes, const char *reason)
{
	const struct resp_value *v;
	struct resp_reader *r = resp_reader_new();

	assert_non_null(r);
	feed(r, bytes);
	assert_int_equal(resp_reader_next(r, &v), -EPROTO);
	assert_non_null(strstr(resp_reader_error(r), reason));
	/* The fault stays until a new connection begins. */
	assert_int_equal(resp_reader_feed(r, "+OK\r\n", 5), -EPROTO);
	assert_int_equal(resp_reader_next(r, &v), -EPROTO);
	assert_int_equal(resp_reader_reset(r), 0);
	feed(r, "+OK\r\n");
	check_string(next(r), RESP_STATUS, "OK", 2);
	resp_reader_free(r);
}

static void refuses_what_is_no_resp(void **state)
{
	(void)state;
	refuse("HTTP/1.1 400 Bad Request\r\n", "reply type byte");
	refuse("$x\r\n", "length");
	refuse("$-2\r\n", "length");
	refuse("*-2\r\n", "length");
	refuse("*99999999999\r\n", "length");
	refuse("*1048577\r\n", "array too long");
	refuse("*2147483647\r\n", "array too long");
	refuse(":12a\r\n", "integer");
	refuse("$3\r\nabcde", "line end");
	refuse("*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n", "nested");
}

static void a_claimed_array_takes_no_memory(void **state)
{
	struct resp_reader *r = *state;
	struct mallinfo2 before = mallinfo2(), after;

	feed(r, "*1048576\r\n*1048576\r\n*1048576\r\n");
	expect_nothing(r);
	after = mallinfo2();
	assert_true(after.uordblks + after.hblkhd < before.uordblks + before.hblkhd + 65536);
}

/* Feeds a piece again and again until the reader refuses; it must do so before it holds too much. */
static const char *flood(struct resp_reader *r, const char *piece, size_t len)
{
	const struct resp_value *v;
	size_t fed = 0;
	int result = 0;

	while (result == 0 && fed <= (size_t)RESP_REPLY_MAX + len) {
		result = resp_reader_feed(r, piece, len);
		if (result == 0)
			result = resp_reader_next(r, &v);
		fed += len;
	}
	assert_int_equal(result, -EPROTO);
	return resp_reader_error(r);
}

static void bounds_a_reply(void **state)
{
	static char piece[65536];
	struct resp_reader *r = *state;

	feed(r, "$2000000000\r\n");
	assert_string_equal(flood(r, piece, sizeof(piece)), "reply too long");
	assert_int_equal(resp_reader_reset(r), 0);
	feed(r, "+");
	assert_string_equal(flood(r, piece, sizeof(piece)), "line too long");
	assert_int_equal(resp_reader_reset(r), 0);
	for (size_t i = 0; i < sizeof(piece); i++)
		piece[i] = "*0\r\n"[i % 4];
	feed(r, "*1000\r\n*1048576\r\n");
	assert_string_equal(flood(r, piece, sizeof(piece)), "reply too long");
	assert_true(resp_reader_reset(r) == 0);
}

/* After a flood the memory is given back; in steady work none is asked for. */
static void gives_memory_back(void **state)
{
	static char piece[65536];
	struct resp_reader *r = *state;
	struct mallinfo2 before = mallinfo2(), after;

	feed(r, "$20000000\r\n");
	for (size_t fed = 0; fed < 20000000; fed += sizeof(piece)) {
		size_t len = MIN(sizeof(piece), 20000000 - fed);

		assert_int_equal(resp_reader_feed(r, piece, len), 0);
		expect_nothing(r);
	}
	feed(r, "\r\n");
	assert_int_equal(next(r)->len, 20000000);
	expect_nothing(r);
	after = mallinfo2();
	assert_true(after.uordblks + after.hblkhd < before.uordblks + before.hblkhd + 300000);
}

static void tells_errors_by_their_first_word(void **state)
{
	struct resp_value v = {.type = RESP_ERROR, .str = "NOSCRIPT No matching script", .len = 27};

	(void)state;
	assert_true(resp_is_error(&v, "NOSCRIPT"));
	assert_false(resp_is_error(&v, "NOSCRIP"));
	assert_false(resp_is_error(&v, "NOSCRIPTS"));
	assert_false(resp_is_error(NULL, "NOSCRIPT"));
	v.len = 8;
	assert_true(resp_is_error(&v, "NOSCRIPT"));
	v.type = RESP_STATUS;
	assert_false(resp_is_error(&v, "NOSCRIPT"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(encodes_a_command),
		cmocka_unit_test(appends_behind_what_waits),
		cmocka_unit_test(refuses_what_no_buffer_may_hold),
		cmocka_unit_test(keeps_order_in_any_mix),
		cmocka_unit_test_setup_teardown(many_answers_at_once_need_no_memory, new_reader, free_reader),
		cmocka_unit_test_setup_teardown(reads_every_type, new_reader, free_reader),
		cmocka_unit_test_setup_teardown(strings_may_hold_any_byte, new_reader, free_reader),
		cmocka_unit_test_setup_teardown(reads_nested_arrays_byte_by_byte, new_reader, free_reader),
		cmocka_unit_test_setup_teardown(reads_a_long_array, new_reader, free_reader),
		cmocka_unit_test(refuses_what_is_no_resp),
		cmocka_unit_test_setup_teardown(a_claimed_array_takes_no_memory, new_reader, free_reader),
		cmocka_unit_test_setup_teardown(bounds_a_reply, new_reader, free_reader),
		cmocka_unit_test_setup_teardown(gives_memory_back, new_reader, free_reader),
		cmocka_unit_test(tells_errors_by_their_first_word),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
