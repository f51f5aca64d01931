/* SPDX-License-Identifier: Apache-2.0 */
/* /watch: every change of a row from now on, a line of JSON each, without an end. */
#include "metrics/page.h"

#include <stdlib.h>

#include "base/util.h"
#include "metrics/changejson.h"

#define LINES_TYPE "application/x-ndjson"
#define BATCH 64                        /* changes; the client has to take them before there are more */
#define SILENCE_USEC (5 * USEC_PER_SEC) /* then a sign of life, which also finds clients that are gone */

struct watcher {
	struct pages *pages;
	uint64_t next;       /* position of the next change */
	uint64_t spoke_usec; /* CLOCK_MONOTONIC; 0: not yet */
};

/* Takes ownership of json. */
static void put_line(struct text *out, json_t *json)
{
	char *line = json ? json_dumps(json, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;

	json_decref(json);
	if (!line) {
		out->failed = true;
		return;
	}
	text_put(out, line);
	text_put(out, "\n");
	free(line);
}

/* One by one, so that a loss is reported in its place. */
static void put_changes(struct text *out, struct watcher *w)
{
	for (unsigned i = 0; i < BATCH; i++) {
		struct change change;
		uint64_t lost = 0;
		size_t n = changes_read(w->pages->changes, &w->next, &change, 1, &lost);

		if (lost > 0)
			put_line(out, json_pack("{s:I}", "lost", (json_int_t)lost));
		if (n == 0)
			return;
		changejson_write(out, &change);
		text_put(out, "\n");
	}
}

static void greet(struct text *out, const struct watcher *w)
{
	put_line(out, json_pack("{s:{s:s, s:I}}", "hello", "version", PORTSYNCD_VERSION, "next", (json_int_t)w->next));
}

static uint64_t more(struct text *out, void *user)
{
	struct watcher *w = user;
	uint64_t began = pages_enter(w->pages), now = now_usec();

	if (w->spoke_usec == 0)
		greet(out, w);
	put_changes(out, w);
	if (out->len == 0 && now - w->spoke_usec >= SILENCE_USEC)
		text_put(out, "{}\n");
	if (out->len > 0)
		w->spoke_usec = now;
	pages_leave(w->pages, began);
	return w->spoke_usec + SILENCE_USEC;
}

static void end(void *user)
{
	struct watcher *w = user;
	struct pages *p = w->pages;
	uint64_t began = pages_enter(p);

	if (--p->watchers == 0)
		changes_listen(p->changes, -1);
	pages_leave(p, began);
	free(w);
}

void page_watch(const struct visit *visit)
{
	struct pages *p = visit->pages;
	struct watcher *w;

	if (!p->changes) {
		answer_json(visit->out, 503, json_pack("{s:s}", "error", "changes are not kept"));
		return;
	}
	w = malloc(sizeof(*w));
	if (!w)
		return;
	*w = (struct watcher){.pages = p, .next = changes_end(p->changes)};
	if (p->watchers++ == 0)
		changes_listen(p->changes, p->changes_fd);
	*visit->out = (struct http_answer){.status = 200, .content_type = LINES_TYPE, .source = {more, end, w}};
}
