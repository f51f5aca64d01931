/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/feed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"
#include "metrics/changejson.h"

#define LOOK_USEC USEC_PER_SEC
#define STEPS_NEW 2 /* in an event of what is new: the present one, and one that ended since the last look */

/* --- the look --- */

uint64_t feed_due(const struct feed *f)
{
	return f->looked_usec + LOOK_USEC;
}

static void look(struct pages *p, struct feed *f)
{
	const struct visit visit = {.pages = p};
	struct exchange_answer answer = ask(&visit);

	f->health = health_of(&visit, &answer);
	f->fresh = answer.fresh;
	json_decref(f->problems);
	f->problems = page_problems(&visit, answer.snapshot, &f->health);
	f->snapshot = *answer.snapshot;
	f->snapshot.ports = NULL;
	f->snapshot.n_ports = f->snapshot.capacity = 0;
	f->full.len = f->update.len = 0;
	live_look(&f->live, answer.snapshot, p->changes, clock_nsec(CLOCK_REALTIME) / NSEC_PER_USEC, epoch_nsec(p));
	f->looked_usec = now_usec();
}

struct feed *feed_look(struct pages *p)
{
	if (!p->feed)
		p->feed = calloc(1, sizeof(*p->feed));
	if (p->feed && (p->feed->looked_usec == 0 || now_usec() >= feed_due(p->feed)))
		look(p, p->feed);
	return p->feed;
}

void feed_free(struct feed *f)
{
	if (!f)
		return;
	live_done(&f->live);
	json_decref(f->problems);
	free(f->full.data);
	free(f->update.data);
	free(f);
}

/* --- its JSON --- */

static json_t *msec_or_null(uint64_t msec)
{
	return msec ? json_integer((json_int_t)msec) : json_null();
}

static json_t *conns_json(struct pages *p, const struct snapshot *s)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < SNAPSHOT_CONNS; i++) {
		const struct snapshot_conn *c = &s->conns[i];
		uint64_t since = c->outage_usec ? (c->outage_usec * NSEC_PER_USEC + epoch_nsec(p)) / NSEC_PER_MSEC : 0;

		(void)json_array_append_new(list,
					    json_pack("{s:s, s:b, s:o, s:I, s:I}", "name", snapshot_conn_name(i),
						      "ready", c->ready, "away_since", msec_or_null(since), "in_flight",
						      (json_int_t)c->in_flight, "losses", (json_int_t)c->stats.losses));
	}
	return list;
}

static json_t *p99_json(const struct health_check *latency)
{
	return latency->known ? json_real(latency->value) : json_null();
}

static json_t *head_json(struct pages *p, const struct feed *f)
{
	const struct snapshot *s = &f->snapshot;

	return json_pack(
		"{s:s, s:i, s:o, s:o, s:s, s:o, s:O, s:b, s:o, s:o, s:b, s:b, s:I, s:I}", "version", PORTSYNCD_VERSION,
		"pid", (int)getpid(), "started", msec_or_null((p->started_monotonic + epoch_nsec(p)) / NSEC_PER_MSEC),
		"now", msec_or_null(clock_nsec(CLOCK_REALTIME) / NSEC_PER_MSEC), "verdict",
		health_level_name(f->health.level), "since", stamp(p, f->health.since_nsec), "problems", f->problems,
		"fresh", f->fresh, "redis", conns_json(p, s), "p99_usec", p99_json(&f->health.checks[HEALTH_LATENCY]),
		"init_done", s->init_done, "kernel_synced", s->sync.synced, "configured",
		(json_int_t)s->sums.configured, "in_sync", (json_int_t)s->sums.in_sync);
}

static json_t *changes_json(const struct live *l, uint64_t from)
{
	json_t *list = json_array();
	uint64_t oldest = l->n_changes - MIN(l->n_changes, (uint64_t)LIVE_CHANGES);

	for (uint64_t i = MAX(from, oldest); i < l->n_changes; i++)
		(void)json_array_append_new(list, changejson_make(&l->changes[i % LIVE_CHANGES]));
	return list;
}

static json_t *steps_json(const struct live *l, unsigned n)
{
	json_t *changes = json_array(), *slowest = json_array();

	for (uint64_t i = l->newest - n + 1; i <= l->newest; i++) {
		const struct live_step *step = live_step(l, i);

		(void)json_array_append_new(changes, json_integer(step->changes));
		(void)json_array_append_new(slowest, json_integer(step->slowest_usec));
	}
	return json_pack("{s:i, s:I, s:o, s:o, s:o}", "seconds", LIVE_STEP_SECS, "newest", (json_int_t)l->newest,
			 "known_from", msec_or_null(l->known_from_usec / USEC_PER_MSEC), "changes", changes,
			 "slowest_usec", slowest);
}

/* --- ports: there may be many, and in a storm all change, so they are written by hand --- */

static void put_name(struct text *out, const char *name)
{
	char text[PORT_TEXT_BYTES];

	text_put(out, "\"");
	for (const char *at = text_utf8(name, text); *at; at++) {
		char escaped[8];

		if ((unsigned char)*at < ' ' || *at == '"' || *at == '\\') {
			(void)snprintf(escaped, sizeof(escaped), "\\u%04x", (unsigned)*at);
			text_put(out, escaped);
		} else {
			text_add(out, at, 1);
		}
	}
	text_put(out, "\"");
}

static void put_port(struct text *out, const struct live_port *port)
{
	const struct live_shown *shown = &port->shown;

	text_put(out, "{\"name\":");
	put_name(out, port->name);
	text_put(out, ",\"state\":\"");
	text_put(out, live_state_name(shown->state));
	text_put(out, shown->oper ? "\",\"oper\":\"up\",\"admin\":\"" : "\",\"oper\":\"down\",\"admin\":\"");
	text_put(out, shown->admin ? "up\",\"mtu\":" : "down\",\"mtu\":");
	text_number(out, shown->mtu);
	text_put(out, ",\"flaps\":");
	text_number(out, shown->flaps);
	text_put(out, ",\"changed\":");
	text_number(out, shown->changed_msec);
	text_put(out, ",\"note\":\"");
	text_put(out, live_note_text(shown->note));
	text_put(out, "\"}");
}

static void put_ports(struct text *out, const struct live *l, bool all)
{
	bool first = true;

	text_put(out, ",\"ports\":[");
	for (size_t i = 0; i < l->n_ports; i++) {
		if (!all && !l->ports[i].news)
			continue;
		if (!first)
			text_put(out, ",");
		first = false;
		put_port(out, &l->ports[i]);
	}
	text_put(out, "]");
}

/* An event is one line of JSON: the object without its closing brace, then the ports. */
static void put_event(struct text *out, const char *name, json_t *json, const struct live *l, bool all)
{
	char *line = json ? json_dumps(json, JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(9)) : NULL;

	json_decref(json);
	if (!line) {
		out->failed = true;
		return;
	}
	text_put(out, "event: ");
	text_put(out, name);
	text_put(out, "\ndata: ");
	text_add(out, line, strlen(line) - 1);
	put_ports(out, l, all);
	text_put(out, "}\n\n");
	free(line);
}

static json_t *event_json(struct pages *p, const struct feed *f, bool all)
{
	const struct live *l = &f->live;
	json_t *json = head_json(p, f);

	(void)json_object_set_new(json, "steps", steps_json(l, all ? LIVE_STEPS : STEPS_NEW));
	(void)json_object_set_new(json, "changes", changes_json(l, all ? 0 : l->n_changes_before));
	return json;
}

const struct text *feed_event(struct pages *p, struct feed *f, bool all)
{
	struct text *made = all ? &f->full : &f->update;

	if (made->len == 0)
		put_event(made, all ? "all" : "news", event_json(p, f, all), &f->live, all);
	return made;
}
