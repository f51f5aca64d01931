/* SPDX-License-Identifier: Apache-2.0 */
/* Covers: src/redis/resp.c src/base/arena.c */
/* Bytes from a hostile Redis, in pieces whose size the first byte gives; every reply is walked to its leaves. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "redis/resp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool held)
{
	if (!held)
		abort();
}

/* NOLINTNEXTLINE(misc-no-recursion): the reader refuses what is deeper than 8 */
static void walk(const struct resp_value *v)
{
	if (!v)
		abort();
	switch (v->type) {
	case RESP_STRING:
	case RESP_STATUS:
	case RESP_ERROR:
		/* Reads all bytes, so that a sanitizer checks them. */
		check(strnlen(v->str, v->len) <= v->len && v->str[v->len] == '\0');
		return;
	case RESP_ARRAY:
		check(v->n <= RESP_ELEMENTS_MAX);
		for (size_t i = 0; i < v->n; i++)
			walk(v->elem[i]);
		return;
	case RESP_INTEGER:
	case RESP_NIL:
		return;
	}
	abort();
}

static int drain(struct resp_reader *r)
{
	const struct resp_value *v;
	int result;

	while ((result = resp_reader_next(r, &v)) > 0)
		walk(v);
	if (result < 0)
		check(result == -EPROTO && resp_reader_error(r)[0] != '\0');
	return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct resp_reader *r;
	size_t piece = size > 0 && data[0] > 0 ? data[0] : 65536;

	if (!r)
		r = resp_reader_new();
	check(r);
	resp_reader_reset(r);
	for (size_t at = 1, len; at < size; at += len) {
		len = MIN(piece, size - at);
		resp_reader_feed(r, data + at, len);
		if (drain(r) < 0)
			break;
	}
	return 0;
}
