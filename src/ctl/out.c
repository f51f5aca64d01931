/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/out.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "ctl/verbs.h"

#define GAP 2 /* blanks between two columns */

/* --- colours --- */

static const char *const codes[] = {
	[OUT_PLAIN] = "",         [OUT_GOOD] = "\033[32m", [OUT_WARN] = "\033[33m",
	[OUT_BAD] = "\033[1;31m", [OUT_DIM] = "\033[2m",   [OUT_BOLD] = "\033[1m",
};

const char *out_on(const struct ctl *ctl, enum out_style style)
{
	return ctl->color ? codes[style] : "";
}

const char *out_off(const struct ctl *ctl, enum out_style style)
{
	return ctl->color && style != OUT_PLAIN ? "\033[0m" : "";
}

/* --- memory --- */

void out_no_memory(void)
{
	(void)fputs("portsyncctl: no memory\n", stderr);
	exit(CTL_NO_SOURCE);
}

void *out_take(size_t size)
{
	void *taken = malloc(size);

	if (!taken)
		out_no_memory();
	return taken;
}

/* --- tables --- */

struct cell {
	char *text;
	enum out_style style;
};

struct out_table {
	const struct ctl *ctl;
	size_t columns, n, size;
	struct cell *cells;
};

static void add_cell(struct out_table *t, enum out_style style, const char *text)
{
	size_t len = strlen(text) + 1;
	char *copy = out_take(len);

	if (t->n == t->size) {
		t->size = t->size ? 2 * t->size : 64 * t->columns;
		t->cells = reallocarray(t->cells, t->size, sizeof(*t->cells));
		if (!t->cells)
			out_no_memory();
	}
	memcpy(copy, text, len);
	t->cells[t->n++] = (struct cell){copy, style};
}

struct out_table *out_table_new(const struct ctl *ctl, size_t columns, const char *const *headings)
{
	struct out_table *t = out_take(sizeof(*t));

	*t = (struct out_table){.ctl = ctl, .columns = columns};
	for (size_t i = 0; i < columns && ctl->legend; i++)
		add_cell(t, OUT_BOLD, headings[i]);
	return t;
}

void out_cell(struct out_table *t, enum out_style style, const char *format, ...)
{
	char raw[512], shown[sizeof(raw)];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(raw, sizeof(raw), format, args);
	va_end(args);
	add_cell(t, style, printable(raw, strlen(raw), shown, sizeof(shown)));
}

static void table_free(struct out_table *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->cells[i].text);
	free(t->cells);
	free(t);
}

static size_t column_width(const struct out_table *t, size_t column)
{
	size_t width = 0;

	for (size_t i = column; i < t->n; i += t->columns)
		width = MAX(width, strlen(t->cells[i].text));
	return width;
}

/* The last column, and empty cells after the last text, are not padded. */
static void print_row(const struct out_table *t, const struct cell *row, const size_t *widths)
{
	size_t last = 0;

	for (size_t i = 0; i < t->columns; i++)
		if (row[i].text[0] != '\0')
			last = i;
	for (size_t i = 0; i <= last; i++) {
		int fill = i < last ? (int)(widths[i] - strlen(row[i].text)) + GAP : 0;

		(void)printf("%s%s%s%*s", out_on(t->ctl, row[i].style), row[i].text, out_off(t->ctl, row[i].style),
			     fill, "");
	}
	(void)putchar('\n');
}

void out_table_print(struct out_table *t)
{
	size_t *widths = out_take(t->columns * sizeof(*widths));

	for (size_t i = 0; i < t->columns; i++)
		widths[i] = column_width(t, i);
	for (size_t i = 0; i + t->columns <= t->n; i += t->columns)
		print_row(t, &t->cells[i], widths);
	free(widths);
	table_free(t);
}

/* --- JSON --- */

json_t *out_json_text(const char *text)
{
	char *utf8 cleanup(free_ptr) = text ? out_take(4 * strlen(text) + 1) : NULL;

	return text ? json_string(text_utf8(text, utf8)) : json_null();
}

json_t *out_json_error(const struct ctl_error *error)
{
	json_t *ret = json_pack("{s:i, s:o}", "code", (int)error->code, "message", out_json_text(error->message));

	if (ret && error->remedy[0] != '\0')
		(void)json_object_set_new(ret, "remedy", out_json_text(error->remedy));
	return ret;
}

static void print(const struct ctl *ctl, json_t *members, size_t flags)
{
	json_t *document = json_pack("{s:i}", "schema", CTL_SCHEMA);

	if (document && ctl->verb)
		(void)json_object_set_new(document, "verb", json_string(ctl->verb->name));
	if (!document || !members || json_object_update(document, members) < 0 ||
	    json_dumpf(document, stdout, flags | JSON_REAL_PRECISION(9)) < 0) {
		if (out_finish() == CTL_GOOD) /* else stdout is the fault, and was reported */
			out_no_memory();
		exit(CTL_NO_SOURCE);
	}
	(void)putchar('\n');
	json_decref(members);
	json_decref(document);
}

void out_json(const struct ctl *ctl, json_t *members)
{
	print(ctl, members, isatty(STDOUT_FILENO) ? JSON_INDENT(2) : JSON_COMPACT);
}

void out_json_line(const struct ctl *ctl, json_t *members)
{
	print(ctl, members, JSON_COMPACT);
	(void)fflush(stdout);
}

int out_finish(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return CTL_GOOD;
	if (errno != EPIPE)
		(void)fprintf(stderr, "portsyncctl: standard output: %s\n", strerror(errno));
	return CTL_NO_SOURCE;
}
