/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/changejson.h"

#include <stdio.h>
#include <time.h>

#include "base/text.h"
#include "base/util.h"

#define STAMP_BYTES 48

static const char *const field_names[ROW_FIELDS] = {
	[ROW_STATE] = "state", [ROW_OPER] = "oper", [ROW_ADMIN] = "admin", [ROW_MTU] = "mtu"};

/* "2026-10-09T08:07:06.000005Z" */
static json_t *stamp(uint64_t usec)
{
	time_t seconds = (time_t)(usec / USEC_PER_SEC);
	char text[STAMP_BYTES];
	struct tm tm;
	size_t len;

	if (!gmtime_r(&seconds, &tm))
		return json_null();
	len = strftime(text, sizeof(text), "%FT%T", &tm);
	(void)snprintf(text + len, sizeof(text) - len, ".%06uZ", (unsigned)(usec % USEC_PER_SEC));
	return json_string(text);
}

static json_t *value_json(enum row_field field, int64_t value)
{
	if (value == ROW_NIL)
		return json_null();
	if (value == ROW_OTHER)
		return json_string("other");
	return field == ROW_MTU ? json_integer(value) : json_string(value ? "up" : "down");
}

static json_t *row_json(struct row_packed packed)
{
	const struct row row = row_unpack(packed);
	json_t *json;

	if (packed.bits == 0)
		return json_null();
	json = json_object();
	for (enum row_field field = ROW_OPER; field < ROW_FIELDS; field++)
		(void)json_object_set_new(json, field_names[field], value_json(field, row.value[field]));
	return json;
}

static json_t *changed_json(unsigned fields)
{
	json_t *names = json_array();

	for (enum row_field field = 0; field < ROW_FIELDS; field++)
		if (fields & ROW_BIT(field))
			(void)json_array_append_new(names, json_string(field_names[field]));
	return names;
}

json_t *changejson_make(const struct change *change)
{
	char name[4 * IFNAMSIZ];

	return json_pack("{s:I, s:o, s:s, s:s, s:o, s:o, s:o, s:o}", "number", (json_int_t)change->number, "at",
			 stamp(change->at_usec), "port", text_utf8(change->port, name), "kind",
			 change->kind == CHANGE_DELETED ? "deleted" : "set", "before", row_json(change->before),
			 "after", row_json(change->after), "changed", changed_json(change->fields), "latency_usec",
			 change->latency_usec ? json_integer(change->latency_usec) : json_null());
}
