/* SPDX-License-Identifier: Apache-2.0 */
/* Builds all parts in order, connects them, runs the loop, and takes them down in reverse. */
#ifndef PORTSYNCD_DAEMON_H
#define PORTSYNCD_DAEMON_H

#include "config/config.h"

/*
 * The signals that the loop takes wait for it from now on, so that none ends the process out of order. To be called
 * before the others below.
 */
void daemon_block_signals(void);

/* Runs until SIGTERM or SIGINT. The exit status: 0 after a clean stop; else 1, and one line says why, where stderr
 * goes too. complaints: config_load()'s lines of faults that a daemon is started with all the same; used up. */
int daemon_run(const struct config *config, char *complaints);

/* Nothing runs since the configuration is refused: that is a record of the audit trail. */
void daemon_refuse(const struct config *config);

#endif
