/* SPDX-License-Identifier: Apache-2.0 */
/* Pushes every good row of CONFIG_DB PORT to APPL_DB PORT_TABLE; a bad one is named in the log and left out. */
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
	PORTROWS_DONE,  /* count good rows were all accepted */
	PORTROWS_AGAIN, /* Redis refused some, or memory was short: portrows_again() tries those */
	PORTROWS_LOST,  /* a connection was lost: portrows_start() when it is back */
};

typedef void (*portrows_fn)(enum portrows_outcome outcome, size_t count, void *user);

/* NULL without memory. deps is copied; what it points to must outlive it. */
struct portrows *portrows_new(const struct portrows_deps *deps, portrows_fn fn, void *user);
void portrows_free(struct portrows *r);
/*
 * With all false only rows that APPL_DB lacks are pushed: on a warm start it has them already, unless it was emptied
 * while an earlier process pushed them and that process ended before it noticed. True at first.
 */
void portrows_push_all(struct portrows *r, bool all);
/* Reads and pushes all rows; if an earlier run still awaits answers, after those. fn is called later, or at once if
 * nothing can be read. */
void portrows_start(struct portrows *r);
void portrows_again(struct portrows *r);
/* The port whose row APPL_DB accepted first since portrows_start(); NULL: none. If APPL_DB is emptied after that, the
 * row is gone. Valid until the next start. */
const char *portrows_first(const struct portrows *r);
/* Goes on once there is capacity again. Called once a loop turn. */
void portrows_turn(struct portrows *r);
/* Stops what runs; fn is not called. */
void portrows_stop(struct portrows *r);
/* APPL_DB was emptied: ask again which ports it had before our first push. */
void portrows_forget(struct portrows *r);

#endif
