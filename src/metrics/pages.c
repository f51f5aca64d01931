/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/pages.h"

#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/text.h"
#include "base/util.h"
#include "http/content.h"
#include "metrics/procstat.h"
#include "metrics/prometheus.h"

#define PATIENCE_NSEC NSEC_PER_SEC
#define CLOCK_STEP_NSEC (100 * NSEC_PER_MSEC)
#define START_STEP_NSEC (60 * NSEC_PER_SEC)
#define JSON_FLAGS (JSON_INDENT(2) | JSON_REAL_PRECISION(9) | JSON_ENSURE_ASCII)
#define JSON_TYPE "application/json"
#define HTML_TYPE "text/html; charset=utf-8"
#define STAMP_BYTES 40
#define NAME_TEXT_MAX (4 * IFNAMSIZ)

enum page_index { PAGE_METRICS, PAGE_LIVEZ, PAGE_READYZ, PAGE_HEALTHZ, PAGE_PORTS, PAGE_PORT, PAGE_INDEX, PAGE_OTHER };
#define PAGES (PAGE_OTHER + 1)

struct pages {
	struct exchange *exchange;
	struct health_limits limits;
	const char *proc;
	uint64_t started_nsec, started_monotonic;  /* since the epoch; and by CLOCK_MONOTONIC */
	_Atomic(const struct http_stats *) server; /* NULL: there is none */
	uint64_t epoch_nsec;                       /* added to a CLOCK_MONOTONIC time it makes one since the epoch */
	pthread_mutex_t lock;                      /* of what follows: the server may have several threads */
	struct prometheus_page served[PAGES];
	uint64_t cpu_nsec;
};

/* One request for one page. */
struct visit {
	struct pages *pages;
	const char *path, *accept;
	struct http_answer *out;
};

static uint64_t clock_nsec(clockid_t clock)
{
	struct timespec ts;

	(void)clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

/* Small corrections of the clock are ignored: with them every timestamp would seem to change at each scrape. */
static uint64_t epoch_nsec(struct pages *p)
{
	uint64_t now = clock_nsec(CLOCK_REALTIME) - now_nsec();
	uint64_t step = now > p->epoch_nsec ? now - p->epoch_nsec : p->epoch_nsec - now;

	if (step > CLOCK_STEP_NSEC)
		p->epoch_nsec = now;
	return p->epoch_nsec;
}

struct pages *pages_new(struct exchange *exchange, const struct health_limits *limits, const char *proc)
{
	static const char *const names[PAGES] = {"metrics", "livez", "readyz", "healthz",
						 "ports",   "port",  "index",  "other"};
	struct pages *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->exchange = exchange;
	p->limits = *limits;
	p->proc = proc;
	p->started_nsec = procstat_started(proc);
	p->started_monotonic = p->started_nsec - epoch_nsec(p);
	(void)pthread_mutex_init(&p->lock, NULL);
	for (size_t i = 0; i < PAGES; i++)
		p->served[i].name = names[i];
	return p;
}

void pages_free(struct pages *p)
{
	if (!p)
		return;
	(void)pthread_mutex_destroy(&p->lock);
	free(p);
}

void pages_set_server(struct pages *p, const struct http_stats *stats)
{
	atomic_store(&p->server, stats);
}

/* --- answers --- */

/* changes() of this figure counts starts, so it ignores the corrections of the clock after a boot. */
static uint64_t started_nsec(struct pages *p)
{
	uint64_t now = p->started_monotonic + epoch_nsec(p);
	uint64_t step = now > p->started_nsec ? now - p->started_nsec : p->started_nsec - now;

	if (step > START_STEP_NSEC)
		p->started_nsec = now;
	return p->started_nsec;
}

/* "2026-10-09T08:07:06.005Z"; JSON null for 0. */
static json_t *stamp_msec(uint64_t since_epoch)
{
	time_t seconds = (time_t)(since_epoch / MSEC_PER_SEC);
	char text[STAMP_BYTES];
	struct tm tm;
	size_t len;

	if (since_epoch == 0 || !gmtime_r(&seconds, &tm))
		return json_null();
	len = strftime(text, sizeof(text), "%FT%T", &tm);
	(void)snprintf(text + len, sizeof(text) - len, ".%03uZ", (unsigned)(since_epoch % MSEC_PER_SEC));
	return json_string(text);
}

/* The same for a CLOCK_MONOTONIC time. */
static json_t *stamp(struct pages *p, uint64_t nsec)
{
	return stamp_msec(nsec ? (nsec + epoch_nsec(p)) / NSEC_PER_MSEC : 0);
}

static double seconds(uint64_t nsec)
{
	return (double)nsec / (double)NSEC_PER_SEC;
}

/* Takes ownership of json. */
static void answer_json(struct http_answer *out, unsigned status, json_t *json)
{
	char *body = json ? json_dumps(json, JSON_FLAGS) : NULL;

	json_decref(json);
	if (!body)
		return;
	*out = (struct http_answer){.status = status, .content_type = JSON_TYPE, .body = body, .len = strlen(body)};
}

/* Takes ownership of the text. */
static void answer_text(struct http_answer *out, const char *content_type, struct text *text)
{
	if (text->failed) {
		free(text->data);
		return;
	}
	*out = (struct http_answer){.status = 200, .content_type = content_type, .body = text->data, .len = text->len};
}

static struct exchange_answer ask(const struct visit *visit)
{
	return exchange_get(visit->pages->exchange, PATIENCE_NSEC, false);
}

/* The markers that SONiC waits for may vanish from Redis without a notification. */
static struct exchange_answer ask_redis_too(const struct visit *visit)
{
	return exchange_get(visit->pages->exchange, PATIENCE_NSEC, true);
}

/* --- health --- */

static void livez(const struct visit *visit)
{
	const struct health_limits *limits = &visit->pages->limits;
	uint64_t stall = ask(visit).stall_nsec; /* an answer proves that the loop turns */
	bool live = health_is_live(stall, limits);

	answer_json(visit->out, live ? 200 : 503,
		    json_pack("{s:b, s:f, s:f}", "live", live, "stall_seconds", seconds(stall), "limit_seconds",
			      seconds(limits->stall_nsec)));
}

static bool redis_connected(const struct snapshot *s)
{
	bool connected = true;

	for (size_t i = 0; i < SNAPSHOT_DATABASES; i++)
		connected = connected && s->conns[i].ready;
	return connected;
}

static void readyz(const struct visit *visit)
{
	const struct snapshot *s = ask_redis_too(visit).snapshot;
	bool ready = health_is_ready(s);

	answer_json(visit->out, ready ? 200 : 503,
		    json_pack("{s:b, s:b, s:b, s:b}", "ready", ready, "kernel_synced", s->sync.synced,
			      "redis_connected", redis_connected(s), "port_init_done", s->init_done));
}

static struct health_report health_of(const struct visit *visit, const struct exchange_answer *answer)
{
	struct health_report report = *answer->health;

	health_add_stall(&report, answer->stall_nsec, now_nsec(), &visit->pages->limits);
	return report;
}

static json_t *check_json(const struct visit *visit, const struct health_report *health, unsigned i)
{
	const struct health_check *check = &health->checks[i];

	return json_pack("{s:s, s:o, s:f, s:s, s:o}", "status", health_level_name(check->level), "value",
			 check->known ? json_real(check->value) : json_null(), "limit", check->limit, "unit",
			 health_check_unit(i), "since", stamp(visit->pages, check->since_nsec));
}

static void add_reason(json_t *checks, enum health_check_index check, const char *reason)
{
	if (reason[0] != '\0')
		(void)json_object_set_new(json_object_get(checks, health_check_name(check)), "reason",
					  json_string(reason));
}

static void healthz(const struct visit *visit)
{
	struct exchange_answer answer = ask_redis_too(visit);
	struct health_report health = health_of(visit, &answer);
	json_t *checks = json_object();

	for (unsigned i = 0; i < HEALTH_CHECKS; i++)
		(void)json_object_set_new(checks, health_check_name(i), check_json(visit, &health, i));
	add_reason(checks, HEALTH_REDIS, answer.snapshot->redis_reason);
	add_reason(checks, HEALTH_HTTP, answer.snapshot->http.reason);
	answer_json(visit->out, health.level == HEALTH_UNHEALTHY ? 503 : 200,
		    json_pack("{s:s, s:o, s:f, s:o}", "status", health_level_name(health.level), "since",
			      stamp(visit->pages, health.since_nsec), "view_age_seconds",
			      answer.fresh ? 0.0 : seconds(now_nsec() - answer.snapshot->taken_nsec), "checks",
			      checks));
}

/* --- metrics --- */

static void metrics(const struct visit *visit)
{
	bool open = prometheus_wants_open(visit->accept);
	struct exchange_answer answer = ask(visit);
	struct health_report health = health_of(visit, &answer);
	struct text text = {0};
	struct procstat proc;

	procstat_read(&proc, visit->pages->proc, answer.snapshot->socket_inode);
	prometheus_write(&text, open,
			 &(struct prometheus_input){
				 .answer = &answer,
				 .proc = &proc,
				 .health = &health,
				 .pages = visit->pages->served,
				 .n_pages = PAGES,
				 .server = atomic_load(&visit->pages->server),
				 .pages_cpu_nsec = visit->pages->cpu_nsec,
				 .now_nsec = now_nsec(),
				 .epoch_nsec = epoch_nsec(visit->pages),
				 .started_nsec = started_nsec(visit->pages),
			 });
	answer_text(visit->out, open ? PROMETHEUS_OPEN_TYPE : PROMETHEUS_TEXT_TYPE, &text);
}

/* --- ports --- */

static const char *up_or_down(bool up)
{
	return up ? "up" : "down";
}

static json_t *link_json(const struct port_link *link)
{
	if (!link->ifindex)
		return json_null();
	return json_pack("{s:i, s:s, s:s, s:I, s:I, s:I, s:b}", "ifindex", link->ifindex, "admin",
			 up_or_down(link->flags & IFF_UP), "oper", up_or_down(link->flags & IFF_RUNNING), "mtu",
			 (json_int_t)link->mtu, "carrier_up_changes", (json_int_t)link->carrier_up,
			 "carrier_down_changes", (json_int_t)link->carrier_down, "left_from_before", link->old);
}

static json_t *last_change(const struct visit *visit, const struct port_history *history)
{
	return history->changed_nsec ? stamp(visit->pages, history->changed_nsec)
				     : stamp_msec(history->changed_before_msec);
}

static json_t *port_json(const struct visit *visit, const struct snapshot_port *port)
{
	char name[NAME_TEXT_MAX];

	return json_pack("{s:s, s:b, s:b, s:b, s:I, s:o, s:o}", "name", text_utf8(port->name, name), "configured",
			 port->appl.configured, "awaited", port->appl.expected, "in_sync", port->in_sync, "flaps",
			 (json_int_t)port->history.flaps, "last_change", last_change(visit, &port->history), "link",
			 link_json(&port->link));
}

static void ports(const struct visit *visit)
{
	const struct snapshot *s = ask(visit).snapshot;
	json_t *list = json_array();

	for (size_t i = 0; i < s->n_ports; i++)
		(void)json_array_append_new(list, port_json(visit, &s->ports[i]));
	answer_json(visit->out, 200, json_pack("{s:o}", "ports", list));
}

static void port(const struct visit *visit)
{
	const char *name = visit->path + strlen("/ports/");
	const struct snapshot *s = ask(visit).snapshot;
	char text[NAME_TEXT_MAX];

	for (size_t i = 0; i < s->n_ports; i++) {
		const struct snapshot_port *found = &s->ports[i];

		if (strcmp(found->name, name) != 0 && strcmp(text_utf8(found->name, text), name) != 0)
			continue;
		answer_json(visit->out, 200, port_json(visit, found));
		return;
	}
	answer_json(visit->out, 404, json_pack("{s:s}", "error", "there is no such port"));
}

/* --- which page --- */

static void site_index(const struct visit *visit)
{
	static const char html[] =
		"<!doctype html>\n<html lang=\"en\"><head><title>portsyncd</title></head><body>\n"
		"<h1>portsyncd " PORTSYNCD_VERSION "</h1>\n<ul>\n"
		"<li><a href=\"/metrics\">/metrics</a> figures for Prometheus</li>\n"
		"<li><a href=\"/healthz\">/healthz</a> each check, its value and limit</li>\n"
		"<li><a href=\"/livez\">/livez</a> the event loop turns</li>\n"
		"<li><a href=\"/readyz\">/readyz</a> in sync, connected, PortInitDone sent</li>\n"
		"<li><a href=\"/ports\">/ports</a> every port; /ports/&lt;name&gt; one of them</li>\n"
		"</ul>\n</body></html>\n";
	struct text text = {0};

	text_put(&text, html);
	answer_text(visit->out, HTML_TYPE, &text);
}

static void other(const struct visit *visit)
{
	answer_json(visit->out, 404, json_pack("{s:s}", "error", "there is no such page; / names them"));
}

static enum page_index which(const char *path)
{
	static const char *const paths[] = {"/metrics", "/livez", "/readyz", "/healthz", "/ports"};

	for (unsigned i = 0; i < ARRAY_SIZE(paths); i++)
		if (strcmp(path, paths[i]) == 0)
			return i;
	if (strncmp(path, "/ports/", strlen("/ports/")) == 0)
		return PAGE_PORT;
	return strcmp(path, "/") == 0 ? PAGE_INDEX : PAGE_OTHER;
}

static void make_smaller(struct http_answer *answer)
{
	size_t len;
	char *body = answer->body ? gzip_bytes(answer->body, answer->len, &len) : NULL;

	if (!body)
		return;
	free(answer->body);
	answer->body = body;
	answer->len = len;
	answer->encoding = "gzip";
}

void pages_handle(const struct http_request *request, struct http_answer *answer, void *user)
{
	static void (*const makers[PAGES])(const struct visit *visit) = {metrics, livez, readyz,     healthz,
									 ports,   port,  site_index, other};
	struct pages *p = user;
	const struct visit visit = {.pages = p, .path = request->path, .accept = request->accept, .out = answer};
	enum page_index page = which(request->path);
	uint64_t before;

	(void)pthread_mutex_lock(&p->lock);
	before = clock_nsec(CLOCK_THREAD_CPUTIME_ID);
	makers[page](&visit);
	if (http_wants_gzip(request->accept_encoding))
		make_smaller(answer);
	p->served[page].served++;
	p->cpu_nsec += clock_nsec(CLOCK_THREAD_CPUTIME_ID) - before;
	(void)pthread_mutex_unlock(&p->lock);
}
