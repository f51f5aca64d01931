/* SPDX-License-Identifier: Apache-2.0 */
/* What the page shows of ports and changes over time. */
#include "metrics/live.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "test.h"

#define STEP (LIVE_STEP_SECS * USEC_PER_SEC)
#define NOW (UINT64_C(358306645) * STEP) /* a time in 2026, where a step begins */

struct fixture {
	struct live live;
	struct changes *changes;
	struct snapshot snapshot;
	uint64_t now;
};

static void add_port(struct fixture *fx, const char *name)
{
	struct snapshot_port port = {
		.link = {.ifindex = 1, .flags = IFF_UP | IFF_RUNNING, .mtu = 9100},
		.appl = {.configured = true},
		.in_sync = true,
	};

	(void)snprintf(port.name, sizeof(port.name), "%s", name);
	snapshot_add_port(&fx->snapshot, &port);
}

static void add_change(const struct fixture *fx, const char *port, uint64_t at_usec, uint32_t latency_usec)
{
	static const struct row up = {{1, 1, 1, 9100}}, down = {{1, 0, 1, 9100}};
	struct change change = {
		.at_usec = at_usec,
		.latency_usec = latency_usec,
		.fields = ROW_BIT(ROW_OPER),
		.before = row_pack(at_usec % 2 ? &up : &down),
		.after = row_pack(at_usec % 2 ? &down : &up),
	};

	(void)snprintf(change.port, sizeof(change.port), "%s", port);
	changes_add(fx->changes, &change);
}

static void look(struct fixture *fx)
{
	live_look(&fx->live, &fx->snapshot, fx->changes, fx->now, 0);
}

static enum live_state state_of(const struct fixture *fx, const char *name)
{
	for (size_t i = 0; i < fx->live.n_ports; i++)
		if (strcmp(fx->live.ports[i].name, name) == 0)
			return fx->live.ports[i].shown.state;
	fail_msg("%s is not shown", name);
	return 0;
}

static void ports_in_the_order_of_the_switch(void **state)
{
	static const char *const names[] = {"Ethernet100", "Ethernet4", "Ethernet0", "Ethernet12"};
	struct fixture *fx = *state;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		add_port(fx, names[i]);
	look(fx);
	assert_true(fx->live.ports_changed);
	assert_int_equal(fx->live.n_ports, 4);
	assert_string_equal(fx->live.ports[0].name, "Ethernet0");
	assert_string_equal(fx->live.ports[2].name, "Ethernet12");
	assert_string_equal(fx->live.ports[3].name, "Ethernet100");
	look(fx);
	assert_false(fx->live.ports_changed);
	assert_false(fx->live.ports[0].news);
	fx->snapshot.n_ports = 1;
	look(fx);
	assert_true(fx->live.ports_changed);
	assert_int_equal(fx->live.n_ports, 1);
	assert_string_equal(fx->live.ports[0].name, "Ethernet100");
}

/* Three changes within a minute, until the first of them is older. */
static void a_port_that_flaps(void **state)
{
	struct fixture *fx = *state;

	add_port(fx, "Ethernet0");
	add_port(fx, "Ethernet4");
	for (unsigned i = 0; i < 2; i++)
		add_change(fx, "Ethernet0", NOW + i * USEC_PER_SEC, 10);
	fx->now = NOW + 2 * USEC_PER_SEC;
	look(fx);
	assert_int_equal(state_of(fx, "Ethernet0"), LIVE_UP);
	add_change(fx, "Ethernet0", NOW + 2 * USEC_PER_SEC, 10);
	look(fx);
	assert_int_equal(state_of(fx, "Ethernet0"), LIVE_FLAPPING);
	assert_int_equal(state_of(fx, "Ethernet4"), LIVE_UP);
	fx->now = NOW + 59 * USEC_PER_SEC;
	look(fx);
	assert_int_equal(state_of(fx, "Ethernet0"), LIVE_FLAPPING);
	fx->now = NOW + 60 * USEC_PER_SEC;
	look(fx);
	assert_int_equal(state_of(fx, "Ethernet0"), LIVE_UP);
}

/* It comes up soon: its row, and its link's own changes, are no flaps. */
static void a_port_that_comes(void **state)
{
	static const struct row down = {{1, 0, 0, 9100}};
	struct fixture *fx = *state;
	const struct change comes = {.at_usec = NOW, .fields = ROW_ALL, .port = "Ethernet0", .after = row_pack(&down)};

	add_port(fx, "Ethernet0");
	changes_add(fx->changes, &comes);
	for (unsigned i = 0; i < 2; i++)
		add_change(fx, "Ethernet0", NOW + i, 10);
	look(fx);
	assert_int_equal(state_of(fx, "Ethernet0"), LIVE_UP);
}

static void why_a_port_is_out_of_sync(void **state)
{
	struct fixture *fx = *state;
	struct snapshot_port *port = fx->snapshot.ports;

	add_port(fx, "Ethernet0");
	port->in_sync = false;
	look(fx);
	assert_int_equal(fx->live.ports[0].shown.state, LIVE_UP); /* for a moment that is no fault */
	look(fx);
	assert_int_equal(fx->live.ports[0].shown.note, LIVE_OWED);
	port->link.old = true;
	look(fx);
	assert_int_equal(fx->live.ports[0].shown.note, LIVE_OLD_LINK);
	port->link.ifindex = 0;
	look(fx);
	assert_int_equal(fx->live.ports[0].shown.note, LIVE_NO_LINK);
	port->appl.configured = false;
	look(fx);
	assert_int_equal(fx->live.ports[0].shown.state, LIVE_UNCONFIGURED);
	assert_int_equal(fx->live.ports[0].shown.note, LIVE_NO_NOTE);
}

static void assert_step(const struct fixture *fx, unsigned back, unsigned changes, unsigned slowest)
{
	const struct live_step *step = live_step(&fx->live, fx->live.newest - back);

	assert_int_equal(step->changes, changes);
	assert_int_equal(step->slowest_usec, slowest);
}

/* From before anybody looked, too; what is too old, and a clock that was set back. */
static void the_last_15_minutes(void **state)
{
	struct fixture *fx = *state;

	add_change(fx, "Ethernet0", NOW - LIVE_STEPS * STEP, 99);
	add_change(fx, "Ethernet0", NOW - (LIVE_STEPS - 1) * STEP, 7);
	add_change(fx, "Ethernet0", NOW - STEP, 20);
	add_change(fx, "Ethernet0", NOW - 1, 30);
	add_change(fx, "Ethernet0", NOW, 0);
	add_change(fx, "Ethernet0", NOW + 10 * STEP, 5);
	look(fx);
	assert_step(fx, LIVE_STEPS - 1, 1, 7);
	assert_step(fx, 1, 2, 30);
	assert_step(fx, 0, 2, 5);
	fx->now = NOW + STEP;
	look(fx);
	assert_step(fx, LIVE_STEPS - 1, 0, 0);
	assert_step(fx, 2, 2, 30);
	assert_step(fx, 0, 0, 0);
	fx->now = NOW + 1000 * STEP;
	look(fx);
	for (unsigned i = 0; i < LIVE_STEPS; i++)
		assert_step(fx, i, 0, 0);
	assert_int_equal(fx->live.n_changes, 6);
	assert_int_equal(fx->live.known_from_usec, 0);
}

static void what_the_ring_has_forgotten(void **state)
{
	struct fixture *fx = *state;

	for (unsigned i = 0; i < 64; i++)
		add_change(fx, "Ethernet0", NOW + i, 10);
	look(fx);
	assert_int_equal(fx->live.n_changes, 16);
	assert_int_equal(fx->live.known_from_usec, NOW + 64 - 16);
	for (unsigned i = 0; i < 5000; i++)
		add_change(fx, "Ethernet0", NOW + STEP + i, 10);
	fx->now = NOW + STEP;
	look(fx);
	assert_true(fx->live.known_from_usec > NOW + STEP);
	assert_true(fx->live.n_changes < 5000);
}

static int setup(void **state)
{
	struct fixture *fx = calloc(1, sizeof(*fx));

	assert_non_null(fx);
	fx->now = NOW;
	fx->changes = changes_new(16);
	assert_int_equal(snapshot_reserve(&fx->snapshot, 16), 0);
	*state = fx;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fx = *state;

	live_done(&fx->live);
	changes_free(fx->changes);
	snapshot_done(&fx->snapshot);
	free(fx);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(ports_in_the_order_of_the_switch), TEST(a_port_that_flaps),   TEST(a_port_that_comes),
		TEST(why_a_port_is_out_of_sync),        TEST(the_last_15_minutes), TEST(what_the_ring_has_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
