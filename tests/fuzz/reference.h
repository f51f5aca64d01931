/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What STATE_DB should say, worked out from scratch out of a plain list of links each time: a second, slow and obvious
 * writing of the rules (docs/sonic-compatibility.md) that shares no code with src/.
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
	REF_ROW,     /* the row holds exactly these four values, and whatever else others wrote */
	REF_NOTHING, /* there is no netdev_oper_status in such a row */
	REF_FOREIGN, /* no business of portsyncd, now */
};

struct ref_row {
	char state[16], oper[16], admin[16], mtu[16];
};

/* Whether a link is a front panel port, were it in APPL_DB. */
bool reference_is_port(const struct ref_link *link);
/* The link that stands behind the row of this name: NULL when none does. */
const struct ref_link *reference_link(const struct ref_link *links, size_t n, const char *name);
/* configured: APPL_DB has a hash PORT_TABLE:<name>. row is written on REF_ROW. */
enum ref_answer reference_answer(const struct ref_link *links, size_t n, const char *name, bool configured,
				 struct ref_row *row);

#endif
