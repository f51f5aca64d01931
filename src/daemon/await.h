/* SPDX-License-Identifier: Apache-2.0 */
/* Waits for database_config.json. */
#ifndef PORTSYNCD_DAEMON_AWAIT_H
#define PORTSYNCD_DAEMON_AWAIT_H

#include "daemon/private.h"

/* The two parts of connections_load(): one attempt (0, or a negative errno with one line in error), and, after -ENOENT,
 * the wait, which reports that line. */
int connections_read(struct daemon *d, char *error, size_t size);
int connections_await(struct daemon *d, const char *error);

#endif
