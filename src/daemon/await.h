/* SPDX-License-Identifier: Apache-2.0 */
/* Waits for database_config.json. */
#ifndef PORTSYNCD_DAEMON_AWAIT_H
#define PORTSYNCD_DAEMON_AWAIT_H

#include "daemon/private.h"

/* Its parts: one attempt (0, or negative errno and one line in error), and the wait after -ENOENT with that line. */
int connections_read(struct daemon *d, char *error, size_t size);
int connections_await(struct daemon *d, const char *error);

#endif
