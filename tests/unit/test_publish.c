/* SPDX-License-Identifier: Apache-2.0 */
/* What is written, when, and what is owed. */
#include "publish_fixture.h"

static void messages_that_change_nothing_write_nothing(void **state)
{
	struct fixture *x = *state;

	start_with_port(x, 9100);
	for (int i = 0; i < 3; i++)
		link_is(x, RTM_NEWLINK, 9100);
	turn(x);
	expect_silence(x);
	assert_int_equal(publish_owed(x->own->publish), 0);
}

/* What changed while we did not look cannot be excluded: one event, however right the row is. */
static void a_link_that_is_new_to_us_has_one_event(void **state)
{
	struct fixture *x = *state;

	configured_link(x, 9100);
	start(x, HOLDS("9100"));
	assert_int_equal(publish_owed(x->own->publish), 1);
	expect(x, FULL("9100"));
	answer(x, TAKEN);
	expect_silence(x);
	assert_int_equal(publish_owed(x->own->publish), 0);
	assert_int_equal(publish_stats(x->own->publish)->repeats, 1);
	expect_no_change(x);
}

static void only_the_difference_is_written(void **state)
{
	struct fixture *x = *state;

	start_with_port(x, 9100);
	link_is(x, RTM_NEWLINK, 1500);
	turn(x);
	expect(x, "HSET " ROW_KEY " mtu 1500");
	answer(x, TAKEN);
	expect_silence(x);
	assert_int_equal(publish_stats(x->own->publish)->repeats, 1); /* the start's */
	assert_int_equal(expect_change(x, "up/up/9100", "up/up/1500", ROW_BIT(ROW_MTU)).number, 2);
	expect_no_change(x);
}

/* intfmgrd has to put back what the kernel took away in between. */
static void what_changed_and_came_back_is_written_again(void **state)
{
	struct fixture *x = *state;

	start_with_port(x, 9100);
	link_is(x, RTM_NEWLINK, 1400);
	link_is(x, RTM_NEWLINK, 9100);
	turn(x);
	expect(x, "HSET " ROW_KEY " mtu 9100");
	flags_are(x, 0);
	flags_are(x, UP);
	turn(x);
	answer(x, TAKEN);
	expect(x, "HSET " ROW_KEY " netdev_oper_status up admin_status up");
	answer(x, TAKEN);
	expect_silence(x);
	(void)expect_change(x, "up/up/9100", "up/up/9100", ROW_BIT(ROW_MTU));
	(void)expect_change(x, "up/up/9100", "up/up/9100", ROW_BIT(ROW_OPER) | ROW_BIT(ROW_ADMIN));
	expect_no_change(x);
	assert_int_equal(publish_owed(x->own->publish), 0);
}

/* teammgrd enslaves a released member again when it hears of it. */
static void a_new_master_is_reported_by_the_state(void **state)
{
	struct fixture *x = *state;

	start_with_port(x, 9100);
	for (uint32_t master = 2; master-- > 0;) {
		master_is(x, master);
		turn(x);
		expect(x, "HSET " ROW_KEY " state ok");
		answer(x, TAKEN);
		expect_silence(x);
	}
}

/* An event is logged when Redis has acknowledged it, not when it is sent. */
static void an_event_stays_owed_until_it_is_acknowledged(void **state)
{
	struct fixture *x = *state;

	start_with_port(x, 9100);
	link_is(x, RTM_NEWLINK, 1400);
	link_is(x, RTM_NEWLINK, 9100);
	turn(x);
	expect(x, "HSET " ROW_KEY " mtu 9100");
	answer(x, OOM);
	assert_int_equal(publish_owed(x->own->publish), 1);
	reconcile(x);
	read_back(x, HOLDS("9100")); /* the row is right, the event is missing */
	RUN_UNTIL(x->event, links_any_dirty(x->own->links));
	turn(x);
	expect(x, "HSET " ROW_KEY " mtu 9100");
	assert_int_equal(publish_owed(x->own->publish), 1);
	answer(x, TAKEN);
	expect_silence(x);
	assert_int_equal(publish_owed(x->own->publish), 0);
}

static void after_a_gap_each_port_has_one_event(void **state)
{
	struct fixture *x = *state;

	start_with_port(x, 9100);
	links_doubt(x->own->links);
	links_doubt(x->own->links);
	turn(x);
	expect(x, FULL("9100"));
	answer(x, TAKEN);
	expect_silence(x);
}

static void nothing_is_written_before_it_is_enabled_or_while_held(void **state)
{
	struct fixture *x = *state;

	publish_enable(x->own->publish, false);
	configured_link(x, 9100);
	start(x, NULL);
	expect_silence(x);
	publish_enable(x->own->publish, true);
	publish_hold(x->own->publish, true);
	turn(x);
	expect_silence(x);
	publish_hold(x->own->publish, false);
	turn(x);
	expect(x, FULL("9100"));
}

/* What changes while a write is under way becomes one difference. */
static void changes_under_way_are_one_write(void **state)
{
	struct fixture *x = *state;

	configured_link(x, 9100);
	start(x, NULL);
	expect(x, FULL("9100"));
	for (uint32_t mtu = 2000; mtu < 2100; mtu++) {
		link_is(x, RTM_NEWLINK, mtu);
		turn(x);
	}
	assert_int_equal(publish_owed(x->own->publish), 1);
	answer(x, TAKEN);
	expect(x, "HSET " ROW_KEY " mtu 2099");
	answer(x, TAKEN);
	expect_silence(x);
	(void)expect_change(x, NO_ROW, "up/up/9100", ROW_ALL);
	(void)expect_change(x, "up/up/9100", "up/up/2099", ROW_BIT(ROW_MTU));
	assert_int_equal(publish_stats(x->own->publish)->sets, 2);
}

static void a_refused_write_is_done_again_in_full(void **state)
{
	unsigned int refusals = 0, recoveries = 0;
	struct fixture *x = *state;

	start_with_port(x, 1500);
	link_is(x, RTM_NEWLINK, 9100);
	turn(x);
	expect(x, "HSET " ROW_KEY " mtu 9100");
	answer(x, OOM);
	expect_silence(x);
	for (int i = 0; i < 2; i++) {
		RUN_UNTIL(x->event, links_any_dirty(x->own->links));
		turn(x);
		expect(x, FULL("9100"));
		answer(x, i == 0 ? OOM : TAKEN);
	}
	expect_silence(x);
	while (catcher_next(&x->log)) {
		refusals += strstr(x->log.line, ROW_KEY ": Redis refused the write") != NULL;
		recoveries += strstr(x->log.line, ROW_KEY ": written again after refusals") != NULL;
	}
	assert_int_equal(refusals, 1);
	assert_int_equal(recoveries, 1);
	assert_int_equal(publish_owed(x->own->publish), 0);
	(void)expect_change(x, "up/up/1500", "up/up/9100", ROW_BIT(ROW_MTU));
	expect_no_change(x);
}

/* The next refusal is a new one. */
static void the_back_off_of_a_row_ends_with_success(void **state)
{
	struct fixture *x = *state;

	start_with_port(x, 1500);
	link_is(x, RTM_NEWLINK, 9100);
	turn(x);
	expect(x, "HSET " ROW_KEY " mtu 9100");
	answer(x, OOM);
	assert_int_not_equal(links_find(x->own->links, "Ethernet0")->row.retry_ms, 0);
	RUN_UNTIL(x->event, links_any_dirty(x->own->links));
	turn(x);
	expect(x, FULL("9100"));
	answer(x, TAKEN);
	assert_int_equal(links_find(x->own->links, "Ethernet0")->row.retry_ms, 0);
}

/* Otherwise the time measured would be how long we leave Redis' answers unread. */
static void the_answer_to_a_timed_batch_is_read_at_once(void **state)
{
	struct fixture *x = *state;

	configured_link(x, 9100);
	start(x, HOLDS("9100"));
	expect(x, FULL("9100"));
	fake_send(&x->server, TAKEN);
	RUN_UNTIL(x->event, conn_in_flight(x->conn) == 0);
}

/* S16: consumers wait for the DEL. */
static void a_link_made_again_owes_the_delete(void **state)
{
	struct fixture *x = *state;

	start_with_port(x, 9100);
	link_is(x, RTM_DELLINK, 9100);
	link_is(x, RTM_NEWLINK, 9100);
	turn(x);
	expect(x, "DEL " ROW_KEY ";" FULL("9100"));
	answer(x, ":1\r\n" TAKEN);
	expect_silence(x);
	assert_int_equal(expect_change(x, "up/up/9100", NO_ROW, ROW_ALL).number, 2);
	assert_int_equal(expect_change(x, NO_ROW, "up/up/9100", ROW_ALL).number, 3);
	expect_no_change(x);
}

/* What the history has of it is the row that was there, not the one that Redis would not have. */
static void a_refused_write_and_then_no_link(void **state)
{
	struct fixture *x = *state;

	start_with_port(x, 9100);
	link_is(x, RTM_NEWLINK, 1500);
	turn(x);
	expect(x, "HSET " ROW_KEY " mtu 1500");
	answer(x, OOM);
	link_is(x, RTM_DELLINK, 1500);
	turn(x); /* too early */
	RUN_UNTIL(x->event, links_any_dirty(x->own->links));
	turn(x);
	expect(x, "DEL " ROW_KEY);
	answer(x, ":1\r\n");
	(void)expect_change(x, "up/up/9100", NO_ROW, ROW_ALL);
	link_is(x, RTM_NEWLINK, 1400);
	turn(x);
	expect(x, FULL("1400"));
	answer(x, TAKEN);
	(void)expect_change(x, NO_ROW, "up/up/1400", ROW_ALL);
	link_is(x, RTM_DELLINK, 1400);
	turn(x);
	expect(x, "DEL " ROW_KEY);
	answer(x, ":1\r\n");
	(void)expect_change(x, "up/up/1400", NO_ROW, ROW_ALL);
	expect_no_change(x);
}

static void a_refused_delete_stays_owed(void **state)
{
	struct fixture *x = *state;

	start_with_port(x, 9100);
	link_is(x, RTM_DELLINK, 9100);
	turn(x);
	expect(x, "DEL " ROW_KEY);
	answer(x, OOM);
	assert_int_equal(publish_owed(x->own->publish), 1);
	RUN_UNTIL(x->event, links_any_dirty(x->own->links));
	turn(x);
	expect(x, "DEL " ROW_KEY);
	answer(x, ":1\r\n");
	expect_silence(x);
	(void)expect_change(x, "up/up/9100", NO_ROW, ROW_ALL);
	expect_no_change(x);
	assert_int_equal(publish_owed(x->own->publish), 0);
}

/* M8 */
/* S16: Redis went before it had read the DEL, or after; nobody knows. */
static void a_delete_of_unknown_outcome_stays_owed(void **state)
{
	struct fixture *x = *state;

	start_with_port(x, 9100);
	link_is(x, RTM_DELLINK, 9100);
	link_is(x, RTM_NEWLINK, 9100);
	turn(x);
	expect(x, "DEL " ROW_KEY ";" FULL("9100"));
	reconnect(x);
	publish_lost(x->own->publish);
	publish_ready(x->own->publish);
	turn(x);
	read_back(x, HOLDS("9100"));
	expect(x, "DEL " ROW_KEY ";" FULL("9100"));
	answer(x, ":1\r\n:4\r\n");
	expect_silence(x);
	(void)expect_change(x, "up/up/9100", NO_ROW, ROW_ALL);
	(void)expect_change(x, NO_ROW, "up/up/9100", ROW_ALL);
	expect_no_change(x);
}

/* Two changes, one write: the older one counts. */
static void latency_is_from_receipt_to_answer(void **state)
{
	struct fixture *x = *state;
	const struct hist *latency = publish_latency(x->own->publish);
	uint64_t received = now_nsec() - 40 * NSEC_PER_MSEC, took, first;

	start_with_port(x, 9100);
	assert_int_equal(latency->count, 0);
	link_was(x, RTM_NEWLINK, 1500, received);
	link_was(x, RTM_NEWLINK, 1501, now_nsec());
	turn(x);
	expect(x, "HSET " ROW_KEY " mtu 1501");
	assert_int_equal(latency->count, 0);
	answer(x, TAKEN);
	assert_int_equal(latency->count, 1);
	assert_true(latency->max >= 40 * NSEC_PER_MSEC && latency->max <= now_nsec() - received);
	took = expect_change(x, "up/up/9100", "up/up/1501", ROW_BIT(ROW_MTU)).latency_usec;
	assert_true(took >= 40 * USEC_PER_MSEC && took <= (now_nsec() - received) / NSEC_PER_USEC + 1);
	/* Nor is the time before the last write counted twice. */
	first = latency->sum;
	received = now_nsec();
	link_was(x, RTM_NEWLINK, 1502, received);
	turn(x);
	expect(x, "HSET " ROW_KEY " mtu 1502");
	answer(x, TAKEN);
	assert_int_equal(latency->count, 2);
	assert_true(latency->sum - first <= now_nsec() - received);
}

static void what_was_never_owed_is_not_late(void **state)
{
	struct fixture *x = *state;
	const struct hist *latency = publish_latency(x->own->publish);
	uint64_t long_ago = now_nsec() - 3600 * NSEC_PER_SEC;

	/* No port yet: APPL_DB does not know it. */
	link_was(x, RTM_NEWLINK, 9100, long_ago);
	start(x, HOLDS("9100"));
	turn(x);
	configured_link(x, 9100);
	turn(x);
	expect(x, FULL("9100"));
	answer(x, TAKEN);
	/* Nor is a message that changes nothing. */
	link_was(x, RTM_NEWLINK, 9100, long_ago);
	turn(x);
	expect_silence(x);
	link_was(x, RTM_NEWLINK, 1501, now_nsec());
	turn(x);
	expect(x, "HSET " ROW_KEY " mtu 1501");
	answer(x, TAKEN);
	assert_int_equal(latency->count, 1);
	assert_true(latency->max < 3600 * NSEC_PER_SEC);
}

static void only_what_is_acknowledged_is_timed(void **state)
{
	struct fixture *x = *state;
	const struct hist *latency = publish_latency(x->own->publish);

	start_with_port(x, 9100);
	link_was(x, RTM_NEWLINK, 1500, now_nsec());
	turn(x);
	expect(x, "HSET " ROW_KEY " mtu 1500");
	answer(x, OOM);
	assert_int_equal(publish_stats(x->own->publish)->refused, 1);
	assert_int_equal(latency->count, 0);
}

/* A row that is deleted and written again is there when both are acknowledged. */
static void latency_ends_with_the_last_answer(void **state)
{
	struct fixture *x = *state;
	const struct hist *latency = publish_latency(x->own->publish);

	start_with_port(x, 9100);
	link_is(x, RTM_DELLINK, 9100);
	link_was(x, RTM_NEWLINK, 9100, now_nsec());
	turn(x);
	expect(x, "DEL " ROW_KEY ";" FULL("9100"));
	fake_send(&x->server, TAKEN);
	RUN_UNTIL(x->event, conn_in_flight(x->conn) == 1);
	assert_int_equal(latency->count, 0);
	fake_send(&x->server, TAKEN);
	RUN_UNTIL(x->event, conn_in_flight(x->conn) == 0);
	assert_int_equal(latency->count, 1);
	assert_int_equal(expect_change(x, "up/up/9100", NO_ROW, ROW_ALL).latency_usec, 0);
	assert_true(expect_change(x, NO_ROW, "up/up/9100", ROW_ALL).latency_usec > 0);
}

static void a_large_batch_goes_out_in_parts(void **state)
{
	struct fixture *x = *state;
	uint64_t before;

	start(x, NULL);
	for (int i = 0; i < BATCH_ROWS * 2 + 1; i++) {
		struct link_msg msg = {.type = RTM_NEWLINK, .ifindex = i + 1, .flags = UP, .mtu = 9100};

		(void)snprintf(msg.name, sizeof(msg.name), "Ethernet%d", i);
		links_set_configured(x->own->links, links_get(x->own->links, msg.name), true);
		links_event(x->own->links, &msg, 0);
	}
	before = conn_stats(x->conn)->flushes;
	turn(x);
	assert_int_equal(conn_stats(x->conn)->flushes - before, 3);
	assert_int_equal(publish_stats(x->own->publish)->sets, BATCH_ROWS * 2 + 1);
	assert_int_equal(publish_stats(x->own->publish)->batches, 1);
	assert_int_equal(publish_batch_rows(x->own->publish)->count, 1);
	assert_int_equal(publish_batch_rows(x->own->publish)->max, BATCH_ROWS * 2 + 1);
}

#define EVENT(json) ";PUBLISH PORT_TABLE_CHANNEL@6 [" json "]"
#define NONE_HEARD ":0\r\n"

/* event_tables names the table: what was written is published behind it, in the same flush. */
static void each_write_is_published(void **state)
{
	struct fixture *x = *state;

	configured_link(x, 9100);
	start(x, HOLDS("1500"));
	expect(x, FULL("9100") EVENT("\"SET\",\"Ethernet0\",\"state\",\"ok\",\"netdev_oper_status\",\"up\","
				     "\"admin_status\",\"up\",\"mtu\",\"9100\""));
	answer(x, TAKEN NONE_HEARD);
	link_is(x, RTM_NEWLINK, 9000);
	turn(x);
	expect(x, "HSET " ROW_KEY " mtu 9000" EVENT("\"SET\",\"Ethernet0\",\"mtu\",\"9000\""));
	answer(x, TAKEN NONE_HEARD);
	link_is(x, RTM_DELLINK, 9000);
	turn(x);
	expect(x, "DEL " ROW_KEY EVENT("\"DEL\",\"Ethernet0\""));
	answer(x, TAKEN NONE_HEARD);
	expect_silence(x);
	assert_int_equal(publish_owed(x->own->publish), 0);
}

/* It is no fault of the row; and one line an episode. */
static void refused_events_are_reported_once(void **state)
{
	static const char *const answers[] = {"-NOPERM no channel\r\n", "-NOPERM no channel\r\n", NONE_HEARD,
					      NONE_HEARD};
	struct fixture *x = *state;

	configured_link(x, 9100);
	start(x, HOLDS("9100"));
	RUN_UNTIL(x->event, x->server.len > 0);
	x->server.len = 0;
	answer(x, TAKEN NONE_HEARD);
	for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
		link_is(x, RTM_NEWLINK, i % 2 ? 9100 : 9000);
		turn(x);
		RUN_UNTIL(x->event, x->server.len > 0);
		x->server.len = 0;
		fake_send(&x->server, TAKEN);
		answer(x, answers[i]);
		RUN_UNTIL(x->event, conn_in_flight(x->conn) == 0);
		assert_int_equal(publish_owed(x->own->publish), 0);
	}
	assert_int_equal(catcher_count(&x->log, "Redis refused an event"), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(messages_that_change_nothing_write_nothing),
		TEST(the_back_off_of_a_row_ends_with_success),
		cmocka_unit_test_setup_teardown(the_answer_to_a_timed_batch_is_read_at_once, publish_setup_patient,
						teardown),
		TEST(a_link_that_is_new_to_us_has_one_event),
		TEST(only_the_difference_is_written),
		TEST(what_changed_and_came_back_is_written_again),
		TEST(a_new_master_is_reported_by_the_state),
		TEST(an_event_stays_owed_until_it_is_acknowledged),
		TEST(after_a_gap_each_port_has_one_event),
		TEST(nothing_is_written_before_it_is_enabled_or_while_held),
		TEST(changes_under_way_are_one_write),
		TEST(a_refused_write_is_done_again_in_full),
		TEST(a_link_made_again_owes_the_delete),
		TEST(a_refused_write_and_then_no_link),
		TEST(a_refused_delete_stays_owed),
		TEST(a_delete_of_unknown_outcome_stays_owed),
		TEST(latency_is_from_receipt_to_answer),
		TEST(what_was_never_owed_is_not_late),
		TEST(only_what_is_acknowledged_is_timed),
		TEST(latency_ends_with_the_last_answer),
		TEST(a_large_batch_goes_out_in_parts),
		cmocka_unit_test_setup_teardown(each_write_is_published, publish_setup_events, teardown),
		cmocka_unit_test_setup_teardown(refused_events_are_reported_once, publish_setup_events, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
