/* SPDX-License-Identifier: Apache-2.0 */
#include "redis/resp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

int resp_buffer_init(struct resp_buffer *b, size_t cap, size_t max)
{
	*b = (struct resp_buffer){.data = malloc(cap), .cap = cap, .max = max};
	return b->data ? 0 : -ENOMEM;
}

void resp_buffer_done(struct resp_buffer *b)
{
	free(b->data);
	*b = (struct resp_buffer){0};
}

static size_t digits(size_t value)
{
	size_t n = 1;

	while (value >= 10) {
		value /= 10;
		n++;
	}
	return n;
}

/* Exact, or more than max when the sum is: what is beyond is not even added up. */
static size_t encoded_size(size_t argc, const struct resp_arg *argv, size_t max)
{
	size_t size = 1 + digits(argc) + 2;

	for (size_t i = 0; i < argc && size <= max; i++) {
		if (argv[i].len > max)
			return max + 1;
		size += 1 + digits(argv[i].len) + 2 + argv[i].len + 2;
	}
	return size;
}

static void move_to_front(struct resp_buffer *b)
{
	memmove(b->data, b->data + b->start, b->len);
	b->start = 0;
}

static int make_room(struct resp_buffer *b, size_t size)
{
	size_t needed = b->len + size, cap;
	char *data;

	if (b->cap - b->start - b->len >= size)
		return 0;
	/* Moving is cheap when little is left of much; else growing keeps the sum of all moves small. */
	if (b->cap >= needed && (b->start >= b->len || b->cap == b->max)) {
		move_to_front(b);
		return 0;
	}
	cap = MIN(MAX(b->cap * 2, needed), b->max);
	data = realloc(b->data, cap);
	if (!data)
		return -ENOMEM;
	b->data = data;
	b->cap = cap;
	if (cap - b->start - b->len < size)
		move_to_front(b);
	return 0;
}

static char *put_head(char *at, char type, size_t value)
{
	size_t n = digits(value);

	*at++ = type;
	for (size_t i = n; i-- > 0; value /= 10)
		at[i] = (char)('0' + value % 10);
	at += n;
	*at++ = '\r';
	*at++ = '\n';
	return at;
}

static char *put_argument(char *at, const struct resp_arg *arg)
{
	at = put_head(at, '$', arg->len);
	if (arg->len > 0)
		memcpy(at, arg->data, arg->len);
	at += arg->len;
	*at++ = '\r';
	*at++ = '\n';
	return at;
}

int resp_append(struct resp_buffer *b, size_t argc, const struct resp_arg *argv)
{
	size_t size = encoded_size(argc, argv, b->max);
	char *at;

	if (size > b->max - b->len)
		return -E2BIG;
	if (make_room(b, size) < 0)
		return -ENOMEM;
	at = put_head(b->data + b->start + b->len, '*', argc);
	for (size_t i = 0; i < argc; i++)
		at = put_argument(at, &argv[i]);
	b->len += size;
	return 0;
}

void resp_consume(struct resp_buffer *b, size_t n)
{
	b->start += n;
	b->len -= n;
	if (b->len == 0)
		b->start = 0;
}

bool resp_is_error(const struct resp_value *v, const char *word)
{
	size_t len = strlen(word);

	return v && v->type == RESP_ERROR && v->len >= len && memcmp(v->str, word, len) == 0 &&
	       (v->len == len || v->str[len] == ' ');
}

bool resp_is_string(const struct resp_value *v, const char *text)
{
	return v->type == RESP_STRING && v->len == strlen(text) && memcmp(v->str, text, v->len) == 0;
}

const struct resp_value *resp_too_large(const struct resp_value *v)
{
	if (resp_is_error(v, RESP_TOO_LARGE))
		return v;
	for (size_t i = 0; v && v->type == RESP_ARRAY && i < v->n; i++)
		if (resp_is_error(v->elem[i], RESP_TOO_LARGE))
			return v->elem[i];
	return NULL;
}
