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

/* True when the value is an error whose first word is word ("WRONGTYPE"). A NULL value is not an error. */
bool resp_is_error(const struct resp_value *v, const char *word);
/* True when the value is just this text. */
bool resp_is_string(const struct resp_value *v, const char *text);

#define RESP_TOO_LARGE "TOOLARGE"    /* the first word of an error that is not the peer's, see resp_reader_next() */
#define RESP_STRING_MAX (16U << 20)  /* bytes of a string */
#define RESP_ELEMENTS_MAX (1U << 20) /* elements of one array */
#define RESP_REPLY_MAX (64U << 20)   /* bytes of memory of one reply */

/* The RESP_TOO_LARGE error that v is, or that is one of its elements: it says what was too large and what is allowed.
 * NULL when nothing was. */
const struct resp_value *resp_too_large(const struct resp_value *v);

struct resp_reader;

/* NULL without memory. */
struct resp_reader *resp_reader_new(void);
void resp_reader_free(struct resp_reader *r);
/* Forgets everything read so far: for a new connection. */
void resp_reader_reset(struct resp_reader *r);
/* Overwrites what was read: it held a secret. The values are void; resp_reader_reset() is due. */
void resp_reader_wipe(struct resp_reader *r);
/*
 * Lends bytes from the wire. They are read where they are, so they must stay as they are until resp_reader_next() has
 * returned 0 or an error, and no more may be lent before.
 */
void resp_reader_feed(struct resp_reader *r, const void *bytes, size_t len);
/*
 * 1 with *ret set to the next complete reply, valid until the next call of any function on r; 0 when more bytes are
 * needed; -EPROTO for bytes that are not RESP2 (RESP3 is refused) or nested too deep, and from then on until the reset:
 * resp_reader_error() says what.
 *
 * What is too large is skipped, and later replies follow: a string
 * of more than RESP_STRING_MAX is an error in its place, a reply with an array of more than RESP_ELEMENTS_MAX elements,
 * one of more memory than RESP_REPLY_MAX, and one for which there is no memory is an error as a whole. Such an error's
 * first word is RESP_TOO_LARGE.
 */
int resp_reader_next(struct resp_reader *r, const struct resp_value **ret);
const char *resp_reader_error(const struct resp_reader *r);

#endif
