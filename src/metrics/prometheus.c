/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/prometheus.h"

#include <stdio.h>
#include <stdlib.h>
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

#define LOG_MOMENT_NSEC NSEC_PER_SEC /* how long a log target may be busy */

enum metric_type { COUNTER, GAUGE, HISTOGRAM };
enum form { NUMBER, SECONDS };

/* The page while it is made; name is that of the family whose samples are being written. */
struct exposition {
	struct text *out;
	bool open;
	const char *name;
	size_t name_len;
	struct text port_labels; /* {port="Ethernet0" of each port: all its samples begin with it, so it is made once */
	const struct prometheus_input *in;
};

/* --- lines --- */

/* A counter's samples end in _total. OpenMetrics calls its family by the name before that. */
static size_t family_length(const struct exposition *e, enum metric_type type)
{
	return e->name_len - (type == COUNTER && e->open ? strlen("_total") : 0);
}

static bool ends_in(const char *name, size_t len, const char *unit)
{
	size_t unit_len = strlen(unit);

	return len > unit_len && memcmp(name + len - unit_len, unit, unit_len) == 0;
}

static void put_about(const struct exposition *e, const char *what, size_t name_len, const char *text)
{
	text_put(e->out, what);
	text_add(e->out, e->name, name_len);
	text_put(e->out, " ");
	text_put(e->out, text);
	text_put(e->out, "\n");
}

/* Begins a family. Its full name stands here in one piece, so that a search finds it; a counter's ends in _total. */
static void family(struct exposition *e, enum metric_type type, const char *name, const char *help)
{
	static const char *const types[] = {"counter", "gauge", "histogram"};
	size_t len;

	e->name = name;
	e->name_len = strlen(name);
	len = family_length(e, type);
	put_about(e, "# HELP ", len, help);
	put_about(e, "# TYPE ", len, types[type]);
	if (e->open && ends_in(name, len, "_seconds"))
		put_about(e, "# UNIT ", len, "seconds");
	if (e->open && ends_in(name, len, "_bytes"))
		put_about(e, "# UNIT ", len, "bytes");
}

struct label {
	const char *name, *value;
};

/* The list ends with the first one that has no name. */
struct labels {
	struct label at[3];
};

static void put_labels(const struct exposition *e, const struct labels *labels)
{
	if (!labels->at[0].name)
		return;
	text_put(e->out, "{");
	for (size_t i = 0; i < ARRAY_SIZE(labels->at) && labels->at[i].name; i++) {
		if (i > 0)
			text_put(e->out, ",");
		text_put(e->out, labels->at[i].name);
		text_put(e->out, "=");
		text_label(e->out, labels->at[i].value);
	}
	text_put(e->out, "}");
}

static void put_figure(const struct exposition *e, enum form form, uint64_t figure)
{
	text_put(e->out, " ");
	if (form == SECONDS)
		text_seconds(e->out, figure);
	else
		text_number(e->out, figure);
	text_put(e->out, "\n");
}

static void put_sample(const struct exposition *e, const char *suffix, struct labels labels, enum form form,
		       uint64_t figure)
{
	text_add(e->out, e->name, e->name_len);
	text_put(e->out, suffix);
	put_labels(e, &labels);
	put_figure(e, form, figure);
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

/* One sample of the family, and a figure in nanoseconds that is written in seconds. */
static void sample(const struct exposition *e, struct labels labels, uint64_t figure)
{
	put_sample(e, "", labels, NUMBER, figure);
}

static void sample_seconds(const struct exposition *e, struct labels labels, uint64_t nsec)
{
	put_sample(e, "", labels, SECONDS, nsec);
}

static void sample_histogram(const struct exposition *e, struct labels own, const struct snapshot_hist *h,
			     const struct snapshot_bounds *bounds, enum form form)
{
	for (size_t i = 0; i <= bounds->n; i++) {
		const struct label le = {"le", i < bounds->n ? bounds->labels[i] : "+Inf"};

		put_sample(e, "_bucket", own.at[0].name ? two(own.at[0], le) : two(le, own.at[0]), NUMBER,
			   i < bounds->n ? h->below[i] : h->count);
	}
	put_sample(e, "_sum", own, form, h->sum);
	put_sample(e, "_count", own, NUMBER, h->count);
}

/* Families with one sample and no label. */
static void counter(struct exposition *e, const char *name, const char *help, uint64_t figure)
{
	family(e, COUNTER, name, help);
	sample(e, none, figure);
}

static void counter_seconds(struct exposition *e, const char *name, const char *help, uint64_t nsec)
{
	family(e, COUNTER, name, help);
	sample_seconds(e, none, nsec);
}

static void gauge(struct exposition *e, const char *name, const char *help, uint64_t figure)
{
	family(e, GAUGE, name, help);
	sample(e, none, figure);
}

static void gauge_seconds(struct exposition *e, const char *name, const char *help, uint64_t nsec)
{
	family(e, GAUGE, name, help);
	sample_seconds(e, none, nsec);
}

static void histogram(struct exposition *e, const char *name, const char *help, const struct snapshot_hist *h,
		      const struct snapshot_bounds *bounds, enum form form)
{
	family(e, HISTOGRAM, name, help);
	sample_histogram(e, none, h, bounds, form);
}

/* A time of CLOCK_MONOTONIC; absent when it is 0: not yet. */
static void gauge_timestamp(struct exposition *e, const char *name, const char *help, uint64_t nsec)
{
	if (nsec)
		gauge_seconds(e, name, help, nsec + e->in->epoch_nsec);
}

/* --- the kernel --- */

static void write_netlink(struct exposition *e, const struct snapshot *s)
{
	const struct watch_stats *w = &s->watch;

	family(e, COUNTER, "portsyncd_netlink_messages_total", "Messages of the event socket");
	sample(e, label("type", "newlink"), w->newlink);
	sample(e, label("type", "dellink"), w->dellink);
	sample(e, label("type", "other"), w->messages - w->newlink - w->dellink);
	counter(e, "portsyncd_events_processed_total", "Link messages read and applied", health_processed(s));
	counter(e, "portsyncd_events_failed_total", "Messages and rows that failed", health_failed(s));
	gauge(e, "portsyncd_netlink_connected", "The event socket works", s->socket.works);
	counter(e, "portsyncd_netlink_datagrams_total", "Datagrams of the event socket", w->datagrams);
	counter(e, "portsyncd_netlink_filtered_total", "Link messages read that concern no port", s->links.ignored);
	counter(e, "portsyncd_netlink_overruns_total", "Times the kernel said that it dropped messages", w->overruns);
	counter(e, "portsyncd_netlink_truncations_total", "Datagrams longer than the buffer", w->truncations);
	counter(e, "portsyncd_netlink_errors_total", "Failures of the event socket", w->socket_errors);
	counter(e, "portsyncd_netlink_malformed_total", "Malformed messages", w->malformed);
	counter(e, "portsyncd_netlink_spoofed_total", "Datagrams dropped because the kernel did not send them",
		w->spoofed);
	counter(e, "portsyncd_netlink_dumps_total", "Dumps of all links that were begun", w->dumps);
	counter(e, "portsyncd_netlink_dumps_interrupted_total", "Dumps that a change interrupted",
		w->dumps_interrupted);
	counter(e, "portsyncd_netlink_dumps_failed_total", "Dumps that failed or timed out", w->dumps_failed);
	counter(e, "portsyncd_netlink_dumps_retried_total", "Dumps begun because the previous one was not used",
		w->dumps_retried);
	gauge(e, "portsyncd_netlink_receive_buffer_bytes", "Size of the event socket's receive buffer",
	      s->socket.rcvbuf);
	counter(e, "portsyncd_kernel_silent_changes_total", "Links found changed without a message from the kernel",
		s->mirror.silent_changes);
	counter(e, "portsyncd_kernel_rereads_total", "Times all links were read again while in sync",
		s->mirror.reread.all);
	counter(e, "portsyncd_kernel_links_reread_total", "Links that were read again one by one",
		s->mirror.reread.links);
}

static void write_socket(struct exposition *e, const struct procstat *p)
{
	if (!p->has_netlink)
		return;
	counter(e, "portsyncd_netlink_drops_total", "Messages the kernel dropped for the event socket",
		p->netlink_drops);
	gauge(e, "portsyncd_netlink_receive_queue_bytes", "Bytes waiting in the event socket", p->netlink_queued);
}

/* --- being in sync --- */

static void write_sync(struct exposition *e, const struct snapshot *s)
{
	const struct snapshot_sync *sync = &s->sync;
	uint64_t now = e->in->now_nsec;

	gauge(e, "portsyncd_synced", "The daemon is in sync with the kernel's links", sync->synced);
	gauge_seconds(e, "portsyncd_unsynced_seconds",
		      "How long the daemon has not been in sync with the kernel's "
		      "links",
		      sync->synced || now < sync->changed_nsec ? 0 : now - sync->changed_nsec);
	gauge_timestamp(e, "portsyncd_last_sync_timestamp_seconds", "When all links were last read", sync->last_nsec);
	if (sync->first_took_nsec)
		gauge_seconds(e, "portsyncd_initial_sync_duration_seconds", "Time until the first complete sync",
			      sync->first_took_nsec);
	counter(e, "portsyncd_resyncs_total", "Times it came back into sync after a loss", sync->resyncs);
	histogram(e, "portsyncd_resync_duration_seconds", "From a loss to being in sync again", &s->resync,
		  &snapshot_sync_bounds, SECONDS);
	gauge(e, "portsyncd_port_config_done", "PortConfigDone was sent, or is not required", s->config_done);
	gauge(e, "portsyncd_port_init_done", "PortInitDone was sent", s->init_done);
	gauge(e, "portsyncd_warm_start", "This was a warm start", s->warm);
}

static void write_publish(struct exposition *e, const struct snapshot *s)
{
	const struct publish_stats *p = &s->publish;

	family(e, COUNTER, "portsyncd_row_writes_total", "Writes of rows of STATE_DB");
	sample(e, label("operation", "set"), p->sets);
	sample(e, label("operation", "delete"), p->deletes);
	counter(e, "portsyncd_row_refusals_total", "Writes of rows that Redis answered with an error", p->refused);
	counter(e, "portsyncd_rows_repeated_total", "Rows written without a change, because an event was owed",
		p->repeats);
	counter(e, "portsyncd_redis_batches_total", "Loop turns that wrote rows to STATE_DB", p->batches);
	histogram(e, "portsyncd_redis_batch_rows", "Rows written in one loop turn", &s->batch_rows,
		  &snapshot_rows_bounds, NUMBER);
	histogram(e, "portsyncd_event_latency_seconds", "From the receipt of a change to Redis' answer", &s->latency,
		  &snapshot_time_bounds, SECONDS);
	counter(e, "portsyncd_reconciliations_total", "Reconciliations: complete readings of our fields in STATE_DB",
		p->reconciliations);
	counter(e, "portsyncd_drift_found_total", "Rows that somebody else had changed", p->drift);
	counter(e, "portsyncd_drift_repaired_total", "Rows that somebody else had changed and that are right again",
		p->repaired);
	gauge(e, "portsyncd_drift_pending", "Rows that somebody else had changed and that are not right again",
	      p->drift - p->repaired);
	counter(e, "portsyncd_orphans_found_total", "Rows found in STATE_DB without an interface", p->orphans);
}

/* --- Redis --- */

static struct labels connection(size_t i)
{
	return label("connection", snapshot_conn_name(i));
}

static struct labels database(size_t i)
{
	return label("database", snapshot_conn_name(i));
}

static bool all_ready(const struct snapshot_conn conns[SNAPSHOT_CONNS])
{
	for (size_t i = 0; i < SNAPSHOT_CONNS; i++)
		if (!conns[i].ready)
			return false;
	return true;
}

static void sample_error(const struct exposition *e, size_t conn, const char *kind, uint64_t count)
{
	sample(e, two((struct label){"connection", snapshot_conn_name(conn)}, (struct label){"kind", kind}), count);
}

static void write_errors(struct exposition *e, const struct snapshot_conn conns[SNAPSHOT_CONNS])
{
	family(e, COUNTER, "portsyncd_redis_errors_total", "Error answers, silent servers, lost connections");
	for (size_t i = 0; i < SNAPSHOT_CONNS; i++) {
		for (unsigned kind = 0; kind < REDIS_ERRORS && i < SNAPSHOT_DATABASES; kind++)
			sample_error(e, i, redis_error_name(kind), conns[i].stats.errors[kind]);
		sample_error(e, i, "timeout", conns[i].stats.timeouts);
		sample_error(e, i, "lost", conns[i].stats.losses);
	}
}

static void write_redis(struct exposition *e, const struct snapshot *s)
{
	const struct snapshot_conn *conns = s->conns;

	gauge(e, "portsyncd_redis_connected", "All connections are ready", all_ready(conns));
	family(e, GAUGE, "portsyncd_redis_connection_up", "The connection is ready");
	for (size_t i = 0; i < SNAPSHOT_CONNS; i++)
		sample(e, connection(i), conns[i].ready);
	family(e, COUNTER, "portsyncd_redis_reconnects_total", "Times the connection was ready again after a loss");
	for (size_t i = 0; i < SNAPSHOT_CONNS; i++)
		sample(e, connection(i), conns[i].stats.connects - (conns[i].stats.connects > 0));
	family(e, COUNTER, "portsyncd_redis_flushes_total", "Writes to the socket");
	for (size_t i = 0; i < SNAPSHOT_CONNS; i++)
		sample(e, connection(i), conns[i].stats.flushes);
	family(e, COUNTER, "portsyncd_redis_sent_bytes_total", "Bytes written to the socket");
	for (size_t i = 0; i < SNAPSHOT_CONNS; i++)
		sample(e, connection(i), conns[i].stats.bytes_out);
	write_errors(e, conns);
	family(e, COUNTER, "portsyncd_redis_commands_total", "Commands sent");
	for (size_t i = 0; i < SNAPSHOT_DATABASES; i++)
		sample(e, database(i), conns[i].stats.commands);
	family(e, GAUGE, "portsyncd_redis_in_flight", "Commands without an answer");
	for (size_t i = 0; i < SNAPSHOT_DATABASES; i++)
		sample(e, database(i), conns[i].in_flight);
	family(e, HISTOGRAM, "portsyncd_redis_latency_seconds", "From a write to the answer to its last command");
	for (size_t i = 0; i < SNAPSHOT_DATABASES; i++)
		sample_histogram(e, database(i), &s->rtt[i], &snapshot_time_bounds, SECONDS);
}

/* --- ports --- */

static void write_sums(struct exposition *e, const struct snapshot *s)
{
	const struct snapshot_sums *sums = &s->sums;

	gauge(e, "portsyncd_ports_owed", "Ports whose row Redis has not acknowledged", sums->owed);
	gauge(e, "portsyncd_ports_configured", "Ports with a row in APPL_DB", sums->configured);
	gauge(e, "portsyncd_ports_present", "Ports with an interface", sums->present);
	gauge(e, "portsyncd_ports_up", "Ports whose oper status is up", sums->up);
	gauge(e, "portsyncd_ports_old", "Ports whose interface is left over from before a cold start", sums->old);
	counter(e, "portsyncd_links_set_down_total", "Interfaces that a cold start set down", s->links_set_down);
	gauge(e, "portsyncd_ports_waiting", "Ports with an interface but no row in APPL_DB", sums->waiting);
	gauge(e, "portsyncd_ports_awaited", "Ports that PortInitDone waits for", sums->awaited);
	gauge(e, "portsyncd_ports_in_sync", "Configured ports whose row Redis has acknowledged", sums->in_sync);
	counter(e, "portsyncd_flaps_total", "Changes of the oper status of all ports since start", s->links.flaps);
}

/* One label set within port_labels. */
struct port_label {
	size_t at, len;
};

static struct port_label make_port_label(struct text *labels, const char *port)
{
	size_t at = labels->len;
	char name[NAME_TEXT_MAX];

	text_put(labels, "{port=");
	text_label(labels, text_utf8(port, name));
	return (struct port_label){at, labels->len - at};
}

/* more: labels after the port's. */
static void put_port(const struct exposition *e, const struct port_label *port, const char *more, enum form form,
		     uint64_t figure)
{
	text_add(e->out, e->name, e->name_len);
	text_add(e->out, e->port_labels.data + port->at, port->len);
	text_put(e->out, more);
	text_put(e->out, "}");
	put_figure(e, form, figure);
}

typedef void (*port_fn)(const struct exposition *e, const struct snapshot_port *port, const struct port_label *label);

/* Writes the samples of all ports for the family that was begun. */
static void each_port(const struct exposition *e, const struct port_label *labels, port_fn write)
{
	const struct snapshot *s = e->in->answer->snapshot;

	for (size_t i = 0; i < s->n_ports; i++)
		write(e, &s->ports[i], &labels[i]);
}

static void write_flaps(const struct exposition *e, const struct snapshot_port *port, const struct port_label *label)
{
	put_port(e, label, "", NUMBER, port->history.flaps - port->history.flaps_before);
}

static void write_flaps_ever(const struct exposition *e, const struct snapshot_port *port,
			     const struct port_label *label)
{
	put_port(e, label, "", NUMBER, port->history.flaps);
}

static void write_admin(const struct exposition *e, const struct snapshot_port *port, const struct port_label *label)
{
	if (port->link.ifindex)
		put_port(e, label, "", NUMBER, (port->link.flags & IFF_UP) != 0);
}

static void write_oper(const struct exposition *e, const struct snapshot_port *port, const struct port_label *label)
{
	if (port->link.ifindex)
		put_port(e, label, "", NUMBER, (port->link.flags & IFF_RUNNING) != 0);
}

static void write_mtu(const struct exposition *e, const struct snapshot_port *port, const struct port_label *label)
{
	if (port->link.ifindex)
		put_port(e, label, "", NUMBER, port->link.mtu);
}

static void write_carrier(const struct exposition *e, const struct snapshot_port *port, const struct port_label *label)
{
	if (!port->link.ifindex)
		return;
	put_port(e, label, ",direction=\"up\"", NUMBER, port->link.carrier_up);
	put_port(e, label, ",direction=\"down\"", NUMBER, port->link.carrier_down);
}

static void write_in_sync(const struct exposition *e, const struct snapshot_port *port, const struct port_label *label)
{
	if (port->link.ifindex)
		put_port(e, label, "", NUMBER, port->in_sync);
}

static void write_change(const struct exposition *e, const struct snapshot_port *port, const struct port_label *label)
{
	const struct port_history *h = &port->history;
	uint64_t since_epoch =
		h->changed_nsec ? h->changed_nsec + e->in->epoch_nsec : h->changed_before_msec * NSEC_PER_MSEC;

	if (since_epoch)
		put_port(e, label, "", SECONDS, since_epoch);
}

static void write_families(struct exposition *e, const struct port_label *labels)
{
	family(e, COUNTER, "portsyncd_port_flaps_total", "Changes of the oper status since start");
	each_port(e, labels, write_flaps);
	/* Not a counter, since it is carried over: after a kill it may begin below where it was, but not at 0. */
	family(e, GAUGE, "portsyncd_port_flaps_lifetime", "Changes of the oper status, across restarts");
	each_port(e, labels, write_flaps_ever);
	family(e, GAUGE, "portsyncd_port_admin_up", "The admin status is up");
	each_port(e, labels, write_admin);
	family(e, GAUGE, "portsyncd_port_oper_up", "The oper status is up");
	each_port(e, labels, write_oper);
	family(e, GAUGE, "portsyncd_port_mtu_bytes", "MTU");
	each_port(e, labels, write_mtu);
	family(e, COUNTER, "portsyncd_port_carrier_changes_total", "Changes of the carrier as the kernel counts them");
	each_port(e, labels, write_carrier);
	family(e, GAUGE, "portsyncd_port_in_sync", "Redis has acknowledged the row as it should be");
	each_port(e, labels, write_in_sync);
	family(e, GAUGE, "portsyncd_port_last_change_timestamp_seconds",
	       "When oper status, admin status or MTU last changed");
	each_port(e, labels, write_change);
}

static void write_ports(struct exposition *e)
{
	const struct snapshot *s = e->in->answer->snapshot;
	struct port_label *labels cleanup(free_ptr) = calloc(s->n_ports + 1, sizeof(*labels));

	for (size_t i = 0; labels && i < s->n_ports; i++)
		labels[i] = make_port_label(&e->port_labels, s->ports[i].name);
	if (!labels || e->port_labels.failed)
		e->out->failed = true;
	else
		write_families(e, labels);
	free(e->port_labels.data);
}

/* --- the loop --- */

static void write_loop(struct exposition *e, const struct exchange_answer *a)
{
	const struct snapshot_hist *turn = &a->snapshot->turn;

	counter(e, "portsyncd_loop_turns_total", "Times the loop woke up", turn->count);
	histogram(e, "portsyncd_loop_turn_seconds", "How long one wake-up worked", turn, &snapshot_time_bounds,
		  SECONDS);
	gauge_seconds(e, "portsyncd_loop_longest_turn_seconds", "The longest time one wake-up worked", turn->max);
	gauge_seconds(e, "portsyncd_loop_answer_seconds", "How long the loop took to answer this scrape",
		      a->waited_nsec);
	gauge_seconds(e, "portsyncd_loop_stall_seconds", "How long the present turn of the loop takes", a->stall_nsec);
	gauge_seconds(e, "portsyncd_view_age_seconds", "How old these figures are",
		      a->fresh ? 0 : e->in->now_nsec - a->snapshot->taken_nsec);
}

static void write_thread(struct exposition *e, const struct procstat *p)
{
	family(e, COUNTER, "portsyncd_loop_cpu_seconds_total", "CPU time of the loop");
	sample_seconds(e, label("mode", "user"), p->loop_user_nsec);
	sample_seconds(e, label("mode", "system"), p->loop_system_nsec);
	family(e, COUNTER, "portsyncd_loop_context_switches_total", "Context switches of the loop");
	sample(e, label("kind", "voluntary"), p->loop_voluntary);
	sample(e, label("kind", "involuntary"), p->loop_involuntary);
	family(e, COUNTER, "portsyncd_loop_page_faults_total", "Page faults of the loop");
	sample(e, label("kind", "minor"), p->loop_minor_faults);
	sample(e, label("kind", "major"), p->loop_major_faults);
	if (p->has_run_delay)
		counter_seconds(e, "portsyncd_loop_run_delay_seconds_total",
				"How long the ready loop waited for a processor", p->loop_run_delay_nsec);
	if (p->has_migrations)
		counter(e, "portsyncd_loop_cpu_migrations_total", "Moves of the loop to another processor",
			p->loop_migrations);
}

/* --- the process --- */

static void write_process(struct exposition *e, const struct procstat *p)
{
	gauge(e, "portsyncd_locked_memory_bytes", "Address space locked into memory", p->locked_bytes);
	counter_seconds(e, "process_cpu_seconds_total", "CPU time of all threads", p->cpu_nsec);
	gauge(e, "process_open_fds", "Open file descriptors", p->open_fds);
	gauge(e, "process_max_fds", "Limit of open file descriptors", p->max_fds);
	gauge(e, "process_virtual_memory_bytes", "Address space", p->virtual_bytes);
	gauge(e, "process_resident_memory_bytes", "Resident memory", p->resident_bytes);
	gauge(e, "process_threads", "Threads", p->threads);
	gauge_seconds(e, "process_start_time_seconds", "When the process began", e->in->started_nsec);
}

/* Still true while the target is busy for a moment. */
static bool log_target_is_up(const struct snapshot *s)
{
	uint64_t since_nsec = s->log.refused_since * NSEC_PER_USEC;

	return since_nsec == 0 || s->taken_nsec < since_nsec + LOG_MOMENT_NSEC;
}

static void write_log(struct exposition *e, const struct snapshot *s)
{
	const struct log_stats *l = &s->log;

	counter(e, "portsyncd_log_lines_written_total", "Log lines handed to the log target", l->written);
	counter(e, "portsyncd_log_lines_suppressed_total", "Log lines suppressed: too many of one kind", l->suppressed);
	counter(e, "portsyncd_log_lines_dropped_total", "Log lines lost: the log target did not take them", l->dropped);
	counter(e, "portsyncd_audit_records_dropped_total", "Audit records among the log lines lost", l->dropped_audit);
	gauge(e, "portsyncd_log_lines_waiting", "Log lines not yet handed to the log target", l->waiting);
	gauge(e, "portsyncd_log_target_up", "The log target takes log lines", log_target_is_up(s));
}

static void write_recorder(struct exposition *e, const struct snapshot_recorder *r)
{
	gauge(e, "portsyncd_recorder_memory_bytes", "Memory of the flight recorder; 0: it is off", r->figures.bytes);
	counter(e, "portsyncd_recorder_written_bytes_total", "Bytes written into the flight recorder",
		r->figures.written);
	family(e, COUNTER, "portsyncd_recordings_total", "Recordings written into the folder");
	for (unsigned why = 0; why < RECORDER_WHYS; why++)
		sample(e, label("reason", recorder_why_name(why)), r->written[why]);
	counter(e, "portsyncd_recording_errors_total", "Recordings that could not be written", r->failed);
	counter(e, "portsyncd_recordings_suppressed_total", "Recordings that came too soon after another one",
		r->suppressed);
	gauge_timestamp(e, "portsyncd_recording_last_timestamp_seconds", "When the last recording was written",
			r->last_nsec);
}

static void write_sandbox(struct exposition *e, const struct sandbox_parts *parts)
{
	family(e, GAUGE, "portsyncd_sandbox_holds", "Whether this part of the sandbox is in force");
	sample(e, label("part", "files"), parts->files);
	sample(e, label("part", "tcp"), parts->tcp);
	sample(e, label("part", "abstract_sockets"), parts->abstract_sockets);
	sample(e, label("part", "capabilities"), parts->capabilities);
	sample(e, label("part", "system_calls"), parts->system_calls);
}

static void write_daemon(struct exposition *e, const struct snapshot *s)
{
	gauge(e, "portsyncd_settings_refused", "Settings that the machine refused", s->settings_refused);
	write_sandbox(e, &s->sandbox);
	counter(e, "portsyncd_state_saves_total", "Times the state file was saved", s->saves.saves);
	counter(e, "portsyncd_state_save_errors_total", "Times the state file could not be saved", s->saves.errors);
	gauge_timestamp(e, "portsyncd_state_last_save_timestamp_seconds", "When the state file was last saved",
			s->saves.last_nsec);
	write_recorder(e, &s->recorder);
	family(e, GAUGE, "portsyncd_previous_stop_info", "Always 1: how the previous process ended");
	sample(e, label("result", s->previous_stop), 1);
	family(e, GAUGE, "portsyncd_build_info", "Always 1");
	sample(e, (struct labels){{{"version", PORTSYNCD_VERSION}, {"commit", base_commit}, {"compiler", COMPILER}}},
	       1);
}

/* --- the HTTP server --- */

static void write_pages(struct exposition *e, const struct prometheus_input *in)
{
	family(e, COUNTER, "portsyncd_pages_served_total", "Answers of the HTTP server");
	for (size_t i = 0; i < in->n_pages; i++)
		sample(e, label("page", in->pages[i].name), in->pages[i].served);
	counter_seconds(e, "portsyncd_pages_cpu_seconds_total", "CPU time spent on making pages", in->pages_cpu_nsec);
}

static void write_server(struct exposition *e, const struct http_stats *s)
{
	static const char *const classes[] = {"other", "1xx", "2xx", "3xx", "4xx", "5xx"};

	if (!s)
		return;
	family(e, COUNTER, "portsyncd_http_answers_total", "Answers of the HTTP server by the class of their status");
	for (size_t i = 0; i < ARRAY_SIZE(classes); i++)
		sample(e, label("class", classes[i]), s->answers[i]);
	gauge(e, "portsyncd_http_clients", "Clients of the HTTP server now", s->open);
	counter(e, "portsyncd_http_accepted_total", "Clients of the HTTP server so far", s->accepted);
	family(e, COUNTER, "portsyncd_http_dropped_total", "Clients that the HTTP server dropped");
	sample(e, label("reason", "evicted"), s->evicted);
	sample(e, label("reason", "late"), s->late);
	sample(e, label("reason", "idle"), s->idle);
	sample(e, label("reason", "slow"), s->slow);
	sample(e, label("reason", "not_accepted"), s->not_accepted);
	gauge(e, "portsyncd_http_streams", "Streams of the HTTP server that are open", s->streams);
	counter(e, "portsyncd_http_streams_refused_total", "Streams that were refused", s->streams_refused);
	counter(e, "portsyncd_http_handshakes_failed_total", "TLS handshakes that failed", s->handshakes_failed);
	counter(e, "portsyncd_http_certificates_refused_total", "Client certificates that were refused",
		s->certificates_refused);
	gauge(e, "portsyncd_http_certificate_expiry_timestamp_seconds", "When the server's certificate expires",
	      s->expires);
}

/* --- health --- */

/* 1, 0.5 or 0, as nanoseconds are written in seconds. */
static uint64_t level_nsec(enum health_level level)
{
	return (2 - (uint64_t)level) * NSEC_PER_SEC / 2;
}

static void write_health(struct exposition *e, const struct health_report *h)
{
	gauge_seconds(e, "portsyncd_health_status", "1 healthy, 0.5 degraded, 0 unhealthy", level_nsec(h->level));
	family(e, GAUGE, "portsyncd_health_check", "1 healthy, 0.5 degraded, 0 unhealthy");
	for (unsigned i = 0; i < HEALTH_CHECKS; i++)
		sample_seconds(e, label("check", health_check_name(i)), level_nsec(h->checks[i].level));
}

void prometheus_write(struct text *out, bool open, const struct prometheus_input *in)
{
	const struct snapshot *s = in->answer->snapshot;
	struct exposition e = {.out = out, .open = open, .in = in};

	text_reserve(out, REST_BYTES + (in->without_ports ? 0 : s->n_ports * PORT_BYTES));
	write_health(&e, in->health);
	write_netlink(&e, s);
	write_socket(&e, in->proc);
	write_sync(&e, s);
	write_publish(&e, s);
	write_redis(&e, s);
	write_sums(&e, s);
	if (!in->without_ports)
		write_ports(&e);
	write_loop(&e, in->answer);
	write_thread(&e, in->proc);
	write_process(&e, in->proc);
	write_log(&e, s);
	write_daemon(&e, s);
	write_pages(&e, in);
	write_server(&e, in->server);
	if (open)
		text_put(out, "# EOF\n");
}

/* --- which format --- */

#define RANGES 3 /* any, any of the type, the type itself */

/*
 * The weight that Accept gives to type/subtype by its most exact range (RFC 9110, 12.5.1). Ranges less exact than least
 * do not count: 1 is any type, RANGES the type itself. 0: no range counts.
 */
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

/* OpenMetrics must be named as such: a client that takes anything gets the older format, which all understand. */
bool prometheus_wants_open(const char *accept)
{
	unsigned open = accept ? weight(accept, "application", "openmetrics-text", RANGES) : 0;

	return open > 0 && open >= weight(accept, "text", "plain", 1);
}
