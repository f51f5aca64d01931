/* SPDX-License-Identifier: Apache-2.0 */
/* When CONFIG_DB cannot be read: whoever waits for the rows is told to try again, or that the connection went. */
#include "sonic/portrows.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/util.h"
#include "redis/scan.h"

static struct scene {
	struct links *links;
	struct portrows *rows;
	bool connected;
	int begins; /* what scan_start() gives */
	struct scan *scan;
	const struct scan_ops *ops;
	void *reader; /* to whom ops tell */
	unsigned told;
	enum portrows_outcome outcome;
} scene;

bool __wrap_conn_ready(const struct conn *c);
int __wrap_scan_start(struct scan *s, struct conn *conn, const char *prefix, const char *type,
		      const struct scan_ops *ops, void *user);

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
	scene.scan = s;
	scene.ops = ops;
	scene.reader = user;
	return 0;
}

static void on_outcome(enum portrows_outcome outcome, size_t count, void *user)
{
	(void)user;
	assert_int_equal(count, 0);
	scene.told++;
	scene.outcome = outcome;
}

static int begin(void **state)
{
	struct portrows_deps deps = {.config_separator = "|", .appl_separator = ":"};

	(void)state;
	scene = (struct scene){.links = links_new(8), .connected = true};
	deps.links = scene.links;
	scene.rows = portrows_new(&deps, on_outcome, NULL);
	return scene.links && scene.rows ? 0 : -1;
}

static int end(void **state)
{
	(void)state;
	portrows_free(scene.rows);
	links_free(scene.links);
	return 0;
}

static void was_told(enum portrows_outcome outcome, unsigned times)
{
	assert_int_equal(scene.told, times);
	assert_int_equal(scene.outcome, outcome);
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
	was_told(PORTROWS_AGAIN, 1);
	portrows_again(scene.rows);
	was_told(PORTROWS_AGAIN, 2);
}

static void no_connection_is_waited_for(void **state)
{
	(void)state;
	scene.connected = false;
	scene.begins = -ENOTCONN;
	portrows_start(scene.rows);
	was_told(PORTROWS_LOST, 1);
}

static void a_reading_that_breaks_off_tells_why(void **state)
{
	(void)state;
	portrows_start(scene.rows);
	scan_breaks_off();
	was_told(PORTROWS_AGAIN, 1);
	portrows_again(scene.rows);
	scene.connected = false;
	scan_breaks_off();
	was_told(PORTROWS_LOST, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(no_memory_to_begin_is_tried_again, begin, end),
		cmocka_unit_test_setup_teardown(no_connection_is_waited_for, begin, end),
		cmocka_unit_test_setup_teardown(a_reading_that_breaks_off_tells_why, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
