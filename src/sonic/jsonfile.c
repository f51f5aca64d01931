/* SPDX-License-Identifier: Apache-2.0 */
#include "sonic/jsonfile.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"

#define PARSE_FLAGS JSON_REJECT_DUPLICATES

static int refuse_file(const struct jsonfile *at, int error)
{
	(void)snprintf(at->error, at->size, "%s: %s; allowed: a readable file of at most %u bytes", at->name,
		       file_error(error), at->max_bytes);
	return error;
}

static int refuse_syntax(const struct jsonfile *at, const json_error_t *syntax)
{
	char text[JSON_ERROR_TEXT_LENGTH * 2];

	(void)snprintf(at->error, at->size, "%s:%d:%d: not JSON: %s; allowed: %s", at->name, syntax->line,
		       syntax->column, printable(syntax->text, strlen(syntax->text), text, sizeof(text)), at->kind);
	return -EINVAL;
}

int jsonfile_load(const struct jsonfile *at, json_t **ret)
{
	struct stat st;
	int fd cleanup(close_fd) = file_open(at->name, at->max_bytes, &st);
	json_error_t syntax = {0};

	*ret = NULL;
	if (fd < 0)
		return refuse_file(at, fd);
	*ret = json_loadfd(fd, PARSE_FLAGS, &syntax);
	return *ret ? 0 : refuse_syntax(at, &syntax);
}

int jsonfile_parse(const struct jsonfile *at, const char *bytes, size_t len, json_t **ret)
{
	json_error_t syntax = {0};

	*ret = NULL;
	if (len > at->max_bytes)
		return refuse_file(at, -EFBIG);
	*ret = json_loadb(bytes, len, PARSE_FLAGS, &syntax);
	return *ret ? 0 : refuse_syntax(at, &syntax);
}

int jsonfile_refuse(const struct jsonfile *at, const char *key, const char *allowed, const char *format, ...)
{
	const char *dot = at->place[0] && key ? "." : "", *colon = at->place[0] || key ? ": " : "";
	char wrong[JSONFILE_QUOTE_MAX * 2];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(wrong, sizeof(wrong), format, args);
	va_end(args);
	(void)snprintf(at->error, at->size, "%s: %s%s%s%s%s; allowed: %s", at->name, at->place, dot, key ? key : "",
		       colon, wrong, allowed);
	return -EINVAL;
}

int jsonfile_refuse_text(const struct jsonfile *at, const char *key, const char *allowed, const char *text,
			 const char *wrong)
{
	char quote[JSONFILE_QUOTE_MAX];

	return jsonfile_refuse(at, key, allowed, "\"%s\" %s", printable(text, strlen(text), quote, sizeof(quote)),
			       wrong);
}

const char *jsonfile_type(const json_t *value)
{
	static const char *const names[] = {"an object", "an array", "a string", "an integer",
					    "a number",  "true",     "false",    "null"};

	return value ? names[json_typeof(value)] : "missing";
}

int jsonfile_text(const struct jsonfile *at, const json_t *object, const char *key, const char *allowed,
		  const char **ret)
{
	const json_t *value = json_object_get(object, key);

	*ret = json_string_value(value);
	return *ret ? 0 : jsonfile_refuse(at, key, allowed, "is %s", jsonfile_type(value));
}

int jsonfile_optional_text(const struct jsonfile *at, const json_t *object, const char *key, const char *allowed,
			   const char **ret)
{
	*ret = NULL;
	return json_object_get(object, key) ? jsonfile_text(at, object, key, allowed, ret) : 0;
}
