/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"

#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

#define FIRST_BYTES 4096
#define DIGITS_MAX 20
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

void text_add(struct text *t, const char *bytes, size_t len)
{
	text_reserve(t, len);
	if (t->failed)
		return;
	memcpy(t->data + t->len, bytes, len);
	t->len += len;
}

void text_put(struct text *t, const char *string)
{
	text_add(t, string, strlen(string));
}

/* printf() would take most of the time that a page of thousands of figures needs. */
void text_number(struct text *t, uint64_t value)
{
	char digits[DIGITS_MAX];
	size_t at = sizeof(digits);

	do
		digits[--at] = (char)('0' + value % 10);
	while (value /= 10);
	text_add(t, digits + at, sizeof(digits) - at);
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

const char *text_utf8(const char *name, char *out)
{
	const unsigned char *in = (const unsigned char *)name, *end = in + strlen(name);
	char *at = out;

	while (in < end) {
		size_t len = *in == '\\' ? 0 : utf8_length(in, (size_t)(end - in));

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
