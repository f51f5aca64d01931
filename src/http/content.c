/* SPDX-License-Identifier: Apache-2.0 */
#include "http/content.h"

#include <libdeflate.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/util.h"

#define FASTEST 1 /* level of compression */
#define LEAST_BYTES 512

#define NO_WEIGHT UINT_MAX

const char *http_target_path(const char *target)
{
	static const char *const schemes[] = {"http://", "https://"};

	for (size_t i = 0; i < ARRAY_SIZE(schemes); i++) {
		size_t len = strlen(schemes[i]);
		const char *path;

		if (strncasecmp(target, schemes[i], len) != 0)
			continue;
		path = strchr(target + len, '/');
		return path ? path : "/";
	}
	return target;
}

/* A weight (RFC 9110, 12.4.2) in thousandths. strtod() accepts too much: a locale's comma, nan, 1e300. */
static unsigned thousandths(const char *text)
{
	unsigned value = text[0] == '1' ? 1000 : 0;

	if ((text[0] != '0' && text[0] != '1') || text[1] != '.')
		return value;
	text += 2;
	for (unsigned step = 100; step > 0 && *text >= '0' && *text <= '9'; step /= 10)
		value += (unsigned)(*text++ - '0') * step;
	return MIN(value, 1000U);
}

/* ";q=0.5", in any case and with spaces around (RFC 9110, 5.6.6). */
unsigned http_weight(const char *at, const char *end)
{
	while ((at = memchr(at, ';', (size_t)(end - at)))) {
		at += 1 + strspn(at + 1, " \t");
		if (strncasecmp(at, "q=", 2) == 0)
			return thousandths(at + 2);
	}
	return 1000;
}

static bool is_word(const char *at, size_t len, const char *word)
{
	return len == strlen(word) && strncasecmp(at, word, len) == 0;
}

/* A coding that is not listed has the weight of "*"; identity is acceptable unless refused. */
bool http_wants_gzip(const char *accept_encoding)
{
	unsigned gzip = NO_WEIGHT, identity = NO_WEIGHT, any = NO_WEIGHT;

	for (const char *at = accept_encoding ? accept_encoding : "", *end; *at; at = end + strspn(end, ",")) {
		size_t len;

		at += strspn(at, " \t");
		end = at + strcspn(at, ",");
		len = strcspn(at, "; \t,");
		if (is_word(at, len, "gzip") || is_word(at, len, "x-gzip"))
			gzip = http_weight(at, end);
		else if (is_word(at, len, "identity"))
			identity = http_weight(at, end);
		else if (is_word(at, len, "*"))
			any = http_weight(at, end);
	}
	if (gzip == NO_WEIGHT)
		gzip = any == NO_WEIGHT ? 0 : any;
	return gzip > 0 && (identity == NO_WEIGHT || gzip >= identity);
}

bool http_wants_html(const char *accept)
{
	for (const char *at = accept ? accept : "", *end; *at; at = end + strspn(end, ",")) {
		at += strspn(at, " \t");
		end = at + strcspn(at, ",");
		if (is_word(at, strcspn(at, "; \t,"), "text/html") && http_weight(at, end) > 0)
			return true;
	}
	return false;
}

/* *ret_len is 0 if size bytes are too few. */
static void compress(const char *bytes, size_t len, char *out, size_t size, size_t *ret_len)
{
	struct libdeflate_compressor *compressor = libdeflate_alloc_compressor(FASTEST);

	*ret_len = compressor ? libdeflate_gzip_compress(compressor, bytes, len, out, size) : 0;
	libdeflate_free_compressor(compressor);
}

/* A result that is not smaller is useless. */
char *gzip_bytes(const char *bytes, size_t len, size_t *ret_len)
{
	char *out;

	*ret_len = 0;
	if (len < LEAST_BYTES)
		return NULL;
	out = malloc(len);
	if (out)
		compress(bytes, len, out, len - 1, ret_len);
	if (*ret_len > 0)
		return out;
	free(out);
	return NULL;
}
