/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the page shows: each port in the order of the switch, the changes of the last 15 minutes in steps of
 * LIVE_STEP_SECS, and the latest ones. It is renewed only while there are viewers, once a second at most, for all of
 * them together; what came before is taken from the ring of changes. Not thread-safe.
 */
#ifndef PORTSYNCD_METRICS_LIVE_H
#define PORTSYNCD_METRICS_LIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"
#include "metrics/snapshot.h"
#include "ports/changes.h"

#define LIVE_STEPS 180
#define LIVE_STEP_SECS 5
#define LIVE_CHANGES 20
#define LIVE_FLAPS 3 /* changes of the oper status within LIVE_FLAPS_SECS make a port flapping */
#define LIVE_FLAPS_SECS 60

enum live_state {
	LIVE_UP,
	LIVE_DOWN,
	LIVE_ADMIN_DOWN,
	LIVE_FLAPPING,
	LIVE_OUT_OF_SYNC, /* configured, but without an interface of its own, or Redis does not have its row for a while
			   */
	LIVE_UNCONFIGURED,
	LIVE_STATES,
};

/* What is shown of a port; compared byte by byte, so without padding. */
struct live_shown {
	uint64_t flaps, changed_msec; /* since the epoch; 0: never */
	uint32_t mtu;
	uint8_t state, oper, admin; /* enum live_state; whether it is up */
	uint8_t note;               /* enum live_note */
};

enum live_note { LIVE_NO_NOTE, LIVE_NO_LINK, LIVE_OLD_LINK, LIVE_OWED, LIVE_NOTES };

struct live_port {
	char name[IFNAMSIZ];
	struct live_shown shown;
	bool news;                      /* shown differs from what it was a look before */
	bool out_before;                /* it was not in sync a look before */
	uint64_t oper_usec[LIVE_FLAPS]; /* when its oper status last changed, the newest first; 0: it did not */
};

/* The changes of LIVE_STEP_SECS. */
struct live_step {
	uint32_t changes, slowest_usec; /* the latter 0: none was timed */
};

struct live {
	uint64_t looks;          /* how often live_look() was called */
	bool ports_changed;      /* there are other ports than a look before */
	struct live_port *ports; /* by strverscmp() */
	size_t n_ports, capacity;
	uint64_t newest;                      /* step: seconds since the epoch / LIVE_STEP_SECS */
	uint64_t known_from_usec;             /* changes before this are not remembered; 0: all are */
	struct live_step steps[LIVE_STEPS];   /* by step % LIVE_STEPS */
	struct change changes[LIVE_CHANGES];  /* by number % LIVE_CHANGES */
	uint64_t n_changes, n_changes_before; /* so far, and a look before */

	/* Private. */
	uint64_t next; /* position in the ring */
	bool begun;
};

/*
 * Takes in the snapshot's ports and what the ring has new; c may be NULL. epoch_nsec: what makes a CLOCK_MONOTONIC time
 * one since the epoch. If memory for the ports runs out, it keeps those that it has.
 */
void live_look(struct live *l, const struct snapshot *s, const struct changes *c, uint64_t now_usec,
	       uint64_t epoch_nsec);
/* Frees what *l holds. */
void live_done(struct live *l);

/* How many ports are in each state. */
void live_count(const struct live *l, size_t counts[LIVE_STATES]);
const char *live_state_name(enum live_state state);
/* Why it is out of sync; "" without a note. */
const char *live_note_text(enum live_note note);
/* The step of this number, from newest - LIVE_STEPS + 1 to newest. */
const struct live_step *live_step(const struct live *l, uint64_t number);

#endif
