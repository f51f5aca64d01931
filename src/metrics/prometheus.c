/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/prometheus.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/commit.h"
#include "base/util.h"
#include "http/content.h"
#include "metrics/family.h"

#define PORT_BYTES 900 /* all lines of one port, about */
#define REST_BYTES 32768
#define NAME_TEXT_MAX (4 * IFNAMSIZ)
#ifdef __clang__
#define COMPILER __VERSION__ /* names itself */
#else
#define COMPILER "gcc " __VERSION__
#endif

#define LOG_MOMENT_NSEC NSEC_PER_SEC /* how long a log target may be busy */

/* --- the kernel --- */

static void write_netlink(struct families *f, const struct snapshot *s)
{
	const struct watch_stats *w = &s->watch;

	family_begin(f, FAMILY_COUNTER, "portsyncd_netlink_messages_total", "Messages of the event socket");
	family_sample(f, family_one("type", "newlink"), w->newlink);
	family_sample(f, family_one("type", "dellink"), w->dellink);
	family_sample(f, family_one("type", "other"), w->messages - w->newlink - w->dellink);
	family_counter(f, "portsyncd_events_processed_total", "Link messages read and applied", health_processed(s));
	family_counter(f, "portsyncd_events_failed_total", "Messages and rows that failed", health_failed(s));
	family_gauge(f, "portsyncd_netlink_connected", "The event socket works", s->socket.works);
	family_counter(f, "portsyncd_netlink_datagrams_total", "Datagrams of the event socket", w->datagrams);
	family_counter(f, "portsyncd_netlink_filtered_total", "Link messages read that concern no port",
		       s->links.ignored);
	family_counter(f, "portsyncd_netlink_overruns_total", "Times the kernel said that it dropped messages",
		       w->overruns);
	family_counter(f, "portsyncd_netlink_truncations_total", "Datagrams longer than the buffer", w->truncations);
	family_counter(f, "portsyncd_netlink_errors_total", "Failures of the event socket", w->socket_errors);
	family_counter(f, "portsyncd_netlink_malformed_total", "Malformed messages", w->malformed);
	family_counter(f, "portsyncd_netlink_spoofed_total", "Datagrams dropped because the kernel did not send them",
		       w->spoofed);
	family_counter(f, "portsyncd_netlink_dumps_total", "Dumps of all links that were begun", w->dumps);
	family_counter(f, "portsyncd_netlink_dumps_interrupted_total", "Dumps that a change interrupted",
		       w->dumps_interrupted);
	family_counter(f, "portsyncd_netlink_dumps_failed_total", "Dumps that failed or timed out", w->dumps_failed);
	family_counter(f, "portsyncd_netlink_dumps_retried_total", "Dumps begun because the previous one was not used",
		       w->dumps_retried);
	family_gauge(f, "portsyncd_netlink_receive_buffer_bytes", "Size of the event socket's receive buffer",
		     s->socket.rcvbuf);
	family_counter(f, "portsyncd_kernel_silent_changes_total",
		       "Links found changed without a message from the kernel", s->mirror.silent_changes);
	family_counter(f, "portsyncd_kernel_rereads_total", "Times all links were read again while in sync",
		       s->mirror.reread.all);
	family_counter(f, "portsyncd_kernel_links_reread_total", "Links that were read again one by one",
		       s->mirror.reread.links);
}

static void write_socket(struct families *f, const struct procstat *p)
{
	if (!p->has_netlink)
		return;
	family_counter(f, "portsyncd_netlink_drops_total", "Messages the kernel dropped for the event socket",
		       p->netlink_drops);
	family_gauge(f, "portsyncd_netlink_receive_queue_bytes", "Bytes waiting in the event socket",
		     p->netlink_queued);
}

/* --- being in sync --- */

static void write_sync(struct families *f, const struct snapshot *s, uint64_t now)
{
	const struct snapshot_sync *sync = &s->sync;

	family_gauge(f, "portsyncd_synced", "The daemon is in sync with the kernel's links", sync->synced);
	family_gauge_seconds(f, "portsyncd_unsynced_seconds",
			     "How long the daemon has not been in sync with the kernel's "
			     "links",
			     sync->synced || now < sync->changed_nsec ? 0 : now - sync->changed_nsec);
	family_gauge_timestamp(f, "portsyncd_last_sync_timestamp_seconds", "When all links were last read",
			       sync->last_nsec);
	if (sync->first_took_nsec)
		family_gauge_seconds(f, "portsyncd_initial_sync_duration_seconds", "Time until the first complete sync",
				     sync->first_took_nsec);
	family_counter(f, "portsyncd_resyncs_total", "Times it came back into sync after a loss", sync->resyncs);
	family_histogram(f, "portsyncd_resync_duration_seconds", "From a loss to being in sync again", &s->resync,
			 &snapshot_sync_bounds, FAMILY_SECONDS);
	family_gauge(f, "portsyncd_port_config_done", "PortConfigDone was sent, or is not required", s->config_done);
	family_gauge(f, "portsyncd_port_init_done", "PortInitDone was sent", s->init_done);
	family_gauge(f, "portsyncd_warm_start", "This was a warm start", s->warm);
}

static void write_publish(struct families *f, const struct snapshot *s)
{
	const struct publish_stats *p = &s->publish;

	family_begin(f, FAMILY_COUNTER, "portsyncd_row_writes_total", "Writes of rows of STATE_DB");
	family_sample(f, family_one("operation", "set"), p->sets);
	family_sample(f, family_one("operation", "delete"), p->deletes);
	family_counter(f, "portsyncd_row_refusals_total", "Writes of rows that Redis answered with an error",
		       p->refused);
	family_counter(f, "portsyncd_rows_repeated_total", "Rows written without a change, because an event was owed",
		       p->repeats);
	family_counter(f, "portsyncd_redis_batches_total", "Loop turns that wrote rows to STATE_DB", p->batches);
	family_histogram(f, "portsyncd_redis_batch_rows", "Rows written in one loop turn", &s->batch_rows,
			 &snapshot_rows_bounds, FAMILY_NUMBER);
	family_histogram(f, "portsyncd_event_latency_seconds", "From the receipt of a change to Redis' answer",
			 &s->latency, &snapshot_time_bounds, FAMILY_SECONDS);
	family_counter(f, "portsyncd_reconciliations_total",
		       "Reconciliations: complete readings of our fields in STATE_DB", p->reconciliations);
	family_counter(f, "portsyncd_drift_found_total", "Rows that somebody else had changed", p->drift);
	family_counter(f, "portsyncd_drift_repaired_total",
		       "Rows that somebody else had changed and that are right again", p->repaired);
	family_gauge(f, "portsyncd_drift_pending", "Rows that somebody else had changed and that are not right again",
		     p->drift - p->repaired);
	family_counter(f, "portsyncd_orphans_found_total", "Rows found in STATE_DB without an interface", p->orphans);
}

/* --- Redis --- */

static struct family_labels connection(size_t i)
{
	return family_one("connection", snapshot_conn_name(i));
}

static struct family_labels database(size_t i)
{
	return family_one("database", snapshot_conn_name(i));
}

static bool all_ready(const struct snapshot_conn conns[SNAPSHOT_CONNS])
{
	for (size_t i = 0; i < SNAPSHOT_CONNS; i++)
		if (!conns[i].ready)
			return false;
	return true;
}

static void sample_error(const struct families *f, size_t conn, const char *kind, uint64_t count)
{
	family_sample(f,
		      family_two((struct family_label){"connection", snapshot_conn_name(conn)},
				 (struct family_label){"kind", kind}),
		      count);
}

static void write_errors(struct families *f, const struct snapshot_conn conns[SNAPSHOT_CONNS])
{
	family_begin(f, FAMILY_COUNTER, "portsyncd_redis_errors_total",
		     "Error answers, silent servers, lost connections");
	for (size_t i = 0; i < SNAPSHOT_CONNS; i++) {
		for (unsigned kind = 0; kind < REDIS_ERRORS && i < SNAPSHOT_DATABASES; kind++)
			sample_error(f, i, redis_error_name(kind), conns[i].stats.errors[kind]);
		sample_error(f, i, "timeout", conns[i].stats.timeouts);
		sample_error(f, i, "lost", conns[i].stats.losses);
	}
}

static void write_redis(struct families *f, const struct snapshot *s)
{
	const struct snapshot_conn *conns = s->conns;

	family_gauge(f, "portsyncd_redis_connected", "All connections are ready", all_ready(conns));
	family_begin(f, FAMILY_GAUGE, "portsyncd_redis_connection_up", "The connection is ready");
	for (size_t i = 0; i < SNAPSHOT_CONNS; i++)
		family_sample(f, connection(i), conns[i].ready);
	family_begin(f, FAMILY_COUNTER, "portsyncd_redis_reconnects_total",
		     "Times the connection was ready again after a loss");
	for (size_t i = 0; i < SNAPSHOT_CONNS; i++)
		family_sample(f, connection(i), conns[i].stats.connects - (conns[i].stats.connects > 0));
	family_begin(f, FAMILY_COUNTER, "portsyncd_redis_flushes_total", "Writes to the socket");
	for (size_t i = 0; i < SNAPSHOT_CONNS; i++)
		family_sample(f, connection(i), conns[i].stats.flushes);
	family_begin(f, FAMILY_COUNTER, "portsyncd_redis_sent_bytes_total", "Bytes written to the socket");
	for (size_t i = 0; i < SNAPSHOT_CONNS; i++)
		family_sample(f, connection(i), conns[i].stats.bytes_out);
	write_errors(f, conns);
	family_begin(f, FAMILY_COUNTER, "portsyncd_redis_commands_total", "Commands sent");
	for (size_t i = 0; i < SNAPSHOT_DATABASES; i++)
		family_sample(f, database(i), conns[i].stats.commands);
	family_begin(f, FAMILY_GAUGE, "portsyncd_redis_in_flight", "Commands without an answer");
	for (size_t i = 0; i < SNAPSHOT_DATABASES; i++)
		family_sample(f, database(i), conns[i].in_flight);
	family_begin(f, FAMILY_HISTOGRAM, "portsyncd_redis_latency_seconds",
		     "From a write to the answer to its last command");
	for (size_t i = 0; i < SNAPSHOT_DATABASES; i++)
		family_sample_histogram(f, database(i), &s->rtt[i], &snapshot_time_bounds, FAMILY_SECONDS);
}

/* --- ports --- */

static void write_sums(struct families *f, const struct snapshot *s)
{
	const struct snapshot_sums *sums = &s->sums;

	family_gauge(f, "portsyncd_ports_owed", "Ports whose row Redis has not acknowledged", sums->owed);
	family_gauge(f, "portsyncd_ports_configured", "Ports with a row in APPL_DB", sums->configured);
	family_gauge(f, "portsyncd_ports_present", "Ports with an interface", sums->present);
	family_gauge(f, "portsyncd_ports_up", "Ports whose oper status is up", sums->up);
	family_gauge(f, "portsyncd_ports_old", "Ports whose interface is left over from before a cold start",
		     sums->old);
	family_counter(f, "portsyncd_links_set_down_total", "Interfaces that a cold start set down", s->links_set_down);
	family_gauge(f, "portsyncd_ports_waiting", "Ports with an interface but no row in APPL_DB", sums->waiting);
	family_gauge(f, "portsyncd_ports_awaited", "Ports that PortInitDone waits for", sums->awaited);
	family_gauge(f, "portsyncd_ports_in_sync", "Configured ports whose row Redis has acknowledged", sums->in_sync);
	family_counter(f, "portsyncd_flaps_total", "Changes of the oper status of all ports since start",
		       s->links.flaps);
}

/* One label set within the text of all. */
struct port_label {
	size_t at, len;
};

/* {port="Ethernet0" of each port: all its samples begin with it, so it is made once. */
struct port_labels {
	struct text text;
	struct port_label *of;
};

static struct port_label make_port_label(struct text *labels, const char *port)
{
	size_t at = labels->len;
	char name[NAME_TEXT_MAX];

	text_put(labels, "{port=");
	text_label(labels, text_utf8(port, name));
	return (struct port_label){at, labels->len - at};
}

/* What the samples of one port are made from. */
struct port_input {
	const struct families *f;
	const struct snapshot_port *port;
	const char *label;
	size_t len;
};

/* more: labels after the port's. */
static void put_port(const struct port_input *p, const char *more, enum family_form form, uint64_t figure)
{
	family_sample_text(p->f, p->label, p->len, more, form, figure);
}

typedef void (*port_fn)(const struct port_input *p);

/* Writes the samples of all ports for the family that was begun. */
static void each_port(const struct families *f, const struct snapshot *s, const struct port_labels *labels,
		      port_fn write)
{
	for (size_t i = 0; i < s->n_ports; i++) {
		const struct port_label *label = &labels->of[i];

		write(&(const struct port_input){f, &s->ports[i], labels->text.data + label->at, label->len});
	}
}

static void write_flaps(const struct port_input *p)
{
	put_port(p, "", FAMILY_NUMBER, p->port->history.flaps - p->port->history.flaps_before);
}

static void write_flaps_ever(const struct port_input *p)
{
	put_port(p, "", FAMILY_NUMBER, p->port->history.flaps);
}

static void write_admin(const struct port_input *p)
{
	if (p->port->link.ifindex)
		put_port(p, "", FAMILY_NUMBER, (p->port->link.flags & IFF_UP) != 0);
}

static void write_oper(const struct port_input *p)
{
	if (p->port->link.ifindex)
		put_port(p, "", FAMILY_NUMBER, (p->port->link.flags & IFF_RUNNING) != 0);
}

static void write_mtu(const struct port_input *p)
{
	if (p->port->link.ifindex)
		put_port(p, "", FAMILY_NUMBER, p->port->link.mtu);
}

static void write_carrier(const struct port_input *p)
{
	if (!p->port->link.ifindex)
		return;
	put_port(p, ",direction=\"up\"", FAMILY_NUMBER, p->port->link.carrier_up);
	put_port(p, ",direction=\"down\"", FAMILY_NUMBER, p->port->link.carrier_down);
}

static void write_in_sync(const struct port_input *p)
{
	if (p->port->link.ifindex)
		put_port(p, "", FAMILY_NUMBER, p->port->in_sync);
}

static void write_change(const struct port_input *p)
{
	const struct port_history *h = &p->port->history;
	uint64_t since_epoch =
		h->changed_nsec ? h->changed_nsec + p->f->epoch_nsec : h->changed_before_msec * NSEC_PER_MSEC;

	if (since_epoch)
		put_port(p, "", FAMILY_SECONDS, since_epoch);
}

static void write_families(struct families *f, const struct snapshot *s, const struct port_labels *labels)
{
	family_begin(f, FAMILY_COUNTER, "portsyncd_port_flaps_total", "Changes of the oper status since start");
	each_port(f, s, labels, write_flaps);
	/* Not a counter, since it is carried over: after a kill it may begin below where it was, but not at 0. */
	family_begin(f, FAMILY_GAUGE, "portsyncd_port_flaps_lifetime", "Changes of the oper status, across restarts");
	each_port(f, s, labels, write_flaps_ever);
	family_begin(f, FAMILY_GAUGE, "portsyncd_port_admin_up", "The admin status is up");
	each_port(f, s, labels, write_admin);
	family_begin(f, FAMILY_GAUGE, "portsyncd_port_oper_up", "The oper status is up");
	each_port(f, s, labels, write_oper);
	family_begin(f, FAMILY_GAUGE, "portsyncd_port_mtu_bytes", "MTU");
	each_port(f, s, labels, write_mtu);
	family_begin(f, FAMILY_COUNTER, "portsyncd_port_carrier_changes_total",
		     "Changes of the carrier as the kernel counts them");
	each_port(f, s, labels, write_carrier);
	family_begin(f, FAMILY_GAUGE, "portsyncd_port_in_sync", "Redis has acknowledged the row as it should be");
	each_port(f, s, labels, write_in_sync);
	family_begin(f, FAMILY_GAUGE, "portsyncd_port_last_change_timestamp_seconds",
		     "When oper status, admin status or MTU last changed");
	each_port(f, s, labels, write_change);
}

static void write_ports(struct families *f, const struct snapshot *s)
{
	struct port_labels labels = {.of = calloc(s->n_ports + 1, sizeof(*labels.of))};

	for (size_t i = 0; labels.of && i < s->n_ports; i++)
		labels.of[i] = make_port_label(&labels.text, s->ports[i].name);
	if (!labels.of || labels.text.failed)
		f->out->failed = true;
	else
		write_families(f, s, &labels);
	free(labels.text.data);
	free(labels.of);
}

/* --- the loop --- */

static void write_loop(struct families *f, const struct exchange_answer *a, uint64_t now)
{
	const struct snapshot_hist *turn = &a->snapshot->turn;

	family_counter(f, "portsyncd_loop_turns_total", "Times the loop woke up", turn->count);
	family_histogram(f, "portsyncd_loop_turn_seconds", "How long one wake-up worked", turn, &snapshot_time_bounds,
			 FAMILY_SECONDS);
	family_gauge_seconds(f, "portsyncd_loop_longest_turn_seconds", "The longest time one wake-up worked",
			     turn->max);
	family_gauge_seconds(f, "portsyncd_loop_answer_seconds", "How long the loop took to answer this scrape",
			     a->waited_nsec);
	family_gauge_seconds(f, "portsyncd_loop_stall_seconds", "How long the present turn of the loop takes",
			     a->stall_nsec);
	family_gauge_seconds(f, "portsyncd_view_age_seconds", "How old these figures are",
			     a->fresh ? 0 : now - a->snapshot->taken_nsec);
}

static void write_thread(struct families *f, const struct procstat *p)
{
	family_begin(f, FAMILY_COUNTER, "portsyncd_loop_cpu_seconds_total", "CPU time of the loop");
	family_sample_seconds(f, family_one("mode", "user"), p->loop_user_nsec);
	family_sample_seconds(f, family_one("mode", "system"), p->loop_system_nsec);
	family_begin(f, FAMILY_COUNTER, "portsyncd_loop_context_switches_total", "Context switches of the loop");
	family_sample(f, family_one("kind", "voluntary"), p->loop_voluntary);
	family_sample(f, family_one("kind", "involuntary"), p->loop_involuntary);
	family_begin(f, FAMILY_COUNTER, "portsyncd_loop_page_faults_total", "Page faults of the loop");
	family_sample(f, family_one("kind", "minor"), p->loop_minor_faults);
	family_sample(f, family_one("kind", "major"), p->loop_major_faults);
	if (p->has_run_delay)
		family_counter_seconds(f, "portsyncd_loop_run_delay_seconds_total",
				       "How long the ready loop waited for a processor", p->loop_run_delay_nsec);
	if (p->has_migrations)
		family_counter(f, "portsyncd_loop_cpu_migrations_total", "Moves of the loop to another processor",
			       p->loop_migrations);
}

/* --- the process --- */

static void write_process(struct families *f, const struct procstat *p, uint64_t started_nsec)
{
	family_gauge(f, "portsyncd_locked_memory_bytes", "Address space locked into memory", p->locked_bytes);
	family_counter_seconds(f, "process_cpu_seconds_total", "CPU time of all threads", p->cpu_nsec);
	family_gauge(f, "process_open_fds", "Open file descriptors", p->open_fds);
	family_gauge(f, "process_max_fds", "Limit of open file descriptors", p->max_fds);
	family_gauge(f, "process_virtual_memory_bytes", "Address space", p->virtual_bytes);
	family_gauge(f, "process_resident_memory_bytes", "Resident memory", p->resident_bytes);
	family_gauge(f, "process_threads", "Threads", p->threads);
	family_gauge_seconds(f, "process_start_time_seconds", "When the process began", started_nsec);
}

/* Still true while the target is busy for a moment. */
static bool log_target_is_up(const struct snapshot *s)
{
	uint64_t since_nsec = s->log.refused_since * NSEC_PER_USEC;

	return since_nsec == 0 || s->taken_nsec < since_nsec + LOG_MOMENT_NSEC;
}

static void write_log(struct families *f, const struct snapshot *s)
{
	const struct log_stats *l = &s->log;

	family_counter(f, "portsyncd_log_lines_written_total", "Log lines handed to the log target", l->written);
	family_counter(f, "portsyncd_log_lines_suppressed_total", "Log lines suppressed: too many of one kind",
		       l->suppressed);
	family_counter(f, "portsyncd_log_lines_dropped_total", "Log lines lost: the log target did not take them",
		       l->dropped);
	family_counter(f, "portsyncd_audit_records_dropped_total", "Audit records among the log lines lost",
		       l->dropped_audit);
	family_gauge(f, "portsyncd_log_lines_waiting", "Log lines not yet handed to the log target", l->waiting);
	family_gauge(f, "portsyncd_log_target_up", "The log target takes log lines", log_target_is_up(s));
}

static void write_recorder(struct families *f, const struct snapshot_recorder *r)
{
	family_gauge(f, "portsyncd_recorder_memory_bytes", "Memory of the flight recorder; 0: it is off",
		     r->figures.bytes);
	family_counter(f, "portsyncd_recorder_written_bytes_total", "Bytes written into the flight recorder",
		       r->figures.written);
	family_begin(f, FAMILY_COUNTER, "portsyncd_recordings_total", "Recordings written into the folder");
	for (unsigned why = 0; why < RECORDER_WHYS; why++)
		family_sample(f, family_one("reason", recorder_why_name(why)), r->written[why]);
	family_counter(f, "portsyncd_recording_errors_total", "Recordings that could not be written", r->failed);
	family_counter(f, "portsyncd_recordings_suppressed_total", "Recordings that came too soon after another one",
		       r->suppressed);
	family_gauge_timestamp(f, "portsyncd_recording_last_timestamp_seconds", "When the last recording was written",
			       r->last_nsec);
}

static void write_sandbox(struct families *f, const struct sandbox_parts *parts)
{
	family_begin(f, FAMILY_GAUGE, "portsyncd_sandbox_holds", "Whether this part of the sandbox is in force");
	family_sample(f, family_one("part", "files"), parts->files);
	family_sample(f, family_one("part", "tcp"), parts->tcp);
	family_sample(f, family_one("part", "abstract_sockets"), parts->abstract_sockets);
	family_sample(f, family_one("part", "capabilities"), parts->capabilities);
	family_sample(f, family_one("part", "system_calls"), parts->system_calls);
}

static void write_daemon(struct families *f, const struct snapshot *s)
{
	family_gauge(f, "portsyncd_settings_refused", "Settings that the machine refused", s->settings_refused);
	write_sandbox(f, &s->sandbox);
	family_counter(f, "portsyncd_state_saves_total", "Times the state file was saved", s->saves.saves);
	family_counter(f, "portsyncd_state_save_errors_total", "Times the state file could not be saved",
		       s->saves.errors);
	family_gauge_timestamp(f, "portsyncd_state_last_save_timestamp_seconds", "When the state file was last saved",
			       s->saves.last_nsec);
	write_recorder(f, &s->recorder);
	family_begin(f, FAMILY_GAUGE, "portsyncd_previous_stop_info", "Always 1: how the previous process ended");
	family_sample(f, family_one("result", s->previous_stop), 1);
	family_begin(f, FAMILY_GAUGE, "portsyncd_build_info", "Always 1");
	family_sample(f,
		      (struct family_labels){
			      {{"version", PORTSYNCD_VERSION}, {"commit", base_commit}, {"compiler", COMPILER}}},
		      1);
}

/* --- the HTTP server --- */

static void write_pages(struct families *f, const struct prometheus_input *in)
{
	family_begin(f, FAMILY_COUNTER, "portsyncd_pages_served_total", "Answers of the HTTP server");
	for (size_t i = 0; i < in->n_pages; i++)
		family_sample(f, family_one("page", in->pages[i].name), in->pages[i].served);
	family_counter_seconds(f, "portsyncd_pages_cpu_seconds_total", "CPU time spent on making pages",
			       in->pages_cpu_nsec);
}

static void write_server(struct families *f, const struct http_stats *s)
{
	static const char *const classes[] = {"other", "1xx", "2xx", "3xx", "4xx", "5xx"};

	if (!s)
		return;
	family_begin(f, FAMILY_COUNTER, "portsyncd_http_answers_total",
		     "Answers of the HTTP server by the class of their status");
	for (size_t i = 0; i < ARRAY_SIZE(classes); i++)
		family_sample(f, family_one("class", classes[i]), s->answers[i]);
	family_gauge(f, "portsyncd_http_clients", "Clients of the HTTP server now", s->open);
	family_counter(f, "portsyncd_http_accepted_total", "Clients of the HTTP server so far", s->accepted);
	family_begin(f, FAMILY_COUNTER, "portsyncd_http_dropped_total", "Clients that the HTTP server dropped");
	family_sample(f, family_one("reason", "evicted"), s->evicted);
	family_sample(f, family_one("reason", "late"), s->late);
	family_sample(f, family_one("reason", "idle"), s->idle);
	family_sample(f, family_one("reason", "slow"), s->slow);
	family_sample(f, family_one("reason", "not_accepted"), s->not_accepted);
	family_gauge(f, "portsyncd_http_streams", "Streams of the HTTP server that are open", s->streams);
	family_counter(f, "portsyncd_http_streams_refused_total", "Streams that were refused", s->streams_refused);
	family_counter(f, "portsyncd_http_handshakes_failed_total", "TLS handshakes that failed", s->handshakes_failed);
	family_counter(f, "portsyncd_http_certificates_refused_total", "Client certificates that were refused",
		       s->certificates_refused);
	family_gauge(f, "portsyncd_http_certificate_expiry_timestamp_seconds", "When the server's certificate expires",
		     s->expires);
}

/* --- health --- */

/* 1, 0.5 or 0, as nanoseconds are written in seconds. */
static uint64_t level_nsec(enum health_level level)
{
	return (2 - (uint64_t)level) * NSEC_PER_SEC / 2;
}

static void write_health(struct families *f, const struct health_report *h)
{
	family_gauge_seconds(f, "portsyncd_health_status", "1 healthy, 0.5 degraded, 0 unhealthy",
			     level_nsec(h->level));
	family_begin(f, FAMILY_GAUGE, "portsyncd_health_check", "1 healthy, 0.5 degraded, 0 unhealthy");
	for (unsigned i = 0; i < HEALTH_CHECKS; i++)
		family_sample_seconds(f, family_one("check", health_check_name(i)), level_nsec(h->checks[i].level));
}

void prometheus_write(struct text *out, bool open, const struct prometheus_input *in)
{
	const struct snapshot *s = in->answer->snapshot;
	struct families f = {.out = out, .open = open, .epoch_nsec = in->epoch_nsec};

	text_reserve(out, REST_BYTES + (in->without_ports ? 0 : s->n_ports * PORT_BYTES));
	write_health(&f, in->health);
	write_netlink(&f, s);
	write_socket(&f, in->proc);
	write_sync(&f, s, in->now_nsec);
	write_publish(&f, s);
	write_redis(&f, s);
	write_sums(&f, s);
	if (!in->without_ports)
		write_ports(&f, s);
	write_loop(&f, in->answer, in->now_nsec);
	write_thread(&f, in->proc);
	write_process(&f, in->proc, in->started_nsec);
	write_log(&f, s);
	write_daemon(&f, s);
	write_pages(&f, in);
	write_server(&f, in->server);
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
