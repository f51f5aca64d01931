/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel says of the ports, against what the databases hold. Pure: no I/O. The rules are those that
 * docs/sonic.md gives for any portsyncd: a port is a link named Ethernet* whose row is in APPL_DB PORT_TABLE; its row
 * in STATE_DB holds state ok, IFF_RUNNING, IFF_UP and the MTU; what has no link has no row.
 */
#ifndef PORTSYNCD_CTL_COMPARE_H
#define PORTSYNCD_CTL_COMPARE_H

#include "ctl/databases.h"
#include "ctl/links.h"

#define COMPARE_CONFIG_DONE "PortConfigDone"
#define COMPARE_INIT_DONE "PortInitDone"

/* Of a row in STATE_DB, for database_table(). */
extern const char *const compare_fields[];

enum difference_kind {
	DIFFERENCE_VALUE,       /* STATE_DB: the field has another value than the kernel, or is missing */
	DIFFERENCE_NO_ROW,      /* STATE_DB: none for a port that has a link */
	DIFFERENCE_NO_HASH,     /* STATE_DB: the key is not a hash */
	DIFFERENCE_NO_LINK,     /* STATE_DB: a row, but no link of its name */
	DIFFERENCE_NOT_APPLIED, /* CONFIG_DB has the port, APPL_DB does not */
	DIFFERENCE_NO_MARKER,   /* APPL_DB: PortConfigDone or PortInitDone is missing */
	DIFFERENCE_KINDS,
};

struct difference {
	enum difference_kind kind;
	const char *port;     /* or the marker */
	const char *database; /* where it is seen */
	const char *field;    /* NULL: the row as a whole */
	const char *is;       /* printable; NULL: missing */
	const char *should_be;
	const char *note;    /* why this state is known to occur; NULL: it is not */
	uint64_t since_usec; /* the caller's */
};

struct compare_input {
	const struct ctl_links *links;
	const struct db_rows *config, *appl, *state; /* CONFIG_DB PORT, APPL_DB PORT_TABLE, STATE_DB PORT_TABLE */
};

struct differences {
	struct difference *list;
	size_t n, size;
	size_t ports; /* that were compared */
	struct arena memory;
	bool failed; /* memory ran out: not all are here */
};

/* *ret is zeroed, or from an earlier call, whose contents are freed. */
void compare(const struct compare_input *in, struct differences *ret);
void differences_done(struct differences *d);

/* "no_row" */
const char *difference_name(enum difference_kind kind);
/*
 * The difference at the same place with the same wrong content; what should be there may have changed meanwhile. NULL:
 * there is none.
 */
const struct difference *differences_find(const struct differences *d, const struct difference *wanted);

#endif
