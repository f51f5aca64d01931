/* SPDX-License-Identifier: Apache-2.0 */
/* What a port's row should hold, and the command that makes it so. Shared by publish, readback and dryrun. */
#ifndef PORTSYNCD_ROWCMD_H
#define PORTSYNCD_ROWCMD_H

#include "ports/links.h"
#include "redis/resp.h"

enum row_desired {
	DESIRED_ROW,   /* the row shall hold our four fields */
	DESIRED_NONE,  /* there is no link: the row shall not exist */
	DESIRED_LEAVE, /* the row is not ours, or not yet */
};

#define ROWCMD_KEY_MAX 64
#define ROWCMD_ARGS_MAX (2 + 2 * ROW_FIELDS)

struct rowcmd {
	char key[ROWCMD_KEY_MAX];
	char text[ROW_FIELDS][ROW_TEXT_MAX];
	struct resp_arg argv[ROWCMD_ARGS_MAX];
	size_t argc;
};

enum row_desired rowcmd_desired(const struct port *port, struct row *want);
/* The fields to write: those that differ from what Redis holds, and those that are owed. 0: nothing to write. */
unsigned rowcmd_fields(const struct port *port, unsigned differing);
/* HSET of the fields whose bit is set; DEL; HMGET of all four. The command points into itself: do not copy it. */
void rowcmd_set(struct rowcmd *cmd, const char *separator, const char *port, const struct row *want, unsigned fields);
void rowcmd_delete(struct rowcmd *cmd, const char *separator, const char *port);
void rowcmd_read(struct rowcmd *cmd, const char *separator, const char *port);

#endif
