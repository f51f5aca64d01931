/* SPDX-License-Identifier: Apache-2.0 */
#include "sonic/appl_ports.h"

#include <string.h>

#include "conn_fixture.h"

#define SCAN(cursor)                                                                                                   \
	"*8\r\n$4\r\nSCAN\r\n$1\r\n" cursor "\r\n$5\r\nMATCH\r\n$12\r\nPORT_TABLE:*\r\n$5\r\nCOUNT\r\n$3\r\n512\r\n"   \
	"$4\r\nTYPE\r\n$4\r\nhash\r\n"
#define SCANNED(cursor, n, keys) "*2\r\n$1\r\n" cursor "\r\n*" n "\r\n" keys
#define KEY(len, name) "$" len "\r\nPORT_TABLE:" name "\r\n"
#define DONE KEY("25", "PortConfigDone")
#define HLEN(len, name) "*2\r\n$4\r\nHLEN\r\n" KEY(len, name)
#define ETH(n) "Ethernet" n

struct own {
	struct links *links;
	struct appl_ports *ports;
};

static void ready(void *user)
{
	struct fixture *x = user;

	x->ready++;
	appl_ports_ready(x->own->ports);
}

static void lost(void *user)
{
	struct fixture *x = user;

	x->lost++;
	appl_ports_lost(x->own->ports);
}

static int setup(void **state)
{
	static const struct conn_ops ops = {.ready = ready, .lost = lost};
	struct fixture *x = fixture_new("APPL_DB", LOG_NOTICE, sizeof(struct own));

	x->ops = &ops;
	x->opt.max_in_flight = 3;
	x->own->links = links_new(8);
	fake_listen(&x->server);
	open_conn(x);
	assert_int_equal(appl_ports_new(&x->own->ports, x->event, x->own->links, x->conn, ":"), 0);
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *x = *state;

	conn_free(x->conn);
	appl_ports_free(x->own->ports);
	links_free(x->own->links);
	fixture_free(x);
	return 0;
}

/* As the daemon's turn. */
static void turn(struct fixture *x)
{
	appl_ports_turn(x->own->ports);
	conn_flush(x->conn);
}

static void settle(struct fixture *x)
{
	RUN_UNTIL(x->event, conn_in_flight(x->conn) == 0);
	turn(x);
}

static void start(struct fixture *x, const char *scanned)
{
	RUN_UNTIL(x->event, x->ready == 1);
	conn_flush(x->conn);
	expect_and_answer(x, SCAN("0"), scanned);
	settle(x);
	assert_true(appl_ports_known(x->own->ports));
}

static void notify(struct fixture *x, const char *name, const char *what)
{
	char channel[80];

	(void)snprintf(channel, sizeof(channel), "__keyspace@0__:PORT_TABLE:%s", name);
	appl_ports_message(x->own->ports,
			   &(struct resp_value){.type = RESP_STRING, .str = channel, .len = strlen(channel)},
			   &(struct resp_value){.type = RESP_STRING, .str = (char *)what, .len = strlen(what)});
}

static bool configured(struct fixture *x, const char *name)
{
	const struct port *port = links_find(x->own->links, name);

	return port && port->appl.configured;
}

static void audit(struct fixture *x)
{
	appl_ports_reconcile(x->own->ports);
	conn_flush(x->conn);
}

/* The pipeline has capacity for three: the others are asked for when it has capacity, not at the next reconciliation.
 */
static void lookups_without_capacity_are_owed(void **state)
{
	static const char *const names[] = {ETH("0"), ETH("1"), ETH("2"), ETH("3"), ETH("4"), ETH("5")};
	struct fixture *x = *state;

	start(x, SCANNED("0", "1", DONE));
	appl_ports_subscribed(x->own->ports, false);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		notify(x, names[i], "hset");
	assert_false(appl_ports_settled(x->own->ports));
	conn_flush(x->conn);
	expect_and_answer(x, HLEN("20", ETH("0")) HLEN("20", ETH("1")) HLEN("20", ETH("2")), ":3\r\n:3\r\n:0\r\n");
	settle(x);
	expect_and_answer(x, HLEN("20", ETH("3")) HLEN("20", ETH("4")) HLEN("20", ETH("5")), ":3\r\n:3\r\n:3\r\n");
	settle(x);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		assert_int_equal(configured(x, names[i]), i != 2);
	assert_true(appl_ports_settled(x->own->ports));
	assert_int_equal(appl_ports_rows(x->own->ports), 5);
	expect_silence(x);
}

/* Others hold all of the capacity. */
static void a_scan_without_capacity_is_owed(void **state)
{
	struct fixture *x = *state;
	size_t taken;

	start(x, SCANNED("0", "1", DONE));
	taken = take_capacity(x);
	audit(x);
	turn(x);
	give_capacity(x, taken);
	turn(x);
	expect_and_answer(x, SCAN("0"), SCANNED("0", "2", DONE KEY("20", ETH("0"))));
	settle(x);
	assert_true(configured(x, ETH("0")));
	expect_silence(x);
}

/* The cursor was past its place when it came. */
static void a_row_that_comes_during_a_scan_is_not_forgotten(void **state)
{
	struct fixture *x = *state;

	start(x, SCANNED("0", "1", DONE));
	audit(x);
	expect_and_answer(x, SCAN("0"), SCANNED("7", "1", DONE));
	RUN_UNTIL(x->event, fake_got(&x->server, SCAN("7")));
	notify(x, ETH("0"), "hset");
	conn_flush(x->conn);
	expect_and_answer(x, SCAN("7") HLEN("20", ETH("0")), SCANNED("9", "0", "") ":3\r\n");
	expect_and_answer(x, SCAN("9"), SCANNED("0", "0", ""));
	settle(x);
	assert_true(configured(x, ETH("0")));
	assert_int_equal(appl_ports_rows(x->own->ports), 1);
	expect_silence(x);
}

/* As SCAN may: the row went and came while it ran. Where it is gone for good, it is forgotten. */
static void a_row_that_a_scan_misses_is_asked_for(void **state)
{
	static const char scanned[] = SCANNED("0", "1", DONE);
	struct fixture *x = *state;

	start(x, SCANNED("0", "3", DONE KEY("20", ETH("0")) KEY("20", ETH("1"))));
	audit(x);
	expect_and_answer(x, SCAN("0"), scanned);
	RUN_UNTIL(x->event, conn_in_flight(x->conn) == 2);
	assert_int_equal(appl_ports_rows(x->own->ports), 2);
	assert_false(appl_ports_settled(x->own->ports));
	expect_and_answer(x, HLEN("20", ETH("0")) HLEN("20", ETH("1")), ":2\r\n:0\r\n");
	settle(x);
	assert_true(configured(x, ETH("0")));
	assert_false(configured(x, ETH("1")));
	assert_int_equal(appl_ports_rows(x->own->ports), 1);
}

/* SCAN says that it may. */
static void a_key_that_is_reported_twice_counts_once(void **state)
{
	struct fixture *x = *state;

	RUN_UNTIL(x->event, x->ready == 1);
	conn_flush(x->conn);
	expect_and_answer(x, SCAN("0"), SCANNED("7", "3", DONE KEY("18", "Inband0") KEY("20", ETH("0"))));
	expect_and_answer(
		x, SCAN("7"),
		SCANNED("0", "4", KEY("18", "Inband0") KEY("20", ETH("0")) KEY("18", "Recirc0") KEY("18", "Recirc0")));
	settle(x);
	assert_int_equal(appl_ports_rows(x->own->ports), 3);
}

/* The answer may be older than the second event. */
static void an_event_during_a_look_up_is_looked_up_again(void **state)
{
	struct fixture *x = *state;

	start(x, SCANNED("0", "1", DONE));
	appl_ports_subscribed(x->own->ports, false);
	notify(x, ETH("0"), "hset");
	conn_flush(x->conn);
	fake_expect(&x->server, HLEN("20", ETH("0")));
	notify(x, ETH("0"), "hset");
	fake_send(&x->server, ":0\r\n");
	expect_and_answer(x, HLEN("20", ETH("0")), ":3\r\n");
	settle(x);
	assert_true(configured(x, ETH("0")));
}

/* Redis answers in the order of the commands: what was asked for after a DEL is news to an older answer of SCAN. */
static void a_deletion_beats_an_older_scan(void **state)
{
	struct fixture *x = *state;

	start(x, SCANNED("0", "2", DONE KEY("20", ETH("0"))));
	audit(x);
	fake_expect(&x->server, SCAN("0"));
	notify(x, ETH("0"), "del");
	conn_flush(x->conn);
	fake_expect(&x->server, HLEN("20", ETH("0")));
	fake_send(&x->server, SCANNED("0", "2", DONE KEY("20", ETH("0"))) ":0\r\n");
	settle(x);
	assert_false(configured(x, ETH("0")));
	assert_int_equal(appl_ports_rows(x->own->ports), 0);
}

/* SCAN goes through all keys of APPL_DB, whosever they are. */
static void where_redis_notifies_reconciliations_rarely_scan(void **state)
{
	struct fixture *x = *state;

	start(x, SCANNED("0", "1", DONE));
	appl_ports_subscribed(x->own->ports, true);
	conn_flush(x->conn);
	expect_and_answer(x, SCAN("0"), SCANNED("0", "1", DONE));
	settle(x);
	audit(x);
	expect_and_answer(x, SCAN("0"), SCANNED("0", "1", DONE)); /* no notification has come: are there any? */
	settle(x);
	notify(x, ETH("0"), "hset");
	conn_flush(x->conn);
	expect_and_answer(x, HLEN("20", ETH("0")), ":3\r\n");
	settle(x);
	audit(x);
	expect_silence(x);
	notify(x, "Inband0", "hset");
	audit(x);
	expect_and_answer(x, SCAN("0"), SCANNED("0", "3", DONE KEY("20", ETH("0")) KEY("18", "Inband0")));
	settle(x);
	assert_int_equal(appl_ports_rows(x->own->ports), 2);
	audit(x);
	expect_silence(x);
	appl_ports_subscribed(x->own->ports, false);
	audit(x);
	expect_and_answer(x, SCAN("0"), SCANNED("0", "3", DONE KEY("20", ETH("0")) KEY("18", "Inband0")));
	settle(x);
}

static struct port *has_link(struct fixture *x, const char *name)
{
	struct port *port = links_get(x->own->links, name);

	assert_non_null(port);
	port->link.ifindex = 1;
	return port;
}

/* If Redis sends no notifications, a link without a row is looked up with back-off until its row is there. */
static void a_link_without_a_row_is_looked_up_until_it_has_one(void **state)
{
	struct fixture *x = *state;
	struct port *port = has_link(x, ETH("0"));

	start(x, SCANNED("0", "1", DONE));
	appl_ports_wait(x->own->ports, port);
	conn_flush(x->conn);
	for (unsigned i = 0; i < 3; i++) {
		expect_and_answer(x, HLEN("20", ETH("0")), ":0\r\n");
		settle(x);
		RUN_UNTIL(x->event, conn_in_flight(x->conn) > 0);
		conn_flush(x->conn);
	}
	expect_and_answer(x, HLEN("20", ETH("0")), ":2\r\n");
	settle(x);
	assert_true(configured(x, ETH("0")));
	assert_false(list_linked(&port->lookup.waiting));
	assert_int_equal(appl_ports_rows(x->own->ports), 1);
	assert_ptr_equal(links_pop_dirty(x->own->links), port);
}

/* If it does, one look-up is enough: the row may have come between the last scan and the link. */
static void where_redis_notifies_a_link_is_looked_up_once(void **state)
{
	struct fixture *x = *state;
	struct port *port = has_link(x, ETH("0"));

	start(x, SCANNED("0", "1", DONE));
	appl_ports_subscribed(x->own->ports, true);
	conn_flush(x->conn);
	expect_and_answer(x, SCAN("0"), SCANNED("0", "1", DONE));
	settle(x);
	notify(x, ETH("4"), "hset");
	conn_flush(x->conn);
	expect_and_answer(x, HLEN("20", ETH("4")), ":0\r\n");
	settle(x);
	appl_ports_wait(x->own->ports, port);
	conn_flush(x->conn);
	expect_and_answer(x, HLEN("20", ETH("0")), ":0\r\n");
	settle(x);
	appl_ports_wait(x->own->ports, port);
	expect_silence(x);
	notify(x, ETH("0"), "hset");
	conn_flush(x->conn);
	expect_and_answer(x, HLEN("20", ETH("0")), ":2\r\n");
	settle(x);
	assert_true(configured(x, ETH("0")));
}

/* The answer on its way may be older than the change. */
static void a_row_that_changes_while_it_is_looked_up_is_looked_up_again(void **state)
{
	struct fixture *x = *state;

	start(x, SCANNED("0", "1", DONE));
	notify(x, ETH("0"), "hset");
	conn_flush(x->conn);
	fake_expect(&x->server, HLEN("20", ETH("0")));
	notify(x, ETH("0"), "del");
	conn_flush(x->conn);
	fake_send(&x->server, ":3\r\n");
	expect_and_answer(x, HLEN("20", ETH("0")), ":0\r\n");
	settle(x);
	assert_false(configured(x, ETH("0")));
	expect_silence(x);
}

/* An emptied database says nothing about ports: startup pushes the table again. */
static void an_emptied_table_takes_no_port_away(void **state)
{
	struct fixture *x = *state;

	start(x, SCANNED("0", "2", DONE KEY("20", ETH("0"))));
	audit(x);
	expect_and_answer(x, SCAN("0"), SCANNED("0", "0", ""));
	settle(x);
	expect_silence(x);
	assert_true(configured(x, ETH("0")));
	audit(x);
	expect_and_answer(x, SCAN("0"), SCANNED("0", "1", DONE));
	expect_and_answer(x, HLEN("20", ETH("0")), ":0\r\n");
	settle(x);
	assert_false(configured(x, ETH("0")));
}

static void a_key_of_another_type_is_not_a_row_and_a_refusal_says_nothing(void **state)
{
	struct fixture *x = *state;

	start(x, SCANNED("0", "3", DONE KEY("20", ETH("0")) KEY("20", ETH("4"))));
	audit(x);
	expect_and_answer(x, SCAN("0"), SCANNED("0", "1", DONE));
	expect_and_answer(x, HLEN("20", ETH("0")) HLEN("20", ETH("4")), WRONGTYPE OOM);
	settle(x);
	assert_int_equal(configured(x, ETH("0")) + configured(x, ETH("4")), 1);
	assert_int_equal(catcher_count(&x->log, "cannot be looked up: OOM"), 1);
}

/* Nothing is known before the first scan: it is tried again unasked. */
static void a_refused_scan_is_tried_again(void **state)
{
	struct fixture *x = *state;

	RUN_UNTIL(x->event, x->ready == 1);
	conn_flush(x->conn);
	expect_and_answer(x, SCAN("0"), "-BUSY no\r\n");
	settle(x);
	assert_false(appl_ports_known(x->own->ports));
	RUN_UNTIL(x->event, conn_in_flight(x->conn) > 0);
	conn_flush(x->conn);
	expect_and_answer(x, SCAN("0"), SCANNED("0", "2", DONE KEY("20", ETH("0"))));
	settle(x);
	assert_true(appl_ports_known(x->own->ports));
	assert_true(configured(x, ETH("0")));
	assert_int_equal(catcher_count(&x->log, "PORT_TABLE:*: cannot be scanned: BUSY no"), 1);
}

/* As from a proxy that is in the way. A key that is no text is left out, and the others count. */
static void an_answer_that_is_no_scan_is_none(void **state)
{
	static const char *const answers[] = {
		":1\r\n",
		"$1\r\n0\r\n",
		"*1\r\n$1\r\n0\r\n",
		"*2\r\n:0\r\n*0\r\n",
		"*2\r\n$1\r\n0\r\n$1\r\n0\r\n",
		"*2\r\n$24\r\n000000000000000000000000\r\n*0\r\n",
	};
	struct fixture *x = *state;

	RUN_UNTIL(x->event, x->ready == 1);
	for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
		conn_flush(x->conn);
		expect_and_answer(x, SCAN("0"), answers[i]);
		settle(x);
		assert_false(appl_ports_known(x->own->ports));
		RUN_UNTIL(x->event, conn_in_flight(x->conn) > 0);
	}
	conn_flush(x->conn);
	expect_and_answer(x, SCAN("0"), SCANNED("0", "3", ":7\r\n" DONE KEY("20", ETH("0"))));
	settle(x);
	assert_true(appl_ports_known(x->own->ports));
	assert_int_equal(appl_ports_rows(x->own->ports), 1);
	assert_true(configured(x, ETH("0")));
}

/* What was learned stays, and is looked at again. */
static void after_a_loss_all_is_read_again(void **state)
{
	struct fixture *x = *state;

	start(x, SCANNED("0", "2", DONE KEY("20", ETH("0"))));
	notify(x, ETH("4"), "hset");
	conn_flush(x->conn);
	fake_expect(&x->server, HLEN("20", ETH("4")));
	reconnect(x);
	assert_false(appl_ports_known(x->own->ports));
	assert_true(configured(x, ETH("0")));
	conn_flush(x->conn);
	expect_and_answer(x, SCAN("0"), SCANNED("0", "2", DONE KEY("20", ETH("4"))));
	expect_and_answer(x, HLEN("20", ETH("0")), ":0\r\n");
	settle(x);
	assert_false(configured(x, ETH("0")));
	assert_true(configured(x, ETH("4")));
	assert_true(appl_ports_settled(x->own->ports));
}

static void the_pattern_is_that_of_the_table(void **state)
{
	char pattern[64];

	(void)state;
	assert_string_equal(appl_ports_pattern(pattern, sizeof(pattern), ":", 0), "__keyspace@0__:PORT_TABLE:*");
	assert_string_equal(appl_ports_pattern(pattern, sizeof(pattern), "|", 17), "__keyspace@17__:PORT_TABLE|*");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(lookups_without_capacity_are_owed),
		TEST(a_scan_without_capacity_is_owed),
		TEST(a_row_that_comes_during_a_scan_is_not_forgotten),
		TEST(a_row_that_a_scan_misses_is_asked_for),
		TEST(a_key_that_is_reported_twice_counts_once),
		TEST(an_event_during_a_look_up_is_looked_up_again),
		TEST(a_deletion_beats_an_older_scan),
		TEST(where_redis_notifies_reconciliations_rarely_scan),
		TEST(a_link_without_a_row_is_looked_up_until_it_has_one),
		TEST(where_redis_notifies_a_link_is_looked_up_once),
		TEST(a_row_that_changes_while_it_is_looked_up_is_looked_up_again),
		TEST(an_emptied_table_takes_no_port_away),
		TEST(a_key_of_another_type_is_not_a_row_and_a_refusal_says_nothing),
		TEST(a_refused_scan_is_tried_again),
		TEST(an_answer_that_is_no_scan_is_none),
		TEST(after_a_loss_all_is_read_again),
		TEST(the_pattern_is_that_of_the_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
