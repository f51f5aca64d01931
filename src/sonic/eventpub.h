/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes of STATE_DB PORT_TABLE told by PUBLISH as well, for consumers that subscribe to the table instead of to its
 * keyspace notifications: PORT_TABLE_CHANNEL@<database> gets the JSON array ["SET", port, field, value, ...] or
 * ["DEL", port]. https://github.com/sonic-net/sonic-swss-common/pull/1020
 */
#ifndef PORTSYNCD_EVENTPUB_H
#define PORTSYNCD_EVENTPUB_H

#include "redis/conn.h"
#include "sonic/rowcmd.h"

struct eventpub;

/* NULL without memory. */
struct eventpub *eventpub_new(struct conn *conn, unsigned database);
/* After conn_free(): the connection would still call back. NULL is fine. */
void eventpub_free(struct eventpub *e);
/*
 * Buffers the event of a HSET or DEL that was just buffered; needs room for one command. Its answer is not waited for:
 * what is lost with a connection is told again, as its row is written again. A refusal is logged once an episode.
 */
void eventpub_send(struct eventpub *e, const char *port, const struct rowcmd *cmd);

#endif
