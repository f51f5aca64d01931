/* SPDX-License-Identifier: Apache-2.0 */
/* Redis: where the databases are, their connections and the users of these. */
#ifndef PORTSYNCD_DAEMON_CONNECTIONS_H
#define PORTSYNCD_DAEMON_CONNECTIONS_H

#include "daemon/private.h"

/*
 * What database_config.json and the configuration say of the databases. A file that does not exist yet is
 * awaited. 0, or negative errno after daemon_fail(); -ECANCELED: the daemon was asked to stop meanwhile.
 */
int connections_load(struct daemon *d);

/* The connections to Redis and their users. 0, or negative errno after daemon_fail(), as below. */
int connections_build(struct daemon *d);

/* The connection to STATE_DB and its publisher alone: a replay needs no others. */
int connections_build_state(struct daemon *d);

/* Starts their thread if they need one: after rights were dropped, and before the sandbox forbids new threads. */
int connections_start(struct daemon *d);
void connections_free(struct daemon *d);

#endif
