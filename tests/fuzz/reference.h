/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What STATE_DB should hold, derived from a plain list of links each time: a second, slow and obvious implementation of
 * the rules (docs/sonic-compatibility.md) that shares no code with src/.
 */
#ifndef PORTSYNCD_REFERENCE_H
#define PORTSYNCD_REFERENCE_H

#include <stdbool.h>
#include <stddef.h>

struct ref_link {
	int ifindex;
	char name[16], kind[16];
	unsigned flags, mtu;
	bool exists;
	bool old; /* was a port when the switch process started cold */
};

enum ref_answer {
	REF_ROW,     /* the row has exactly these four values, and other writers' fields */
	REF_NOTHING, /* the row, if any, has no netdev_oper_status */
	REF_FOREIGN, /* not portsyncd's at the moment */
};

struct ref_row {
	char state[16], oper[16], admin[16], mtu[16];
};

/* Whether a link would be a front panel port if it were in APPL_DB. */
bool reference_is_port(const struct ref_link *link);
/* The link behind the row of this name; NULL if there is none. */
const struct ref_link *reference_link(const struct ref_link *links, size_t n, const char *name);
/* configured: APPL_DB has a hash PORT_TABLE:<name>. row is written on REF_ROW. */
enum ref_answer reference_answer(const struct ref_link *links, size_t n, const char *name, bool configured,
				 struct ref_row *row);

#endif
