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
	/* Its end is told by the DEL. */
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

/* --- old links --- */

static void all_links_are_marked_old(void **state)
{
	int ifindex[3] = {0};
	struct links *l = *state;

	seen(l, 3, "Ethernet0");
	seen(l, 4, "Ethernet4");
	seen(l, 5, "Ethernet8");
	gone(l, 4, "Ethernet4");
	(void)links_get(l, "Ethernet12");
	dirty_are(l, "Ethernet0 Ethernet4 Ethernet8");
	assert_int_equal(links_mark_old(l, ifindex, ARRAY_SIZE(ifindex)), 2);
	assert_int_equal(ifindex[0], 3);
	assert_int_equal(ifindex[1], 5);
	assert_int_equal(ifindex[2], 0);
	assert_false(links_present(links_find(l, "Ethernet0")));
	assert_false(links_present(links_find(l, "Ethernet8")));
	/* A row that says they are there is to go. */
	dirty_are(l, "Ethernet0 Ethernet8");
	/* Once is enough. */
	assert_int_equal(links_mark_old(l, ifindex, ARRAY_SIZE(ifindex)), 0);
	dirty_are(l, "");
}

static void more_old_links_than_asked_for(void **state)
{
	int ifindex[3] = {0, 0, -1};
	struct links *l = *state;

	for (int i = 1; i <= 5; i++) {
		char name[IFNAMSIZ];

		(void)snprintf(name, sizeof(name), "Ethernet%d", i);
		seen(l, i, name);
	}
	assert_int_equal(links_mark_old(l, ifindex, 2), 5);
	assert_int_equal(ifindex[0], 1);
	assert_int_equal(ifindex[1], 2);
	assert_int_equal(ifindex[2], -1);
	assert_false(links_present(links_find(l, "Ethernet5")));
	assert_int_equal(links_mark_old(l, NULL, 0), 0);
}

/* S4, S5, M7 */
static void old_until_deleted(void **state)
{
	struct links *l = *state;

	seen(l, 3, "Ethernet0");
	assert_int_equal(mark_old(l), 1);
	settle(l);
	event(l, 3, "Ethernet0", 0, 1500);
	event(l, 3, "Ethernet0", UP, 9100);
	assert_false(links_present(has_link(l, "Ethernet0", 3)));
	assert_false(owes_delete(l, "Ethernet0"));
	gone(l, 3, "Ethernet0");
	has_link(l, "Ethernet0", 0);
	/* Nobody heard of its start. */
	assert_false(owes_delete(l, "Ethernet0"));
	seen(l, 3, "Ethernet0");
	assert_true(links_present(has_link(l, "Ethernet0", 3)));
	assert_false(owes_delete(l, "Ethernet0"));
	has_state(l, "Ethernet0", UP, 9100);
}

/* A delete that is owed already stays owed. */
static void old_link_forgets_no_debt(void **state)
{
	struct links *l = *state;

	seen(l, 3, "Ethernet0");
	gone(l, 3, "Ethernet0");
	seen(l, 4, "Ethernet0");
	assert_int_equal(mark_old(l), 1);
	gone(l, 4, "Ethernet0");
	assert_true(owes_delete(l, "Ethernet0"));
}

static void new_links_beside_old_ones_count(void **state)
{
	struct links *l = *state;

	seen(l, 3, "Ethernet0");
	assert_int_equal(mark_old(l), 1);
	seen(l, 4, "Ethernet4");
	assert_true(links_present(links_find(l, "Ethernet4")));
	assert_int_equal(links_stats(l)->present, 2);
	/* One that takes an old one's name, whose end was missed. */
	seen(l, 5, "Ethernet0");
	assert_true(links_present(has_link(l, "Ethernet0", 5)));
	assert_int_equal(links_stats(l)->present, 2);
}

static void old_through_a_rename(void **state)
{
	struct links *l = *state;

	seen(l, 3, "Ethernet0");
	assert_int_equal(mark_old(l), 1);
	settle(l);
	seen(l, 3, "Ethernet4");
	has_link(l, "Ethernet0", 0);
	assert_false(owes_delete(l, "Ethernet0"));
	assert_false(links_present(has_link(l, "Ethernet4", 3)));
	gone(l, 3, "Ethernet4");
	seen(l, 3, "Ethernet4");
	assert_true(links_present(has_link(l, "Ethernet4", 3)));
	/* The name that is free again is no old one. */
	seen(l, 5, "Ethernet0");
	assert_true(links_present(has_link(l, "Ethernet0", 5)));
}

/* S4: a name that is no port's, for a while, does not make an old link a new one. */
static void old_through_a_name_that_is_no_port(void **state)
{
	struct links *l = *state;

	seen(l, 3, "Ethernet0");
	assert_int_equal(mark_old(l), 1);
	settle(l);
	seen(l, 3, "tmp");
	seen(l, 3, "Ethernet4");
	assert_false(links_present(has_link(l, "Ethernet4", 3)));
}

static void old_through_a_dump(void **state)
{
	struct links *l = *state;

	seen(l, 3, "Ethernet0");
	seen(l, 4, "Ethernet4");
	assert_int_equal(mark_old(l), 2);
	settle(l);
	links_dump_begin(l);
	row(l, 3, "Ethernet0");
	links_dump_commit(l);
	assert_false(links_present(has_link(l, "Ethernet0", 3)));
	/* The other's end was missed; what comes now is new. */
	has_link(l, "Ethernet4", 0);
	assert_false(owes_delete(l, "Ethernet4"));
	dirty_are(l, "Ethernet4");
	seen(l, 4, "Ethernet4");
	assert_true(links_present(has_link(l, "Ethernet4", 4)));
}

/* S4: a dump says all renames of an overrun at once. */
static void old_through_a_swap_of_names(void **state)
{
	struct links *l = *state;

	seen(l, 3, "Ethernet0");
	seen(l, 4, "Ethernet4");
	assert_int_equal(mark_old(l), 2);
	settle(l);
	links_dump_begin(l);
	row(l, 3, "Ethernet4");
	row(l, 4, "Ethernet0");
	links_dump_commit(l);
	assert_false(links_present(has_link(l, "Ethernet4", 3)));
	assert_false(links_present(has_link(l, "Ethernet0", 4)));
}

/* --- PortInitDone --- */

enum step { LINK, ROW, WRITTEN, EXPECT, STEPS };

static void take(struct links *l, enum step step)
{
	struct port *port = links_get(l, "Ethernet0");

	assert_non_null(port);
	if (step == LINK)
		seen(l, 3, "Ethernet0");
	else if (step == ROW)
		links_set_configured(l, port, true);
	else if (step == WRITTEN)
		links_mark_published(l, port);
	else
		links_expect(l, port);
}

/* Each step twice: none is missed, and none counts twice. */
static void take_all(const enum step *order)
{
	struct links *l = links_new(0);
	bool expected = false;

	assert_non_null(l);
	for (int i = 0; i < STEPS; i++) {
		expected = (expected || order[i] == EXPECT) && i + 1 < STEPS;
		for (int again = 0; again < 2; again++) {
			take(l, order[i]);
			assert_int_equal(links_expected(l), expected);
			assert_int_equal(links_find(l, "Ethernet0")->appl.expected, expected);
		}
	}
	links_free(l);
}

/* Whatever comes last; only a row that is written always has a link. */
static void initialised_in_every_order(void **state)
{
	static const enum step orders[][STEPS] = {
		{LINK, ROW, WRITTEN, EXPECT}, {LINK, ROW, EXPECT, WRITTEN}, {LINK, WRITTEN, ROW, EXPECT},
		{LINK, WRITTEN, EXPECT, ROW}, {LINK, EXPECT, ROW, WRITTEN}, {LINK, EXPECT, WRITTEN, ROW},
		{ROW, LINK, WRITTEN, EXPECT}, {ROW, LINK, EXPECT, WRITTEN}, {ROW, EXPECT, LINK, WRITTEN},
		{EXPECT, LINK, ROW, WRITTEN}, {EXPECT, LINK, WRITTEN, ROW}, {EXPECT, ROW, LINK, WRITTEN},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(orders); i++)
		take_all(orders[i]);
}

static struct port *configured(struct links *l, const char *name)
{
	struct port *port = links_get(l, name);

	assert_non_null(port);
	links_set_configured(l, port, true);
	links_expect(l, port);
	return port;
}

/* M3, M16: it waits for every port, and for nothing else. */
static void waits_for_every_port(void **state)
{
	struct links *l = *state;
	struct port *first = configured(l, "Ethernet0"), *second = configured(l, "Ethernet4");

	assert_int_equal(links_expected(l), 2);
	seen(l, 9, "Ethernet8");
	gone(l, 8, "Ethernet4");
	links_mark_published(l, links_find(l, "Ethernet8"));
	assert_int_equal(links_expected(l), 2);
	seen(l, 3, "Ethernet0");
	links_mark_published(l, first);
	assert_int_equal(links_expected(l), 1);
	assert_false(first->appl.expected);
	assert_true(second->appl.expected);
	links_dump_begin(l);
	row(l, 3, "Ethernet0");
	row(l, 4, "Ethernet4");
	links_dump_commit(l);
	assert_int_equal(links_expected(l), 1);
	links_mark_published(l, second);
	assert_int_equal(links_expected(l), 0);
	/* What was initialised once is not waited for again. */
	gone(l, 4, "Ethernet4");
	links_set_configured(l, second, false);
	assert_int_equal(links_expected(l), 0);
}

/* All is needed at the same time: what a link had does not count for the next one. */
static void the_next_link_begins_anew(void **state)
{
	struct links *l = *state;
	struct port *port = links_get(l, "Ethernet0");

	links_expect(l, port);
	seen(l, 3, "Ethernet0");
	links_mark_published(l, port);
	gone(l, 3, "Ethernet0");
	links_set_configured(l, port, true);
	assert_int_equal(links_expected(l), 1);
	seen(l, 4, "Ethernet0");
	event(l, 4, "Ethernet0", 0, 1500);
	links_set_configured(l, port, false);
	links_set_configured(l, port, true);
	assert_int_equal(links_expected(l), 1);
	links_set_configured(l, port, false);
	links_mark_published(l, port);
	assert_int_equal(links_expected(l), 1);
	links_set_configured(l, port, true);
	assert_int_equal(links_expected(l), 0);
}

static void another_name_is_written_anew(void **state)
{
	struct links *l = *state;
	struct port *second = configured(l, "Ethernet4");

	seen(l, 3, "Ethernet0");
	links_mark_published(l, links_find(l, "Ethernet0"));
	seen(l, 3, "Ethernet4");
	assert_int_equal(links_expected(l), 1);
	links_mark_published(l, second);
	assert_int_equal(links_expected(l), 0);
}

/* S4: an old link does not initialise its port, under none of its names. */
static void an_old_link_is_waited_for(void **state)
{
	struct links *l = *state;
	struct port *first, *second;

	seen(l, 3, "Ethernet0");
	assert_int_equal(mark_old(l), 1);
	first = configured(l, "Ethernet0");
	second = configured(l, "Ethernet4");
	links_mark_published(l, first);
	assert_int_equal(links_expected(l), 2);
	event(l, 3, "Ethernet0", 0, 9100);
	seen(l, 3, "Ethernet4");
	links_mark_published(l, second);
	assert_int_equal(links_expected(l), 2);
	gone(l, 3, "Ethernet4");
	seen(l, 3, "Ethernet0");
	seen(l, 4, "Ethernet4");
	assert_int_equal(links_expected(l), 2);
	links_mark_published(l, first);
	links_mark_published(l, second);
	assert_int_equal(links_expected(l), 0);
}

/* M8: a row that comes after its link is a reason to write. */
static void rows_of_appl_db_make_dirty(void **state)
{
	struct links *l = *state;
	struct port *port;

	seen(l, 3, "Ethernet0");
	dirty_are(l, "Ethernet0");
	port = links_find(l, "Ethernet0");
	links_set_configured(l, port, true);
	assert_true(port->appl.configured);
	dirty_are(l, "Ethernet0");
	links_set_configured(l, port, true);
	dirty_are(l, "");
	links_set_configured(l, port, false);
	assert_false(port->appl.configured);
	dirty_are(l, "Ethernet0");
}

/* --- memory --- */

/* M12: upstream grows with every name it ever saw. */
static void ever_new_names_take_no_memory(void **state)
{
	struct links *l = links_new(64);
	size_t chunks;

	(void)state;
	assert_non_null(l);
	chunks = links_stats(l)->chunks;
	assert_true(chunks > 0);
	for (int i = 1; i <= 10000; i++) {
		char name[IFNAMSIZ];

		(void)snprintf(name, sizeof(name), "Ethernet%d", i);
		seen(l, i, name);
		settle(l);
		gone(l, i, name);
		settle(l);
		assert_null(links_find(l, name));
	}
	assert_int_equal(links_stats(l)->ports, 0);
	assert_int_equal(links_stats(l)->present, 0);
	assert_int_equal(links_stats(l)->chunks, chunks);
	assert_null(links_next(l, NULL));
	links_free(l);
}

static void reserve_is_enough(void **state)
{
	static const size_t reserves[] = {1, 64, 65, 512};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(reserves); i++) {
		struct links *l = links_new(reserves[i]);
		size_t chunks;

		assert_non_null(l);
		chunks = links_stats(l)->chunks;
		dump_range(l, 1, (int)reserves[i], 9100);
		assert_int_equal(links_stats(l)->chunks, chunks);
		/* And it is no limit. */
		dump_range(l, 1, (int)reserves[i] + 200, 9100);
		range_is(l, 1, (int)reserves[i] + 200, 9100);
		assert_true(links_stats(l)->chunks > chunks);
		links_free(l);
	}
}

/* What an earlier process counted. */
static void the_past_goes_on(void **state)
{
	struct links *l = *state;
	struct port *port;

	assert_int_equal(links_baseline_reserve(l, 2), 0);
	links_baseline_add(l, "Ethernet0", 7, 1000);
	links_baseline_add(l, "Ethernet4", 5, 2000);
	links_baseline_add(l, "Ethernet8", 3, 3000); /* there is no room */
	assert_string_equal(links_baseline_next(l, NULL)->name, "Ethernet0");
	seen(l, 3, "Ethernet0");
	event(l, 3, "Ethernet0", IFF_UP, 9100);
	port = links_find(l, "Ethernet0");
	assert_int_equal(port->history.flaps, 7 + 1);
	assert_int_equal(port->history.flaps_before, 7);
	assert_int_equal(port->history.changed_before_msec, 1000);
	/* Of that process alone. */
	assert_int_equal(links_stats(l)->flaps, 1);
	assert_string_equal(links_baseline_next(l, NULL)->name, "Ethernet4");
	assert_null(links_baseline_next(l, links_baseline_next(l, NULL)));
	seen(l, 4, "Ethernet8");
	assert_int_equal(links_find(l, "Ethernet8")->history.changed_before_msec, 0);
}

/* A link that is left from before comes and goes before its port does; a port that was deleted is another one later. */
static void the_past_waits_for_the_port(void **state)
{
	struct links *l = *state;

	assert_int_equal(links_baseline_reserve(l, 1), 0);
	links_baseline_add(l, "Ethernet0", 7, 1000);
	seen(l, 3, "Ethernet0");
	gone(l, 3, "Ethernet0");
	settle(l);
	assert_null(links_find(l, "Ethernet0"));
	assert_non_null(links_baseline_next(l, NULL));
	links_set_configured(l, links_get(l, "Ethernet0"), true);
	assert_int_equal(links_find(l, "Ethernet0")->history.flaps, 7);
	assert_null(links_baseline_next(l, NULL));
	links_set_configured(l, links_find(l, "Ethernet0"), false);
	settle(l);
	assert_null(links_find(l, "Ethernet0"));
	assert_int_equal(links_get(l, "Ethernet0")->history.flaps, 0);
}

/* A used place holds nothing of the port before. */
static void reused_memory_is_clean(void **state)
{
	struct links *l = *state;
	struct port *port = links_get(l, "Ethernet0"), *again;
	struct list waiting;

	list_init(&waiting);
	list_append(&waiting, &port->lookup.waiting);
	port->row.acked.value[ROW_MTU] = 9100;
	port->row.known = ROW_READ;
	port->appl.admin = ADMIN_PRESENT;
	port->row.failing = port->row.rewrite = port->row.again = port->link.published = true;
	port->history.flaps = port->row.generation = port->row.retry_ms = port->row.read_round =
		port->lookup.seen_round = 9;
	links_release(l, port);
	assert_null(links_find(l, "Ethernet0"));
	assert_true(list_empty(&waiting));
	for (int i = 0; i < 64; i++) {
		char name[IFNAMSIZ];

		(void)snprintf(name, sizeof(name), "Ethernet%d", i + 4);
		again = links_get(l, name);
		assert_non_null(again);
		assert_string_equal(again->name, name);
		assert_int_equal(row_diff(&again->row.acked, &row_nil), 0);
		assert_int_equal(again->row.known, ROW_UNKNOWN);
		assert_int_equal(again->appl.admin, ADMIN_UNKNOWN);
		assert_false(again->row.failing || again->row.rewrite || again->row.again || again->link.published);
		assert_int_equal(again->history.flaps + again->row.generation + again->row.retry_ms, 0);
		assert_int_equal(again->row.read_round + again->lookup.seen_round, 0);
		assert_false(list_linked(&again->lookup.waiting) || list_linked(&again->dirty));
	}
	/* All of one chunk, that of the released port among them. */
	assert_int_equal(links_stats(l)->chunks, 1);
}

#define USE(member)                                                                                                    \
	{                                                                                                              \
#member, offsetof(struct port, member)                                                                 \
	}

/* Any of these alone means that the port is known: to the kernel, to SONiC, in STATE_DB. */
static void a_port_in_use_is_kept(void **state)
{
	static const struct {
		const char *name;
		size_t offset;
	} uses[] = {
		USE(link.ifindex), USE(appl.configured), USE(appl.expected), USE(row.mine), USE(owed.deletion),
	};
	struct links *l = *state;

	for (size_t i = 0; i < ARRAY_SIZE(uses); i++) {
		struct port *port = links_get(l, "Ethernet0");
		char *use = (char *)port + uses[i].offset;

		*use = 1;
		links_release(l, port);
		if (links_find(l, "Ethernet0") != port)
			fail_msg("released although %s is set", uses[i].name);
		*use = 0;
		links_release(l, port);
		assert_null(links_find(l, "Ethernet0"));
		assert_int_equal(links_stats(l)->ports, 0);
	}
}

/* Two answers are under way: the pointer that each of them comes with must be good. */
static void a_held_port_is_kept(void **state)
{
	struct links *l = *state;
	struct port *port = links_get(l, "Ethernet0");

	links_hold(port);
	links_hold(port);
	links_release(l, port);
	assert_ptr_equal(links_find(l, "Ethernet0"), port);
	links_unhold(l, port);
	assert_ptr_equal(links_find(l, "Ethernet0"), port);
	links_unhold(l, port);
	assert_null(links_find(l, "Ethernet0"));
	assert_int_equal(links_stats(l)->ports, 0);
}

/* Who holds a port says nothing of whether it is known. */
static void a_known_port_outlives_its_last_hold(void **state)
{
	struct links *l = *state;
	struct port *port = links_get(l, "Ethernet0");

	links_hold(port);
	links_expect(l, port);
	links_unhold(l, port);
	assert_ptr_equal(links_find(l, "Ethernet0"), port);
}

static void a_dirty_port_is_kept(void **state)
{
	struct links *l = *state;
	struct port *port = links_get(l, "Ethernet0");

	links_mark_dirty(l, port);
	links_release(l, port);
	assert_ptr_equal(links_find(l, "Ethernet0"), port);
	dirty_are(l, "Ethernet0");
	links_release(l, port);
	assert_null(links_find(l, "Ethernet0"));
}

/* As its users see it: a link, a row, a PortInitDone that waits for it. */
static void a_port_that_is_known_is_kept(void **state)
{
	struct links *l = *state;
	struct port *port = links_get(l, "Ethernet0");

	links_expect(l, port);
	links_set_configured(l, port, true);
	settle(l);
	assert_ptr_equal(links_find(l, "Ethernet0"), port);
	links_set_configured(l, port, false);
	settle(l);
	assert_ptr_equal(links_find(l, "Ethernet0"), port);
	assert_int_equal(links_expected(l), 1);
	seen(l, 3, "Ethernet0");
	settle(l);
	assert_ptr_equal(links_find(l, "Ethernet0"), port);
}

static void all_ports_once(void **state)
{
	struct links *l = *state;
	unsigned int n = 0;

	assert_null(links_next(l, NULL));
	for (int i = 0; i < 200; i++) {
		char name[IFNAMSIZ];

		(void)snprintf(name, sizeof(name), "Ethernet%d", i);
		(void)links_get(l, name);
	}
	for (struct port *port = links_next(l, NULL); port; port = links_next(l, port)) {
		port->history.flaps++;
		n++;
	}
	assert_int_equal(n, 200);
	for (struct port *port = links_next(l, NULL); port; port = links_next(l, port))
		assert_int_equal(port->history.flaps, 1);
}

static void release_while_iterating(void **state)
{
	struct links *l = *state;
	unsigned int n = 0;

	dump_range(l, 1, 200, 9100);
	settle(l);
	for (int i = 2; i <= 200; i += 2)
		gone(l, i, "");
	for (struct port *port; (port = links_pop_dirty(l)) != NULL;)
		port->owed.deletion = false;
	for (struct port *port = links_next(l, NULL), *next; port; port = next) {
		next = links_next(l, port);
		links_release(l, port);
		n++;
	}
	assert_int_equal(n, 200);
	assert_int_equal(links_stats(l)->ports, 100);
	for (const struct port *port = links_next(l, NULL); port; port = links_next(l, port))
		assert_int_equal(port->link.ifindex % 2, 1);
	assert_non_null(links_find(l, "Ethernet199"));
	assert_null(links_find(l, "Ethernet200"));
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
		TEST(the_past_goes_on),
		TEST(the_past_waits_for_the_port),
		TEST(impossible_names),
		TEST(all_links_are_marked_old),
		TEST(more_old_links_than_asked_for),
		TEST(old_until_deleted),
		TEST(old_link_forgets_no_debt),
		TEST(new_links_beside_old_ones_count),
		TEST(old_through_a_rename),
		TEST(old_through_a_name_that_is_no_port),
		TEST(old_through_a_dump),
		TEST(old_through_a_swap_of_names),
		TEST(initialised_in_every_order),
		TEST(waits_for_every_port),
		TEST(the_next_link_begins_anew),
		TEST(another_name_is_written_anew),
		TEST(an_old_link_is_waited_for),
		TEST(rows_of_appl_db_make_dirty),
		TEST(ever_new_names_take_no_memory),
		TEST(reserve_is_enough),
		TEST(reused_memory_is_clean),
		TEST(a_port_in_use_is_kept),
		TEST(a_held_port_is_kept),
		TEST(a_known_port_outlives_its_last_hold),
		TEST(a_dirty_port_is_kept),
		TEST(a_port_that_is_known_is_kept),
		TEST(all_ports_once),
		TEST(release_while_iterating),
		TEST(dirty_ports_come_in_order),
		TEST(events_of_no_port_are_counted),
		TEST(the_last_change_has_its_time),
		TEST(a_kept_row_is_kept_until_the_end_of_keeping),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
