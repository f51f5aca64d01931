/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/watch.h"

#include <errno.h>
#include <inttypes.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/backoff.h"
#include "base/timer.h"
#include "base/util.h"
#include "kernel/nlsock.h"
#include "kernel/pace.h"
#include "kernel/reply.h"
#include "log/audit.h"
#include "recorder/recorder.h"

#define DUMP_POOL 8            /* datagrams */
#define BATCHES_PER_TURN 16    /* then other event sources have their turn */
#define CALM_USEC USEC_PER_SEC /* in sync for so long: the next loss is a new one, not the same trouble */
#define TIMER_ACCURACY_USEC 1000

struct watch {
	sd_event *event;
	const struct watch_ops *ops;
	void *user;
	struct watch_options opt;
	struct watch_stats stats;
	enum watch_state state;
	uint64_t since; /* when we came into sync, or fell out of it */

	struct nlsock *events, *dump; /* dump: only in DUMPING */
	int epoll_fd;                 /* waits for events; -1: the loop does, by events_source */
	sd_event_source *events_source, *dump_source, *resync_source;
	uint64_t gathered_usec; /* the next read in a storm, while events_source is off; 0: it is on */
	bool broken;            /* the event socket failed: it is left alone until the timer */
	struct pace pace;
	uint64_t received_nsec; /* when the batch that is delivered came */
	sd_event_source *timer; /* UNSYNCED: next dump; DUMPING: no progress; SETTLING: long enough; SYNCED: off */
	struct reply reply;     /* to the running dump */

	bool due;             /* UNSYNCED: the dump may start once the event socket is drained */
	unsigned failures;    /* dumps in a row */
	struct backoff retry; /* between them */
	unsigned losses;      /* without a calm time in between */
	struct backoff storm; /* between them */

	bool episode; /* a loss that no dump has mended yet */
	bool aloud;   /* the log says that we are not in sync, so it must say when we are again */

	bool busy, freed; /* watch_free() in a callback waits for the end of the callback */
};

/* watch_free() was called in a callback: no further one comes. */
#define NOTIFY(w, what, ...)                                                                                           \
	do {                                                                                                           \
		if (!(w)->freed)                                                                                       \
			(w)->ops->what(__VA_ARGS__);                                                                   \
	} while (0)

static void free_nlsock(struct nlsock **s)
{
	nlsock_free(*s);
}

static void enter(struct watch *w, enum watch_state state)
{
	if (state == w->state)
		return;
	if (state == WATCH_SYNCED || w->state == WATCH_SYNCED)
		w->since = now_usec();
	w->state = state;
	log_debug(KIND_WATCH_STATE, "%s", watch_state_name(state));
	recorder_state(state, watch_state_name(state));
	NOTIFY(w, state_changed, state, w->user);
}

/* Ends a running dump in the kernel too, so that no row of it can come later. */
static void close_dump(struct watch *w)
{
	w->dump_source = sd_event_source_disable_unref(w->dump_source);
	nlsock_free(w->dump);
	w->dump = NULL;
}

static void abort_dump(struct watch *w)
{
	if (!w->dump)
		return;
	close_dump(w);
	NOTIFY(w, dump_abort, w->user);
}

static void wait_for_dump(struct watch *w, uint64_t delay)
{
	w->due = delay == 0;
	timer_start(w->timer, delay);
	enter(w, WATCH_UNSYNCED);
}

/* At once after the first loss; losses that follow each other must not become a storm of dumps. */
static uint64_t delay_after_loss(struct watch *w)
{
	if (w->state == WATCH_SYNCED && now_usec() - w->since >= CALM_USEC) {
		w->losses = 0;
		backoff_reset(&w->storm);
	}
	return w->losses++ ? backoff_next_usec(&w->storm) : 0;
}

static void restart(struct watch *w)
{
	uint64_t delay;

	if (w->state == WATCH_UNSYNCED)
		return; /* a dump will come anyway, and no earlier because of more trouble */
	delay = delay_after_loss(w);
	abort_dump(w);
	wait_for_dump(w, delay);
}

/* A line for an episode; a record for each overrun in it. */
static void report_loss(struct watch *w, const char *why, bool overrun)
{
	static const struct audit_event event = {AUDIT_OVERRUN, AUDIT_FAILURE, AUDIT_KERNEL};
	bool line = !w->episode && log_wanted(LOG_WARNING, KIND_EVENTS_LOST);

	w->episode = true;
	w->aloud = w->aloud || line;
	recorder_trigger(RECORDER_WHY_LOST, "link events were lost: %s", why);
	audit_event_line(line, overrun && audit_wanted(AUDIT_OVERRUN), LOG_WARNING, KIND_EVENTS_LOST, &event, LOG_HERE,
			 NULL,
			 "link events were lost (%s; %" PRIu64 " overruns so far, receive buffer %zu bytes), "
			 "all links will be read again",
			 why, w->stats.overruns, nlsock_rcvbuf(w->events));
}

static void lost(struct watch *w, const char *why)
{
	report_loss(w, why, false);
	restart(w);
}

static void malformed_event(struct watch *w)
{
	w->stats.malformed++;
	lost(w, "malformed message");
}

static int event_message(const struct nlmsghdr *nlh, void *user)
{
	struct watch *w = user;
	struct link_msg msg;
	int r = linkmsg_parse(nlh, &msg);

	w->stats.messages++;
	if (r == -EBADMSG)
		malformed_event(w);
	if (r < 0)
		return 0; /* the messages after it may be good */
	if (msg.type == RTM_NEWLINK)
		w->stats.newlink++;
	else
		w->stats.dellink++;
	NOTIFY(w, event, &msg, w->received_nsec, w->user);
	return 0;
}

static void report_spoofed(size_t n)
{
	if (n == 0)
		return;
	recorder_note("%zu netlink messages were not the kernel's", n);
	audit_record(AUDIT_SPOOF, AUDIT_FAILURE, "a process that is not the kernel", NULL,
		     "%zu netlink messages were not the kernel's and were dropped", n);
}

static void deliver_events(struct watch *w, const struct nlsock_batch *batch)
{
	w->received_nsec = now_nsec();
	w->stats.datagrams += batch->n;
	w->stats.spoofed += batch->spoofed;
	report_spoofed(batch->spoofed);
	recorder_time(w->received_nsec);
	for (size_t i = 0; i < batch->n; i++) {
		recorder_datagram(RECORDER_EVENTS, batch->datagram[i].data, batch->datagram[i].len);
		if (linkmsg_walk(batch->datagram[i].data, batch->datagram[i].len, event_message, w) < 0)
			malformed_event(w);
	}
}

/* If epoll has the socket already, or no longer, it returns an error, which does no harm. */
static void listen_to_events(struct watch *w, bool on)
{
	struct epoll_event event = {.events = EPOLLIN};

	if (w->epoll_fd >= 0)
		(void)epoll_ctl(w->epoll_fd, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, nlsock_fd(w->events), &event);
	else if (on)
		(void)timer_enable(w->events_source, SD_EVENT_ON);
	else
		(void)sd_event_source_set_enabled(w->events_source, SD_EVENT_OFF);
}

/* An error that stays would keep the loop spinning: the socket is left alone until the back-off is over. */
static void events_failed(struct watch *w, int error)
{
	w->stats.socket_errors++;
	recorder_lost(RECORDER_SOCKET_ERROR);
	report_loss(w, strerror(-error), false);
	listen_to_events(w, false);
	w->broken = true;
	w->gathered_usec = 0;
	abort_dump(w);
	wait_for_dump(w, backoff_next_usec(&w->storm));
}

/*
 * Takes what the event socket has; true when it is empty. After an overrun the kernel delivers nothing new until the
 * queue is empty, so reading goes on, and a dump requested earlier would miss what happens in between.
 */
static bool receive_events(struct watch *w)
{
	struct nlsock_batch batch;

	for (unsigned i = 0; i < BATCHES_PER_TURN; i++) {
		nlsock_receive(w->events, &batch);
		deliver_events(w, &batch);
		switch (batch.outcome) {
		case NLSOCK_DATA:
			break;
		case NLSOCK_AGAIN:
			return true;
		case NLSOCK_OVERRUN:
			w->stats.overruns++;
			w->stats.overrun_nsec = now_nsec();
			recorder_lost(RECORDER_OVERRUN);
			report_loss(w, "overrun", true);
			restart(w);
			break;
		case NLSOCK_TRUNCATED:
			w->stats.truncations++;
			recorder_lost(RECORDER_TRUNCATED);
			lost(w, "truncated datagram");
			break;
		case NLSOCK_ERROR:
			events_failed(w, batch.error);
			return false;
		}
	}
	return false;
}

static void dump_failed(struct watch *w, int error)
{
	bool give_up = w->failures + 1 >= w->opt.retry_bound;
	uint64_t delay = give_up ? w->opt.retry_max_ms * USEC_PER_MSEC : backoff_next_usec(&w->retry);
	int level = w->failures + 1 == w->opt.retry_bound ? LOG_WARNING : LOG_INFO;

	w->failures++;
	if (error == -EINTR)
		w->stats.dumps_interrupted++;
	else
		w->stats.dumps_failed++;
	if (level == LOG_WARNING)
		w->aloud = true;
	log_at(level, KIND_DUMP_FAILED,
	       "not in sync with the kernel: reading all links failed %u times in a row, now: %s; again in %" PRIu64
	       " ms",
	       w->failures, error == -EINTR ? "interrupted by a change" : strerror(-error), delay / USEC_PER_MSEC);
	recorder_note("a dump failed: %s", strerror(-error));
	abort_dump(w);
	wait_for_dump(w, delay);
}

static void on_row(const struct link_msg *row, void *user)
{
	struct watch *w = user;

	w->ops->dump_row(row, w->user);
}

static bool rows_wanted(const void *user)
{
	return !((const struct watch *)user)->freed;
}

static int dump_batch(struct watch *w, const struct nlsock_batch *batch)
{
	static const struct reply_ops ops = {.row = on_row, .wanted = rows_wanted};
	uint64_t malformed = w->reply.malformed;
	int r;

	w->stats.spoofed += batch->spoofed;
	report_spoofed(batch->spoofed);
	for (size_t i = 0; i < batch->n; i++)
		recorder_datagram(RECORDER_DUMP, batch->datagram[i].data, batch->datagram[i].len);
	r = reply_read(&w->reply, batch, &ops, w);
	w->stats.malformed += w->reply.malformed - malformed;
	return r;
}

/* As reply_read(). Long turns: the shorter a dump takes, the less likely a change interrupts it. */
static int read_dump(struct watch *w)
{
	struct nlsock_batch batch;

	for (unsigned i = 0; i < BATCHES_PER_TURN; i++) {
		int r;

		nlsock_receive(w->dump, &batch);
		r = dump_batch(w, &batch);
		if (r != 0)
			return r;
		if (batch.n > 0)
			timer_start(w->timer, w->opt.dump_timeout_usec);
		if (batch.outcome == NLSOCK_AGAIN)
			break;
	}
	return 0;
}

static void report_synced(const struct watch *w)
{
	const struct audit_event event = {AUDIT_RESYNC, AUDIT_SUCCESS, audit_self()};

	audit_event_line(
		w->aloud && log_wanted(LOG_NOTICE, KIND_IN_SYNC),
		(w->episode || w->aloud) && audit_wanted(AUDIT_RESYNC), LOG_NOTICE, KIND_IN_SYNC, &event, LOG_HERE,
		NULL, "in sync with the kernel after %" PRIu64 " ms (%" PRIu64 " overruns, %" PRIu64 " dumps so far)",
		(now_usec() - w->since) / USEC_PER_MSEC, w->stats.overruns, w->stats.dumps);
}

static void synced(struct watch *w)
{
	timer_stop(w->timer);
	report_synced(w);
	w->episode = w->aloud = false;
	enter(w, WATCH_SYNCED);
}

static int on_dump(sd_event_source *source, int fd, uint32_t revents, void *user);

static struct nlsock_options nlsock_sizes(const struct watch_options *opt)
{
	return (struct nlsock_options){
		.rcvbuf = opt->rcvbuf,
		.sndbuf = opt->sndbuf,
		.receive_pool = opt->receive_pool,
		.datagram_bytes = opt->datagram_bytes,
	};
}

static int open_dump(struct watch *w)
{
	struct nlsock *dump cleanup(free_nlsock) = NULL;
	const struct nlsock_options sizes = nlsock_sizes(&w->opt);
	int r = nlsock_open_dump(&dump, &sizes);

	if (r < 0)
		return r;
	r = nlsock_request_dump(dump, w->reply.seq);
	if (r < 0)
		return r;
	r = sd_event_add_io(w->event, &w->dump_source, nlsock_fd(dump), EPOLLIN, on_dump, w);
	if (r < 0)
		return r;
	w->dump = dump;
	dump = NULL;
	return 0;
}

static void start_dump(struct watch *w)
{
	int r;

	w->due = false;
	w->stats.dumps++;
	w->stats.dumps_retried += w->failures > 0;
	/* Where links never rest no dump is ever complete: from retry_bound on its rows count all the same. */
	w->reply = (struct reply){.seq = w->reply.seq + 1, .takes_interrupted = w->failures + 1 >= w->opt.retry_bound};
	r = open_dump(w);
	if (r < 0) {
		dump_failed(w, r);
		return;
	}
	timer_start(w->timer, w->opt.dump_timeout_usec);
	enter(w, WATCH_DUMPING);
	NOTIFY(w, dump_begin, w->user);
}

/* After a read: leaves the socket alone for a while, or gives it back to epoll, at once when it holds more. */
static void set_pace(struct watch *w, bool empty)
{
	const uint64_t now = w->received_nsec / NSEC_PER_USEC;
	bool gather = w->opt.gather_usec > 0 && pace_is_storm(&w->pace, now, w->stats.datagrams) && empty;

	if (w->broken)
		return;
	if (gather != (w->gathered_usec > 0))
		listen_to_events(w, !gather);
	w->gathered_usec = gather ? now + w->opt.gather_usec : 0;
}

/* Reads the events that are there and does what waited for an empty socket. True when it is empty now. */
static bool read_events(struct watch *w)
{
	bool empty = receive_events(w);

	if (empty && w->state == WATCH_UNSYNCED && w->due)
		start_dump(w);
	else if (empty && w->state == WATCH_SETTLING)
		synced(w);
	else if (!empty && w->due)
		timer_start(w->timer, 0); /* the last batch may have emptied the queue: then epoll would stay silent */
	set_pace(w, empty);
	return empty;
}

static void report_interrupted(struct watch *w)
{
	w->stats.dumps_interrupted++;
	w->stats.dumps_partial++;
	log_notice(
		KIND_DUMP_PARTIAL,
		"reading all links was interrupted by changes %u times in a row: the links that were read count, what "
		"is missing is looked up",
		w->failures + 1);
}

/* What was queued before the last row is older than the dump, so it is read before anybody trusts the result. */
static void complete_dump(struct watch *w)
{
	bool complete = !w->reply.interrupted;
	int r = 0;

	close_dump(w);
	if (!w->freed)
		r = w->ops->dump_commit(complete, w->user);
	if (r < 0) {
		dump_failed(w, r);
		return;
	}
	if (!complete)
		report_interrupted(w);
	w->failures = 0;
	backoff_reset(&w->retry);
	timer_start(w->timer, w->opt.settle_usec);
	enter(w, WATCH_SETTLING);
	(void)read_events(w);
}

static void destroy(struct watch *w)
{
	close_dump(w);
	(void)sd_event_source_disable_unref(w->events_source);
	(void)sd_event_source_disable_unref(w->resync_source);
	(void)sd_event_source_disable_unref(w->timer);
	nlsock_free(w->events);
	(void)sd_event_unref(w->event);
	free(w);
}

static void free_watch(struct watch **w)
{
	watch_free(*w);
}

static int leave(struct watch *w)
{
	w->busy = false;
	if (w->freed)
		destroy(w);
	return 0;
}

/* Called by the loop or the owner, not from a callback. */
static bool read_now(struct watch *w)
{
	bool empty;

	w->busy = true;
	empty = read_events(w);
	(void)leave(w);
	return empty;
}

bool watch_drain(struct watch *w)
{
	w->opt.gather_usec = 0;
	if (w->state == WATCH_UNSYNCED && !w->broken)
		w->due = true;
	return read_now(w);
}

bool watch_catch_up(struct watch *w)
{
	return !w->broken && read_now(w) && w->state == WATCH_SYNCED;
}

static int on_events(sd_event_source *source, int fd, uint32_t revents, void *user)
{
	/* revents do not matter: EPOLLERR means an overrun that the next read reports, never a hang-up. */
	(void)source;
	(void)fd;
	(void)revents;
	(void)read_now(user);
	return 0;
}

int watch_wait_in(struct watch *w, int epoll_fd)
{
	struct epoll_event event = {.events = EPOLLIN};

	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, nlsock_fd(w->events), &event) < 0)
		return -errno;
	(void)sd_event_source_set_enabled(w->events_source, SD_EVENT_OFF);
	w->epoll_fd = epoll_fd;
	return 0;
}

void watch_read(struct watch *w)
{
	(void)read_now(w);
}

uint64_t watch_due(const struct watch *w)
{
	return w->gathered_usec ? w->gathered_usec : UINT64_MAX;
}

void watch_turn(struct watch *w)
{
	if (w->gathered_usec && w->gathered_usec <= now_usec())
		(void)read_now(w);
}

static int on_dump(sd_event_source *source, int fd, uint32_t revents, void *user)
{
	struct watch *w = user;
	int r;

	(void)source;
	(void)fd;
	(void)revents;
	w->busy = true;
	r = read_dump(w);
	if (r > 0)
		complete_dump(w);
	else if (r < 0)
		dump_failed(w, r);
	return leave(w);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *user)
{
	struct watch *w = user;

	(void)source;
	(void)usec;
	w->busy = true;
	switch (w->state) {
	case WATCH_UNSYNCED:
		w->due = true;
		if (w->broken)
			listen_to_events(w, true);
		w->broken = false;
		(void)read_events(w);
		break;
	case WATCH_DUMPING:
		dump_failed(w, -ETIMEDOUT);
		break;
	case WATCH_SETTLING:
		synced(w);
		break;
	case WATCH_SYNCED:
		break;
	}
	return leave(w);
}

static int on_resync(sd_event_source *source, void *user)
{
	struct watch *w = user;

	(void)source;
	w->busy = true;
	restart(w);
	(void)read_events(w);
	return leave(w);
}

/* The timer fires in the loop's first turn and starts the first dump. */
static int add_sources(struct watch *w)
{
	int r = sd_event_add_io(w->event, &w->events_source, nlsock_fd(w->events), EPOLLIN, on_events, w);

	if (r < 0)
		return r;
	r = timer_add(&w->timer, w->event, TIMER_ACCURACY_USEC, on_timer, w);
	if (r < 0)
		return r;
	timer_start(w->timer, 0);
	return timer_add_deferred(&w->resync_source, w->event, on_resync, w);
}

static void report_buffer(size_t got, size_t asked, bool limited)
{
	static const struct audit_event event = {AUDIT_CAPABILITY, AUDIT_FAILURE, AUDIT_KERNEL};

	audit_event_line(log_wanted(LOG_NOTICE, KIND_LINKS_FOLLOWED), limited && audit_wanted(AUDIT_CAPABILITY),
			 LOG_NOTICE, KIND_LINKS_FOLLOWED, &event, LOG_HERE, NULL,
			 "listening to the kernel: receive buffer %zu bytes (asked for %zu%s)", got, asked,
			 limited ? ", net.core.rmem_max is the limit" : "");
}

int watch_new(struct watch **ret, sd_event *event, const struct watch_options *opt, const struct watch_ops *ops,
	      void *user)
{
	const struct nlsock_options sizes = nlsock_sizes(opt);
	struct watch *w cleanup(free_watch) = calloc(1, sizeof(*w));
	bool limited;
	int r;

	if (!w)
		return -ENOMEM;
	*w = (struct watch){.event = sd_event_ref(event), .epoll_fd = -1, .ops = ops, .user = user, .opt = *opt};
	w->retry = w->storm = (struct backoff){.initial_ms = opt->retry_initial_ms, .max_ms = opt->retry_max_ms};
	w->since = now_usec();
	w->aloud = true;
	r = nlsock_open_events(&w->events, &sizes);
	if (r < 0)
		return r;
	r = add_sources(w);
	if (r < 0)
		return r;
	limited = !nlsock_rcvbuf_forced(w->events) && nlsock_rcvbuf(w->events) < 2 * opt->rcvbuf;
	report_buffer(nlsock_rcvbuf(w->events), opt->rcvbuf, limited);
	*ret = w;
	w = NULL;
	return 0;
}

enum watch_state watch_state(const struct watch *w)
{
	return w->state;
}

bool watch_is_certain(const struct watch *w)
{
	int asked = SD_EVENT_OFF;

	(void)sd_event_source_get_enabled(w->resync_source, &asked);
	return w->state == WATCH_SYNCED && asked == SD_EVENT_OFF;
}

const char *watch_state_name(enum watch_state state)
{
	static const char *const names[] = {
		[WATCH_UNSYNCED] = "unsynced",
		[WATCH_DUMPING] = "dumping",
		[WATCH_SETTLING] = "settling",
		[WATCH_SYNCED] = "synced",
	};

	return names[state];
}

const struct watch_stats *watch_stats(const struct watch *w)
{
	return &w->stats;
}

struct watch_socket watch_socket(const struct watch *w)
{
	return (struct watch_socket){
		.fd = nlsock_fd(w->events), .rcvbuf = nlsock_rcvbuf(w->events), .works = !w->broken};
}

/* Deferred: the caller may stand in one of our callbacks, in the middle of a datagram. */
void watch_resync(struct watch *w, const char *why)
{
	w->stats.resyncs++;
	recorder_note("all links will be read again: %s", why);
	if (log_wanted(LOG_NOTICE, KIND_LINKS_REREAD)) {
		w->aloud = true;
		log_line(LOG_NOTICE, KIND_LINKS_REREAD, LOG_HERE, NULL, "all links will be read again: %s", why);
	}
	(void)timer_enable(w->resync_source, SD_EVENT_ONESHOT);
}

void watch_free(struct watch *w)
{
	if (!w)
		return;
	if (!w->busy) {
		destroy(w);
		return;
	}
	w->freed = true;
}
