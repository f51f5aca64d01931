/* SPDX-License-Identifier: Apache-2.0 */
#include "links_fixture.h"

/* --- events --- */

static void new_link(void **state)
{
	struct link_msg msg = {RTM_NEWLINK, AF_UNSPEC, 3, IFF_UP, 9100, 7, 5, 6, "Ethernet0", "veth"};
	struct links *l = *state;
	struct port *port;

	assert_null(links_find(l, "Ethernet0"));
	links_event(l, &msg, 0);
	port = has_link(l, "Ethernet0", 3);
	assert_true(links_present(port));
	has_state(l, "Ethernet0", IFF_UP, 9100);
	assert_int_equal(port->link.master, 7);
	assert_int_equal(port->link.carrier_up, 5);
	assert_int_equal(port->link.carrier_down, 6);
	assert_false(port->owed.deletion);
	assert_false(port->appl.configured);
	assert_int_equal(port->row.known, ROW_UNKNOWN);
	assert_int_equal(row_diff(&port->row.acked, &row_nil), 0);
	assert_int_equal(links_stats(l)->ports, 1);
	assert_int_equal(links_stats(l)->present, 1);
	dirty_are(l, "Ethernet0");
}

static void other_links_leave_no_trace(void **state)
{
	static const char *const names[] = {"eth0", "PortChannel1", "Bridge", "", "ethernet0"};
	struct link_msg team = message(RTM_NEWLINK, 90, "Ethernet0", UP, 9100);
	struct links *l = *state;

	(void)snprintf(team.kind, sizeof(team.kind), "team");
	links_event(l, &team, 0);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		seen(l, (int)i + 1, names[i]);
	assert_int_equal(links_stats(l)->ports, 0);
	assert_int_equal(links_stats(l)->present, 0);
	dirty_are(l, "");
}

/* Each step is compared with the one before. */
static void only_our_fields_make_dirty(void **state)
{
	static const struct {
		uint32_t flags, mtu;
		bool dirty;
	} steps[] = {
		{0, 1500, true}, /* first sight */
		{0, 1500, false},
		{IFF_UP, 1500, true},
		{IFF_UP | IFF_RUNNING, 1500, true},
		{IFF_UP | IFF_RUNNING | IFF_LOWER_UP, 1500, false},
		{IFF_UP | IFF_RUNNING | IFF_PROMISC | IFF_ALLMULTI | IFF_DORMANT, 1500, false},
		{IFF_UP | IFF_RUNNING, 1500, false},
		{IFF_UP | IFF_RUNNING, 9100, true},
		{IFF_UP | IFF_RUNNING, 9100, false},
		{IFF_UP, 9100, true},
		{IFF_RUNNING, 9100, true},
		{IFF_RUNNING, 0, false}, /* the message has no mtu */
		{0, 68, true},
	};
	struct links *l = *state;

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		event(l, 3, "Ethernet0", steps[i].flags, steps[i].mtu);
		dirty_are(l, steps[i].dirty ? "Ethernet0" : "");
		has_state(l, "Ethernet0", steps[i].flags, steps[i].mtu ? steps[i].mtu : 9100);
	}
}

/* A change of master owes an event (teammgrd waits for one); what the kernel says of it besides owes none (M17). */
static void only_a_change_of_master_makes_dirty(void **state)
{
	static const struct {
		uint16_t type;
		uint8_t family;
		uint32_t master;
		const char *dirty;
	} steps[] = {
		{RTM_NEWLINK, AF_UNSPEC, 7, "Ethernet0"}, {RTM_NEWLINK, AF_BRIDGE, 7, ""},
		{RTM_NEWLINK, AF_UNSPEC, 7, ""},          {RTM_DELLINK, AF_BRIDGE, 7, ""},
		{RTM_NEWLINK, AF_UNSPEC, 0, "Ethernet0"}, {RTM_NEWLINK, AF_UNSPEC, 0, ""},
		{RTM_NEWLINK, AF_UNSPEC, 7, "Ethernet0"},
	};
	struct links *l = *state;

	seen(l, 3, "Ethernet0");
	dirty_are(l, "Ethernet0");
	links_find(l, "Ethernet0")->owed.fields = 0;
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		struct link_msg msg = message(steps[i].type, 3, "Ethernet0", UP, 9100);
		struct port *port;

		msg.family = steps[i].family;
		msg.master = steps[i].master;
		links_event(l, &msg, 0);
		dirty_are(l, steps[i].dirty);
		port = has_link(l, "Ethernet0", 3);
		assert_int_equal(port->owed.fields, steps[i].dirty[0] ? ROW_BIT(ROW_STATE) : 0);
		assert_int_equal(port->link.master, steps[i].master);
		assert_int_equal(links_stats(l)->members, steps[i].master != 0);
		port->owed.fields = 0;
	}
	gone(l, 3, "Ethernet0");
	assert_int_equal(links_stats(l)->members, 0);
}

/* What changed and came back is owed, however often; what did not change is not. */
static void changes_are_owed_though_undone(void **state)
{
	struct links *l = *state;

	seen(l, 3, "Ethernet0");
	assert_int_equal(links_find(l, "Ethernet0")->owed.fields, OWED_DOUBT);
	links_find(l, "Ethernet0")->owed.fields = 0;
	event(l, 3, "Ethernet0", UP, 9100);
	assert_int_equal(links_find(l, "Ethernet0")->owed.fields, 0);
	event(l, 3, "Ethernet0", UP, 1500);
	event(l, 3, "Ethernet0", UP, 9100);
	assert_int_equal(links_find(l, "Ethernet0")->owed.fields, ROW_BIT(ROW_MTU));
	event(l, 3, "Ethernet0", IFF_UP, 9100);
	event(l, 3, "Ethernet0", UP, 9100);
	assert_int_equal(links_find(l, "Ethernet0")->owed.fields, ROW_BIT(ROW_MTU) | ROW_BIT(ROW_OPER));
	/* The DEL reports its end. */
	gone(l, 3, "Ethernet0");
	assert_int_equal(links_find(l, "Ethernet0")->owed.fields, 0);
	assert_true(owes_delete(l, "Ethernet0"));
}

static void a_gap_owes_each_port_with_a_link_an_event(void **state)
{
	struct links *l = *state;

	seen(l, 3, "Ethernet0");
	seen(l, 4, "Ethernet4");
	gone(l, 4, "Ethernet4");
	seen(l, 5, "Ethernet8");
	(void)links_mark_old(l, NULL, 0);
	seen(l, 6, "Ethernet12");
	settle(l);
	links_find(l, "Ethernet12")->owed.fields = 0;
	links_doubt(l);
	dirty_are(l, "Ethernet12");
	assert_int_equal(links_find(l, "Ethernet12")->owed.fields, OWED_DOUBT);
}

/* A bridge port's message may name what the device is not: it is not even looked at. */
static void bridge_messages_make_no_port(void **state)
{
	struct link_msg msg = message(RTM_NEWLINK, 3, "Ethernet0", UP, 9100);
	struct links *l = *state;

	msg.family = AF_BRIDGE;
	links_event(l, &msg, 0);
	assert_null(links_find(l, "Ethernet0"));
	seen(l, 3, "Ethernet0");
	dirty_are(l, "Ethernet0");
	msg.flags = 0;
	msg.mtu = 1500;
	links_event(l, &msg, 0);
	has_state(l, "Ethernet0", UP, 9100);
	dirty_are(l, "");
}

/* S12: whatever it is called, and whatever master it has. */
static void dellink_goes_by_ifindex(void **state)
{
	static const char *const names[] = {"Ethernet0", "Ethernet4", "eth0", "PortChannel1", ""};
	struct links *l = *state;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct link_msg msg = message(RTM_DELLINK, 3, names[i], UP, 9100);

		msg.master = i % 2 ? 7 : 0;
		seen(l, 3, "Ethernet0");
		settle(l);
		links_event(l, &msg, 0);
		dirty_are(l, "Ethernet0");
		has_link(l, "Ethernet0", 0);
		assert_true(owes_delete(l, "Ethernet0"));
		assert_int_equal(links_stats(l)->present, 0);
		assert_null(links_find(l, "Ethernet4"));
	}
}

static void deleted_link_has_no_state(void **state)
{
	struct link_msg msg = {RTM_NEWLINK, AF_UNSPEC, 3, UP, 9100, 7, 5, 6, "Ethernet0", "veth"};
	struct links *l = *state;

	links_event(l, &msg, 0);
	gone(l, 3, "Ethernet0");
	has_state(l, "Ethernet0", 0, 0);
	assert_int_equal(links_find(l, "Ethernet0")->link.master, 0);
	assert_int_equal(links_find(l, "Ethernet0")->link.gone_ifindex, 3);
	/* Nor does the next one inherit any. */
	event(l, 4, "Ethernet0", 0, 0);
	has_state(l, "Ethernet0", 0, 0);
}

static void dellink_of_a_stranger(void **state)
{
	struct links *l = *state;

	seen(l, 3, "Ethernet0");
	dirty_are(l, "Ethernet0");
	gone(l, 4, "Ethernet0");
	gone(l, 5, "Ethernet4");
	assert_true(links_present(has_link(l, "Ethernet0", 3)));
	assert_false(owes_delete(l, "Ethernet0"));
	assert_int_equal(links_stats(l)->ports, 1);
	dirty_are(l, "");
	gone(l, 3, "Ethernet0");
	dirty_are(l, "Ethernet0");
	gone(l, 3, "Ethernet0");
	dirty_are(l, "");
}

/* M15 */
static void rename_moves_the_link(void **state)
{
	struct links *l = *state;

	seen(l, 3, "Ethernet0");
	dirty_are(l, "Ethernet0");
	event(l, 3, "Ethernet4", IFF_UP, 1500);
	has_link(l, "Ethernet0", 0);
	assert_true(owes_delete(l, "Ethernet0"));
	assert_true(links_present(has_link(l, "Ethernet4", 3)));
	assert_false(owes_delete(l, "Ethernet4"));
	has_state(l, "Ethernet4", IFF_UP, 1500);
	assert_int_equal(links_stats(l)->present, 1);
	/* The end of the one comes before the start of the other. */
	dirty_are(l, "Ethernet0 Ethernet4");
	gone(l, 3, "Ethernet4");
	has_link(l, "Ethernet4", 0);
	dirty_are(l, "Ethernet4");
}

/* M15, S16: back under its first name the link is a new one to those who follow the row. */
static void rename_there_and_back(void **state)
{
	struct links *l = *state;

	seen(l, 3, "Ethernet0");
	settle(l);
	seen(l, 3, "Ethernet4");
	seen(l, 3, "Ethernet0");
	assert_true(links_present(has_link(l, "Ethernet0", 3)));
	assert_true(owes_delete(l, "Ethernet0"));
	has_link(l, "Ethernet4", 0);
	dirty_are(l, "Ethernet0 Ethernet4");
}

static void rename_away_from_the_ports_and_back(void **state)
{
	static const char *const names[] = {"eth0", "PortChannel1", "ethernet0"};
	struct links *l = *state;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		seen(l, 3, "Ethernet0");
		settle(l);
		seen(l, 3, names[i]);
		has_link(l, "Ethernet0", 0);
		assert_true(owes_delete(l, "Ethernet0"));
		assert_null(links_find(l, names[i]));
		assert_int_equal(links_stats(l)->present, 0);
		dirty_are(l, "Ethernet0");
		seen(l, 3, "Ethernet0");
		assert_true(links_present(has_link(l, "Ethernet0", 3)));
		dirty_are(l, "Ethernet0");
	}
}

static void rename_by_way_of_a_free_name(void **state)
{
	struct links *l = *state;

	seen(l, 3, "Ethernet0");
	seen(l, 4, "Ethernet4");
	settle(l);
	seen(l, 3, "tmp");
	seen(l, 4, "Ethernet0");
	seen(l, 3, "Ethernet4");
	assert_true(links_present(has_link(l, "Ethernet0", 4)));
	assert_true(links_present(has_link(l, "Ethernet4", 3)));
	assert_true(owes_delete(l, "Ethernet0"));
	assert_true(owes_delete(l, "Ethernet4"));
	assert_int_equal(links_stats(l)->present, 2);
}

/* No two links have one name: the end of the first was missed. */
static void missed_dellink(void **state)
{
	struct links *l = *state;

	event(l, 3, "Ethernet0", UP, 9100);
	settle(l);
	event(l, 8, "Ethernet0", 0, 1500);
	assert_true(links_present(has_link(l, "Ethernet0", 8)));
	assert_true(owes_delete(l, "Ethernet0"));
	has_state(l, "Ethernet0", 0, 1500);
	assert_int_equal(links_stats(l)->present, 1);
	dirty_are(l, "Ethernet0");
	/* The first one's end, should it still come, does not touch the second. */
	gone(l, 3, "Ethernet0");
	assert_true(links_present(has_link(l, "Ethernet0", 8)));
	dirty_are(l, "");
	gone(l, 8, "Ethernet0");
	has_link(l, "Ethernet0", 0);
}

static void ifindex_reused(void **state)
{
	struct links *l = *state;

	seen(l, 3, "Ethernet0");
	gone(l, 3, "Ethernet0");
	seen(l, 3, "Ethernet4");
	has_link(l, "Ethernet0", 0);
	assert_true(owes_delete(l, "Ethernet0"));
	assert_true(links_present(has_link(l, "Ethernet4", 3)));
	assert_false(owes_delete(l, "Ethernet4"));
	/* By a link that is no port. */
	gone(l, 3, "Ethernet4");
	settle(l);
	seen(l, 3, "eth0");
	gone(l, 3, "eth0");
	assert_int_equal(links_stats(l)->ports, 0);
	dirty_are(l, "");
}

/* S16 */
static void made_again_before_a_flush(void **state)
{
	struct links *l = *state;

	seen(l, 3, "Ethernet0");
	settle(l);
	gone(l, 3, "Ethernet0");
	seen(l, 3, "Ethernet0");
	assert_true(links_present(has_link(l, "Ethernet0", 3)));
	assert_true(owes_delete(l, "Ethernet0"));
	has_state(l, "Ethernet0", UP, 9100);
	dirty_are(l, "Ethernet0");
}

static void flaps_are_changes_of_oper(void **state)
{
	static const struct {
		uint32_t flags, mtu;
		uint64_t flaps;
	} steps[] = {
		{UP, 9100, 0}, /* first sight */
		{UP, 9100, 0},     {IFF_RUNNING, 9100, 0},           {IFF_RUNNING, 1500, 0},          {0, 1500, 1},
		{IFF_UP, 1500, 1}, {IFF_UP | IFF_LOWER_UP, 1500, 1}, {IFF_UP | IFF_RUNNING, 1500, 2}, {0, 9100, 3},
	};
	struct links *l = *state;

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		event(l, 3, "Ethernet0", steps[i].flags, steps[i].mtu);
		assert_int_equal(links_find(l, "Ethernet0")->history.flaps, steps[i].flaps);
		assert_int_equal(links_stats(l)->flaps, steps[i].flaps);
	}
	/* An end, a start and a rename are no flaps. */
	seen(l, 4, "Ethernet4");
	gone(l, 4, "Ethernet4");
	seen(l, 5, "Ethernet4");
	event(l, 5, "Ethernet8", 0, 9100);
	assert_int_equal(links_stats(l)->flaps, 3);
	event(l, 5, "Ethernet8", IFF_RUNNING, 9100);
	assert_int_equal(links_find(l, "Ethernet8")->history.flaps, 1);
	assert_int_equal(links_find(l, "Ethernet0")->history.flaps, 3);
	assert_int_equal(links_stats(l)->flaps, 4);
}

/* --- names --- */

static void impossible_names(void **state)
{
	struct links *l = *state;

	assert_null(links_get(l, ""));
	assert_null(links_get(l, "Ethernet12345678"));
	assert_null(links_get(l, "Ethernet123456789012345678901234567890"));
	assert_int_equal(links_stats(l)->ports, 0);
	assert_non_null(links_get(l, "Ethernet1234567"));
	assert_ptr_equal(links_get(l, "Ethernet1234567"), links_find(l, "Ethernet1234567"));
	assert_int_equal(links_stats(l)->ports, 1);
	assert_null(links_find(l, "Ethernet123456"));
	assert_null(links_find(l, "Ethernet12345678"));
	/* A port that only SONiC knows has no link and owes nothing. */
	has_link(l, "Ethernet1234567", 0);
	dirty_are(l, "");
}

/* --- the dirty list --- */

/* The longest waiting one first: a port that changes all the time holds back no other. */
static void dirty_ports_come_in_order(void **state)
{
	struct links *l = *state;

	assert_false(links_any_dirty(l));
	assert_null(links_pop_dirty(l));
	seen(l, 5, "Ethernet8");
	seen(l, 3, "Ethernet0");
	seen(l, 4, "Ethernet4");
	event(l, 5, "Ethernet8", 0, 1500);
	links_mark_dirty(l, links_find(l, "Ethernet0"));
	assert_true(links_any_dirty(l));
	dirty_are(l, "Ethernet8 Ethernet0 Ethernet4");
	/* What was taken out queues again at the end. */
	links_mark_dirty(l, links_find(l, "Ethernet4"));
	links_mark_dirty(l, links_find(l, "Ethernet8"));
	assert_string_equal(links_pop_dirty(l)->name, "Ethernet4");
	links_mark_dirty(l, links_find(l, "Ethernet4"));
	dirty_are(l, "Ethernet8 Ethernet4");
}

/* lo, a VLAN, a bridge port: read in vain. What ends a port's link was not. */
static void events_of_no_port_are_counted(void **state)
{
	struct links *l = *state;
	struct link_msg bridge = message(RTM_NEWLINK, 1, "Ethernet0", UP, 9100);

	event(l, 7, "lo", UP, 65536);
	gone(l, 7, "lo");
	assert_int_equal(links_stats(l)->ignored, 2);
	seen(l, 1, "Ethernet0");
	event(l, 1, "Ethernet0", IFF_UP, 9100);
	event(l, 1, "renamed", UP, 9100);
	seen(l, 1, "Ethernet0");
	bridge.family = AF_BRIDGE;
	links_event(l, &bridge, 0);
	gone(l, 1, "Ethernet0");
	assert_int_equal(links_stats(l)->ignored, 2);
	links_event(l, &bridge, 0);
	assert_int_equal(links_stats(l)->ignored, 3);
}

static void the_last_change_has_its_time(void **state)
{
	struct links *l = *state;
	struct link_msg msg = message(RTM_NEWLINK, 1, "Ethernet0", UP, 9100);

	links_event(l, &msg, 100);
	assert_int_equal(links_find(l, "Ethernet0")->history.changed_nsec, 100);
	links_event(l, &msg, 200); /* says nothing new */
	assert_int_equal(links_find(l, "Ethernet0")->history.changed_nsec, 100);
	msg.mtu = 1500;
	links_event(l, &msg, 300);
	assert_int_equal(links_find(l, "Ethernet0")->history.changed_nsec, 300);
}

/* A warm start's row waits for its link, but not for ever. */
static void a_kept_row_is_kept_until_the_end_of_keeping(void **state)
{
	struct links *l = *state;
	struct port *waits = links_get(l, "Ethernet0"), *comes = links_get(l, "Ethernet4");

	links_set_configured(l, waits, true);
	links_keep(l, waits);
	links_keep(l, comes);
	seen(l, 2, "Ethernet4");
	settle(l);
	assert_true(waits->appl.kept && !comes->appl.kept);
	links_keep(l, comes); /* it has its link */
	assert_false(comes->appl.kept);
	assert_int_equal(links_end_keeping(l), 1);
	assert_false(waits->appl.kept);
	dirty_are(l, "Ethernet0");
	/* The configuration was read again. */
	links_keep(l, waits);
	assert_false(waits->appl.kept);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(new_link),
		TEST(other_links_leave_no_trace),
		TEST(only_our_fields_make_dirty),
		TEST(only_a_change_of_master_makes_dirty),
		TEST(changes_are_owed_though_undone),
		TEST(a_gap_owes_each_port_with_a_link_an_event),
		TEST(bridge_messages_make_no_port),
		TEST(dellink_goes_by_ifindex),
		TEST(deleted_link_has_no_state),
		TEST(dellink_of_a_stranger),
		TEST(rename_moves_the_link),
		TEST(rename_there_and_back),
		TEST(rename_away_from_the_ports_and_back),
		TEST(rename_by_way_of_a_free_name),
		TEST(missed_dellink),
		TEST(ifindex_reused),
		TEST(made_again_before_a_flush),
		TEST(flaps_are_changes_of_oper),
		TEST(impossible_names),
		TEST(dirty_ports_come_in_order),
		TEST(events_of_no_port_are_counted),
		TEST(the_last_change_has_its_time),
		TEST(a_kept_row_is_kept_until_the_end_of_keeping),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
