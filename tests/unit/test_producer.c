/* SPDX-License-Identifier: Apache-2.0 */
#include "sonic/producer.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "conn_fixture.h"

#define SHA "0123456789abcdef0123456789abcdef01234567"
#define SCRIPT                                                                                                         \
	"local replaced = 0\n"                                                                                         \
	"local function write(command, key, ...)\n"                                                                    \
	"local r = redis.pcall(command, key, ...)\n"                                                                   \
	"if type(r) ~= 'table' or not r.err then return r end\n"                                                       \
	"if string.find(r.err, 'WRONGTYPE', 1, true) then\n"                                                           \
	"redis.call('DEL', key)\n"                                                                                     \
	"replaced = key == KEYS[2] and -2 or -1\n"                                                                     \
	"end\n"                                                                                                        \
	"return redis.call(command, key, ...)\n"                                                                       \
	"end\n"                                                                                                        \
	"for i = 3, #ARGV, 2 do write('HSET', KEYS[3], ARGV[i], ARGV[i + 1]) end\n"                                    \
	"local added = write('SADD', KEYS[2], ARGV[2])\n"                                                              \
	"if added > 0 then redis.call('PUBLISH', KEYS[1], ARGV[1]) end\n"                                              \
	"return replaced < 0 and replaced or added\n"
#define SCRIPT_ARG "$531\r\n" SCRIPT "\r\n"
#define LOAD "*3\r\n$6\r\nSCRIPT\r\n$4\r\nLOAD\r\n" SCRIPT_ARG
#define KEYS_X "$1\r\n3\r\n$20\r\nPORT_TABLE_CHANNEL@0\r\n$18\r\nPORT_TABLE_KEY_SET\r\n$13\r\n_PORT_TABLE:X\r\n"
#define ARGS_X "$1\r\nG\r\n$1\r\nX\r\n$3\r\nmtu\r\n$4\r\n9100\r\n"
#define ROW_TEXT "*10\r\n$4\r\nEVAL\r\n" SCRIPT_ARG KEYS_X ARGS_X
#define ROW_SHA "*10\r\n$7\r\nEVALSHA\r\n$40\r\n" SHA "\r\n" KEYS_X ARGS_X

struct own {
	struct producer *producer;
	unsigned int done, ok, unknown;
	char error[64];

	pid_t redis;
	struct conn *watcher;
	unsigned int watcher_ready, announced;
	char reply[256];
	bool replied;
};

static const struct resp_arg mtu[] = {{"mtu", 3}, {"9100", 4}};

/* Waiting for a server to come up is no news. */
static int setup(void **state)
{
	*state = fixture_new("APPL_DB", LOG_ERR, sizeof(struct own));
	return 0;
}

static void stop_redis(struct fixture *x)
{
	if (x->own->redis <= 0)
		return;
	assert_int_equal(kill(x->own->redis, SIGKILL), 0);
	assert_int_equal(waitpid(x->own->redis, NULL, 0), x->own->redis);
}

static int teardown(void **state)
{
	struct fixture *x = *state;

	conn_free(x->conn);
	conn_free(x->own->watcher);
	producer_free(x->own->producer);
	stop_redis(x);
	fixture_free(x);
	return 0;
}

static void make_producer(struct fixture *x)
{
	x->own->producer = producer_new(x->conn, "PORT_TABLE", ":", 0);
	assert_non_null(x->own->producer);
}

static void connect_producer(struct fixture *x)
{
	connect_now(x);
	make_producer(x);
}

static void on_done(bool ok, const struct resp_value *error, void *user)
{
	struct fixture *x = user;

	assert_true(!ok || !error);
	x->own->done++;
	x->own->ok += ok;
	x->own->unknown += !ok && !error;
	if (error)
		(void)snprintf(x->own->error, sizeof(x->own->error), "%s", error->str);
}

static int set_x(struct fixture *x)
{
	int r = producer_set(x->own->producer, "X", 1, mtu, on_done, x);

	conn_flush(x->conn);
	return r;
}

/* The first row goes as text; from then on the script is known by its hash. */
static void learn_sha(struct fixture *x)
{
	connect_producer(x);
	assert_int_equal(set_x(x), 0);
	conn_flush(x->conn);
	expect_and_answer(x, ROW_TEXT LOAD, ":1\r\n$40\r\n" SHA "\r\n");
	RUN_UNTIL(x->event, conn_in_flight(x->conn) == 0);
	assert_int_equal(x->own->ok, 1);
}

static void sends_the_exact_bytes(void **state)
{
	struct fixture *x = *state;

	learn_sha(x);
	assert_int_equal(set_x(x), 0);
	expect_and_answer(x, ROW_SHA, ":0\r\n");
	RUN_UNTIL(x->event, x->own->done == 2);
	assert_int_equal(x->own->ok, 2);
}

static void text_until_the_sha_is_known(void **state)
{
	struct fixture *x = *state;

	connect_producer(x);
	assert_int_equal(set_x(x), 0);
	assert_int_equal(set_x(x), 0);
	expect_and_answer(x, ROW_TEXT LOAD ROW_TEXT, ":1\r\n-NOPERM no scripts\r\n:0\r\n");
	RUN_UNTIL(x->event, x->own->done == 2);
	/* Refused: it is not asked again. */
	assert_int_equal(set_x(x), 0);
	fake_expect(&x->server, ROW_TEXT);
}

/* M11 */
static void noscript_is_mended(void **state)
{
	struct fixture *x = *state;

	learn_sha(x);
	assert_int_equal(set_x(x), 0);
	assert_int_equal(set_x(x), 0);
	expect_and_answer(x, ROW_SHA ROW_SHA, "-NOSCRIPT No matching script.\r\n-NOSCRIPT\r\n");
	fake_expect(&x->server, ROW_TEXT ROW_TEXT);
	assert_int_equal(x->own->done, 1);
	fake_send(&x->server, ":1\r\n:0\r\n");
	RUN_UNTIL(x->event, x->own->done == 3);
	assert_int_equal(x->own->ok, 3);
}

static bool no_memory;

int __real_conn_command(struct conn *c, conn_reply_fn fn, void *user, void *item, uint64_t cookie, size_t argc,
			const struct resp_arg *argv);
int __wrap_conn_command(struct conn *c, conn_reply_fn fn, void *user, void *item, uint64_t cookie, size_t argc,
			const struct resp_arg *argv);

int __wrap_conn_command(struct conn *c, conn_reply_fn fn, void *user, void *item, uint64_t cookie, size_t argc,
			const struct resp_arg *argv)
{
	return no_memory ? -ENOMEM : __real_conn_command(c, fn, user, item, cookie, argc, argv);
}

static void noscript_that_cannot_be_mended_is_reported(void **state)
{
	struct fixture *x = *state;

	learn_sha(x);
	assert_int_equal(set_x(x), 0);
	fake_expect(&x->server, ROW_SHA);
	no_memory = true;
	fake_send(&x->server, "-NOSCRIPT No matching script.\r\n");
	RUN_UNTIL(x->event, conn_in_flight(x->conn) == 0);
	no_memory = false;
	assert_int_equal(x->own->done, 2);
	assert_int_equal(x->own->ok, 1);
	assert_string_equal(x->own->error, "NOSCRIPT No matching script.");
}

static void noscript_for_text_is_an_error(void **state)
{
	struct fixture *x = *state;

	connect_producer(x);
	assert_int_equal(set_x(x), 0);
	expect_and_answer(x, ROW_TEXT LOAD, "-NOSCRIPT odd\r\n");
	RUN_UNTIL(x->event, x->own->done == 1);
	assert_string_equal(x->own->error, "NOSCRIPT odd");
	assert_int_equal(x->server.len, 0);
}

static void errors_reach_done(void **state)
{
	struct fixture *x = *state;

	learn_sha(x);
	assert_int_equal(set_x(x), 0);
	expect_and_answer(x, ROW_SHA, "-READONLY You can't write\r\n");
	RUN_UNTIL(x->event, x->own->done == 2);
	assert_int_equal(x->own->ok, 1);
	assert_int_equal(x->own->unknown, 0);
	assert_string_equal(x->own->error, "READONLY You can't write");
}

static void loss_reaches_done(void **state)
{
	struct fixture *x = *state;

	connect_producer(x);
	assert_int_equal(set_x(x), 0);
	assert_int_equal(set_x(x), 0);
	fake_expect(&x->server, ROW_TEXT LOAD ROW_TEXT);
	fake_hang_up(&x->server);
	RUN_UNTIL(x->event, x->own->done == 2);
	assert_int_equal(x->own->unknown, 2);
	assert_int_equal(set_x(x), -ENOTCONN);
	RUN_UNTIL(x->event, x->ready == 2);
	/* The question for the hash was lost, too. */
	assert_int_equal(set_x(x), 0);
	fake_expect(&x->server, ROW_TEXT LOAD);
}

static void a_row_without_fields_is_refused(void **state)
{
	struct fixture *x = *state;

	connect_producer(x);
	assert_int_equal(producer_set(x->own->producer, "X", 0, NULL, on_done, x), -EINVAL);
	assert_int_equal(conn_in_flight(x->conn), 0);
}

static void binary_bytes_stay(void **state)
{
	static const char expected[] = "*10\r\n$7\r\nEVALSHA\r\n$40\r\n" SHA "\r\n" KEYS_X
				       "$1\r\nG\r\n$1\r\nX\r\n$3\r\na\0@\r\n$4\r\n\xff\r\n\0\r\n";
	const struct resp_arg binary[] = {{"a\0@", 3}, {"\xff\r\n\0", 4}};
	struct fixture *x = *state;

	learn_sha(x);
	assert_int_equal(producer_set(x->own->producer, "X", 1, binary, on_done, x), 0);
	conn_flush(x->conn);
	RUN_UNTIL(x->event, x->server.len == sizeof(expected) - 1);
	assert_memory_equal(x->server.in, expected, sizeof(expected) - 1);
}

static void in_flight_bound(void **state)
{
	struct fixture *x = *state;

	learn_sha(x);
	for (unsigned int i = 0; i < 8; i++)
		assert_int_equal(set_x(x), 0);
	assert_int_equal(set_x(x), -EAGAIN);
	/* Left unanswered: freed with the producer. */
}

/* ---- a real server ---- */

static void start_redis(struct fixture *x)
{
	x->own->redis = fork();
	assert_true(x->own->redis >= 0);
	if (x->own->redis > 0)
		return;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDOUT_FILENO) >= 0)
		(void)execlp("redis-server", "redis-server", "--port", "0", "--save", "", "--unixsocket",
			     x->server.path, "--dir", x->server.folder, NULL);
	_exit(127);
}

static void on_watcher_ready(void *user)
{
	struct fixture *x = user;

	x->own->watcher_ready++;
}

static void on_message(const struct resp_value *channel, const struct resp_value *payload, void *user)
{
	struct fixture *x = user;

	assert_string_equal(channel->str, "PORT_TABLE_CHANNEL@0");
	assert_string_equal(payload->str, "G");
	x->own->announced++;
}

static void connect_to_redis(struct fixture *x)
{
	static const struct conn_ops watcher_ops = {.ready = on_watcher_ready, .message = on_message};
	struct conn_options opt = x->opt;

	start_redis(x);
	open_conn(x);
	RUN_UNTIL(x->event, x->ready == 1);
	make_producer(x);
	opt.pattern = "PORT_TABLE_CHANNEL@0";
	assert_int_equal(conn_new(&x->own->watcher, x->event, &opt, &watcher_ops, x), 0);
	RUN_UNTIL(x->event, x->own->watcher_ready == 1);
}

static void on_reply(const struct resp_value *reply, void *user, void *item, uint64_t cookie)
{
	struct fixture *x = user;

	(void)item;
	(void)cookie;
	assert_non_null(reply);
	x->own->replied = true;
	if (reply->type == RESP_INTEGER)
		(void)snprintf(x->own->reply, sizeof(x->own->reply), "%lld", (long long)reply->integer);
	else
		(void)snprintf(x->own->reply, sizeof(x->own->reply), "%s", reply->str ? reply->str : "none");
}

/* One command of words; its answer as text. */
static const char *ask(struct fixture *x, const char *words)
{
	struct resp_arg argv[8];
	char copy[128], *rest = copy, *word;
	size_t n = 0;

	(void)snprintf(copy, sizeof(copy), "%s", words);
	while ((word = strsep(&rest, " ")))
		argv[n++] = RESP_STR(word);
	x->own->replied = false;
	assert_int_equal(conn_command(x->conn, on_reply, x, NULL, 0, n, argv), 0);
	conn_flush(x->conn);
	RUN_UNTIL(x->event, x->own->replied);
	return x->own->reply;
}

static void set_and_wait(struct fixture *x, const char *key, size_t n, const struct resp_arg *pairs)
{
	unsigned int done = x->own->done;

	assert_int_equal(producer_set(x->own->producer, key, n, pairs, on_done, x), 0);
	conn_flush(x->conn);
	RUN_UNTIL(x->event, x->own->done == done + 1);
}

static void real_redis_publishes_once(void **state)
{
	struct fixture *x = *state;
	const struct resp_arg more[] = {{"mtu", 3}, {"1500", 4}, {"admin_status", 12}, {"up", 2}};

	connect_to_redis(x);
	set_and_wait(x, "Ethernet0", 1, mtu);
	assert_string_equal(ask(x, "SMEMBERS PORT_TABLE_KEY_SET"), "none");
	assert_string_equal(ask(x, "SCARD PORT_TABLE_KEY_SET"), "1");
	assert_string_equal(ask(x, "SISMEMBER PORT_TABLE_KEY_SET Ethernet0"), "1");
	assert_string_equal(ask(x, "HGET _PORT_TABLE:Ethernet0 mtu"), "9100");
	RUN_UNTIL(x->event, x->own->announced == 1);
	set_and_wait(x, "Ethernet0", 2, more);
	assert_string_equal(ask(x, "HGET _PORT_TABLE:Ethernet0 mtu"), "1500");
	assert_string_equal(ask(x, "HGET _PORT_TABLE:Ethernet0 admin_status"), "up");
	assert_string_equal(ask(x, "HLEN _PORT_TABLE:Ethernet0"), "2");
	assert_string_equal(ask(x, "DBSIZE"), "2");
	set_and_wait(x, "Ethernet4", 1, mtu);
	RUN_UNTIL(x->event, x->own->announced == 2);
	assert_int_equal(x->own->ok, 3);
}

static void real_redis_after_script_flush(void **state)
{
	struct fixture *x = *state;

	connect_to_redis(x);
	set_and_wait(x, "Ethernet0", 1, mtu);
	assert_string_equal(ask(x, "PING"), "PONG");
	assert_string_equal(ask(x, "SCRIPT FLUSH"), "OK");
	set_and_wait(x, "Ethernet4", 1, mtu);
	set_and_wait(x, "Ethernet8", 1, mtu);
	assert_int_equal(x->own->ok, 3);
	/* By the hash once, refused; by text once; by the hash again. */
	assert_int_equal(conn_stats(x->conn)->errors[REDIS_ERROR_NOSCRIPT], 1);
	assert_string_equal(ask(x, "SCARD PORT_TABLE_KEY_SET"), "3");
}

static void real_redis_takes_ten_thousand_fields(void **state)
{
	enum { FIELDS = 10000 };
	static char names[FIELDS][8];
	static struct resp_arg pairs[2 * FIELDS];
	struct fixture *x = *state;

	connect_to_redis(x);
	for (size_t i = 0; i < FIELDS; i++)
		(void)snprintf(names[i], sizeof(names[i]), "f%zu", i);
	for (size_t i = 0; i < FIELDS; i++) {
		pairs[2 * i] = RESP_STR(names[i]);
		pairs[2 * i + 1] = RESP_STR(names[FIELDS - 1 - i]);
	}
	set_and_wait(x, "Ethernet0", FIELDS, pairs);
	assert_int_equal(x->own->ok, 1);
	assert_string_equal(ask(x, "HLEN _PORT_TABLE:Ethernet0"), "10000");
	assert_string_equal(ask(x, "HGET _PORT_TABLE:Ethernet0 f1"), "f9998");
}

/* A key that only the protocol uses and that has another type is replaced, with a warning. */
static void real_redis_with_keys_of_another_type(void **state)
{
	struct fixture *x = *state;

	log_set_level(LOG_WARNING);
	connect_to_redis(x);
	assert_string_equal(ask(x, "SET _PORT_TABLE:Ethernet0 string"), "OK");
	set_and_wait(x, "Ethernet0", 1, mtu);
	assert_int_equal(x->own->ok, 1);
	assert_string_equal(ask(x, "HGET _PORT_TABLE:Ethernet0 mtu"), "9100");
	RUN_UNTIL(x->event, x->own->announced == 1);
	assert_string_equal(ask(x, "DEL PORT_TABLE_KEY_SET"), "1");
	assert_string_equal(ask(x, "SET PORT_TABLE_KEY_SET string"), "OK");
	set_and_wait(x, "Ethernet4", 1, mtu);
	assert_int_equal(x->own->ok, 2);
	RUN_UNTIL(x->event, x->own->announced == 2);
	assert_string_equal(ask(x, "SISMEMBER PORT_TABLE_KEY_SET Ethernet4"), "1");
	assert_int_equal(catcher_count(&x->log, "_PORT_TABLE:Ethernet0: was not a hash, replaced"), 1);
}

/* A row that cannot be written is not announced: its consumer would take it for a deletion. */
static void real_redis_that_refuses_writes(void **state)
{
	struct fixture *x = *state;

	connect_to_redis(x);
	assert_string_equal(ask(x, "CONFIG SET maxmemory 1"), "OK");
	set_and_wait(x, "Ethernet0", 1, mtu);
	assert_int_equal(x->own->ok, 0);
	assert_non_null(strstr(x->own->error, "OOM"));
	assert_string_equal(ask(x, "CONFIG SET maxmemory 0"), "OK");
	assert_string_equal(ask(x, "EXISTS PORT_TABLE_KEY_SET"), "0");
	set_and_wait(x, "Ethernet0", 1, mtu);
	assert_int_equal(x->own->ok, 1);
	RUN_UNTIL(x->event, x->own->announced == 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(sends_the_exact_bytes),
		TEST(text_until_the_sha_is_known),
		TEST(noscript_is_mended),
		TEST(noscript_that_cannot_be_mended_is_reported),
		TEST(noscript_for_text_is_an_error),
		TEST(errors_reach_done),
		TEST(loss_reaches_done),
		TEST(a_row_without_fields_is_refused),
		TEST(binary_bytes_stay),
		TEST(in_flight_bound),
		TEST(real_redis_publishes_once),
		TEST(real_redis_after_script_flush),
		TEST(real_redis_takes_ten_thousand_fields),
		TEST(real_redis_with_keys_of_another_type),
		TEST(real_redis_that_refuses_writes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
