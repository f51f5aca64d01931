/* SPDX-License-Identifier: Apache-2.0 */
/* /: the page for a browser; what it shows, as text, for everybody else. */
#include "metrics/page.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "http/content.h"
#include "metrics/feed.h"

#define HTML_TYPE "text/html; charset=utf-8"
#define TEXT_TYPE "text/plain; charset=utf-8"
#define ROW_PORTS 32
#define GROUP_PORTS 8
#define STAMP_BYTES 40

static const char marks[LIVE_STATES] = {
	[LIVE_UP] = '^',       [LIVE_DOWN] = 'v',        [LIVE_ADMIN_DOWN] = '-',
	[LIVE_FLAPPING] = '~', [LIVE_OUT_OF_SYNC] = '!', [LIVE_UNCONFIGURED] = '?',
};

PRINTF_LIKE(2, 3) static void put(struct text *out, const char *format, ...)
{
	char *line cleanup(free_ptr) = NULL;
	va_list args;
	int len;

	va_start(args, format);
	len = vasprintf(&line, format, args);
	va_end(args);
	if (len < 0) {
		line = NULL;
		out->failed = true;
		return;
	}
	text_add(out, line, (size_t)len);
}

/* "2026-10-09 08:07:06" */
static const char *stamp_text(uint64_t since_epoch_sec, char out[STAMP_BYTES])
{
	time_t seconds = (time_t)since_epoch_sec;
	struct tm tm;

	out[0] = '\0';
	if (gmtime_r(&seconds, &tm))
		(void)strftime(out, STAMP_BYTES, "%F %T", &tm);
	return out;
}

static const char *string_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static void put_verdict(struct text *out, struct pages *p, const struct feed *f)
{
	char since[STAMP_BYTES];
	const json_t *problem;
	size_t i;

	put(out, "portsyncd " PORTSYNCD_VERSION ": %s since %s UTC\n", health_level_name(f->health.level),
	    stamp_text((f->health.since_nsec + epoch_nsec(p)) / NSEC_PER_SEC, since));
	if (!f->fresh)
		text_put(out, "The event loop does not answer: the figures are older.\n");
	json_array_foreach(f->problems, i, problem)
	{
		put(out, "\n%s, %s since %s: %s", string_of(problem, "subject"), string_of(problem, "level"),
		    string_of(problem, "since"), string_of(problem, "cause"));
		if (json_object_get(problem, "reason"))
			put(out, " (%s)", string_of(problem, "reason"));
		put(out, "\n  What helps: %s\n", string_of(problem, "remedy"));
	}
}

static void put_row(struct text *out, const struct live *l, size_t first)
{
	char name[PORT_TEXT_BYTES];

	put(out, "  %-16s", text_utf8(l->ports[first].name, name));
	for (size_t i = first; i < MIN(first + ROW_PORTS, l->n_ports); i++)
		put(out, "%s%c", (i - first) % GROUP_PORTS ? "" : " ", marks[l->ports[i].shown.state]);
	text_put(out, "\n");
}

static void put_ports(struct text *out, const struct live *l)
{
	size_t counts[LIVE_STATES];

	live_count(l, counts);
	put(out, "\nPorts: %zu", l->n_ports);
	for (unsigned i = 0; i < LIVE_STATES; i++)
		put(out, ", %c %zu %s", marks[i], counts[i], live_state_name(i));
	text_put(out, "\n");
	for (size_t i = 0; i < l->n_ports; i += ROW_PORTS)
		put_row(out, l, i);
	for (size_t i = 0; i < l->n_ports; i++) {
		const struct live_port *port = &l->ports[i];
		char name[PORT_TEXT_BYTES];

		if (port->shown.note)
			put(out, "  %s is out of sync: %s\n", text_utf8(port->name, name),
			    live_note_text(port->shown.note));
	}
}

static void put_steps(struct text *out, const struct live *l)
{
	uint64_t changes = 0, slowest = 0;

	for (uint64_t i = l->newest - LIVE_STEPS + 1; i <= l->newest; i++) {
		changes += live_step(l, i)->changes;
		slowest = MAX(slowest, live_step(l, i)->slowest_usec);
	}
	put(out, "\nIn the last 15 minutes: %s%ju changes, the slowest took %ju us from kernel to Redis\n",
	    l->known_from_usec ? "at least " : "", (uintmax_t)changes, (uintmax_t)slowest);
}

static void put_change(struct text *out, const struct change *change)
{
	struct row row = row_unpack(change->after);
	char name[PORT_TEXT_BYTES], at[STAMP_BYTES], value[ROW_TEXT_MAX];

	put(out, "  %s.%06u  %-16s", stamp_text(change->at_usec / USEC_PER_SEC, at),
	    (unsigned)(change->at_usec % USEC_PER_SEC), text_utf8(change->port, name));
	if (change->kind == CHANGE_DELETED)
		text_put(out, " deleted");
	for (enum row_field i = ROW_OPER; change->kind == CHANGE_SET && i < ROW_FIELDS; i++)
		if (change->fields & ROW_BIT(i) && row.value[i] >= 0)
			put(out, " %s %s", row_field_name(i), row_format(i, row.value[i], value));
	text_put(out, "\n");
}

static void put_changes(struct text *out, const struct live *l)
{
	if (l->n_changes > 0)
		text_put(out, "\nLast changes (UTC):\n");
	for (uint64_t i = l->n_changes - MIN(l->n_changes, (uint64_t)LIVE_CHANGES); i < l->n_changes; i++)
		put_change(out, &l->changes[i % LIVE_CHANGES]);
}

static void put_redis(struct text *out, const struct snapshot *s)
{
	text_put(out, "\nRedis:");
	for (unsigned i = 0; i < SNAPSHOT_CONNS; i++)
		put(out, "%s %s %s", i ? "," : "", snapshot_conn_name(i), s->conns[i].ready ? "connected" : "away");
	text_put(out, "\n");
}

static void answer_page(struct http_answer *out)
{
	char *body = malloc(page_html_size);

	if (!body)
		return;
	memcpy(body, page_html, page_html_size);
	*out = (struct http_answer){.status = 200,
				    .content_type = HTML_TYPE,
				    .policy = page_html_policy,
				    .body = body,
				    .len = page_html_size};
}

void page_index(const struct visit *visit)
{
	static const char pages[] = "\nPages:\n"
				    "  /status   what is wrong, since when, why, and the remedy\n"
				    "  /ports    every port; /ports/<name> one of them\n"
				    "  /history  the last changes; ?port=<name>&last=<n> some of them\n"
				    "  /watch    each change as it comes, without an end\n"
				    "  /healthz  each check, its value and limit\n"
				    "  /livez    the event loop turns\n"
				    "  /readyz   in sync, connected, PortInitDone sent\n"
				    "  /metrics  figures for Prometheus\n"
				    "  /config   every setting, and where it comes from\n"
				    "  /recording  what the flight recorder has, as pcapng\n";
	const struct feed *f;
	struct text text = {0};

	if (http_wants_html(visit->request->accept)) {
		answer_page(visit->out);
		return;
	}
	f = feed_look(visit->pages);
	if (!f)
		return;
	put_verdict(&text, visit->pages, f);
	put_ports(&text, &f->live);
	put_steps(&text, &f->live);
	put_changes(&text, &f->live);
	put_redis(&text, &f->snapshot);
	text_put(&text, pages);
	answer_text(visit->out, TEXT_TYPE, &text);
}
