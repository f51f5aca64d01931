/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A Redis with two databases of a few rows behind redis/conn.h, for the commands that sonic/publish, readback and
 * appl_ports send. The program decides when a command is executed and when it is answered; the connection can be lost
 * in between.
 */
#ifndef PORTSYNCD_MODEL_REDIS_H
#define PORTSYNCD_MODEL_REDIS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "redis/conn.h"

#define ROW_TEXT 24
#define STORE_ROWS 12

enum store_field { STORE_STATE, STORE_OPER, STORE_ADMIN, STORE_MTU, STORE_SPEED, STORE_FIELDS };

struct store_row {
	const char *name;
	bool exists;
	bool string;                        /* not a hash */
	char field[STORE_FIELDS][ROW_TEXT]; /* "": missing */
	uint64_t told;                      /* loop_tick() of portsyncd's last SET: a consumer is notified, ... */
	char heard[STORE_FIELDS][ROW_TEXT]; /* ... and reads this */
	unsigned ended; /* how often its netdev_oper_status was removed: a DEL for a consumer, or no event at all */
};

struct store {
	const char *prefix; /* "PORT_TABLE|" */
	struct store_row rows[STORE_ROWS];
	size_t n;
	unsigned written; /* executed HSET and DEL */
};

void store_init(struct store *s, const char *prefix, const char *const *names, size_t n);
void store_set(struct store_row *row, enum store_field field, const char *value);
void store_drop_field(struct store_row *row, enum store_field field);
void store_make_string(struct store_row *row);
void store_delete(struct store_row *row);

/* In place of conn_new(): makes a connection to this database, which is not ready yet. */
struct conn *redis_connect(struct store *store, const struct conn_ops *ops, void *user, size_t max_in_flight);
void redis_up(struct conn *c);
/* As the connection is lost, some more commands are executed, without an answer. */
void redis_down(struct conn *c, unsigned carried_out);
/* The next n commands are answered with an error and not executed. */
void redis_refuse(struct conn *c, unsigned n);
/* The next n commands find no capacity, or no memory. */
void redis_fill(struct conn *c, unsigned n);
void redis_carry_out(struct conn *c, unsigned n);
/* Answers at most n executed commands; false if there is none. */
bool redis_answer(struct conn *c, unsigned n);
/* Whether Redis sends keyspace notifications. */
void redis_set_notifies(struct conn *c, bool notifies);

#endif
