/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon's figures, and the HTTP server that shows them. */
#ifndef PORTSYNCD_DAEMON_STATUS_H
#define PORTSYNCD_DAEMON_STATUS_H

#include "daemon/private.h"

/* Builds the HTTP server and the counters that only the figures need. 0 or negative errno. */
int status_build(struct daemon *d);

/* Starts the server's thread; clients that connected before are answered now. */
void status_start(struct daemon *d);
void status_free(struct daemon *d);

/* NULL: there is none. */
struct http *status_http(const struct daemon *d);

/* After a SIGHUP: reloads the HTTP certificates, shows the new configuration; who is the requester, for the audit
 * record. */
void status_reload(struct daemon *d, const char *who);

/* A turn of the loop begins its work; a turn ends, with or without work. */
void status_note_turn(struct daemon *d);
void status_note_turn_end(struct daemon *d);
void status_note_sync(struct daemon *d, bool synced);

/* All figures as they are now, and the health that follows from them; for exchange_serve(). user: the daemon. */
void status_fill(struct snapshot *s, struct health_report *health, void *user);

/* Redis has answered whether it has the markers, or its connection is lost. */
void status_checked(struct daemon *d);

#endif
