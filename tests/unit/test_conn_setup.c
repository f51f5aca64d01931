/* SPDX-License-Identifier: Apache-2.0 */
/* How a connection comes about: where to, as whom, and what Redis says to that. */
#include "redis/conn.h"

#include <errno.h>

#include "conn_fixture.h"
#include "memory_search.h"

static int setup(void **state)
{
	(void)conn_begin(state, 1);
	return 0;
}

static int (*const teardown)(void **state) = conn_end;

/* ---- who we are ---- */

/* A password that is another one each time: it is read for each attempt. */
static int read_secret(struct secret *ret, char *error, size_t size, void *user)
{
	const char *text = *(const char **)user;

	if (!text) {
		(void)snprintf(error, size, "/etc/pw: No such file or directory");
		return -ENOENT;
	}
	assert_int_equal(secret_new(ret, 64), 0);
	ret->len = strlen(text);
	memcpy(ret->text, text, ret->len);
	return 0;
}

static void give_password(struct fixture *x, const char *username, const char **text)
{
	access_init(&x->access, username, "/etc/pw", read_secret, text);
}

static void authenticates_with_user(void **state)
{
	struct fixture *x = *state;

	give_password(x, "bob", &(const char *){"secret"});
	x->opt.database = 15;
	x->server.setup = "*3\r\n$4\r\nAUTH\r\n$3\r\nbob\r\n$6\r\nsecret\r\n*2\r\n$6\r\nSELECT\r\n$2\r\n15\r\n" PING;
	x->server.setup_answer = "+OK\r\n+OK\r\n+PONG\r\n";
	connect_now(x);
	assert_int_equal(x->server.len, 0);
}

static void authenticates_without_user(void **state)
{
	struct fixture *x = *state;

	give_password(x, NULL, &(const char *){"secret"});
	x->server.setup = "*2\r\n$4\r\nAUTH\r\n$6\r\nsecret\r\n" SETUP_0;
	x->server.setup_answer = "+OK\r\n" SETUP_0_ANSWER;
	connect_now(x);
}

static void a_sent_password_stays_nowhere(void **state)
{
	struct fixture *x = *state;

	give_password(x, NULL, &(const char *){"pass-Sent-7Fq"});
	x->server.setup = "*2\r\n$4\r\nAUTH\r\n$13\r\npass-Sent-7Fq\r\n" SETUP_0;
	x->server.setup_answer = "+OK\r\n" SETUP_0_ANSWER;
	connect_now(x);
	explicit_bzero(x->server.in, x->server.cap);
	assert_false(memory_holds("pass-Sent-7Fq"));
}

/* As a server does that does not know AUTH. */
static void a_repeated_password_stays_nowhere(void **state)
{
	struct fixture *x = *state;

	give_password(x, NULL, &(const char *){"pass-Said-9Kz"});
	x->server.setup = "*2\r\n$4\r\nAUTH\r\n$13\r\npass-Said-9Kz\r\n" SETUP_0;
	x->server.setup_answer = "-ERR unknown command `AUTH`, with args beginning with: `pass-Said-9Kz`, \r\n";
	fake_listen(&x->server);
	open_conn(x);
	RUN_UNTIL(x->event, x->server.connections == 2);
	fake_hang_up(&x->server);
	fake_stop_listening(&x->server);
	RUN_UNTIL(x->event, catcher_count(&x->log, "may repeat the password") > 0);
	explicit_bzero(x->server.in, x->server.cap);
	assert_false(memory_holds("pass-Said-9Kz"));
}

/* Refuses the set-up a few times, then takes it: one line when it begins and one when it is over. */
static void refuse_for_a_while(struct fixture *x, const char *refusal, const char *answer, const char *logged)
{
	x->server.setup_answer = refusal;
	fake_listen(&x->server);
	open_conn(x);
	RUN_UNTIL(x->event, x->server.connections == 4);
	assert_int_equal(x->ready, 0);
	assert_true(catcher_next(&x->log));
	assert_non_null(strstr(x->log.line, "<12>"));
	assert_non_null(strstr(x->log.line, "TEST_DB"));
	assert_non_null(strstr(x->log.line, x->server.path));
	assert_non_null(strstr(x->log.line, logged));
	assert_null(strstr(x->log.line, "secret"));
	assert_false(catcher_next(&x->log));
	x->server.setup_answer = answer;
	RUN_UNTIL(x->event, x->ready == 1);
	assert_int_equal(x->lost, 0);
	assert_true(catcher_next(&x->log));
	assert_non_null(strstr(x->log.line, "<13>"));
	assert_non_null(strstr(x->log.line, "was away"));
	assert_false(catcher_next(&x->log));
}

static void wrong_password_is_reported_once(void **state)
{
	struct fixture *x = *state;

	give_password(x, NULL, &(const char *){"secret"});
	x->server.setup = "*2\r\n$4\r\nAUTH\r\n$6\r\nsecret\r\n" SETUP_0;
	refuse_for_a_while(x, "-WRONGPASS not 'secret'\r\n-NOAUTH a\r\n-NOAUTH b\r\n", "+OK\r\n" SETUP_0_ANSWER,
			   "AUTH refused: WRONGPASS (user \"default\", password of /etc/pw)");
}

/* An error of AUTH that does not concern the password is reported in Redis' words, unless they may repeat ours. */
static void refuse_auth(void **state, const char *answer, const char *logged)
{
	struct fixture *x = *state;
	char refusal[256];

	give_password(x, NULL, &(const char *){"secret"});
	x->server.setup = "*2\r\n$4\r\nAUTH\r\n$6\r\nsecret\r\n" SETUP_0;
	(void)snprintf(refusal, sizeof(refusal), "%s\r\n-NOAUTH a\r\n-NOAUTH b\r\n", answer);
	refuse_for_a_while(x, refusal, "+OK\r\n" SETUP_0_ANSWER, logged);
}

static void auth_at_a_full_server(void **state)
{
	refuse_auth(state, "-ERR max number of clients reached", ": Redis says: ERR max number of clients reached;");
}

static void auth_while_loading(void **state)
{
	refuse_auth(state, "-LOADING Redis is loading", ": Redis says: LOADING Redis is loading;");
}

static void auth_where_no_password_is_set(void **state)
{
	refuse_auth(state, "-ERR Client sent AUTH, but no password is set",
		    ": Redis says: ERR Client sent AUTH, but no password is set;");
}

static void auth_of_an_old_server_with_another_password(void **state)
{
	refuse_auth(state, "-ERR invalid password", "AUTH refused: ERR (user \"default\", password of /etc/pw);");
}

static void auth_of_a_server_that_repeats_the_password(void **state)
{
	refuse_auth(state, "-ERR unknown command `AUTH`, with args beginning with: `secret`, ",
		    ": Redis says: ERR unknown command (the rest may repeat the password);");
}

static void auth_of_a_server_that_says_what_nobody_knows(void **state)
{
	refuse_auth(state, "-secret is no command", ": Redis says: an error (which may repeat the password);");
}

static void the_password_is_read_for_each_attempt(void **state)
{
	struct fixture *x = *state;
	const char *password = "wrong";

	give_password(x, "bob", &password);
	x->server.setup = "*3\r\n$4\r\nAUTH\r\n$3\r\nbob\r\n$5\r\nwrong\r\n" SETUP_0;
	x->server.setup_answer = "-WRONGPASS a\r\n-NOAUTH b\r\n-NOAUTH c\r\n";
	fake_listen(&x->server);
	open_conn(x);
	RUN_UNTIL(x->event, x->server.connections == 3);
	password = NULL;
	for (int i = 0; i < 10; i++)
		assert_true(sd_event_run(x->event, USEC_PER_SEC) > 0);
	assert_string_equal(conn_outage(x->conn)->reason, "/etc/pw: No such file or directory");
	password = "right";
	x->server.setup = "*3\r\n$4\r\nAUTH\r\n$3\r\nbob\r\n$5\r\nright\r\n" SETUP_0;
	x->server.setup_answer = "+OK\r\n" SETUP_0_ANSWER;
	RUN_UNTIL(x->event, x->ready == 1);
	assert_string_equal(conn_outage(x->conn)->reason, "");
	assert_int_equal(catcher_count(&x->log, "no connection"), 1);
}

static void missing_password_is_reported_once(void **state)
{
	refuse_for_a_while(*state, "-NOAUTH Authentication \x01 required.\r\n-NOAUTH\r\n", SETUP_0_ANSWER,
			   "SELECT refused: NOAUTH Authentication \\x01 required. (user \"default\", no password: "
			   "redis_password_file is not set)");
}

static void select_while_loading(void **state)
{
	refuse_for_a_while(*state, "-LOADING dataset\r\n", SETUP_0_ANSWER, "SELECT refused: LOADING dataset");
}

static void ping_while_loading(void **state)
{
	refuse_for_a_while(*state, "+OK\r\n-LOADING dataset\r\n", SETUP_0_ANSWER, "PING refused: LOADING dataset");
}

static void bad_database(void **state)
{
	refuse_for_a_while(*state, "-ERR DB index is out of range\r\n", SETUP_0_ANSWER, "DB index is out of range");
}

static void odd_setup_answer(void **state)
{
	refuse_for_a_while(*state, ":1\r\n", SETUP_0_ANSWER, "unexpected answer to SELECT");
}

static void forbidden_ping_is_an_answer(void **state)
{
	struct fixture *x = *state;

	x->server.setup_answer = "+OK\r\n-NOPERM no ping for you\r\n";
	connect_now(x);
}

static void last_words_are_reported(void **state)
{
	struct fixture *x = *state;

	x->server.last_words = "-ERR max number of clients reached\r\n";
	fake_listen(&x->server);
	open_conn(x);
	RUN_UNTIL(x->event, x->server.connections == 3);
	assert_int_equal(catcher_count(&x->log, "max number of clients"), 1);
	x->server.last_words = NULL;
	RUN_UNTIL(x->event, x->ready == 1);
}

static void refused_subscription(void **state)
{
	struct fixture *x = *state;

	x->opt.pattern = "__key*_";
	x->server.setup = SETUP_0 SUBSCRIBE;
	refuse_for_a_while(x, SETUP_0_ANSWER "-NOPERM no\r\n", SETUP_0_ANSWER SUBSCRIBED,
			   "PSUBSCRIBE refused: NOPERM no (user \"default\", no password");
}

/* ---- where Redis is ---- */

static void hung_setup_times_out(void **state)
{
	struct fixture *x = *state;

	x->opt.timeout_usec = 20 * USEC_PER_MSEC;
	x->server.setup_answer = "+OK\r\n";
	fake_listen(&x->server);
	open_conn(x);
	RUN_UNTIL(x->event, x->server.connections == 3);
	assert_true(conn_stats(x->conn)->timeouts >= 2);
	assert_int_equal(x->lost, 0);
	x->server.setup_answer = SETUP_0_ANSWER;
	RUN_UNTIL(x->event, x->ready == 1);
}

static void connects_when_the_server_appears(void **state)
{
	struct fixture *x = *state;

	open_conn(x);
	for (int i = 0; i < 5; i++)
		assert_true(sd_event_run(x->event, USEC_PER_SEC) > 0);
	assert_int_equal(catcher_count(&x->log, "No such file"), 1);
	fake_listen(&x->server);
	RUN_UNTIL(x->event, x->ready == 1);
	assert_int_equal(catcher_count(&x->log, "was away"), 1);
}

static void long_unix_path(void **state)
{
	struct fixture *x = *state;
	char path[200];

	memset(path, 'a', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	x->opt.unix_socket = path;
	assert_int_equal(conn_new(&x->conn, x->event, &x->opt, x->ops, x), -ENAMETOOLONG);
	path[108] = '\0';
	assert_int_equal(conn_new(&x->conn, x->event, &x->opt, x->ops, x), -ENAMETOOLONG);
	path[107] = '\0';
	assert_int_equal(conn_new(&x->conn, x->event, &x->opt, x->ops, x), 0);
}

static void connect_by_tcp(struct fixture *x, const char *host)
{
	fake_listen_tcp(&x->server);
	x->opt.unix_socket = NULL;
	x->opt.host = host;
	x->opt.port = x->server.port;
	open_conn(x);
	RUN_UNTIL(x->event, x->ready == 1);
	expect_silence(x);
}

static const struct endpoint *found; /* by each look-up; NULL: they are real */

int __real_lookup_ask(struct lookup *l, struct lookup_waiter *waiter);
int __wrap_lookup_ask(struct lookup *l, struct lookup_waiter *waiter);

int __wrap_lookup_ask(struct lookup *l, struct lookup_waiter *waiter)
{
	if (!found)
		return __real_lookup_ask(l, waiter);
	memcpy(waiter->endpoint->addresses, found->addresses, sizeof(found->addresses));
	waiter->endpoint->n = found->n;
	waiter->fn(LOOKUP_FOUND, NULL, waiter->user);
	return 0;
}

static void after_a_failure_the_next_address_is_tried(void **state)
{
	static struct endpoint both, good;
	struct fixture *x = *state;

	assert_int_equal(endpoint_unix(&both, "/nowhere/redis.sock"), 0);
	assert_int_equal(endpoint_unix(&good, x->server.path), 0);
	both.addresses[1] = good.addresses[0];
	both.n = 2;
	found = &both;
	x->opt.unix_socket = NULL;
	x->opt.host = "redis.example";
	x->opt.port = 6379;
	x->opt.lookup = (struct lookup *)x; /* nobody looks into it */
	connect_now(x);
	conn_free(x->conn);
	x->conn = NULL;
	found = NULL;
}

static void tcp_number(void **state)
{
	connect_by_tcp(*state, "127.0.0.1");
}

/* May name ::1 first, where nobody listens: the next address follows. */
static void tcp_name(void **state)
{
	struct fixture *x = *state;

	assert_int_equal(lookup_new(&x->opt.lookup, x->event), 0);
	assert_int_equal(lookup_start(x->opt.lookup), 0);
	connect_by_tcp(x, "localhost");
	conn_free(x->conn);
	x->conn = NULL;
	lookup_free(x->opt.lookup);
}

static void tcp_refused_then_taken(void **state)
{
	struct fixture *x = *state;

	fake_listen_tcp(&x->server);
	x->opt.unix_socket = NULL;
	x->opt.host = "127.0.0.1";
	x->opt.port = x->server.port;
	fake_stop_listening(&x->server);
	open_conn(x);
	RUN_UNTIL(x->event, catcher_count(&x->log, "Connection refused") == 1);
}

static void unusable_hosts(void **state)
{
	struct fixture *x = *state;

	x->opt.unix_socket = NULL;
	assert_int_equal(conn_new(&x->conn, x->event, &x->opt, x->ops, x), -EINVAL);
	x->opt.host = "no such host";
	assert_int_equal(conn_new(&x->conn, x->event, &x->opt, x->ops, x), -EHOSTUNREACH);
	x->opt.unix_socket = "";
	assert_int_equal(conn_new(&x->conn, x->event, &x->opt, x->ops, x), -EINVAL);
	conn_free(NULL);
}
int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(authenticates_with_user),
		TEST(authenticates_without_user),
		TEST(a_sent_password_stays_nowhere),
		TEST(a_repeated_password_stays_nowhere),
		TEST(wrong_password_is_reported_once),
		TEST(auth_at_a_full_server),
		TEST(auth_while_loading),
		TEST(auth_where_no_password_is_set),
		TEST(auth_of_an_old_server_with_another_password),
		TEST(auth_of_a_server_that_repeats_the_password),
		TEST(auth_of_a_server_that_says_what_nobody_knows),
		TEST(the_password_is_read_for_each_attempt),
		TEST(missing_password_is_reported_once),
		TEST(select_while_loading),
		TEST(ping_while_loading),
		TEST(bad_database),
		TEST(odd_setup_answer),
		TEST(forbidden_ping_is_an_answer),
		TEST(last_words_are_reported),
		TEST(refused_subscription),
		TEST(hung_setup_times_out),
		TEST(connects_when_the_server_appears),
		TEST(long_unix_path),
		TEST(after_a_failure_the_next_address_is_tried),
		TEST(tcp_number),
		TEST(tcp_name),
		TEST(tcp_refused_then_taken),
		TEST(unusable_hosts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
