/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/prose.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/text.h"

#define WIDTH 100 /* columns, unless the terminal has fewer */
#define WIDTH_MIN 40
#define MINUTE 60
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

const char *prose_duration(double seconds, char out[PROSE_DURATION_BYTES])
{
	uint64_t s = seconds > 0 ? (uint64_t)seconds : 0;

	if (s < 1)
		(void)snprintf(out, PROSE_DURATION_BYTES, "%.0f ms", seconds > 0 ? seconds * MSEC_PER_SEC : 0);
	else if (s < MINUTE)
		(void)snprintf(out, PROSE_DURATION_BYTES, "%" PRIu64 " s", s);
	else if (s < HOUR)
		(void)snprintf(out, PROSE_DURATION_BYTES, "%" PRIu64 " min %" PRIu64 " s", s / MINUTE, s % MINUTE);
	else if (s < DAY)
		(void)snprintf(out, PROSE_DURATION_BYTES, "%" PRIu64 " h %" PRIu64 " min", s / HOUR, s % HOUR / MINUTE);
	else
		(void)snprintf(out, PROSE_DURATION_BYTES, "%" PRIu64 " d %" PRIu64 " h", s / DAY, s % DAY / HOUR);
	return out;
}

const char *prose_amount(double amount, char out[PROSE_AMOUNT_BYTES])
{
	if (fabs(amount) < 100)
		(void)snprintf(out, PROSE_AMOUNT_BYTES, "%.3g", amount);
	else
		(void)snprintf(out, PROSE_AMOUNT_BYTES, "%.0f", amount);
	return out;
}

static size_t width(void)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
		return WIDTH;
	return MAX(MIN(size.ws_col, WIDTH), WIDTH_MIN);
}

/* How much of the text fits: up to the last blank before the limit, or the whole first word. */
static size_t line_length(const char *text, size_t limit)
{
	size_t best = 0;

	for (size_t i = 0;; i++) {
		if (text[i] == ' ' || text[i] == '\0') {
			if (i > limit && best > 0)
				return best;
			best = i;
		}
		if (text[i] == '\0' || (i > limit && best > 0))
			return best;
	}
}

void prose_paragraph(const char *label, const char *text)
{
	size_t indent = strlen(label), columns = width(), limit = columns - MIN(indent, columns - WIDTH_MIN / 2);

	if (!text || text[0] == '\0')
		return;
	(void)fputs(label, stdout);
	for (;;) {
		size_t len = line_length(text, limit);

		(void)printf("%.*s\n", (int)len, text);
		text += len + strspn(text + len, " ");
		if (text[0] == '\0')
			return;
		(void)printf("%*s", (int)indent, "");
	}
}

const char *prose_list(const json_t *names, size_t max, char *out, size_t size)
{
	size_t n = json_array_size(names), shown = n > max + 1 ? max : n;

	out[0] = '\0';
	for (size_t i = 0; i < shown; i++)
		text_append(out, size, ", ", "%s", json_string_value(json_array_get(names, i)));
	if (shown < n)
		text_append(out, size, " and ", "%zu more", n - shown);
	return out;
}

const char *prose_text(const json_t *object, const char *member)
{
	const char *text = json_string_value(json_object_get(object, member));

	return text ? text : "";
}

double prose_number(const json_t *object, const char *member)
{
	return json_number_value(json_object_get(object, member));
}
