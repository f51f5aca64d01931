/* SPDX-License-Identifier: Apache-2.0 */
#include "redis/resp.h"

#include <errno.h>
#include <hiredis/read.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

#define CHUNK_BYTES (16U << 10)
#define ARENA_KEEP_BYTES (256U << 10)
#define BACKLOG_KEEP_BYTES (1U << 20)
#define FIRST_ELEMENTS 64U
#define FIRST_ANSWERS 2048U
/* A type byte and its line; also Redis' own bound. Without it each piece of an endless line would be searched anew. */
#define LINE_BYTES_MAX (64U << 10)

/* ---- commands ---- */

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

/* ---- the memory of one reply ---- */

struct chunk {
	struct chunk *next;
	size_t size, used;
	_Alignas(max_align_t) char data[];
};

struct arena {
	struct chunk *first, *current; /* chunks behind current are spare */
	size_t total;                  /* bytes of this reply */
};

static struct chunk *chunk_new(size_t size, struct chunk *next)
{
	struct chunk *chunk = malloc(sizeof(*chunk) + size);

	if (!chunk)
		return NULL;
	chunk->next = next;
	chunk->size = size;
	chunk->used = 0;
	return chunk;
}

static bool arena_advance(struct arena *a, size_t size)
{
	struct chunk *next = a->current->next;

	if (!next || next->size < size) {
		next = chunk_new(MAX(size, CHUNK_BYTES), next);
		if (!next)
			return false;
		a->current->next = next;
	}
	next->used = 0;
	a->current = next;
	return true;
}

static void *arena_take(struct arena *a, size_t size)
{
	void *taken;

	size = (size + _Alignof(max_align_t) - 1) & ~(_Alignof(max_align_t) - 1);
	if (a->current->size - a->current->used < size && !arena_advance(a, size))
		return NULL;
	taken = a->current->data + a->current->used;
	a->current->used += size;
	a->total += size;
	return taken;
}

static void arena_reset(struct arena *a)
{
	size_t kept = a->first->size;

	a->first->used = 0;
	a->total = 0;
	if (a->current == a->first)
		return;
	a->current = a->first;
	for (struct chunk **at = &a->first->next, *chunk; (chunk = *at);) {
		if (kept + chunk->size <= ARENA_KEEP_BYTES) {
			kept += chunk->size;
			at = &chunk->next;
		} else {
			*at = chunk->next;
			free(chunk);
		}
	}
}

static void arena_done(struct arena *a)
{
	for (struct chunk *chunk = a->first, *next; chunk; chunk = next) {
		next = chunk->next;
		free(chunk);
	}
}

/* ---- replies ---- */

struct resp_reader {
	redisReader *wire;
	struct arena arena;
	bool delivered; /* the arena holds the reply that the caller was given last */
	size_t backlog; /* the most bytes that waited in wire's buffer since that was made */
	int failure;
	const char *reason;
};

/* An array grows with the elements that come, not with the number the peer claims. */
struct array_value {
	struct resp_value value;
	size_t cap;
};

static int fail(struct resp_reader *r, int failure, const char *reason)
{
	r->failure = failure;
	r->reason = reason;
	return failure;
}

static void *reply_memory(struct resp_reader *r, size_t size)
{
	void *memory;

	if (size > RESP_REPLY_MAX - r->arena.total) {
		(void)fail(r, -EPROTO, "reply too long");
		return NULL;
	}
	memory = arena_take(&r->arena, size);
	if (!memory)
		(void)fail(r, -ENOMEM, "out of memory");
	return memory;
}

static bool append_element(struct resp_reader *r, struct array_value *array, const struct resp_value *element)
{
	struct resp_value *value = &array->value;

	if (value->n == array->cap) {
		size_t cap = MAX(array->cap * 2, FIRST_ELEMENTS);
		const struct resp_value **elem = reply_memory(r, cap * sizeof(const struct resp_value *));

		if (!elem)
			return false;
		if (value->n > 0)
			memcpy(elem, value->elem, value->n * sizeof(const struct resp_value *));
		value->elem = elem;
		array->cap = cap;
	}
	value->elem[value->n++] = element;
	return true;
}

/* hiredis leaves it to us to hang a new object into its parent. */
static void *link_value(const redisReadTask *task, struct resp_value *value)
{
	if (task->parent && !append_element(task->privdata, task->parent->obj, value))
		return NULL;
	return value;
}

static struct resp_value *make_value(const redisReadTask *task, enum resp_type type)
{
	struct resp_value *value = reply_memory(task->privdata, sizeof(*value));

	if (value)
		*value = (struct resp_value){.type = type};
	return value;
}

static enum resp_type string_type(const redisReadTask *task)
{
	switch (task->type) {
	case REDIS_REPLY_STATUS:
		return RESP_STATUS;
	case REDIS_REPLY_ERROR:
		return RESP_ERROR;
	default:
		return RESP_STRING;
	}
}

static void *create_string(const redisReadTask *task, char *bytes, size_t len)
{
	struct resp_value *value;
	char *copy;

	/* hiredis skips the two bytes behind a bulk string unseen; they are in its buffer by now. */
	if (bytes[len] != '\r' || bytes[len + 1] != '\n') {
		(void)fail(task->privdata, -EPROTO, "string without its line end");
		return NULL;
	}
	value = make_value(task, string_type(task));
	copy = value ? reply_memory(task->privdata, len + 1) : NULL;
	if (!copy)
		return NULL;
	memcpy(copy, bytes, len);
	copy[len] = '\0';
	value->str = copy;
	value->len = len;
	return link_value(task, value);
}

static void *create_array(const redisReadTask *task, int elements)
{
	struct array_value *array;

	if (elements < 0 || (unsigned int)elements > RESP_ELEMENTS_MAX) {
		(void)fail(task->privdata, -EPROTO, "array too long");
		return NULL;
	}
	array = reply_memory(task->privdata, sizeof(*array));
	if (!array)
		return NULL;
	*array = (struct array_value){.value = {.type = RESP_ARRAY}};
	return link_value(task, &array->value);
}

static void *create_integer(const redisReadTask *task, long long integer)
{
	struct resp_value *value = make_value(task, RESP_INTEGER);

	if (!value)
		return NULL;
	value->integer = integer;
	return link_value(task, value);
}

static void *create_nil(const redisReadTask *task)
{
	struct resp_value *value = make_value(task, RESP_NIL);

	return value ? link_value(task, value) : NULL;
}

/* The arena frees all at once. */
static void free_nothing(void *object)
{
	(void)object;
}

/* The buffer is made as large as the answers to a full pipeline of writes are, read without making values of them: else
 * it would grow in the first storm in which they happen to come at once. */
static int wire_stretch(redisReader *wire)
{
	static const char answer[] = ":0\r\n";
	char answers[FIRST_ANSWERS * (sizeof(answer) - 1)];
	void *reply;

	for (size_t i = 0; i < FIRST_ANSWERS; i++)
		memcpy(answers + i * (sizeof(answer) - 1), answer, sizeof(answer) - 1);
	if (redisReaderFeed(wire, answers, sizeof(answers)) != REDIS_OK)
		return -ENOMEM;
	do {
		if (redisReaderGetReply(wire, &reply) != REDIS_OK)
			return -ENOMEM;
	} while (reply);
	return 0;
}

static redisReader *wire_new(struct resp_reader *r)
{
	static redisReplyObjectFunctions functions = {
		.createString = create_string,
		.createArray = create_array,
		.createInteger = create_integer,
		.createNil = create_nil,
		.freeObject = free_nothing,
	};
	redisReader *wire = redisReaderCreateWithFunctions(NULL);

	if (!wire)
		return NULL;
	/* hiredis would give its buffer back after each 16 KiB; settle() bounds it instead. */
	wire->maxbuf = 0;
	if (wire_stretch(wire) < 0) {
		redisReaderFree(wire);
		return NULL;
	}
	wire->fn = &functions;
	wire->privdata = r;
	return wire;
}

static int wire_renew(struct resp_reader *r)
{
	redisReader *wire = wire_new(r);

	if (!wire)
		return -ENOMEM;
	redisReaderFree(r->wire);
	r->wire = wire;
	r->backlog = 0;
	return 0;
}

struct resp_reader *resp_reader_new(void)
{
	struct resp_reader *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->arena.first = r->arena.current = chunk_new(CHUNK_BYTES, NULL);
	r->wire = wire_new(r);
	if (r->arena.first && r->wire)
		return r;
	resp_reader_free(r);
	return NULL;
}

void resp_reader_free(struct resp_reader *r)
{
	if (!r)
		return;
	if (r->wire)
		redisReaderFree(r->wire);
	arena_done(&r->arena);
	free(r);
}

int resp_reader_reset(struct resp_reader *r)
{
	arena_reset(&r->arena);
	r->delivered = false;
	r->failure = 0;
	r->reason = NULL;
	return wire_renew(r);
}

void resp_reader_wipe(struct resp_reader *r)
{
	explicit_bzero(r->wire->buf, r->wire->len);
	for (struct chunk *chunk = r->arena.first; chunk; chunk = chunk->next)
		explicit_bzero(chunk->data, chunk->size);
}

static size_t waiting(const struct resp_reader *r)
{
	return r->wire->len - r->wire->pos;
}

static void forget_delivered(struct resp_reader *r)
{
	if (r->delivered)
		arena_reset(&r->arena);
	r->delivered = false;
}

int resp_reader_feed(struct resp_reader *r, const void *bytes, size_t len)
{
	forget_delivered(r);
	if (r->failure)
		return r->failure;
	if (len > RESP_REPLY_MAX || waiting(r) + r->arena.total > RESP_REPLY_MAX - len)
		return fail(r, -EPROTO, "reply too long");
	if (redisReaderFeed(r->wire, bytes, len) != REDIS_OK)
		return fail(r, -ENOMEM, "out of memory");
	r->backlog = MAX(r->backlog, waiting(r));
	return 0;
}

/* Nothing complete is left: an endless line is refused, and after a flood its memory is given back. */
static int settle(struct resp_reader *r)
{
	if (waiting(r) > LINE_BYTES_MAX && !memmem(r->wire->buf + r->wire->pos, LINE_BYTES_MAX, "\r\n", 2))
		return fail(r, -EPROTO, "line too long");
	/* Without memory for a new one the old reader serves on. */
	if (r->wire->ridx < 0 && waiting(r) == 0 && r->backlog > BACKLOG_KEEP_BYTES)
		(void)wire_renew(r);
	return 0;
}

int resp_reader_next(struct resp_reader *r, const struct resp_value **ret)
{
	void *reply;

	forget_delivered(r);
	if (r->failure)
		return r->failure;
	if (redisReaderGetReply(r->wire, &reply) != REDIS_OK)
		return r->failure ? r->failure : fail(r, -EPROTO, r->wire->errstr);
	if (!reply)
		return settle(r);
	*ret = reply;
	r->delivered = true;
	return 1;
}

const char *resp_reader_error(const struct resp_reader *r)
{
	return r->reason ? r->reason : "no error";
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
