/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which ports APPL_DB knows: port.appl.configured follows the existence of a hash PORT_TABLE:<port>. Learned by a scan
 * on every connection and at reconciliations, by keyspace notifications if Redis sends them, and otherwise by look-ups
 * with back-off for links that have no row yet (R16). A look-up or a scan that exceeds the connection's capacity is
 * owed.
 */
#ifndef PORTSYNCD_APPL_PORTS_H
#define PORTSYNCD_APPL_PORTS_H

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "ports/links.h"
#include "redis/conn.h"

struct appl_ports;

/* 0 or negative errno. */
int appl_ports_new(struct appl_ports **ret, sd_event *event, struct links *links, struct conn *conn,
		   const char *separator);
void appl_ports_free(struct appl_ports *a);

/* The pattern of keyspace notifications about PORT_TABLE, for a connection of its own. */
const char *appl_ports_pattern(char *out, size_t size, const char *separator, unsigned database);

void appl_ports_ready(struct appl_ports *a);
void appl_ports_lost(struct appl_ports *a);
/* The subscription was made, or was lost. */
void appl_ports_subscribed(struct appl_ports *a, bool subscribed);
void appl_ports_message(struct appl_ports *a, const struct resp_value *channel, const struct resp_value *payload);

/* This port has a link but no row: it becomes dirty when its row appears. */
void appl_ports_wait(struct appl_ports *a, struct port *port);
/* Reads all again; but rarely if Redis sends notifications, since SCAN goes through the whole database. */
void appl_ports_reconcile(struct appl_ports *a);
/* APPL_DB was emptied, of which Redis sends no notification: the next reconciliation reads all again. */
void appl_ports_doubt(struct appl_ports *a);
/* Sends what is owed, as far as there is capacity. Called once a loop turn. */
void appl_ports_turn(struct appl_ports *a);
/* True once a scan of this connection is complete. */
bool appl_ports_known(const struct appl_ports *a);
/* And no scan or look-up is under way: only then was the number of appl_ports_rows() true at some moment. */
bool appl_ports_settled(const struct appl_ports *a);
/* Rows of PORT_TABLE without the two markers, as far as is known. */
size_t appl_ports_rows(const struct appl_ports *a);

#endif
