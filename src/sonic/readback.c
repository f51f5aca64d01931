/* SPDX-License-Identifier: Apache-2.0 */
#include "sonic/readback.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "log/log.h"
#include "ports/rules.h"
#include "redis/scan.h"
#include "sonic/rowcmd.h"

/* Events must not wait behind all of the rows. */
#define READS_AT_ONCE 64

struct readback {
	struct links *links;
	struct conn *conn;
	char separator[2];
	char prefix[ROWCMD_KEY_MAX];
	const struct readback_ops *ops;
	void *user;

	struct scan scan;
	bool running, failed;
	uint32_t round;
	char (*names)[IFNAMSIZ];
	size_t count, capacity, next, outstanding;
};

struct readback *readback_new(struct links *links, struct conn *conn, const char *separator,
			      const struct readback_ops *ops, void *user)
{
	struct readback *rb = calloc(1, sizeof(*rb));

	if (!rb)
		return NULL;
	rb->links = links;
	rb->conn = conn;
	rb->ops = ops;
	rb->user = user;
	(void)snprintf(rb->separator, sizeof(rb->separator), "%s", separator);
	(void)snprintf(rb->prefix, sizeof(rb->prefix), "PORT_TABLE%s", separator);
	return rb;
}

void readback_free(struct readback *rb)
{
	if (!rb)
		return;
	free(rb->names);
	free(rb);
}

static void add_name(struct readback *rb, const char *name, size_t len)
{
	if (rb->count == rb->capacity) {
		size_t capacity = rb->capacity ? rb->capacity * 2 : 256;
		void *names = realloc(rb->names, capacity * sizeof(*rb->names));

		if (!names) {
			rb->failed = true;
			return;
		}
		rb->names = names;
		rb->capacity = capacity;
	}
	memcpy(rb->names[rb->count], name, len);
	rb->names[rb->count++][len] = '\0';
}

static void finish(struct readback *rb)
{
	bool complete = !rb->failed;

	free(rb->names);
	rb->names = NULL;
	rb->count = rb->capacity = rb->next = 0;
	rb->running = false;
	rb->ops->done(complete, rb->user);
}

static void pump(struct readback *rb);

static struct row parse_row(const struct resp_value *reply)
{
	struct row row;

	for (enum row_field field = 0; field < ROW_FIELDS; field++) {
		const struct resp_value *value = reply->elem[field];

		/* A value that is too large is there, but not one that we would write. */
		row.value[field] = row_parse(field, value->type == RESP_NIL ? NULL : value->str, value->len);
	}
	return row;
}

static void take_reply(struct readback *rb, struct port *port, const struct resp_value *reply, uint32_t generation)
{
	if (reply && reply->type == RESP_ARRAY && reply->n == ROW_FIELDS) {
		struct row row = parse_row(reply);

		rb->ops->row(port, &row, generation, rb->user);
		return;
	}
	if (resp_is_error(reply, "WRONGTYPE")) {
		rb->ops->row(port, NULL, generation, rb->user);
		return;
	}
	if (!reply) {
		rb->failed = true;
		return;
	}
	/* A row that Redis refuses must not hold up the others: it is unknown, and written in full. */
	links_mark_dirty(rb->links, port);
	if (reply->type == RESP_ERROR)
		log_warning(KIND_READ_REFUSED, "%s%s: cannot be read back: %s", rb->prefix, port->name, reply->str);
}

static void on_row(const struct resp_value *reply, void *user, void *item, uint64_t cookie)
{
	struct readback *rb = user;
	struct port *port = item;

	rb->outstanding--;
	take_reply(rb, port, reply, (uint32_t)cookie);
	links_unhold(rb->links, port);
	pump(rb);
}

static void read_port(struct readback *rb, const char *name)
{
	struct port *port = links_get(rb->links, name);
	struct rowcmd cmd;

	if (!port || port->row.read_round == rb->round)
		return;
	rowcmd_read(&cmd, rb->separator, name);
	if (conn_command(rb->conn, on_row, rb, port, port->row.generation, cmd.argc, cmd.argv) < 0) {
		rb->failed = true;
		links_release(rb->links, port);
		return;
	}
	port->row.read_round = rb->round;
	links_hold(port);
	rb->outstanding++;
}

static void pump(struct readback *rb)
{
	while (!rb->failed && rb->next < rb->count && rb->outstanding < READS_AT_ONCE && conn_capacity(rb->conn) > 0)
		read_port(rb, rb->names[rb->next++]);
	/* An answer has just freed capacity, so only a lost connection leaves none: the caller tries again later. */
	if (rb->next < rb->count && rb->outstanding == 0)
		rb->failed = true;
	if (rb->outstanding == 0)
		finish(rb);
}

static void on_key(const struct resp_value *key, void *user)
{
	struct readback *rb = user;
	size_t skip = strlen(rb->prefix);
	const char *name = key->str + skip;

	if (key->len <= skip || key->len - skip >= IFNAMSIZ || strlen(name) != key->len - skip ||
	    !rules_port_name(name))
		return;
	add_name(rb, name, key->len - skip);
}

static void on_scanned(bool complete, const struct resp_value *error, void *user)
{
	struct readback *rb = user;

	if (error)
		log_warning(KIND_READ_REFUSED, "%s*: cannot be scanned: %s", rb->prefix, error->str);
	if (!complete)
		rb->failed = true;
	for (struct port *port = links_next(rb->links, NULL); port && complete; port = links_next(rb->links, port))
		add_name(rb, port->name, strlen(port->name));
	pump(rb);
}

int readback_start(struct readback *rb)
{
	static const struct scan_ops scan_ops = {.key = on_key, .done = on_scanned};
	int r;

	if (rb->running)
		return -EALREADY;
	r = scan_start(&rb->scan, rb->conn, rb->prefix, NULL, &scan_ops, rb);
	if (r < 0)
		return r;
	rb->running = true;
	rb->failed = false;
	/* Round 0 means a port that was never read. */
	if (++rb->round == 0)
		rb->round = 1;
	return 0;
}
