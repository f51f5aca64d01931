/* SPDX-License-Identifier: Apache-2.0 */
/* Every good row of CONFIG_DB PORT into APPL_DB PORT_TABLE; a bad one is named in the log and left out. */
#ifndef PORTSYNCD_PORTROWS_H
#define PORTSYNCD_PORTROWS_H

#include <stddef.h>

#include "ports/links.h"
#include "redis/conn.h"
#include "sonic/producer.h"

struct portrows_deps {
	struct links *links;
	struct conn *config, *appl;
	struct producer *producer;
	const char *config_separator, *appl_separator;
};

struct portrows;

enum portrows_outcome {
	PORTROWS_DONE,  /* every good row was accepted: count of them */
	PORTROWS_AGAIN, /* Redis refused some, or there was no memory: portrows_again() tries those */
	PORTROWS_LOST,  /* the connection went: portrows_start() when it is back */
};

typedef void (*portrows_fn)(enum portrows_outcome outcome, size_t count, void *user);

/* NULL without memory. deps is copied, what it names must outlive it. */
struct portrows *portrows_new(const struct portrows_deps *deps, portrows_fn fn, void *user);
void portrows_free(struct portrows *r);
/* With push false the rows are read and judged only: on a warm start APPL_DB has them already. True at first. */
void portrows_set_push(struct portrows *r, bool push);
/* Reads and pushes all rows; if answers to an earlier run are still owed, after those. fn is told later, or at once if
 * the reading cannot begin. */
void portrows_start(struct portrows *r);
void portrows_again(struct portrows *r);
/* The port whose row APPL_DB accepted first since portrows_start(); NULL: none. Whatever empties APPL_DB after that
 * takes the row away. Valid until the next start. */
const char *portrows_first(const struct portrows *r);
/* Goes on if it had no room. Called once a loop turn. */
void portrows_turn(struct portrows *r);
/* Stops what runs; fn is not told. */
void portrows_stop(struct portrows *r);
/* APPL_DB was emptied: what was there before our first push is to be asked again. */
void portrows_forget(struct portrows *r);

#endif
