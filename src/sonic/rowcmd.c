/* SPDX-License-Identifier: Apache-2.0 */
#include "sonic/rowcmd.h"

#include <string.h>

#include "ports/rules.h"

#define SEPARATOR_MAX 8

_Static_assert(ROWCMD_KEY_MAX >= sizeof("PORT_TABLE") + SEPARATOR_MAX + IFNAMSIZ, "a key fits");

enum row_desired rowcmd_desired(const struct port *port, struct row *want)
{
	if (!links_present(port))
		return port->appl.kept ? DESIRED_LEAVE : DESIRED_NONE;
	if (!port->appl.configured)
		return DESIRED_LEAVE;
	*want = rules_row(port->link.flags, port->link.mtu);
	return DESIRED_ROW;
}

unsigned rowcmd_fields(const struct port *port, unsigned differing)
{
	return port->owed.fields & OWED_DOUBT ? ROW_ALL : differing | port->owed.fields;
}

static void add(struct rowcmd *cmd, const char *text)
{
	cmd->argv[cmd->argc++] = RESP_STR(text);
}

static char *put(char *at, const char *text, size_t max)
{
	size_t len = strnlen(text, max);

	memcpy(at, text, len);
	return at + len;
}

/* snprintf() would be a tenth of the cost of a row. */
static void begin(struct rowcmd *cmd, const char *verb, const char *separator, const char *port)
{
	char *end = put(cmd->key, "PORT_TABLE", sizeof("PORT_TABLE"));

	end = put(end, separator, SEPARATOR_MAX);
	end = put(end, port, IFNAMSIZ - 1);
	*end = '\0';
	cmd->argc = 0;
	add(cmd, verb);
	add(cmd, cmd->key);
}

void rowcmd_set(struct rowcmd *cmd, const char *separator, const char *port, const struct row *want, unsigned fields)
{
	begin(cmd, "HSET", separator, port);
	for (enum row_field field = 0; field < ROW_FIELDS; field++) {
		if (!(fields & ROW_BIT(field)))
			continue;
		add(cmd, row_field_name(field));
		add(cmd, row_format(field, want->value[field], cmd->text[field]));
	}
}

void rowcmd_delete(struct rowcmd *cmd, const char *separator, const char *port)
{
	begin(cmd, "DEL", separator, port);
}

void rowcmd_read(struct rowcmd *cmd, const char *separator, const char *port)
{
	begin(cmd, "HMGET", separator, port);
	for (enum row_field field = 0; field < ROW_FIELDS; field++)
		add(cmd, row_field_name(field));
}
