/* SPDX-License-Identifier: Apache-2.0 */
/* Dumps against events: the transaction of links_dump_begin() to links_dump_commit(). */
#include "links_fixture.h"

/* --- dumps --- */

static void dump_is_applied_at_its_end(void **state)
{
	struct links *l = *state;

	links_dump_begin(l);
	row_with(l, 3, "Ethernet0", IFF_UP, 1500);
	row(l, 4, "Ethernet4");
	row(l, 5, "eth0");
	row(l, 6, "PortChannel1");
	assert_int_equal(links_stats(l)->ports, 0);
	assert_false(links_any_dirty(l));
	links_dump_commit(l);
	has_link(l, "Ethernet0", 3);
	has_state(l, "Ethernet0", IFF_UP, 1500);
	has_link(l, "Ethernet4", 4);
	assert_int_equal(links_stats(l)->ports, 2);
	dirty_are(l, "Ethernet0 Ethernet4");
	/* The same again is no change, and a dump that is over does nothing any more. */
	links_dump_begin(l);
	row_with(l, 3, "Ethernet0", IFF_UP, 1500);
	row(l, 4, "Ethernet4");
	links_dump_commit(l);
	links_dump_commit(l);
	row(l, 3, "Ethernet8");
	links_dump_commit(l);
	assert_int_equal(links_stats(l)->present, 2);
	dirty_are(l, "");
}

/* M1: what happened while events were lost. */
static void dump_sweeps_what_it_does_not_name(void **state)
{
	struct links *l = *state;

	seen(l, 3, "Ethernet0");
	seen(l, 4, "Ethernet4");
	seen(l, 5, "Ethernet8");
	(void)links_get(l, "Ethernet12");
	settle(l);
	links_dump_begin(l);
	row_with(l, 5, "Ethernet8", IFF_UP, 9100);
	row(l, 3, "Ethernet0");
	links_dump_commit(l);
	has_link(l, "Ethernet0", 3);
	assert_false(owes_delete(l, "Ethernet0"));
	has_link(l, "Ethernet4", 0);
	assert_true(owes_delete(l, "Ethernet4"));
	has_state(l, "Ethernet8", IFF_UP, 9100);
	assert_int_equal(links_stats(l)->present, 2);
	dirty_are(l, "Ethernet4 Ethernet8");
}

static void empty_dump_sweeps_all(void **state)
{
	struct links *l = *state;

	links_dump_begin(l);
	links_dump_commit(l);
	dirty_are(l, "");
	seen(l, 3, "Ethernet0");
	seen(l, 4, "Ethernet4");
	settle(l);
	links_dump_begin(l);
	links_dump_commit(l);
	assert_int_equal(links_stats(l)->present, 0);
	dirty_are(l, "Ethernet0 Ethernet4");
}

/* S16: a link that was made again in the meantime has another ifindex. */
static void dump_with_a_link_made_again(void **state)
{
	struct links *l = *state;

	seen(l, 3, "Ethernet0");
	settle(l);
	links_dump_begin(l);
	row(l, 7, "Ethernet0");
	links_dump_commit(l);
	assert_true(links_present(has_link(l, "Ethernet0", 7)));
	assert_true(owes_delete(l, "Ethernet0"));
	assert_int_equal(links_stats(l)->present, 1);
	dirty_are(l, "Ethernet0");
}

static void dump_with_a_rename(void **state)
{
	struct links *l = *state;

	seen(l, 3, "Ethernet0");
	settle(l);
	links_dump_begin(l);
	row(l, 3, "Ethernet4");
	links_dump_commit(l);
	has_link(l, "Ethernet0", 0);
	assert_true(owes_delete(l, "Ethernet0"));
	has_link(l, "Ethernet4", 3);
	dirty_are(l, "Ethernet0 Ethernet4");
	/* Its row does not keep a port whose link is called otherwise now. */
	links_dump_begin(l);
	row(l, 3, "eth0");
	links_dump_commit(l);
	has_link(l, "Ethernet4", 0);
	assert_true(owes_delete(l, "Ethernet4"));
	dirty_are(l, "Ethernet4");
}

static void dump_with_swapped_names(void **state)
{
	struct links *l = *state;

	event(l, 3, "Ethernet0", 0, 1500);
	event(l, 4, "Ethernet4", UP, 9100);
	settle(l);
	links_dump_begin(l);
	row_with(l, 3, "Ethernet4", 0, 1500);
	row_with(l, 4, "Ethernet0", UP, 9100);
	links_dump_commit(l);
	assert_true(links_present(has_link(l, "Ethernet4", 3)));
	assert_true(links_present(has_link(l, "Ethernet0", 4)));
	has_state(l, "Ethernet4", 0, 1500);
	has_state(l, "Ethernet0", UP, 9100);
	assert_true(owes_delete(l, "Ethernet0"));
	assert_true(owes_delete(l, "Ethernet4"));
	assert_int_equal(links_stats(l)->present, 2);
	assert_int_equal(links_stats(l)->flaps, 0);
	gone(l, 3, "Ethernet4");
	has_link(l, "Ethernet4", 0);
	has_link(l, "Ethernet0", 4);
}

/* The kernel may report one link twice; the later row is the newer one. */
static void dump_names_a_link_twice(void **state)
{
	struct links *l = *state;

	links_dump_begin(l);
	row_with(l, 3, "Ethernet0", 0, 1500);
	row_with(l, 3, "Ethernet4", UP, 9100);
	links_dump_commit(l);
	assert_null(links_find(l, "Ethernet0"));
	has_link(l, "Ethernet4", 3);
	has_state(l, "Ethernet4", UP, 9100);
}

static void event_overtakes_a_row_before(void **state)
{
	struct links *l = *state;

	seen(l, 3, "Ethernet0");
	links_dump_begin(l);
	row_with(l, 3, "Ethernet0", UP, 9100);
	event(l, 3, "Ethernet0", IFF_UP, 1500);
	/* An event is news at once. */
	has_state(l, "Ethernet0", IFF_UP, 1500);
	links_dump_commit(l);
	has_state(l, "Ethernet0", IFF_UP, 1500);
	assert_int_equal(links_stats(l)->flaps, 1);
}

static void event_overtakes_a_row_after(void **state)
{
	struct links *l = *state;

	seen(l, 3, "Ethernet0");
	links_dump_begin(l);
	event(l, 3, "Ethernet0", IFF_UP, 1500);
	row_with(l, 3, "Ethernet0", UP, 9100);
	links_dump_commit(l);
	has_state(l, "Ethernet0", IFF_UP, 1500);
	assert_int_equal(links_stats(l)->flaps, 1);
}

static void delete_during_a_dump_stays(void **state)
{
	struct links *l = *state;

	seen(l, 3, "Ethernet0");
	seen(l, 4, "Ethernet4");
	settle(l);
	links_dump_begin(l);
	row(l, 3, "Ethernet0");
	gone(l, 3, "Ethernet0");
	gone(l, 4, "Ethernet4");
	row(l, 4, "Ethernet4");
	links_dump_commit(l);
	has_link(l, "Ethernet0", 0);
	has_link(l, "Ethernet4", 0);
	assert_true(owes_delete(l, "Ethernet0"));
	dirty_are(l, "Ethernet0 Ethernet4");
}

/* Of a link that the model learns of by the dump only. */
static void delete_of_an_unknown_link_during_a_dump(void **state)
{
	struct links *l = *state;

	links_dump_begin(l);
	gone(l, 3, "Ethernet0");
	row(l, 3, "Ethernet0");
	row(l, 4, "Ethernet4");
	gone(l, 4, "Ethernet4");
	links_dump_commit(l);
	assert_int_equal(links_stats(l)->present, 0);
	dirty_are(l, "");
}

static void new_link_during_a_dump_stays(void **state)
{
	struct links *l = *state;

	links_dump_begin(l);
	row(l, 3, "Ethernet0");
	seen(l, 4, "Ethernet4");
	assert_true(links_present(has_link(l, "Ethernet4", 4)));
	links_dump_commit(l);
	assert_true(links_present(has_link(l, "Ethernet4", 4)));
	assert_false(owes_delete(l, "Ethernet4"));
	assert_true(links_present(has_link(l, "Ethernet0", 3)));
	/* The next dump is a new one: what this one's events said counts no more. */
	links_dump_begin(l);
	row(l, 3, "Ethernet0");
	links_dump_commit(l);
	has_link(l, "Ethernet4", 0);
}

/* A row that is older than a rename does not bring the old name back. */
static void rename_during_a_dump_stays(void **state)
{
	struct links *l = *state;

	seen(l, 3, "Ethernet0");
	seen(l, 4, "Ethernet4");
	links_dump_begin(l);
	row(l, 3, "Ethernet0");
	seen(l, 3, "Ethernet8");
	row(l, 4, "Ethernet4");
	seen(l, 4, "eth0");
	links_dump_commit(l);
	has_link(l, "Ethernet0", 0);
	has_link(l, "Ethernet4", 0);
	has_link(l, "Ethernet8", 3);
}

/* A link made again with the same ifindex while the dump ran. */
static void remake_during_a_dump_stays(void **state)
{
	struct links *l = *state;

	seen(l, 3, "Ethernet0");
	settle(l);
	links_dump_begin(l);
	row_with(l, 3, "Ethernet0", 0, 1500);
	gone(l, 3, "Ethernet0");
	seen(l, 3, "Ethernet0");
	links_dump_commit(l);
	has_link(l, "Ethernet0", 3);
	has_state(l, "Ethernet0", UP, 9100);
	assert_true(owes_delete(l, "Ethernet0"));
}

/* What a bridge says of its port overtakes no row, and keeps no link from being swept. */
static void bridge_messages_are_no_events_of_the_link(void **state)
{
	struct link_msg left = message(RTM_DELLINK, 3, "Ethernet0", UP, 9100);
	struct link_msg joined = message(RTM_NEWLINK, 4, "Ethernet4", UP, 9100);
	struct links *l = *state;

	left.family = joined.family = AF_BRIDGE;
	seen(l, 3, "Ethernet0");
	seen(l, 4, "Ethernet4");
	settle(l);
	links_dump_begin(l);
	links_event(l, &left, 0);
	links_event(l, &joined, 0);
	row_with(l, 3, "Ethernet0", 0, 1500);
	links_dump_commit(l);
	has_link(l, "Ethernet0", 3);
	has_state(l, "Ethernet0", 0, 1500);
	has_link(l, "Ethernet4", 0);
}

/* Only a row that says a device is there is believed. */
static void rows_that_are_none_are_skipped(void **state)
{
	struct link_msg bridge = message(RTM_NEWLINK, 3, "Ethernet0", 0, 1500);
	struct link_msg deleted = message(RTM_DELLINK, 3, "Ethernet0", 0, 1500);
	struct links *l = *state;

	bridge.family = AF_BRIDGE;
	links_dump_begin(l);
	row(l, 3, "Ethernet0");
	links_dump_row(l, &bridge);
	links_dump_row(l, &deleted);
	links_dump_commit(l);
	assert_true(links_present(has_link(l, "Ethernet0", 3)));
	has_state(l, "Ethernet0", UP, 9100);
}

static void with_carrier(struct links *l, int ifindex, uint32_t up, uint32_t down, bool is_row)
{
	struct link_msg msg = message(RTM_NEWLINK, ifindex, "Ethernet0", 0, 9100);

	msg.carrier_up = up;
	msg.carrier_down = down;
	if (is_row)
		links_dump_row(l, &msg);
	else
		links_event(l, &msg, 0);
}

static void carrier_row(struct links *l, int ifindex, uint32_t up, uint32_t down)
{
	links_dump_begin(l);
	with_carrier(l, ifindex, up, down, true);
	assert_int_equal(links_dump_commit(l), 0);
}

/* Its end was lost, and so was the making of another link with the same ifindex: a link's counters never go back. */
static void an_old_link_made_again_counts(void **state)
{
	static const struct {
		uint32_t up, down;
		bool counts;
	} rows[] = {{3, 3, false}, {4, 4, false}, {3, 4, false}, {2, 3, true}, {0, 1, true}, {4, 2, true}};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct links *l = links_new(0);

		assert_non_null(l);
		with_carrier(l, 3, 2, 2, false);
		assert_int_equal(mark_old(l), 1);
		with_carrier(l, 3, 3, 3, false); /* it was set down */
		settle(l);
		carrier_row(l, 3, rows[i].up, rows[i].down);
		assert_int_equal(links_present(has_link(l, "Ethernet0", 3)), rows[i].counts);
		/* Nothing was ever said of the old one. */
		assert_false(owes_delete(l, "Ethernet0"));
		links_free(l);
	}
	(void)state;
}

/* An event that waited may be older than the row: it is no other link for that. */
static void an_old_link_stays_old_after_an_older_event(void **state)
{
	struct links *l = *state;

	with_carrier(l, 3, 1, 1, false);
	assert_int_equal(mark_old(l), 1);
	carrier_row(l, 3, 5, 5);
	with_carrier(l, 3, 4, 5, false);
	assert_false(links_present(has_link(l, "Ethernet0", 3)));
	carrier_row(l, 3, 5, 5);
	assert_false(links_present(has_link(l, "Ethernet0", 3)));
}

/* The other link's own events may come before the row that tells the two apart: the highest counters are those of the
 * old one. */
static void an_old_link_made_again_counts_after_its_own_events(void **state)
{
	struct links *l = *state;

	with_carrier(l, 3, 5, 5, false);
	assert_int_equal(mark_old(l), 1);
	settle(l);
	with_carrier(l, 3, 0, 1, false);
	with_carrier(l, 3, 1, 1, false);
	carrier_row(l, 3, 2, 2);
	assert_true(links_present(has_link(l, "Ethernet0", 3)));
}

/* A dump that changes interrupted may lack rows: those that it has count, a missing one proves nothing. */
static void a_partial_dump_drops_nothing(void **state)
{
	struct links *l = *state;

	seen(l, 3, "Ethernet0");
	seen(l, 4, "Ethernet4");
	settle(l);
	links_dump_begin(l);
	row_with(l, 3, "Ethernet0", 0, 1500);
	row(l, 5, "Ethernet8");
	assert_int_equal(links_dump_commit_partial(l), 0);
	has_state(l, "Ethernet0", 0, 1500);
	assert_true(links_present(has_link(l, "Ethernet4", 4)));
	assert_true(links_present(has_link(l, "Ethernet8", 5)));
	dirty_are(l, "Ethernet0 Ethernet8");
}

static void abort_changes_nothing(void **state)
{
	struct links *l = *state;

	seen(l, 3, "Ethernet0");
	seen(l, 4, "Ethernet4");
	settle(l);
	links_dump_begin(l);
	row_with(l, 3, "Ethernet0", 0, 1500);
	row(l, 5, "Ethernet8");
	links_dump_abort(l);
	/* Late rows and a late end of it. */
	row(l, 6, "Ethernet12");
	links_dump_commit(l);
	dirty_are(l, "");
	has_link(l, "Ethernet4", 4);
	has_state(l, "Ethernet0", UP, 9100);
	assert_int_equal(links_stats(l)->ports, 2);
	assert_int_equal(links_stats(l)->present, 2);
}

static void dump_after_an_abort(void **state)
{
	struct links *l = *state;

	seen(l, 3, "Ethernet0");
	seen(l, 4, "Ethernet4");
	links_dump_begin(l);
	event(l, 3, "Ethernet0", IFF_UP, 9100);
	row(l, 4, "Ethernet4");
	row(l, 5, "Ethernet8");
	links_dump_abort(l);
	settle(l);
	links_dump_begin(l);
	row_with(l, 3, "Ethernet0", 0, 1500);
	links_dump_commit(l);
	/* Neither its rows nor its events are left. */
	has_state(l, "Ethernet0", 0, 1500);
	has_link(l, "Ethernet4", 0);
	assert_null(links_find(l, "Ethernet8"));
	dirty_are(l, "Ethernet4 Ethernet0");
}

/* A dump that begins again without an end of the one before. */
static void begin_forgets_the_dump_before(void **state)
{
	struct links *l = *state;

	links_dump_begin(l);
	row(l, 3, "Ethernet0");
	seen(l, 4, "Ethernet4");
	links_dump_begin(l);
	row(l, 5, "Ethernet8");
	links_dump_commit(l);
	assert_null(links_find(l, "Ethernet0"));
	has_link(l, "Ethernet4", 0);
	has_link(l, "Ethernet8", 5);
}

/* Large, small and large again: the staging memory is used again each time. */
static void dumps_of_thousands(void **state)
{
	static const struct {
		int from, to;
	} dumps[] = {{1, 5000}, {2001, 2064}, {2001, 2065}, {4000, 4000}, {1, 6000}, {5000, 5127}};
	struct links *l = *state;

	for (size_t i = 0; i < ARRAY_SIZE(dumps); i++) {
		dump_range(l, dumps[i].from, dumps[i].to, 1500 + (uint32_t)i);
		range_is(l, dumps[i].from, dumps[i].to, 1500 + (uint32_t)i);
		settle(l);
		assert_int_equal(links_stats(l)->ports, dumps[i].to - dumps[i].from + 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(dump_is_applied_at_its_end),
		TEST(dump_sweeps_what_it_does_not_name),
		TEST(empty_dump_sweeps_all),
		TEST(dump_with_a_link_made_again),
		TEST(dump_with_a_rename),
		TEST(dump_with_swapped_names),
		TEST(dump_names_a_link_twice),
		TEST(event_overtakes_a_row_before),
		TEST(event_overtakes_a_row_after),
		TEST(delete_during_a_dump_stays),
		TEST(delete_of_an_unknown_link_during_a_dump),
		TEST(new_link_during_a_dump_stays),
		TEST(rename_during_a_dump_stays),
		TEST(remake_during_a_dump_stays),
		TEST(bridge_messages_are_no_events_of_the_link),
		TEST(rows_that_are_none_are_skipped),
		TEST(an_old_link_made_again_counts),
		TEST(an_old_link_stays_old_after_an_older_event),
		TEST(an_old_link_made_again_counts_after_its_own_events),
		TEST(a_partial_dump_drops_nothing),
		TEST(abort_changes_nothing),
		TEST(dump_after_an_abort),
		TEST(begin_forgets_the_dump_before),
		TEST(dumps_of_thousands),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
