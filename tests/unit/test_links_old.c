/* SPDX-License-Identifier: Apache-2.0 */
/* Old links, and how many ports PortInitDone still waits for. */
#include "links_fixture.h"

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
	/* A row that says they are there must go. */
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

/* S4: being called something else for a while does not make an old link a new one. */
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
static void the_next_link_begins_again(void **state)
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

static void another_name_is_written_again(void **state)
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

int main(void)
{
	const struct CMUnitTest tests[] = {
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
		TEST(the_next_link_begins_again),
		TEST(another_name_is_written_again),
		TEST(an_old_link_is_waited_for),
		TEST(rows_of_appl_db_make_dirty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
