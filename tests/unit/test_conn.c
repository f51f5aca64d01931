/* SPDX-License-Identifier: Apache-2.0 */
#include "redis/conn.h"

#include <errno.h>

#include "conn_fixture.h"

#define TEXT_BYTES 512

struct own {
	unsigned int messages;
	unsigned int answers, unknown, out_of_order; /* of commands sent by send_numbered() */
	uint64_t next_cookie;
	char last[TEXT_BYTES]; /* the last answer */
	bool send_when_answered, send_when_ready;
	int send_result;
};

static void on_answer(const struct resp_value *reply, void *user, void *item, uint64_t cookie);

static int send_numbered(struct fixture *x, uint64_t cookie)
{
	const struct resp_arg argv[] = {RESP_STR("PING")};

	return conn_command(x->conn, on_answer, x, &x->own->answers, cookie, 1, argv);
}

static void on_answer(const struct resp_value *reply, void *user, void *item, uint64_t cookie)
{
	struct fixture *x = user;

	assert_ptr_equal(item, &x->own->answers);
	assert_int_equal(x->lost, 0);
	x->own->out_of_order += cookie != x->own->next_cookie++;
	x->own->answers++;
	x->own->unknown += reply == NULL;
	if (reply && reply->str)
		(void)snprintf(x->own->last, sizeof(x->own->last), "%s", reply->str);
	if (x->own->send_when_answered) {
		x->own->send_when_answered = false;
		x->own->send_result = send_numbered(x, 1000);
		conn_flush(x->conn);
	}
}

static void ready_then_send(void *user)
{
	struct fixture *x = user;

	on_ready(x);
	x->lost = 0;
	if (x->own->send_when_ready)
		assert_int_equal(send_numbered(x, 0), 0);
}

static void on_message(const struct resp_value *channel, const struct resp_value *payload, void *user)
{
	struct fixture *x = user;

	(void)snprintf(x->own->last, sizeof(x->own->last), "%s=%s", channel->str, payload->str);
	x->own->messages++;
}

static const struct conn_ops ops = {.ready = ready_then_send, .lost = on_lost, .message = on_message};

static int setup(void **state)
{
	struct fixture *x = conn_begin(state, sizeof(struct own));

	x->ops = &ops;
	x->opt.max_in_flight = 100;
	return 0;
}

static int (*const teardown)(void **state) = conn_end;

static void send_many(struct fixture *x, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		assert_int_equal(send_numbered(x, i), 0);
	conn_flush(x->conn);
}

/* ---- answers ---- */

static void answers_come_in_order(void **state)
{
	struct fixture *x = *state;

	connect_now(x);
	assert_int_equal(conn_capacity(x->conn), 100);
	send_many(x, 3);
	assert_int_equal(conn_capacity(x->conn), 97);
	expect_and_answer(x, PING PING PING, "+a\r\n-ERR b\r\n$1\r\nc\r\n");
	RUN_UNTIL(x->event, x->own->answers == 3);
	assert_int_equal(x->own->out_of_order, 0);
	assert_int_equal(x->own->unknown, 0);
	assert_string_equal(x->own->last, "c");
	assert_int_equal(conn_in_flight(x->conn), 0);
	assert_int_equal(conn_stats(x->conn)->errors[REDIS_ERROR_OTHER], 1);
	assert_int_equal(conn_stats(x->conn)->commands, 3);
	assert_int_equal(catcher_count(&x->log, ""), 0);
}

static void nothing_is_taken_before_ready(void **state)
{
	struct fixture *x = *state;

	open_conn(x);
	assert_false(conn_ready(x->conn));
	assert_int_equal(conn_capacity(x->conn), 0);
	assert_int_equal(send_numbered(x, 0), -ENOTCONN);
	conn_flush(x->conn);
}

static void run_all(struct fixture *x)
{
	int r;

	do
		r = sd_event_run(x->event, 0);
	while (r > 0);
	assert_int_equal(r, 0);
}

static void answers_byte_by_byte(void **state)
{
	static const char bytes[] = "$5\r\nhello\r\n*2\r\n:1\r\n$-1\r\n";
	struct fixture *x = *state;

	connect_now(x);
	send_many(x, 2);
	for (size_t i = 0; i < sizeof(bytes) - 1; i++) {
		assert_int_equal(x->own->answers, i < 11 ? 0 : 1);
		fake_send_bytes(&x->server, bytes + i, 1);
		run_all(x);
	}
	assert_int_equal(x->own->answers, 2);
	assert_string_equal(x->own->last, "hello");
	assert_int_equal(x->own->unknown, 0);
}

static void fault_answers_all_unknown(struct fixture *x, unsigned int answered, const char *logged)
{
	RUN_UNTIL(x->event, x->ready == 2 || x->lost == 1);
	assert_int_equal(x->own->answers, 5);
	assert_int_equal(x->own->unknown, 5 - answered);
	assert_int_equal(x->own->out_of_order, 0);
	assert_int_equal(conn_stats(x->conn)->losses, 1);
	assert_int_equal(catcher_count(&x->log, logged), 1);
	RUN_UNTIL(x->event, x->ready == 2);
	assert_int_equal(conn_capacity(x->conn), 100);
	assert_int_equal(conn_stats(x->conn)->connects, 2);
}

static void close_in_the_middle(void **state)
{
	struct fixture *x = *state;

	connect_now(x);
	send_many(x, 5);
	fake_send(&x->server, "+1\r\n+2\r\n$5\r\nhal");
	fake_hang_up(&x->server);
	fault_answers_all_unknown(x, 2, "no connection to");
}

static void garbage(void **state)
{
	struct fixture *x = *state;

	connect_now(x);
	send_many(x, 5);
	fake_send(&x->server, "+1\r\nHTTP/1.1 400\r\n");
	fault_answers_all_unknown(x, 1, "protocol error: reply type byte \"H\"");
}

static void unsolicited_answer(void **state)
{
	struct fixture *x = *state;

	connect_now(x);
	send_many(x, 5);
	fake_send(&x->server, "+1\r\n+2\r\n+3\r\n+4\r\n+5\r\n+6\r\n");
	fault_answers_all_unknown(x, 5, "an answer without a command");
}

static void hung_server(void **state)
{
	struct fixture *x = *state;

	x->opt.timeout_usec = 30 * USEC_PER_MSEC;
	connect_now(x);
	send_many(x, 5);
	expect_and_answer(x, PING PING PING PING PING, "+1\r\n");
	fault_answers_all_unknown(x, 1, "no answer within 30 ms");
	assert_int_equal(conn_stats(x->conn)->timeouts, 1);
}

/* Answers that wait in the socket while we did not run ourselves are no timeout, though they take more than one read.
 */
static void stopped_ourselves(void **state)
{
	enum { ANSWER = 903, ANSWERS = 100 };
	static char bytes[ANSWERS * ANSWER];
	struct fixture *x = *state;
	uint64_t begin, now;

	memset(bytes, 'x', sizeof(bytes));
	for (size_t i = 0; i < sizeof(bytes); i += ANSWER) {
		bytes[i] = '+';
		bytes[i + ANSWER - 2] = '\r';
		bytes[i + ANSWER - 1] = '\n';
	}
	x->opt.timeout_usec = 20 * USEC_PER_MSEC;
	connect_now(x);
	begin = now_usec();
	send_many(x, ANSWERS);
	fake_send_bytes(&x->server, bytes, sizeof(bytes));
	do
		now = now_usec();
	while (now < begin + 100 * USEC_PER_MSEC);
	RUN_UNTIL(x->event, x->own->answers == ANSWERS);
	assert_int_equal(x->own->unknown, 0);
	assert_int_equal(conn_stats(x->conn)->timeouts, 0);
}

/* M4: the server went while we were idle, and we find out by writing. No SIGPIPE, no callback inside conn_flush(). */
static void write_to_a_closed_connection(void **state)
{
	struct fixture *x = *state;

	connect_now(x);
	fake_hang_up(&x->server);
	send_many(x, 5);
	conn_flush(x->conn);
	assert_int_equal(x->own->answers, 0);
	assert_true(conn_ready(x->conn));
	fault_answers_all_unknown(x, 0, "no connection to");
}

/* The peer no longer reads but its end stays open: only the write finds out. */
static void write_to_a_deaf_connection(void **state)
{
	struct fixture *x = *state;

	connect_now(x);
	assert_int_equal(shutdown(x->server.client, SHUT_RD), 0);
	x->server.reading = sd_event_source_disable_unref(x->server.reading);
	send_many(x, 5);
	fault_answers_all_unknown(x, 0, "Broken pipe");
}

static void callbacks_may_send(void **state)
{
	struct fixture *x = *state;

	connect_now(x);
	x->own->send_when_answered = true;
	send_many(x, 1);
	expect_and_answer(x, PING, "+1\r\n");
	fake_expect(&x->server, PING);
	assert_int_equal(x->own->send_result, 0);
	assert_int_equal(conn_in_flight(x->conn), 1);
}

static void ready_may_send(void **state)
{
	struct fixture *x = *state;

	x->own->send_when_ready = true;
	connect_now(x);
	fake_expect(&x->server, PING);
}

static void callbacks_of_a_lost_connection_may_not_send(void **state)
{
	struct fixture *x = *state;

	connect_now(x);
	x->own->send_when_answered = true;
	send_many(x, 5);
	fake_hang_up(&x->server);
	fault_answers_all_unknown(x, 0, "no connection to");
	assert_int_equal(x->own->send_result, -ENOTCONN);
}

/* ---- bounds ---- */

static void in_flight_bound(void **state)
{
	struct fixture *x = *state;

	x->opt.max_in_flight = 3;
	connect_now(x);
	for (unsigned int round = 0; round < 5; round++) {
		send_many(x, 3);
		assert_int_equal(conn_capacity(x->conn), 0);
		assert_int_equal(send_numbered(x, 3), -EAGAIN);
		expect_and_answer(x, PING PING PING, "+1\r\n+2\r\n+3\r\n");
		x->own->next_cookie = 0;
		RUN_UNTIL(x->event, x->own->answers == 3 * (round + 1));
	}
	assert_int_equal(x->own->out_of_order, 0);
}

/* Each answer makes way for one command: never empty, it goes round several times. */
static void a_pipeline_that_is_always_full(void **state)
{
	enum { DEPTH = 3, COMMANDS = 4 * DEPTH };
	struct fixture *x = *state;

	x->opt.max_in_flight = DEPTH;
	connect_now(x);
	send_many(x, DEPTH);
	for (unsigned int sent = DEPTH; sent < COMMANDS; sent++) {
		expect_and_answer(x, sent == DEPTH ? PING PING PING : PING, "+1\r\n");
		RUN_UNTIL(x->event, conn_capacity(x->conn) == 1);
		assert_int_equal(send_numbered(x, sent), 0);
		assert_int_equal(conn_capacity(x->conn), 0);
		conn_flush(x->conn);
	}
	expect_and_answer(x, PING, "+2\r\n+3\r\n+4\r\n");
	RUN_UNTIL(x->event, x->own->answers == COMMANDS);
	assert_int_equal(x->own->out_of_order, 0);
	assert_string_equal(x->own->last, "4");
}

static void many_commands_are_one_write(void **state)
{
	struct fixture *x = *state;
	uint64_t before;

	connect_now(x);
	before = conn_stats(x->conn)->flushes;
	send_many(x, 100);
	conn_flush(x->conn);
	assert_int_equal(conn_stats(x->conn)->flushes - before, 1);
	RUN_UNTIL(x->event, x->server.len == 100 * strlen(PING));
}

static int send_block(struct fixture *x, char *block, size_t len, unsigned int number)
{
	const struct resp_arg argv[] = {RESP_STR("SET"), {block, len}};

	memset(block, (int)('a' + number % 26), len);
	return conn_command(x->conn, on_answer, x, &x->own->answers, number, 2, argv);
}

static void check_block(struct fake_redis *server, char *block, size_t len, unsigned int number)
{
	struct resp_buffer expected;
	const struct resp_arg argv[] = {RESP_STR("SET"), {block, len}};

	memset(block, (int)('a' + number % 26), len);
	assert_int_equal(resp_buffer_init(&expected, len + 64, len + 64), 0);
	assert_int_equal(resp_append(&expected, 2, argv), 0);
	RUN_UNTIL(server->event, server->len >= expected.len);
	assert_memory_equal(server->in, expected.data, expected.len);
	fake_forget(server, expected.len);
	resp_buffer_done(&expected);
}

static void slow_reader(void **state)
{
	static char block[100000];
	struct fixture *x = *state;
	uint64_t before;

	connect_now(x);
	fake_pause(&x->server, true);
	before = conn_stats(x->conn)->bytes_out;
	for (unsigned int i = 0; i < 60; i++) {
		assert_int_equal(send_block(x, block, sizeof(block), i), 0);
		conn_flush(x->conn);
	}
	assert_true(conn_stats(x->conn)->bytes_out - before < 60 * sizeof(block));
	fake_pause(&x->server, false);
	for (unsigned int i = 0; i < 60; i++)
		check_block(&x->server, block, sizeof(block), i);
	for (unsigned int i = 0; i < 60; i++)
		fake_send(&x->server, "+OK\r\n");
	RUN_UNTIL(x->event, x->own->answers == 60);
	assert_int_equal(x->own->out_of_order, 0);
	assert_int_equal(conn_stats(x->conn)->losses, 0);
}

static void output_bound(void **state)
{
	enum { LEN = 3 << 20 };
	struct fixture *x = *state;
	char *block = calloc(1, 17 << 20);

	assert_non_null(block);
	connect_now(x);
	fake_pause(&x->server, true);
	assert_int_equal(send_block(x, block, 17 << 20, 0), -E2BIG);
	for (unsigned int i = 0; i < 5; i++)
		assert_int_equal(send_block(x, block, LEN, i), 0);
	assert_int_equal(send_block(x, block, LEN, 5), -EAGAIN);
	assert_int_equal(conn_in_flight(x->conn), 5);
	conn_flush(x->conn);
	fake_pause(&x->server, false);
	for (unsigned int i = 0; i < 5; i++)
		check_block(&x->server, block, LEN, i);
	assert_int_equal(send_block(x, block, LEN, 5), 0);
	free(block);
}

/* S18, M14: when all is answered the loop sleeps for good, after at most one wake-up of the timer. */
static void idle_connection_does_not_wake(void **state)
{
	struct fixture *x = *state;

	x->opt.timeout_usec = 20 * USEC_PER_MSEC;
	connect_now(x);
	assert_int_equal(sd_event_run(x->event, 100 * USEC_PER_MSEC), 0);
	send_many(x, 3);
	expect_and_answer(x, PING PING PING, "+1\r\n+2\r\n+3\r\n");
	RUN_UNTIL(x->event, x->own->answers == 3);
	/* On a busy machine that wake-up may be over. */
	assert_true(sd_event_run(x->event, 200 * USEC_PER_MSEC) >= 0);
	assert_int_equal(sd_event_run(x->event, 200 * USEC_PER_MSEC), 0);
	assert_true(conn_ready(x->conn));
	send_many(x, 1);
	fake_expect(&x->server, PING);
	RUN_UNTIL(x->event, x->lost == 1);
	assert_int_equal(x->own->unknown, 1);
}

/* How long it takes to come back to a server that hung up after a while. */
static uint64_t lost_after_a_while(struct fixture *x)
{
	unsigned int ready = x->ready;
	uint64_t begin;

	assert_int_equal(sd_event_run(x->event, 300 * USEC_PER_MSEC), 0);
	begin = now_usec();
	fake_hang_up(&x->server);
	RUN_UNTIL(x->event, x->ready == ready + 1);
	return now_usec() - begin;
}

/* A server that ends each connection at once is not asked at the shortest delay for ever. */
static void delays_grow_without_progress(void **state)
{
	struct fixture *x = *state;
	uint64_t begin, took;

	x->opt.retry_initial_ms = 10;
	x->opt.retry_max_ms = 1000;
	connect_now(x);
	begin = now_usec();
	for (unsigned int round = 2; round < 6; round++) {
		fake_hang_up(&x->server);
		RUN_UNTIL(x->event, x->ready == round);
	}
	/* 10 + 20 + 40 + 80 ms, less a quarter at most */
	assert_true(now_usec() - begin >= 110 * USEC_PER_MSEC);
	/* One that held for longer than the next delay is lost as if for the first time. A busy machine adds to it, but
	 * not each time; a delay that grew on would never be as short again. */
	took = lost_after_a_while(x);
	for (unsigned int i = 0; took >= 100 * USEC_PER_MSEC && i < 8; i++)
		took = MIN(took, lost_after_a_while(x));
	assert_true(took < 100 * USEC_PER_MSEC);
}

/* ---- figures ---- */

static void error_answers_are_counted_by_kind(void **state)
{
	static const struct {
		const char *answer;
		enum redis_error kind;
		const char *name;
	} cases[] = {
		{"-WRONGTYPE Operation against a key\r\n", REDIS_ERROR_WRONGTYPE, "wrongtype"},
		{"-READONLY You can't write\r\n", REDIS_ERROR_READONLY, "readonly"},
		{"-OOM command not allowed\r\n", REDIS_ERROR_OOM, "oom"},
		{"-MISCONF Redis is configured\r\n", REDIS_ERROR_MISCONF, "misconf"},
		{"-NOPERM this user\r\n", REDIS_ERROR_NOPERM, "noperm"},
		{"-BUSY Redis is busy\r\n", REDIS_ERROR_BUSY, "busy"},
		{"-OOMPH\r\n", REDIS_ERROR_OTHER, "other"},
	};
	struct fixture *x = *state;

	connect_now(x);
	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(send_numbered(x, i), 0);
		conn_flush(x->conn);
		expect_and_answer(x, PING, cases[i].answer);
		RUN_UNTIL(x->event, x->own->answers == i + 1);
		assert_int_equal(conn_stats(x->conn)->errors[cases[i].kind], 1);
		assert_string_equal(redis_error_name(cases[i].kind), cases[i].name);
	}
}

static uint64_t round_trips(const struct fixture *x)
{
	return conn_round_trips(x->conn)->count;
}

/* One for a write with all its commands, timed to the last answer. */
static void a_round_trip_is_timed(void **state)
{
	struct fixture *x = *state;

	connect_now(x);
	send_many(x, 3);
	expect_and_answer(x, PING PING PING, "+a\r\n+b\r\n");
	RUN_UNTIL(x->event, x->own->answers == 2);
	assert_int_equal(round_trips(x), 0);
	fake_send(&x->server, "+c\r\n");
	RUN_UNTIL(x->event, x->own->answers == 3);
	assert_int_equal(round_trips(x), 1);
	assert_true(conn_round_trips(x->conn)->max > 0);
}

static void a_lost_connection_has_no_round_trip(void **state)
{
	struct fixture *x = *state;

	connect_now(x);
	send_many(x, 1);
	fake_hang_up(&x->server);
	RUN_UNTIL(x->event, x->ready == 2);
	assert_int_equal(x->own->answers, 1);
	x->own->next_cookie = 0;
	send_many(x, 1);
	expect_and_answer(x, PING, "+a\r\n");
	RUN_UNTIL(x->event, x->own->answers == 2);
	assert_int_equal(round_trips(x), 1);
}

/* ---- patience ---- */

#define ANSWER_WAIT_USEC (50 * USEC_PER_MSEC)
/* Longer than the machine is up: what never was is not that long ago. */
#define FOR_EVER_USEC (UINT64_MAX / 4)

static void post_many(struct fixture *x, unsigned int n)
{
	const struct resp_arg argv[] = {RESP_STR("PING")};

	for (unsigned int i = 0; i < n; i++)
		assert_int_equal(conn_command_lazy(x->conn, on_answer, x, &x->own->answers, i, 1, argv), 0);
	conn_flush(x->conn);
}

/* Nothing in the loop is due: nobody would be woken. */
static bool sleeps(struct fixture *x)
{
	return sd_event_run(x->event, ANSWER_WAIT_USEC) == 0;
}

/* Two posts within reply_usec: the first was answered, the answer to the second is in the socket. */
static void be_patient(struct fixture *x, uint64_t reply_usec)
{
	x->opt.reply_usec = reply_usec;
	connect_now(x);
	post_many(x, 1);
	expect_and_answer(x, PING, "+1\r\n");
	RUN_UNTIL(x->event, x->own->answers == 1);
	x->own->next_cookie = 0;
	post_many(x, 1);
	expect_and_answer(x, PING, "+2\r\n");
}

static void answers_to_posts_wake_nobody(void **state)
{
	struct fixture *x = *state;

	be_patient(x, 2 * USEC_PER_SEC);
	assert_false(conn_replies_are_immediate(x->conn));
	assert_true(sleeps(x));
	assert_int_equal(x->own->answers, 1);
	/* ... until the time is over; how long that took says nothing of Redis */
	RUN_UNTIL(x->event, x->own->answers == 2);
	assert_int_equal(round_trips(x), 1);
	RUN_UNTIL(x->event, conn_replies_are_immediate(x->conn));
	assert_true(sleeps(x));
}

static void a_command_is_answered_at_once(void **state)
{
	struct fixture *x = *state;

	be_patient(x, FOR_EVER_USEC);
	assert_int_equal(send_numbered(x, 1), 0);
	conn_flush(x->conn);
	expect_and_answer(x, PING, "+3\r\n");
	RUN_UNTIL(x->event, x->own->answers == 3);
	assert_int_equal(x->own->out_of_order, 0);
}

static void attended_posts_are_answered_at_once(void **state)
{
	struct fixture *x = *state;

	be_patient(x, FOR_EVER_USEC);
	conn_expedite(x->conn);
	RUN_UNTIL(x->event, x->own->answers == 2);
	/* It ends with what was attended. */
	x->own->next_cookie = 0;
	post_many(x, 1);
	expect_and_answer(x, PING, "+3\r\n");
	assert_true(sleeps(x));
	assert_int_equal(x->own->answers, 2);
}

/* What is written after the call too: none of its answers is left alone. */
static void attended_posts_may_still_be_unwritten(void **state)
{
	const struct resp_arg argv[] = {RESP_STR("PING")};
	struct fixture *x = *state;

	be_patient(x, FOR_EVER_USEC);
	assert_int_equal(conn_command_lazy(x->conn, on_answer, x, &x->own->answers, 1, 1, argv), 0);
	conn_expedite(x->conn);
	conn_flush(x->conn);
	expect_and_answer(x, PING, "+3\r\n");
	RUN_UNTIL(x->event, x->own->answers == 3);
}

static void many_answers_are_collected(void **state)
{
	struct fixture *x = *state;

	be_patient(x, FOR_EVER_USEC);
	conn_poll_replies(x->conn);
	assert_int_equal(x->own->answers, 1);
	x->own->next_cookie = 0;
	post_many(x, 40);
	fake_send(&x->server, "+3\r\n+4\r\n+5\r\n");
	conn_poll_replies(x->conn);
	assert_int_equal(x->own->answers, 5);
	assert_true(conn_ready(x->conn));
}

static int on_busy(sd_event_source *source, void *user)
{
	(void)source;
	(void)user;
	return 0;
}

/* The loop has other work: no timer gets its turn. */
static void old_answers_are_collected_without_a_timer(void **state)
{
	const uint64_t reply_usec = 100 * USEC_PER_MSEC;
	struct fixture *x = *state;
	sd_event_source *busy = NULL;
	uint64_t begin = now_usec();

	be_patient(x, reply_usec);
	assert_int_equal(sd_event_add_defer(x->event, &busy, on_busy, NULL), 0);
	assert_int_equal(sd_event_source_set_priority(busy, SD_EVENT_PRIORITY_IMPORTANT), 0);
	assert_int_equal(sd_event_source_set_enabled(busy, SD_EVENT_ON), 0);
	while (!conn_collect_replies(x->conn))
		assert_int_equal(sd_event_run(x->event, 0), 1);
	assert_int_equal(x->own->answers, 2);
	assert_true(now_usec() - begin >= reply_usec / 2);
	assert_false(conn_replies_are_immediate(x->conn));
	assert_false(conn_collect_replies(x->conn));
	sd_event_source_disable_unref(busy);
}

static void patience_ends_with_the_connection(void **state)
{
	struct fixture *x = *state;

	be_patient(x, FOR_EVER_USEC);
	fake_hang_up(&x->server);
	RUN_UNTIL(x->event, x->ready == 2);
	assert_int_equal(x->own->answers, 2);
	x->own->next_cookie = 0;
	assert_int_equal(send_numbered(x, 0), 0);
	conn_flush(x->conn);
	expect_and_answer(x, PING, "+3\r\n");
	RUN_UNTIL(x->event, x->own->answers == 3);
}

static void posts_are_answered_at_once_without_reply_usec(void **state)
{
	struct fixture *x = *state;

	be_patient(x, 0);
	RUN_UNTIL(x->event, x->own->answers == 2);
}

/* ---- subscription ---- */

static void subscribe(struct fixture *x)
{
	x->opt.pattern = "__key*_";
	x->opt.timeout_usec = 20 * USEC_PER_MSEC;
	x->server.setup = SETUP_0 SUBSCRIBE;
	x->server.setup_answer = SETUP_0_ANSWER SUBSCRIBED;
	connect_now(x);
}

static void subscription(void **state)
{
	struct fixture *x = *state;

	subscribe(x);
	assert_int_equal(send_numbered(x, 0), -ENOTCONN);
	assert_int_equal(conn_capacity(x->conn), 0);
	fake_send(&x->server, "*4\r\n$8\r\npmessage\r\n$1\r\np\r\n$7\r\nchannel\r\n$4\r\nhset\r\n");
	RUN_UNTIL(x->event, x->own->messages == 1);
	assert_string_equal(x->own->last, "channel=hset");
	fake_send(&x->server, "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nb\r\n+OK\r\n*0\r\n*4\r\n:1\r\n:2\r\n:3\r\n:4\r\n"
			      "*4\r\n$8\r\npmessage\r\n$-1\r\n$-1\r\n$-1\r\n"
			      "*4\r\n$8\r\npmessage\r\n$1\r\np\r\n$1\r\nc\r\n$3\r\ndel\r\n");
	RUN_UNTIL(x->event, x->own->messages == 2);
	assert_string_equal(x->own->last, "c=del");
	/* No timeout, no wake-up. */
	assert_int_equal(sd_event_run(x->event, 100 * USEC_PER_MSEC), 0);
	assert_true(conn_ready(x->conn));
	fake_hang_up(&x->server);
	RUN_UNTIL(x->event, x->lost == 1);
	RUN_UNTIL(x->event, x->ready == 2);
}

static void freed_with_commands_in_flight(void **state)
{
	struct fixture *x = *state;

	connect_now(x);
	send_many(x, 5);
	conn_free(x->conn);
	x->conn = NULL;
	assert_int_equal(x->own->answers, 0);
	RUN_UNTIL(x->event, x->server.client < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(answers_come_in_order),
		TEST(nothing_is_taken_before_ready),
		TEST(answers_byte_by_byte),
		TEST(close_in_the_middle),
		TEST(garbage),
		TEST(unsolicited_answer),
		TEST(hung_server),
		TEST(stopped_ourselves),
		TEST(write_to_a_closed_connection),
		TEST(write_to_a_deaf_connection),
		TEST(callbacks_may_send),
		TEST(ready_may_send),
		TEST(callbacks_of_a_lost_connection_may_not_send),
		TEST(in_flight_bound),
		TEST(a_pipeline_that_is_always_full),
		TEST(many_commands_are_one_write),
		TEST(slow_reader),
		TEST(output_bound),
		TEST(idle_connection_does_not_wake),
		TEST(delays_grow_without_progress),
		TEST(answers_to_posts_wake_nobody),
		TEST(a_command_is_answered_at_once),
		TEST(error_answers_are_counted_by_kind),
		TEST(a_round_trip_is_timed),
		TEST(a_lost_connection_has_no_round_trip),
		TEST(attended_posts_are_answered_at_once),
		TEST(attended_posts_may_still_be_unwritten),
		TEST(many_answers_are_collected),
		TEST(old_answers_are_collected_without_a_timer),
		TEST(patience_ends_with_the_connection),
		TEST(posts_are_answered_at_once_without_reply_usec),
		TEST(subscription),
		TEST(freed_with_commands_in_flight),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
