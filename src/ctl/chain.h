/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must be so, one after the other, before consumers see a port as it is: its row in CONFIG_DB, that in APPL_DB,
 * its interface, which must not be an old one, the carrier, the row in STATE_DB, and that this equals the interface.
 */
#ifndef PORTSYNCD_CTL_CHAIN_H
#define PORTSYNCD_CTL_CHAIN_H

#include <jansson.h>

#include "ctl/databases.h"
#include "ctl/links.h"

enum chain_index {
	CHAIN_CONFIG,
	CHAIN_APPL,
	CHAIN_NETDEV,
	CHAIN_OLD,
	CHAIN_CARRIER,
	CHAIN_STATE,
	CHAIN_SYNC,
	CHAIN_LINKS,
};

enum chain_state {
	CHAIN_OK,
	CHAIN_BROKEN,
	CHAIN_UNKNOWN, /* only the daemon knows, and it does not answer */
	CHAIN_SKIPPED, /* means nothing, since an earlier one is broken */
};

struct chain_link {
	enum chain_state state;
	char found[320];    /* what was read */
	const char *remedy; /* of one that is broken; static */
};

struct chain {
	struct chain_link links[CHAIN_LINKS];
};

/* What was read of the switch. */
struct chain_sources {
	struct db_rows config, appl, pushed, state; /* pushed: keys of rows that orchagent has not taken yet */
	struct ctl_links links;
	json_t *ports;      /* the daemon's list of /ports; NULL: it does not answer */
	char silence[1024]; /* why not */
};

/*
 * Reads the rows with these keys, or all (keys NULL), the links, and the daemon's list. A daemon that does not answer
 * is no error; if it did not answer for an earlier *ret it is not asked again. *ret is zeroed, or from an earlier call,
 * whose contents are freed. 0; or -1, ctl_fail() is due.
 */
int chain_read(struct ctl *ctl, const char *const *keys, size_t n, struct chain_sources *ret);
void chain_done(struct chain_sources *sources);

void chain_follow(const struct chain_sources *sources, const char *port, struct chain *ret);

/* The first that is broken; with_carrier: or lacks a carrier, for which PortInitDone does not wait. CHAIN_LINKS: none.
 */
enum chain_index chain_broken(const struct chain *chain, bool with_carrier);

/* What the daemon says of the port; NULL. */
const json_t *chain_daemon(const struct chain_sources *sources, const char *port);
/* "CONFIG_DB row", and "ok", "broken", ... */
const char *chain_link_name(enum chain_index link);
const char *chain_state_name(enum chain_state state);

#endif
