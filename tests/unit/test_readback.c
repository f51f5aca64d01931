/* SPDX-License-Identifier: Apache-2.0 */
#include "sonic/readback.h"

#include <errno.h>
#include <string.h>

#include "conn_fixture.h"

#define SCAN "*6\r\n$4\r\nSCAN\r\n$1\r\n0\r\n$5\r\nMATCH\r\n$12\r\nPORT_TABLE|*\r\n$5\r\nCOUNT\r\n$3\r\n512\r\n"
#define SCANNED(n, keys) "*2\r\n$1\r\n0\r\n*" n "\r\n" keys
#define KEY(len, name) "$" len "\r\nPORT_TABLE|" name "\r\n"
#define READ(len, name)                                                                                                \
	"*6\r\n$5\r\nHMGET\r\n" KEY(len, name) "$5\r\nstate\r\n$18\r\nnetdev_oper_status\r\n$12\r\nadmin_status\r\n"   \
					       "$3\r\nmtu\r\n"
#define KEY0 KEY("20", "Ethernet0")
#define KEY4 KEY("20", "Ethernet4")
#define READ0 READ("20", "Ethernet0")
#define READ4 READ("20", "Ethernet4")
#define HOLDS(mtu) "*4\r\n$2\r\nok\r\n$2\r\nup\r\n$4\r\ndown\r\n$4\r\n" mtu "\r\n"
#define HOLDS_NOTHING "*4\r\n" NIL NIL NIL NIL
#define MANY 100
#define AT_ONCE 64

/* What was reported of a row; "" for a name: nothing. */
struct reported {
	char port[IFNAMSIZ];
	bool is_hash;
	struct row row;
	uint32_t generation;
};

struct own {
	struct links *links;
	struct readback *readback;
	struct reported reported[MANY];
	size_t rows;
	unsigned ends;
	bool complete;
};

static void on_row_read(struct port *port, const struct row *row, uint32_t generation, void *user)
{
	struct own *own = user;
	struct reported *reported = &own->reported[own->rows++];

	assert_true(own->rows <= MANY);
	(void)snprintf(reported->port, sizeof(reported->port), "%s", port->name);
	reported->is_hash = row != NULL;
	if (row)
		reported->row = *row;
	reported->generation = generation;
}

static void on_done(bool complete, void *user)
{
	struct own *own = user;

	own->ends++;
	own->complete = complete;
}

static int setup(void **state)
{
	static const struct readback_ops ops = {.row = on_row_read, .done = on_done};
	struct fixture *x = fixture_new("STATE_DB", LOG_NOTICE, sizeof(struct own));

	x->opt.max_in_flight = 200;
	connect_now(x);
	x->own->links = links_new(4);
	x->own->readback = readback_new(x->own->links, x->conn, "|", &ops, x->own);
	assert_non_null(x->own->readback);
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *x = *state;

	conn_free(x->conn);
	readback_free(x->own->readback);
	links_free(x->own->links);
	fixture_free(x);
	return 0;
}

static void start(struct fixture *x, const char *scanned)
{
	x->own->rows = 0;
	x->own->ends = 0;
	assert_int_equal(readback_start(x->own->readback), 0);
	conn_flush(x->conn);
	expect_and_answer(x, SCAN, scanned);
}

static void wait_end(struct fixture *x, bool complete)
{
	RUN_UNTIL(x->event, x->own->ends > 0);
	assert_int_equal(x->own->ends, 1);
	assert_int_equal(x->own->complete, complete);
}

/* A port of the model: something waits for its row. */
static struct port *know(struct fixture *x, const char *name)
{
	struct port *port = links_get(x->own->links, name);

	assert_non_null(port);
	port->appl.configured = true;
	return port;
}

static void reported_is(const struct reported *reported, const char *port, int64_t mtu)
{
	assert_string_equal(reported->port, port);
	assert_true(reported->is_hash);
	assert_int_equal(reported->row.value[ROW_MTU], mtu);
}

static void rows_of_earlier_runs_and_of_known_ports_are_read(void **state)
{
	struct fixture *x = *state;

	know(x, "Ethernet4")->row.generation = 7;
	start(x, SCANNED("1", KEY0));
	expect_and_answer(x, READ0 READ4, HOLDS("9100") HOLDS_NOTHING);
	wait_end(x, true);
	assert_int_equal(x->own->rows, 2);
	reported_is(&x->own->reported[0], "Ethernet0", 9100);
	assert_int_equal(x->own->reported[0].row.value[ROW_OPER], 1);
	assert_int_equal(x->own->reported[0].row.value[ROW_ADMIN], 0);
	assert_int_equal(x->own->reported[0].generation, 0);
	reported_is(&x->own->reported[1], "Ethernet4", ROW_NIL);
	assert_int_equal(x->own->reported[1].row.value[ROW_OPER], ROW_NIL);
	assert_int_equal(x->own->reported[1].generation, 7);
}

/* A LAG's rows are teamsyncd's, a sub-interface's are intfmgrd's. */
static void only_names_of_ports_are_read(void **state)
{
	struct fixture *x = *state;

	static const char scanned[] =
		SCANNED("5", KEY("11", "") KEY("24", "PortChannel01") KEY("27", "Ethernet12345678")
				     KEY("15", "eth0") "$21\r\nPORT_TABLE|Ethernet0\0\r\n");

	start(x, "");
	fake_send_bytes(&x->server, scanned, sizeof(scanned) - 1);
	wait_end(x, true);
	assert_int_equal(x->own->rows, 0);
	expect_silence(x);
}

static void a_key_that_scan_names_twice_is_read_once(void **state)
{
	struct fixture *x = *state;

	know(x, "Ethernet0");
	start(x, SCANNED("2", KEY0 KEY0));
	expect_and_answer(x, READ0, HOLDS("9100"));
	wait_end(x, true);
	assert_int_equal(x->own->rows, 1);
	expect_silence(x);
	start(x, SCANNED("1", KEY0));
	expect_and_answer(x, READ0, HOLDS("1500"));
	wait_end(x, true);
	reported_is(&x->own->reported[0], "Ethernet0", 1500);
}

static void a_key_that_is_not_a_hash_is_reported_as_such(void **state)
{
	struct fixture *x = *state;

	start(x, SCANNED("1", KEY0));
	expect_and_answer(x, READ0, WRONGTYPE);
	wait_end(x, true);
	assert_int_equal(x->own->rows, 1);
	assert_false(x->own->reported[0].is_hash);
	assert_false(catcher_next(&x->log));
}

/* It is written in full instead. */
static void one_row_that_is_refused_does_not_silence_the_others(void **state)
{
	struct fixture *x = *state;
	struct port *port = know(x, "Ethernet0");

	start(x, SCANNED("2", KEY0 KEY4));
	expect_and_answer(x, READ0 READ4, "-NOPERM no\r\n" HOLDS("9100"));
	wait_end(x, true);
	assert_int_equal(x->own->rows, 1);
	reported_is(&x->own->reported[0], "Ethernet4", 9100);
	assert_ptr_equal(links_pop_dirty(x->own->links), port);
	assert_int_equal(catcher_count(&x->log, "PORT_TABLE|Ethernet0: cannot be read back: NOPERM no"), 1);
}

static void an_answer_of_another_shape_is_not_believed(void **state)
{
	struct fixture *x = *state;
	struct port *port = know(x, "Ethernet0");

	start(x, SCANNED("1", KEY0));
	expect_and_answer(x, READ0, "*3\r\n" NIL NIL NIL);
	wait_end(x, true);
	assert_int_equal(x->own->rows, 0);
	assert_ptr_equal(links_pop_dirty(x->own->links), port);
}

static void a_refused_scan_ends_it_incomplete(void **state)
{
	struct fixture *x = *state;

	know(x, "Ethernet0");
	start(x, "-BUSY no\r\n");
	wait_end(x, false);
	assert_int_equal(x->own->rows, 0);
	expect_silence(x);
	assert_int_equal(catcher_count(&x->log, "PORT_TABLE|*: cannot be scanned: BUSY no"), 1);
}

static void a_lost_connection_ends_it_incomplete_and_once(void **state)
{
	struct fixture *x = *state;

	start(x, SCANNED("2", KEY0 KEY4));
	fake_expect(&x->server, READ0 READ4);
	fake_send(&x->server, HOLDS("9100"));
	RUN_UNTIL(x->event, x->own->rows == 1);
	stay_away(x);
	wait_end(x, false);
	assert_int_equal(x->own->rows, 1);
	assert_int_equal(readback_start(x->own->readback), -ENOTCONN);
	fake_listen(&x->server);
	RUN_UNTIL(x->event, x->ready == 2);
	start(x, SCANNED("1", KEY0));
	expect_and_answer(x, READ0, HOLDS("9100"));
	wait_end(x, true);
}

static void one_runs_at_a_time(void **state)
{
	struct fixture *x = *state;

	start(x, SCANNED("1", KEY0));
	assert_int_equal(readback_start(x->own->readback), -EALREADY);
	fake_expect(&x->server, READ0);
	assert_int_equal(readback_start(x->own->readback), -EALREADY);
	fake_send(&x->server, HOLDS("9100"));
	wait_end(x, true);
	expect_silence(x);
}

static size_t reads_of(const struct fixture *x)
{
	size_t n = 0;

	for (size_t i = 0; i + 5 <= x->server.len; i++)
		n += memcmp(x->server.in + i, "HMGET", 5) == 0;
	return n;
}

/* Events must not wait behind all rows of a large switch. */
static void a_few_rows_are_read_at_once(void **state)
{
	struct fixture *x = *state;

	for (int i = 0; i < MANY; i++) {
		char name[IFNAMSIZ];

		(void)snprintf(name, sizeof(name), "Ethernet%u", (unsigned)i % 1000);
		know(x, name);
	}
	start(x, SCANNED("0", ""));
	RUN_UNTIL(x->event, reads_of(x) == AT_ONCE);
	assert_int_equal(conn_in_flight(x->conn), AT_ONCE);
	for (size_t answered = 0; answered < MANY; answered++) {
		RUN_UNTIL(x->event, reads_of(x) > answered);
		fake_send(&x->server, HOLDS("9100"));
		RUN_UNTIL(x->event, x->own->rows == answered + 1);
		assert_int_equal(conn_in_flight(x->conn), MIN(AT_ONCE, MANY - answered - 1));
	}
	wait_end(x, true);
	assert_int_equal(x->own->rows, MANY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(rows_of_earlier_runs_and_of_known_ports_are_read),
		TEST(only_names_of_ports_are_read),
		TEST(a_key_that_scan_names_twice_is_read_once),
		TEST(a_key_that_is_not_a_hash_is_reported_as_such),
		TEST(one_row_that_is_refused_does_not_silence_the_others),
		TEST(an_answer_of_another_shape_is_not_believed),
		TEST(a_refused_scan_ends_it_incomplete),
		TEST(a_lost_connection_ends_it_incomplete_and_once),
		TEST(one_runs_at_a_time),
		TEST(a_few_rows_are_read_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
