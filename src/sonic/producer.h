/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The producer's side of SONiC's ProducerStateTable protocol (docs/sonic.md#producer): one script call adds the key to
 * <TABLE>_KEY_SET, writes the hash _<TABLE>:<key>, and publishes "G" on <TABLE>_CHANNEL@<db> only if the key was new.
 */
#ifndef PORTSYNCD_PRODUCER_H
#define PORTSYNCD_PRODUCER_H

#include <stddef.h>

#include "redis/conn.h"

struct producer;

/* Rows of table go to the database behind conn; separator and database number as dbconfig says. NULL without memory. */
struct producer *producer_new(struct conn *conn, const char *table, const char *separator, unsigned database);
/* Call it after conn_free(), or once every row is answered: until then the connection may call back. NULL is fine. */
void producer_free(struct producer *p);

/* ok: Redis took the row. Otherwise error is its answer, or NULL when the connection was lost. */
typedef void (*producer_done_fn)(bool ok, const struct resp_value *error, void *user);

/*
 * Buffers one row; conn_flush() sends it. Pairs are field, value, ... (n fields, 2 n arguments), sent as they are,
 * binary bytes included. A row without fields is -EINVAL: a consumer takes it for a deletion. After -NOSCRIPT the row
 * is sent again with the script's text, so rows sent later may overtake it: a caller that needs an order
 * (PortConfigDone after all ports, the same key twice) waits for done of the earlier rows. done is never called from
 * inside producer_set(). Otherwise as conn_command(): 0, -ENOTCONN, -EAGAIN, -E2BIG, -ENOMEM.
 */
int producer_set(struct producer *p, const char *key, size_t n, const struct resp_arg *pairs, producer_done_fn done,
		 void *user);
/*
 * Asks how many hashes APPL_DB has of a row: it is in _PORT_TABLE:key until its consumer moves it to PORT_TABLE:key.
 * fn gets an integer, 0 if the row is nowhere; user and item as in conn_command(), and its errors.
 */
int producer_count_row(struct producer *p, const char *key, conn_reply_fn fn, void *user, void *item);

#endif
