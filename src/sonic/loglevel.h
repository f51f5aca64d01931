/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CONFIG_DB LOGGER|portsyncd {LOGLEVEL, LOGOUTPUT}, as swssloglevel writes it: created where missing, followed while we
 * run (docs/sonic.md#logging). An invalid value is named in the log and changes nothing.
 */
#ifndef PORTSYNCD_LOGLEVEL_H
#define PORTSYNCD_LOGLEVEL_H

#include <stdbool.h>
#include <stddef.h>

#include "log/log.h"
#include "redis/conn.h"

struct loglevel_options {
	enum log_target_type type; /* what LOGOUTPUT "SYSLOG" stands for */
	bool level_chosen;         /* by the user: the table's first value does not override it, later changes do */
	bool target_chosen;
};

struct loglevel;

/* NULL without memory. */
struct loglevel *loglevel_new(struct conn *config, const char *separator, const struct loglevel_options *opt);
void loglevel_free(struct loglevel *l);

/* Changes the meaning of LOGOUTPUT "SYSLOG", from its next change on. */
void loglevel_set_target(struct loglevel *l, enum log_target_type type);

/* The pattern of keyspace notifications about the row, for a connection of its own. */
const char *loglevel_pattern(char *out, size_t size, const char *separator, unsigned database);
/* Reads the row and writes missing fields. Called when connected, on a notification, and at each reconciliation. */
void loglevel_read(struct loglevel *l);
/* Sends what was held up by a lack of capacity. Called once a loop turn. */
void loglevel_turn(struct loglevel *l);

#endif
