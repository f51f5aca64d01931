/* SPDX-License-Identifier: Apache-2.0 */
/* What outlives a restart: when it is read and saved. */
#ifndef PORTSYNCD_DAEMON_COUNTERS_H
#define PORTSYNCD_DAEMON_COUNTERS_H

#include "daemon/private.h"

/*
 * Reads what outlives a restart from the state file. Call it before the first record of the audit trail, which takes
 * its number from there. It never keeps the daemon from starting.
 */
void counters_load(struct daemon *d);

#define PREVIOUS_ORDERLY "success"
/* How the process before ended: PREVIOUS_ORDERLY, "unclean", "reboot" (with the machine), or "unknown". */
const char *counters_previous_stop(const struct daemon *d);

/* What the start record adds: "" or "; ...". */
const char *counters_note(const struct daemon *d);

/* The number of the last port change of an earlier process. */
uint64_t counters_last_event(const struct daemon *d);

/* Fills the history from it; call it once d->changes exists. */
void counters_restore_changes(struct daemon *d);

/* Fills the model from it, and begins to save changes. */
void counters_build(struct daemon *d);

/* At the end of a loop turn: changes are saved soon. */
void counters_turn(struct daemon *d);

/* The last save: no number may be issued after it. */
void counters_finish(struct daemon *d);
void counters_free(struct daemon *d);

struct snapshot_saves counters_stats(const struct daemon *d);

#endif
