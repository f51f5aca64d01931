/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The port model: what the kernel says of each port, whether APPL_DB knows it, and what Redis acknowledged of it.
 * Links are known by ifindex, a name is an attribute that may change; rows are known by name. A change marks the
 * port dirty; sonic/publish sends the difference.
 */
#ifndef PORTSYNCD_LINKS_H
#define PORTSYNCD_LINKS_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "base/list.h"
#include "kernel/linkmsg.h"
#include "log/limit.h"
#include "ports/baseline.h"
#include "ports/row.h"

/* The kernel's link of the port's name; written by links.c. */
struct port_link {
	int ifindex;      /* 0: there is none */
	int gone_ifindex; /* of the last one that went; 0: none did */
	uint32_t flags, mtu, master;
	uint32_t carrier_up, carrier_down;
	bool published; /* STATE_DB has acknowledged this link's row */
	bool old;       /* was there before our cold start: ignored until it is deleted (S4, S5) */
};

/* What the link did, in this process and in earlier ones; written by links.c. */
struct port_history {
	uint64_t flaps;               /* changes of the oper status, those of earlier processes included */
	uint64_t flaps_before;        /* those of earlier processes */
	uint64_t changed_nsec;        /* when the last change came, CLOCK_MONOTONIC; 0: none came as an event */
	uint64_t changed_before_msec; /* when it came in an earlier process, since the epoch; 0: none did */
};

/*
 * What consumers have not heard yet: links.c adds, sonic/publish takes. A port owes an event for each change of its
 * link, also for one that was undone before it was written, since consumers must undo what the kernel did meanwhile
 * (intfmgrd, teammgrd).
 */
struct port_owed {
	unsigned fields;     /* ROW_BIT()s and OWED_DOUBT: written no matter what Redis holds */
	bool deletion;       /* a link of this name was deleted: consumers wait for the DEL even if it is back (S16) */
	uint64_t since_nsec; /* when the oldest change came that was not sent yet, CLOCK_MONOTONIC; 0: none */
};

#define OWED_DOUBT ROW_BIT(ROW_FIELDS) /* nobody knows what changed: all four fields */

/* Whether APPL_DB's row had admin_status before our first push, i.e. was initialised before this start (M3). */
enum port_admin { ADMIN_UNKNOWN, ADMIN_ASKED, ADMIN_ABSENT, ADMIN_PRESENT };

/* What CONFIG_DB and APPL_DB say of the port; written by links.c, admin by sonic/portrows. */
struct port_appl {
	bool configured; /* APPL_DB has a row PORT_TABLE:<name> */
	bool expected;   /* holds back PortInitDone */
	bool kept;       /* warm start: the row of an earlier run stays until the link was seen */
	enum port_admin admin;
};

/* What is known of our four fields in STATE_DB. */
enum row_known {
	ROW_UNKNOWN, /* not read yet, or a write whose outcome is unknown */
	ROW_READ,    /* port.row.acked is what Redis holds */
};

/* STATE_DB's row; written by sonic/publish, read_round by sonic/readback. */
struct port_row {
	enum row_known known;
	struct row acked;    /* with ROW_READ: what Redis holds, once all that was sent is answered */
	unsigned announced;  /* fields of the write under way: owed again unless Redis acknowledges it */
	bool mine;           /* the row has fields of ours, or was written by us */
	bool rewrite;        /* the key holds something that is not a hash: delete before writing */
	bool failing;        /* the last write was refused; one log line an episode */
	bool again;          /* changed while writes were under way */
	bool drifted;        /* was changed by somebody else and is not repaired yet */
	uint16_t writing;    /* writes without an answer */
	uint32_t generation; /* counts our writes, so that a read that crossed one is known */
	uint32_t read_round;
	uint32_t retry_ms;   /* back-off after a refusal */
	uint64_t retry_at;   /* CLOCK_MONOTONIC us, 0: none */
	uint64_t timed_nsec; /* owed.since_nsec of the write under way; 0: it is not timed */
};

/* The write under way, or tried again, as the history will show it (ports/changes); written by sonic/publish. */
struct port_noted {
	struct row_packed before;  /* the row that the write replaces */
	struct row_packed deleted; /* the row that the deletion removes */
	uint8_t fields;            /* ROW_BIT()s of what the write changes; 0: nothing, and before is not set */
};

/* The look-up in APPL_DB; written by sonic/appl_ports. */
struct port_lookup {
	bool running;
	bool again; /* the row changed while it was looked up: the answer on its way may be older */
	uint32_t seen_round;
	struct list waiting; /* in the list of links without a row */
	struct list owed;    /* in the list of look-ups that are owed */
};

struct port {
	char name[IFNAMSIZ];
	struct port_link link;
	struct port_history history;
	struct port_owed owed;
	struct port_appl appl;
	struct port_row row;
	struct port_noted noted;
	struct port_lookup lookup;
	struct loglimit_own log; /* written by sonic/portlog */
	uint32_t reread_round;   /* written by ports/mirror */

	/* Private to links.c. */
	unsigned holds;
	struct list dirty, all;
	struct hash_node by_name, by_ifindex;
};

struct links;

/* reserve: ports for which memory is taken at once. NULL without memory. */
struct links *links_new(size_t reserve);
void links_free(struct links *l);

/*
 * What an earlier process counted; to be added before the first event, after its number was reserved. A port of that
 * name goes on from there. Once it was configured its count is its own: one that is deleted and comes back begins at 0.
 */
int links_baseline_reserve(struct links *l, size_t n); /* 0 or -ENOMEM */
void links_baseline_add(struct links *l, const char *name, uint64_t flaps, uint64_t changed_msec);
/* What was added for names that have no port now: start with NULL, ends with NULL. */
const struct baseline_port *links_baseline_next(const struct links *l, const struct baseline_port *before);

/*
 * One message of the event socket, received at this time (CLOCK_MONOTONIC; 0: not known). True when it gives the link
 * of a port another master.
 */
bool links_event(struct links *l, const struct link_msg *msg, uint64_t received_nsec);

/* What is true of one link now, as a reading found it without an event. RTM_DELLINK: no link has this ifindex. */
void links_reread(struct links *l, const struct link_msg *msg);

/*
 * A dump is staged. links_dump_commit() applies the rows of links that no event named since links_dump_begin() (the
 * event is newer, or more events follow that lead to the row), and drops every link that neither a row nor an event
 * named. A partial dump may lack rows: it drops no link. 0, or -ENOMEM when memory ran short: then some rows were
 * not learned, and the links must be dumped again.
 */
void links_dump_begin(struct links *l);
void links_dump_row(struct links *l, const struct link_msg *msg);
int links_dump_commit(struct links *l);
int links_dump_commit_partial(struct links *l);
void links_dump_abort(struct links *l);

/*
 * After a gap, in which we or readers of Redis may have missed changes: every port with a link owes one event. A link
 * that is new to us owes one anyway.
 */
void links_doubt(struct links *l);

struct port *links_find(const struct links *l, const char *name);
/* The port whose link has this ifindex, an old one too, or NULL. */
struct port *links_find_ifindex(const struct links *l, int ifindex);
/* Finds or makes the port. NULL when the name is empty or longer than an interface name may be, or without memory. */
struct port *links_get(struct links *l, const char *name);
/* All ports: start with NULL, ends with NULL. The current one may be released while iterating if next was taken before.
 */
struct port *links_next(const struct links *l, const struct port *port);

/* True when the port has a link that counts: one that is not old. */
bool links_present(const struct port *port);

void links_set_configured(struct links *l, struct port *port, bool configured);
/* STATE_DB acknowledged the row of the port's link. */
void links_mark_published(struct links *l, struct port *port);
/* The port holds back PortInitDone until it has a link, a row in APPL_DB, and its row in STATE_DB. */
void links_expect(struct links *l, struct port *port);
size_t links_expected(const struct links *l);
/* The row that an earlier run left for this port waits for its link (warm start), until links_end_keeping(). */
void links_keep(struct links *l, struct port *port);
/* Gives up the kept rows whose links have not come, and keeps no more from now on. Returns how many it gave up. */
size_t links_end_keeping(struct links *l);
/* How many rows are kept. */
size_t links_kept(const struct links *l);

/*
 * Marks every link that is there now as old, whatever it will be called, until it is deleted; returns how many. Their
 * ifindexes go to ifindex[0 .. max-1]. Only the first call does anything.
 */
size_t links_mark_old(struct links *l, int *ifindex, size_t max);

void links_mark_dirty(struct links *l, struct port *port);
/* Takes the longest waiting dirty port out of the list; NULL when there is none. */
struct port *links_pop_dirty(struct links *l);
bool links_any_dirty(const struct links *l);

/*
 * A port lives as long as the kernel, SONiC or STATE_DB knows it, it is dirty, or somebody holds it: for an answer
 * under way, a timer, or what must not be forgotten. A hold taken is given back by links_unhold().
 */
void links_hold(struct port *port);
/* The pointer must not be used afterwards. */
void links_unhold(struct links *l, struct port *port);
/* Gives the port's memory back if nothing needs it any more. Call it after the last use of the pointer. */
void links_release(struct links *l, struct port *port);

struct links_stats {
	size_t ports;   /* in memory */
	size_t present; /* with a link */
	size_t members; /* of those, with a master */
	size_t configured;
	size_t chunks;           /* growths of the port memory */
	uint64_t flaps, changes; /* of oper status, admin status or MTU, the latter as events */
	uint64_t no_memory;
	uint64_t ignored; /* events of links that are not ports */
};
const struct links_stats *links_stats(const struct links *l);

#endif
