/* SPDX-License-Identifier: Apache-2.0 */
#include "ports/difference.h"

#include <inttypes.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "base/util.h"
#include "ports/rules.h"

static void put(char *text, const char *what, const char *before, const char *now)
{
	text_append(text, DIFFERENCE_BYTES, ", ", "%s %s -> %s", what, before, now);
}

static void put_number(char *text, const char *what, uint32_t before, uint32_t now)
{
	char from[16], to[16];

	(void)snprintf(from, sizeof(from), "%" PRIu32, before);
	(void)snprintf(to, sizeof(to), "%" PRIu32, now);
	put(text, what, from, to);
}

static const char *up_or_down(uint32_t flags, uint32_t flag)
{
	return flags & flag ? "up" : "down";
}

static void compare_fields(char *text, const struct port *port, const struct link_msg *msg)
{
	uint32_t changed = port->link.flags ^ msg->flags;

	if (changed & IFF_UP)
		put(text, "admin", up_or_down(port->link.flags, IFF_UP), up_or_down(msg->flags, IFF_UP));
	if (changed & IFF_RUNNING)
		put(text, "oper", up_or_down(port->link.flags, IFF_RUNNING), up_or_down(msg->flags, IFF_RUNNING));
	if (msg->mtu && msg->mtu != port->link.mtu)
		put_number(text, "mtu", port->link.mtu, msg->mtu);
	if (msg->master != port->link.master)
		put_number(text, "master", port->link.master, msg->master);
}

bool difference(const struct port *port, const struct link_msg *msg, char text[DIFFERENCE_BYTES])
{
	bool is_port = rules_classify(msg) == RULE_PRESENT;

	text[0] = '\0';
	if (!port && is_port)
		put(text, "link", "none", msg->name);
	else if (port && msg->type == RTM_DELLINK)
		put(text, "link", port->name, "none");
	else if (port && strcmp(port->name, msg->name) != 0 && msg->name[0] != '\0')
		put(text, "name", port->name, msg->name);
	else if (port && is_port && !port->link.old)
		compare_fields(text, port, msg);
	return text[0] != '\0';
}
