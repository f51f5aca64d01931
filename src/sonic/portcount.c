/* SPDX-License-Identifier: Apache-2.0 */
#include "sonic/portcount.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "log/log.h"

/* APPL_DB may be emptied after the count was read: a count written then would say that nothing was lost. */
static const char write_if_there[] = "if redis.call('exists', KEYS[1]) == 1 then "
				     "return redis.call('hset', KEYS[1], 'count', ARGV[1]) end return -1";

struct portcount {
	struct conn *conn;
	char key[40], found[32]; /* found: with busy, the count that is wrong */
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
	else if (reply && reply->type == RESP_INTEGER && reply->integer >= 0)
		log_notice(KIND_PORT_COUNT_MENDED, "%s: count is %s, but there are %zu ports: mended", p->key, p->found,
			   p->rows);
	answered(p, reply);
}

static bool write_count(struct portcount *p, const char *count)
{
	const struct resp_arg argv[] = {RESP_STR("EVAL"), RESP_STR(write_if_there), RESP_STR("1"), RESP_STR(p->key),
					RESP_STR(count)};

	return conn_command(p->conn, on_written, p, NULL, 0, ARRAY_SIZE(argv), argv) == 0;
}

static void on_read(const struct resp_value *reply, void *user, void *item, uint64_t cookie)
{
	struct portcount *p = user;
	char wanted[24];

	(void)item;
	(void)cookie;
	(void)snprintf(wanted, sizeof(wanted), "%zu", p->rows);
	if (!reply || (reply->type != RESP_STRING && !resp_too_large(reply)) ||
	    (reply->len == strlen(wanted) && memcmp(reply->str, wanted, reply->len) == 0)) {
		answered(p, reply);
		return;
	}
	(void)printable(reply->str, reply->len, p->found, sizeof(p->found));
	if (!write_count(p, wanted))
		answered(p, NULL);
}

void portcount_want(struct portcount *p, size_t rows)
{
	const struct resp_arg argv[] = {RESP_STR("HGET"), RESP_STR(p->key), RESP_STR("count")};

	if (p->busy || (p->tried && p->rows == rows))
		return;
	p->rows = rows;
	p->tried = false;
	p->busy = conn_command(p->conn, on_read, p, NULL, 0, ARRAY_SIZE(argv), argv) == 0;
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
