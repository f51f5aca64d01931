/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define FIRST_BYTES 4096
#define FRACTION_DIGITS 9

void text_reserve(struct text *t, size_t more)
{
	size_t size = MAX(t->size, (size_t)FIRST_BYTES);
	char *data;

	if (t->failed || t->size - t->len >= more)
		return;
	while (size - t->len < more)
		size *= 2;
	data = realloc(t->data, size);
	t->failed = !data;
	if (t->failed)
		return;
	t->data = data;
	t->size = size;
}

void text_number(struct text *t, uint64_t value)
{
	char digits[TEXT_DIGITS_MAX], *end = digits + sizeof(digits), *first = text_digits(value, end);

	text_add(t, first, (size_t)(end - first));
}

void text_seconds(struct text *t, uint64_t nsec)
{
	char fraction[1 + FRACTION_DIGITS] = ".";
	uint64_t rest = nsec % NSEC_PER_SEC;
	size_t len = sizeof(fraction);

	text_number(t, nsec / NSEC_PER_SEC);
	for (size_t i = FRACTION_DIGITS; i > 0; i--, rest /= 10)
		fraction[i] = (char)('0' + rest % 10);
	while (len > 1 && fraction[len - 1] == '0')
		len--;
	if (len > 1)
		text_add(t, fraction, len);
}

/* Appends before, then that many of the value's last digits. */
static void put_digits(struct text *t, const char *before, uint64_t value, size_t digits)
{
	char text[TEXT_DIGITS_MAX];

	for (size_t i = digits; i > 0; i--, value /= 10)
		text[i - 1] = (char)('0' + value % 10);
	text_put(t, before);
	text_add(t, text, digits);
}

/* By hand: strftime() and snprintf() would take most of the time of a page with the ports of a switch. */
void text_stamp(struct text *t, uint64_t usec, enum text_fraction fraction)
{
	time_t seconds = (time_t)(usec / USEC_PER_SEC);
	uint64_t rest = usec % USEC_PER_SEC;
	struct tm tm;

	if (!gmtime_r(&seconds, &tm))
		return;
	text_number(t, (uint64_t)tm.tm_year + 1900);
	put_digits(t, "-", (uint64_t)tm.tm_mon + 1, 2);
	put_digits(t, "-", (uint64_t)tm.tm_mday, 2);
	put_digits(t, "T", (uint64_t)tm.tm_hour, 2);
	put_digits(t, ":", (uint64_t)tm.tm_min, 2);
	put_digits(t, ":", (uint64_t)tm.tm_sec, 2);
	put_digits(t, ".", fraction == TEXT_MILLISECONDS ? rest / USEC_PER_MSEC : rest, fraction);
	text_put(t, "Z");
}

void text_append_args(char *out, size_t size, const char *separator, const char *format, va_list args)
{
	size_t at = strlen(out);

	if (at > 0)
		at += (size_t)snprintf(out + at, size - at, "%s", separator);
	if (at < size)
		(void)vsnprintf(out + at, size - at, format, args);
}

void text_append(char *out, size_t size, const char *separator, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	text_append_args(out, size, separator, format, args);
	va_end(args);
}

size_t text_utf8_length(const unsigned char *s, size_t left)
{
	size_t len = s[0] < 0x80 ? 1 : s[0] >= 0xc2 && s[0] < 0xe0 ? 2 : s[0] >= 0xe0 && s[0] < 0xf0 ? 3 : 4;

	if (len == 1)
		return 1;
	if (s[0] < 0xc2 || s[0] > 0xf4 || len > left)
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf0 && s[1] < 0x90) ||
	    (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return len;
}

const char *text_utf8(const char *name, char *out)
{
	const unsigned char *in = (const unsigned char *)name, *end = in + strlen(name);
	char *at = out;

	while (in < end) {
		size_t len = *in == '\\' ? 0 : text_utf8_length(in, (size_t)(end - in));

		if (len > 0)
			memcpy(at, in, len);
		else
			(void)snprintf(at, sizeof("\\xNN"), "\\x%02x", *in);
		at += len > 0 ? len : 4;
		in += len > 0 ? len : 1;
	}
	*at = '\0';
	return out;
}

static bool is_plain_in_json(char c)
{
	return (unsigned char)c >= ' ' && c != '"' && c != '\\';
}

void text_json(struct text *t, const char *value)
{
	text_put(t, "\"");
	while (*value) {
		char escaped[8];
		size_t plain = 0;

		while (is_plain_in_json(value[plain]))
			plain++;
		text_add(t, value, plain);
		value += plain;
		if (*value == '\0')
			break;
		(void)snprintf(escaped, sizeof(escaped), (unsigned char)*value < ' ' ? "\\u%04x" : "\\%c",
			       (unsigned char)*value);
		text_put(t, escaped);
		value++;
	}
	text_put(t, "\"");
}

void text_label(struct text *t, const char *value)
{
	text_put(t, "\"");
	for (const char *rest = value; *rest;) {
		size_t plain = strcspn(rest, "\\\"\n");

		text_add(t, rest, plain);
		rest += plain;
		if (*rest == '\0')
			break;
		text_put(t, *rest == '\n' ? "\\n" : *rest == '"' ? "\\\"" : "\\\\");
		rest++;
	}
	text_put(t, "\"");
}
