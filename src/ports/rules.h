/* SPDX-License-Identifier: Apache-2.0 */
/* Pure policy: which link messages concern a port, and what a port's row says. docs/sonic.md#messages. */
#ifndef PORTSYNCD_RULES_H
#define PORTSYNCD_RULES_H

#include <stdbool.h>

#include "kernel/linkmsg.h"
#include "ports/row.h"

enum rule_verdict {
	RULE_PRESENT, /* the link with this ifindex is a port of this name */
	RULE_NO_PORT, /* it has another name, or is a LAG: teamsyncd's job, and never a row in PORT_TABLE (S10) */
	RULE_GONE,    /* the link with this ifindex does not exist any more */
	RULE_NOTHING, /* says nothing of the device: it has no name, or is about a bridge port (S12) */
};

enum rule_verdict rules_classify(const struct link_msg *msg);

/* True for a name that the port rules apply to: what we may write, and what we may sweep, in STATE_DB. */
bool rules_port_name(const char *name);

/* The row of a link that is there: oper is IFF_RUNNING (S13), admin is IFF_UP. */
struct row rules_row(unsigned flags, unsigned mtu);

#endif
