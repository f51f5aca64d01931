/* SPDX-License-Identifier: Apache-2.0 */
#include "sonic/producer.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/list.h"
#include "base/util.h"
#include "log/log.h"

#define SHA_LEN 40
/* EVALSHA sha 3 channel key_set hash G key */
#define ARG_COMMAND 0
#define ARG_SCRIPT 1
#define ARG_FIRST_FIELD 8
/* Answers of the script, beside how many keys were announced */
#define REPLACED_HASH (-1)
#define REPLACED_SET (-2)

/*
 * The hash is written first: if that fails nothing is announced, so no consumer finds an announced key without fields
 * and takes it for a deletion, and the next try is published again. Both keys belong to the protocol: one of another
 * type is of no use to anybody and is replaced, and the answer says so.
 */
static const char script[] = "local replaced = 0\n"
			     "local function write(command, key, ...)\n"
			     "local r = redis.pcall(command, key, ...)\n"
			     "if type(r) ~= 'table' or not r.err then return r end\n"
			     "if string.find(r.err, 'WRONGTYPE', 1, true) then\n"
			     "redis.call('DEL', key)\n"
			     "replaced = key == KEYS[2] and -2 or -1\n"
			     "end\n"
			     "return redis.call(command, key, ...)\n"
			     "end\n"
			     "for i = 3, #ARGV, 2 do write('HSET', KEYS[3], ARGV[i], ARGV[i + 1]) end\n"
			     "local added = write('SADD', KEYS[2], ARGV[2])\n"
			     "if added > 0 then redis.call('PUBLISH', KEYS[1], ARGV[1]) end\n"
			     "return replaced < 0 and replaced or added\n";

struct producer {
	struct conn *conn;
	char *channel, *key_set, *hash_prefix;
	struct list pushes; /* without an answer */
	char sha[SHA_LEN + 1];
	bool sha_known, sha_asked;
};

/* A row in flight, complete, so that it can be sent again. */
struct push {
	struct list in_producer;
	struct producer *producer;
	producer_done_fn done;
	void *user;
	bool as_text;
	size_t argc;
	struct resp_arg argv[]; /* the bytes they point to follow, except the producer's own */
};

struct producer *producer_new(struct conn *conn, const char *table, const char *separator, unsigned database)
{
	struct producer *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->conn = conn;
	list_init(&p->pushes);
	if (asprintf(&p->channel, "%s_CHANNEL@%u", table, database) < 0)
		p->channel = NULL;
	if (asprintf(&p->key_set, "%s_KEY_SET", table) < 0)
		p->key_set = NULL;
	if (asprintf(&p->hash_prefix, "_%s%s", table, separator) < 0)
		p->hash_prefix = NULL;
	if (p->channel && p->key_set && p->hash_prefix)
		return p;
	producer_free(p);
	return NULL;
}

static void free_push(struct push *push)
{
	list_remove(&push->in_producer);
	free(push);
}

void producer_free(struct producer *p)
{
	if (!p)
		return;
	while (!list_empty(&p->pushes))
		free_push(container_of(p->pushes.next, struct push, in_producer));
	free(p->channel);
	free(p->key_set);
	free(p->hash_prefix);
	free(p);
}

/* The script's SHA-1, as Redis computes it. Until it is known, or if it is refused, rows carry the text. */
static void take_sha(const struct resp_value *reply, void *user, void *item, uint64_t cookie)
{
	struct producer *p = user;

	(void)item;
	(void)cookie;
	if (!reply) {
		p->sha_asked = false;
		return;
	}
	if (reply->type != RESP_STRING || reply->len != SHA_LEN)
		return;
	memcpy(p->sha, reply->str, SHA_LEN + 1);
	p->sha_known = true;
}

static void ask_sha(struct producer *p)
{
	const struct resp_arg argv[] = {RESP_STR("SCRIPT"), RESP_STR("LOAD"), RESP_STR(script)};

	if (p->sha_known || p->sha_asked)
		return;
	p->sha_asked = conn_command(p->conn, take_sha, p, NULL, 0, ARRAY_SIZE(argv), argv) == 0;
}

static char *copy_arg(struct resp_arg *arg, char *at, const char *bytes, size_t len)
{
	*arg = (struct resp_arg){at, len};
	if (len > 0)
		memcpy(at, bytes, len);
	return at + len;
}

static void fill_push(struct push *push, const char *key, size_t n, const struct resp_arg *pairs)
{
	const struct producer *p = push->producer;
	struct resp_arg *argv = push->argv;
	size_t prefix_len = strlen(p->hash_prefix), key_len = strlen(key);
	char *at = (char *)(argv + push->argc);

	argv[2] = RESP_STR("3");
	argv[3] = RESP_STR(p->channel);
	argv[4] = RESP_STR(p->key_set);
	argv[6] = RESP_STR("G");
	at = copy_arg(&argv[5], at, p->hash_prefix, prefix_len);
	at = copy_arg(&argv[7], at, key, key_len);
	/* The hash's name ends in the key: its bytes follow the prefix. */
	argv[5].len += key_len;
	for (size_t i = 0; i < 2 * n; i++)
		at = copy_arg(&argv[ARG_FIRST_FIELD + i], at, pairs[i].data, pairs[i].len);
}

static struct push *new_push(struct producer *p, const char *key, size_t n, const struct resp_arg *pairs)
{
	size_t argc = ARG_FIRST_FIELD + 2 * n;
	size_t size = sizeof(struct push) + argc * sizeof(struct resp_arg) + strlen(p->hash_prefix) + strlen(key);
	struct push *push;

	for (size_t i = 0; i < 2 * n; i++)
		size += pairs[i].len;
	push = malloc(size);
	if (!push)
		return NULL;
	*push = (struct push){.producer = p, .argc = argc};
	list_init(&push->in_producer);
	fill_push(push, key, n, pairs);
	return push;
}

static int send_push(struct push *push);

static void warn_replaced(const struct push *push, const struct resp_value *reply)
{
	const struct resp_arg *hash = &push->argv[5];
	char key[80];

	if (reply->type == RESP_INTEGER && reply->integer == REPLACED_HASH)
		log_warning(KIND_KEY_REPLACED, "%s: was not a hash, replaced",
			    printable(hash->data, hash->len, key, sizeof(key)));
	else if (reply->type == RESP_INTEGER && reply->integer == REPLACED_SET)
		log_warning(KIND_KEY_REPLACED, "%s: was not a set, replaced", push->producer->key_set);
}

static void take_answer(const struct resp_value *reply, void *user, void *item, uint64_t cookie)
{
	struct push *push = item;
	bool ok = reply && reply->type != RESP_ERROR;

	(void)user;
	(void)cookie;
	if (resp_is_error(reply, "NOSCRIPT") && !push->as_text) {
		push->as_text = true;
		if (send_push(push) == 0)
			return;
	}
	if (ok)
		warn_replaced(push, reply);
	push->done(ok, ok ? NULL : reply, push->user);
	free_push(push);
}

static int send_push(struct push *push)
{
	struct producer *p = push->producer;

	push->argv[ARG_COMMAND] = push->as_text ? RESP_STR("EVAL") : RESP_STR("EVALSHA");
	push->argv[ARG_SCRIPT] = push->as_text ? RESP_STR(script) : RESP_STR(p->sha);
	return conn_command(p->conn, take_answer, p, push, 0, push->argc, push->argv);
}

int producer_set(struct producer *p, const char *key, size_t n, const struct resp_arg *pairs, producer_done_fn done,
		 void *user)
{
	struct push *push;
	int r;

	if (n == 0)
		return -EINVAL;
	push = new_push(p, key, n, pairs);
	if (!push)
		return -ENOMEM;
	push->done = done;
	push->user = user;
	push->as_text = !p->sha_known;
	r = send_push(push);
	if (r < 0) {
		free(push);
		return r;
	}
	list_append(&p->pushes, &push->in_producer);
	ask_sha(p);
	return 0;
}

int producer_count_row(struct producer *p, const char *key, conn_reply_fn fn, void *user, void *item)
{
	char *waiting cleanup(free_ptr) = NULL;
	struct resp_arg argv[3];

	if (asprintf(&waiting, "%s%s", p->hash_prefix, key) < 0) {
		waiting = NULL;
		return -ENOMEM;
	}
	argv[0] = RESP_STR("EXISTS");
	argv[1] = RESP_STR(waiting + 1); /* without the "_" */
	argv[2] = RESP_STR(waiting);
	return conn_command(p->conn, fn, user, item, 0, ARRAY_SIZE(argv), argv);
}
