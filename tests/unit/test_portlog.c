/* SPDX-License-Identifier: Apache-2.0 */
#include "sonic/portlog.h"

#include <stdlib.h>

#include "base/util.h"
#include "log_catcher.h"
#include "test.h"

#define PER_PORT ((unsigned)log_kinds[AUDIT_PORT_STATE].lines)
#define WINDOW_USEC (10 * USEC_PER_SEC)

static bool has_capacity;

bool __wrap_log_has_capacity(void);
bool __wrap_audit_has_capacity(void);

bool __wrap_log_has_capacity(void)
{
	return has_capacity;
}

bool __wrap_audit_has_capacity(void)
{
	return has_capacity;
}

struct own {
	struct log_catcher log;
	struct links *links;
	struct port *port, *other;
};

static struct port *make_port(struct links *links, const char *name, int ifindex)
{
	struct port *port = links_get(links, name);

	assert_non_null(port);
	port->link.ifindex = ifindex;
	port->appl.configured = true;
	return port;
}

static int setup(void **state)
{
	struct own *x = calloc(1, sizeof(*x));

	assert_non_null(x);
	has_capacity = true;
	catcher_start(&x->log, LOG_NOTICE);
	x->links = links_new(4);
	assert_non_null(x->links);
	x->port = make_port(x->links, "Ethernet0", 7);
	x->other = make_port(x->links, "Ethernet4", 8);
	portlog_report_suppressed(x->links, true);
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct own *x = *state;

	audit_enable(false);
	catcher_stop(&x->log);
	links_free(x->links);
	free(x);
	return 0;
}

static struct row row_of(bool up, int64_t mtu)
{
	struct row row = row_nil;

	row.value[ROW_OPER] = up;
	row.value[ROW_ADMIN] = 1;
	row.value[ROW_MTU] = mtu;
	return row;
}

static void change(struct port *port, bool up)
{
	const struct row row = row_of(up, 9100);

	portlog_oper(port, &row, 1, true);
	port->row.acked = row;
}

static void flap(struct port *port, unsigned times)
{
	for (unsigned i = 0; i < times; i++)
		change(port, i % 2 == 0);
}

/* Reads the lines as they come: a socket holds few. */
static unsigned flap_and_count(struct own *x, unsigned times, const char *text)
{
	unsigned found = 0;

	for (unsigned i = 0; i < times; i++) {
		change(x->port, i % 2 == 0);
		found += catcher_count(&x->log, text);
	}
	return found;
}

/* The window of the port's limit is over. */
static void window_ends(struct port *port)
{
	assert_true(port->log.since > 0);
	port->log.since -= WINDOW_USEC;
}

static void next_is(struct own *x, const char *text)
{
	assert_true(catcher_next(&x->log));
	if (!strstr(x->log.line, text))
		assert_string_equal(x->log.line, text);
}

static void nothing_is_said(struct own *x)
{
	if (catcher_next(&x->log))
		assert_string_equal(x->log.line, "");
}

static void a_change_is_upstreams_line(void **state)
{
	struct own *x = *state;

	change(x->port, true);
	next_is(x, ":- onMsg: Publish Ethernet0(ok:up) to state db");
	change(x->port, false);
	next_is(x, ":- onMsg: Publish Ethernet0(ok:down) to state db");
	nothing_is_said(x);
	assert_int_equal(portlog_due(), 0);
}

static void a_port_that_flaps_does_not_hide_another(void **state)
{
	struct own *x = *state;

	flap(x->port, PER_PORT + 5);
	change(x->other, true);
	for (unsigned i = 0; i < PER_PORT; i++)
		next_is(x, "Publish Ethernet0(ok:");
	next_is(x, "Publish Ethernet4(ok:up)");
	nothing_is_said(x);
	assert_true(portlog_due() > now_usec());
	assert_true(portlog_due() <= now_usec() + WINDOW_USEC);
}

/* Whoever follows the log knows in the end what is true. */
static void the_last_state_comes_once_the_limit_allows_it(void **state)
{
	struct own *x = *state;

	assert_int_equal(flap_and_count(x, PER_PORT + 4, "Publish"), PER_PORT);
	portlog_report_suppressed(x->links, false);
	nothing_is_said(x);
	assert_true(portlog_due() > 0);
	window_ends(x->port);
	portlog_report_suppressed(x->links, false);
	next_is(x, "Publish Ethernet0(ok:down) to state db");
	nothing_is_said(x);
	assert_int_equal(portlog_due(), 0);
	portlog_report_suppressed(x->links, true);
	nothing_is_said(x);
}

static void at_the_end_nothing_waits_for_its_window(void **state)
{
	struct own *x = *state;

	assert_int_equal(flap_and_count(x, PER_PORT + 3, "Publish"), PER_PORT);
	portlog_report_suppressed(x->links, true);
	next_is(x, "Publish Ethernet0(ok:up) to state db");
	nothing_is_said(x);
}

static void the_next_change_comes_behind_what_was_suppressed(void **state)
{
	struct own *x = *state;

	assert_int_equal(flap_and_count(x, PER_PORT + 2, "Publish"), PER_PORT);
	window_ends(x->port);
	change(x->port, true);
	next_is(x, "(ok:down)");
	next_is(x, "(ok:up)");
	nothing_is_said(x);
}

/* syslog has no fields: the record has a line of its own. */
static void a_change_is_a_record_as_well(void **state)
{
	struct own *x = *state;

	audit_enable(true);
	change(x->port, true);
	next_is(x, "Publish Ethernet0(ok:up)");
	next_is(x, "event=port_state_change");
	assert_non_null(strstr(x->log.line, "Ethernet0: oper up"));
	nothing_is_said(x);
}

/* It says nothing new, which is no event for the trail. */
static void a_row_that_is_repeated_is_a_line_only(void **state)
{
	struct own *x = *state;
	const struct row row = row_of(true, 9100);

	audit_enable(true);
	portlog_oper(x->port, &row, 1, false);
	next_is(x, "Publish Ethernet0(ok:up)");
	nothing_is_said(x);
}

static void records_that_were_suppressed_are_counted(void **state)
{
	struct own *x = *state;

	audit_enable(true);
	assert_int_equal(flap_and_count(x, PER_PORT + 5, "event=port_state_change"), PER_PORT);
	portlog_report_suppressed(x->links, true);
	next_is(x, "port_state_change: Ethernet0: 5 similar records suppressed; oper up now");
	next_is(x, "Publish Ethernet0(ok:up)");
	nothing_is_said(x);
}

static void a_port_whose_row_went_meanwhile_has_no_line(void **state)
{
	struct own *x = *state;

	audit_enable(true);
	(void)flap_and_count(x, PER_PORT + 1, "");
	x->port->row.acked = row_nil;
	portlog_report_suppressed(x->links, true);
	next_is(x, "1 similar records suppressed; without a row now");
	nothing_is_said(x);
}

/* Of a log that takes nothing now: later, at the end in one line for all. */
static void without_capacity_it_comes_later(void **state)
{
	struct own *x = *state;

	audit_enable(true);
	has_capacity = false;
	change(x->port, true);
	change(x->other, true);
	change(x->other, false);
	nothing_is_said(x);
	assert_true(portlog_due() > 0);
	portlog_report_suppressed(x->links, false);
	nothing_is_said(x);
	assert_true(portlog_due() > 0);
	portlog_report_suppressed(x->links, true);
	next_is(x, "port_state_change: 3 similar records of 2 other ports suppressed");
	nothing_is_said(x);
	assert_int_equal(portlog_due(), 0);
}

static void who_wants_to_know_nothing_is_not_counted(void **state)
{
	struct own *x = *state;
	const struct row row = row_of(true, 9100);

	log_set_level(LOG_WARNING);
	flap(x->port, PER_PORT + 1);
	portlog_settings(x->port, &row, 1);
	portlog_deleted(x->port, &row, 1);
	nothing_is_said(x);
	assert_int_equal(x->port->log.held, 0);
	assert_int_equal(portlog_due(), 0);
}

static void settings_are_for_info(void **state)
{
	struct own *x = *state;
	const struct row row = row_of(true, 1500);

	portlog_settings(x->port, &row, 1);
	nothing_is_said(x);
	log_set_level(LOG_INFO);
	portlog_settings(x->port, &row, 1);
	next_is(x, "Ethernet0: admin up, mtu 1500");
	nothing_is_said(x);
}

static void a_deletion_says_why(void **state)
{
	struct own *x = *state;
	const struct row row = row_of(true, 9100);

	audit_enable(true);
	portlog_deleted(x->port, &row, 1);
	next_is(x, ":- onMsg: Delete Ethernet0(ok) from state db");
	next_is(x, "Ethernet0: deleted, the row is written again");
	x->port->link.gone_ifindex = x->port->link.ifindex;
	x->port->link.ifindex = 0;
	portlog_deleted(x->port, &row, 2);
	next_is(x, "Delete Ethernet0(ok)");
	next_is(x, "Ethernet0: deleted, the link is gone");
	nothing_is_said(x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_change_is_upstreams_line),
		TEST(a_port_that_flaps_does_not_hide_another),
		TEST(the_last_state_comes_once_the_limit_allows_it),
		TEST(at_the_end_nothing_waits_for_its_window),
		TEST(the_next_change_comes_behind_what_was_suppressed),
		TEST(a_change_is_a_record_as_well),
		TEST(a_row_that_is_repeated_is_a_line_only),
		TEST(records_that_were_suppressed_are_counted),
		TEST(a_port_whose_row_went_meanwhile_has_no_line),
		TEST(without_capacity_it_comes_later),
		TEST(who_wants_to_know_nothing_is_not_counted),
		TEST(settings_are_for_info),
		TEST(a_deletion_says_why),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
