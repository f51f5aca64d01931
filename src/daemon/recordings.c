/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/recordings.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/timer.h"
#include "log/log.h"
#include "recorder/keeper.h"

/* What follows a fault, such as all links being read again, belongs to it. */
#define AFTER_USEC USEC_PER_SEC
#define APART_USEC (60 * USEC_PER_SEC)
#define APART_SAME_USEC (600 * USEC_PER_SEC) /* with the same reason */
#define ACCURACY_USEC (50 * USEC_PER_MSEC)
#define STOP_USEC (2 * USEC_PER_SEC)

struct daemon_recordings {
	struct keeper *keeper;
	sd_event_source *timer, *done;
	bool owed;      /* the timer runs, or the thread was busy */
	bool requested; /* the owed one */
	enum recorder_why why;
	char reason[RECORDER_TEXT_MAX];
	uint64_t last_usec, last_why_usec[RECORDER_WHYS]; /* when one was begun without a request; 0: none was */
	struct snapshot_recorder stats;
};

/* --- checkpoints --- */

static struct recorder_port describe(const struct port *port)
{
	const struct row *row = port->row.known == ROW_READ ? &port->row.acked : &row_nil;
	struct recorder_port out = {
		.ifindex = port->link.ifindex,
		.flags = port->link.flags,
		.mtu = port->link.mtu,
		.master = port->link.master,
		.carrier_up = port->link.carrier_up,
		.carrier_down = port->link.carrier_down,
		.old = port->link.old,
		.configured = port->appl.configured,
		.expected = port->appl.expected,
		.row_known = port->row.known == ROW_READ,
		.owed = publish_owes(port),
		.row = row_recorded(row),
	};

	memcpy(out.name, port->name, sizeof(out.name));
	return out;
}

static bool is_dumping(const struct daemon *d)
{
	return watch_state(d->watch) == WATCH_DUMPING;
}

static void checkpoint(const struct daemon *d)
{
	enum watch_state state = watch_state(d->watch);

	recorder_checkpoint_begins(state, watch_state_name(state), is_dumping(d));
	for (const struct port *port = links_next(d->links, NULL); port; port = links_next(d->links, port)) {
		const struct recorder_port known = describe(port);

		recorder_port(&known);
	}
	recorder_checkpoint_ends();
}

/* --- when one is written --- */

static void owe(struct daemon_recordings *own, enum recorder_why why, const char *reason)
{
	own->owed = true;
	own->why = why;
	(void)snprintf(own->reason, sizeof(own->reason), "%s", reason);
}

/* While the thread is busy it stays owed. */
static void begin(struct daemon *d, enum worker_pace pace)
{
	struct daemon_recordings *own = d->recordings;

	checkpoint(d);
	own->owed = !keeper_give(own->keeper, own->why, own->reason, pace);
}

static bool is_limited(const struct daemon_recordings *own, enum recorder_why why, uint64_t now)
{
	return own->owed || (own->last_usec && now - own->last_usec < APART_USEC) ||
	       (own->last_why_usec[why] && now - own->last_why_usec[why] < APART_SAME_USEC);
}

/* The ring has a note of each trigger in any case. */
static void take_trigger(struct daemon *d)
{
	struct daemon_recordings *own = d->recordings;
	char reason[RECORDER_TEXT_MAX];
	uint64_t now = now_usec();
	enum recorder_why why;

	recorder_take_trigger(&why, reason);
	if (!own)
		return;
	if (is_limited(own, why, now)) {
		own->stats.suppressed++;
		return;
	}
	own->last_usec = own->last_why_usec[why] = now;
	owe(own, why, reason);
	timer_start(own->timer, AFTER_USEC);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *user)
{
	struct daemon *d = user;

	(void)source;
	(void)usec;
	if (d->recordings->owed)
		begin(d, WORKER_STEPS_BACK);
	return 0;
}

void recordings_answer(struct daemon *d)
{
	enum recorder_request request = recorder_take_request();

	if (request == RECORDER_WANTS_NOTHING || !recorder_is_on() || !d->watch)
		return;
	if (request == RECORDER_WANTS_CHECKPOINT || !d->recordings) {
		checkpoint(d);
		return;
	}
	/* One that is owed for another reason goes first: it has all that this one would have. */
	if (!d->recordings->owed)
		owe(d->recordings, RECORDER_WHY_REQUEST, "POST /record");
	d->recordings->requested = true;
	begin(d, WORKER_STEPS_BACK);
}

void recordings_turn(struct daemon *d)
{
	if (recorder_checkpoint_due(is_dumping(d)))
		checkpoint(d);
	recorder_turn_ends();
	if (recorder_is_triggered() && d->status == EXIT_SUCCESS)
		take_trigger(d);
}

/* --- how it went --- */

static void note_written(struct daemon *d, const struct keeper_outcome *outcome)
{
	struct snapshot_recorder *stats = &d->recordings->stats;

	stats->written[outcome->why]++;
	stats->last_nsec = now_nsec();
	stats->failing = false;
	stats->reason[0] = '\0';
	(void)snprintf(stats->file, sizeof(stats->file), "%s/%s", d->config->recorder_folder, outcome->name);
	log_notice(KIND_RECORDING_WRITTEN, "%s was written: %s: %s", stats->file, recorder_why_name(outcome->why),
		   outcome->reason);
}

/* One line until one is written again. */
static void note_failed(struct daemon *d, const struct keeper_outcome *outcome)
{
	struct snapshot_recorder *stats = &d->recordings->stats;

	stats->failed++;
	stats->file[0] = '\0';
	(void)snprintf(stats->reason, sizeof(stats->reason), "%.300s: %s", d->config->recorder_folder,
		       strerror(-outcome->error));
	if (!stats->failing)
		log_warning(KIND_RECORDING_FAILED, "a recording (%s: %s) cannot be written: %s",
			    recorder_why_name(outcome->why), outcome->reason, stats->reason);
	stats->failing = true;
}

static void take_outcome(struct daemon *d)
{
	struct daemon_recordings *own = d->recordings;
	struct keeper_outcome outcome;

	if (!keeper_take(own->keeper, &outcome))
		return;
	if (outcome.error < 0)
		note_failed(d, &outcome);
	else
		note_written(d, &outcome);
	if (!own->owed) {
		own->stats.answered += own->requested;
		own->requested = false;
	}
}

static int on_done(sd_event_source *source, int fd, uint32_t revents, void *user)
{
	struct daemon *d = user;

	(void)source;
	(void)fd;
	(void)revents;
	take_outcome(d);
	if (d->recordings->owed && !timer_is_running(d->recordings->timer))
		begin(d, WORKER_STEPS_BACK);
	return 0;
}

struct snapshot_recorder recordings_stats(const struct daemon *d)
{
	struct snapshot_recorder stats = d->recordings ? d->recordings->stats : (struct snapshot_recorder){0};

	stats.figures = recorder_figures();
	stats.writes = d->recordings != NULL;
	return stats;
}

/* --- beginning and end --- */

void recordings_start(struct daemon *d)
{
	const struct config *config = d->config;

	if (config->dry_run)
		return;
	if (recorder_start((size_t)config->recorder_bytes) < 0)
		log_warning(KIND_RECORDER_OFF, "there is no memory for recorder.bytes = %ld: nothing is recorded",
			    config->recorder_bytes);
	/* One that is missing all the same is reported when it is needed. */
	if (recorder_is_on() && config->recorder_folder[0] != '\0')
		(void)folder_make(config->recorder_folder);
}

static int add_sources(struct daemon *d)
{
	struct daemon_recordings *own = d->recordings;
	int r = keeper_new(&own->keeper, d->config->recorder_folder);

	if (r >= 0)
		r = sd_event_add_io(d->event, &own->done, keeper_fd(own->keeper), EPOLLIN, on_done, d);
	if (r >= 0)
		r = timer_add(&own->timer, d->event, ACCURACY_USEC, on_timer, d);
	return MIN(r, 0);
}

/* False: its thread hangs in the disk, and the ring must stay. */
static bool free_writer(struct daemon *d)
{
	struct daemon_recordings *own = d->recordings;
	bool ended = true;

	if (own) {
		sd_event_source_disable_unref(own->timer);
		sd_event_source_disable_unref(own->done);
		ended = keeper_free(own->keeper, 0);
	}
	free(own);
	d->recordings = NULL;
	return ended;
}

void recordings_serve(struct daemon *d)
{
	int r;

	if (!recorder_is_on() || d->config->recorder_folder[0] == '\0') {
		recorder_settle();
		return;
	}
	d->recordings = calloc(1, sizeof(*d->recordings));
	r = d->recordings ? add_sources(d) : -ENOMEM;
	if (r == 0)
		return;
	log_warning(KIND_RECORDING_FAILED, "no recording is written into %s: there is no thread for it: %s",
		    d->config->recorder_folder, strerror(-r));
	(void)free_writer(d);
	recorder_settle();
}

void recordings_finish(struct daemon *d)
{
	struct daemon_recordings *own = d->recordings;

	/* After a start that failed there is nothing to record. */
	if (!own || !own->keeper || recorder_figures().datagrams == 0)
		return;
	if (d->status != EXIT_SUCCESS && recorder_is_triggered())
		recorder_take_trigger(&own->why, own->reason);
	else if (!own->owed)
		return;
	(void)keeper_wait(own->keeper, STOP_USEC);
	take_outcome(d);
	begin(d, WORKER_AT_ONCE);
	if (!own->owed && keeper_wait(own->keeper, STOP_USEC))
		take_outcome(d);
}

void recordings_free(struct daemon *d)
{
	if (free_writer(d))
		recorder_stop();
}
