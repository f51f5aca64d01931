/* SPDX-License-Identifier: Apache-2.0 */
/* Text that grows, appending to a buffer of fixed size, decimal digits, and UTF-8. */
#ifndef PORTSYNCD_BASE_TEXT_H
#define PORTSYNCD_BASE_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/util.h"

/* Text that grows. Once memory runs out, failed is set and nothing more is added. */
struct text {
	char *data; /* not terminated; free() it */
	size_t len, size;
	bool failed;
};

enum text_fraction { TEXT_MILLISECONDS = 3, TEXT_MICROSECONDS = 6 };

/* Reserves memory for that many more bytes. */
void text_reserve(struct text *t, size_t more);

/* Inline, since a page has thousands of pieces. */
static inline void text_add(struct text *t, const char *bytes, size_t len)
{
	if (t->size - t->len < len)
		text_reserve(t, len);
	if (t->failed || len == 0) /* without a length bytes may be NULL */
		return;
	memcpy(t->data + t->len, bytes, len);
	t->len += len;
}

static inline void text_put(struct text *t, const char *string)
{
	text_add(t, string, strlen(string));
}

void text_number(struct text *t, uint64_t value);
/* Nanoseconds as seconds, exactly: "0.000005". */
void text_seconds(struct text *t, uint64_t nsec);
/* Microseconds since the epoch as "2026-10-09T08:07:06.000005Z", or with three digits only; nothing where the year is
 * beyond struct tm. */
void text_stamp(struct text *t, uint64_t usec, enum text_fraction fraction);

/*
 * Appends to the string in out, a buffer of size bytes: the separator first, unless the string is empty. What does not
 * fit is cut off.
 */
void text_append(char *out, size_t size, const char *separator, const char *format, ...) PRINTF_LIKE(4, 5);
void text_append_args(char *out, size_t size, const char *separator, const char *format, va_list args)
	PRINTF_LIKE(4, 0);

#define TEXT_DIGITS_MAX 20 /* of a uint64_t */

/* Writes decimal digits backwards from end, and no terminator; returns the first. printf() takes many times as long. */
static inline char *text_digits(uint64_t value, char *end)
{
	do
		*--end = (char)('0' + value % 10);
	while ((value /= 10) > 0);
	return end;
}

/* Length in bytes of the UTF-8 character at s, of which left > 0 bytes are there; 0: cut short, overlong, a surrogate
 * or past U+10FFFF (RFC 3629). */
size_t text_utf8_length(const unsigned char *s, size_t left);

/*
 * A kernel name may hold any bytes, but readers insist on UTF-8: other bytes become \xNN, and so does a backslash, so
 * that no two names look alike. out needs 4 * strlen(name) + 1 bytes. Returns out.
 */
const char *text_utf8(const char *name, char *out);
/* A JSON string, quotes included, of text that is UTF-8. */
void text_json(struct text *t, const char *value);
/* The value of a label, quotes included, as both of Prometheus' formats escape it. */
void text_label(struct text *t, const char *value);

#endif
