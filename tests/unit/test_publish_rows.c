/* SPDX-License-Identifier: Apache-2.0 */
/* The rows that STATE_DB has: what is believed of them, repaired, and left alone. */
#include "publish_fixture.h"

static void drift_is_repaired_and_counted(void **state)
{
	struct fixture *x = *state;

	start_with_port(x, 9100);
	reconcile(x);
	read_back(x, HOLDS("1500"));
	expect(x, "HSET " ROW_KEY " mtu 9100");
	assert_int_equal(publish_stats(x->own->publish)->drift, 1);
	assert_int_equal(publish_stats(x->own->publish)->repaired, 0);
	answer(x, TAKEN);
	expect_silence(x);
	assert_int_equal(publish_stats(x->own->publish)->repaired, 1);
	(void)expect_change(x, "up/up/1500", "up/up/9100", ROW_BIT(ROW_MTU));
	reconcile(x);
	read_back(x, HOLDS("9100"));
	expect_silence(x);
	assert_int_equal(publish_stats(x->own->publish)->drift, 1);
	assert_int_equal(publish_stats(x->own->publish)->repaired, 1);
}

/* We changed the row while the question was on its way: its answer is older than what we know. */
static void a_read_that_crossed_a_write_is_not_believed(void **state)
{
	struct fixture *x = *state;

	start_with_port(x, 9100);
	reconcile(x);
	expect(x, SCAN);
	fake_send(&x->server, ONE_KEY);
	expect(x, HMGET);
	link_is(x, RTM_NEWLINK, 1500);
	turn(x);
	expect(x, "HSET " ROW_KEY " mtu 1500");
	answer(x, HOLDS("9100"));
	answer(x, TAKEN);
	expect_silence(x);
	assert_int_equal(publish_stats(x->own->publish)->drift, 0);
}

/* The row was read between the write and its refusal: it says what it was, and the whole row is written again. */
static void a_read_behind_a_refused_write_is_not_believed(void **state)
{
	struct fixture *x = *state;

	start_with_port(x, 9100);
	reconcile(x);
	expect(x, SCAN);
	link_is(x, RTM_NEWLINK, 1500);
	turn(x);
	expect(x, "HSET " ROW_KEY " mtu 1500");
	fake_send(&x->server, ONE_KEY);
	expect(x, HMGET);
	fake_send(&x->server, OOM);
	fake_send(&x->server, HOLDS("9100"));
	RUN_UNTIL(x->event, publish_stats(x->own->publish)->reconciliations == 2);
	RUN_UNTIL(x->event, links_any_dirty(x->own->links));
	turn(x);
	expect(x, FULL("1500"));
	answer(x, TAKEN);
	expect_silence(x);
	(void)expect_change(x, "up/up/9100", "up/up/1500", ROW_BIT(ROW_MTU));
}

static void a_refused_scan_is_no_reading(void **state)
{
	struct fixture *x = *state;

	configured_link(x, 9100);
	publish_ready(x->own->publish);
	conn_flush(x->conn);
	expect(x, SCAN);
	fake_send(&x->server, "-LOADING Redis is loading the dataset in memory\r\n");
	RUN_UNTIL(x->event, conn_in_flight(x->conn) == 0);
	RUN_UNTIL(x->event, conn_in_flight(x->conn) == 1); /* it is tried again */
	conn_flush(x->conn);
	expect(x, SCAN);
	assert_int_equal(publish_stats(x->own->publish)->reconciliations, 0);
	turn(x);
	fake_send(&x->server, ONE_KEY);
	expect(x, HMGET);
	fake_send(&x->server, HOLDS("9100"));
	RUN_UNTIL(x->event, publish_stats(x->own->publish)->reconciliations == 1);
	turn(x);
	expect(x, FULL("9100"));
	answer(x, TAKEN);
}

static void rows_of_no_port_are_not_read(void **state)
{
	struct fixture *x = *state;

	publish_ready(x->own->publish);
	conn_flush(x->conn);
	expect(x, SCAN);
	fake_send(&x->server, "*2\r\n$1\r\n0\r\n*2\r\n$15\r\nPORT_TABLE|eth0\r\n$11\r\nPORT_TABLE|\r\n");
	RUN_UNTIL(x->event, publish_stats(x->own->publish)->reconciliations == 1);
	expect_silence(x);
}

static void what_is_no_hash_is_replaced(void **state)
{
	struct fixture *x = *state;

	configured_link(x, 9100);
	start(x, WRONGTYPE);
	expect(x, "DEL " ROW_KEY ";" FULL("9100"));
	answer(x, ":1\r\n" TAKEN);
	expect_silence(x);
	(void)expect_change(x, NO_ROW, "up/up/9100", ROW_ALL);
	expect_no_change(x);
}

static void a_row_of_an_earlier_run_is_deleted(void **state)
{
	struct fixture *x = *state;

	start(x, HOLDS("9100"));
	expect(x, "DEL " ROW_KEY);
	answer(x, ":1\r\n");
	expect_silence(x);
	assert_int_equal(publish_stats(x->own->publish)->orphans, 1);
}

/* R15, S15: what does not hold netdev_oper_status is somebody else's. */
static void a_row_of_others_is_left_alone(void **state)
{
	struct fixture *x = *state;

	start(x, "*4\r\n$2\r\nok\r\n" NIL NIL NIL);
	expect_silence(x);
	link_is(x, RTM_NEWLINK, 9100);
	turn(x);
	assert_int_equal(x->own->unknown, 1);
	link_is(x, RTM_DELLINK, 9100);
	turn(x);
	expect_silence(x);
}

static void after_a_loss_the_row_is_read_and_written_once(void **state)
{
	struct fixture *x = *state;

	start_with_port(x, 9100);
	reconnect(x);
	publish_lost(x->own->publish);
	link_is(x, RTM_NEWLINK, 1500);
	turn(x);
	expect_silence(x);
	start(x, HOLDS("9100"));
	expect(x, FULL("1500"));
	answer(x, TAKEN);
	expect_silence(x);
	(void)expect_change(x, "up/up/9100", "up/up/1500", ROW_BIT(ROW_MTU));
	expect_no_change(x);
}

/* An emptied database, or one that forgot our last writes, is not somebody's doing. */
static void what_a_loss_took_is_no_drift(void **state)
{
	struct fixture *x = *state;

	start_with_port(x, 9100);
	reconnect(x);
	publish_lost(x->own->publish);
	start(x, HOLDS("1500"));
	expect(x, FULL("9100"));
	answer(x, TAKEN);
	assert_int_equal(publish_stats(x->own->publish)->drift, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_read_behind_a_refused_write_is_not_believed),
		TEST(a_refused_scan_is_no_reading),
		TEST(rows_of_no_port_are_not_read),
		TEST(what_a_loss_took_is_no_drift),
		TEST(drift_is_repaired_and_counted),
		TEST(a_read_that_crossed_a_write_is_not_believed),
		TEST(what_is_no_hash_is_replaced),
		TEST(a_row_of_an_earlier_run_is_deleted),
		TEST(a_row_of_others_is_left_alone),
		TEST(after_a_loss_the_row_is_read_and_written_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
