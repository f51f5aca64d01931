/* SPDX-License-Identifier: Apache-2.0 */
#include "sonic/portcount.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "observe/log.h"

struct portcount {
	struct conn *conn;
	char key[40];
	bool known, busy;
	size_t count; /* with known: what Redis holds */
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

static void on_written(const struct resp_value *reply, void *user, void *item, uint64_t rows)
{
	struct portcount *p = user;

	(void)item;
	p->busy = false;
	p->known = reply && reply->type != RESP_ERROR;
	p->count = (size_t)rows;
	if (reply && reply->type == RESP_ERROR)
		log_warning("%s: count cannot be written: %s", p->key, reply->str);
}

static void write_count(struct portcount *p, size_t rows)
{
	char count[24];
	struct resp_arg argv[4];

	(void)snprintf(count, sizeof(count), "%zu", rows);
	argv[0] = RESP_STR("HSET");
	argv[1] = RESP_STR(p->key);
	argv[2] = RESP_STR("count");
	argv[3] = RESP_STR(count);
	p->busy = conn_command(p->conn, on_written, p, NULL, rows, ARRAY_SIZE(argv), argv) == 0;
}

static void on_read(const struct resp_value *reply, void *user, void *item, uint64_t rows)
{
	struct portcount *p = user;
	char expected[24], found[32];

	(void)item;
	p->busy = false;
	/* No count at all: there was no PortConfigDone, and it is not ours to invent one. */
	if (!reply || reply->type != RESP_STRING)
		return;
	(void)snprintf(expected, sizeof(expected), "%zu", (size_t)rows);
	p->known = strcmp(reply->str, expected) == 0;
	p->count = (size_t)rows;
	if (p->known)
		return;
	log_notice("%s: count is %s, but there are %s ports: mended", p->key,
		   printable(reply->str, reply->len, found, sizeof(found)), expected);
	write_count(p, (size_t)rows);
}

void portcount_repair(struct portcount *p, size_t rows)
{
	const struct resp_arg argv[] = {RESP_STR("HGET"), RESP_STR(p->key), RESP_STR("count")};

	if (!p->busy)
		p->busy = conn_command(p->conn, on_read, p, NULL, rows, ARRAY_SIZE(argv), argv) == 0;
}

void portcount_follow(struct portcount *p, size_t rows)
{
	if (p->busy || (p->known && p->count == rows))
		return;
	if (p->known)
		write_count(p, rows);
	else
		portcount_repair(p, rows);
}

void portcount_forget(struct portcount *p)
{
	p->known = false;
}
