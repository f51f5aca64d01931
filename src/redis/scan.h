/* SPDX-License-Identifier: Apache-2.0 */
/* All keys of a database that match a pattern, by SCAN, a step at a time. https://redis.io/commands/scan/ */
#ifndef PORTSYNCD_SCAN_H
#define PORTSYNCD_SCAN_H

#include <stdbool.h>

#include "redis/conn.h"

struct scan_ops {
	/* One key; may come twice, and keys that come or go meanwhile may be missed (as SCAN says). */
	void (*key)(const struct resp_value *key, void *user);
	/* complete: all keys were named. Otherwise the scan ended early, by this error or (NULL) a lost connection. */
	void (*done)(bool complete, const struct resp_value *error, void *user);
};

struct scan {
	struct conn *conn;
	const struct scan_ops *ops;
	void *user;
	char pattern[96];
	const char *type; /* only keys of this Redis type ("hash"), or NULL */
	char cursor[24];
	bool careful; /* one key at a time: the names of many were too large for one answer */
	bool running;
};

/* Starts it. 0, or conn_command()'s errors. The struct must live until done was called. */
int scan_start(struct scan *s, struct conn *conn, const char *prefix, const char *type, const struct scan_ops *ops,
	       void *user);

#endif
