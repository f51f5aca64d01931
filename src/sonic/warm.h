/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether this is a warm start, by the tables of STATE_DB (docs/sonic.md#warm-restart):
 * WARM_RESTART_ENABLE_TABLE|system or |swss says enable "true", and WARM_RESTART_TABLE|portsyncd has a restore_count,
 * which is then raised by one. Otherwise the start is cold and restore_count becomes 0. No state field is written:
 * tests that compare a warm start with a cold one would fail.
 */
#ifndef PORTSYNCD_WARM_H
#define PORTSYNCD_WARM_H

#include <stdbool.h>

#include "redis/conn.h"

enum warm_answer {
	WARM_COLD,
	WARM_WARM,
	WARM_UNKNOWN, /* Redis refused to answer: ask again later */
};

typedef void (*warm_fn)(enum warm_answer answer, void *user);

struct warm;

/* NULL without memory. */
struct warm *warm_new(struct conn *state, const char *separator, warm_fn fn, void *user);
void warm_free(struct warm *w);
/*
 * Asks; fn is called later, or never if the connection is lost. Once decided, the answer stays for the life of the
 * process. 0 or conn_command()'s errors.
 */
int warm_ask(struct warm *w);
/* Writes restore_count if Redis has not taken it yet, or has lost it. Called at each reconciliation. */
void warm_settle(struct warm *w);
/* Sends what was held up by a lack of capacity or connection. Called once a loop turn. */
void warm_turn(struct warm *w);

#endif
