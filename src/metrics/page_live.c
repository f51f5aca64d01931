/* SPDX-License-Identifier: Apache-2.0 */
/* /live: server-sent events for the page, one a second: first all there is, then what is new. */
#include <stdlib.h>

#include "metrics/feed.h"

#define EVENTS_TYPE "text/event-stream"

struct viewer {
	struct pages *pages;
	uint64_t seen; /* live.looks; 0: nothing yet */
};

/* A viewer that missed a look gets all there is. */
static void put_news(struct text *out, struct viewer *v, struct feed *f)
{
	bool next = v->seen > 0 && v->seen + 1 == f->live.looks && !f->live.ports_changed;
	const struct text *news = feed_event(v->pages, f, !next);

	if (news->failed)
		out->failed = true;
	else
		text_add(out, news->data, news->len);
	v->seen = f->live.looks;
}

static uint64_t more(struct text *out, void *user)
{
	struct viewer *v = user;
	uint64_t began = pages_enter(v->pages), due = HTTP_STREAM_ENDS;
	struct feed *f = feed_look(v->pages);

	if (f) {
		due = feed_due(f);
		if (v->seen != f->live.looks)
			put_news(out, v, f);
	}
	pages_leave(v->pages, began);
	return due;
}

void page_live(const struct visit *visit)
{
	struct viewer *v = calloc(1, sizeof(*v));

	if (!v)
		return;
	v->pages = visit->pages;
	*visit->out = (struct http_answer){.status = 200, .content_type = EVENTS_TYPE, .source = {more, free, v}};
}
