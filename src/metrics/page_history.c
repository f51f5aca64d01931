/* SPDX-License-Identifier: Apache-2.0 */
/* /history: the last changes, or those of one port (?port=NAME), at most N of them (?last=N). */
#include "metrics/page.h"

#include <string.h>

#include "base/util.h"
#include "metrics/changejson.h"

#define LAST_DIGITS 9

static bool is_of(const struct change *change, const char *port)
{
	char text[PORT_TEXT_BYTES];

	return !port || strcmp(change->port, port) == 0 || strcmp(text_utf8(change->port, text), port) == 0;
}

/* The changes that are remembered, oldest first; those that the loop overwrites meanwhile are missing. */
static size_t read_changes(const struct changes *c, struct change *out, const char *port)
{
	uint64_t next = changes_begin(c), end = changes_end(c), lost = 0;
	size_t n = 0;

	while (next < end && n < changes_kept(c) && changes_read(c, &next, &out[n], 1, &lost) == 1)
		n += is_of(&out[n], port);
	return n;
}

void page_history(const struct visit *visit)
{
	const struct changes *c = visit->pages->changes;
	const char *port = http_argument(visit->request, "port");
	struct change *found cleanup(free_ptr) = NULL;
	struct text text = {0};
	uint64_t last = CHANGES_KEPT_MAX;
	size_t n;

	if (page_number(visit, "last", LAST_DIGITS, &last) < 0) {
		answer_json(visit->out, 400, json_pack("{s:s}", "error", "last is not a number of 0 to 999999999"));
		return;
	}
	found = c ? calloc(changes_kept(c) + 1, sizeof(*found)) : NULL;
	n = found ? read_changes(c, found, port) : 0;
	text_put(&text, "{\"schema\": 1, \"kept\": ");
	text_number(&text, c ? changes_kept(c) : 0);
	text_put(&text, ", \"changes\": [");
	for (size_t first = n - (size_t)MIN(n, last), i = first; i < n; i++) {
		text_put(&text, i == first ? "\n" : ",\n");
		changejson_write(&text, &found[i]);
	}
	text_put(&text, "]}");
	answer_text(visit->out, JSON_TYPE, &text);
}
