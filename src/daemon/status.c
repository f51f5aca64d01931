/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon's figures, copied when another thread requests them, and the HTTP server that shows them. */
#include "daemon/status.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>

#include "base/backoff.h"
#include "base/hist.h"
#include "base/timer.h"
#include "config/show.h"
#include "daemon/confine.h"
#include "daemon/counters.h"
#include "daemon/judge.h"
#include "daemon/recordings.h"
#include "http/server.h"
#include "log/audit.h"
#include "metrics/exchange.h"
#include "metrics/health.h"
#include "metrics/pages.h"
#include "metrics/snapshot.h"
#include "recorder/recorder.h"
#include "settings/settings.h"

#define REDIS_PATIENCE_USEC (500 * USEC_PER_MSEC)
#define REDIS_ACCURACY_USEC (10 * USEC_PER_MSEC)
#define RETRY_MSEC 1000 /* until an address is tried again; doubles */
#define RETRY_MAX_MSEC 15000
#define RETRY_ACCURACY_USEC (100 * USEC_PER_MSEC)
#define PROC "/proc"

/* How others get the daemon's figures, and what is counted for them alone. */
struct daemon_status {
	struct exchange *exchange;
	struct pages *pages;
	struct http *http;
	sd_event_source *asked, *patience, *retry;
	struct backoff backoff; /* of retry */
	bool checking;          /* a request waits for what Redis says of the markers */
	bool markers_unknown;   /* Redis did not answer in time */
	uint64_t socket_inode;
	struct snapshot_sync sync;
	struct snapshot_http http_state;
	struct hist resync, turn;
	uint64_t turn_usec; /* when the present turn began; 0: none does */
};

/* --- filling --- */

static void fill_kernel(const struct daemon *d, struct snapshot *s)
{
	s->watch = *watch_stats(d->watch);
	s->socket = watch_socket(d->watch);
	s->socket_inode = d->status_page->socket_inode;
	s->links = *links_stats(d->links);
	s->mirror = mirror_stats(d->mirror);
}

static void fill_process(const struct daemon *d, struct snapshot *s)
{
	const struct daemon_status *own = d->status_page;

	s->sync = own->sync;
	snapshot_fill_hist(&s->resync, &own->resync, &snapshot_sync_bounds);
	snapshot_fill_hist(&s->turn, &own->turn, &snapshot_time_bounds);
	log_stats(&s->log);
	s->saves = counters_stats(d);
	s->http = own->http_state;
	s->recorder = recordings_stats(d);
	s->config_faults = d->config->faults;
	s->settings_refused = d->settings_refused;
	s->sandbox = confine_parts(d);
	(void)snprintf(s->previous_stop, sizeof(s->previous_stop), "%s", d->previous_stop);
}

static void fill_conn(struct snapshot_conn *out, const struct conn *c)
{
	out->stats = *conn_stats(c);
	out->ready = conn_ready(c);
	out->outage_usec = conn_outage(c)->since_usec;
	out->in_flight = conn_in_flight(c);
}

static void fill_redis(const struct daemon *d, struct snapshot *s)
{
	const struct conn *const conns[SNAPSHOT_CONNS] = {
		[SNAPSHOT_CONFIG_DB] = d->config_conn,       [SNAPSHOT_APPL_DB] = d->appl_conn,
		[SNAPSHOT_STATE_DB] = d->state_conn,         [SNAPSHOT_APPL_EVENTS] = d->appl_events,
		[SNAPSHOT_CONFIG_EVENTS] = d->logger_events,
	};

	for (unsigned i = 0; i < SNAPSHOT_CONNS; i++) {
		const struct conn_outage *outage = conn_outage(conns[i]);

		fill_conn(&s->conns[i], conns[i]);
		if (s->redis_reason[0] == '\0' && outage->reason[0] != '\0')
			(void)snprintf(s->redis_reason, sizeof(s->redis_reason), "%s: %s", outage->label,
				       outage->reason);
	}
	for (unsigned i = 0; i < SNAPSHOT_DATABASES; i++)
		snapshot_fill_hist(&s->rtt[i], conn_round_trips(conns[i]), &snapshot_time_bounds);
}

static void fill_sonic(const struct daemon *d, struct snapshot *s)
{
	const struct hist *latency = publish_latency(d->publish);

	s->config_done = startup_config_done(d->startup);
	s->init_done = startup_init_done(d->startup);
	s->warm = startup_is_warm(d->startup);
	s->links_set_down = startup_links_set_down(d->startup);
	s->publish = *publish_stats(d->publish);
	snapshot_fill_hist(&s->batch_rows, publish_batch_rows(d->publish), &snapshot_rows_bounds);
	snapshot_fill_hist(&s->latency, latency, &snapshot_time_bounds);
	hist_cumulate(latency, &judge_limits(d)->max_latency_nsec, 1, &s->latency_within);
}

/* A port that is only remembered, since it may come back, has no figures. */
static bool is_there(const struct port *port)
{
	return port->link.ifindex || port->appl.configured || port->appl.expected || port->row.mine ||
	       port->owed.deletion || port->row.writing;
}

static struct snapshot_port describe(const struct port *port)
{
	struct snapshot_port out = {
		.link = port->link,
		.history = port->history,
		.appl = port->appl,
		.owed = publish_owes(port),
		.refused = port->row.failing,
	};

	out.in_sync = port->appl.configured && links_present(port) && !out.owed;
	memcpy(out.name, port->name, sizeof(out.name));
	return out;
}

static void fill_ports(const struct daemon *d, struct snapshot *s)
{
	for (const struct port *port = links_next(d->links, NULL); port; port = links_next(d->links, port)) {
		struct snapshot_port described;

		if (!is_there(port))
			continue;
		described = describe(port);
		snapshot_add_port(s, &described);
	}
}

/* The databases are not known yet: neither the kernel nor Redis is followed. */
static void fill_awaiting(const struct daemon *d, struct snapshot *s)
{
	for (unsigned i = 0; i < SNAPSHOT_CONNS; i++)
		s->conns[i].outage_usec = d->status_page->sync.changed_nsec / NSEC_PER_USEC;
	(void)snprintf(s->redis_reason, sizeof(s->redis_reason), "%s", d->awaited);
}

static void fill_figures(struct snapshot *s, const struct daemon *d)
{
	*s = (struct snapshot){
		.capacity = s->capacity,
		.ports = s->ports,
		.taken_nsec = now_nsec(),
		.dry_run = d->config->dry_run,
		.markers_unknown = d->status_page->markers_unknown,
	};
	fill_process(d, s);
	if (d->awaited) {
		fill_awaiting(d, s);
		return;
	}
	fill_kernel(d, s);
	fill_ports(d, s);
	if (d->config->dry_run)
		return;
	fill_redis(d, s);
	fill_sonic(d, s);
}

void status_fill(struct snapshot *s, struct health_report *health, void *user)
{
	struct daemon *d = user;

	fill_figures(s, d);
	*health = judge_snapshot(d, s);
}

static void serve(struct daemon *d)
{
	struct daemon_status *own = d->status_page;

	own->checking = false;
	timer_stop(own->patience);
	recordings_answer(d);
	exchange_serve(own->exchange, status_fill, d);
	own->markers_unknown = false;
}

void status_checked(struct daemon *d)
{
	if (d->status_page->checking)
		serve(d);
}

static int on_impatient(sd_event_source *source, uint64_t usec, void *user)
{
	struct daemon *d = user;

	(void)source;
	(void)usec;
	d->status_page->markers_unknown = true;
	serve(d);
	return 0;
}

static int on_asked(sd_event_source *source, int fd, uint32_t revents, void *user)
{
	struct daemon *d = user;
	struct daemon_status *own = d->status_page;

	(void)source;
	(void)fd;
	(void)revents;
	if (!d->startup || !exchange_wants_markers(own->exchange)) {
		serve(d);
		return 0;
	}
	if (!startup_check(d->startup)) {
		own->markers_unknown = true;
		serve(d);
		return 0;
	}
	exchange_hush(own->exchange);
	own->checking = true;
	timer_start(own->patience, REDIS_PATIENCE_USEC);
	return 0;
}

/* --- counted for the figures only --- */

void status_note_turn(struct daemon *d)
{
	d->status_page->turn_usec = timer_now(d->event);
	/* The last turn's entries went to memory while the loop slept, so no fence has to wait for that. */
	recorder_publish();
	recorder_time(d->status_page->turn_usec * NSEC_PER_USEC);
	exchange_turn_begins(d->status_page->exchange, d->status_page->turn_usec);
}

void status_note_turn_end(struct daemon *d)
{
	struct daemon_status *own = d->status_page;

	/* Without a beginning, the loop only looked for events and found none. */
	if (own->turn_usec == 0)
		return;
	hist_add(&own->turn, now_nsec() - own->turn_usec * NSEC_PER_USEC);
	own->turn_usec = 0;
	exchange_turn_ends(own->exchange);
}

static void note_synced(struct daemon_status *own, uint64_t took)
{
	if (own->sync.last_nsec == 0) {
		own->sync.first_took_nsec = took;
		return;
	}
	own->sync.resyncs++;
	hist_add(&own->resync, took);
}

void status_note_sync(struct daemon *d, bool synced)
{
	struct daemon_status *own = d->status_page;
	uint64_t now = now_nsec();

	if (synced == own->sync.synced)
		return;
	if (synced) {
		note_synced(own, now - own->sync.changed_nsec);
		own->sync.last_nsec = now;
	}
	own->sync.synced = synced;
	own->sync.changed_nsec = now;
	judge_soon(d);
}

/* --- serving --- */

static void note_missing(struct daemon_status *own)
{
	own->http_state.missing = http_stats(own->http)->missing;
	http_explain_missing(own->http, own->http_state.reason, sizeof(own->http_state.reason));
}

/* Another process had the address, or the machine lacks it: both may end. */
static int on_retry(sd_event_source *source, uint64_t usec, void *user)
{
	struct daemon *d = user;
	struct daemon_status *own = d->status_page;

	(void)source;
	(void)usec;
	if (http_retry(own->http)) {
		note_missing(own);
		judge_soon(d);
	}
	if (own->http_state.missing > 0)
		timer_start(own->retry, backoff_next_usec(&own->backoff));
	return 0;
}

static void report_missing(struct daemon_status *own)
{
	note_missing(own);
	if (own->http_state.missing == 0)
		return;
	if (http_stats(own->http)->listening == 0)
		log_warning(KIND_HTTP_DOWN, "metrics and health are not served: %s; tried again until it is free",
			    own->http_state.reason);
	else
		log_warning(KIND_HTTP_PARTLY, "%s; tried again until it is free", own->http_state.reason);
	timer_start(own->retry, backoff_next_usec(&own->backoff));
}

/* Nobody serves any of the addresses. */
static void note_down(struct daemon_status *own, size_t addresses, const char *why)
{
	own->http_state.missing = addresses;
	(void)snprintf(own->http_state.reason, sizeof(own->http_state.reason), "%s", why);
	log_warning(KIND_HTTP_DOWN, "metrics and health are not served: %s", why);
}

/* Ports matter more: without a server the daemon goes on. A dry run has nothing to show to a fleet. */
static void listen_for_clients(struct daemon *d)
{
	struct daemon_status *own = d->status_page;
	struct http_options options;
	char text[256];

	if (d->config->dry_run || !settings_http(d->config, &options))
		return;
	if (http_new(&own->http, &options, pages_handle, own->pages, text, sizeof(text)) < 0) {
		note_down(own, options.n_listen + (options.unix_socket != NULL), text);
		return;
	}
	report_missing(own);
	pages_set_server(own->pages, http_stats(own->http));
	http_follow(own->http, pages_changes_fd(own->pages), pages_changes_heard, own->pages);
}

struct http *status_http(const struct daemon *d)
{
	return d->status_page ? d->status_page->http : NULL;
}

/* What is in force: the configuration of the start, but for [log], which a SIGHUP changes. */
static void publish_config(struct daemon *d)
{
	struct config *shown cleanup(free_ptr) = malloc(sizeof(*shown));
	json_t *json;

	if (!shown)
		return;
	*shown = *d->config;
	if (d->reread)
		config_take_section(shown, d->reread, "log");
	json = config_json(shown);
	pages_set_config(d->status_page->pages, json ? json_dumps(json, 0) : NULL);
	json_decref(json);
}

/* Reads the certificates that were configured at the start; other names need a restart. */
void status_reload(struct daemon *d, const char *who)
{
	struct http_options options;
	char text[PATH_MAX + 256];
	int r = 0;

	publish_config(d);
	if (d->status_page->http && settings_http(d->config, &options))
		r = http_renew(d->status_page->http, &options, text, sizeof(text));
	if (r == 0)
		return;
	if (r < 0) {
		audit_event(LOG_WARNING, KIND_HTTP_NOT_RENEWED, AUDIT_CONFIG_REFUSED, AUDIT_FAILURE, who,
			    "the new certificate is refused, the one in use stays: %s", text);
		return;
	}
	audit_event(LOG_NOTICE, KIND_HTTP_RENEWED, AUDIT_CONFIG_CHANGED, AUDIT_SUCCESS, who,
		    "new HTTP clients get the certificate that %s has now", options.cert);
}

/* --- building --- */

static int add_sources(struct daemon *d)
{
	struct daemon_status *own = d->status_page;
	int r = sd_event_add_io(d->event, &own->asked, exchange_fd(own->exchange), EPOLLIN, on_asked, d);

	if (r >= 0)
		r = timer_add(&own->patience, d->event, REDIS_ACCURACY_USEC, on_impatient, d);
	if (r >= 0)
		r = timer_add(&own->retry, d->event, RETRY_ACCURACY_USEC, on_retry, d);
	return r < 0 ? r : 0;
}

int status_build(struct daemon *d)
{
	struct daemon_status *own = calloc(1, sizeof(*own));
	struct stat socket;
	int r;

	if (!own)
		return -ENOMEM;
	d->status_page = own;
	r = exchange_new(&own->exchange);
	if (r < 0)
		return r;
	own->backoff = (struct backoff){.initial_ms = RETRY_MSEC, .max_ms = RETRY_MAX_MSEC};
	own->sync.changed_nsec = now_nsec();
	own->pages = pages_new(own->exchange, judge_limits(d), PROC);
	if (!own->pages)
		return -ENOMEM;
	r = pages_set_changes(own->pages, d->changes);
	if (r < 0)
		return r;
	publish_config(d);
	if (d->watch && fstat(watch_socket(d->watch).fd, &socket) == 0)
		own->socket_inode = socket.st_ino;
	r = add_sources(d);
	if (r == 0)
		listen_for_clients(d);
	return r;
}

void status_start(struct daemon *d)
{
	struct daemon_status *own = d->status_page;
	int r = own->http ? http_start(own->http) : 0;
	char text[128];

	if (r == 0)
		return;
	(void)snprintf(text, sizeof(text), "there is no thread for them: %s", strerror(-r));
	note_down(own, (size_t)(http_stats(own->http)->listening + http_stats(own->http)->missing), text);
	timer_stop(own->retry);
	/* At an address that nobody serves clients would wait for ever. */
	pages_set_server(own->pages, NULL);
	http_free(own->http);
	own->http = NULL;
}

void status_free(struct daemon *d)
{
	struct daemon_status *own = d->status_page;

	if (!own)
		return;
	exchange_leave(own->exchange);
	http_free(own->http);
	pages_free(own->pages);
	sd_event_source_disable_unref(own->asked);
	sd_event_source_disable_unref(own->patience);
	sd_event_source_disable_unref(own->retry);
	exchange_free(own->exchange);
	free(own);
}
