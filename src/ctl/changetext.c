/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/changetext.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/text.h"

#define VALUE_BYTES 24

static const char *const fields[] = {"oper", "admin", "mtu"};

/* The value of a row's field; "none" if the row does not have it. */
static const char *value(const json_t *row, const char *field, char out[VALUE_BYTES])
{
	const json_t *json = json_object_get(row, field);

	if (json_is_integer(json))
		(void)snprintf(out, VALUE_BYTES, "%lld", (long long)json_integer_value(json));
	else
		(void)snprintf(out, VALUE_BYTES, "%s", json_is_string(json) ? json_string_value(json) : "none");
	return out;
}

static bool has_changed(const json_t *change, const char *field)
{
	const json_t *name;
	size_t i;

	json_array_foreach(json_object_get(change, "changed"), i,
			   name) if (json_is_string(name) && strcmp(json_string_value(name), field) == 0) return true;
	return false;
}

static void add_row(char out[CHANGETEXT_BYTES], const json_t *row)
{
	char text[VALUE_BYTES];

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		text_append(out, CHANGETEXT_BYTES, i == 0 ? ": " : ", ", "%s %s", fields[i],
			    value(row, fields[i], text));
}

static void add_field(char out[CHANGETEXT_BYTES], const char *field, const json_t *before, const json_t *after)
{
	char from[VALUE_BYTES], to[VALUE_BYTES];

	if (strcmp(value(before, field, from), value(after, field, to)) == 0)
		text_append(out, CHANGETEXT_BYTES, ", ", "%s %s (changed back)", field, to);
	else
		text_append(out, CHANGETEXT_BYTES, ", ", "%s %s -> %s", field, from, to);
}

static enum out_style style_of(const json_t *change, const json_t *after)
{
	const char *oper = json_string_value(json_object_get(after, "oper"));

	if (!oper || !has_changed(change, "oper"))
		return OUT_PLAIN;
	return strcmp(oper, "up") == 0 ? OUT_GOOD : OUT_BAD;
}

const char *changetext_what(const json_t *change, char out[CHANGETEXT_BYTES], enum out_style *style)
{
	const json_t *before = json_object_get(change, "before"), *after = json_object_get(change, "after");

	out[0] = '\0';
	*style = json_is_object(after) ? style_of(change, after) : OUT_WARN;
	if (!json_is_object(after)) {
		(void)snprintf(out, CHANGETEXT_BYTES, "deleted; it was");
		add_row(out, before);
		return out;
	}
	if (!json_is_object(before)) {
		(void)snprintf(out, CHANGETEXT_BYTES, "new");
		add_row(out, after);
		return out;
	}
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (has_changed(change, fields[i]))
			add_field(out, fields[i], before, after);
	if (out[0] == '\0')
		(void)snprintf(out, CHANGETEXT_BYTES, "another master");
	return out;
}

const char *changetext_time(const json_t *change, char out[CHANGETEXT_BYTES])
{
	const char *stamp = json_string_value(json_object_get(change, "at")), *rest;
	struct tm utc = {0}, local;
	time_t seconds;
	size_t len;

	(void)snprintf(out, CHANGETEXT_BYTES, "-");
	rest = stamp ? strptime(stamp, "%Y-%m-%dT%H:%M:%S", &utc) : NULL;
	if (!rest)
		return out;
	seconds = timegm(&utc);
	if (!localtime_r(&seconds, &local))
		return out;
	len = strftime(out, CHANGETEXT_BYTES, "%F %T", &local);
	(void)snprintf(out + len, CHANGETEXT_BYTES - len, "%.*s", (int)MIN(strspn(rest, ".0123456789"), 7U), rest);
	return out;
}

const char *changetext_latency(const json_t *change, char out[CHANGETEXT_BYTES])
{
	const json_t *latency = json_object_get(change, "latency_usec");

	if (json_is_integer(latency))
		(void)snprintf(out, CHANGETEXT_BYTES, "%lld us", (long long)json_integer_value(latency));
	else
		(void)snprintf(out, CHANGETEXT_BYTES, "-");
	return out;
}

const char *changetext_port(const json_t *change)
{
	const char *port = json_string_value(json_object_get(change, "port"));

	return port ? port : "";
}
