/* SPDX-License-Identifier: Apache-2.0 */
#include "redis/scan.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define STEP_KEYS "512"

static int step(struct scan *s);

static void finish(struct scan *s, bool complete, const struct resp_value *error)
{
	s->running = false;
	s->ops->done(complete, error, s->user);
}

static bool well_formed(const struct resp_value *reply)
{
	return reply->type == RESP_ARRAY && reply->n == 2 && reply->elem[0]->type == RESP_STRING &&
	       reply->elem[0]->len < 24 && reply->elem[1]->type == RESP_ARRAY;
}

static void on_step(const struct resp_value *reply, void *user, void *item, uint64_t cookie)
{
	struct scan *s = user;

	(void)item;
	(void)cookie;
	if (resp_is_error(reply, RESP_TOO_LARGE) && !s->careful) {
		s->careful = true;
		if (step(s) < 0)
			finish(s, false, NULL);
		return;
	}
	if (!reply || !well_formed(reply)) {
		finish(s, false, reply);
		return;
	}
	memcpy(s->cursor, reply->elem[0]->str, reply->elem[0]->len + 1);
	s->careful = false;
	for (size_t i = 0; i < reply->elem[1]->n; i++)
		if (reply->elem[1]->elem[i]->type == RESP_STRING)
			s->ops->key(reply->elem[1]->elem[i], s->user);
	if (strcmp(s->cursor, "0") == 0)
		finish(s, true, NULL);
	else if (step(s) < 0)
		finish(s, false, NULL);
}

static int step(struct scan *s)
{
	const char *keys = s->careful ? "1" : STEP_KEYS;
	const struct resp_arg argv[] = {
		RESP_STR("SCAN"),  RESP_STR(s->cursor), RESP_STR("MATCH"), RESP_STR(s->pattern),
		RESP_STR("COUNT"), RESP_STR(keys),      RESP_STR("TYPE"),  RESP_STR(s->type ? s->type : ""),
	};

	return conn_command(s->conn, on_step, s, NULL, 0, s->type ? 8 : 6, argv);
}

/* What stands for itself in a glob pattern must not act as one. */
static void escape(char *out, size_t size, const char *prefix)
{
	size_t at = 0;

	for (; *prefix && at + 4 < size; prefix++) {
		if (strchr("*?[]\\^", *prefix))
			out[at++] = '\\';
		out[at++] = *prefix;
	}
	out[at++] = '*';
	out[at] = '\0';
}

int scan_start(struct scan *s, struct conn *conn, const char *prefix, const char *type, const struct scan_ops *ops,
	       void *user)
{
	int r;

	if (s->running)
		return -EALREADY;
	*s = (struct scan){.conn = conn, .ops = ops, .user = user, .type = type};
	escape(s->pattern, sizeof(s->pattern), prefix);
	s->cursor[0] = '0';
	r = step(s);
	s->running = r == 0;
	return r;
}
