/* SPDX-License-Identifier: Apache-2.0 */
#include "sonic/warm.h"

#include <errno.h>

#include "conn_fixture.h"

#define ASK(len, key, field) "*3\r\n$4\r\nHGET\r\n$" #len "\r\n" key "\r\n" field
#define ASK_SYSTEM ASK(32, "WARM_RESTART_ENABLE_TABLE|system", "$6\r\nenable\r\n")
#define ASK_SWSS ASK(30, "WARM_RESTART_ENABLE_TABLE|swss", "$6\r\nenable\r\n")
#define ASK_COUNT ASK(28, "WARM_RESTART_TABLE|portsyncd", "$13\r\nrestore_count\r\n")
#define QUESTIONS ASK_SYSTEM ASK_SWSS ASK_COUNT
#define WRITE(len, count)                                                                                              \
	"*4\r\n$4\r\nHSET\r\n$28\r\nWARM_RESTART_TABLE|portsyncd\r\n$13\r\nrestore_count\r\n$" #len "\r\n" count "\r"  \
	"\n"
#define TRUE "$4\r\ntrue\r\n"
#define LOADING "-LOADING Redis is loading the dataset in memory\r\n"

struct own {
	struct warm *warm;
	unsigned int answers;
	enum warm_answer answer;
};

static void on_warm(enum warm_answer answer, void *user)
{
	struct fixture *x = user;

	x->own->answers++;
	x->own->answer = answer;
}

static void make_warm(struct fixture *x)
{
	warm_free(x->own->warm);
	x->own->warm = warm_new(x->conn, "|", on_warm, x);
	assert_non_null(x->own->warm);
	x->own->answers = 0;
}

static int setup(void **state)
{
	struct fixture *x = fixture_new("STATE_DB", LOG_WARNING, sizeof(struct own));

	connect_now(x);
	make_warm(x);
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *x = *state;

	conn_free(x->conn);
	warm_free(x->own->warm);
	fixture_free(x);
	return 0;
}

static void ask(struct fixture *x)
{
	assert_int_equal(warm_ask(x->own->warm), 0);
	conn_flush(x->conn);
}

static void settle(struct fixture *x)
{
	warm_settle(x->own->warm);
	conn_flush(x->conn);
}

/* Asks, and gives these answers; what warm_fn hears is in x->own->answer. */
static void ask_and_answer(struct fixture *x, const char *system, const char *swss, const char *count)
{
	unsigned int before = x->own->answers;

	ask(x);
	fake_expect(&x->server, QUESTIONS);
	fake_send(&x->server, system);
	fake_send(&x->server, swss);
	fake_send(&x->server, count);
	RUN_UNTIL(x->event, x->own->answers > before);
	assert_int_equal(x->own->answers, before + 1);
}

/* Redis takes the write; nothing else follows, above all no state. */
static void expect_written(struct fixture *x, const char *write)
{
	expect_and_answer(x, write, ":0\r\n");
	RUN_UNTIL(x->event, conn_in_flight(x->conn) == 0);
	expect_silence(x);
	settle(x);
	expect_and_answer(x, ASK_COUNT, "$1\r\n0\r\n");
	expect_silence(x);
}

static void bulk(char *out, size_t size, const char *text, size_t len)
{
	(void)snprintf(out, size, "$%zu\r\n%.*s\r\n", len, (int)len, text);
}

static void a_cold_start_counts_zero(void **state)
{
	struct fixture *x = *state;

	ask_and_answer(x, NIL, NIL, NIL);
	assert_int_equal(x->own->answer, WARM_COLD);
	expect_written(x, WRITE(1, "0"));
	assert_false(catcher_next(&x->log));
}

static void a_cold_start_forgets_the_count(void **state)
{
	struct fixture *x = *state;

	ask_and_answer(x, NIL, NIL, "$1\r\n5\r\n");
	assert_int_equal(x->own->answer, WARM_COLD);
	expect_written(x, WRITE(1, "0"));
	make_warm(x);
	ask_and_answer(x, NIL, NIL, "$3\r\nabc\r\n");
	expect_written(x, WRITE(1, "0"));
	assert_false(catcher_next(&x->log));
}

static void a_warm_start_counts_one_more(void **state)
{
	struct fixture *x = *state;

	ask_and_answer(x, TRUE, NIL, "$1\r\n0\r\n");
	assert_int_equal(x->own->answer, WARM_WARM);
	expect_written(x, WRITE(1, "1"));
	make_warm(x);
	ask_and_answer(x, NIL, TRUE, "$2\r\n41\r\n");
	assert_int_equal(x->own->answer, WARM_WARM);
	expect_written(x, WRITE(2, "42"));
	make_warm(x);
	ask_and_answer(x, TRUE, "$5\r\nfalse\r\n", "$10\r\n4294967294\r\n");
	assert_int_equal(x->own->answer, WARM_WARM);
	expect_written(x, WRITE(10, "4294967295"));
	assert_false(catcher_next(&x->log));
}

/* swss-common compares with "true", byte for byte. */
static void only_true_enables(void **state)
{
	static const char *const words[] = {"false", "True", "TRUE", "1", "yes", "true ", " true", "", "tru"};
	struct fixture *x = *state;
	char text[32];

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		bulk(text, sizeof(text), words[i], strlen(words[i]));
		make_warm(x);
		ask_and_answer(x, text, text, "$1\r\n3\r\n");
		assert_int_equal(x->own->answer, WARM_COLD);
		expect_written(x, WRITE(1, "0"));
	}
	assert_false(catcher_next(&x->log));
}

static void without_a_count_the_start_is_cold(void **state)
{
	struct fixture *x = *state;

	ask_and_answer(x, TRUE, NIL, NIL);
	assert_int_equal(x->own->answer, WARM_COLD);
	expect_written(x, WRITE(1, "0"));
	assert_true(catcher_next(&x->log));
	assert_non_null(strstr(x->log.line, "WARM_RESTART_TABLE|portsyncd has no restore_count: this start is cold"));
	assert_false(catcher_next(&x->log));
}

static void a_count_that_is_no_number_is_named(void **state)
{
	static const char *const counts[] = {
		"abc", "",     "-1",  "4294967295", "4294967296",           " 3", "3 ", "+3",
		"3.0", "0x10", "1e3", "3\r\n\t4",   "18446744073709551617", "3a",
	};
	struct fixture *x = *state;
	char text[64];

	for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
		bulk(text, sizeof(text), counts[i], strlen(counts[i]));
		make_warm(x);
		ask_and_answer(x, NIL, TRUE, text);
		assert_int_equal(x->own->answer, WARM_COLD);
		expect_written(x, WRITE(1, "0"));
		assert_true(catcher_next(&x->log));
		assert_non_null(strstr(x->log.line, "this start is cold"));
		assert_memory_equal(x->log.line, "<12>", 4); /* a warning */
		if (i == 0)
			assert_non_null(strstr(x->log.line, "\"abc\""));
		assert_false(catcher_next(&x->log));
	}
}

static void a_nul_in_a_count_does_not_cut_it(void **state)
{
	static const char three_nul[] = "$2\r\n3\0\r\n";
	struct fixture *x = *state;

	ask(x);
	expect_and_answer(x, QUESTIONS, TRUE NIL);
	fake_send_bytes(&x->server, three_nul, sizeof(three_nul) - 1);
	RUN_UNTIL(x->event, x->own->answers == 1);
	assert_int_equal(x->own->answer, WARM_COLD);
	expect_written(x, WRITE(1, "0"));
	assert_int_equal(catcher_count(&x->log, "this start is cold"), 1);
}

static void a_nul_in_enable_does_not_cut_it(void **state)
{
	static const char true_nul[] = "$6\r\ntrue\0x\r\n";
	struct fixture *x = *state;

	ask(x);
	fake_expect(&x->server, QUESTIONS);
	fake_send_bytes(&x->server, true_nul, sizeof(true_nul) - 1);
	fake_send(&x->server, NIL "$1\r\n3\r\n");
	RUN_UNTIL(x->event, x->own->answers == 1);
	assert_int_equal(x->own->answer, WARM_COLD);
	expect_written(x, WRITE(1, "0"));
}

static void a_key_of_the_wrong_type_says_nothing(void **state)
{
	struct fixture *x = *state;

	ask_and_answer(x, WRONGTYPE, TRUE, "$1\r\n3\r\n");
	assert_int_equal(x->own->answer, WARM_WARM);
	expect_written(x, WRITE(1, "4"));
	make_warm(x);
	ask_and_answer(x, WRONGTYPE, WRONGTYPE, "$1\r\n3\r\n");
	assert_int_equal(x->own->answer, WARM_COLD);
	expect_written(x, WRITE(1, "0"));
	assert_false(catcher_next(&x->log));
	make_warm(x);
	ask_and_answer(x, TRUE, TRUE, WRONGTYPE);
	assert_int_equal(x->own->answer, WARM_COLD);
	expect_written(x, WRITE(1, "0"));
	assert_int_equal(catcher_count(&x->log, "has no restore_count"), 1);
}

/* One that loads its data refuses for a while: what it says then must not make a cold start. */
static void a_refused_question_is_asked_again(void **state)
{
	static const char *const replies[][3] = {
		{LOADING, NIL, "$1\r\n3\r\n"}, {TRUE, LOADING, "$1\r\n3\r\n"}, {TRUE, NIL, LOADING}};
	struct fixture *x = *state;

	for (size_t i = 0; i < ARRAY_SIZE(replies); i++) {
		make_warm(x);
		ask_and_answer(x, replies[i][0], replies[i][1], replies[i][2]);
		assert_int_equal(x->own->answer, WARM_UNKNOWN);
		settle(x);
		expect_silence(x);
		assert_int_equal(catcher_count(&x->log, "it is tried again: LOADING"), 1);
		ask_and_answer(x, TRUE, NIL, "$1\r\n3\r\n");
		assert_int_equal(x->own->answer, WARM_WARM);
		expect_written(x, WRITE(1, "4"));
	}
}

static void nothing_stays_of_a_refused_round(void **state)
{
	struct fixture *x = *state;

	ask_and_answer(x, TRUE, LOADING, "$1\r\n3\r\n");
	assert_int_equal(x->own->answer, WARM_UNKNOWN);
	ask_and_answer(x, NIL, NIL, NIL);
	assert_int_equal(x->own->answer, WARM_COLD);
	expect_written(x, WRITE(1, "0"));
	make_warm(x);
	ask_and_answer(x, LOADING, TRUE, "$1\r\n3\r\n");
	ask_and_answer(x, TRUE, NIL, NIL);
	assert_int_equal(x->own->answer, WARM_COLD);
	expect_written(x, WRITE(1, "0"));
}

static void a_connection_lost_in_the_middle_says_nothing(void **state)
{
	struct fixture *x = *state;

	ask(x);
	fake_expect(&x->server, QUESTIONS);
	fake_send(&x->server, TRUE);
	fake_send(&x->server, NIL);
	RUN_UNTIL(x->event, conn_in_flight(x->conn) == 1);
	reconnect(x);
	assert_int_equal(x->lost, 1);
	assert_int_equal(x->own->answers, 0);
	settle(x);
	expect_silence(x);
	ask_and_answer(x, NIL, NIL, "$1\r\n3\r\n");
	assert_int_equal(x->own->answer, WARM_COLD);
	expect_written(x, WRITE(1, "0"));
}

static void without_connection_the_question_is_refused(void **state)
{
	struct fixture *x = *state;

	stay_away(x);
	assert_int_equal(warm_ask(x->own->warm), -ENOTCONN);
	assert_int_equal(x->own->answers, 0);
}

static void the_answer_stays_for_the_process(void **state)
{
	struct fixture *x = *state;

	ask_and_answer(x, TRUE, NIL, "$1\r\n3\r\n");
	expect_written(x, WRITE(1, "4"));
	reconnect(x);
	ask(x);
	assert_int_equal(x->own->answers, 2);
	assert_int_equal(x->own->answer, WARM_WARM);
	expect_silence(x);
	make_warm(x);
	ask_and_answer(x, NIL, NIL, NIL);
	expect_written(x, WRITE(1, "0"));
	ask(x);
	assert_int_equal(x->own->answers, 2);
	assert_int_equal(x->own->answer, WARM_COLD);
	expect_silence(x);
}

static void a_refused_count_is_written_later(void **state)
{
	struct fixture *x = *state;

	ask_and_answer(x, TRUE, NIL, "$1\r\n3\r\n");
	fake_expect(&x->server, WRITE(1, "4"));
	settle(x); /* under way: not once more */
	fake_send(&x->server, OOM);
	expect_silence(x);
	assert_int_equal(catcher_count(&x->log, "restore_count cannot be written, it is tried again: OOM"), 1);
	settle(x);
	expect_written(x, WRITE(1, "4"));
	assert_int_equal(x->own->answers, 1);
}

/* An emptied database would make the next warm start a cold one. */
static void a_count_that_is_gone_is_written_again(void **state)
{
	struct fixture *x = *state;

	ask_and_answer(x, TRUE, NIL, "$1\r\n3\r\n");
	expect_written(x, WRITE(1, "4"));
	settle(x);
	expect_and_answer(x, ASK_COUNT, NIL);
	expect_written(x, WRITE(1, "4"));
	assert_int_equal(x->own->answers, 1);
}

static void a_count_whose_fate_is_unknown_is_written_later(void **state)
{
	struct fixture *x = *state;

	ask_and_answer(x, TRUE, NIL, "$1\r\n3\r\n");
	fake_expect(&x->server, WRITE(1, "4"));
	reconnect(x);
	settle(x);
	expect_written(x, WRITE(1, "4"));
	assert_int_equal(catcher_count(&x->log, "cannot be written"), 0);
}

/* Nobody has to ask for it. */
static void a_count_whose_fate_is_unknown_is_written_by_itself(void **state)
{
	struct fixture *x = *state;

	ask_and_answer(x, TRUE, NIL, "$1\r\n3\r\n");
	fake_expect(&x->server, WRITE(1, "4"));
	reconnect(x);
	warm_turn(x->own->warm);
	conn_flush(x->conn);
	expect_written(x, WRITE(1, "4"));
}

static void nothing_is_settled_before_the_decision(void **state)
{
	struct fixture *x = *state;

	settle(x);
	expect_silence(x);
	assert_int_equal(x->own->answers, 0);
}

static void without_capacity_it_is_written_later(void **state)
{
	struct fixture *x = *state;
	size_t taken;

	ask_and_answer(x, NIL, NIL, NIL);
	expect_written(x, WRITE(1, "0"));
	taken = take_capacity(x);
	settle(x);
	give_capacity(x, taken);
	warm_turn(x->own->warm);
	conn_flush(x->conn);
	expect_and_answer(x, ASK_COUNT, NIL);
	expect_written(x, WRITE(1, "0"));
	warm_turn(x->own->warm);
	expect_silence(x);
}

/* Nobody else uses the key. If its deletion is refused too, the next reconciliation tries again, not each turn. */
static void a_key_of_another_type_is_replaced(void **state)
{
	static const char delete[] = "*2\r\n$3\r\nDEL\r\n$28\r\nWARM_RESTART_TABLE|portsyncd\r\n";
	struct fixture *x = *state;
	char both[256];

	(void)snprintf(both, sizeof(both), "%s%s", delete, WRITE(1, "0"));
	ask_and_answer(x, NIL, NIL, WRONGTYPE);
	expect_and_answer(x, WRITE(1, "0"), WRONGTYPE);
	RUN_UNTIL(x->event, conn_in_flight(x->conn) == 0);
	warm_turn(x->own->warm);
	conn_flush(x->conn);
	expect_and_answer(x, both, "-NOPERM no del\r\n" WRONGTYPE);
	RUN_UNTIL(x->event, conn_in_flight(x->conn) == 0);
	warm_turn(x->own->warm);
	expect_silence(x);
	settle(x);
	fake_expect(&x->server, both);
	fake_send(&x->server, ":1\r\n:1\r\n");
	RUN_UNTIL(x->event, conn_in_flight(x->conn) == 0);
	settle(x);
	expect_and_answer(x, ASK_COUNT, "$1\r\n0\r\n");
	expect_silence(x);
}

static void the_separator_is_the_databases(void **state)
{
	struct fixture *x = *state;

	warm_free(x->own->warm);
	x->own->warm = warm_new(x->conn, "^", on_warm, x);
	assert_non_null(x->own->warm);
	ask(x);
	fake_expect(&x->server, ASK(32, "WARM_RESTART_ENABLE_TABLE^system", "$6\r\nenable\r\n")
					ASK(30, "WARM_RESTART_ENABLE_TABLE^swss", "$6\r\nenable\r\n")
						ASK(28, "WARM_RESTART_TABLE^portsyncd", "$13\r\nrestore_count\r\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_cold_start_counts_zero),
		TEST(a_cold_start_forgets_the_count),
		TEST(a_warm_start_counts_one_more),
		TEST(only_true_enables),
		TEST(without_a_count_the_start_is_cold),
		TEST(a_count_that_is_no_number_is_named),
		TEST(a_nul_in_a_count_does_not_cut_it),
		TEST(a_nul_in_enable_does_not_cut_it),
		TEST(a_key_of_the_wrong_type_says_nothing),
		TEST(a_refused_question_is_asked_again),
		TEST(nothing_stays_of_a_refused_round),
		TEST(a_connection_lost_in_the_middle_says_nothing),
		TEST(without_connection_the_question_is_refused),
		TEST(the_answer_stays_for_the_process),
		TEST(a_refused_count_is_written_later),
		TEST(a_count_that_is_gone_is_written_again),
		TEST(a_count_whose_fate_is_unknown_is_written_later),
		TEST(a_count_whose_fate_is_unknown_is_written_by_itself),
		TEST(nothing_is_settled_before_the_decision),
		TEST(without_capacity_it_is_written_later),
		TEST(a_key_of_another_type_is_replaced),
		TEST(the_separator_is_the_databases),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
