/* SPDX-License-Identifier: Apache-2.0 */
#include "model_redis.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "model_loop.h"

#define COMMANDS 64
#define ARGS 10
#define ARG_TEXT 40

static const char *const field_names[STORE_FIELDS] = {"state", "netdev_oper_status", "admin_status", "mtu", "speed"};

struct command {
	conn_reply_fn fn;
	void *user, *item;
	uint64_t cookie;
	size_t argc;
	char argv[ARGS][ARG_TEXT];

	/* Its answer, once it was executed. */
	enum resp_type type;
	int64_t integer;
	const char *error;
	size_t n;                            /* strings of an array */
	char text[STORE_ROWS + 1][ARG_TEXT]; /* "": nil. SCAN: the cursor, then keys */
};

struct conn {
	struct store *store;
	struct conn_ops ops;
	void *user;
	bool ready, notifies;
	unsigned refuse, full;
	size_t max;
	struct command pending[COMMANDS];
	size_t n, done;
};

static void trap(const char *why, const char *what)
{
	(void)fprintf(stderr, "model_redis: %s: %s\n", why, what);
	abort();
}

/* --- the store --- */

void store_init(struct store *s, const char *prefix, const char *const *names, size_t n)
{
	*s = (struct store){.prefix = prefix, .n = n};
	for (size_t i = 0; i < n; i++)
		s->rows[i].name = names[i];
}

static bool has_field(const struct store_row *row, enum store_field field)
{
	return row->exists && !row->string && row->field[field][0];
}

void store_delete(struct store_row *row)
{
	unsigned ended = row->ended + has_field(row, STORE_OPER);

	*row = (struct store_row){.name = row->name, .ended = ended};
}

void store_set(struct store_row *row, enum store_field field, const char *value)
{
	if (row->string)
		return;
	row->exists = true;
	(void)snprintf(row->field[field], ROW_TEXT, "%s", value);
}

void store_drop_field(struct store_row *row, enum store_field field)
{
	size_t left = 0;

	if (!has_field(row, field))
		return;
	row->ended += field == STORE_OPER;
	row->field[field][0] = '\0';
	for (enum store_field i = 0; i < STORE_FIELDS; i++)
		left += row->field[i][0] != '\0';
	row->exists = left > 0;
}

void store_make_string(struct store_row *row)
{
	store_delete(row);
	row->exists = row->string = true;
}

static struct store_row *find_row(struct store *s, const char *key)
{
	size_t skip = strlen(s->prefix);

	for (size_t i = 0; i < s->n && strncmp(key, s->prefix, skip) == 0; i++)
		if (strcmp(key + skip, s->rows[i].name) == 0)
			return &s->rows[i];
	trap("a key that nobody asked for", key);
	return NULL;
}

static enum store_field find_field(const char *name)
{
	for (enum store_field field = 0; field < STORE_SPEED; field++)
		if (strcmp(name, field_names[field]) == 0)
			return field;
	trap("a field that is not portsyncd's", name);
	return STORE_SPEED;
}

/* --- commands --- */

static void answer_wrongtype(struct command *cmd)
{
	cmd->type = RESP_ERROR;
	cmd->error = "WRONGTYPE Operation against a key holding the wrong kind of value";
}

static void do_hset(struct conn *c, struct command *cmd)
{
	struct store_row *row = find_row(c->store, cmd->argv[1]);

	if (row->string) {
		answer_wrongtype(cmd);
		return;
	}
	for (size_t i = 2; i + 1 < cmd->argc; i += 2)
		store_set(row, find_field(cmd->argv[i]), cmd->argv[i + 1]);
	row->told = loop_tick();
	memcpy(row->heard, row->field, sizeof(row->heard));
	c->store->written++;
	cmd->type = RESP_INTEGER;
}

static void do_del(struct conn *c, struct command *cmd)
{
	struct store_row *row = find_row(c->store, cmd->argv[1]);

	cmd->type = RESP_INTEGER;
	cmd->integer = row->exists;
	store_delete(row);
	c->store->written++;
}

static void do_hmget(struct conn *c, struct command *cmd)
{
	const struct store_row *row = find_row(c->store, cmd->argv[1]);

	if (row->string) {
		answer_wrongtype(cmd);
		return;
	}
	cmd->type = RESP_ARRAY;
	for (size_t i = 2; i < cmd->argc; i++)
		(void)snprintf(cmd->text[cmd->n++], ARG_TEXT, "%s", row->field[find_field(cmd->argv[i])]);
}

static void do_hlen(struct conn *c, struct command *cmd)
{
	const struct store_row *row = find_row(c->store, cmd->argv[1]);

	if (row->string) {
		answer_wrongtype(cmd);
		return;
	}
	cmd->type = RESP_INTEGER;
	cmd->integer = row->exists ? 1 : 0;
}

/* In two steps, so that rows can appear and disappear in between. */
static void do_scan(struct conn *c, struct command *cmd)
{
	bool first = strcmp(cmd->argv[1], "0") == 0, hashes = cmd->argc == 8;
	size_t half = c->store->n / 2;

	cmd->type = RESP_ARRAY;
	(void)snprintf(cmd->text[cmd->n++], ARG_TEXT, "%s", first ? "7" : "0");
	for (size_t i = first ? 0 : half; i < (first ? half : c->store->n); i++) {
		const struct store_row *row = &c->store->rows[i];

		if (row->exists && !(hashes && row->string))
			(void)snprintf(cmd->text[cmd->n++], ARG_TEXT, "%.12s%.23s", c->store->prefix, row->name);
	}
}

static void do_config(struct conn *c, struct command *cmd)
{
	cmd->type = RESP_ARRAY;
	cmd->n = 2;
	(void)snprintf(cmd->text[0], ARG_TEXT, "notify-keyspace-events");
	(void)snprintf(cmd->text[1], ARG_TEXT, "%s", c->notifies ? "AKE" : "x");
}

static void carry_out(struct conn *c, struct command *cmd)
{
	static const struct {
		const char *verb;
		void (*fn)(struct conn *c, struct command *cmd);
	} verbs[] = {{"HSET", do_hset}, {"DEL", do_del},   {"HMGET", do_hmget},
		     {"HLEN", do_hlen}, {"SCAN", do_scan}, {"CONFIG", do_config}};

	if (c->refuse > 0) {
		c->refuse--;
		cmd->type = RESP_ERROR;
		cmd->error = "OOM command not allowed when used memory > 'maxmemory'.";
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		if (strcmp(cmd->argv[0], verbs[i].verb) == 0) {
			verbs[i].fn(c, cmd);
			return;
		}
	}
	trap("a command that nobody asked for", cmd->argv[0]);
}

void redis_carry_out(struct conn *c, unsigned n)
{
	for (; n > 0 && c->done < c->n; n--)
		carry_out(c, &c->pending[c->done++]);
}

static struct resp_value string_value(const char *text)
{
	return (struct resp_value){.type = text[0] ? RESP_STRING : RESP_NIL, .str = text, .len = strlen(text)};
}

static void give_answer(const struct command *cmd)
{
	struct resp_value strings[STORE_ROWS + 1], keys = {.type = RESP_ARRAY};
	const struct resp_value *elem[STORE_ROWS + 1], *scanned[2] = {&strings[0], &keys};
	struct resp_value reply = {.type = cmd->type, .integer = cmd->integer, .elem = elem, .n = cmd->n};

	for (size_t i = 0; i < cmd->n; i++) {
		strings[i] = string_value(cmd->text[i]);
		elem[i] = &strings[i];
	}
	if (cmd->type == RESP_ERROR) {
		reply.str = cmd->error;
		reply.len = strlen(cmd->error);
	}
	if (cmd->type == RESP_ARRAY && strcmp(cmd->argv[0], "SCAN") == 0) {
		keys.elem = elem + 1;
		keys.n = cmd->n - 1;
		reply.elem = scanned;
		reply.n = 2;
	}
	cmd->fn(&reply, cmd->user, cmd->item, cmd->cookie);
}

static struct command take_first(struct conn *c)
{
	struct command first = c->pending[0];

	c->n--;
	c->done -= c->done > 0;
	memmove(&c->pending[0], &c->pending[1], c->n * sizeof(first));
	return first;
}

bool redis_answer(struct conn *c, unsigned n)
{
	bool any = false;

	for (; n > 0 && c->done > 0; n--) {
		struct command cmd = take_first(c);

		give_answer(&cmd);
		any = true;
	}
	return any;
}

/* --- the connection --- */

struct conn *redis_connect(struct store *store, const struct conn_ops *ops, void *user, size_t max_in_flight)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (!c)
		abort();
	c->store = store;
	c->ops = *ops;
	c->user = user;
	c->max = MIN(max_in_flight, COMMANDS);
	return c;
}

void redis_up(struct conn *c)
{
	if (c->ready)
		return;
	c->ready = true;
	c->ops.ready(c->user);
}

void redis_down(struct conn *c, unsigned carried_out)
{
	if (!c->ready)
		return;
	redis_carry_out(c, carried_out);
	c->ready = false;
	c->done = 0;
	while (c->n > 0) {
		struct command cmd = take_first(c);

		cmd.fn(NULL, cmd.user, cmd.item, cmd.cookie);
	}
	c->ops.lost(c->user);
}

void redis_refuse(struct conn *c, unsigned n)
{
	c->refuse = n;
}

void redis_fill(struct conn *c, unsigned n)
{
	c->full = n;
}

void redis_set_notifies(struct conn *c, bool notifies)
{
	c->notifies = notifies;
}

/* --- redis/conn.h --- */

void conn_free(struct conn *c)
{
	free(c);
}

bool conn_ready(const struct conn *c)
{
	return c->ready;
}

size_t conn_capacity(const struct conn *c)
{
	return c->ready ? c->max - c->n : 0;
}

int conn_command(struct conn *c, conn_reply_fn fn, void *user, void *item, uint64_t cookie, size_t argc,
		 const struct resp_arg *argv)
{
	struct command *cmd = &c->pending[c->n];

	if (!c->ready)
		return -ENOTCONN;
	if (c->n == c->max)
		return -EAGAIN;
	if (c->full > 0) {
		c->full--;
		return -ENOMEM;
	}
	*cmd = (struct command){.fn = fn, .user = user, .item = item, .cookie = cookie, .argc = argc};
	for (size_t i = 0; i < argc; i++) {
		if (i == ARGS || argv[i].len >= ARG_TEXT)
			trap("a command that is too long", argv[0].data);
		memcpy(cmd->argv[i], argv[i].data, argv[i].len);
	}
	c->n++;
	return 0;
}

int conn_command_lazy(struct conn *c, conn_reply_fn fn, void *user, void *item, uint64_t cookie, size_t argc,
		      const struct resp_arg *argv)
{
	return conn_command(c, fn, user, item, cookie, argc, argv);
}

bool conn_replies_are_immediate(const struct conn *c)
{
	(void)c;
	return true;
}

void conn_expedite(struct conn *c)
{
	(void)c;
}

void conn_flush(struct conn *c)
{
	(void)c;
}
