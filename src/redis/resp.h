/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RESP2: commands into a buffer, replies into values. https://redis.io/docs/reference/protocol-spec/
 * Neither direction allocates per command once its memory has grown to what the work needs.
 */
#ifndef PORTSYNCD_RESP_H
#define PORTSYNCD_RESP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct resp_arg {
	const void *data;
	size_t len;
};

/* An argument from a C string. */
#define RESP_STR(s) ((struct resp_arg){(s), strlen(s)})

/* Bytes that go out: len of them from data + start. cap grows up to max, never shrinks. */
struct resp_buffer {
	char *data;
	size_t start, len, cap, max;
};

int resp_buffer_init(struct resp_buffer *b, size_t cap, size_t max);
void resp_buffer_done(struct resp_buffer *b);
/* Appends one command: all of it, or nothing and -E2BIG (max reached) or -ENOMEM. */
int resp_append(struct resp_buffer *b, size_t argc, const struct resp_arg *argv);
/* Drops the first n bytes (they were written). n <= len. */
void resp_consume(struct resp_buffer *b, size_t n);

enum resp_type { RESP_STRING, RESP_STATUS, RESP_ERROR, RESP_INTEGER, RESP_NIL, RESP_ARRAY };

struct resp_value {
	enum resp_type type;
	int64_t integer; /* RESP_INTEGER */
	const char *str; /* RESP_STRING, RESP_STATUS, RESP_ERROR: NUL-terminated, but may hold NULs itself */
	size_t len;      /* of str */
	const struct resp_value **elem; /* RESP_ARRAY; every one is set */
	size_t n;                       /* of elem */
};

/* True when the value is an error whose first word is word ("WRONGTYPE"). NULL values are no errors. */
bool resp_is_error(const struct resp_value *v, const char *word);
/* True when the value is just this text. */
bool resp_is_string(const struct resp_value *v, const char *text);

struct resp_reader;

#define RESP_REPLY_MAX (64U << 20)   /* bytes of one reply, as they come and as values; more is a protocol error */
#define RESP_ELEMENTS_MAX (1U << 20) /* elements of one array; a longer one is a protocol error */

struct resp_reader *resp_reader_new(void);
void resp_reader_free(struct resp_reader *r);
/* Forgets everything read so far: for a new connection. 0 or -ENOMEM. */
int resp_reader_reset(struct resp_reader *r);
/* Overwrites what was read: it held a secret. The values are no good any more; resp_reader_reset() is due. */
void resp_reader_wipe(struct resp_reader *r);
/* Adds bytes from the wire. 0, -ENOMEM, or -EPROTO. */
int resp_reader_feed(struct resp_reader *r, const void *bytes, size_t len);
/*
 * 1 with *ret set to the next complete reply, valid until the next call of any function on r; 0 when more bytes are
 * needed; -EPROTO for bytes that are no RESP2, too deep or too long (resp_reader_error() says what); -ENOMEM.
 */
int resp_reader_next(struct resp_reader *r, const struct resp_value **ret);
const char *resp_reader_error(const struct resp_reader *r);

#endif
