/* SPDX-License-Identifier: Apache-2.0 */
/* How long a port is kept, and what memory it takes. */
#include "links_fixture.h"

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
	links_baseline_add(l, "Ethernet8", 3, 3000); /* there is no capacity */
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

/* Whether somebody holds a port does not matter to whether it is known. */
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_past_goes_on),
		TEST(the_past_waits_for_the_port),
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
