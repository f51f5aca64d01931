/* SPDX-License-Identifier: Apache-2.0 */
#include "ports/difference.h"

#include <inttypes.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "ports/rules.h"

struct text {
	char *bytes;
	size_t len;
};

static void put(struct text *t, const char *what, const char *before, const char *now)
{
	size_t room = DIFFERENCE_BYTES - t->len;
	int n = snprintf(t->bytes + t->len, room, "%s%s %s -> %s", t->len ? ", " : "", what, before, now);

	t->len += MIN((size_t)MAX(n, 0), room - 1);
}

static void put_number(struct text *t, const char *what, uint32_t before, uint32_t now)
{
	char from[16], to[16];

	(void)snprintf(from, sizeof(from), "%" PRIu32, before);
	(void)snprintf(to, sizeof(to), "%" PRIu32, now);
	put(t, what, from, to);
}

static const char *up_or_down(uint32_t flags, uint32_t flag)
{
	return flags & flag ? "up" : "down";
}

static void compare_fields(struct text *t, const struct port *port, const struct link_msg *msg)
{
	uint32_t changed = port->link.flags ^ msg->flags;

	if (changed & IFF_UP)
		put(t, "admin", up_or_down(port->link.flags, IFF_UP), up_or_down(msg->flags, IFF_UP));
	if (changed & IFF_RUNNING)
		put(t, "oper", up_or_down(port->link.flags, IFF_RUNNING), up_or_down(msg->flags, IFF_RUNNING));
	if (msg->mtu && msg->mtu != port->link.mtu)
		put_number(t, "mtu", port->link.mtu, msg->mtu);
	if (msg->master != port->link.master)
		put_number(t, "master", port->link.master, msg->master);
}

bool difference(const struct port *port, const struct link_msg *msg, char text[DIFFERENCE_BYTES])
{
	bool is_port = rules_classify(msg) == RULE_PRESENT;
	struct text t = {.bytes = text};

	text[0] = '\0';
	if (!port && is_port)
		put(&t, "link", "none", msg->name);
	else if (port && msg->type == RTM_DELLINK)
		put(&t, "link", port->name, "none");
	else if (port && strcmp(port->name, msg->name) != 0 && msg->name[0] != '\0')
		put(&t, "name", port->name, msg->name);
	else if (port && is_port && !port->link.old)
		compare_fields(&t, port, msg);
	return t.len > 0;
}
