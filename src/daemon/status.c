/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon's figures, copied when another thread asks for them, and the text that systemd shows. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>

#include "base/hist.h"
#include "daemon/private.h"
#include "http/server.h"
#include "log/audit.h"
#include "metrics/health.h"
#include "metrics/pages.h"
#include "metrics/snapshot.h"

#define REDIS_PATIENCE_USEC (500 * USEC_PER_MSEC)
#define REDIS_ACCURACY_USEC (10 * USEC_PER_MSEC)
#define LOG_MOMENT_USEC USEC_PER_SEC /* a collector may be busy for so long */
#define PROC "/proc"

_Static_assert((int)REDIS_ERRORS == SNAPSHOT_ERROR_KINDS, "kinds of Redis errors");

/* How the daemon's figures are looked at, and what is counted for that alone. */
struct daemon_status {
	struct exchange *exchange;
	struct pages *pages;
	struct http *http;
	sd_event_source *asked, *patience;
	bool checking;       /* a question waits for what Redis says of the markers */
	bool markers_untold; /* it did not answer in time */
	uint64_t netlink_inode;

	bool synced;
	uint64_t sync_changed_nsec, last_sync_nsec, first_sync_took, resyncs;
	struct hist resync, turn;
	uint64_t turn_usec; /* when the present turn began; 0: none does */

	uint64_t http_missing; /* addresses that could not be had */
	char http_reason[SNAPSHOT_REASON_BYTES];
};

/* --- copying --- */

static void fill_netlink(const struct daemon *d, struct snapshot *v)
{
	const struct watch_stats *w = watch_stats(d->watch);
	struct watch_socket socket = watch_socket(d->watch);
	struct mirror_stats mirror = mirror_stats(d->mirror);

	v->messages = w->messages;
	v->newlink = w->newlink;
	v->dellink = w->dellink;
	v->datagrams = w->datagrams;
	v->overruns = w->overruns;
	v->overrun_nsec = w->overrun_nsec;
	v->truncations = w->truncations;
	v->socket_errors = w->errors;
	v->malformed = w->malformed;
	v->spoofed = w->spoofed;
	v->dumps = w->dumps;
	v->dumps_interrupted = w->dumps_interrupted;
	v->dumps_failed = w->dumps_failed;
	v->dumps_retried = w->dumps_retried;
	v->silent_changes = mirror.silent_changes;
	v->links_reread = mirror.links;
	v->rereads = mirror.all;
	v->ignored = links_stats(d->links)->ignored;
	v->no_memory = links_stats(d->links)->no_memory;
	v->netlink_works = socket.works;
	v->receive_buffer = socket.rcvbuf;
	v->netlink_inode = d->status_page->netlink_inode;
}

static void fill_sync(const struct daemon *d, struct snapshot *v)
{
	v->synced = d->status_page->synced;
	v->sync_changed_nsec = d->status_page->sync_changed_nsec;
	v->last_sync_nsec = d->status_page->last_sync_nsec;
	v->first_sync_took = d->status_page->first_sync_took;
	v->resyncs = d->status_page->resyncs;
	snapshot_fill_hist(&v->resync, &d->status_page->resync, &snapshot_sync_bounds);
}

static void fill_conn(struct snapshot_conn *out, const struct conn *c)
{
	const struct conn_stats *s = conn_stats(c);

	out->ready = conn_ready(c);
	out->away_nsec = conn_outage(c)->since_usec * NSEC_PER_USEC;
	out->connects = s->connects;
	out->commands = s->commands;
	out->flushes = s->flushes;
	out->bytes_out = s->bytes_out;
	out->losses = s->losses;
	out->timeouts = s->timeouts;
	out->in_flight = conn_in_flight(c);
	memcpy(out->errors, s->errors, sizeof(out->errors));
}

static void fill_redis(const struct daemon *d, struct snapshot *v)
{
	const struct conn *const conns[SNAPSHOT_CONNS] = {
		[SNAPSHOT_CONFIG_DB] = d->config_conn,       [SNAPSHOT_APPL_DB] = d->appl_conn,
		[SNAPSHOT_STATE_DB] = d->state_conn,         [SNAPSHOT_APPL_EVENTS] = d->appl_events,
		[SNAPSHOT_CONFIG_EVENTS] = d->logger_events,
	};

	for (unsigned i = 0; i < SNAPSHOT_CONNS; i++) {
		fill_conn(&v->conns[i], conns[i]);
		if (v->redis_reason[0] == '\0' && conn_outage(conns[i])->reason[0] != '\0')
			(void)snprintf(v->redis_reason, sizeof(v->redis_reason), "%s: %s", conn_outage(conns[i])->label,
				       conn_outage(conns[i])->reason);
	}
	for (unsigned i = 0; i < SNAPSHOT_DATABASES; i++)
		snapshot_fill_hist(&v->rtt[i], &conn_stats(conns[i])->rtt.hist, &snapshot_time_bounds);
	for (unsigned i = 0; i < SNAPSHOT_ERROR_KINDS; i++)
		v->error_names[i] = redis_error_name(i);
}

static void fill_sonic(const struct daemon *d, struct snapshot *v)
{
	const struct publish_stats *p = publish_stats(d->publish);
	const struct hist *latency = publish_latency(d->publish);

	v->config_done = startup_config_done(d->startup);
	v->init_done = startup_init_done(d->startup);
	v->warm = startup_is_warm(d->startup);
	v->links_set_down = startup_links_set_down(d->startup);
	v->audits = p->readbacks;
	v->drift = p->drift;
	v->repaired = p->repaired;
	v->orphans = p->orphans;
	v->sets = p->sets;
	v->deletes = p->deletes;
	v->refused = p->refused;
	v->repeats = p->repeats;
	v->batches = p->batches;
	snapshot_fill_hist(&v->batch_rows, &p->batch_rows, &snapshot_rows_bounds);
	snapshot_fill_hist(&v->latency, latency, &snapshot_time_bounds);
	hist_cumulate(latency, &judge_limits(d)->max_latency_nsec, 1, &v->latency_within);
}

static void fill_loop(const struct daemon *d, struct snapshot *v)
{
	struct log_stats log;

	v->turns = d->status_page->turn.count;
	snapshot_fill_hist(&v->turn, &d->status_page->turn, &snapshot_time_bounds);
	log_stats(&log);
	v->log_written = log.written;
	v->log_suppressed = log.held_back;
	v->log_dropped = log.dropped;
	v->dropped_nsec = log.dropped_nsec;
	v->audit_dropped = log.dropped_audit;
	v->log_waiting = log.waiting;
	v->log_refused_nsec = log.refused_since * NSEC_PER_USEC;
	v->log_target_up = log.refused_since == 0 || now_usec() - log.refused_since < LOG_MOMENT_USEC;
	v->settings_refused = d->settings_refused;
	v->http_missing = d->status_page->http_missing;
	(void)snprintf(v->http_reason, sizeof(v->http_reason), "%s", d->status_page->http_reason);
}

static void fill_state(const struct daemon *d, struct snapshot *v)
{
	struct counters_stats state = counters_stats(d);

	(void)snprintf(v->previous_stop, sizeof(v->previous_stop), "%s", d->previous_stop);
	v->state_saves = state.saves;
	v->state_errors = state.errors;
	v->state_saved_nsec = state.last_nsec;
}

/* A port that is only remembered, since it may come back, has no figures. */
static bool is_there(const struct port *port)
{
	return port->link.ifindex || port->appl.configured || port->appl.expected || port->row.mine ||
	       port->owed.deletion || port->row.writing;
}

static struct snapshot_port describe(const struct port *port, bool owes)
{
	struct snapshot_port out = {
		.present = port->link.ifindex != 0,
		.old = port->link.old,
		.configured = port->appl.configured,
		.awaited = port->appl.expected,
		.admin_up = (port->link.flags & IFF_UP) != 0,
		.oper_up = (port->link.flags & IFF_RUNNING) != 0,
		.in_sync = port->appl.configured && links_present(port) && !owes,
		.ifindex = port->link.ifindex,
		.mtu = port->link.mtu,
		.carrier_up = port->link.carrier_up,
		.carrier_down = port->link.carrier_down,
		.flaps = port->history.flaps - port->history.flaps_before,
		.flaps_ever = port->history.flaps,
		.changed_nsec = port->history.changed_nsec,
		.changed_msec = port->history.changed_before_msec,
	};

	memcpy(out.name, port->name, sizeof(out.name));
	return out;
}

static void add_up(struct snapshot *v, const struct snapshot_port *port)
{
	v->ports_configured += port->configured;
	v->ports_present += port->present;
	v->ports_up += port->oper_up;
	v->ports_old += port->old;
	v->ports_waiting += port->present && !port->old && !port->configured;
	v->ports_awaited += port->awaited;
	v->ports_in_sync += port->in_sync;
}

static void fill_ports(const struct daemon *d, struct snapshot *v)
{
	for (const struct port *port = links_next(d->links, NULL); port; port = links_next(d->links, port)) {
		struct snapshot_port described;
		bool owes;

		if (!is_there(port))
			continue;
		owes = publish_owes(port);
		described = describe(port, owes);
		add_up(v, &described);
		v->owed += owes;
		if (v->n_ports < v->room)
			v->ports[v->n_ports] = described;
		v->n_ports++;
	}
}

/* Nothing is built yet: it is not known where Redis is. */
static void fill_awaiting(const struct daemon *d, struct snapshot *v)
{
	static const struct hist none;

	fill_sync(d, v);
	fill_loop(d, v);
	fill_state(d, v);
	for (unsigned i = 0; i < SNAPSHOT_CONNS; i++)
		v->conns[i].away_nsec = d->status_page->sync_changed_nsec;
	for (unsigned i = 0; i < SNAPSHOT_DATABASES; i++)
		snapshot_fill_hist(&v->rtt[i], &none, &snapshot_time_bounds);
	for (unsigned i = 0; i < SNAPSHOT_ERROR_KINDS; i++)
		v->error_names[i] = redis_error_name(i);
	snapshot_fill_hist(&v->batch_rows, &none, &snapshot_rows_bounds);
	snapshot_fill_hist(&v->latency, &none, &snapshot_time_bounds);
	(void)snprintf(v->redis_reason, sizeof(v->redis_reason), "%s", d->awaited);
}

static void fill_all(struct snapshot *v, const struct daemon *d)
{
	*v = (struct snapshot){
		.room = v->room,
		.ports = v->ports,
		.taken_nsec = now_nsec(),
		.dry_run = d->config->dry_run,
		.config_faults = d->config->faults,
	};
	if (d->awaited) {
		fill_awaiting(d, v);
		return;
	}
	fill_netlink(d, v);
	fill_sync(d, v);
	fill_loop(d, v);
	fill_state(d, v);
	fill_ports(d, v);
	if (d->config->dry_run)
		return;
	fill_redis(d, v);
	fill_sonic(d, v);
}

void status_fill(struct snapshot *v, void *user)
{
	struct daemon *d = user;

	fill_all(v, d);
	v->markers_untold = d->status_page->markers_untold;
	judge_snapshot(d, v);
}

static void serve(struct daemon *d)
{
	struct daemon_status *v = d->status_page;

	v->checking = false;
	(void)sd_event_source_set_enabled(v->patience, SD_EVENT_OFF);
	exchange_serve(v->exchange, status_fill, d);
	v->markers_untold = false;
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
	d->status_page->markers_untold = true;
	serve(d);
	return 0;
}

static int on_asked(sd_event_source *source, int fd, uint32_t revents, void *user)
{
	struct daemon *d = user;
	struct daemon_status *v = d->status_page;

	(void)source;
	(void)fd;
	(void)revents;
	if (!d->startup || !exchange_wants_markers(v->exchange)) {
		serve(d);
		return 0;
	}
	if (!startup_check(d->startup)) {
		v->markers_untold = true;
		serve(d);
		return 0;
	}
	exchange_hush(v->exchange);
	v->checking = true;
	(void)sd_event_source_set_time(v->patience, now_usec() + REDIS_PATIENCE_USEC);
	return sd_event_source_set_enabled(v->patience, SD_EVENT_ONESHOT);
}

/* --- what is noted for the figures alone --- */

/* The loop's own clock was read when it woke up. */
void status_note_turn(struct daemon *d)
{
	if (sd_event_now(d->event, CLOCK_MONOTONIC, &d->status_page->turn_usec) >= 0)
		exchange_turn_begins(d->status_page->exchange, d->status_page->turn_usec);
}

void status_note_turn_end(struct daemon *d)
{
	struct daemon_status *v = d->status_page;

	/* A look for events that found none is no turn. */
	if (v->turn_usec == 0)
		return;
	hist_add(&v->turn, now_nsec() - v->turn_usec * NSEC_PER_USEC);
	v->turn_usec = 0;
	exchange_turn_ends(v->exchange);
}

static void note_synced(struct daemon_status *v, uint64_t took)
{
	if (v->last_sync_nsec == 0) {
		v->first_sync_took = took;
		return;
	}
	v->resyncs++;
	hist_add(&v->resync, took);
}

void status_note_sync(struct daemon *d, bool synced)
{
	struct daemon_status *v = d->status_page;
	uint64_t now = now_nsec();

	if (synced == v->synced)
		return;
	if (synced) {
		note_synced(v, now - v->sync_changed_nsec);
		v->last_sync_nsec = now;
	}
	v->synced = synced;
	v->sync_changed_nsec = now;
	judge_soon(d);
}

/* --- serving --- */

static void note_missing(struct daemon_status *v, const struct http_options *options, const char *why)
{
	size_t wanted = options->n_listen + (options->unix_socket != NULL);

	v->http_missing = v->http ? http_stats(v->http)->missing : wanted;
	(void)snprintf(v->http_reason, sizeof(v->http_reason), "%s", why);
}

/* The ports matter more: without a server the daemon goes on. In a dry run there is nothing that a fleet should see. */
static void listen_for_clients(struct daemon *d)
{
	struct http_options options;
	char text[256];
	int r;

	if (d->config->dry_run || !config_http_options(d->config, &options))
		return;
	r = http_new(&d->status_page->http, &options, pages_handle, d->status_page->pages, text, sizeof(text));
	if (r < 0)
		log_warning(KIND_HTTP_DOWN, "metrics and health are not served: %s", text);
	else if (text[0])
		log_warning(KIND_HTTP_PARTLY, "%s", text);
	note_missing(d->status_page, &options, text);
	if (r >= 0)
		pages_set_server(d->status_page->pages, http_stats(d->status_page->http));
}

/* Of the files that were configured at the start: that others are named needs a restart. */
void status_reload(struct daemon *d, const char *who)
{
	struct http_options options;
	char text[PATH_MAX + 256];
	int r = 0;

	if (d->status_page->http && config_http_options(d->config, &options))
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
	struct daemon_status *v = d->status_page;
	int r = sd_event_add_io(d->event, &v->asked, exchange_fd(v->exchange), EPOLLIN, on_asked, d);

	if (r >= 0)
		r = sd_event_add_time(d->event, &v->patience, CLOCK_MONOTONIC, 0, REDIS_ACCURACY_USEC, on_impatient, d);
	if (r >= 0)
		r = sd_event_source_set_enabled(v->patience, SD_EVENT_OFF);
	return r < 0 ? r : 0;
}

int status_build(struct daemon *d)
{
	struct daemon_status *v = calloc(1, sizeof(*v));
	struct stat socket;
	int r;

	if (!v)
		return -ENOMEM;
	d->status_page = v;
	r = exchange_new(&v->exchange);
	if (r < 0)
		return r;
	v->sync_changed_nsec = now_nsec();
	v->pages = pages_new(v->exchange, judge_limits(d), PROC);
	if (!v->pages)
		return -ENOMEM;
	if (d->watch && fstat(watch_socket(d->watch).fd, &socket) == 0)
		v->netlink_inode = socket.st_ino;
	r = add_sources(d);
	if (r == 0)
		listen_for_clients(d);
	return r;
}

void status_start(struct daemon *d)
{
	struct daemon_status *v = d->status_page;
	int r = v->http ? http_start(v->http) : 0;

	if (r == 0)
		return;
	v->http_missing = http_stats(v->http)->listening;
	(void)snprintf(v->http_reason, sizeof(v->http_reason), "%s", strerror(-r));
	/* Clients would wait for ever at an address where nobody serves them. */
	pages_set_server(v->pages, NULL);
	http_free(v->http);
	v->http = NULL;
	log_warning(KIND_HTTP_DOWN, "metrics and health are not served: there is no thread for them: %s", strerror(-r));
}

void status_free(struct daemon *d)
{
	struct daemon_status *v = d->status_page;

	if (!v)
		return;
	exchange_leave(v->exchange);
	http_free(v->http);
	pages_free(v->pages);
	sd_event_source_disable_unref(v->asked);
	sd_event_source_disable_unref(v->patience);
	exchange_free(v->exchange);
	free(v);
}
