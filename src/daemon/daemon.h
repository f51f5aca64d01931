/* SPDX-License-Identifier: Apache-2.0 */
/* Builds all parts in order, connects them, runs the loop, and takes them down in reverse. */
#ifndef PORTSYNCD_DAEMON_H
#define PORTSYNCD_DAEMON_H

#include "config/config.h"

/*
 * From now on the signals that the loop handles wait for it, so that none ends the process out of order. Call it before
 * the functions below.
 */
void daemon_block_signals(void);

/* Runs until SIGTERM or SIGINT. The exit status: 0 after a clean stop; else 1, and one line says why, where stderr
 * goes too. complaints: config_load()'s lines about faults that the daemon tolerates; they are overwritten. */
int daemon_run(const struct config *config, char *complaints);

/* The configuration is refused, so nothing runs: writes the audit record of that. */
void daemon_refuse(const struct config *config);

#endif
