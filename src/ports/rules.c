/* SPDX-License-Identifier: Apache-2.0 */
#include "ports/rules.h"

#include <linux/rtnetlink.h>
#include <string.h>

#define PORT_PREFIX "Ethernet"

static bool has_prefix(const char *name, const char *prefix)
{
	return strncmp(name, prefix, strlen(prefix)) == 0;
}

bool rules_port_name(const char *name)
{
	return has_prefix(name, PORT_PREFIX);
}

enum rule_verdict rules_classify(const struct link_msg *msg)
{
	if (msg->family == AF_BRIDGE)
		return RULE_NOTHING;
	/* A deleted link is gone whatever it is called by now, and whatever master it had (S12). */
	if (msg->type == RTM_DELLINK)
		return RULE_GONE;
	if (msg->name[0] == '\0')
		return RULE_NOTHING;
	/* A team device is a LAG whatever it is called. */
	return rules_port_name(msg->name) && strcmp(msg->kind, "team") != 0 ? RULE_PRESENT : RULE_NO_PORT;
}

struct row rules_row(unsigned flags, unsigned mtu)
{
	return (struct row){{
		[ROW_STATE] = 1,
		[ROW_OPER] = (flags & IFF_RUNNING) != 0,
		[ROW_ADMIN] = (flags & IFF_UP) != 0,
		[ROW_MTU] = mtu,
	}};
}
