/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What portsyncctl says about a Redis that gives a wrong answer, or none: each fault is named with the database, the
 * address and what Redis said. A thread simulates the server: an answer for each command, in order.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "ctl/databases.h"
#include "scratch.h"
#include "test.h"

#define COMMANDS 16
#define HANDSHAKE "+OK\r\n", "+PONG\r\n" /* SELECT and PING */
#define END NULL                         /* hangs up */
#define SILENCE ""                       /* says nothing any more */

struct fixture {
	struct ctl ctl;
	char folder[SCRATCH_BYTES];
	int listener;
	pthread_t thread;
	const char *const *script;
	size_t n;
	char asked[COMMANDS][256]; /* words of each command, with a blank between them */
	size_t commands;
};

/* --- the server --- */

/* A line without its end, or false when the other end is closed. */
static bool read_line(FILE *in, char *line, size_t size)
{
	if (!fgets(line, (int)size, in))
		return false;
	line[strcspn(line, "\r")] = '\0';
	return true;
}

static bool read_command(FILE *in, char out[256])
{
	char line[256];
	long words;

	out[0] = '\0';
	if (!read_line(in, line, sizeof(line)))
		return false;
	words = strtol(line + 1, NULL, 10);
	for (long i = 0; i < words; i++) {
		size_t len = strlen(out);

		if (!read_line(in, line, sizeof(line))) /* its length */
			return false;
		if (!read_line(in, line, sizeof(line)))
			return false;
		if ((size_t)snprintf(out + len, 256 - len, "%s%s", i ? " " : "", line) >= 256 - len)
			return false;
	}
	return true;
}

static void *serve(void *user)
{
	struct fixture *fx = user;
	int fd = accept(fx->listener, NULL, NULL);
	FILE *in = fdopen(fd, "r");
	char command[256];

	for (size_t i = 0; in && read_command(in, command); i++) {
		if (fx->commands < COMMANDS)
			memcpy(fx->asked[fx->commands++], command, sizeof(command));
		if (i >= fx->n || !fx->script[i])
			break;
		(void)send(fd, fx->script[i], strlen(fx->script[i]), MSG_NOSIGNAL);
	}
	if (in)
		(void)fclose(in);
	return NULL;
}

static void serve_script(struct fixture *fx, const char *const *script, size_t n)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};

	memcpy(at.sun_path, fx->ctl.config.redis_unix_socket, strlen(fx->ctl.config.redis_unix_socket));
	fx->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fx->listener, (const struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(fx->listener, 1), 0);
	fx->script = script;
	fx->n = n;
	assert_int_equal(pthread_create(&fx->thread, NULL, serve, fx), 0);
}

static int setup(void **state)
{
	struct fixture *fx = calloc(1, sizeof(*fx));

	assert_non_null(fx);
	config_defaults(&fx->ctl.config);
	scratch_make(fx->folder);
	(void)snprintf(fx->ctl.config.redis_unix_socket, sizeof(fx->ctl.config.redis_unix_socket), "%s/redis",
		       fx->folder);
	fx->listener = -1;
	*state = fx;
	return 0;
}

/* The connection is closed by then. */
static int teardown(void **state)
{
	struct fixture *fx = *state;

	if (fx->listener >= 0) {
		assert_int_equal(pthread_join(fx->thread, NULL), 0);
		(void)close(fx->listener);
	}
	scratch_remove(fx->folder);
	free(fx);
	return 0;
}

#define SERVE(fx, ...)                                                                                                 \
	static const char *const script[] = {__VA_ARGS__};                                                             \
	serve_script(fx, script, ARRAY_SIZE(script))

static struct database *open_good(struct fixture *fx, const char *name)
{
	struct database *db;

	if (database_open(&fx->ctl, name, &db) < 0)
		fail_msg("%s", fx->ctl.error.message);
	return db;
}

static void assert_reported(const struct fixture *fx, const char *text)
{
	assert_int_equal(fx->ctl.error.code, CTL_NO_SOURCE);
	if (!strstr(fx->ctl.error.message, text))
		fail_msg("\"%s\" is not in: %s", text, fx->ctl.error.message);
}

static void refused_at_opening(struct fixture *fx, const char *text)
{
	struct database *db = (struct database *)fx;

	assert_int_equal(database_open(&fx->ctl, "STATE_DB", &db), -1);
	assert_null(db);
	assert_reported(fx, text);
	assert_reported(fx, "STATE_DB");
}

/* --- opening --- */

static void nobody_listens(void **state)
{
	struct fixture *fx = *state;

	refused_at_opening(fx, "No such file or directory");
	assert_reported(fx, fx->ctl.config.redis_unix_socket);
}

static void a_path_that_no_socket_can_have(void **state)
{
	struct fixture *fx = *state;

	memset(fx->ctl.config.redis_unix_socket, 'x', 200);
	fx->ctl.config.redis_unix_socket[0] = '/';
	refused_at_opening(fx, "File name too long");
	fx->ctl.config.redis_unix_socket[0] = '\0';
}

/* ".invalid" is nobody's (RFC 6761), whether or not there is a name server. */
static void a_host_that_has_no_address(void **state)
{
	struct fixture *fx = *state;

	fx->ctl.config.redis_unix_socket[0] = '\0';
	(void)snprintf(fx->ctl.config.redis_host, sizeof(fx->ctl.config.redis_host), "redis.invalid");
	refused_at_opening(fx, "redis.invalid:6379");
}

static void a_name_of_etc_hosts_is_looked_up(void **state)
{
	struct fixture *fx = *state;

	fx->ctl.config.redis_unix_socket[0] = '\0';
	fx->ctl.config.redis_port = 1; /* nobody's */
	(void)snprintf(fx->ctl.config.redis_host, sizeof(fx->ctl.config.redis_host), "localhost");
	refused_at_opening(fx, "Connection refused");
	assert_reported(fx, "localhost:1");
}

static void a_server_that_still_loads(void **state)
{
	struct fixture *fx = *state;

	SERVE(fx, "+OK\r\n", "-LOADING Redis is loading the dataset in memory\r\n", SILENCE);
	refused_at_opening(fx, "LOADING");
}

static void a_server_that_hangs_up(void **state)
{
	struct fixture *fx = *state;

	SERVE(fx, "+OK\r\n", END);
	refused_at_opening(fx, "reset");
}

static void a_server_of_another_protocol(void **state)
{
	struct fixture *fx = *state;

	SERVE(fx, "HTTP/1.1 400 Bad Request\r\n", SILENCE);
	refused_at_opening(fx, "Protocol error");
}

static void a_server_that_says_nothing(void **state)
{
	struct fixture *fx = *state;

	SERVE(fx, SILENCE, SILENCE);
	refused_at_opening(fx, "has not answered for 5 s");
	assert_non_null(strstr(fx->ctl.error.remedy, "stopped"));
}

/* --- reading --- */

static void refused_at_reading(struct fixture *fx, const char *name, const char *const *fields, const char *text)
{
	struct database *db = open_good(fx, name);
	struct db_rows rows;

	assert_int_equal(database_table(&fx->ctl, db, "PORT_TABLE", fields, &rows), -1);
	assert_int_equal(rows.n, 0);
	assert_null(rows.rows);
	assert_reported(fx, text);
	assert_reported(fx, name);
	database_close(db);
}

static const char one_key[] = "*2\r\n$1\r\n0\r\n*1\r\n$20\r\nPORT_TABLE|Ethernet0\r\n";
static const char one_key_appl[] = "*2\r\n$1\r\n0\r\n*1\r\n$20\r\nPORT_TABLE:Ethernet0\r\n";

static void no_right_to_look(void **state)
{
	struct fixture *fx = *state;

	SERVE(fx, HANDSHAKE, "-NOPERM this user has no permissions to run the 'scan' command\r\n", SILENCE);
	refused_at_reading(fx, "STATE_DB", NULL, "SCAN: NOPERM");
	assert_non_null(strstr(fx->ctl.error.remedy, "portsyncd.acl"));
}

static void assert_no_step_of_a_scan(struct fixture *fx, const char *answer)
{
	static const char *script[] = {HANDSHAKE, NULL, SILENCE};

	script[ARRAY_SIZE(script) - 2] = answer;
	serve_script(fx, script, ARRAY_SIZE(script));
	refused_at_reading(fx, "STATE_DB", NULL, "SCAN: an answer of another type");
}

static void keys_that_are_no_list(void **state)
{
	assert_no_step_of_a_scan(*state, ":1\r\n");
}

static void a_list_without_keys(void **state)
{
	assert_no_step_of_a_scan(*state, "*1\r\n$1\r\n0\r\n");
}

static void a_cursor_that_is_no_text(void **state)
{
	assert_no_step_of_a_scan(*state, "*2\r\n:0\r\n*0\r\n");
}

static void keys_that_are_one_text(void **state)
{
	assert_no_step_of_a_scan(*state, "*2\r\n$1\r\n0\r\n$1\r\nx\r\n");
}

static void a_cursor_that_is_too_long(void **state)
{
	struct fixture *fx = *state;

	SERVE(fx, HANDSHAKE, "*2\r\n$30\r\n123456789012345678901234567890\r\n*0\r\n", SILENCE);
	refused_at_reading(fx, "STATE_DB", NULL, "Protocol error");
}

static void a_key_of_another_table(void **state)
{
	struct fixture *fx = *state;

	SERVE(fx, HANDSHAKE, "*2\r\n$1\r\n0\r\n*1\r\n$3\r\nPOR\r\n", SILENCE);
	refused_at_reading(fx, "STATE_DB", NULL, "Protocol error");
}

static void a_key_that_is_no_text(void **state)
{
	struct fixture *fx = *state;

	SERVE(fx, HANDSHAKE, "*2\r\n$1\r\n0\r\n*1\r\n:7\r\n", SILENCE);
	refused_at_reading(fx, "STATE_DB", NULL, "Protocol error");
}

static void fields_that_are_numbers(void **state)
{
	struct fixture *fx = *state;

	SERVE(fx, HANDSHAKE, one_key, "*2\r\n:1\r\n:2\r\n", SILENCE);
	refused_at_reading(fx, "STATE_DB", NULL, "Protocol error");
}

static void values_that_are_numbers(void **state)
{
	struct fixture *fx = *state;

	SERVE(fx, HANDSHAKE, one_key, "*2\r\n$3\r\nmtu\r\n:9100\r\n", SILENCE);
	refused_at_reading(fx, "STATE_DB", NULL, "Protocol error");
}

static void fewer_values_than_were_asked_for(void **state)
{
	static const char *const fields[] = {"mtu", "state", NULL};
	struct fixture *fx = *state;

	SERVE(fx, HANDSHAKE, one_key, "*1\r\n$4\r\n9100\r\n", SILENCE);
	refused_at_reading(fx, "STATE_DB", fields, "HMGET: an answer of another type");
}

static void rows_that_may_not_be_read(void **state)
{
	static const char *const fields[] = {"oper_status", "speed", NULL};
	struct fixture *fx = *state;

	SERVE(fx, HANDSHAKE, one_key_appl, "-NOPERM No permissions to access a key\r\n", SILENCE);
	refused_at_reading(fx, "APPL_DB", fields, "HGET: NOPERM");
}

static void it_hangs_up_amid_the_rows(void **state)
{
	struct fixture *fx = *state;

	SERVE(fx, HANDSHAKE, one_key, END);
	refused_at_reading(fx, "STATE_DB", NULL, "reset");
}

/* SCAN may name a key twice, and one may go meanwhile. */
static void rows_come_in_order_each_once(void **state)
{
	struct fixture *fx = *state;
	struct database *db;
	struct db_rows rows;

	SERVE(fx, HANDSHAKE, "*2\r\n$1\r\n7\r\n*2\r\n$21\r\nPORT_TABLE|Ethernet10\r\n$20\r\nPORT_TABLE|Ethernet9\r\n",
	      "*2\r\n$1\r\n0\r\n*2\r\n$20\r\nPORT_TABLE|Ethernet9\r\n$20\r\nPORT_TABLE|Ethernet8\r\n", "*0\r\n",
	      "*2\r\n$3\r\nmtu\r\n$4\r\n9100\r\n",
	      "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n", SILENCE);
	db = open_good(fx, "STATE_DB");
	assert_int_equal(database_table(&fx->ctl, db, "PORT_TABLE", NULL, &rows), 0);
	assert_string_equal(fx->asked[3], "SCAN 7 MATCH PORT_TABLE|* COUNT 4096");
	assert_int_equal(rows.n, 2); /* Ethernet8 has gone */
	assert_string_equal(rows.rows[0].key, "Ethernet9");
	assert_string_equal(db_value(&rows.rows[0], "mtu"), "9100");
	assert_string_equal(rows.rows[1].key, "Ethernet10");
	assert_false(rows.rows[1].is_hash);
	assert_null(db_value(&rows.rows[1], "mtu"));
	assert_ptr_equal(db_find(&rows, "Ethernet10"), &rows.rows[1]);
	assert_null(db_find(&rows, "Ethernet8"));
	db_rows_done(&rows);
	database_close(db);
}

static void some_rows_by_their_keys(void **state)
{
	static const char *const fields[] = {"oper_status", "speed", NULL}, *const keys[] = {"Ethernet4", "Ethernet0"};
	struct fixture *fx = *state;
	struct database *db;
	struct db_rows rows;

	SERVE(fx, HANDSHAKE, "$2\r\nup\r\n", "$-1\r\n", "$-1\r\n", "$-1\r\n", SILENCE);
	db = open_good(fx, "APPL_DB");
	assert_int_equal(database_rows(&fx->ctl, db, "PORT_TABLE", fields, keys, ARRAY_SIZE(keys), &rows), 0);
	assert_string_equal(fx->asked[2], "HGET PORT_TABLE:Ethernet0 oper_status");
	assert_string_equal(fx->asked[5], "HGET PORT_TABLE:Ethernet4 speed");
	assert_int_equal(rows.n, 1);
	assert_string_equal(rows.rows[0].key, "Ethernet0");
	assert_string_equal(db_value(&rows.rows[0], "oper_status"), "up");
	assert_null(db_value(&rows.rows[0], "speed"));
	db_rows_done(&rows);
	database_close(db);
}

/* --- settings --- */

static void settings_that_are_known(void **state)
{
	struct fixture *fx = *state;
	struct database *db;
	char out[8];

	SERVE(fx, HANDSHAKE, "*2\r\n$9\r\nmaxmemory\r\n$3\r\n100\r\n", "*0\r\n", "-NOPERM no\r\n",
	      "*2\r\n$9\r\nmaxmemory\r\n:1\r\n", "*2\r\n$9\r\nmaxmemory\r\n$9\r\n123456789\r\n", END);
	db = open_good(fx, "STATE_DB");
	assert_true(database_setting(db, "maxmemory", out, sizeof(out)));
	assert_string_equal(out, "100");
	assert_string_equal(fx->asked[2], "CONFIG GET maxmemory");
	for (unsigned i = 0; i < 5; i++) /* none, no right, no text, too long, no connection */
		assert_false(database_setting(db, "maxmemory", out, sizeof(out)));
	database_close(db);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nobody_listens),
		TEST(a_path_that_no_socket_can_have),
		TEST(a_host_that_has_no_address),
		TEST(a_name_of_etc_hosts_is_looked_up),
		TEST(a_server_that_still_loads),
		TEST(a_server_that_hangs_up),
		TEST(a_server_of_another_protocol),
		TEST(a_server_that_says_nothing),
		TEST(no_right_to_look),
		TEST(keys_that_are_no_list),
		TEST(a_list_without_keys),
		TEST(a_cursor_that_is_no_text),
		TEST(keys_that_are_one_text),
		TEST(a_cursor_that_is_too_long),
		TEST(a_key_of_another_table),
		TEST(a_key_that_is_no_text),
		TEST(fields_that_are_numbers),
		TEST(values_that_are_numbers),
		TEST(fewer_values_than_were_asked_for),
		TEST(rows_that_may_not_be_read),
		TEST(it_hangs_up_amid_the_rows),
		TEST(rows_come_in_order_each_once),
		TEST(some_rows_by_their_keys),
		TEST(settings_that_are_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
