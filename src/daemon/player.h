/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --replay: a recording in place of the kernel. It goes through the same sockets, model and publisher as live messages,
 * into STATE_DB or, with --dry-run, to stdout as text. What SONiC said comes from the recording: which ports are
 * configured. Nothing else is written or served: no APPL_DB, no link, no state file, no page.
 */
#ifndef PORTSYNCD_DAEMON_PLAYER_H
#define PORTSYNCD_DAEMON_PLAYER_H

#include "config/config.h"

/*
 * Plays config->replay to its end, until Redis acknowledged all of it, and says on stderr what that was.
 * daemon_block_signals() was called. The exit status: EXIT_FAILURE when it could not be played, or was stopped.
 */
int player_run(const struct config *config);

#endif
