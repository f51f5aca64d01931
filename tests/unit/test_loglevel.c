/* SPDX-License-Identifier: Apache-2.0 */
#include "sonic/loglevel.h"

#include "conn_fixture.h"

#define KEY "$16\r\nLOGGER|portsyncd\r\n"
#define READ "*4\r\n$5\r\nHMGET\r\n" KEY "$8\r\nLOGLEVEL\r\n$9\r\nLOGOUTPUT\r\n"
#define WRITE_LEVEL(len, level) "*4\r\n$4\r\nHSET\r\n" KEY "$8\r\nLOGLEVEL\r\n$" #len "\r\n" level "\r\n"
#define WRITE_OUTPUT "*4\r\n$4\r\nHSET\r\n" KEY "$9\r\nLOGOUTPUT\r\n$6\r\nSYSLOG\r\n"

struct own {
	struct loglevel *level;
};

static void make_loglevel(struct fixture *x, bool level_chosen, bool target_chosen)
{
	const struct loglevel_options opt = {
		.type = LOG_TO_SYSLOG, .level_chosen = level_chosen, .target_chosen = target_chosen};

	loglevel_free(x->own->level);
	x->own->level = loglevel_new(x->conn, "|", &opt);
	assert_non_null(x->own->level);
}

static int setup(void **state)
{
	struct fixture *x = fixture_new("CONFIG_DB", LOG_NOTICE, sizeof(struct own));

	connect_now(x);
	make_loglevel(x, false, false);
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *x = *state;

	conn_free(x->conn);
	loglevel_free(x->own->level);
	fixture_free(x);
	return 0;
}

static void read_now(struct fixture *x)
{
	loglevel_read(x->own->level);
	conn_flush(x->conn);
}

/* NULL: the field is missing. */
static void send_row(struct fixture *x, const char *level, const char *output)
{
	const char *const values[] = {level, output};
	char text[64];

	fake_send(&x->server, "*2\r\n");
	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		if (values[i])
			(void)snprintf(text, sizeof(text), "$%zu\r\n%s\r\n", strlen(values[i]), values[i]);
		fake_send(&x->server, values[i] ? text : "$-1\r\n");
	}
}

/* The row is read and holds both fields: nothing may be written. */
static void read_row(struct fixture *x, const char *level, const char *output)
{
	read_now(x);
	fake_expect(&x->server, READ);
	send_row(x, level, output);
	expect_silence(x);
}

static void read_and_create(struct fixture *x, const char *level, const char *output, const char *writes)
{
	read_now(x);
	fake_expect(&x->server, READ);
	send_row(x, level, output);
	expect_and_answer(x, writes, level || output ? ":1\r\n" : ":1\r\n:1\r\n");
	expect_silence(x);
}

static void a_missing_row_is_created(void **state)
{
	struct fixture *x = *state;

	read_and_create(x, NULL, NULL, WRITE_LEVEL(6, "NOTICE") WRITE_OUTPUT);
	assert_int_equal(log_level(), LOG_NOTICE);
	assert_int_equal(log_target_type(), LOG_TO_SYSLOG);
	read_row(x, "NOTICE", "SYSLOG");
	assert_false(catcher_next(&x->log));
}

static void each_field_is_created_alone(void **state)
{
	struct fixture *x = *state;

	read_and_create(x, "DEBUG", NULL, WRITE_OUTPUT);
	assert_int_equal(log_level(), LOG_DEBUG);
	make_loglevel(x, false, false);
	log_set_level(LOG_NOTICE);
	read_and_create(x, NULL, "STDERR", WRITE_LEVEL(6, "NOTICE"));
	assert_int_equal(log_target_type(), LOG_TO_STDERR);
}

/* A row that somebody deletes comes back as it was lived by. */
static void a_deleted_field_is_created_again(void **state)
{
	struct fixture *x = *state;

	read_row(x, "INFO", "SYSLOG");
	assert_int_equal(log_level(), LOG_INFO);
	read_and_create(x, NULL, "SYSLOG", WRITE_LEVEL(4, "INFO"));
	assert_int_equal(log_level(), LOG_INFO);
}

static void every_level_is_known(void **state)
{
	static const char *const names[] = {"EMERG", "ALERT", "CRIT", "ERROR", "WARN", "NOTICE", "INFO", "DEBUG"};
	struct fixture *x = *state;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		read_row(x, names[i], "SYSLOG");
		assert_int_equal(log_level(), i);
	}
	for (size_t i = ARRAY_SIZE(names); i-- > 0;) {
		read_row(x, names[i], "SYSLOG");
		assert_int_equal(log_level(), i);
	}
}

static void every_output_is_known(void **state)
{
	struct fixture *x = *state;

	read_row(x, "NOTICE", "STDOUT");
	assert_int_equal(log_target_type(), LOG_TO_STDOUT);
	read_row(x, "NOTICE", "STDERR");
	assert_int_equal(log_target_type(), LOG_TO_STDERR);
	read_row(x, "NOTICE", "SYSLOG");
	assert_int_equal(log_target_type(), LOG_TO_SYSLOG);
}

/* systemd's journal is what stands for syslog where there is one. */
static void syslog_is_the_sink_of_the_options(void **state)
{
	const struct loglevel_options opt = {.type = LOG_TO_STDOUT};
	struct fixture *x = *state;

	loglevel_free(x->own->level);
	x->own->level = loglevel_new(x->conn, "|", &opt);
	assert_non_null(x->own->level);
	read_row(x, "NOTICE", "STDERR");
	read_row(x, "NOTICE", "SYSLOG");
	assert_int_equal(log_target_type(), LOG_TO_STDOUT);
}

static void a_chosen_level_beats_the_first_value_only(void **state)
{
	struct fixture *x = *state;

	make_loglevel(x, true, false);
	log_set_level(LOG_INFO);
	read_row(x, "ERROR", "SYSLOG");
	assert_int_equal(log_level(), LOG_INFO);
	read_row(x, "ERROR", "SYSLOG");
	assert_int_equal(log_level(), LOG_INFO);
	read_row(x, "DEBUG", "SYSLOG");
	assert_int_equal(log_level(), LOG_DEBUG);
	read_row(x, "ERROR", "SYSLOG");
	assert_int_equal(log_level(), LOG_ERR);
}

static void a_chosen_output_beats_the_first_value_only(void **state)
{
	struct fixture *x = *state;

	make_loglevel(x, false, true);
	read_row(x, "DEBUG", "STDOUT");
	assert_int_equal(log_target_type(), LOG_TO_SYSLOG);
	assert_int_equal(log_level(), LOG_DEBUG); /* only the output was chosen */
	read_row(x, "DEBUG", "STDERR");
	assert_int_equal(log_target_type(), LOG_TO_STDERR);
}

static void a_chosen_level_is_what_is_created(void **state)
{
	struct fixture *x = *state;

	make_loglevel(x, true, true);
	log_set_level(LOG_WARNING);
	read_and_create(x, NULL, NULL, WRITE_LEVEL(4, "WARN") WRITE_OUTPUT);
	assert_int_equal(log_level(), LOG_WARNING);
	read_row(x, "DEBUG", "STDERR");
	assert_int_equal(log_level(), LOG_DEBUG);
	assert_int_equal(log_target_type(), LOG_TO_STDERR);
}

/* SIGUSR1 and SIGUSR2 change the level as well: only a change of the table overrides them. */
static void an_unchanged_value_changes_nothing(void **state)
{
	struct fixture *x = *state;

	read_row(x, "NOTICE", "SYSLOG");
	log_set_level(LOG_DEBUG);
	log_set_target(LOG_TO_STDERR);
	read_row(x, "NOTICE", "SYSLOG");
	assert_int_equal(log_level(), LOG_DEBUG);
	assert_int_equal(log_target_type(), LOG_TO_STDERR);
}

static void a_bad_level_is_named_once(void **state)
{
	static const char *const bad[] = {"LOUD", "", "notice", "ERR", "WARNING", "DEBUG ", "7", "NOTICE\r\n"};
	struct fixture *x = *state;

	read_row(x, "INFO", "SYSLOG");
	assert_int_equal(catcher_count(&x->log, "log level is INFO now, by LOGGER|portsyncd"), 1);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		read_row(x, bad[i], "SYSLOG");
		assert_int_equal(log_level(), LOG_INFO);
		assert_true(catcher_next(&x->log));
		assert_non_null(strstr(x->log.line, "is not a level, INFO stays; allowed: EMERG, ALERT, CRIT, ERROR, "
						    "WARN, NOTICE, INFO, DEBUG"));
		if (i == 0)
			assert_non_null(strstr(x->log.line, "LOGGER|portsyncd LOGLEVEL \"LOUD\""));
		read_row(x, bad[i], "SYSLOG");
		assert_false(catcher_next(&x->log));
	}
	read_row(x, "DEBUG", "SYSLOG");
	assert_int_equal(log_level(), LOG_DEBUG);
	read_row(x, "LOUD", "SYSLOG");
	assert_int_equal(catcher_count(&x->log, "LOUD"), 1);
}

static void a_bad_output_is_named_once(void **state)
{
	struct fixture *x = *state;

	read_row(x, "NOTICE", "PRINTER");
	assert_int_equal(log_target_type(), LOG_TO_SYSLOG);
	assert_true(catcher_next(&x->log));
	assert_non_null(strstr(x->log.line, "LOGGER|portsyncd LOGOUTPUT \"PRINTER\" is not an output"));
	assert_non_null(strstr(x->log.line, "allowed: SYSLOG, STDOUT, STDERR"));
	read_row(x, "NOTICE", "PRINTER");
	assert_false(catcher_next(&x->log));
}

static void a_nul_does_not_cut_a_value(void **state)
{
	static const char debug_nul[] = "*2\r\n$7\r\nDEBUG\0x\r\n$6\r\nSYSLOG\r\n";
	struct fixture *x = *state;

	read_now(x);
	fake_expect(&x->server, READ);
	fake_send_bytes(&x->server, debug_nul, sizeof(debug_nul) - 1);
	expect_silence(x);
	assert_int_equal(log_level(), LOG_NOTICE);
	assert_int_equal(catcher_count(&x->log, "is not a level"), 1);
}

static void a_key_that_is_no_hash_is_named_once(void **state)
{
	struct fixture *x = *state;

	for (int i = 0; i < 3; i++) {
		read_now(x);
		expect_and_answer(x, READ, WRONGTYPE);
		expect_silence(x);
	}
	assert_int_equal(log_level(), LOG_NOTICE);
	assert_int_equal(catcher_count(&x->log, "LOGGER|portsyncd: cannot be read, the log level stays NOTICE"), 1);
	/* Once it was mended it may break again. */
	read_row(x, "DEBUG", "SYSLOG");
	assert_int_equal(log_level(), LOG_DEBUG);
	read_now(x);
	expect_and_answer(x, READ, WRONGTYPE);
	expect_silence(x);
	assert_int_equal(catcher_count(&x->log, "the log level stays DEBUG"), 1);
}

static void a_row_that_cannot_be_created_is_named(void **state)
{
	struct fixture *x = *state;

	read_now(x);
	fake_expect(&x->server, READ);
	send_row(x, NULL, "SYSLOG");
	expect_and_answer(x, WRITE_LEVEL(6, "NOTICE"), "-READONLY You can't write against a read only replica.\r\n");
	expect_silence(x);
	assert_int_equal(catcher_count(&x->log, "LOGGER|portsyncd: cannot be created: READONLY"), 1);
	read_row(x, "DEBUG", "SYSLOG");
	assert_int_equal(log_level(), LOG_DEBUG);
}

/* The answer on its way may be older than the change of the notification. */
static void a_change_while_reading_is_read_again(void **state)
{
	struct fixture *x = *state;

	read_now(x);
	fake_expect(&x->server, READ);
	read_now(x);
	read_now(x);
	send_row(x, "NOTICE", "SYSLOG");
	fake_expect(&x->server, READ);
	send_row(x, "DEBUG", "SYSLOG");
	expect_silence(x);
	assert_int_equal(log_level(), LOG_DEBUG);
}

static void a_loss_while_reading_passes(void **state)
{
	struct fixture *x = *state;

	read_now(x);
	fake_expect(&x->server, READ);
	read_now(x);
	reconnect(x);
	read_row(x, "DEBUG", "SYSLOG");
	assert_int_equal(log_level(), LOG_DEBUG);
}

static void the_pattern_is_that_of_the_row(void **state)
{
	char text[64];

	(void)state;
	assert_string_equal(loglevel_pattern(text, sizeof(text), "|", 4), "__keyspace@4__:LOGGER|portsyncd");
}

static void without_capacity_it_is_read_later(void **state)
{
	struct fixture *x = *state;
	size_t taken = take_capacity(x);

	read_now(x);
	loglevel_turn(x->own->level);
	conn_flush(x->conn);
	give_capacity(x, taken);
	loglevel_turn(x->own->level);
	conn_flush(x->conn);
	fake_expect(&x->server, READ);
	send_row(x, "DEBUG", "SYSLOG");
	RUN_UNTIL(x->event, log_level() == LOG_DEBUG);
	loglevel_turn(x->own->level);
	expect_silence(x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_missing_row_is_created),
		TEST(each_field_is_created_alone),
		TEST(a_deleted_field_is_created_again),
		TEST(every_level_is_known),
		TEST(every_output_is_known),
		TEST(syslog_is_the_sink_of_the_options),
		TEST(a_chosen_level_beats_the_first_value_only),
		TEST(a_chosen_output_beats_the_first_value_only),
		TEST(a_chosen_level_is_what_is_created),
		TEST(an_unchanged_value_changes_nothing),
		TEST(a_bad_level_is_named_once),
		TEST(a_bad_output_is_named_once),
		TEST(a_nul_does_not_cut_a_value),
		TEST(a_key_that_is_no_hash_is_named_once),
		TEST(a_row_that_cannot_be_created_is_named),
		TEST(a_change_while_reading_is_read_again),
		TEST(a_loss_while_reading_passes),
		TEST(the_pattern_is_that_of_the_row),
		TEST(without_capacity_it_is_read_later),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
