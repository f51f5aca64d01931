/* SPDX-License-Identifier: Apache-2.0 */
/* When the daemon's health is judged, and what systemd shows of it. */
#ifndef PORTSYNCD_DAEMON_JUDGE_H
#define PORTSYNCD_DAEMON_JUDGE_H

#include "daemon/private.h"

/* Builds the judgement of the daemon's health, and what systemd shows of it (STATUS=). 0 or negative errno. */
int judge_build(struct daemon *d);

/* Judges for the first time, once all is built. Call it after log_start(). */
int judge_start(struct daemon *d);
void judge_free(struct daemon *d);
const struct health_limits *judge_limits(const struct daemon *d);

/* Judges these figures. */
struct health_report judge_snapshot(struct daemon *d, const struct snapshot *s);

/* Judges now, and notifies systemd. */
void judge_now(struct daemon *d);

/* Something changed that may change the judgement: judges soon. */
void judge_soon(struct daemon *d);

/* Once a turn of the loop: checks whether something did. */
void judge_turn(struct daemon *d);

#endif
