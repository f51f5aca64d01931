/* SPDX-License-Identifier: Apache-2.0 */
#include "redis/resp.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/text.h"
#include "base/util.h"

#define DEPTH_MAX 8
#define LINE_BYTES_MAX (16U << 10) /* of a line, with its end; Redis' lines are far shorter */
#define LENGTH_MAX INT32_MAX       /* that a peer may claim; Redis' own bounds are lower */
#define FIRST_ELEMENTS 512U        /* an answer to SCAN */
#define REASON_BYTES 64
#define CHUNK_BYTES (16U << 10) /* of the values' memory ... */
#define KEEP_BYTES (256U << 10) /* ... of which so much is kept from reply to reply */
#define TOO_LARGE_BYTES 128

/* --- commands --- */

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

/* Most lengths have one or two. */
static size_t digits(size_t value)
{
	size_t n = 1;

	if (value < 100)
		return value < 10 ? 1 : 2;
	while (value >= 10) {
		value /= 10;
		n++;
	}
	return n;
}

/* The exact size, or, once the sum exceeds max, any number above max. */
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
	/* Moving is cheap when little of much is left; otherwise growing keeps the sum of all moves small. */
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
	*at++ = type;
	if (value < 10) {
		*at++ = (char)('0' + value);
	} else {
		at += digits(value);
		(void)text_digits(value, at);
	}
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

/* --- values --- */

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

/* --- the reader --- */

/*
 * A reply is read as its bytes come: a line at a time, a string straight into its place. Only the beginning of a line
 * whose end has not come is kept apart. The bytes behind a claimed length are at most RESP_STRING_MAX of memory ahead
 * of what came; an array grows with its elements.
 */

/* An array whose elements are still coming. */
struct level {
	struct resp_value *array;
	size_t cap, left; /* elements it can hold, and those to come */
};

struct resp_reader {
	const char *at, *end; /* what was lent and is not read yet */
	struct level levels[DEPTH_MAX];
	unsigned int depth;
	struct arena arena;
	bool complete;            /* reply is there, and was or will be given to the caller */
	bool skipping;            /* this reply is too large: it is read without making values */
	struct resp_value *reply; /* NULL when it was skipped */
	uint64_t reply_bytes;     /* on the wire */

	bool in_string;
	struct resp_value *string;  /* NULL: it is skipped */
	size_t body_left, end_left; /* of the string's bytes and of its line end */
	size_t string_len;

	struct resp_value digit; /* see take_digit() */
	struct resp_value too_large;
	char too_large_text[TOO_LARGE_BYTES];
	bool failed;
	char reason[REASON_BYTES];
	size_t line_len;
	char line[LINE_BYTES_MAX]; /* the beginning of a line */
};

struct resp_reader *resp_reader_new(void)
{
	struct resp_reader *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	arena_init(&r->arena, CHUNK_BYTES, KEEP_BYTES);
	/* The first chunk is there from the start: most replies need no more. */
	if (!arena_take(&r->arena, 1)) {
		resp_reader_free(r);
		return NULL;
	}
	resp_reader_reset(r);
	return r;
}

void resp_reader_free(struct resp_reader *r)
{
	if (!r)
		return;
	arena_done(&r->arena);
	free(r);
}

static void begin_reply(struct resp_reader *r)
{
	arena_reset(&r->arena);
	r->complete = r->skipping = false;
	r->reply_bytes = 0;
}

void resp_reader_reset(struct resp_reader *r)
{
	begin_reply(r);
	r->at = r->end = "";
	r->depth = 0;
	r->in_string = false;
	r->line_len = 0;
	r->failed = false;
	(void)snprintf(r->reason, sizeof(r->reason), "no error");
}

void resp_reader_wipe(struct resp_reader *r)
{
	explicit_bzero(r->line, sizeof(r->line));
	arena_wipe(&r->arena);
}

const char *resp_reader_error(const struct resp_reader *r)
{
	return r->reason;
}

void resp_reader_feed(struct resp_reader *r, const void *bytes, size_t len)
{
	r->at = bytes;
	r->end = r->at + len;
}

PRINTF_LIKE(2, 3) static int fail(struct resp_reader *r, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(r->reason, sizeof(r->reason), format, args);
	va_end(args);
	r->failed = true;
	return -EPROTO;
}

/* ---- values ---- */

/* From here on until its end the reply needs no memory. */
static void skip_reply(struct resp_reader *r)
{
	r->skipping = true;
	arena_reset(&r->arena);
}

/* NULL if the reply is skipped, or is from now on. */
static void *reply_memory(struct resp_reader *r, size_t size)
{
	void *memory = NULL;

	if (r->skipping)
		return NULL;
	if (size <= RESP_REPLY_MAX - r->arena.total)
		memory = arena_take(&r->arena, size);
	if (!memory)
		skip_reply(r);
	return memory;
}

static struct resp_value *new_value(struct resp_reader *r, enum resp_type type)
{
	struct resp_value *value = reply_memory(r, sizeof(*value));

	if (value)
		*value = (struct resp_value){.type = type};
	return value;
}

/* Its bytes are to be filled in. */
static struct resp_value *new_text(struct resp_reader *r, enum resp_type type, size_t len, char **bytes)
{
	struct resp_value *value = reply_memory(r, sizeof(*value) + len + 1);

	if (!value)
		return NULL;
	*bytes = (char *)(value + 1);
	(*bytes)[len] = '\0';
	*value = (struct resp_value){.type = type, .str = *bytes, .len = len};
	return value;
}

static struct resp_value *copy_text(struct resp_reader *r, enum resp_type type, const char *text, size_t len)
{
	char *bytes;
	struct resp_value *value = new_text(r, type, len, &bytes);

	if (value && len > 0)
		memcpy(bytes, text, len);
	return value;
}

static struct resp_value *string_too_large(struct resp_reader *r)
{
	char text[TOO_LARGE_BYTES];
	int len = snprintf(text, sizeof(text), RESP_TOO_LARGE " %zu bytes; a string may have %u", r->string_len,
			   RESP_STRING_MAX);

	return copy_text(r, RESP_ERROR, text, (size_t)len);
}

/* It must not need memory. */
static const struct resp_value *reply_too_large(struct resp_reader *r)
{
	int len = snprintf(r->too_large_text, sizeof(r->too_large_text),
			   RESP_TOO_LARGE " %" PRIu64 " bytes; a reply may have %u, and %u elements", r->reply_bytes,
			   RESP_REPLY_MAX, RESP_ELEMENTS_MAX);

	r->too_large = (struct resp_value){.type = RESP_ERROR, .str = r->too_large_text, .len = (size_t)len};
	return &r->too_large;
}

static bool grow(struct resp_reader *r, struct level *level)
{
	struct resp_value *array = level->array;
	size_t cap = MIN(level->cap > 0 ? level->cap * 2 : FIRST_ELEMENTS, array->n + level->left);
	const struct resp_value **elem = reply_memory(r, cap * sizeof(const struct resp_value *));

	if (!elem)
		return false;
	if (array->n > 0)
		memcpy(elem, array->elem, array->n * sizeof(const struct resp_value *));
	array->elem = elem;
	level->cap = cap;
	return true;
}

static void append_element(struct resp_reader *r, struct level *level, const struct resp_value *value)
{
	struct resp_value *array = level->array;

	if (array->n < level->cap || grow(r, level))
		array->elem[array->n++] = value;
}

/* Puts a value that was read into its array, which may complete the array. */
static void add(struct resp_reader *r, struct resp_value *value)
{
	while (r->depth > 0) {
		struct level *level = &r->levels[r->depth - 1];

		if (!r->skipping)
			append_element(r, level, value);
		if (--level->left > 0)
			return;
		value = level->array;
		r->depth--;
	}
	r->reply = value;
	r->complete = true;
}

/* ---- the wire; each of these is 1 when it went on, 0 when it needs more bytes, or -EPROTO ---- */

/* The line without its end. Valid until the next call. */
static int take_line(struct resp_reader *r, const char **line, size_t *len)
{
	const char *newline = memchr(r->at, '\n', (size_t)(r->end - r->at));
	size_t n = (size_t)((newline ? newline + 1 : r->end) - r->at);
	bool whole = newline && r->line_len == 0;

	if (n > LINE_BYTES_MAX - r->line_len)
		return fail(r, "line too long");
	*line = whole ? r->at : r->line;
	if (!whole)
		memcpy(r->line + r->line_len, r->at, n);
	r->at += n;
	r->line_len += n;
	if (!newline)
		return 0;
	n = r->line_len;
	r->line_len = 0;
	if (n < 2 || (*line)[n - 2] != '\r')
		return fail(r, "line without its end");
	*len = n - 2;
	return 1;
}

static bool parse_integer(const char *at, size_t len, int64_t *ret)
{
	bool negative = len > 0 && at[0] == '-';
	uint64_t value = 0;

	if (len > 0 && (at[0] == '-' || at[0] == '+')) {
		at++;
		len--;
	}
	if (len == 0 || len > 19) /* so many digits cannot overflow */
		return false;
	for (size_t i = 0; i < len; i++) {
		if (at[i] < '0' || at[i] > '9')
			return false;
		value = value * 10 + (uint64_t)(at[i] - '0');
	}
	if (value > (uint64_t)INT64_MAX + negative)
		return false;
	*ret = (int64_t)(negative ? 0 - value : value);
	return true;
}

static int read_integer(struct resp_reader *r, const char *text, size_t len)
{
	struct resp_value *value;
	int64_t integer;

	if (!parse_integer(text, len, &integer))
		return fail(r, "not an integer");
	value = new_value(r, RESP_INTEGER);
	if (value)
		value->integer = integer;
	add(r, value);
	return 1;
}

static int begin_string(struct resp_reader *r, size_t len)
{
	char *bytes;

	r->string = len <= RESP_STRING_MAX ? new_text(r, RESP_STRING, len, &bytes) : NULL;
	r->string_len = r->body_left = len;
	r->end_left = 2;
	r->in_string = true;
	return 1;
}

static void read_body(struct resp_reader *r)
{
	size_t n = MIN(r->body_left, (size_t)(r->end - r->at));

	if (r->string && n > 0)
		memcpy((char *)(r->string + 1) + (r->string_len - r->body_left), r->at, n);
	r->at += n;
	r->body_left -= n;
}

static int read_string(struct resp_reader *r)
{
	static const char line_end[] = {'\n', '\r'};

	read_body(r);
	if (r->body_left > 0)
		return 0;
	for (; r->end_left > 0 && r->at < r->end; r->end_left--)
		if (*r->at++ != line_end[r->end_left - 1])
			return fail(r, "string without its line end");
	if (r->end_left > 0)
		return 0;
	r->in_string = false;
	add(r, r->string || r->skipping ? r->string : string_too_large(r));
	return 1;
}

static int begin_array(struct resp_reader *r, size_t n)
{
	struct resp_value *array;

	if (n > RESP_ELEMENTS_MAX)
		skip_reply(r);
	array = new_value(r, RESP_ARRAY);
	if (n == 0) {
		add(r, array);
		return 1;
	}
	if (r->depth == DEPTH_MAX)
		return fail(r, "arrays nested too deep");
	r->levels[r->depth++] = (struct level){.array = array, .left = n};
	return 1;
}

static int read_counted(struct resp_reader *r, char type, const char *text, size_t len)
{
	int64_t n;

	if (!parse_integer(text, len, &n) || n < -1 || n > LENGTH_MAX)
		return fail(r, "invalid length of %s", type == '$' ? "a string" : "an array");
	if (n < 0) {
		add(r, new_value(r, RESP_NIL));
		return 1;
	}
	return type == '$' ? begin_string(r, (size_t)n) : begin_array(r, (size_t)n);
}

static int refuse_type(struct resp_reader *r, char type)
{
	if (type < ' ' || type > '~')
		return fail(r, "reply type byte 0x%02x", (unsigned char)type);
	return fail(r, "reply type byte \"%c\"%s", type, strchr("_#,(!=%~>|", type) ? ", which is RESP3" : "");
}

static int read_line(struct resp_reader *r)
{
	const char *line = "";
	size_t len = 0;
	int result = take_line(r, &line, &len);

	if (result <= 0)
		return result;
	if (len == 0)
		return fail(r, "empty line");
	switch (line[0]) {
	case '+':
	case '-':
		add(r, copy_text(r, line[0] == '+' ? RESP_STATUS : RESP_ERROR, line + 1, len - 1));
		return 1;
	case ':':
		return read_integer(r, line + 1, len - 1);
	case '$':
	case '*':
		return read_counted(r, line[0], line + 1, len - 1);
	default:
		return refuse_type(r, line[0]);
	}
}

/* ---- the reader ---- */

/* ":0\r\n", the answer to a row that was written or deleted, needs no memory. */
static bool take_digit(struct resp_reader *r)
{
	const char *at = r->at;

	if (r->end - at < 4 || at[0] != ':' || at[1] < '0' || at[1] > '9' || at[2] != '\r' || at[3] != '\n')
		return false;
	if (r->depth > 0 || r->in_string || r->line_len > 0)
		return false;
	r->at = at + 4;
	r->digit = (struct resp_value){.type = RESP_INTEGER, .integer = at[1] - '0'};
	return true;
}

int resp_reader_next(struct resp_reader *r, const struct resp_value **ret)
{
	const char *begin = r->at;
	int result = 1;

	if (r->failed)
		return -EPROTO;
	if (take_digit(r)) {
		*ret = &r->digit;
		return 1;
	}
	if (r->complete)
		begin_reply(r);
	while (!r->complete && result > 0)
		result = r->in_string ? read_string(r) : read_line(r);
	r->reply_bytes += (uint64_t)(r->at - begin);
	if (!r->complete)
		return result;
	*ret = r->skipping ? reply_too_large(r) : r->reply;
	return 1;
}
