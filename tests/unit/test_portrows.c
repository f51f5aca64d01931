/* SPDX-License-Identifier: Apache-2.0 */
/* When CONFIG_DB cannot be read, or APPL_DB's connection has no capacity: the caller waits for the rows, and hears that
 * it should try again, that the connection is lost, or nothing until there is capacity. */
#include "sonic/portrows.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "redis/scan.h"
#include "test.h"

static struct scene {
	struct links *links;
	struct portrows *rows;
	bool connected;
	int begins; /* what scan_start() gives */
	struct scan *scan;
	const struct scan_ops *ops;
	void *reader; /* the user of ops */
	unsigned scans;
	unsigned reported;
	enum portrows_outcome outcome;
	size_t count;
	size_t room; /* capacity of both connections */
	struct {
		conn_reply_fn fn;
		void *user, *item;
		bool of_row;
	} asked[16];
	size_t n_asked;
	int takes_push; /* what producer_set() gives */
	producer_done_fn pushed[16];
	void *items[16];
	size_t n_pushed;
} scene;

bool __wrap_conn_ready(const struct conn *c);
int __wrap_scan_start(struct scan *s, struct conn *conn, const char *prefix, const char *type,
		      const struct scan_ops *ops, void *user);
size_t __wrap_conn_capacity(const struct conn *c);
int __wrap_conn_command(struct conn *c, conn_reply_fn fn, void *user, void *item, uint64_t cookie, size_t argc,
			const struct resp_arg *argv);
int __wrap_producer_set(struct producer *p, const char *key, size_t n, const struct resp_arg *pairs,
			producer_done_fn done, void *user);

size_t __wrap_conn_capacity(const struct conn *c)
{
	(void)c;
	return scene.room;
}

int __wrap_conn_command(struct conn *c, conn_reply_fn fn, void *user, void *item, uint64_t cookie, size_t argc,
			const struct resp_arg *argv)
{
	size_t n = scene.n_asked++;

	(void)c;
	(void)cookie;
	(void)argc;
	assert_true(n < ARRAY_SIZE(scene.asked));
	scene.asked[n].fn = fn;
	scene.asked[n].user = user;
	scene.asked[n].item = item;
	scene.asked[n].of_row = strcmp(argv[0].data, "HGETALL") == 0;
	return 0;
}

int __wrap_producer_set(struct producer *p, const char *key, size_t n, const struct resp_arg *pairs,
			producer_done_fn done, void *user)
{
	(void)p;
	(void)key;
	(void)n;
	(void)pairs;
	if (scene.takes_push < 0)
		return scene.takes_push;
	scene.pushed[scene.n_pushed] = done;
	scene.items[scene.n_pushed++] = user;
	return 0;
}

bool __wrap_conn_ready(const struct conn *c)
{
	(void)c;
	return scene.connected;
}

int __wrap_scan_start(struct scan *s, struct conn *conn, const char *prefix, const char *type,
		      const struct scan_ops *ops, void *user)
{
	(void)conn;
	(void)type;
	assert_string_equal(prefix, "PORT|");
	if (scene.begins < 0)
		return scene.begins;
	s->running = true;
	scene.scans++;
	scene.scan = s;
	scene.ops = ops;
	scene.reader = user;
	return 0;
}

static void on_outcome(enum portrows_outcome outcome, size_t count, void *user)
{
	(void)user;
	scene.count = count;
	scene.reported++;
	scene.outcome = outcome;
}

static int setup(void **state)
{
	struct portrows_deps deps = {.config_separator = "|", .appl_separator = ":"};

	(void)state;
	scene = (struct scene){.links = links_new(8), .connected = true};
	deps.links = scene.links;
	scene.rows = portrows_new(&deps, on_outcome, NULL);
	return scene.links && scene.rows ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	portrows_free(scene.rows);
	links_free(scene.links);
	return 0;
}

static void was_reported(enum portrows_outcome outcome, unsigned times)
{
	assert_int_equal(scene.reported, times);
	assert_int_equal(scene.outcome, outcome);
}

static void scan_names(const char *const *keys, size_t n)
{
	for (size_t i = 0; i < n; i++)
		scene.ops->key(&(struct resp_value){.type = RESP_STRING, .str = keys[i], .len = strlen(keys[i])},
			       scene.reader);
	scene.scan->running = false;
	scene.ops->done(true, NULL, scene.reader);
}

static void answer_all(void)
{
	const struct resp_value nil = {.type = RESP_NIL}, name = {.type = RESP_STRING, .str = "lanes", .len = 5},
				value = {.type = RESP_STRING, .str = "1", .len = 1};
	const struct resp_value *pair[] = {&name, &value};
	const struct resp_value row = {.type = RESP_ARRAY, .n = 2, .elem = pair};
	size_t n = scene.n_asked;

	for (size_t i = 0; i < n; i++)
		scene.asked[i].fn(scene.asked[i].of_row ? &row : &nil, scene.asked[i].user, scene.asked[i].item, 0);
	scene.n_asked -= n;
	memmove(scene.asked, scene.asked + n, scene.n_asked * sizeof(scene.asked[0]));
}

static void accept_all(void)
{
	for (size_t i = 0; i < scene.n_pushed; i++)
		scene.pushed[i](true, NULL, scene.items[i]);
	scene.n_pushed = 0;
}

static const char *const two_keys[] = {"PORT|Ethernet0", "PORT|Ethernet4"};

/* Others' commands fill the pipeline of APPL_DB: no back-off, and no other is needed to go on. */
static void without_capacity_it_waits_for_capacity(void **state)
{
	(void)state;
	portrows_start(scene.rows);
	scan_names(two_keys, ARRAY_SIZE(two_keys));
	assert_int_equal(scene.n_asked, 0);
	portrows_turn(scene.rows);
	assert_int_equal(scene.reported, 0);
	scene.room = 100;
	portrows_turn(scene.rows);
	answer_all();
	accept_all();
	was_reported(PORTROWS_DONE, 1);
	assert_int_equal(scene.count, 2);
	portrows_turn(scene.rows);
	assert_int_equal(scene.n_asked, 0);
}

/* They filled it after the row was asked for. */
static void a_row_that_cannot_be_pushed_now_is_read_again(void **state)
{
	(void)state;
	scene.room = 100;
	scene.takes_push = -EAGAIN;
	portrows_start(scene.rows);
	scan_names(two_keys, ARRAY_SIZE(two_keys));
	answer_all();
	assert_int_equal(scene.reported, 0);
	scene.takes_push = 0;
	portrows_turn(scene.rows);
	answer_all();
	accept_all();
	was_reported(PORTROWS_DONE, 1);
	assert_int_equal(scene.count, 2);
}

static void scan_breaks_off(void)
{
	scene.scan->running = false;
	scene.ops->done(false, NULL, scene.reader);
}

static void no_memory_to_begin_is_tried_again(void **state)
{
	(void)state;
	scene.begins = -ENOMEM;
	portrows_start(scene.rows);
	was_reported(PORTROWS_AGAIN, 1);
	portrows_again(scene.rows);
	was_reported(PORTROWS_AGAIN, 2);
}

static void no_connection_is_waited_for(void **state)
{
	(void)state;
	scene.connected = false;
	scene.begins = -ENOTCONN;
	portrows_start(scene.rows);
	was_reported(PORTROWS_LOST, 1);
}

static void a_reading_that_breaks_off_reports_why(void **state)
{
	(void)state;
	portrows_start(scene.rows);
	scan_breaks_off();
	was_reported(PORTROWS_AGAIN, 1);
	portrows_again(scene.rows);
	scene.connected = false;
	scan_breaks_off();
	was_reported(PORTROWS_LOST, 2);
}

static void begin_two(void)
{
	scene.room = 100;
	portrows_start(scene.rows);
	scan_names(two_keys, ARRAY_SIZE(two_keys));
}

/* The limit is the producer's; to try again would not help. */
static void a_row_that_no_command_can_hold_is_left_out(void **state)
{
	(void)state;
	scene.takes_push = -E2BIG;
	begin_two();
	answer_all();
	was_reported(PORTROWS_DONE, 1);
	assert_int_equal(scene.count, 0);
	assert_int_equal(links_expected(scene.links), 0);
}

static void no_memory_for_a_push_is_tried_again(void **state)
{
	(void)state;
	scene.takes_push = -ENOMEM;
	begin_two();
	answer_all();
	was_reported(PORTROWS_AGAIN, 1);
	scene.takes_push = 0;
	portrows_again(scene.rows);
	answer_all();
	accept_all();
	was_reported(PORTROWS_DONE, 2);
	assert_int_equal(scene.count, 2);
}

/* Answers of the earlier run still come, and belong to its rows. */
static void a_new_run_begins_once_the_earlier_one_is_answered(void **state)
{
	(void)state;
	begin_two();
	portrows_stop(scene.rows);
	portrows_start(scene.rows);
	assert_int_equal(scene.scans, 1);
	answer_all();
	accept_all();
	assert_int_equal(scene.reported, 0);
	assert_int_equal(scene.scans, 2);
	scan_names(two_keys, 1);
	answer_all();
	accept_all();
	was_reported(PORTROWS_DONE, 1);
	assert_int_equal(scene.count, 1);
}

static void a_new_run_begins_once_the_scan_has_ended(void **state)
{
	(void)state;
	scene.room = 100;
	portrows_start(scene.rows);
	portrows_stop(scene.rows);
	portrows_start(scene.rows);
	assert_int_equal(scene.scans, 1);
	scan_names(two_keys, ARRAY_SIZE(two_keys)); /* of a run that was stopped: nobody wants them */
	assert_int_equal(scene.scans, 2);
	assert_int_equal(scene.n_asked, 0);
	scan_names(two_keys, ARRAY_SIZE(two_keys));
	answer_all();
	accept_all();
	was_reported(PORTROWS_DONE, 1);
	assert_int_equal(scene.count, 2);
}

/* M3: Redis may have taken it. Then our own row is there, which must not pass for an earlier one. */
static void a_port_whose_push_nobody_heard_of_is_waited_for(void **state)
{
	(void)state;
	begin_two();
	answer_all();
	scene.connected = false;
	for (size_t i = 0; i < scene.n_pushed; i++)
		scene.pushed[i](false, NULL, scene.items[i]);
	scene.n_pushed = 0;
	was_reported(PORTROWS_LOST, 1);
	assert_int_equal(links_find(scene.links, "Ethernet0")->appl.admin, ADMIN_ABSENT);
	scene.connected = true;
	begin_two();
	answer_all();
	accept_all();
	was_reported(PORTROWS_DONE, 2);
	assert_int_equal(links_expected(scene.links), 2);
	portrows_forget(scene.rows);
	assert_int_equal(links_find(scene.links, "Ethernet0")->appl.admin, ADMIN_UNKNOWN);
}

/* What is no interface's name, or a marker's, would be a port that nobody can make. */
static void names_that_no_port_can_have_are_left_out(void **state)
{
	static const char *const keys[] = {"PORT|",
					   "PORT|Ethernet00000000",
					   "PORT|Ether net0",
					   "PORT|a/b",
					   "PORT|PortInitDone",
					   "PORT|PortConfigDone",
					   "PORT|Ethernet0",
					   "POR"};

	(void)state;
	scene.room = 100;
	portrows_start(scene.rows);
	scan_names(keys, ARRAY_SIZE(keys));
	answer_all();
	accept_all();
	was_reported(PORTROWS_DONE, 1);
	assert_int_equal(scene.count, 1);
	assert_string_equal(portrows_first(scene.rows), "Ethernet0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(no_memory_to_begin_is_tried_again),
		TEST(no_connection_is_waited_for),
		TEST(a_reading_that_breaks_off_reports_why),
		TEST(without_capacity_it_waits_for_capacity),
		TEST(a_row_that_cannot_be_pushed_now_is_read_again),
		TEST(a_row_that_no_command_can_hold_is_left_out),
		TEST(no_memory_for_a_push_is_tried_again),
		TEST(a_new_run_begins_once_the_earlier_one_is_answered),
		TEST(a_new_run_begins_once_the_scan_has_ended),
		TEST(a_port_whose_push_nobody_heard_of_is_waited_for),
		TEST(names_that_no_port_can_have_are_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
