/* SPDX-License-Identifier: Apache-2.0 */
#include "sonic/portcount.h"

#include "conn_fixture.h"

#define KEY "$25\r\nPORT_TABLE:PortConfigDone\r\n"
#define READ "*3\r\n$4\r\nHGET\r\n" KEY "$5\r\ncount\r\n"
#define WRITE(len, count)                                                                                              \
	"*5\r\n$4\r\nEVAL\r\n$109\r\nif redis.call('exists', KEYS[1]) == 1 then "                                      \
	"return redis.call('hset', KEYS[1], 'count', ARGV[1]) end return -1\r\n$1\r\n1\r\n" KEY "$" #len "\r\n" count  \
	"\r\n"

struct own {
	struct portcount *count;
};

static int setup(void **state)
{
	struct fixture *x = fixture_new("APPL_DB", LOG_NOTICE, sizeof(struct own));

	connect_now(x);
	x->own->count = portcount_new(x->conn, ":");
	assert_non_null(x->own->count);
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *x = *state;

	conn_free(x->conn);
	portcount_free(x->own->count);
	fixture_free(x);
	return 0;
}

static void follow(struct fixture *x, size_t rows)
{
	portcount_want(x->own->count, rows);
	conn_flush(x->conn);
}

/* As after a reconciliation. */
static void repair(struct fixture *x, size_t rows)
{
	portcount_retry(x->own->count);
	follow(x, rows);
}

static void write_taken(struct fixture *x, const char *command)
{
	expect_and_answer(x, command, ":0\r\n");
	expect_silence(x);
}

static void a_right_count_is_not_written(void **state)
{
	struct fixture *x = *state;

	repair(x, 8);
	expect_and_answer(x, READ, "$1\r\n8\r\n");
	expect_silence(x);
	repair(x, 0);
	expect_and_answer(x, READ, "$1\r\n0\r\n");
	expect_silence(x);
	assert_false(catcher_next(&x->log));
}

static void a_wrong_count_is_mended(void **state)
{
	static const char *const wrong[] = {"$1\r\n0\r\n",
					    "$1\r\n7\r\n",
					    "$3\r\nabc\r\n",
					    "$0\r\n\r\n",
					    "$2\r\n-8\r\n",
					    "$2\r\n 8\r\n",
					    "$2\r\n8 \r\n",
					    "$2\r\n08\r\n",
					    "$3\r\n8.0\r\n",
					    "$2\r\n80\r\n",
					    "$20\r\n18446744073709551624\r\n"};
	struct fixture *x = *state;

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		repair(x, 8);
		expect_and_answer(x, READ, wrong[i]);
		write_taken(x, WRITE(1, "8"));
	}
	assert_int_equal(catcher_count(&x->log, "but there are 8 ports: mended"), ARRAY_SIZE(wrong));
}

static void a_count_with_a_nul_is_wrong(void **state)
{
	static const char eight_nul[] = "$3\r\n8\0x\r\n";
	struct fixture *x = *state;

	repair(x, 8);
	fake_expect(&x->server, READ);
	fake_send_bytes(&x->server, eight_nul, sizeof(eight_nul) - 1);
	write_taken(x, WRITE(1, "8"));
}

/* There was no PortConfigDone, or somebody made something else of it: neither is ours to write. */
static void without_a_count_nothing_is_invented(void **state)
{
	static const char *const none[] = {"$-1\r\n", "-WRONGTYPE Operation against a key\r\n", "-LOADING wait\r\n"};
	struct fixture *x = *state;

	for (size_t i = 0; i < ARRAY_SIZE(none); i++) {
		repair(x, 8);
		assert_false(portcount_settled(x->own->count));
		expect_and_answer(x, READ, none[i]);
		expect_silence(x);
		assert_true(portcount_settled(x->own->count));
		follow(x, 8);
		expect_silence(x);
	}
	assert_int_equal(catcher_count(&x->log, "mended"), 0);
}

static void it_follows_changes_only(void **state)
{
	struct fixture *x = *state;

	follow(x, 8);
	expect_and_answer(x, READ, "$1\r\n8\r\n");
	expect_silence(x);
	follow(x, 8);
	expect_silence(x);
	follow(x, 11);
	expect_and_answer(x, READ, "$1\r\n8\r\n");
	write_taken(x, WRITE(2, "11"));
	follow(x, 11);
	expect_silence(x);
	follow(x, 0);
	expect_and_answer(x, READ, "$2\r\n11\r\n");
	write_taken(x, WRITE(1, "0"));
	follow(x, 0);
	expect_silence(x);
}

static void a_repair_is_known_to_what_follows(void **state)
{
	struct fixture *x = *state;

	repair(x, 8);
	expect_and_answer(x, READ, "$1\r\n5\r\n");
	write_taken(x, WRITE(1, "8"));
	follow(x, 8);
	expect_silence(x);
}

/* What changes while a command is under way is looked at once that was answered. */
static void changes_wait_for_the_command_under_way(void **state)
{
	struct fixture *x = *state;

	follow(x, 8);
	fake_expect(&x->server, READ);
	follow(x, 9);
	repair(x, 9);
	fake_send(&x->server, "$1\r\n8\r\n");
	expect_silence(x);
	follow(x, 9);
	expect_and_answer(x, READ, "$1\r\n8\r\n");
	fake_expect(&x->server, WRITE(1, "9"));
	follow(x, 10);
	fake_send(&x->server, ":0\r\n");
	expect_silence(x);
	follow(x, 10);
	expect_and_answer(x, READ, "$1\r\n9\r\n");
	write_taken(x, WRITE(2, "10"));
}

/* Not before the next reconciliation, or the next change: else a refusal would be asked for in every turn of the loop.
 */
static void a_refused_write_is_done_again(void **state)
{
	struct fixture *x = *state;

	follow(x, 8);
	expect_and_answer(x, READ, "$1\r\n5\r\n");
	expect_and_answer(x, WRITE(1, "8"), OOM);
	expect_silence(x);
	assert_int_equal(catcher_count(&x->log, "PORT_TABLE:PortConfigDone: count cannot be written"), 1);
	assert_true(portcount_settled(x->own->count));
	follow(x, 8);
	expect_silence(x);
	repair(x, 8);
	expect_and_answer(x, READ, "$1\r\n5\r\n");
	write_taken(x, WRITE(1, "8"));
	follow(x, 8);
	expect_silence(x);
}

static void after_a_loss_it_is_read_again(void **state)
{
	struct fixture *x = *state;

	follow(x, 8);
	expect_and_answer(x, READ, "$1\r\n5\r\n");
	fake_expect(&x->server, WRITE(1, "8"));
	reconnect(x);
	follow(x, 8);
	expect_and_answer(x, READ, "$1\r\n8\r\n");
	expect_silence(x);
	follow(x, 8);
	expect_silence(x);
	assert_int_equal(catcher_count(&x->log, "cannot be written"), 0);
}

static void without_connection_nothing_hangs(void **state)
{
	struct fixture *x = *state;

	stay_away(x);
	repair(x, 8);
	follow(x, 8);
	fake_listen(&x->server);
	RUN_UNTIL(x->event, x->ready == 2);
	follow(x, 8);
	expect_and_answer(x, READ, "$1\r\n8\r\n");
	expect_silence(x);
}

static void a_refused_count_is_not_done(void **state)
{
	struct fixture *x = *state;

	follow(x, 8);
	expect_and_answer(x, READ, "$1\r\n5\r\n");
	expect_and_answer(x, WRITE(1, "8"), OOM);
	expect_silence(x);
	assert_true(portcount_settled(x->own->count));
	assert_false(portcount_done(x->own->count));
}

/* APPL_DB was emptied after the reading: nothing is written, and nothing is logged. */
static void a_count_that_is_gone_is_not_mended(void **state)
{
	struct fixture *x = *state;

	follow(x, 8);
	expect_and_answer(x, READ, "$1\r\n5\r\n");
	expect_and_answer(x, WRITE(1, "8"), ":-1\r\n");
	expect_silence(x);
	assert_true(portcount_settled(x->own->count));
	assert_false(catcher_next(&x->log));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_right_count_is_not_written),
		TEST(a_refused_count_is_not_done),
		TEST(a_count_that_is_gone_is_not_mended),
		TEST(a_wrong_count_is_mended),
		TEST(a_count_with_a_nul_is_wrong),
		TEST(without_a_count_nothing_is_invented),
		TEST(it_follows_changes_only),
		TEST(a_repair_is_known_to_what_follows),
		TEST(changes_wait_for_the_command_under_way),
		TEST(a_refused_write_is_done_again),
		TEST(after_a_loss_it_is_read_again),
		TEST(without_connection_nothing_hangs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
