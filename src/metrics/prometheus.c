/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/prometheus.h"

#include <stdio.h>
#include <string.h>

#include "base/commit.h"
#include "base/util.h"
#include "http/content.h"

#define PORT_BYTES 900 /* all lines of one port, about */
#define REST_BYTES 32768
#define NAME_TEXT_MAX (4 * IFNAMSIZ)
#ifdef __clang__
#define COMPILER __VERSION__ /* names itself */
#else
#define COMPILER "gcc " __VERSION__
#endif

enum type { COUNTER, GAUGE, HISTOGRAM };
enum form { NUMBER, SECONDS, YES_NO };

struct writer {
	struct text *out;
	bool open;
	const struct prometheus_input *in;
};

/* --- lines --- */

static bool ends_in(const char *name, const char *unit)
{
	size_t len = strlen(name), unit_len = strlen(unit);

	return len > unit_len && strcmp(name + len - unit_len, unit) == 0;
}

/* name: of the family, without the _total of its counters; OpenMetrics calls the family so, the older format does not.
 */
static void family(const struct writer *w, const char *name, enum type type, const char *help)
{
	static const char *const types[] = {"counter", "gauge", "histogram"};
	const char *suffix = type == COUNTER && !w->open ? "_total" : "";
	const char *const line[] = {"# HELP ", name,   suffix, " ",         help, "\n# TYPE ",
				    name,      suffix, " ",    types[type], "\n"};

	for (size_t i = 0; i < ARRAY_SIZE(line); i++)
		text_put(w->out, line[i]);
	if (!w->open || (!ends_in(name, "_seconds") && !ends_in(name, "_bytes")))
		return;
	text_put(w->out, "# UNIT ");
	text_put(w->out, name);
	text_put(w->out, ends_in(name, "_bytes") ? " bytes\n" : " seconds\n");
}

struct label {
	const char *name, *value;
};

/* They end with the first that has no name. */
struct labels {
	struct label at[3];
};

static void put_labels(const struct writer *w, const struct labels *labels)
{
	if (!labels->at[0].name)
		return;
	text_put(w->out, "{");
	for (size_t i = 0; i < ARRAY_SIZE(labels->at) && labels->at[i].name; i++) {
		if (i > 0)
			text_put(w->out, ",");
		text_put(w->out, labels->at[i].name);
		text_put(w->out, "=");
		text_label(w->out, labels->at[i].value);
	}
	text_put(w->out, "}");
}

static void value(const struct writer *w, enum form form, uint64_t figure)
{
	text_put(w->out, " ");
	if (form == SECONDS)
		text_seconds(w->out, figure);
	else
		text_number(w->out, figure);
	text_put(w->out, "\n");
}

static void sample(const struct writer *w, const char *name, const char *suffix, struct labels labels, enum form form,
		   uint64_t figure)
{
	text_put(w->out, name);
	text_put(w->out, suffix);
	put_labels(w, &labels);
	value(w, form, figure);
}

static const struct labels none;

static struct labels label(const char *name, const char *text)
{
	return (struct labels){{{name, text}}};
}

static struct labels two(struct label first, struct label second)
{
	return (struct labels){{first, second}};
}

static void counter(const struct writer *w, const char *name, struct labels labels, enum form form, uint64_t figure)
{
	sample(w, name, "_total", labels, form, figure);
}

static void gauge(const struct writer *w, const char *name, struct labels labels, enum form form, uint64_t figure)
{
	sample(w, name, "", labels, form, figure);
}

static void histogram(const struct writer *w, const char *name, struct labels own, const struct snapshot_hist *h,
		      const struct snapshot_bounds *bounds, enum form form)
{
	for (size_t i = 0; i <= bounds->n; i++) {
		const struct label le = {"le", i < bounds->n ? bounds->labels[i] : "+Inf"};

		sample(w, name, "_bucket", own.at[0].name ? two(own.at[0], le) : two(le, own.at[0]), NUMBER,
		       i < bounds->n ? h->below[i] : h->count);
	}
	sample(w, name, "_sum", own, form, h->sum);
	sample(w, name, "_count", own, NUMBER, h->count);
}

/* --- figures without labels --- */

struct figure {
	const char *name, *help;
	enum type type;
	enum form form;
	size_t offset; /* of a uint64_t, or of a bool when the form is YES_NO */
};

#define VIEW(member) offsetof(struct snapshot, member)
#define PROC(member) offsetof(struct procstat, member)

/* clang-format off */
static const struct figure snapshot_figures[] = {
	{"portsyncd_port_init_done", "PortInitDone was sent", GAUGE, YES_NO, VIEW(init_done)},
	{"portsyncd_port_config_done", "PortConfigDone was sent or needs not be", GAUGE, YES_NO, VIEW(config_done)},
	{"portsyncd_warm_start", "This was a warm start", GAUGE, YES_NO, VIEW(warm)},
	{"portsyncd_ports_owed", "Ports whose row Redis has not acknowledged", GAUGE, NUMBER, VIEW(owed)},
	{"portsyncd_netlink_connected", "The event socket works", GAUGE, YES_NO, VIEW(netlink_works)},
	{"portsyncd_netlink_datagrams", "Datagrams of the event socket", COUNTER, NUMBER, VIEW(datagrams)},
	{"portsyncd_netlink_filtered", "Link messages read that concern no port", COUNTER, NUMBER, VIEW(ignored)},
	{"portsyncd_netlink_overruns", "Times the kernel said that it dropped messages", COUNTER, NUMBER, VIEW(overruns)},
	{"portsyncd_netlink_truncations", "Datagrams longer than the buffer", COUNTER, NUMBER, VIEW(truncations)},
	{"portsyncd_netlink_errors", "Failures of the event socket", COUNTER, NUMBER, VIEW(socket_errors)},
	{"portsyncd_netlink_malformed", "Malformed messages", COUNTER, NUMBER, VIEW(malformed)},
	{"portsyncd_netlink_spoofed", "Datagrams dropped because the kernel did not send them", COUNTER, NUMBER, VIEW(spoofed)},
	{"portsyncd_netlink_dumps", "Readings of all links that were begun", COUNTER, NUMBER, VIEW(dumps)},
	{"portsyncd_netlink_dumps_interrupted", "Dumps that a change made void", COUNTER, NUMBER, VIEW(dumps_interrupted)},
	{"portsyncd_netlink_dumps_failed", "Dumps that failed or timed out", COUNTER, NUMBER, VIEW(dumps_failed)},
	{"portsyncd_netlink_dumps_retried", "Dumps begun because the one before came to nothing", COUNTER, NUMBER, VIEW(dumps_retried)},
	{"portsyncd_netlink_receive_buffer_bytes", "How much may wait in the event socket", GAUGE, NUMBER, VIEW(receive_buffer)},
	{"portsyncd_synced", "What is known equals the links of the kernel", GAUGE, YES_NO, VIEW(synced)},
	{"portsyncd_resyncs", "Times it came back into sync after a loss", COUNTER, NUMBER, VIEW(resyncs)},
	{"portsyncd_audits", "Complete readings of our fields in STATE_DB", COUNTER, NUMBER, VIEW(audits)},
	{"portsyncd_kernel_silent_changes", "Links that a reading found to differ without a message", COUNTER, NUMBER, VIEW(silent_changes)},
	{"portsyncd_kernel_rereads", "Readings of all links while in sync", COUNTER, NUMBER, VIEW(rereads)},
	{"portsyncd_kernel_links_reread", "Links that were read singly", COUNTER, NUMBER, VIEW(links_reread)},
	{"portsyncd_drift_found", "Rows that somebody else had changed", COUNTER, NUMBER, VIEW(drift)},
	{"portsyncd_drift_repaired", "Rows that somebody else had changed and that are right again", COUNTER, NUMBER, VIEW(repaired)},
	{"portsyncd_orphans_found", "Rows found in STATE_DB that no interface stands behind", COUNTER, NUMBER, VIEW(orphans)},
	{"portsyncd_redis_batches", "Loop turns that wrote rows to STATE_DB", COUNTER, NUMBER, VIEW(batches)},
	{"portsyncd_rows_repeated", "Rows written though they said nothing new: an event was owed", COUNTER, NUMBER, VIEW(repeats)},
	{"portsyncd_row_refusals", "Writes of rows that Redis answered with an error", COUNTER, NUMBER, VIEW(refused)},
	{"portsyncd_ports_configured", "Ports with a row in APPL_DB", GAUGE, NUMBER, VIEW(ports_configured)},
	{"portsyncd_ports_present", "Ports with an interface", GAUGE, NUMBER, VIEW(ports_present)},
	{"portsyncd_ports_up", "Ports whose oper status is up", GAUGE, NUMBER, VIEW(ports_up)},
	{"portsyncd_ports_old", "Ports whose interface is left from before a cold start", GAUGE, NUMBER, VIEW(ports_old)},
	{"portsyncd_links_set_down", "Interfaces that a cold start set down", COUNTER, NUMBER, VIEW(links_set_down)},
	{"portsyncd_ports_waiting", "Ports with an interface but no row in APPL_DB", GAUGE, NUMBER, VIEW(ports_waiting)},
	{"portsyncd_ports_awaited", "Ports that PortInitDone waits for", GAUGE, NUMBER, VIEW(ports_awaited)},
	{"portsyncd_ports_in_sync", "Configured ports whose row Redis has acknowledged", GAUGE, NUMBER, VIEW(ports_in_sync)},
	{"portsyncd_loop_turns", "Times the loop woke up", COUNTER, NUMBER, VIEW(turns)},
	{"portsyncd_loop_longest_turn_seconds", "The longest time one wake-up worked", GAUGE, SECONDS, VIEW(turn.max)},
	{"portsyncd_settings_refused", "Settings that the machine refused", GAUGE, NUMBER, VIEW(settings_refused)},
	{"portsyncd_state_saves", "Times the state file was saved", COUNTER, NUMBER, VIEW(state_saves)},
	{"portsyncd_state_save_errors", "Times it could not be saved", COUNTER, NUMBER, VIEW(state_errors)},
	{"portsyncd_log_lines_written", "Log lines handed to the collector", COUNTER, NUMBER, VIEW(log_written)},
	{"portsyncd_log_lines_suppressed", "Log lines held back: too many of one kind", COUNTER, NUMBER, VIEW(log_suppressed)},
	{"portsyncd_log_lines_dropped", "Log lines lost: the collector did not take them", COUNTER, NUMBER, VIEW(log_dropped)},
	{"portsyncd_audit_records_dropped", "Audit records among the log lines lost", COUNTER, NUMBER, VIEW(audit_dropped)},
	{"portsyncd_log_lines_waiting", "Log lines not yet handed to the collector", GAUGE, NUMBER, VIEW(log_waiting)},
	{"portsyncd_log_target_up", "Whether the collector takes log lines", GAUGE, NUMBER, VIEW(log_target_up)},
};

static const struct figure proc_figures[] = {
	{"portsyncd_locked_memory_bytes", "Address space locked into memory", GAUGE, NUMBER, PROC(locked_bytes)},
	{"process_cpu_seconds", "CPU time of all threads", COUNTER, SECONDS, PROC(cpu_nsec)},
	{"process_open_fds", "Open file descriptors", GAUGE, NUMBER, PROC(open_fds)},
	{"process_max_fds", "Limit of open file descriptors", GAUGE, NUMBER, PROC(max_fds)},
	{"process_virtual_memory_bytes", "Address space", GAUGE, NUMBER, PROC(virtual_bytes)},
	{"process_resident_memory_bytes", "Resident memory", GAUGE, NUMBER, PROC(resident_bytes)},
	{"process_threads", "Threads", GAUGE, NUMBER, PROC(threads)},
};
/* clang-format on */

static void figures(const struct writer *w, const void *from, const struct figure *list, size_t n)
{
	for (const struct figure *f = list; f < list + n; f++) {
		const char *at = (const char *)from + f->offset;
		uint64_t figure = f->form == YES_NO ? *(const bool *)at : *(const uint64_t *)(const void *)at;

		family(w, f->name, f->type, f->help);
		sample(w, f->name, f->type == COUNTER ? "_total" : "", none, f->form, figure);
	}
}

static void one(const struct writer *w, const char *name, enum type type, const char *help, enum form form,
		uint64_t figure)
{
	family(w, name, type, help);
	sample(w, name, type == COUNTER ? "_total" : "", none, form, figure);
}

/* --- figures with labels, or that are worked out --- */

static void write_events(const struct writer *w)
{
	const struct snapshot *v = w->in->answer->snapshot;

	one(w, "portsyncd_events_processed", COUNTER, "Link messages read and applied", NUMBER, health_processed(v));
	one(w, "portsyncd_events_failed", COUNTER, "Messages and rows that came to nothing", NUMBER, health_failed(v));
	family(w, "portsyncd_netlink_messages", COUNTER, "Messages of the event socket");
	counter(w, "portsyncd_netlink_messages", label("type", "newlink"), NUMBER, v->newlink);
	counter(w, "portsyncd_netlink_messages", label("type", "dellink"), NUMBER, v->dellink);
	counter(w, "portsyncd_netlink_messages", label("type", "other"), NUMBER, v->messages - v->newlink - v->dellink);
	family(w, "portsyncd_event_latency_seconds", HISTOGRAM, "From the receipt of a change to Redis' answer");
	histogram(w, "portsyncd_event_latency_seconds", none, &v->latency, &snapshot_time_bounds, SECONDS);
}

static void write_sync(const struct writer *w)
{
	const struct snapshot *v = w->in->answer->snapshot;
	uint64_t now = w->in->now_nsec;

	one(w, "portsyncd_unsynced_seconds", GAUGE, "How long what is known may not equal the links", SECONDS,
	    v->synced || now < v->sync_changed_nsec ? 0 : now - v->sync_changed_nsec);
	if (v->last_sync_nsec)
		one(w, "portsyncd_last_sync_timestamp_seconds", GAUGE, "When all links were last read", SECONDS,
		    v->last_sync_nsec + w->in->epoch_nsec);
	if (v->first_sync_took)
		one(w, "portsyncd_initial_sync_duration_seconds", GAUGE, "Up to the first complete sync", SECONDS,
		    v->first_sync_took);
	one(w, "portsyncd_drift_pending", GAUGE, "Rows that somebody else had changed and that are not right again",
	    NUMBER, v->drift - v->repaired);
	family(w, "portsyncd_resync_duration_seconds", HISTOGRAM, "From a loss to being in sync again");
	histogram(w, "portsyncd_resync_duration_seconds", none, &v->resync, &snapshot_sync_bounds, SECONDS);
}

static const char *const conn_names[SNAPSHOT_CONNS] = {
	[SNAPSHOT_CONFIG_DB] = "CONFIG_DB",
	[SNAPSHOT_APPL_DB] = "APPL_DB",
	[SNAPSHOT_STATE_DB] = "STATE_DB",
	[SNAPSHOT_APPL_EVENTS] = "APPL_DB events",
	[SNAPSHOT_CONFIG_EVENTS] = "CONFIG_DB events",
};

/* One figure of each connection. */
struct conn_figure {
	const char *name, *help;
	enum type type;
	size_t n, offset; /* the first n connections have it; a uint64_t */
};

#define CONN(member) offsetof(struct snapshot_conn, member)

/* clang-format off */
static const struct conn_figure conn_figures[] = {
	{"portsyncd_redis_flushes", "Writes to the socket", COUNTER, SNAPSHOT_CONNS, CONN(flushes)},
	{"portsyncd_redis_sent_bytes", "Bytes written to the socket", COUNTER, SNAPSHOT_CONNS, CONN(bytes_out)},
	{"portsyncd_redis_commands", "Commands sent", COUNTER, SNAPSHOT_DATABASES, CONN(commands)},
	{"portsyncd_redis_in_flight", "Commands without an answer", GAUGE, SNAPSHOT_DATABASES, CONN(in_flight)},
};
/* clang-format on */

static void write_conn_figures(const struct writer *w)
{
	const struct snapshot_conn *conns = w->in->answer->snapshot->conns;

	for (const struct conn_figure *f = conn_figures; f < conn_figures + ARRAY_SIZE(conn_figures); f++) {
		family(w, f->name, f->type, f->help);
		for (size_t i = 0; i < f->n; i++)
			sample(w, f->name, f->type == COUNTER ? "_total" : "",
			       label(f->n == SNAPSHOT_CONNS ? "connection" : "database", conn_names[i]), NUMBER,
			       *(const uint64_t *)(const void *)((const char *)&conns[i] + f->offset));
	}
}

static void write_errors(const struct writer *w)
{
	const struct snapshot *v = w->in->answer->snapshot;

	family(w, "portsyncd_redis_errors", COUNTER, "Error answers, silent servers, lost connections");
	for (size_t i = 0; i < SNAPSHOT_CONNS; i++) {
		for (size_t k = 0; k < SNAPSHOT_ERROR_KINDS && v->error_names[k] && i < SNAPSHOT_DATABASES; k++)
			counter(w, "portsyncd_redis_errors",
				two((struct label){"connection", conn_names[i]},
				    (struct label){"kind", v->error_names[k]}),
				NUMBER, v->conns[i].errors[k]);
		counter(w, "portsyncd_redis_errors",
			two((struct label){"connection", conn_names[i]}, (struct label){"kind", "timeout"}), NUMBER,
			v->conns[i].timeouts);
		counter(w, "portsyncd_redis_errors",
			two((struct label){"connection", conn_names[i]}, (struct label){"kind", "lost"}), NUMBER,
			v->conns[i].losses);
	}
}

static void write_redis(const struct writer *w)
{
	const struct snapshot *v = w->in->answer->snapshot;
	uint64_t ready = 0;

	family(w, "portsyncd_redis_connection_up", GAUGE, "The connection is ready");
	for (size_t i = 0; i < SNAPSHOT_CONNS; i++) {
		gauge(w, "portsyncd_redis_connection_up", label("connection", conn_names[i]), NUMBER,
		      v->conns[i].ready);
		ready += v->conns[i].ready;
	}
	one(w, "portsyncd_redis_connected", GAUGE, "All connections are ready", NUMBER, ready == SNAPSHOT_CONNS);
	family(w, "portsyncd_redis_reconnects", COUNTER, "Times it was made again after having been ready");
	for (size_t i = 0; i < SNAPSHOT_CONNS; i++)
		counter(w, "portsyncd_redis_reconnects", label("connection", conn_names[i]), NUMBER,
			v->conns[i].connects - (v->conns[i].connects > 0));
	write_conn_figures(w);
	write_errors(w);
	family(w, "portsyncd_redis_latency_seconds", HISTOGRAM, "From a write to the answer to its last command");
	for (size_t i = 0; i < SNAPSHOT_DATABASES; i++)
		histogram(w, "portsyncd_redis_latency_seconds", label("database", conn_names[i]), &v->rtt[i],
			  &snapshot_time_bounds, SECONDS);
	family(w, "portsyncd_redis_batch_rows", HISTOGRAM, "Rows written in one loop turn");
	histogram(w, "portsyncd_redis_batch_rows", none, &v->batch_rows, &snapshot_rows_bounds, NUMBER);
	family(w, "portsyncd_row_writes", COUNTER, "Writes of rows of STATE_DB");
	counter(w, "portsyncd_row_writes", label("operation", "set"), NUMBER, v->sets);
	counter(w, "portsyncd_row_writes", label("operation", "delete"), NUMBER, v->deletes);
}

/* --- ports --- */

/* Calls line() for every port, all ports of one family together. */
static void each_port(const struct writer *w, const char *name, enum type type, const char *help,
		      void (*line)(const struct writer *w, const char *name, const struct snapshot_port *port,
				   const char *text))
{
	const struct snapshot *v = w->in->answer->snapshot;
	char text[NAME_TEXT_MAX];

	family(w, name, type, help);
	for (size_t i = 0; i < v->n_ports; i++)
		line(w, name, &v->ports[i], text_utf8(v->ports[i].name, text));
}

static void flaps_line(const struct writer *w, const char *name, const struct snapshot_port *port, const char *text)
{
	counter(w, name, label("port", text), NUMBER, port->flaps);
}

static void flaps_ever_line(const struct writer *w, const char *name, const struct snapshot_port *port,
			    const char *text)
{
	gauge(w, name, label("port", text), NUMBER, port->flaps_ever);
}

static void admin_line(const struct writer *w, const char *name, const struct snapshot_port *port, const char *text)
{
	if (port->present)
		gauge(w, name, label("port", text), NUMBER, port->admin_up);
}

static void oper_line(const struct writer *w, const char *name, const struct snapshot_port *port, const char *text)
{
	if (port->present)
		gauge(w, name, label("port", text), NUMBER, port->oper_up);
}

static void mtu_line(const struct writer *w, const char *name, const struct snapshot_port *port, const char *text)
{
	if (port->present)
		gauge(w, name, label("port", text), NUMBER, port->mtu);
}

static void carrier_line(const struct writer *w, const char *name, const struct snapshot_port *port, const char *text)
{
	if (!port->present)
		return;
	counter(w, name, two((struct label){"port", text}, (struct label){"direction", "up"}), NUMBER,
		port->carrier_up);
	counter(w, name, two((struct label){"port", text}, (struct label){"direction", "down"}), NUMBER,
		port->carrier_down);
}

static void sync_line(const struct writer *w, const char *name, const struct snapshot_port *port, const char *text)
{
	if (port->present)
		gauge(w, name, label("port", text), NUMBER, port->in_sync);
}

static void change_line(const struct writer *w, const char *name, const struct snapshot_port *port, const char *text)
{
	uint64_t since_epoch =
		port->changed_nsec ? port->changed_nsec + w->in->epoch_nsec : port->changed_msec * NSEC_PER_MSEC;

	if (since_epoch)
		gauge(w, name, label("port", text), SECONDS, since_epoch);
}

static void write_ports(const struct writer *w)
{
	/* What was carried over is no counter: after a kill it may begin below where it was, yet not at 0. */
	each_port(w, "portsyncd_port_flaps", COUNTER, "Changes of the oper status since start", flaps_line);
	each_port(w, "portsyncd_port_flaps_lifetime", GAUGE, "Changes of the oper status, also over restarts",
		  flaps_ever_line);
	each_port(w, "portsyncd_port_admin_up", GAUGE, "The admin status is up", admin_line);
	each_port(w, "portsyncd_port_oper_up", GAUGE, "The oper status is up", oper_line);
	each_port(w, "portsyncd_port_mtu_bytes", GAUGE, "MTU", mtu_line);
	each_port(w, "portsyncd_port_carrier_changes", COUNTER, "Changes of the carrier as the kernel counts them",
		  carrier_line);
	each_port(w, "portsyncd_port_in_sync", GAUGE, "Redis has acknowledged the row as it should be", sync_line);
	each_port(w, "portsyncd_port_last_change_timestamp_seconds", GAUGE,
		  "When oper status, admin status or MTU last changed", change_line);
}

/* --- loop, process, health --- */

static void write_loop(const struct writer *w)
{
	const struct exchange_answer *a = w->in->answer;
	const struct procstat *p = w->in->proc;

	family(w, "portsyncd_loop_turn_seconds", HISTOGRAM, "How long one wake-up worked");
	histogram(w, "portsyncd_loop_turn_seconds", none, &a->snapshot->turn, &snapshot_time_bounds, SECONDS);
	one(w, "portsyncd_loop_answer_seconds", GAUGE, "How long the loop took to answer this scrape", SECONDS,
	    a->waited_nsec);
	one(w, "portsyncd_loop_stall_seconds", GAUGE, "How long the present turn of the loop takes", SECONDS,
	    a->stall_nsec);
	one(w, "portsyncd_view_age_seconds", GAUGE, "How old these figures are", SECONDS,
	    a->fresh ? 0 : w->in->now_nsec - a->snapshot->taken_nsec);
	family(w, "portsyncd_loop_cpu_seconds", COUNTER, "CPU time of the loop");
	counter(w, "portsyncd_loop_cpu_seconds", label("mode", "user"), SECONDS, p->loop_user_nsec);
	counter(w, "portsyncd_loop_cpu_seconds", label("mode", "system"), SECONDS, p->loop_system_nsec);
	family(w, "portsyncd_loop_context_switches", COUNTER, "Context switches of the loop");
	counter(w, "portsyncd_loop_context_switches", label("kind", "voluntary"), NUMBER, p->loop_voluntary);
	counter(w, "portsyncd_loop_context_switches", label("kind", "involuntary"), NUMBER, p->loop_involuntary);
	family(w, "portsyncd_loop_page_faults", COUNTER, "Page faults of the loop");
	counter(w, "portsyncd_loop_page_faults", label("kind", "minor"), NUMBER, p->loop_minor_faults);
	counter(w, "portsyncd_loop_page_faults", label("kind", "major"), NUMBER, p->loop_major_faults);
	if (p->has_run_delay)
		one(w, "portsyncd_loop_run_delay_seconds", COUNTER, "How long the ready loop waited for a processor",
		    SECONDS, p->loop_run_delay_nsec);
	if (p->has_migrations)
		one(w, "portsyncd_loop_cpu_migrations", COUNTER, "Moves of the loop to another processor", NUMBER,
		    p->loop_migrations);
}

static void write_process(const struct writer *w)
{
	const struct procstat *p = w->in->proc;

	const struct snapshot *v = w->in->answer->snapshot;

	figures(w, p, proc_figures, ARRAY_SIZE(proc_figures));
	if (v->state_saved_nsec)
		one(w, "portsyncd_state_last_save_timestamp_seconds", GAUGE, "When the state file was last saved",
		    SECONDS, v->state_saved_nsec + w->in->epoch_nsec);
	one(w, "process_start_time_seconds", GAUGE, "When the process began", SECONDS, w->in->started_nsec);
	if (p->has_netlink) {
		one(w, "portsyncd_netlink_drops", COUNTER, "Messages the kernel dropped for the event socket", NUMBER,
		    p->netlink_drops);
		one(w, "portsyncd_netlink_receive_queue_bytes", GAUGE, "What waits in the event socket", NUMBER,
		    p->netlink_queued);
	}
	family(w, "portsyncd_pages_served", COUNTER, "Answers of the HTTP server");
	for (size_t i = 0; i < w->in->n_pages; i++)
		counter(w, "portsyncd_pages_served", label("page", w->in->pages[i].name), NUMBER,
			w->in->pages[i].served);
	one(w, "portsyncd_pages_cpu_seconds", COUNTER, "CPU time spent on making them", SECONDS, w->in->pages_cpu_nsec);
}

static void write_server(const struct writer *w)
{
	static const char *const classes[] = {"other", "1xx", "2xx", "3xx", "4xx", "5xx"};
	const struct http_stats *s = w->in->server;

	if (!s)
		return;
	family(w, "portsyncd_http_answers", COUNTER, "Answers of the HTTP server by the class of their status");
	for (size_t i = 0; i < ARRAY_SIZE(classes); i++)
		counter(w, "portsyncd_http_answers", label("class", classes[i]), NUMBER, s->answers[i]);
	one(w, "portsyncd_http_clients", GAUGE, "Clients of the HTTP server now", NUMBER, s->open);
	one(w, "portsyncd_http_accepted", COUNTER, "Clients of the HTTP server so far", NUMBER, s->accepted);
	family(w, "portsyncd_http_dropped", COUNTER, "Clients that the HTTP server dropped");
	counter(w, "portsyncd_http_dropped", label("reason", "evicted"), NUMBER, s->evicted);
	counter(w, "portsyncd_http_dropped", label("reason", "late"), NUMBER, s->late);
	counter(w, "portsyncd_http_dropped", label("reason", "idle"), NUMBER, s->idle);
	counter(w, "portsyncd_http_dropped", label("reason", "not_accepted"), NUMBER, s->not_accepted);
	one(w, "portsyncd_http_handshakes_failed", COUNTER, "TLS handshakes that failed", NUMBER, s->handshakes_failed);
	one(w, "portsyncd_http_certificates_refused", COUNTER, "Client certificates that were refused", NUMBER,
	    s->certificates_refused);
	one(w, "portsyncd_http_certificate_expiry_timestamp_seconds", GAUGE, "Until when the certificate is good",
	    NUMBER, s->expires);
}

/* 1, 0.5 or 0. */
static uint64_t level_figure(enum health_level level)
{
	return (2 - (uint64_t)level) * NSEC_PER_SEC / 2;
}

static void write_health(const struct writer *w)
{
	const struct health_report *h = w->in->health;

	one(w, "portsyncd_health_status", GAUGE, "1 healthy, 0.5 degraded, 0 unhealthy", SECONDS,
	    level_figure(h->level));
	family(w, "portsyncd_health_check", GAUGE, "1 healthy, 0.5 degraded, 0 unhealthy");
	for (unsigned i = 0; i < HEALTH_CHECKS; i++)
		gauge(w, "portsyncd_health_check", label("check", health_check_name(i)), SECONDS,
		      level_figure(h->checks[i].level));
	family(w, "portsyncd_build_info", GAUGE, "Always 1");
	gauge(w, "portsyncd_build_info",
	      (struct labels){{{"version", PORTSYNCD_VERSION}, {"commit", base_commit}, {"compiler", COMPILER}}},
	      NUMBER, 1);
}

static void write_previous(const struct writer *w)
{
	family(w, "portsyncd_previous_stop_info", GAUGE, "Always 1: how the process before this one ended");
	gauge(w, "portsyncd_previous_stop_info", label("result", w->in->answer->snapshot->previous_stop), NUMBER, 1);
}

void prometheus_write(struct text *out, bool open, const struct prometheus_input *in)
{
	const struct writer w = {.out = out, .open = open, .in = in};

	text_reserve(out, REST_BYTES + in->answer->snapshot->n_ports * PORT_BYTES);
	write_health(&w);
	write_previous(&w);
	write_events(&w);
	figures(&w, in->answer->snapshot, snapshot_figures, ARRAY_SIZE(snapshot_figures));
	write_sync(&w);
	write_redis(&w);
	write_loop(&w);
	write_process(&w);
	write_server(&w);
	write_ports(&w);
	if (open)
		text_put(out, "# EOF\n");
}

/* --- which format --- */

#define RANGES 3 /* any, any of the type, the type itself */

/* The weight that Accept gives to type/subtype, by its most exact range (RFC 9110, 12.5.1), which is at least so exact:
 * 1 for any, RANGES for the type itself. 0: none. */
static unsigned weight(const char *accept, const char *type, const char *subtype, unsigned least)
{
	unsigned best = least - 1, found = 0;

	for (const char *at = accept, *end; *at; at = end + strspn(end, ",")) {
		size_t len;

		at += strspn(at, " \t");
		end = at + strcspn(at, ",");
		len = strcspn(at, "; \t,");
		for (unsigned exact = 1; exact <= RANGES; exact++) {
			char range[64];
			int n = snprintf(range, sizeof(range), "%s/%s", exact == 1 ? "*" : type,
					 exact == RANGES ? subtype : "*");

			if (exact > best && len == (size_t)n && strncasecmp(at, range, len) == 0) {
				best = exact;
				found = http_weight(at, end);
			}
		}
	}
	return found;
}

/* Named as such: who takes anything gets what everybody understands. */
bool prometheus_wants_open(const char *accept)
{
	unsigned open = accept ? weight(accept, "application", "openmetrics-text", RANGES) : 0;

	return open > 0 && open >= weight(accept, "text", "plain", 1);
}
