/* SPDX-License-Identifier: Apache-2.0 */
#include "links_fixture.h"

int links_setup(void **state)
{
	*state = links_new(0);
	return *state ? 0 : -1;
}

int links_teardown(void **state)
{
	links_free(*state);
	return 0;
}

struct link_msg message(uint16_t type, int ifindex, const char *name, uint32_t flags, uint32_t mtu)
{
	struct link_msg msg = {.type = type, .ifindex = ifindex, .flags = flags, .mtu = mtu, .kind = "veth"};

	(void)snprintf(msg.name, sizeof(msg.name), "%s", name);
	return msg;
}

void event(struct links *l, int ifindex, const char *name, uint32_t flags, uint32_t mtu)
{
	struct link_msg msg = message(RTM_NEWLINK, ifindex, name, flags, mtu);

	links_event(l, &msg, 0);
}

void seen(struct links *l, int ifindex, const char *name)
{
	event(l, ifindex, name, UP, 9100);
}

void gone(struct links *l, int ifindex, const char *name)
{
	struct link_msg msg = message(RTM_DELLINK, ifindex, name, 0, 9100);

	links_event(l, &msg, 0);
}

void row(struct links *l, int ifindex, const char *name)
{
	struct link_msg msg = message(RTM_NEWLINK, ifindex, name, UP, 9100);

	links_dump_row(l, &msg);
}

void row_with(struct links *l, int ifindex, const char *name, uint32_t flags, uint32_t mtu)
{
	struct link_msg msg = message(RTM_NEWLINK, ifindex, name, flags, mtu);

	links_dump_row(l, &msg);
}

void dirty_are(struct links *l, const char *want)
{
	char got[256] = "";
	size_t len = 0;

	for (struct port *port; (port = links_pop_dirty(l)) != NULL;)
		len += (size_t)snprintf(got + len, sizeof(got) - len, "%s%s", len ? " " : "", port->name);
	assert_string_equal(got, want);
	assert_false(links_any_dirty(l));
}

struct port *has_link(struct links *l, const char *name, int ifindex)
{
	struct port *port = links_find(l, name);

	assert_non_null(port);
	assert_string_equal(port->name, name);
	assert_int_equal(port->link.ifindex, ifindex);
	if (ifindex == 0)
		assert_false(links_present(port));
	return port;
}

void has_state(struct links *l, const char *name, uint32_t flags, uint32_t mtu)
{
	const struct port *port = links_find(l, name);

	assert_non_null(port);
	assert_int_equal(port->link.flags, flags);
	assert_int_equal(port->link.mtu, mtu);
}

bool owes_delete(const struct links *l, const char *name)
{
	const struct port *port = links_find(l, name);

	assert_non_null(port);
	return port->owed.deletion;
}

void settle(struct links *l)
{
	for (struct port *port; (port = links_pop_dirty(l)) != NULL;) {
		port->owed.deletion = false;
		links_release(l, port);
	}
}

size_t mark_old(struct links *l)
{
	int ifindex[8];

	return links_mark_old(l, ifindex, ARRAY_SIZE(ifindex));
}

void dump_range(struct links *l, int from, int to, uint32_t mtu)
{
	links_dump_begin(l);
	for (int i = from; i <= to; i++) {
		char name[IFNAMSIZ];

		(void)snprintf(name, sizeof(name), "Ethernet%u", (unsigned)i % 1000000);
		row_with(l, i, name, UP, mtu);
	}
	links_dump_commit(l);
}

void range_is(struct links *l, int from, int to, uint32_t mtu)
{
	for (int i = from; i <= to; i++) {
		char name[IFNAMSIZ];

		(void)snprintf(name, sizeof(name), "Ethernet%u", (unsigned)i % 1000000);
		assert_true(links_present(has_link(l, name, i)));
		has_state(l, name, UP, mtu);
	}
	assert_int_equal(links_stats(l)->present, to - from + 1);
}
