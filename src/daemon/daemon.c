/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/daemon.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <systemd/sd-event.h>

#include "base/timer.h"
#include "daemon/confine.h"
#include "daemon/connections.h"
#include "daemon/counters.h"
#include "daemon/end.h"
#include "daemon/judge.h"
#include "daemon/kernel.h"
#include "daemon/netns.h"
#include "daemon/previous.h"
#include "daemon/recordings.h"
#include "daemon/reload.h"
#include "daemon/single.h"
#include "daemon/status.h"
#include "host/memory.h"
#include "host/notify.h"
#include "host/process.h"
#include "host/tuning.h"
#include "log/audit.h"
#include "log/format.h"
#include "settings/settings.h"
#include "sonic/dryrun.h"
#include "sonic/portlog.h"

#define SOURCES_AT_ONCE 128 /* of the event loop, which has some 90 */
#define RESERVED_PORTS 512
#define STOP_USEC (2 * USEC_PER_SEC)
#define DRAIN_READS 64 /* after so many the loop takes its turn */
#define RECONCILE_ACCURACY_USEC (250 * USEC_PER_MSEC)

/* --- ends --- */

static int on_suppressed(sd_event_source *source, uint64_t usec, void *user)
{
	struct daemon *d = user;

	(void)source;
	(void)usec;
	d->suppressed_due = 0;
	daemon_report_suppressed(d, false);
	return 0;
}

/* The line about a port's last state must not wait for the next reconciliation. */
static void arm_suppressed(struct daemon *d)
{
	uint64_t due = portlog_due();

	if (due == d->suppressed_due)
		return;
	d->suppressed_due = due;
	if (due)
		timer_start_at(d->suppressed, due);
	else
		timer_stop(d->suppressed);
}

static void log_summary(const struct daemon *d)
{
	const struct watch_stats *w = watch_stats(d->watch);
	const struct links_stats *l = links_stats(d->links);
	static const struct publish_stats none;
	const struct publish_stats *p = d->publish ? publish_stats(d->publish) : &none;
	static const struct hist no_latency;
	const struct hist *latency = d->publish ? publish_latency(d->publish) : &no_latency;
	struct log_stats log;

	log_stats(&log);
	log_notice(KIND_SUMMARY,
		   "events %" PRIu64 ", overruns %" PRIu64 ", dumps %" PRIu64 " (interrupted %" PRIu64
		   ", failed %" PRIu64 "), spoofed %" PRIu64 ", malformed %" PRIu64 ", ports %zu, flaps %" PRIu64
		   ", sets %" PRIu64 ", deletes %" PRIu64 ", batches %" PRIu64 ", refused %" PRIu64
		   ", reconciliations %" PRIu64 ", drift %" PRIu64 ", log lines dropped %" PRIu64
		   ", settings refused %u, latency p50 us %" PRIu64 ", latency p99 us %" PRIu64,
		   w->messages, w->overruns, w->dumps, w->dumps_interrupted, w->dumps_failed, w->spoofed, w->malformed,
		   l->ports, l->flaps, p->sets, p->deletes, p->batches, p->refused, p->reconciliations, p->drift,
		   log.dropped, d->settings_refused, hist_quantile(latency, 0.5) / NSEC_PER_USEC,
		   hist_quantile(latency, 0.99) / NSEC_PER_USEC);
}

static void finish_stop(struct daemon *d)
{
	log_summary(d);
	(void)timer_exit(d->event, d->status);
}

static int on_stop_limit(sd_event_source *source, uint64_t usec, void *user)
{
	struct daemon *d = user;

	(void)source;
	(void)usec;
	log_warning(
		KIND_STOP_INCOMPLETE,
		"not everything could be written within 2 s: STATE_DB lacks the last state of %zu ports, APPL_DB has "
		"not answered %zu commands%s%s",
		publish_owed(d->publish), conn_in_flight(d->appl_conn),
		watch_is_certain(d->watch) ? "" : "; not in sync with the kernel: any row may be wrong",
		publish_is_in_doubt(d->publish) ? "; what STATE_DB holds is not known" : "");
	finish_stop(d);
	return 0;
}

static int on_stop(sd_event_source *source, const struct signalfd_siginfo *info, void *user)
{
	struct daemon *d = user;

	(void)source;
	if (d->stopping)
		return 0;
	daemon_stops(d, info);
	timer_start(d->stop_limit, STOP_USEC);
	return 0;
}

static int on_level_step(sd_event_source *source, const struct signalfd_siginfo *info, void *user)
{
	int step = info->ssi_signo == SIGUSR1 ? 1 : -1;
	int level = MAX(LOG_EMERG, MIN(LOG_DEBUG, log_level() + step));
	char who[LOG_SUBJECT_BYTES];

	(void)source;
	(void)user;
	if (level == log_level())
		log_notice(KIND_LOG_LEVEL_SET, "log level is %s, there is none beyond", logformat_level(level));
	audit_change_level(level, daemon_sender(info, who), step > 0 ? "SIGUSR1" : "SIGUSR2");
	return 0;
}

/* As sd_notify(3) wants a service to report a reload. Says nothing before READY=1 and after STOPPING=1. */
static void notify_reloading(const struct daemon *d, bool begins)
{
	if (!d->synced_once || d->stopping)
		return;
	if (begins)
		notify_send(d->notify, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, now_usec());
	else
		notify_send(d->notify, "READY=1");
}

static int on_hangup(sd_event_source *source, const struct signalfd_siginfo *info, void *user)
{
	char who[LOG_SUBJECT_BYTES];

	(void)source;
	notify_reloading(user, true);
	reload(user, daemon_sender(info, who));
	daemon_report_suppressed(user, false);
	log_summary(user);
	notify_reloading(user, false);
	return 0;
}

/* --- the loop's turn --- */

static int on_writable(sd_event_source *source, int fd, uint32_t revents, void *user)
{
	(void)source;
	(void)fd;
	(void)revents;
	(void)user;
	return 0; /* the end of the turn prints */
}

/* What cannot be polled, such as a file, is always writable. */
static int wait_for_room(struct daemon *d)
{
	int r = 0;

	if (!d->writable)
		r = sd_event_add_io(d->event, &d->writable, STDOUT_FILENO, EPOLLOUT, on_writable, d);
	return r < 0 ? r : timer_enable(d->writable, SD_EVENT_ONESHOT);
}

static int print_dirty(struct daemon *d)
{
	int r = 0;

	while (r == 0 && links_any_dirty(d->links)) {
		struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};

		if (poll(&out, 1, 0) == 0)
			return wait_for_room(d);
		r = dryrun_flush(d->links, d->state_db.separator, true, stdout);
	}
	return r;
}

/* A slow reader holds up neither the kernel's events nor a stop. */
static void dry_run_turn(struct daemon *d)
{
	int r;

	if (watch_state(d->watch) == WATCH_SETTLING || !d->synced_once)
		return;
	r = print_dirty(d);
	if (r < 0)
		daemon_fail(d, "standard output: %s", strerror(-r));
}

/* Messages from before the signal may still wait in the socket; they are owed, too. */
static bool drained_at_stop(struct daemon *d)
{
	if (d->drained)
		return true;
	for (unsigned i = 0; i < DRAIN_READS && !d->drained; i++)
		d->drained = watch_drain(d->watch);
	publish_flush(d->publish);
	conn_flush(d->state_conn);
	conn_expedite(d->state_conn);
	return d->drained;
}

/* Rows whose state in Redis is unknown are owed as well. */
static bool all_known(const struct daemon *d)
{
	return watch_is_certain(d->watch) && !publish_is_in_doubt(d->publish);
}

/* A TCP connection that is closed loses what Redis has not acknowledged. */
static bool all_answered(const struct daemon *d)
{
	return conn_in_flight(d->appl_conn) == 0 && conn_in_flight(d->config_conn) == 0;
}

static bool all_printed(const struct daemon *d)
{
	return d->config->once && watch_state(d->watch) == WATCH_SYNCED && !links_any_dirty(d->links);
}

/* After every dispatched event source: what it changed goes out, once. */
static void end_turn(struct daemon *d)
{
	judge_turn(d);
	if (d->config->dry_run) {
		dry_run_turn(d);
		if (d->stopping || all_printed(d))
			finish_stop(d);
		return;
	}
	startup_turn(d->startup);
	loglevel_turn(d->loglevel);
	conn_poll_replies(d->state_conn);
	publish_flush(d->publish);
	appl_ports_turn(d->appl_ports);
	conn_flush(d->state_conn);
	if (conn_collect_replies(d->state_conn)) {
		publish_flush(d->publish);
		conn_flush(d->state_conn);
	}
	conn_flush(d->appl_conn);
	conn_flush(d->config_conn);
	counters_turn(d);
	arm_suppressed(d);
	recordings_turn(d);
	if (d->stopping && drained_at_stop(d) && all_known(d) && publish_owed(d->publish) == 0 && all_answered(d))
		finish_stop(d);
}

static uint64_t longest_sleep(struct daemon *d)
{
	uint64_t now, due = watch_due(d->watch);

	if (due == UINT64_MAX)
		return UINT64_MAX;
	now = now_usec();
	return due > now ? due - now : 0;
}

static bool events_are_due(const struct daemon *d)
{
	uint64_t due = watch_due(d->watch);

	return due != UINT64_MAX && due <= now_usec();
}

/* Calls sd_event_prepare(), unless nothing has changed since the last call. */
static int prepare(struct daemon *d)
{
	const bool touched = timer_take_touch();
	int r = 0;

	if (sd_event_get_state(d->event) == SD_EVENT_ARMED) {
		if (!touched)
			return 0;
		r = sd_event_wait(d->event, 0);
	}
	return r == 0 ? sd_event_prepare(d->event) : r;
}

/* Sleeps until there are link events, which it reads, or sd-event has something; as sd_event_wait(). */
static int sleep_for_either(struct daemon *d)
{
	struct epoll_event ready[2];
	bool events = false, sources = false;
	int n = epoll_wait(d->sleep_fd, ready, ARRAY_SIZE(ready), -1);

	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	for (int i = 0; i < n; i++)
		if (ready[i].data.ptr == d->event)
			sources = true;
		else
			events = true;
	if (events) {
		timer_set_now(now_usec());
		status_note_turn(d);
		watch_read(d->watch);
	}
	return sources ? sd_event_wait(d->event, 0) : 0;
}

/*
 * As sd_event_run(), but notes when work begins, of a source or of gathered events. A turn for link events alone goes
 * past sd-event: what that does for a source was a third of the instructions of an event at 1,000/s.
 */
static int run_turn(struct daemon *d)
{
	int r = prepare(d);

	if (r == 0 && d->sleep_fd >= 0 && watch_due(d->watch) == UINT64_MAX)
		r = sleep_for_either(d);
	else if (r == 0)
		r = sd_event_wait(d->event, longest_sleep(d));
	if (r > 0 || (r == 0 && events_are_due(d)))
		status_note_turn(d);
	return r > 0 ? sd_event_dispatch(d->event) : r;
}

/* As sd_event_loop(), but the end of a turn is a call: a post source would cost one more epoll_wait() an event. */
static int run_loop(struct daemon *d)
{
	while (sd_event_get_state(d->event) != SD_EVENT_FINISHED) {
		int r = run_turn(d);

		if (r < 0)
			return r;
		if (sd_event_get_state(d->event) != SD_EVENT_FINISHED) {
			watch_turn(d->watch);
			end_turn(d);
		}
		status_note_turn_end(d);
		timer_set_now(0);
	}
	return 0;
}

static int on_reconcile(sd_event_source *source, uint64_t usec, void *user)
{
	struct daemon *d = user;

	if (links_stats(d->links)->no_memory > d->no_memory) {
		d->no_memory = links_stats(d->links)->no_memory;
		watch_resync(d->watch, "some link was forgotten for lack of memory");
	}
	netns_check(d);
	daemon_report_suppressed(d, false);
	mirror_reread(d->mirror);
	publish_reconcile(d->publish);
	appl_ports_reconcile(d->appl_ports);
	loglevel_read(d->loglevel);
	(void)startup_check(d->startup);
	judge_now(d);
	timer_start_at(source, usec + (uint64_t)d->config->reconcile_interval_secs * USEC_PER_SEC);
	return 0;
}

/* --- building --- */

/* Makes the epoll instance of sleep_for_either(). Without it, as in a dry run, sd-event also waits for link events. */
static void prepare_sleep(struct daemon *d)
{
	struct epoll_event sources = {.events = EPOLLIN, .data.ptr = d->event};

	if (d->config->dry_run)
		return;
	d->sleep_fd = epoll_create1(EPOLL_CLOEXEC);
	if (d->sleep_fd >= 0 && epoll_ctl(d->sleep_fd, EPOLL_CTL_ADD, sd_event_get_fd(d->event), &sources) == 0 &&
	    watch_wait_in(d->watch, d->sleep_fd) == 0)
		return;
	close_fd(&d->sleep_fd);
	d->sleep_fd = -1;
}

static const struct {
	int number;
	sd_event_signal_handler_t handler;
} wanted[] = {
	{SIGTERM, on_stop}, {SIGINT, on_stop}, {SIGUSR1, on_level_step}, {SIGUSR2, on_level_step}, {SIGHUP, on_hangup},
};

void daemon_block_signals(void)
{
	sigset_t mask;

	(void)sigemptyset(&mask);
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
		(void)sigaddset(&mask, wanted[i].number);
	(void)sigprocmask(SIG_BLOCK, &mask, NULL);
}

static int add_signals(struct daemon *d)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(wanted); i++)
		r = sd_event_add_signal(d->event, &d->signals[i], wanted[i].number, wanted[i].handler, d);
	return r;
}

static int add_sources(struct daemon *d)
{
	int r = add_signals(d);

	/* Made now, since a daemon that gets no memory later must still end in time. */
	if (r >= 0)
		r = timer_add(&d->stop_limit, d->event, 0, on_stop_limit, d);
	if (r >= 0)
		r = timer_add(&d->suppressed, d->event, RECONCILE_ACCURACY_USEC, on_suppressed, d);
	if (r >= 0)
		r = notify_attach(d->notify, d->event);
	if (r >= 0)
		r = single_serve(d);
	if (r >= 0 && !d->config->dry_run)
		r = timer_add(&d->reconciling, d->event, RECONCILE_ACCURACY_USEC, on_reconcile, d);
	if (d->reconciling)
		timer_start(d->reconciling, (uint64_t)d->config->reconcile_interval_secs * USEC_PER_SEC);
	return r < 0 ? r : 0;
}

/* Gives up rights, starts the threads, which must not have them, and locks the sandbox. */
static int confine(struct daemon *d)
{
	int r = confine_enter(d);

	if (r < 0)
		return r;
	log_start();
	recordings_serve(d);
	mirror_serve(d->mirror);
	status_start(d);
	counters_build(d);
	r = judge_start(d);
	if (r >= 0)
		r = connections_start(d);
	return r < 0 ? r : confine_lock(d);
}

static unsigned tune(const struct daemon *d)
{
	struct tuning_options options = settings_tuning(d->config);

	memory_give_back();
	return tuning_apply(&options);
}

/* netns: the outcome of entering it. */
static int build(struct daemon *d, int netns)
{
	int r = notify_new(&d->notify);

	if (r == 0)
		r = confine_seal(d);
	if (r == 0 && netns < 0) {
		netns_report_missing(d, netns);
		return netns;
	}
	if (r == 0)
		r = confine_check(d);
	if (r < 0)
		return r;
	if (!d->config->dry_run) {
		d->changes = changes_new((size_t)d->config->state_history_changes);
		if (!d->changes)
			return -ENOMEM;
		counters_restore_changes(d);
	}
	r = connections_load(d);
	if (r == 0)
		r = single_claim_known(d);
	if (r < 0)
		return r;
	if (!d->config->dry_run)
		d->settings_refused = tune(d);
	recordings_start(d);
	d->links = links_new(RESERVED_PORTS);
	if (!d->links)
		return -ENOMEM;
	r = sd_event_new(&d->event);
	if (r >= 0)
		r = timer_reserve(d->event, SOURCES_AT_ONCE);
	if (r >= 0 && !d->config->dry_run)
		r = connections_build(d);
	if (r >= 0)
		r = kernel_build(d);
	if (r >= 0)
		prepare_sleep(d);
	if (r >= 0)
		r = judge_build(d);
	if (r >= 0)
		r = status_build(d);
	if (r >= 0)
		r = add_sources(d);
	if (r >= 0)
		r = confine(d);
	return r;
}

static void take_down(struct daemon *d)
{
	counters_free(d);
	mirror_free(d->mirror);
	close_fd(&d->sleep_fd);
	connections_free(d);
	status_free(d);
	changes_free(d->changes);
	judge_free(d);
	links_free(d->links);
	dbconfig_free(d->dbconfig);
	for (size_t i = 0; i < ARRAY_SIZE(d->signals); i++)
		sd_event_source_disable_unref(d->signals[i]);
	sd_event_source_disable_unref(d->stop_limit);
	sd_event_source_disable_unref(d->writable);
	sd_event_source_disable_unref(d->suppressed);
	sd_event_source_disable_unref(d->reconciling);
	sd_event_source_disable_unref(d->keeping);
	sd_event_source_disable_unref(d->netns_watch);
	sd_event_source_disable_unref(d->single_asked);
	close_fd(&d->single);
	notify_free(d->notify);
	sd_event_unref(d->event);
	confine_free(d);
	recordings_free(d);
	free(d->reread);
}

/* Other lines say the rest: the trail, which is read without them, has it in the record. */
static void report_start(const struct daemon *d)
{
	bool kept = audit_is_kept();

	audit_event(LOG_NOTICE, KIND_STARTED, AUDIT_START, AUDIT_SUCCESS, audit_self(),
		    "portsyncd " PORTSYNCD_VERSION " follows the kernel's links%s%s%s", kept ? counters_note(d) : "",
		    kept ? "; the process before: " : "", kept ? d->previous_stop : "");
}

int daemon_run(const struct config *config, char *complaints)
{
	struct daemon d = {.config = config, .sleep_fd = -1, .single = -1};
	int netns = netns_enter(&d), r;

	if (netns == 0 && single_claim(&d) < 0)
		return EXIT_FAILURE;
	process_report();
	counters_load(&d);
	previous_load(&d);
	if (config->faults == 0)
		audit_record(AUDIT_CONFIG_LOADED, AUDIT_SUCCESS, audit_self(), NULL,
			     "the configuration was read and is good");
	else
		reload_report_faults(config, complaints);
	r = build(&d, netns);

	if (r >= 0) {
		report_start(&d);
		if (config->log_audit && !config->dry_run && !audit_is_kept())
			log_notice(KIND_NO_AUDIT_TRAIL, "there is no audit trail: it is not written to stderr");
		r = run_loop(&d);
	}
	if (r < 0 && d.status == EXIT_SUCCESS && !(r == -ECANCELED && d.stopping))
		daemon_fail(&d, "%s", strerror(-r));
	recordings_finish(&d);
	counters_finish(&d);
	take_down(&d);
	return d.status;
}

void daemon_refuse(const struct config *config)
{
	struct daemon d = {.config = config};

	if (!audit_is_kept())
		return;
	counters_load(&d);
	/* If another process has the state file, it issues the numbers: this one has none. */
	if (d.counters || config->state_file[0] == '\0')
		audit_record(AUDIT_CONFIG_REFUSED, AUDIT_FAILURE, audit_self(), NULL,
			     "the configuration is refused, nothing was started");
	counters_finish(&d);
	counters_free(&d);
}
