/* SPDX-License-Identifier: Apache-2.0 */
#include "sonic/portcount.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "log/log.h"

struct portcount {
	struct conn *conn;
	char key[40];
	bool busy, tried;
	bool refused; /* with tried */
	size_t rows;  /* with busy or tried: the count that is wanted */
};

struct portcount *portcount_new(struct conn *appl, const char *separator)
{
	struct portcount *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->conn = appl;
	(void)snprintf(p->key, sizeof(p->key), "PORT_TABLE%sPortConfigDone", separator);
	return p;
}

void portcount_free(struct portcount *p)
{
	free(p);
}

static void answered(struct portcount *p, const struct resp_value *reply)
{
	p->busy = false;
	p->tried = reply != NULL;
	p->refused = reply && reply->type == RESP_ERROR;
}

static void on_written(const struct resp_value *reply, void *user, void *item, uint64_t cookie)
{
	struct portcount *p = user;

	(void)item;
	(void)cookie;
	if (reply && reply->type == RESP_ERROR)
		log_warning(KIND_PORT_COUNT_REFUSED,
			    "%s: count cannot be written, the next reconciliation tries again: %s", p->key, reply->str);
	answered(p, reply);
}

static bool ask(struct portcount *p, conn_reply_fn fn, const char *verb, const char *count)
{
	const struct resp_arg argv[] = {RESP_STR(verb), RESP_STR(p->key), RESP_STR("count"), RESP_STR(count)};

	return conn_command(p->conn, fn, p, NULL, 0, *count ? 4 : 3, argv) == 0;
}

static void on_read(const struct resp_value *reply, void *user, void *item, uint64_t cookie)
{
	struct portcount *p = user;
	char wanted[24], found[32];

	(void)item;
	(void)cookie;
	(void)snprintf(wanted, sizeof(wanted), "%zu", p->rows);
	if (!reply || (reply->type != RESP_STRING && !resp_too_large(reply)) ||
	    (reply->len == strlen(wanted) && memcmp(reply->str, wanted, reply->len) == 0)) {
		answered(p, reply);
		return;
	}
	log_notice(KIND_PORT_COUNT_MENDED, "%s: count is %s, but there are %s ports: mended", p->key,
		   printable(reply->str, reply->len, found, sizeof(found)), wanted);
	if (!ask(p, on_written, "HSET", wanted))
		answered(p, NULL);
}

void portcount_want(struct portcount *p, size_t rows)
{
	if (p->busy || (p->tried && p->rows == rows))
		return;
	p->rows = rows;
	p->tried = false;
	p->busy = ask(p, on_read, "HGET", "");
}

bool portcount_settled(const struct portcount *p)
{
	return !p->busy && p->tried;
}

bool portcount_done(const struct portcount *p)
{
	return portcount_settled(p) && !p->refused;
}

void portcount_retry(struct portcount *p)
{
	p->tried = false;
}
