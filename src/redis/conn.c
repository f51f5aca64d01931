/* SPDX-License-Identifier: Apache-2.0 */
#include "redis/conn.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/backoff.h"
#include "base/timer.h"
#include "base/util.h"
#include "log/audit.h"
#include "recorder/recorder.h"
#include "redis/endpoint.h"
#include "redis/handshake.h"

#define OUTPUT_BYTES (256U << 10)
#define OUTPUT_BYTES_MAX (16U << 20)
#define INPUT_BYTES (64U << 10)
#define LAST_READS 64
#define LATE_READS 1024 /* more than a socket holds: a peer that never ends must not keep the loop */
#define TIMER_ACCURACY_USEC (10 * USEC_PER_MSEC)
#define PATIENCE_ACCURACY_USEC USEC_PER_MSEC
#define ERROR_TEXT_BYTES CONN_REASON_BYTES
#define COLLECT_AT 32 /* answers: fewer are not worth a system call */
#define CONNECTING_INTEREST (EPOLLIN | EPOLLOUT)

enum conn_state {
	CONN_WAITING,    /* no socket; the timer says when to try again */
	CONN_CONNECTING, /* the timer bounds this and the next state */
	CONN_SETUP,
	CONN_READY, /* the timer watches the oldest pending command */
};

/* A command without an answer. */
struct pending {
	conn_reply_fn fn;
	void *user, *item;
	uint64_t cookie, sent_usec;
};

/* Oldest first. */
struct pending_ring {
	struct pending *items;
	size_t size, head, n;
};

struct conn {
	struct conn_options opt;
	struct conn_ops ops;
	void *user;
	struct endpoint endpoint;
	size_t address; /* of the endpoint's, tried next */
	struct lookup_waiter lookup;

	sd_event *event;
	uint64_t turn_usec; /* the loop's time, once it was looked up in this turn; 0: it was not */
	sd_event_source *io, *timer, *kick, *patience;
	bool timer_armed, wants_output;
	bool patient;          /* answers wait to be collected: nothing wakes us for them */
	uint32_t interest;     /* what epoll watches */
	uint64_t written_usec; /* the last write */
	uint64_t read_usec;    /* the last read of answers, or since when they wait */
	uint64_t awaited;      /* the answers to this many of stats' commands are waited for */
	enum conn_state state;
	int fd;
	int write_error;

	struct handshake handshake;
	struct resp_buffer out;
	struct resp_reader *reader;
	char *in;
	struct pending_ring pending; /* commands without an answer */

	struct backoff backoff;
	uint64_t ready_usec; /* since when it is ready */
	struct conn_outage outage;
	struct access_entry entry;
	struct conn_stats stats;
	struct rtt rtt;
};

/* --- commands without an answer --- */

static int pending_init(struct pending_ring *ring, size_t size)
{
	ring->size = MAX(size, (size_t)1);
	ring->items = calloc(ring->size, sizeof(*ring->items));
	return ring->items ? 0 : -ENOMEM;
}

static void pending_done(struct pending_ring *ring)
{
	free(ring->items);
}

/* The index of the one so many after the oldest. */
static size_t pending_at(const struct pending_ring *ring, size_t after)
{
	size_t at = ring->head + after;

	return at < ring->size ? at : at - ring->size;
}

static void pending_put(struct pending_ring *ring, struct pending command)
{
	ring->items[pending_at(ring, ring->n)] = command;
	ring->n++;
}

static struct pending pending_take(struct pending_ring *ring)
{
	struct pending oldest = ring->items[ring->head];

	ring->n--;
	/* An empty ring starts at its beginning: in a calm the same few items are used, which are in the cache. */
	ring->head = ring->n > 0 ? pending_at(ring, 1) : 0;
	return oldest;
}

static const struct pending *pending_oldest(const struct pending_ring *ring)
{
	return &ring->items[ring->head];
}

/* --- outages: one line each, however many tries --- */

/* reason: why it was lost, or why a try failed; it may hold any bytes. event: what is recorded of it, NULL: nothing. */
static void outage_note(struct conn_outage *outage, uint64_t now_usec, const char *reason,
			const struct audit_event *event)
{
	static const struct audit_event none;
	bool record = event && audit_wanted(event->kind);

	if (!event)
		event = &none;
	(void)printable(reason, strlen(reason), outage->reason, sizeof(outage->reason));
	if (outage->since_usec != 0) {
		audit_event_line(log_wanted(LOG_DEBUG, KIND_REDIS_RETRY), record, LOG_DEBUG, KIND_REDIS_RETRY, event,
				 LOG_HERE, NULL, "%s: %s: %s", outage->label, outage->endpoint, outage->reason);
		return;
	}
	outage->since_usec = now_usec;
	recorder_connection(outage->label, false, outage->reason);
	audit_event_line(log_wanted(LOG_WARNING, KIND_REDIS_AWAY), record, LOG_WARNING, KIND_REDIS_AWAY, event,
			 LOG_HERE, NULL, "%s: no connection to %s: %s; retrying", outage->label, outage->endpoint,
			 outage->reason);
}

static void outage_end(struct conn_outage *outage, uint64_t now_usec)
{
	uint64_t msec = (now_usec - outage->since_usec) / USEC_PER_MSEC;

	if (outage->since_usec == 0)
		log_info(KIND_REDIS_CONNECTED, "%s: connected to %s", outage->label, outage->endpoint);
	else
		log_notice(KIND_REDIS_BACK, "%s: connected to %s, was away for %" PRIu64 ".%03" PRIu64 " s",
			   outage->label, outage->endpoint, msec / 1000, msec % 1000);
	recorder_connection(outage->label, true, "");
	outage->since_usec = 0;
	outage->reason[0] = '\0';
}

/* The loop's time: no system call for each command. */
static uint64_t loop_usec(const struct conn *c)
{
	return timer_now(c->event);
}

static void arm_timer(struct conn *c, uint64_t usec)
{
	timer_start_at(c->timer, usec);
	c->timer_armed = true;
}

static void disarm_timer(struct conn *c)
{
	timer_stop(c->timer);
	c->timer_armed = false;
}

static void close_socket(struct conn *c)
{
	c->io = sd_event_source_disable_unref(c->io);
	close_fd(&c->fd);
	c->fd = -1;
	(void)sd_event_source_set_enabled(c->kick, SD_EVENT_OFF);
	timer_stop(c->patience);
	c->wants_output = c->patient = false;
	rtt_forget(&c->rtt);
	c->write_error = 0;
	handshake_wipe(&c->handshake, &c->out);
	resp_consume(&c->out, c->out.len);
}

static void answer_all_unknown(struct conn *c)
{
	while (c->pending.n > 0) {
		struct pending oldest = pending_take(&c->pending);

		oldest.fn(NULL, oldest.user, oldest.item, oldest.cookie);
	}
}

/* A server that drops us as soon as we are ready must not be asked at the shortest delay for ever. */
static void settle_backoff(struct conn *c)
{
	if (loop_usec(c) - c->ready_usec >= c->backoff.next_ms * USEC_PER_MSEC)
		backoff_reset(&c->backoff);
}

/* The state changes first, so that a callback finds a connection that takes no commands. */
static void drop_for(struct conn *c, const char *reason, const struct audit_event *event)
{
	bool was_ready = c->state == CONN_READY;

	c->state = CONN_WAITING;
	outage_note(&c->outage, loop_usec(c), reason, event);
	close_socket(c);
	if (was_ready) {
		c->stats.losses++;
		settle_backoff(c);
	} else {
		c->address++;
	}
	arm_timer(c, loop_usec(c) + backoff_next_usec(&c->backoff));
	answer_all_unknown(c);
	if (was_ready && c->ops.lost)
		c->ops.lost(c->user);
}

static void drop(struct conn *c, const char *reason)
{
	drop_for(c, reason, NULL);
}

/* known: Redis knows us and refused our rights, not our identity. */
static void drop_refused(struct conn *c, bool known, const char *why)
{
	const struct audit_event event = {known ? AUDIT_REDIS_DENIED : AUDIT_REDIS_AUTH, AUDIT_FAILURE, AUDIT_REDIS};

	drop_for(c, why, access_refused(c->opt.access, &c->entry) ? &event : NULL);
}

/* --- output --- */

/* epoll reports a server that hung up whatever the interest is. */
static void set_interest(struct conn *c)
{
	uint32_t interest = (c->patient ? 0 : EPOLLIN) | (c->wants_output ? EPOLLOUT : 0);

	if (interest != c->interest)
		(void)sd_event_source_set_io_events(c->io, interest);
	c->interest = interest;
}

static void want_output(struct conn *c, bool output)
{
	c->wants_output = output;
	set_interest(c);
}

static void arm_patience(struct conn *c, uint64_t now)
{
	c->read_usec = now;
	timer_start_at(c->patience, now + c->opt.reply_usec);
}

/* When patience ends its timer is left to run out, since stopping it would cost a system call. */
static void be_patient(struct conn *c, bool patient)
{
	if (patient == c->patient)
		return;
	c->patient = patient;
	set_interest(c);
	rtt_forget(&c->rtt);
	if (patient)
		arm_patience(c, loop_usec(c));
}

static bool answer_awaited(const struct conn *c)
{
	return c->stats.commands - c->pending.n < c->awaited;
}

static bool follows_soon(const struct conn *c, uint64_t now)
{
	return c->written_usec > 0 && now - c->written_usec < c->opt.reply_usec;
}

/* While commands follow each other the next turn of the loop reads the answers too: to be woken for each costs more. */
static void choose_patience(struct conn *c)
{
	uint64_t now = c->turn_usec ? c->turn_usec : loop_usec(c);
	bool goes_on = follows_soon(c, now);

	if (c->state != CONN_READY)
		return;
	c->written_usec = now;
	if (answer_awaited(c))
		be_patient(c, false);
	else if (goes_on)
		be_patient(c, true);
}

/* A caller of conn_flush() may stand in a reply callback: the fault is dealt with from the loop. */
static void write_failed(struct conn *c)
{
	c->write_error = errno;
	want_output(c, false);
	(void)timer_enable(c->kick, SD_EVENT_ONESHOT);
}

static void write_output(struct conn *c)
{
	while (c->out.len > 0) {
		uint64_t begun = c->patient && !answer_awaited(c) ? 0 : now_nsec();
		ssize_t n = send(c->fd, c->out.data + c->out.start, c->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			want_output(c, true);
			return;
		}
		if (n < 0) {
			write_failed(c);
			return;
		}
		choose_patience(c);
		if (begun > 0 && !c->patient && (size_t)n == c->out.len && c->pending.n > 0)
			rtt_sent(&c->rtt, c->stats.commands, begun);
		c->stats.flushes++;
		c->stats.bytes_out += (uint64_t)n;
		resp_consume(&c->out, (size_t)n);
	}
	want_output(c, false);
	if (c->handshake.secret_bytes > 0)
		handshake_wipe(&c->handshake, &c->out);
}

void conn_flush(struct conn *c)
{
	if (c->state >= CONN_SETUP && !c->wants_output && c->write_error == 0)
		write_output(c);
	c->turn_usec = 0;
}

/* --- set-up --- */

static void begin_setup(struct conn *c)
{
	char why[ERROR_TEXT_BYTES] = "no memory for the set-up";
	int r = handshake_begin(&c->handshake, &c->opt, &c->out, why, sizeof(why));

	resp_reader_reset(c->reader);
	if (r == 0) {
		c->state = CONN_SETUP;
		want_output(c, false);
		conn_flush(c);
		return;
	}
	if (r == -ENOMEM)
		drop(c, why);
	else /* the password cannot be read */
		drop_refused(c, false, why);
}

static void become_ready(struct conn *c)
{
	disarm_timer(c);
	c->state = CONN_READY;
	c->ready_usec = loop_usec(c);
	c->stats.connects++;
	outage_end(&c->outage, loop_usec(c));
	access_granted(&c->entry);
	c->ops.ready(c->user);
}

static void take_setup_reply(struct conn *c, const struct resp_value *v)
{
	char why[ERROR_TEXT_BYTES];
	enum handshake_outcome outcome = handshake_take(&c->handshake, v, why, sizeof(why));
	bool noperm;

	if (outcome == HANDSHAKE_DONE)
		become_ready(c);
	if (outcome == HANDSHAKE_DONE || outcome == HANDSHAKE_GOES_ON)
		return;
	noperm = resp_is_error(v, "NOPERM");
	/* A server that does not know AUTH has repeated the password. */
	explicit_bzero(c->in, INPUT_BYTES);
	resp_reader_wipe(c->reader);
	if (outcome == HANDSHAKE_DENIED)
		drop_refused(c, noperm, why);
	else
		drop(c, why);
}

/* --- input --- */

static void count_error(struct conn *c, const struct resp_value *error)
{
	c->stats.errors[redis_error_kind(error)]++;
	if (resp_is_error(error, "NOPERM"))
		access_denied(c->opt.access, &c->entry, error->str);
}

static void take_answer(struct conn *c, const struct resp_value *v)
{
	struct pending oldest;

	if (c->pending.n == 0) {
		drop(c, "protocol error: an answer without a command");
		return;
	}
	oldest = pending_take(&c->pending);
	if (v->type == RESP_ERROR)
		count_error(c, v);
	rtt_answered(&c->rtt, c->stats.commands - c->pending.n);
	oldest.fn(v, oldest.user, oldest.item, oldest.cookie);
}

/* redis.io/docs/manual/keyspace-notifications. Any other message is passed over. */
static void take_notification(struct conn *c, const struct resp_value *v)
{
	if (v->type != RESP_ARRAY || v->n != 4 || !resp_is_string(v->elem[0], "pmessage"))
		return;
	if (v->elem[2]->type == RESP_STRING && v->elem[3]->type == RESP_STRING && c->ops.message)
		c->ops.message(v->elem[2], v->elem[3], c->user);
}

static void take_reply(struct conn *c, const struct resp_value *v)
{
	if (c->state == CONN_SETUP)
		take_setup_reply(c, v);
	else if (c->opt.pattern)
		take_notification(c, v);
	else
		take_answer(c, v);
}

static void break_off(struct conn *c)
{
	char why[ERROR_TEXT_BYTES];

	(void)snprintf(why, sizeof(why), "protocol error: %s", resp_reader_error(c->reader));
	drop(c, why);
}

static void take_replies(struct conn *c)
{
	const struct resp_value *v;
	int r = 0;

	while (c->state >= CONN_SETUP && (r = resp_reader_next(c->reader, &v)) > 0)
		take_reply(c, v);
	if (c->state >= CONN_SETUP && r < 0)
		break_off(c);
}

/* One read. True when the connection stands and more may wait. */
static bool read_input(struct conn *c)
{
	ssize_t n = recv(c->fd, c->in, INPUT_BYTES, MSG_DONTWAIT);

	if (n < 0 && errno == EINTR)
		return true;
	if (n < 0 && errno == EAGAIN)
		return false;
	if (n <= 0) {
		drop(c, n == 0 ? "closed by the server" : strerror(errno));
		return false;
	}
	resp_reader_feed(c->reader, c->in, (size_t)n);
	take_replies(c);
	/* What the callbacks sent. */
	conn_flush(c);
	return c->state >= CONN_SETUP;
}

void conn_poll_replies(struct conn *c)
{
	if (c->patient && c->pending.n >= COLLECT_AT && c->write_error == 0)
		(void)read_input(c);
}

bool conn_collect_replies(struct conn *c)
{
	uint64_t now;

	if (!c->patient || c->pending.n == 0 || c->write_error != 0)
		return false;
	now = loop_usec(c);
	if (now - c->read_usec < c->opt.reply_usec / 4 * 3)
		return false;
	arm_patience(c, now);
	(void)read_input(c);
	return true;
}

bool conn_replies_are_immediate(const struct conn *c)
{
	return !c->patient && !follows_soon(c, loop_usec(c));
}

void conn_expedite(struct conn *c)
{
	c->awaited = c->stats.commands;
	be_patient(c, false);
}

static int on_patience(sd_event_source *source, uint64_t usec, void *user)
{
	struct conn *c = user;
	uint64_t now;

	(void)source;
	(void)usec;
	if (c->pending.n > 0 && c->write_error == 0)
		(void)read_input(c);
	now = loop_usec(c);
	if (c->patient && follows_soon(c, now))
		arm_patience(c, now);
	else
		be_patient(c, false);
	return 0;
}

/* The server's last words are read first: they often say why it closed. */
static int on_kick(sd_event_source *source, void *user)
{
	struct conn *c = user;
	unsigned int reads = 0;

	(void)source;
	while (reads < LAST_READS && read_input(c))
		reads++;
	if (c->state >= CONN_SETUP)
		drop(c, strerror(c->write_error));
	return 0;
}

static void finish_connect(struct conn *c)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	if (error != 0)
		drop(c, strerror(error));
	else
		begin_setup(c);
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *user)
{
	struct conn *c = user;

	(void)source;
	(void)fd;
	if (c->state == CONN_CONNECTING) {
		finish_connect(c);
		return 0;
	}
	if (events & EPOLLOUT)
		write_output(c);
	if (events & ~(uint32_t)EPOLLOUT)
		(void)read_input(c);
	return 0;
}

/* --- connecting --- */

static void connect_to_next(struct conn *c)
{
	const struct endpoint_address *address = &c->endpoint.addresses[c->address % c->endpoint.n];
	char why[ERROR_TEXT_BYTES];
	int r = endpoint_connect(address, c->opt.connect);

	c->fd = r;
	if (r >= 0)
		r = sd_event_add_io(c->event, &c->io, c->fd, CONNECTING_INTEREST, on_io, c);
	if (r < 0) {
		drop(c, endpoint_explain(address, r, why, sizeof(why)));
		return;
	}
	c->wants_output = true;
	c->interest = CONNECTING_INTEREST;
	c->state = CONN_CONNECTING;
	arm_timer(c, loop_usec(c) + c->opt.timeout_usec);
}

/* If the look-up fails, the server may still be where it was. */
static void on_lookup(enum lookup_outcome outcome, const char *why, void *user)
{
	struct conn *c = user;

	if (outcome == LOOKUP_LATE)
		outage_note(&c->outage, loop_usec(c), why, NULL);
	else if (c->endpoint.n == 0)
		drop(c, why);
	else
		connect_to_next(c);
}

static void start_connect(struct conn *c)
{
	int r = c->endpoint.host ? lookup_ask(c->opt.lookup, &c->lookup) : 0;

	if (r < 0)
		drop(c, strerror(-r));
	else if (!c->endpoint.host)
		connect_to_next(c);
}

static void time_out(struct conn *c)
{
	char why[64];

	c->stats.timeouts++;
	(void)snprintf(why, sizeof(why), "no answer within %" PRIu64 " ms", c->opt.timeout_usec / USEC_PER_MSEC);
	drop(c, why);
}

static bool overdue(const struct conn *c)
{
	return c->pending.n > 0 && pending_oldest(&c->pending)->sent_usec + c->opt.timeout_usec <= loop_usec(c);
}

/* After a time in which we did not run ourselves the answers may wait in the socket: they are read before we judge. */
static void check_oldest(struct conn *c)
{
	bool more = true;

	for (unsigned int reads = 0; more && reads < LATE_READS && overdue(c); reads++)
		more = read_input(c);
	if (c->state != CONN_READY)
		return;
	if (overdue(c))
		time_out(c);
	else if (c->pending.n > 0)
		arm_timer(c, pending_oldest(&c->pending)->sent_usec + c->opt.timeout_usec);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *user)
{
	struct conn *c = user;

	(void)source;
	(void)usec;
	c->timer_armed = false;
	switch (c->state) {
	case CONN_WAITING:
		start_connect(c);
		break;
	case CONN_CONNECTING:
	case CONN_SETUP:
		time_out(c);
		break;
	case CONN_READY:
		check_oldest(c);
		break;
	}
	return 0;
}

/* --- the object --- */

static int copy_string(const char **to, const char *from)
{
	*to = from ? strdup(from) : NULL;
	return from && !*to ? -ENOMEM : 0;
}

/* 0 or -ENOMEM; free_options() is due in both cases. */
static int copy_options(struct conn_options *to, const struct conn_options *from)
{
	*to = *from;
	to->label = to->unix_socket = to->host = to->pattern = NULL;
	if (copy_string(&to->label, from->label) < 0 || copy_string(&to->unix_socket, from->unix_socket) < 0 ||
	    copy_string(&to->host, from->host) < 0 || copy_string(&to->pattern, from->pattern) < 0)
		return -ENOMEM;
	return 0;
}

static void free_options(struct conn_options *opt)
{
	free((char *)opt->label);
	free((char *)opt->unix_socket);
	free((char *)opt->host);
	free((char *)opt->pattern);
}

static int allocate(struct conn *c)
{
	int r = resp_buffer_init(&c->out, OUTPUT_BYTES, OUTPUT_BYTES_MAX);

	if (r < 0)
		return r;
	c->reader = resp_reader_new();
	c->in = malloc(INPUT_BYTES);
	if (!c->reader || !c->in)
		return -ENOMEM;
	return pending_init(&c->pending, c->opt.max_in_flight);
}

static int add_sources(struct conn *c, sd_event *event)
{
	int r;

	c->event = sd_event_ref(event);
	r = timer_add(&c->timer, event, TIMER_ACCURACY_USEC, on_timer, c);
	if (r >= 0)
		r = timer_add(&c->patience, event, PATIENCE_ACCURACY_USEC, on_patience, c);
	if (r >= 0)
		r = timer_add_deferred(&c->kick, event, on_kick, c);
	return r;
}

static void free_conn(struct conn **c)
{
	conn_free(*c);
}

int conn_new(struct conn **ret, sd_event *event, const struct conn_options *opt, const struct conn_ops *ops, void *user)
{
	struct conn *c cleanup(free_conn) = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return -ENOMEM;
	c->fd = -1;
	list_init(&c->entry.link);
	c->lookup = (struct lookup_waiter){.endpoint = &c->endpoint, .fn = on_lookup, .user = c};
	list_init(&c->lookup.link);
	c->ops = *ops;
	c->user = user;
	c->backoff = (struct backoff){.initial_ms = MAX(opt->retry_initial_ms, 1U), .max_ms = opt->retry_max_ms};
	r = copy_options(&c->opt, opt);
	if (r >= 0)
		r = allocate(c);
	if (r >= 0)
		r = opt->unix_socket ? endpoint_unix(&c->endpoint, opt->unix_socket)
				     : endpoint_tcp(&c->endpoint, c->opt.host, opt->port);
	if (r >= 0 && c->endpoint.host && !opt->lookup)
		r = -EHOSTUNREACH; /* nobody looks names up */
	if (r >= 0)
		r = add_sources(c, event);
	if (r < 0)
		return r;
	c->outage = (struct conn_outage){.label = c->opt.label, .endpoint = c->endpoint.text};
	c->entry.label = c->opt.label;
	c->entry.endpoint = c->endpoint.text;
	arm_timer(c, 0);
	*ret = c;
	c = NULL;
	return 0;
}

void conn_free(struct conn *c)
{
	if (!c)
		return;
	sd_event_source_disable_unref(c->io);
	sd_event_source_disable_unref(c->timer);
	sd_event_source_disable_unref(c->kick);
	sd_event_source_disable_unref(c->patience);
	sd_event_unref(c->event);
	close_fd(&c->fd);
	if (c->out.data)
		handshake_wipe(&c->handshake, &c->out);
	resp_buffer_done(&c->out);
	resp_reader_free(c->reader);
	free(c->in);
	pending_done(&c->pending);
	access_leave(&c->entry);
	lookup_cancel(&c->lookup);
	free_options(&c->opt);
	free(c);
}

bool conn_ready(const struct conn *c)
{
	return c->state == CONN_READY;
}

const struct conn_outage *conn_outage(const struct conn *c)
{
	return &c->outage;
}

static bool takes_commands(const struct conn *c)
{
	return c->state == CONN_READY && !c->opt.pattern;
}

size_t conn_capacity(const struct conn *c)
{
	return takes_commands(c) ? c->opt.max_in_flight - c->pending.n : 0;
}

size_t conn_in_flight(const struct conn *c)
{
	return c->pending.n;
}

int conn_command_lazy(struct conn *c, conn_reply_fn fn, void *user, void *item, uint64_t cookie, size_t argc,
		      const struct resp_arg *argv)
{
	int r;

	if (!takes_commands(c))
		return -ENOTCONN;
	if (c->pending.n == c->opt.max_in_flight)
		return -EAGAIN;
	r = resp_append(&c->out, argc, argv);
	if (r == -E2BIG && c->out.len > 0)
		return -EAGAIN;
	if (r < 0)
		return r;
	if (c->turn_usec == 0)
		c->turn_usec = loop_usec(c);
	pending_put(
		&c->pending,
		(struct pending){.fn = fn, .user = user, .item = item, .cookie = cookie, .sent_usec = c->turn_usec});
	c->stats.commands++;
	if (!c->timer_armed)
		arm_timer(c, c->turn_usec + c->opt.timeout_usec);
	return 0;
}

int conn_command(struct conn *c, conn_reply_fn fn, void *user, void *item, uint64_t cookie, size_t argc,
		 const struct resp_arg *argv)
{
	int r = conn_command_lazy(c, fn, user, item, cookie, argc, argv);

	if (r == 0)
		c->awaited = c->stats.commands;
	return r;
}

const struct conn_stats *conn_stats(const struct conn *c)
{
	return &c->stats;
}

const struct hist *conn_round_trips(const struct conn *c)
{
	return &c->rtt.hist;
}
