/* SPDX-License-Identifier: Apache-2.0 */
/* Builds all parts in order, connects them, runs the loop, and takes them down in reverse. */
#ifndef PORTSYNCD_DAEMON_H
#define PORTSYNCD_DAEMON_H

#include "config.h"

/* Runs until SIGTERM or SIGINT. The exit status: 0 after a clean stop; else 1, and one line on stderr says why. */
int daemon_run(const struct config *config);

/* Nothing runs since the configuration is refused: that is a record of the audit trail. */
void daemon_refuse(const struct config *config);

#endif
