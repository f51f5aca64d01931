/* SPDX-License-Identifier: Apache-2.0 */
#include "sonic/publish.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/backoff.h"
#include "base/timer.h"
#include "log/audit.h"
#include "recorder/recorder.h"
#include "sonic/eventpub.h"
#include "sonic/portlog.h"
#include "sonic/readback.h"
#include "sonic/rowcmd.h"

#define RETRY_INITIAL_MS 100
#define RETRY_MAX_MS 30000
#define TIMED_BATCHES 64 /* one of so many is timed while answers may wait to be read */
#define TIMER_ACCURACY_USEC (10 * USEC_PER_MSEC)

enum write_kind { WRITE_SET, WRITE_DELETE };

/* A write under way: its cookie. */
struct write {
	enum write_kind kind;
	uint64_t event; /* its number */
};

struct publish {
	struct links *links;
	struct conn *conn;
	char separator[2];
	publish_unknown_fn unknown;
	void *user;
	struct readback *readback;
	struct eventpub *events; /* NULL: rows alone are written */
	struct changes *changes; /* NULL: nobody wants to know */
	size_t batch_size;
	uint64_t last_event; /* of an earlier process, and what was left out */
	sd_event_source *retry_ports, *retry_readback;
	struct backoff readback_backoff;
	bool enabled, held;
	bool live;   /* Redis' rows were read back since it was connected */
	bool timing; /* the answers to this batch are read as soon as they come */
	struct publish_stats stats;
	struct hist latency;
	struct hist batch_rows;
};

/* --- writes --- */

/* The port is gone afterwards unless something else needs it. */
static void end_retry(struct publish *p, struct port *port)
{
	if (!port->row.retry_at)
		return;
	port->row.retry_at = 0;
	links_unhold(p->links, port);
}

static void retry_later(struct publish *p, struct port *port)
{
	struct backoff backoff = {RETRY_INITIAL_MS, RETRY_MAX_MS, port->row.retry_ms};

	if (port->row.retry_at)
		return;
	links_hold(port);
	port->row.retry_at = now_usec() + backoff_next_usec(&backoff);
	port->row.retry_ms = backoff.next_ms;
	timer_start_by(p->retry_ports, port->row.retry_at);
}

static uint64_t cookie_of(enum write_kind kind, uint64_t event)
{
	return event << 1 | kind;
}

static struct write write_of(uint64_t cookie)
{
	return (struct write){.kind = (enum write_kind)(cookie & 1), .event = cookie >> 1};
}

/* A write was refused, or its outcome is unknown. Consumers wait for a DEL (S16): a second one does less harm than
 * none. */
static void not_done(struct port *port, enum write_kind kind)
{
	port->row.known = ROW_UNKNOWN;
	if (kind == WRITE_DELETE) {
		port->row.mine = port->owed.deletion = true;
		return;
	}
	port->owed.fields |= port->row.announced;
	port->row.announced = 0;
}

static unsigned fields_of(const struct port *port, enum write_kind kind)
{
	return kind == WRITE_DELETE ? RECORDER_DELETION : port->row.announced;
}

static void refused(struct publish *p, struct port *port, enum write_kind kind, const struct resp_value *error)
{
	p->stats.refused++;
	recorder_refused(port->name, fields_of(port, kind), error->str);
	not_done(port, kind);
	port->row.generation++;
	port->row.rewrite = port->row.rewrite || resp_is_error(error, "WRONGTYPE");
	retry_later(p, port);
	if (port->row.failing)
		return;
	port->row.failing = true;
	recorder_trigger(RECORDER_WHY_REFUSED, "PORT_TABLE%s%s: %s", p->separator, port->name, error->str);
	log_with(LOG_WARNING, KIND_WRITE_REFUSED,
		 (&(struct log_context){.port = port->name, .ifindex = port->link.ifindex, .reason = error->str}),
		 "PORT_TABLE%s%s: Redis refused the write, it is tried again: %s", p->separator, port->name,
		 error->str);
}

/* The row is as it should be. */
static void note_repair(struct publish *p, struct port *port)
{
	p->stats.repaired += port->row.drifted;
	port->row.drifted = false;
}

static void accepted(struct publish *p, struct port *port, enum write_kind kind)
{
	recorder_acked(port->name, fields_of(port, kind));
	if (kind == WRITE_SET)
		port->row.announced = 0;
	if (port->row.writing > 0 || port->row.known != ROW_READ)
		return;
	if (port->row.mine && !port->owed.deletion)
		links_mark_published(p->links, port);
	note_repair(p, port);
	port->row.retry_ms = 0;
	if (!port->row.failing)
		return;
	port->row.failing = false;
	log_with(LOG_NOTICE, KIND_WRITE_ACCEPTED,
		 (&(struct log_context){.port = port->name, .ifindex = port->link.ifindex}),
		 "PORT_TABLE%s%s: written again after refusals", p->separator, port->name);
}

/* From the receipt of the oldest change to Redis' acknowledgement of the last write that it led to; 0: not timed. */
static uint64_t take_time(struct publish *p, struct port *port, bool acknowledged)
{
	uint64_t took = 0;

	if (port->row.writing > 0)
		return 0;
	if (port->row.timed_nsec && acknowledged) {
		took = now_nsec() - port->row.timed_nsec;
		hist_add(&p->latency, took);
	}
	port->row.timed_nsec = 0;
	return took;
}

static uint64_t realtime_usec(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * USEC_PER_SEC + (uint64_t)now.tv_nsec / NSEC_PER_USEC;
}

/* A row that was only repeated is not a change. */
static void note_change(struct publish *p, struct port *port, const struct write *write, uint64_t took_nsec)
{
	struct port_noted *noted = &port->noted;
	struct change change = {
		.number = write->event,
		.latency_usec = (uint32_t)MIN((took_nsec + NSEC_PER_USEC - 1) / NSEC_PER_USEC, UINT32_MAX),
	};

	if (write->kind == WRITE_DELETE) {
		struct row before = row_unpack(noted->deleted);

		change.kind = CHANGE_DELETED;
		change.before = noted->deleted;
		change.fields = (uint8_t)row_diff(&before, &row_nil);
		noted->deleted.bits = 0;
	} else {
		change.kind = CHANGE_SET;
		change.before = noted->before;
		change.after = row_pack(&port->row.acked);
		change.fields = noted->fields;
		noted->fields = 0;
	}
	if (change.fields == 0)
		return;
	change.at_usec = realtime_usec();
	memcpy(change.port, port->name, sizeof(change.port));
	changes_add(p->changes, &change);
}

static void on_written(const struct resp_value *reply, void *user, void *item, uint64_t cookie)
{
	const struct write write = write_of(cookie);
	struct publish *p = user;
	struct port *port = item;
	uint64_t took;

	port->row.writing--;
	took = take_time(p, port, reply && reply->type != RESP_ERROR);
	if (!reply) {
		not_done(port, write.kind);
	} else if (reply->type == RESP_ERROR) {
		refused(p, port, write.kind, reply);
	} else {
		if (p->changes)
			note_change(p, port, &write, took);
		accepted(p, port, write.kind);
	}
	if (port->row.again && port->row.writing == 0) {
		port->row.again = false;
		links_mark_dirty(p->links, port);
	}
	links_unhold(p->links, port);
}

static void send_write(struct publish *p, struct port *port, enum write_kind kind, const struct rowcmd *cmd)
{
	port->row.generation++;
	if (conn_command_lazy(p->conn, on_written, p, port, cookie_of(kind, publish_last_event(p)), cmd->argc,
			      cmd->argv) < 0) {
		/* publish_flush() made sure of capacity: memory is short, or the connection was just lost. */
		not_done(port, kind);
		retry_later(p, port);
		return;
	}
	if (p->events)
		eventpub_send(p->events, port->name, cmd);
	port->row.writing++;
	links_hold(port);
	port->row.known = ROW_READ;
	if (port->owed.since_nsec)
		port->row.timed_nsec = p->timing ? port->owed.since_nsec : 0;
	port->owed.since_nsec = 0;
}

/* --- writes and their log lines --- */

/* A write or deletion that is tried again replaces what its first try would have replaced: nobody knows what Redis
 * holds. */
static void remember_deletion(struct port *port)
{
	if (port->noted.deleted.bits == 0)
		port->noted.deleted = port->noted.fields ? port->noted.before : row_pack(&port->row.acked);
	port->noted.fields = 0;
}

static void remember_change(struct port *port, const struct row *want)
{
	struct row before = port->row.known == ROW_READ ? port->row.acked : row_nil;

	if (port->noted.fields) {
		before = row_unpack(port->noted.before);
		port->noted.fields |= (uint8_t)row_diff(&before, want);
		return;
	}
	port->noted.before = row_pack(&before);
	port->noted.fields = (uint8_t)(row_diff(&before, want) | (port->owed.fields & ROW_ALL));
}

static void send_delete(struct publish *p, struct port *port)
{
	const struct row was = port->row.acked;
	struct rowcmd cmd;

	rowcmd_delete(&cmd, p->separator, port->name);
	remember_deletion(port);
	port->row.acked = row_nil;
	port->row.mine = port->row.rewrite = false;
	p->stats.deletes++;
	recorder_sent(port->name, RECORDER_DELETION, RECORDER_NO_ROW);
	portlog_deleted(port, &was, publish_last_event(p));
	send_write(p, port, WRITE_DELETE, &cmd);
}

/* changed: the fields that changed, also those that changed back. None: the row is only repeated. */
static void log_change(struct publish *p, struct port *port, const struct row *want, unsigned changed, bool doubt)
{
	if (doubt || (changed & ROW_BIT(ROW_OPER)))
		portlog_oper(port, want, publish_last_event(p), changed & ROW_BIT(ROW_OPER));
	else if (changed)
		portlog_settings(port, want, publish_last_event(p));
}

static void send_set(struct publish *p, struct port *port, const struct row *want, unsigned differing)
{
	unsigned changed = differing | (port->owed.fields & ROW_ALL);
	struct rowcmd cmd;

	rowcmd_set(&cmd, p->separator, port->name, want, rowcmd_fields(port, differing));
	remember_change(port, want);
	port->row.acked = *want;
	port->row.mine = true;
	port->row.announced = changed | port->owed.fields;
	port->owed.fields = 0;
	p->stats.sets++;
	p->stats.repeats += differing == 0;
	recorder_sent(port->name, port->row.announced, row_recorded(want));
	log_change(p, port, want, changed, port->row.announced & OWED_DOUBT);
	send_write(p, port, WRITE_SET, &cmd);
}

static void write_row(struct publish *p, struct port *port, const struct row *want)
{
	bool again = (port->owed.deletion && port->row.mine) || port->row.rewrite;
	unsigned differing;

	port->owed.deletion = false;
	if (again)
		send_delete(p, port);
	differing = row_diff(port->row.known == ROW_READ ? &port->row.acked : &row_nil, want);
	if (rowcmd_fields(port, differing))
		send_set(p, port, want, differing);
	else if (port->row.writing == 0)
		links_mark_published(p->links, port);
}

static void remove_row(struct publish *p, struct port *port)
{
	port->owed.deletion = port->row.rewrite = false;
	/* Only a row that has our fields is ours to delete: a sub-interface's belongs to intfmgrd (R15). */
	if (port->row.mine)
		send_delete(p, port);
}

/* A change that was undone before it was written, or of a link that is not a port yet, does not make the next one late.
 */
static void nothing_owed(struct publish *p, struct port *port)
{
	port->owed.since_nsec = 0;
	note_repair(p, port);
}

static void publish_port(struct publish *p, struct port *port)
{
	struct row want;

	if (port->row.writing > 0) {
		port->row.again = true;
		conn_expedite(p->conn);
		return;
	}
	if (port->row.retry_at && port->row.retry_at > now_usec())
		return;
	links_hold(port);
	end_retry(p, port);
	switch (rowcmd_desired(port, &want)) {
	case DESIRED_ROW:
		write_row(p, port, &want);
		break;
	case DESIRED_NONE:
		remove_row(p, port);
		break;
	case DESIRED_LEAVE:
		if (port->owed.deletion)
			remove_row(p, port);
		if (links_present(port))
			p->unknown(port, p->user);
		break;
	}
	if (port->row.writing == 0 && port->row.retry_at == 0)
		nothing_owed(p, port);
	links_unhold(p->links, port);
}

static uint64_t written(const struct publish *p)
{
	return p->stats.sets + p->stats.deletes;
}

/* DEL and HSET, and the events of both. */
static size_t commands_a_port(const struct publish *p)
{
	return p->events ? 4 : 2;
}

/* Redis works on the first rows of a large batch while the others are still being made. */
void publish_flush(struct publish *p)
{
	uint64_t before = written(p);
	size_t left = p->batch_size;
	struct port *port;
	bool sample;

	if (!links_any_dirty(p->links) || !p->live || !p->enabled || p->held)
		return;
	sample = p->stats.batches % TIMED_BATCHES == 0;
	p->timing = sample || conn_replies_are_immediate(p->conn);
	while (conn_capacity(p->conn) >= commands_a_port(p) && (port = links_pop_dirty(p->links)) != NULL) {
		publish_port(p, port);
		if (--left > 0)
			continue;
		conn_flush(p->conn);
		left = p->batch_size;
	}
	if (sample || links_any_dirty(p->links))
		conn_expedite(p->conn);
	if (written(p) == before)
		return;
	p->stats.batches++;
	hist_add(&p->batch_rows, written(p) - before);
}

static int on_retry_ports(sd_event_source *timer, uint64_t usec, void *user)
{
	struct publish *p = user;
	uint64_t now = now_usec();

	(void)usec;
	for (struct port *port = links_next(p->links, NULL); port; port = links_next(p->links, port)) {
		if (port->row.retry_at == 0)
			continue;
		if (port->row.retry_at <= now)
			links_mark_dirty(p->links, port);
		else
			timer_start_by(timer, port->row.retry_at);
	}
	return 0;
}

/* --- reading back --- */

/* Counted once until it is repaired, so that found less repaired is a number of rows. */
static void note_drift(struct publish *p, struct port *port)
{
	if (port->row.drifted)
		return;
	p->stats.drift++;
	port->row.drifted = true;
	recorder_trigger(RECORDER_WHY_DRIFT, "PORT_TABLE%s%s was changed by somebody else", p->separator, port->name);
	log_with(LOG_WARNING, KIND_DRIFT_REPAIRED,
		 (&(struct log_context){.port = port->name, .ifindex = port->link.ifindex}),
		 "PORT_TABLE%s%s: was changed by somebody else, repaired", p->separator, port->name);
}

/* Where the row is gone, or a deletion was under way, what is written next replaces what was read. */
static void forget_change(struct port *port, const struct row *read)
{
	if (port->noted.deleted.bits || row_diff(&row_nil, read) == 0)
		port->noted.fields = 0;
	port->noted.deleted.bits = 0;
}

static void learn(struct publish *p, struct port *port, const struct row *row)
{
	forget_change(port, row);
	port->row.acked = *row;
	port->row.known = ROW_READ;
	port->row.mine = row->value[ROW_OPER] != ROW_NIL;
	if (port->row.mine && !port->link.ifindex)
		p->stats.orphans++;
	links_mark_dirty(p->links, port);
}

static void take_row(struct port *port, const struct row *row, uint32_t generation, void *user)
{
	struct publish *p = user;
	bool known = port->row.known == ROW_READ;

	if (port->row.generation != generation)
		return;
	if (known && port->row.mine && (!row || row_diff(&port->row.acked, row)))
		note_drift(p, port);
	else if (known && row && !row_diff(&port->row.acked, row))
		return;
	learn(p, port, row ? row : &row_nil);
	port->row.rewrite = !row;
}

static void readback_later(struct publish *p)
{
	timer_start_by(p->retry_readback, now_usec() + backoff_next_usec(&p->readback_backoff));
}

static void start_readback(struct publish *p)
{
	int r;

	if (!conn_ready(p->conn))
		return;
	r = readback_start(p->readback);
	if (r < 0 && r != -EALREADY)
		readback_later(p);
}

static int on_retry_readback(sd_event_source *timer, uint64_t usec, void *user)
{
	(void)timer;
	(void)usec;
	start_readback(user);
	return 0;
}

static void readback_done(bool complete, void *user)
{
	struct publish *p = user;

	if (!conn_ready(p->conn))
		return;
	if (!complete) {
		readback_later(p);
		return;
	}
	backoff_reset(&p->readback_backoff);
	if (!p->live)
		recorder_note("the rows of STATE_DB were read");
	p->stats.reconciliations++;
	p->live = true;
}

void publish_reconcile(struct publish *p)
{
	if (p->live && p->enabled)
		start_readback(p);
}

/* --- connection, gates --- */

void publish_ready(struct publish *p)
{
	start_readback(p);
}

void publish_lost(struct publish *p)
{
	p->live = false;
	recorder_note("what STATE_DB holds is not known any more");
	for (struct port *port = links_next(p->links, NULL), *next; port; port = next) {
		next = links_next(p->links, port);
		port->row.known = ROW_UNKNOWN;
		port->row.retry_ms = 0;
		end_retry(p, port);
	}
	/* Consumers may have lost their connections too, and with them events that Redis acknowledged to us. */
	links_doubt(p->links);
}

void publish_enable(struct publish *p, bool enabled)
{
	p->enabled = enabled;
}

void publish_hold(struct publish *p, bool hold)
{
	p->held = hold;
}

bool publish_owes(const struct port *port)
{
	struct row want;

	if (port->row.writing > 0 || (port->owed.deletion && port->row.mine))
		return true;
	switch (rowcmd_desired(port, &want)) {
	case DESIRED_ROW:
		return port->row.known != ROW_READ || port->owed.fields || row_diff(&port->row.acked, &want) != 0;
	case DESIRED_NONE:
		return port->row.mine;
	case DESIRED_LEAVE:
		break;
	}
	return false;
}

size_t publish_owed(const struct publish *p)
{
	size_t owed = 0;

	for (const struct port *port = links_next(p->links, NULL); port; port = links_next(p->links, port))
		owed += publish_owes(port);
	return owed;
}

bool publish_is_in_doubt(const struct publish *p)
{
	return p->enabled && !p->live;
}

uint64_t publish_last_event(const struct publish *p)
{
	return p->last_event + written(p);
}

void publish_skip_events(struct publish *p, uint64_t numbers)
{
	p->last_event += numbers;
}

const struct publish_stats *publish_stats(const struct publish *p)
{
	return &p->stats;
}

const struct hist *publish_latency(const struct publish *p)
{
	return &p->latency;
}

const struct hist *publish_batch_rows(const struct publish *p)
{
	return &p->batch_rows;
}

int publish_new(struct publish **ret, sd_event *event, struct links *links, struct conn *conn,
		const struct publish_options *opt, publish_unknown_fn unknown, void *user)
{
	static const struct readback_ops ops = {.row = take_row, .done = readback_done};
	struct publish *p = calloc(1, sizeof(*p));
	int r = -ENOMEM;

	if (!p)
		return r;
	p->links = links;
	p->conn = conn;
	p->unknown = unknown;
	p->user = user;
	p->readback_backoff = (struct backoff){.initial_ms = RETRY_INITIAL_MS, .max_ms = RETRY_MAX_MS};
	(void)snprintf(p->separator, sizeof(p->separator), "%s", opt->separator);
	p->batch_size = opt->batch_size;
	p->last_event = opt->last_event;
	p->changes = opt->changes;
	p->readback = readback_new(links, conn, p->separator, &ops, p);
	p->events = opt->events ? eventpub_new(conn, opt->database) : NULL;
	if (p->readback && (p->events || !opt->events))
		r = timer_add(&p->retry_ports, event, TIMER_ACCURACY_USEC, on_retry_ports, p);
	if (r >= 0)
		r = timer_add(&p->retry_readback, event, TIMER_ACCURACY_USEC, on_retry_readback, p);
	if (r < 0) {
		publish_free(p);
		return r;
	}
	*ret = p;
	return 0;
}

void publish_free(struct publish *p)
{
	if (!p)
		return;
	sd_event_source_disable_unref(p->retry_ports);
	sd_event_source_disable_unref(p->retry_readback);
	readback_free(p->readback);
	eventpub_free(p->events);
	free(p);
}
