/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Publishes the writes of STATE_DB PORT_TABLE as well, for consumers that subscribe to the table instead of its
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
/* Call it after conn_free(): until then the connection may call back. NULL is fine. */
void eventpub_free(struct eventpub *e);
/*
 * Buffers the event of an HSET or DEL that was just buffered; needs capacity for one command. Nobody waits for its
 * answer: an event that is lost with the connection comes again when its row is written again. A refusal is logged once
 * an episode.
 */
void eventpub_send(struct eventpub *e, const char *port, const struct rowcmd *cmd);

#endif
