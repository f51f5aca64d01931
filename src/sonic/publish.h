/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps STATE_DB PORT_TABLE|<port> equal to the model. Once a loop turn it sends, for each dirty port, the difference
 * between the desired row and what Redis acknowledged, and the fields that changed since, even if they changed back:
 * without an event, consumers would not undo what the kernel did meanwhile. On every connection, and at each
 * reconciliation, our fields are read back first, so that what did not change is not written.
 */
#ifndef PORTSYNCD_PUBLISH_H
#define PORTSYNCD_PUBLISH_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "base/hist.h"
#include "ports/changes.h"
#include "ports/links.h"
#include "redis/conn.h"

struct publish_stats {
	uint64_t sets, deletes;   /* commands sent */
	uint64_t refused;         /* writes that Redis answered with an error */
	uint64_t repeats;         /* rows written without a new value: only the event was owed */
	uint64_t reconciliations; /* complete readings of our fields */
	uint64_t drift;           /* rows found to differ from what Redis acknowledged */
	uint64_t repaired;        /* those of them that are right again */
	uint64_t orphans;         /* rows found for which there is no link */
	uint64_t batches;         /* flushes that wrote at least one row */
};

struct publish;

/* Called for a port that has a link but no row in APPL_DB. */
typedef void (*publish_unknown_fn)(struct port *port, void *user);

struct publish_options {
	const char *separator;   /* STATE_DB's, "|" */
	size_t batch_size;       /* rows after which the buffer is written to Redis within a turn, > 0 */
	bool events;             /* each write is published as well, see eventpub.h ... */
	unsigned database;       /* ... under this number */
	uint64_t last_event;     /* port changes are numbered from here on */
	struct changes *changes; /* gets what Redis acknowledges; may be NULL */
};

/* conn's ops must call publish_ready() and publish_lost(). All must outlive it. 0 or negative errno. */
int publish_new(struct publish **ret, sd_event *event, struct links *links, struct conn *conn,
		const struct publish_options *opt, publish_unknown_fn unknown, void *user);
void publish_free(struct publish *p);

void publish_ready(struct publish *p);
void publish_lost(struct publish *p);

/* Nothing is written until the model can be trusted (false at first), nor while it settles after a dump. */
void publish_enable(struct publish *p, bool enabled);
void publish_hold(struct publish *p, bool hold);

/* Sends what is owed, up to the in-flight bound. Called once a loop turn. */
void publish_flush(struct publish *p);
/* Starts to read our fields back; a row that differs is counted and repaired. */
void publish_reconcile(struct publish *p);

/* How many ports have a row that Redis has not acknowledged as desired. Looks at all ports: not for every turn. */
size_t publish_owed(const struct publish *p);
bool publish_owes(const struct port *port);
/* The rows of STATE_DB are unknown: they were not read back since it was connected. */
bool publish_is_in_doubt(const struct publish *p);
/* The number of the last port change that was sent. */
uint64_t publish_last_event(const struct publish *p);
/* Leaves numbers out. */
void publish_skip_events(struct publish *p, uint64_t numbers);
const struct publish_stats *publish_stats(const struct publish *p);
/*
 * Nanoseconds from the receipt of a port's oldest unwritten change to Redis' acknowledgement of the write. Only writes
 * whose answers are read at once are timed: in a storm one batch in 64.
 */
const struct hist *publish_latency(const struct publish *p);
/* The number of rows that each batch wrote. */
const struct hist *publish_batch_rows(const struct publish *p);

#endif
