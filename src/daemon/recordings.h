/* SPDX-License-Identifier: Apache-2.0 */
/* The flight recorder (recorder/recorder.h) in the daemon: its memory, what is known at checkpoints. */
#ifndef PORTSYNCD_DAEMON_RECORDINGS_H
#define PORTSYNCD_DAEMON_RECORDINGS_H

#include "daemon/private.h"

/* Takes its memory, after memory is locked and before the first message. Without it the daemon goes on. */
void recordings_start(struct daemon *d);
/* At the end of each turn of the loop. */
void recordings_turn(struct daemon *d);
void recordings_free(struct daemon *d);

#endif
