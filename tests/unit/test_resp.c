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
#include "test.h"

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

static int setup(void **state)
{
	*state = resp_reader_new();
	return *state ? 0 : -1;
}

static int teardown(void **state)
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
	resp_reader_feed(r, text, strlen(text));
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
	resp_reader_feed(r, answers, sizeof(answers) - 1);
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

	resp_reader_feed(r, "$5\r\na\0\r\n\xff\r\n", 11);
	check_string(next(r), RESP_STRING, "a\0\r\n\xff", 5);
}

/* An integer of one digit is read in a short way, where it is a reply by itself. */
static void what_looks_like_a_digit_stays_in_its_place(void **state)
{
	struct resp_reader *r = *state;
	const struct resp_value *v;

	feed(r, "$4\r\n");
	expect_nothing(r);
	feed(r, ":1\r\n\r\n");
	check_string(next(r), RESP_STRING, ":1\r\n", 4);
	expect_nothing(r);
	feed(r, "+a");
	expect_nothing(r);
	feed(r, ":1\r\n");
	check_string(next(r), RESP_STATUS, "a:1", 3);
	expect_nothing(r);
	feed(r, "*2\r\n:1\r\n:2\r\n:3\r\n:45\r\n");
	v = next(r);
	assert_int_equal(v->n, 2);
	assert_int_equal(v->elem[1]->integer, 2);
	assert_int_equal(next(r)->integer, 3);
	assert_int_equal(next(r)->integer, 45);
	expect_nothing(r);
}

static void reads_nested_arrays_byte_by_byte(void **state)
{
	static const char text[] = "*4\r\n*2\r\n$1\r\n0\r\n*1\r\n:7\r\n$-1\r\n*0\r\n$3\r\nend\r\n";
	const struct resp_value *v;
	struct resp_reader *r = *state;

	for (size_t i = 0; i < sizeof(text) - 1; i++) {
		expect_nothing(r);
		resp_reader_feed(r, text + i, 1);
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
		expect_nothing(r);
		(void)snprintf(text, sizeof(text), "%d", i);
		(void)snprintf(text, sizeof(text), "$%zu\r\n%d\r\n", strlen(text), i);
		feed(r, text);
	}
	v = next(r);
	assert_int_equal(v->n, 100000);
	for (int i = 0; i < 100000; i++)
		assert_int_equal(strtol(v->elem[i]->str, NULL, 10), i);
}

/* How the bytes come in pieces must not matter. */
static void any_pieces_give_the_same_replies(void **state)
{
	static const char text[] = "*3\r\n:-1\r\n$4\r\n\r\n\r\n\r\n*1\r\n$-1\r\n+OK\r\n-ERR a b\r\n*0\r\n$0\r\n\r\n";
	struct resp_reader *r = *state;

	for (size_t cut = 0; cut < sizeof(text); cut++) {
		const struct resp_value *v;

		resp_reader_feed(r, text, cut);
		while (resp_reader_next(r, &v) > 0)
			;
		resp_reader_reset(r);
		/* The reset forgot the first piece. */
		for (size_t at = 0, len; at < sizeof(text) - 1; at += len) {
			len = MIN(cut + 1, sizeof(text) - 1 - at);
			resp_reader_feed(r, text + at, len);
			while (resp_reader_next(r, &v) > 0)
				if (v->type == RESP_ARRAY && v->n == 3)
					check_string(v->elem[1], RESP_STRING, "\r\n\r\n", 4);
		}
		assert_int_equal(v->type, RESP_STRING);
		assert_int_equal(v->len, 0);
	}
}

static void refuse_bytes(const char *bytes, size_t len, const char *reason)
{
	const struct resp_value *v;
	struct resp_reader *r = resp_reader_new();

	assert_non_null(r);
	resp_reader_feed(r, bytes, len);
	assert_int_equal(resp_reader_next(r, &v), -EPROTO);
	assert_non_null(strstr(resp_reader_error(r), reason));
	/* The fault stays until a new connection begins. */
	feed(r, "+OK\r\n");
	assert_int_equal(resp_reader_next(r, &v), -EPROTO);
	resp_reader_reset(r);
	feed(r, "+OK\r\n");
	check_string(next(r), RESP_STATUS, "OK", 2);
	resp_reader_free(r);
}

static void refuse(const char *bytes, const char *reason)
{
	refuse_bytes(bytes, strlen(bytes), reason);
}

static void refuses_what_is_no_resp(void **state)
{
	(void)state;
	refuse("HTTP/1.1 400 Bad Request\r\n", "reply type byte \"H\"");
	refuse("\x16\x03\r\n", "reply type byte 0x16");
	refuse_bytes("\0\r\n", 3, "reply type byte 0x00");
	refuse("\r\n", "empty line");
	refuse("\n", "line without its end");
	refuse("+OK\n", "line without its end");
	refuse("$x\r\n", "length");
	refuse("$-2\r\n", "length");
	refuse("$\r\n", "length");
	refuse("$2147483648\r\n", "length");
	refuse("*-2\r\n", "length");
	refuse("*99999999999\r\n", "length");
	refuse(":12a\r\n", "integer");
	refuse(":\r\n", "integer");
	refuse(":-\r\n", "integer");
	refuse(":9223372036854775808\r\n", "integer");
	refuse(":-9223372036854775809\r\n", "integer");
	refuse(":18446744073709551616\r\n", "integer");
	refuse("$3\r\nabcde", "line end");
	refuse("*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n", "nested");
	refuse("*1048577\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n", "nested");
}

/* We never ask for RESP3, so a peer that speaks it is not our Redis. In an array too, and while a reply is skipped. */
static void refuses_every_type_of_resp3(void **state)
{
	static const char *const replies[] = {
		"_\r\n",
		"#t\r\n",
		",1.5\r\n",
		",inf\r\n",
		"(12345678901234567890\r\n",
		"!3\r\nERR\r\n",
		"=5\r\ntxt:a\r\n",
		"%1\r\n+a\r\n:1\r\n",
		"~1\r\n:1\r\n",
		">1\r\n+a\r\n",
		"|1\r\n+a\r\n:1\r\n",
		"*?\r\n",
		"$?\r\n",
	};
	char text[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(replies); i++) {
		const char *reason = replies[i][1] == '?' ? "invalid length" : "RESP3";

		refuse(replies[i], reason);
		(void)snprintf(text, sizeof(text), "*2\r\n%s", replies[i]);
		refuse(text, reason);
		(void)snprintf(text, sizeof(text), "*1048577\r\n%s", replies[i]);
		refuse(text, reason);
	}
}

static size_t allocated(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

static void a_claimed_array_takes_no_memory(void **state)
{
	struct resp_reader *r = *state;
	size_t before = allocated();

	feed(r, "*1048576\r\n*1048576\r\n*1048576\r\n");
	expect_nothing(r);
	assert_true(allocated() < before + 65536);
}

static void an_endless_line_is_refused(void **state)
{
	static char piece[65536];
	struct resp_reader *r = *state;
	const struct resp_value *v;

	memset(piece, 'x', sizeof(piece));
	feed(r, "+");
	expect_nothing(r);
	resp_reader_feed(r, piece, sizeof(piece));
	assert_int_equal(resp_reader_next(r, &v), -EPROTO);
	assert_string_equal(resp_reader_error(r), "line too long");
	resp_reader_reset(r);
	for (int i = 0, result = 0; result == 0; i++) {
		assert_true(i < 1000);
		resp_reader_feed(r, i ? piece : "-", i ? 100 : 1);
		result = resp_reader_next(r, &v);
	}
	assert_string_equal(resp_reader_error(r), "line too long");
}

/* ---- what is too large ---- */

/* Feeds a piece so many times, which completes nothing. Returns the most memory that was in use. */
static size_t feed_often(struct resp_reader *r, const char *piece, size_t len, size_t times)
{
	size_t most = 0;

	for (size_t i = 0; i < times; i++) {
		resp_reader_feed(r, piece, len);
		expect_nothing(r);
		most = MAX(most, allocated());
	}
	return most;
}

static void check_error(const struct resp_value *v, const char *text)
{
	check_string(v, RESP_ERROR, text, strlen(text));
	assert_ptr_equal(resp_too_large(v), v);
}

static void feed_zeros(struct resp_reader *r, size_t mib, size_t before, size_t memory)
{
	static const char zeros[1U << 20];

	assert_true(feed_often(r, zeros, sizeof(zeros), mib) < before + memory);
}

/* The other fields of a row with such a value are read, and what was asked for next is answered. */
static void a_string_too_large_is_an_error_in_its_place(void **state)
{
	struct resp_reader *r = *state;
	const struct resp_value *v;
	size_t before = allocated();

	feed(r, "*3\r\n$2\r\nup\r\n$73400320\r\n");
	expect_nothing(r);
	feed_zeros(r, 70, before, 65536);
	feed(r, "\r\n$4\r\n9100\r\n:7\r\n");
	v = next(r);
	assert_int_equal(v->n, 3);
	check_string(v->elem[0], RESP_STRING, "up", 2);
	check_error(v->elem[1], "TOOLARGE 73400320 bytes; a string may have 16777216");
	check_string(v->elem[2], RESP_STRING, "9100", 4);
	assert_ptr_equal(resp_too_large(v), v->elem[1]);
	v = next(r);
	assert_int_equal(v->integer, 7);
	assert_null(resp_too_large(v));
	expect_nothing(r);
}

static void a_string_of_just_the_bound_is_read(void **state)
{
	struct resp_reader *r = *state;
	size_t before = allocated();

	feed(r, "$16777216\r\n");
	expect_nothing(r);
	feed_zeros(r, 16, before, (16U << 20) + 65536);
	feed(r, "\r\n$16777217\r\n");
	assert_int_equal(next(r)->len, RESP_STRING_MAX);
	expect_nothing(r);
	/* Steady work allocates nothing, but this much is not kept. */
	assert_true(allocated() < before + 300000);
	feed_zeros(r, 16, before, 300000);
	feed(r, "x\r\n");
	check_error(next(r), "TOOLARGE 16777217 bytes; a string may have 16777216");
}

static void a_string_read_over_must_end_well(void **state)
{
	struct resp_reader *r = *state;
	const struct resp_value *v;

	feed(r, "$16777217\r\n");
	expect_nothing(r);
	feed_zeros(r, 16, 0, SIZE_MAX);
	feed(r, "xy\r\n");
	assert_int_equal(resp_reader_next(r, &v), -EPROTO);
	assert_string_equal(resp_reader_error(r), "string without its line end");
}

/* A row of 600,000 fields. */
static void an_array_too_long_is_an_error(void **state)
{
	static const char fields[] = "$5\r\nfield\r\n*1\r\n$1\r\nv\r\n";
	struct resp_reader *r = *state;
	size_t before = allocated();

	feed(r, "*1200000\r\n");
	expect_nothing(r);
	assert_true(feed_often(r, fields, sizeof(fields) - 1, 599999) < before + 65536);
	feed(r, fields);
	check_error(next(r), "TOOLARGE 13200010 bytes; a reply may have 67108864, and 1048576 elements");
	expect_nothing(r);
	feed(r, "+OK\r\n");
	check_string(next(r), RESP_STATUS, "OK", 2);
}

static void a_reply_of_too_much_memory_is_an_error(void **state)
{
	static char piece[6 * 16384];
	struct resp_reader *r = *state;
	size_t before = allocated();

	for (size_t i = 0; i < sizeof(piece); i++)
		piece[i] = "$0\r\n\r\n"[i % 6];
	feed(r, "*100\r\n");
	expect_nothing(r);
	/* Where pointers have 32 bits, one of these is not too much yet. */
	for (int i = 0; i < 2; i++) {
		feed(r, "*1048576\r\n");
		expect_nothing(r);
		assert_true(feed_often(r, piece, sizeof(piece), 64) < before + RESP_REPLY_MAX + (1U << 20));
	}
	/* By now it is known to be too large, so its memory is given back. */
	assert_true(allocated() < before + 300000);
	for (int i = 0; i < 97; i++) {
		feed(r, "*0\r\n");
		expect_nothing(r);
	}
	feed(r, "*1\r\n:1\r\n:5\r\n");
	check_error(next(r), "TOOLARGE 12583334 bytes; a reply may have 67108864, and 1048576 elements");
	assert_int_equal(next(r)->integer, 5);
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

/* Otherwise a buffer that is emptied again and again would be moved, or grow. */
static void an_empty_buffer_begins_at_its_front(void **state)
{
	struct resp_buffer b;

	(void)state;
	assert_int_equal(resp_buffer_init(&b, 16, 16), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(resp_append(&b, 1, (struct resp_arg[]){RESP_STR("PING")}), 0);
		resp_consume(&b, b.len);
		assert_int_equal(b.start, 0);
	}
	resp_buffer_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(encodes_a_command),
		cmocka_unit_test(an_empty_buffer_begins_at_its_front),
		cmocka_unit_test(appends_behind_what_waits),
		cmocka_unit_test(refuses_what_no_buffer_may_hold),
		cmocka_unit_test(keeps_order_in_any_mix),
		TEST(many_answers_at_once_need_no_memory),
		TEST(reads_every_type),
		TEST(strings_may_hold_any_byte),
		TEST(what_looks_like_a_digit_stays_in_its_place),
		TEST(reads_nested_arrays_byte_by_byte),
		TEST(reads_a_long_array),
		TEST(any_pieces_give_the_same_replies),
		cmocka_unit_test(refuses_what_is_no_resp),
		cmocka_unit_test(refuses_every_type_of_resp3),
		TEST(a_claimed_array_takes_no_memory),
		TEST(an_endless_line_is_refused),
		TEST(a_string_too_large_is_an_error_in_its_place),
		TEST(a_string_of_just_the_bound_is_read),
		TEST(a_string_read_over_must_end_well),
		TEST(an_array_too_long_is_an_error),
		TEST(a_reply_of_too_much_memory_is_an_error),
		cmocka_unit_test(tells_errors_by_their_first_word),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
