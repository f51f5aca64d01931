/* SPDX-License-Identifier: Apache-2.0 */
#include "sonic/eventpub.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "log/log.h"

/* A name of 15 characters that are six bytes each, and four fields */
#define EVENT_BYTES 320

struct eventpub {
	struct conn *conn;
	char channel[40];
	bool failing; /* the last one was refused */
};

struct eventpub *eventpub_new(struct conn *conn, unsigned database)
{
	struct eventpub *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->conn = conn;
	(void)snprintf(e->channel, sizeof(e->channel), "PORT_TABLE_CHANNEL@%u", database);
	return e;
}

void eventpub_free(struct eventpub *e)
{
	free(e);
}

/* --- JSON --- */

struct event {
	char bytes[EVENT_BYTES];
	size_t len;
};

static void put(struct event *e, const char *bytes, size_t n)
{
	n = MIN(n, sizeof(e->bytes) - e->len);
	memcpy(e->bytes + e->len, bytes, n);
	e->len += n;
}

/* RFC 8259, 7. The name of an interface may contain quotes. */
static void put_string(struct event *e, const char *bytes, size_t len)
{
	char escaped[8];

	put(e, e->len == 0 ? "[\"" : ",\"", 2);
	for (size_t i = 0; i < len; i++) {
		unsigned char byte = (unsigned char)bytes[i];

		if (byte == '"' || byte == '\\')
			put(e, "\\", 1);
		if (byte >= 0x20)
			put(e, bytes + i, 1);
		else
			put(e, escaped, (size_t)snprintf(escaped, sizeof(escaped), "\\u%04x", byte));
	}
	put(e, "\"", 1);
}

/* --- commands --- */

static void on_published(const struct resp_value *reply, void *user, void *item, uint64_t cookie)
{
	struct eventpub *e = user;
	bool refused = reply && reply->type == RESP_ERROR;

	(void)item;
	(void)cookie;
	if (!reply || refused == e->failing)
		return;
	e->failing = refused;
	if (refused)
		log_warning(KIND_EVENT_REFUSED, "%s: Redis refused an event, consumers may miss changes: %s",
			    e->channel, reply->str);
	else
		log_notice(KIND_EVENT_REFUSED, "%s: Redis takes events again", e->channel);
}

void eventpub_send(struct eventpub *e, const char *port, const struct rowcmd *cmd)
{
	struct event event;
	struct resp_arg argv[] = {RESP_STR("PUBLISH"), RESP_STR(e->channel), {event.bytes, 0}};

	event.len = 0;
	put_string(&event, cmd->argc > 2 ? "SET" : "DEL", 3);
	put_string(&event, port, strlen(port));
	for (size_t i = 2; i < cmd->argc; i++)
		put_string(&event, cmd->argv[i].data, cmd->argv[i].len);
	put(&event, "]", 1);
	argv[2].len = event.len;
	/* Without memory, or if the connection was just lost, the write fails too, and both come again. */
	(void)conn_command_lazy(e->conn, on_published, e, NULL, 0, ARRAY_SIZE(argv), argv);
}
