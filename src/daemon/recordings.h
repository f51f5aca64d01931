/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The flight recorder (recorder/recorder.h) in the daemon: its memory, what is known at checkpoints, and when a
 * recording is written into the folder.
 */
#ifndef PORTSYNCD_DAEMON_RECORDINGS_H
#define PORTSYNCD_DAEMON_RECORDINGS_H

#include "daemon/private.h"

/* Takes the recorder's memory. Call it after memory is locked and before the first message. Without that memory the
 * daemon goes on. */
void recordings_start(struct daemon *d);
/* Starts the thread that writes. Call it after rights were dropped. Without the thread GET /recording still serves the
 * ring. */
void recordings_serve(struct daemon *d);
/* At the end of each turn of the loop. */
void recordings_turn(struct daemon *d);
/* Does what another thread requested, see recorder_request(). */
void recordings_answer(struct daemon *d);
struct snapshot_recorder recordings_stats(const struct daemon *d);
/* The process ends: writes what is owed, of a fault above all; waits for it, but not for long. */
void recordings_finish(struct daemon *d);
void recordings_free(struct daemon *d);

#endif
