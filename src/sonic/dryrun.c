/* SPDX-License-Identifier: Apache-2.0 */
#include "sonic/dryrun.h"

#include <errno.h>

#include "sonic/rowcmd.h"

static void print(FILE *out, const struct rowcmd *cmd)
{
	for (size_t i = 0; i < cmd->argc; i++)
		(void)fprintf(out, "%s%s", i ? " " : "", (const char *)cmd->argv[i].data);
	(void)fputc('\n', out);
}

static void print_delete(struct port *port, const char *separator, FILE *out)
{
	struct rowcmd cmd;

	rowcmd_delete(&cmd, separator, port->name);
	print(out, &cmd);
	port->row.acked = row_nil;
	port->row.mine = false;
}

static void print_set(struct port *port, const char *separator, const struct row *want, FILE *out)
{
	unsigned fields = rowcmd_fields(port, row_diff(&port->row.acked, want));
	struct rowcmd cmd;

	if (!fields)
		return;
	rowcmd_set(&cmd, separator, port->name, want, fields);
	print(out, &cmd);
	port->row.acked = *want;
	port->row.mine = true;
	port->owed.fields = 0;
}

int dryrun_flush(struct links *links, const char *separator, bool every_link, FILE *out)
{
	struct port *port;
	struct row want;

	for (unsigned n = 0; n < DRYRUN_PORTS && (port = links_pop_dirty(links)) != NULL; n++) {
		bool configured = port->appl.configured, wanted;

		port->appl.configured = configured || every_link;
		wanted = rowcmd_desired(port, &want) == DESIRED_ROW;
		if (port->row.mine && (port->owed.deletion || !wanted))
			print_delete(port, separator, out);
		port->owed.deletion = false;
		if (wanted)
			print_set(port, separator, &want, out);
		port->appl.configured = configured;
		links_release(links, port);
	}
	/* A stream that is not fully buffered has dropped its bytes by now: only the error mark is left. */
	if (fflush(out) != 0)
		return -errno;
	return ferror(out) ? -EIO : 0;
}
