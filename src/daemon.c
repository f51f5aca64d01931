/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>

#include "host/tuning.h"
#include "kernel/watch.h"
#include "observe/log.h"
#include "ports/links.h"
#include "redis/conn.h"
#include "sonic/appl_ports.h"
#include "sonic/dbconfig.h"
#include "sonic/dryrun.h"
#include "sonic/loglevel.h"
#include "sonic/producer.h"
#include "sonic/publish.h"
#include "sonic/startup.h"

#define RESERVED_PORTS 512
#define STOP_USEC (2 * USEC_PER_SEC)
#define DRAIN_READS 64 /* then the loop has its turn again */
#define RETRY_INITIAL_MS 100
#define DUMP_TIMEOUT_USEC (5 * USEC_PER_SEC)
#define DUMP_RETRY_INITIAL_MS 10
#define DUMP_RETRY_MAX_MS 5000
#define DUMP_RETRY_BOUND 8
#define AUDIT_ACCURACY_USEC (250 * USEC_PER_MSEC)

struct daemon {
	const struct config *config;
	sd_event *event;
	struct dbconfig *dbconfig;
	struct dbconfig_db config_db, appl_db, state_db; /* as the configuration overrides them */
	struct links *links;
	struct watch *watch;
	struct conn *config_conn, *appl_conn, *state_conn;
	struct conn *appl_events, *logger_events; /* keyspace notifications */
	struct loglevel *loglevel;
	struct appl_ports *appl_ports;
	struct producer *producer;
	struct startup *startup;
	struct publish *publish;
	sd_event_source *audit, *stop_limit, *signals[5];
	bool synced_once, stopping, drained;
	uint64_t no_memory;            /* links_stats' at the last audit */
	uint64_t messages, busy_until; /* watch_stats' at the last turn; CLOCK_MONOTONIC us */
	unsigned settings_refused;
	int status;
};

/* --- ends --- */

/* The one line that says why, on stderr whatever the log's sink is. */
PRINTF_LIKE(2, 3) static void fail(struct daemon *d, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	log_err("%s", text);
	if (log_sink() != LOG_SINK_STDERR)
		(void)dprintf(STDERR_FILENO, "portsyncd: %s\n", text);
	d->status = EXIT_FAILURE;
	if (d->event)
		(void)sd_event_exit(d->event, EXIT_FAILURE);
}

static void log_summary(const struct daemon *d)
{
	const struct watch_stats *w = watch_stats(d->watch);
	const struct links_stats *l = links_stats(d->links);
	struct publish_stats none = {0};
	const struct publish_stats *p = d->publish ? publish_stats(d->publish) : &none;
	static const struct hist no_latency;
	const struct hist *latency = d->publish ? publish_latency(d->publish) : &no_latency;

	log_notice("events %" PRIu64 ", overruns %" PRIu64 ", dumps %" PRIu64 " (interrupted %" PRIu64
		   ", failed %" PRIu64 "), spoofed %" PRIu64 ", malformed %" PRIu64 ", ports %zu, flaps %" PRIu64
		   ", sets %" PRIu64 ", deletes %" PRIu64 ", batches %" PRIu64 ", refused %" PRIu64 ", audits %" PRIu64
		   ", drift %" PRIu64 ", log lines dropped %" PRIu64 ", settings refused %u, latency p50 us %" PRIu64
		   ", latency p99 us %" PRIu64,
		   w->messages, w->overruns, w->dumps, w->dumps_interrupted, w->dumps_failed, w->spoofed, w->malformed,
		   l->ports, l->flaps, p->sets, p->deletes, p->batches, p->refused, p->readbacks, p->drift,
		   log_dropped(), d->settings_refused, hist_quantile(latency, 0.5) / NSEC_PER_USEC,
		   hist_quantile(latency, 0.99) / NSEC_PER_USEC);
}

static void finish_stop(struct daemon *d)
{
	log_summary(d);
	(void)sd_event_exit(d->event, d->status);
}

static int on_stop_limit(sd_event_source *source, uint64_t usec, void *user)
{
	struct daemon *d = user;

	(void)source;
	(void)usec;
	log_warning("not everything could be written within 2 s: STATE_DB lacks the last state of %zu ports",
		    publish_owed(d->publish));
	finish_stop(d);
	return 0;
}

static int on_stop(sd_event_source *source, const struct signalfd_siginfo *info, void *user)
{
	struct daemon *d = user;

	(void)source;
	if (d->stopping)
		return 0;
	d->stopping = true;
	log_notice("stopping on %s", info->ssi_signo == SIGTERM ? "SIGTERM" : "SIGINT");
	(void)sd_notify(0, "STOPPING=1");
	return sd_event_add_time_relative(d->event, &d->stop_limit, CLOCK_MONOTONIC, STOP_USEC, 0, on_stop_limit, d);
}

static int on_level_step(sd_event_source *source, const struct signalfd_siginfo *info, void *user)
{
	int step = info->ssi_signo == SIGUSR1 ? 1 : -1;
	int level = MAX(LOG_EMERG, MIN(LOG_DEBUG, log_level() + step));

	(void)source;
	(void)user;
	log_set_level(level);
	log_notice("log level is %s now", config_level_name(level));
	return 0;
}

static int on_hangup(sd_event_source *source, const struct signalfd_siginfo *info, void *user)
{
	(void)source;
	(void)info;
	log_notice("the configuration is read at start only; SIGHUP changes nothing");
	log_summary(user);
	return 0;
}

/* --- the loop's turn --- */

static void dry_run_turn(struct daemon *d)
{
	int r;

	if (watch_state(d->watch) == WATCH_SETTLING || !d->synced_once)
		return;
	r = dryrun_flush(d->links, d->state_db.separator, stdout);
	if (r < 0)
		fail(d, "standard output: %s", strerror(-r));
}

/* What the kernel said before the signal came is part of what is owed: it may still wait in the socket. */
static bool drained_at_stop(struct daemon *d)
{
	if (d->drained)
		return true;
	for (unsigned i = 0; i < DRAIN_READS && !d->drained; i++)
		d->drained = watch_drain(d->watch);
	publish_flush(d->publish);
	conn_flush(d->state_conn);
	conn_attend(d->state_conn);
	return d->drained;
}

/* After every dispatched event source: what it changed goes out, once. */
static void end_turn(struct daemon *d)
{
	if (d->config->dry_run) {
		dry_run_turn(d);
		if (d->stopping)
			finish_stop(d);
		return;
	}
	startup_turn(d->startup);
	conn_collect(d->state_conn);
	publish_flush(d->publish);
	conn_flush(d->state_conn);
	conn_flush(d->appl_conn);
	conn_flush(d->config_conn);
	if (d->stopping && drained_at_stop(d) && publish_owed(d->publish) == 0)
		finish_stop(d);
}

/* While events come, it can be worth to look for the next one without sleeping: that costs a processor. */
static uint64_t patience(struct daemon *d)
{
	uint64_t messages = watch_stats(d->watch)->messages;

	if (d->config->busy_poll_usecs == 0)
		return UINT64_MAX;
	if (messages != d->messages)
		d->busy_until = now_usec() + (uint64_t)d->config->busy_poll_usecs;
	d->messages = messages;
	return now_usec() < d->busy_until ? 0 : UINT64_MAX;
}

/* As sd_event_loop(), but the end of a turn is a call: a post source would cost one more epoll_wait() an event. */
static int run_loop(struct daemon *d)
{
	while (sd_event_get_state(d->event) != SD_EVENT_FINISHED) {
		int r = sd_event_run(d->event, patience(d));

		if (r < 0)
			return r;
		if (sd_event_get_state(d->event) == SD_EVENT_INITIAL)
			end_turn(d);
	}
	return 0;
}

static int on_audit(sd_event_source *source, uint64_t usec, void *user)
{
	struct daemon *d = user;

	if (links_stats(d->links)->no_memory > d->no_memory) {
		d->no_memory = links_stats(d->links)->no_memory;
		watch_resync(d->watch, "some link was forgotten for lack of memory");
	}
	publish_audit(d->publish);
	appl_ports_rescan(d->appl_ports);
	loglevel_read(d->loglevel);
	startup_check(d->startup);
	(void)sd_event_source_set_time(source, usec + (uint64_t)d->config->audit_interval_secs * USEC_PER_SEC);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

/* --- kernel -> model --- */

static void on_link(const struct link_msg *msg, uint64_t received_nsec, void *user)
{
	links_event(((struct daemon *)user)->links, msg, received_nsec);
}

static void on_dump_begin(void *user)
{
	links_dump_begin(((struct daemon *)user)->links);
}

static void on_dump_row(const struct link_msg *msg, void *user)
{
	links_dump_row(((struct daemon *)user)->links, msg);
}

static void on_dump_commit(void *user)
{
	links_dump_commit(((struct daemon *)user)->links);
}

static void on_dump_abort(void *user)
{
	links_dump_abort(((struct daemon *)user)->links);
}

static void on_watch_state(enum watch_state state, void *user)
{
	struct daemon *d = user;

	if (d->publish)
		publish_hold(d->publish, state == WATCH_SETTLING);
	if (state != WATCH_SYNCED || d->synced_once)
		return;
	d->synced_once = true;
	if (d->startup)
		startup_links_known(d->startup);
	(void)sd_notify(0, "READY=1");
}

/* --- Redis --- */

static void on_config_ready(void *user)
{
	struct daemon *d = user;

	loglevel_read(d->loglevel);
	startup_ready(d->startup);
}

static void on_config_lost(void *user)
{
	startup_lost(((struct daemon *)user)->startup);
}

static void on_appl_ready(void *user)
{
	struct daemon *d = user;

	appl_ports_ready(d->appl_ports);
	startup_ready(d->startup);
}

static void on_appl_lost(void *user)
{
	struct daemon *d = user;

	appl_ports_lost(d->appl_ports);
	startup_lost(d->startup);
}

static void on_events_ready(void *user)
{
	appl_ports_subscribed(((struct daemon *)user)->appl_ports, true);
}

static void on_events_lost(void *user)
{
	appl_ports_subscribed(((struct daemon *)user)->appl_ports, false);
}

static void on_events_message(const struct resp_value *channel, const struct resp_value *payload, void *user)
{
	appl_ports_message(((struct daemon *)user)->appl_ports, channel, payload);
}

static void on_logger_ready(void *user)
{
	loglevel_read(((struct daemon *)user)->loglevel);
}

static void on_logger_message(const struct resp_value *channel, const struct resp_value *payload, void *user)
{
	(void)channel;
	(void)payload;
	loglevel_read(((struct daemon *)user)->loglevel);
}

static void on_state_ready(void *user)
{
	publish_ready(((struct daemon *)user)->publish);
}

static void on_state_lost(void *user)
{
	struct daemon *d = user;

	publish_lost(d->publish);
	startup_lost(d->startup);
}

static void on_unknown_port(struct port *port, void *user)
{
	appl_ports_wait(((struct daemon *)user)->appl_ports, port);
}

static void on_decided(void *user)
{
	publish_enable(((struct daemon *)user)->publish, true);
}

static void on_init_done(void *user)
{
	(void)user;
	(void)sd_notify(0, "STATUS=PortInitDone was sent");
}

static void on_refuse(const char *why, void *user)
{
	fail(user, "%s", why);
}

/* --- building --- */

static int enter_netns(struct daemon *d)
{
	char path[sizeof("/run/netns/") + NAME_MAX];
	int fd cleanup(close_fd) = -1;

	if (d->config->netns[0] == '\0')
		return 0;
	(void)snprintf(path, sizeof(path), "/run/netns/%s", d->config->netns);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET) < 0) {
		int r = -errno;

		fail(d, "network namespace %s: %s", path, strerror(-r));
		return r;
	}
	return 0;
}

static void override(struct dbconfig_db *db, const struct config *config, long number)
{
	if (number >= 0)
		db->number = (unsigned)number;
	if (config->redis_unix_socket[0]) {
		db->unix_socket = config->redis_unix_socket;
	} else if (config->redis_host[0] || config->redis_port) {
		db->unix_socket = NULL;
		db->host = config->redis_host[0] ? config->redis_host : "127.0.0.1";
		db->port = config->redis_port ? (uint16_t)config->redis_port : 6379;
	}
}

static int load_databases(struct daemon *d)
{
	const struct config *config = d->config;
	char error[512];
	int r = config_load_databases(config, &d->dbconfig, error, sizeof(error));

	if (r < 0) {
		fail(d, "%s", error);
		return r;
	}
	d->config_db = *dbconfig_get(d->dbconfig, "CONFIG_DB");
	d->appl_db = *dbconfig_get(d->dbconfig, "APPL_DB");
	d->state_db = *dbconfig_get(d->dbconfig, "STATE_DB");
	override(&d->config_db, config, config->config_db_number);
	override(&d->appl_db, config, config->appl_db_number);
	override(&d->state_db, config, config->state_db_number);
	return 0;
}

static int open_conn(struct daemon *d, struct conn **ret, const char *label, const struct dbconfig_db *db,
		     const char *pattern, const char *password, const struct conn_ops *ops)
{
	const struct config *config = d->config;
	struct conn_options options = {
		.label = label,
		.unix_socket = db->unix_socket,
		.host = db->host,
		.port = db->port,
		.database = db->number,
		.username = config->redis_username[0] ? config->redis_username : NULL,
		.password = password,
		.timeout_usec = (uint64_t)config->connection_timeout_secs * USEC_PER_SEC,
		.retry_initial_ms = RETRY_INITIAL_MS,
		.retry_max_ms = (uint32_t)config->retry_interval_secs * 1000,
		.reply_usec = (uint64_t)config->reply_usecs,
		.max_in_flight = (size_t)config->max_event_queue,
		.pattern = pattern,
	};
	int r = conn_new(ret, d->event, &options, ops, d);

	if (r < 0)
		fail(d, "%s at %s: %s", label, db->unix_socket ? db->unix_socket : db->host, strerror(-r));
	return r;
}

static int open_conns(struct daemon *d)
{
	static const struct conn_ops config_ops = {.ready = on_config_ready, .lost = on_config_lost};
	static const struct conn_ops appl_ops = {.ready = on_appl_ready, .lost = on_appl_lost};
	static const struct conn_ops events_ops = {
		.ready = on_events_ready, .lost = on_events_lost, .message = on_events_message};
	static const struct conn_ops logger_ops = {.ready = on_logger_ready, .message = on_logger_message};
	static const struct conn_ops state_ops = {.ready = on_state_ready, .lost = on_state_lost};
	char *password cleanup(config_wipe_password) = NULL;
	char pattern[64], error[512];
	int r = config_read_password(d->config, &password, error, sizeof(error));

	if (r < 0) {
		fail(d, "%s", error);
		return r;
	}
	(void)appl_ports_pattern(pattern, sizeof(pattern), d->appl_db.separator, d->appl_db.number);
	r = open_conn(d, &d->config_conn, "CONFIG_DB", &d->config_db, NULL, password, &config_ops);
	if (r == 0)
		r = open_conn(d, &d->appl_conn, "APPL_DB", &d->appl_db, NULL, password, &appl_ops);
	if (r == 0)
		r = open_conn(d, &d->appl_events, "APPL_DB events", &d->appl_db, pattern, password, &events_ops);
	(void)loglevel_pattern(pattern, sizeof(pattern), d->config_db.separator, d->config_db.number);
	if (r == 0)
		r = open_conn(d, &d->logger_events, "CONFIG_DB events", &d->config_db, pattern, password, &logger_ops);
	if (r == 0)
		r = open_conn(d, &d->state_conn, "STATE_DB", &d->state_db, NULL, password, &state_ops);
	return r;
}

static int build_sonic(struct daemon *d)
{
	static const struct startup_ops startup_ops = {
		.decided = on_decided, .init_done = on_init_done, .refuse = on_refuse};
	const struct loglevel_options log_options = {
		.sink = log_sink(),
		.level_chosen = d->config->level_chosen,
		.sink_chosen = d->config->target_chosen,
	};
	struct publish_options publish_options;
	struct startup_deps deps;
	int r = open_conns(d);

	if (r < 0)
		return r;
	d->loglevel = loglevel_new(d->config_conn, d->config_db.separator, &log_options);
	if (!d->loglevel)
		return -ENOMEM;
	r = appl_ports_new(&d->appl_ports, d->event, d->links, d->appl_conn, d->appl_db.separator);
	if (r < 0)
		return r;
	d->producer = producer_new(d->appl_conn, "PORT_TABLE", d->appl_db.separator, d->appl_db.number);
	if (!d->producer)
		return -ENOMEM;
	deps = (struct startup_deps){
		.event = d->event,
		.links = d->links,
		.config = d->config_conn,
		.appl = d->appl_conn,
		.state = d->state_conn,
		.appl_ports = d->appl_ports,
		.producer = d->producer,
		.config_separator = d->config_db.separator,
		.appl_separator = d->appl_db.separator,
		.state_separator = d->state_db.separator,
		.follow_count = d->config->track_port_config_done,
	};
	r = startup_new(&d->startup, &deps, &startup_ops, d);
	if (r < 0)
		return r;
	publish_options = (struct publish_options){
		.separator = d->state_db.separator,
		.batch_size = (size_t)d->config->batch_size,
	};
	return publish_new(&d->publish, d->event, d->links, d->state_conn, &publish_options, on_unknown_port, d);
}

static int build_watch(struct daemon *d)
{
	static const struct watch_ops ops = {
		.event = on_link,
		.dump_begin = on_dump_begin,
		.dump_row = on_dump_row,
		.dump_commit = on_dump_commit,
		.dump_abort = on_dump_abort,
		.state_changed = on_watch_state,
	};
	struct watch_options options = {
		.rcvbuf = (size_t)d->config->receive_buffer_bytes,
		.sndbuf = (size_t)d->config->send_buffer_bytes,
		.receive_pool = (unsigned)d->config->receive_pool,
		.datagram_bytes = (size_t)d->config->datagram_bytes,
		.settle_usec = (uint64_t)d->config->batch_timeout_ms * USEC_PER_MSEC,
		.gather_usec = (uint64_t)d->config->gather_usecs,
		.dump_timeout_usec = DUMP_TIMEOUT_USEC,
		.retry_initial_ms = DUMP_RETRY_INITIAL_MS,
		.retry_max_ms = DUMP_RETRY_MAX_MS,
		.retry_bound = DUMP_RETRY_BOUND,
	};
	int r = watch_new(&d->watch, d->event, &options, &ops, d);

	if (r < 0)
		fail(d, "the kernel's link events cannot be followed: %s", strerror(-r));
	return r;
}

static int add_signals(struct daemon *d)
{
	static const struct {
		int number;
		sd_event_signal_handler_t handler;
	} wanted[] = {
		{SIGTERM, on_stop},       {SIGINT, on_stop},   {SIGUSR1, on_level_step},
		{SIGUSR2, on_level_step}, {SIGHUP, on_hangup},
	};
	sigset_t mask;

	(void)sigemptyset(&mask);
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
		(void)sigaddset(&mask, wanted[i].number);
	if (sigprocmask(SIG_BLOCK, &mask, NULL) < 0)
		return -errno;
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
		int r = sd_event_add_signal(d->event, &d->signals[i], wanted[i].number, wanted[i].handler, d);

		if (r < 0)
			return r;
	}
	return 0;
}

static int add_sources(struct daemon *d)
{
	int r = add_signals(d);

	if (r >= 0 && d->config->enable_watchdog)
		r = sd_event_set_watchdog(d->event, true);
	if (r >= 0 && !d->config->dry_run)
		r = sd_event_add_time_relative(d->event, &d->audit, CLOCK_MONOTONIC,
					       (uint64_t)d->config->audit_interval_secs * USEC_PER_SEC,
					       AUDIT_ACCURACY_USEC, on_audit, d);
	return r < 0 ? r : 0;
}

static int build(struct daemon *d)
{
	int r = enter_netns(d);

	if (r < 0)
		return r;
	r = load_databases(d);
	if (r < 0)
		return r;
	if (!d->config->dry_run)
		d->settings_refused = tuning_apply(d->config);
	d->links = links_new(RESERVED_PORTS);
	if (!d->links)
		return -ENOMEM;
	r = sd_event_new(&d->event);
	if (r < 0)
		return r;
	if (!d->config->dry_run)
		r = build_sonic(d);
	if (r >= 0)
		r = build_watch(d);
	if (r >= 0)
		r = add_sources(d);
	return r;
}

static void take_down(struct daemon *d)
{
	watch_free(d->watch);
	conn_free(d->state_conn);
	conn_free(d->logger_events);
	conn_free(d->appl_events);
	conn_free(d->appl_conn);
	conn_free(d->config_conn);
	publish_free(d->publish);
	startup_free(d->startup);
	loglevel_free(d->loglevel);
	producer_free(d->producer);
	appl_ports_free(d->appl_ports);
	links_free(d->links);
	dbconfig_free(d->dbconfig);
	for (size_t i = 0; i < ARRAY_SIZE(d->signals); i++)
		sd_event_source_disable_unref(d->signals[i]);
	sd_event_source_disable_unref(d->stop_limit);
	sd_event_source_disable_unref(d->audit);
	sd_event_unref(d->event);
}

int daemon_run(const struct config *config)
{
	struct daemon d = {.config = config};
	int r = build(&d);

	if (r >= 0) {
		log_notice("portsyncd " PORTSYNCD_VERSION " follows the kernel's links");
		r = run_loop(&d);
	}
	if (r < 0 && d.status == EXIT_SUCCESS)
		fail(&d, "%s", strerror(-r));
	take_down(&d);
	return d.status;
}
