/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/changejson.h"

#include "base/text.h"
#include "base/util.h"

static const char *const field_names[ROW_FIELDS] = {
	[ROW_STATE] = "state", [ROW_OPER] = "oper", [ROW_ADMIN] = "admin", [ROW_MTU] = "mtu"};

static void put_value(struct text *out, enum row_field field, int64_t value)
{
	if (value == ROW_NIL)
		text_put(out, "null");
	else if (value == ROW_OTHER)
		text_put(out, "\"other\"");
	else if (field == ROW_MTU)
		text_number(out, (uint64_t)value);
	else
		text_put(out, value ? "\"up\"" : "\"down\"");
}

static void put_row(struct text *out, struct row_packed packed)
{
	const struct row row = row_unpack(packed);

	if (packed.bits == 0) {
		text_put(out, "null");
		return;
	}
	for (enum row_field field = ROW_OPER; field < ROW_FIELDS; field++) {
		text_put(out, field == ROW_OPER ? "{\"" : ",\"");
		text_put(out, field_names[field]);
		text_put(out, "\":");
		put_value(out, field, row.value[field]);
	}
	text_put(out, "}");
}

static void put_changed(struct text *out, unsigned fields)
{
	const char *separator = "\"";

	text_put(out, "[");
	for (enum row_field field = 0; field < ROW_FIELDS; field++) {
		if (!(fields & ROW_BIT(field)))
			continue;
		text_put(out, separator);
		text_put(out, field_names[field]);
		text_put(out, "\"");
		separator = ",\"";
	}
	text_put(out, "]");
}

void changejson_write(struct text *out, const struct change *change)
{
	char name[4 * IFNAMSIZ];

	text_put(out, "{\"number\":");
	text_number(out, change->number);
	text_put(out, ",\"at\":\"");
	text_stamp(out, change->at_usec, TEXT_MICROSECONDS);
	text_put(out, "\",\"port\":");
	text_json(out, text_utf8(change->port, name));
	text_put(out, change->kind == CHANGE_DELETED ? ",\"kind\":\"deleted\"" : ",\"kind\":\"set\"");
	text_put(out, ",\"before\":");
	put_row(out, change->before);
	text_put(out, ",\"after\":");
	put_row(out, change->after);
	text_put(out, ",\"changed\":");
	put_changed(out, change->fields);
	text_put(out, ",\"latency_usec\":");
	if (change->latency_usec > 0)
		text_number(out, change->latency_usec);
	else
		text_put(out, "null");
	text_put(out, "}");
}

json_t *changejson_make(const struct change *change)
{
	struct text text = {0};
	json_t *json;

	changejson_write(&text, change);
	json = text.failed ? NULL : json_loadb(text.data, text.len, 0, NULL);
	free(text.data);
	return json;
}
