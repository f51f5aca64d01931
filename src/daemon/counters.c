/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What outlives a restart: when it is read, when it is saved, what is logged of it. While a process issues numbers, the
 * file says that it is not clean. A process that finds it so cannot know which numbers were issued later, and skips
 * STATE_STRIDE, so that no number comes twice. Where the disk does not take that (docs/design/state-file.md), a process
 * has numbers of its own, from the clock.
 */
#include "daemon/counters.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <systemd/sd-id128.h>

#include "base/text.h"
#include "base/timer.h"
#include "daemon/end.h"
#include "log/audit.h"
#include "log/log.h"
#include "state/saver.h"

#define ACCURACY_USEC (250 * USEC_PER_MSEC)
/* For a save under way and the last one. With everything else that a stop waits for, it stays below the 10 s of `docker
 * stop`. */
#define STOP_USEC (3 * USEC_PER_SEC)
#define SPARE_PORTS 64 /* that may come before the buffer has to grow */

/* Figures whose change calls for a save. */
struct marks {
	uint64_t event, audit, changes;
};

struct daemon_counters {
	const char *path;
	struct statefile *file;
	struct saver *saver; /* NULL: not yet, or its thread could not be started */
	struct state state;  /* as it was read, but with the numbers to continue from */
	sd_event_source *timer, *done;
	struct marks given; /* at the last save, whether or not it succeeded */
	struct marks saved; /* at the last one that did */
	struct marks apart; /* where numbers of the process' own begin; 0: nowhere */
	enum statefile_found found;
	bool orderly;         /* an orderly stop wrote the file that was found */
	const char *previous; /* how the process that wrote it ended; NULL: not known */
	bool handed_over;     /* the model has the ports that were read */
	bool owed;            /* the timer is armed */
	bool building, failing, reported;
	char why[STATEFILE_WHY_BYTES];
	char refused_why[STATEFILE_WHY_BYTES]; /* why what was found was not loaded */
	struct snapshot_saves stats;
	char note[160];
};

/* --- what is saved --- */

static struct marks marks(const struct daemon *d)
{
	return (struct marks){
		.event = d->publish ? publish_last_event(d->publish) : counters_last_event(d),
		.audit = audit_last(),
		.changes = d->links ? links_stats(d->links)->changes : 0,
	};
}

static const char *this_boot(char out[STATE_BOOT_ID_BYTES])
{
	sd_id128_t boot = SD_ID128_NULL;

	(void)sd_id128_get_boot(&boot);
	return sd_id128_to_string(boot, out);
}

/* O(1): the thread copies them. Without a ring yet they are those that were read. */
static void fill_changes(const struct daemon *d, struct state *out)
{
	out->ring = d->changes;
	if (!d->changes)
		return;
	out->ring_from = changes_begin(d->changes);
	out->ring_to = changes_end(d->changes);
}

static void fill_head(const struct daemon *d, struct state *out, bool clean)
{
	const struct marks now = marks(d);

	(void)this_boot(out->boot_id);
	out->saved_msec = realtime_nsec() / NSEC_PER_MSEC;
	out->clean = clean;
	out->event_id = now.event;
	out->audit_seq = now.audit;
	fill_changes(d, out);
}

/* Ports first; names without a port yet may exceed the capacity and are then left out. */
static void fill_ports(const struct links *links, struct state *out)
{
	uint64_t epoch = realtime_nsec() - now_nsec();

	for (const struct port *port = links_next(links, NULL); port; port = links_next(links, port)) {
		const struct port_history *history = &port->history;
		uint64_t changed = history->changed_nsec ? (history->changed_nsec + epoch) / NSEC_PER_MSEC
							 : history->changed_before_msec;

		if (history->flaps > 0 || changed > 0)
			(void)state_add(out, port->name, history->flaps, changed);
	}
	for (const struct baseline_port *before = links_baseline_next(links, NULL); before;
	     before = links_baseline_next(links, before))
		(void)state_add(out, before->name, before->flaps, before->changed_msec);
}

/* --- saving --- */

/* One line an episode; none if the start fails for another reason, since that must be the last line. */
static void report_outcome(struct daemon_counters *s)
{
	if (!s->building && s->failing && !s->reported)
		log_warning(KIND_STATE_NOT_SAVED, "counters are not saved for a restart: %s: %s", s->path, s->why);
	else if (!s->failing && s->reported)
		log_notice(KIND_STATE_SAVED_AGAIN, "counters are saved for a restart again");
	s->reported = s->failing && !s->building;
}

/* After a failure s->why says why. */
static void note_save(struct daemon_counters *s, int r)
{
	if (r < 0) {
		s->stats.errors++;
	} else {
		s->stats.saves++;
		s->stats.last_nsec = now_nsec();
		s->saved = s->given;
	}
	s->failing = r < 0;
	report_outcome(s);
}

static void fail(struct daemon_counters *s, int r, const char *why)
{
	(void)snprintf(s->why, sizeof(s->why), "%s", why);
	note_save(s, r);
}

static void arm(struct daemon *d)
{
	struct daemon_counters *s = d->counters;

	timer_start(s->timer, (uint64_t)d->config->state_save_interval_secs * USEC_PER_SEC);
	s->owed = true;
}

static size_t most_ports(const struct daemon *d)
{
	return MIN(links_stats(d->links)->ports + d->counters->state.n_ports + SPARE_PORTS, (size_t)STATE_MAX_PORTS);
}

static void take_outcome(struct daemon_counters *s)
{
	int r;

	if (saver_take(s->saver, &r, s->why))
		note_save(s, r);
}

/* False: a save is under way, or there is no memory. The saver forgets what became of the one before. */
static bool begin_save(struct daemon *d, bool clean)
{
	struct daemon_counters *s = d->counters;
	struct state *out;

	take_outcome(s);
	out = saver_claim(s->saver, most_ports(d));
	if (!out)
		return false;
	fill_head(d, out, clean);
	fill_ports(d->links, out);
	s->given = marks(d);
	saver_give(s->saver, clean ? WORKER_AT_ONCE : WORKER_STEPS_BACK);
	return true;
}

static int on_due(sd_event_source *source, uint64_t usec, void *user)
{
	struct daemon *d = user;

	(void)source;
	(void)usec;
	d->counters->owed = false;
	if (!begin_save(d, false))
		arm(d);
	return 0;
}

static void hear_of_save(struct daemon *d)
{
	take_outcome(d->counters);
	if (d->counters->failing && !d->counters->owed)
		arm(d);
}

static int on_done(sd_event_source *source, int fd, uint32_t revents, void *user)
{
	(void)source;
	(void)fd;
	(void)revents;
	hear_of_save(user);
	return 0;
}

static bool is_ahead(const struct marks *now, const struct marks *of, uint64_t numbers)
{
	return now->event - of->event >= numbers || now->audit - of->audit >= numbers;
}

/* The file has none of the numbers of the process' own. */
static bool is_apart(const struct daemon_counters *s)
{
	return s->saved.audit < s->apart.audit;
}

/*
 * The numbers that this process issues from here on may never get into the file, and the next process starts from what
 * is in it, even if it cannot save either. So this one jumps by a number made of the clock's microseconds: a later
 * process jumps elsewhere, since none issues a number every microsecond.
 */
static uint64_t go_apart(struct daemon *d)
{
	struct daemon_counters *s = d->counters;
	const uint64_t jump = STATE_APART + realtime_nsec() / NSEC_PER_USEC % STATE_APART_SPAN;

	if (d->publish)
		publish_skip_events(d->publish, jump);
	else
		s->state.event_id += jump;
	audit_skip(jump);
	s->apart = marks(d);
	return jump;
}

/* The disk takes nothing, or hangs, or there is no thread: before more numbers were issued than the next start would
 * skip. */
static void go_apart_in_time(struct daemon *d, const struct marks *now)
{
	uint64_t jump;

	if (is_apart(d->counters) || !is_ahead(now, &d->counters->saved, STATE_STRIDE / 2))
		return;
	jump = go_apart(d);
	log_warning(KIND_STATE_NOT_SAVED, "%s was not saved for long: numbers jump by %" PRIu64, d->counters->path,
		    jump);
}

/* Saves early, long before more numbers are issued than the next start would skip. */
static void hurry(struct daemon *d, const struct marks *now)
{
	const struct daemon_counters *s = d->counters;

	if (s->timer) /* and with it the thread */
		hear_of_save(d);
	if (s->timer && !s->failing && is_ahead(now, &s->given, STATE_STRIDE / 4))
		(void)begin_save(d, false);
	go_apart_in_time(d, now);
}

void counters_turn(struct daemon *d)
{
	struct daemon_counters *s = d->counters;
	struct marks now;

	if (!s)
		return;
	now = marks(d);
	if (!s->owed && s->timer &&
	    (now.event != s->given.event || now.audit != s->given.audit || now.changes != s->given.changes))
		arm(d);
	if (is_ahead(&now, &s->saved, STATE_STRIDE / 4))
		hurry(d, &now);
}

/* Without the thread, while no loop runs. */
static void save_now(struct daemon *d, struct state *out, bool clean)
{
	struct daemon_counters *s = d->counters;
	int r;

	fill_head(d, out, clean);
	s->given = marks(d);
	r = state_collect(out);
	if (r < 0)
		fail(s, r, strerror(-r));
	else
		note_save(s, statefile_save(s->file, out, s->why));
}

/* --- loading --- */

static void refuse(const struct daemon_counters *s)
{
	const char *where = "; it is kept aside as *.refused";

	if (s->found == STATEFILE_STUCK)
		where = "";
	else if (s->found == STATEFILE_UNSEEN && s->failing)
		where = "; the first save keeps it aside as *.refused";

	audit_event(LOG_WARNING, KIND_STATE_REFUSED, AUDIT_STATE_REFUSED, AUDIT_FAILURE, audit_self(),
		    "%s is refused: %s%s; counters begin again", s->path, s->refused_why, where);
}

static void go_on(struct daemon_counters *s)
{
	char boot[STATE_BOOT_ID_BYTES];

	s->orderly = s->state.clean;
	s->previous = strcmp(this_boot(boot), s->state.boot_id) == 0 ? "unclean" : "reboot";
	if (s->orderly) {
		s->previous = PREVIOUS_ORDERLY;
		(void)snprintf(s->note, sizeof(s->note), "; numbers go on");
	} else {
		s->state.event_id += STATE_STRIDE;
		s->state.audit_seq += STATE_STRIDE;
		log_notice(KIND_STATE_JUMPED,
			   "counters go on from %s, which was not saved at an orderly stop: numbers jump by %" PRIu64,
			   s->path, STATE_STRIDE);
		(void)snprintf(s->note, sizeof(s->note),
			       "; numbers jump by %" PRIu64 " because the last stop was not orderly", STATE_STRIDE);
	}
	audit_go_on(s->state.audit_seq);
}

static void read_file(struct daemon_counters *s)
{
	s->found = statefile_load(s->file, &s->state, s->refused_why);
	if (s->found == STATEFILE_LOADED)
		go_on(s);
	else if (s->found == STATEFILE_MISSING)
		(void)snprintf(s->note, sizeof(s->note), "; numbers begin at 1");
	else
		(void)snprintf(s->note, sizeof(s->note), "; the state file was refused, numbers begin again");
}

/* Before the first number is issued, the file must stop claiming that it has the last one. */
static void mark_file(struct daemon *d)
{
	struct daemon_counters *s = d->counters;

	save_now(d, &s->state, false);
	if (s->failing || s->found == STATEFILE_UNSEEN)
		text_append(s->note, sizeof(s->note), ", ",
			    "and %" PRIu64 " are skipped because the state file cannot be %s", go_apart(d),
			    s->failing ? "written" : "read");
}

/* This waits until all is built: a daemon that cannot start says why, and nothing else. */
static void report_found(const struct daemon_counters *s)
{
	if (s->found == STATEFILE_MISSING)
		log_info(KIND_STATE_MISSING, "there is no %s yet: counters begin at 0", s->path);
	else if (s->found == STATEFILE_LOADED && s->orderly)
		log_info(KIND_STATE_LOADED, "counters go on from %s", s->path);
	else if (s->found == STATEFILE_UNSEEN)
		refuse(s);
}

void counters_load(struct daemon *d)
{
	const char *path = d->config->state_file;
	struct daemon_counters *s;
	int r;

	if (d->config->dry_run || path[0] == '\0')
		return;
	s = calloc(1, sizeof(*s));
	r = s ? statefile_new(&s->file, path) : -ENOMEM;
	if (r < 0) {
		if (r == -EBUSY)
			log_warning(KIND_STATE_IN_USE,
				    "another process uses %s: counters are not kept across a "
				    "restart",
				    path);
		else
			log_warning(KIND_STATE_NOT_SAVED, "%s: %s", path, strerror(-r));
		free(s);
		return;
	}
	d->counters = s;
	s->path = path;
	s->building = true;
	read_file(s);
	mark_file(d);
	if (s->found == STATEFILE_REFUSED || s->found == STATEFILE_STUCK)
		refuse(s);
}

const char *counters_previous_stop(const struct daemon *d)
{
	return d->counters && d->counters->previous ? d->counters->previous : "unknown";
}

const char *counters_note(const struct daemon *d)
{
	if (d->config->dry_run)
		return "";
	return d->counters ? d->counters->note : "; numbers begin at 1, and are not kept";
}

uint64_t counters_last_event(const struct daemon *d)
{
	return d->counters ? d->counters->state.event_id : 0;
}

struct snapshot_saves counters_stats(const struct daemon *d)
{
	return d->counters ? d->counters->stats : (struct snapshot_saves){0};
}

/* --- building --- */

static int give_to_model(struct daemon *d)
{
	const struct state *state = &d->counters->state;
	int r = links_baseline_reserve(d->links, state->n_ports);

	for (size_t i = 0; r == 0 && i < state->n_ports; i++)
		links_baseline_add(d->links, state->ports[i].name, state->ports[i].flaps, state->ports[i].changed_msec);
	d->counters->handed_over = r == 0;
	return r;
}

void counters_restore_changes(struct daemon *d)
{
	struct state *state = d->counters ? &d->counters->state : NULL;

	for (size_t i = 0; state && i < state->n_changes; i++)
		changes_add(d->changes, &state->changes[i]);
}

static int add_sources(struct daemon *d)
{
	struct daemon_counters *s = d->counters;
	int r = saver_new(&s->saver, s->file);

	if (r >= 0)
		r = sd_event_add_io(d->event, &s->done, saver_fd(s->saver), EPOLLIN, on_done, d);
	if (r >= 0)
		r = timer_add(&s->timer, d->event, ACCURACY_USEC, on_due, d);
	return MIN(r, 0);
}

void counters_build(struct daemon *d)
{
	int r;

	if (!d->counters)
		return;
	r = give_to_model(d);
	if (r >= 0)
		r = add_sources(d);
	d->counters->building = false;
	report_found(d->counters);
	report_outcome(d->counters);
	if (r < 0)
		fail(d->counters, r, strerror(-r));
	else if (d->counters->failing)
		arm(d);
}

/* --- the end --- */

/* The thread writes the file, so that a disk that hangs cannot hold up the stop. -ETIMEDOUT: it hangs. */
static int save_by_thread(struct daemon *d)
{
	struct daemon_counters *s = d->counters;
	const uint64_t until = now_usec() + STOP_USEC;
	uint64_t now;

	if (!saver_wait(s->saver, STOP_USEC))
		return -ETIMEDOUT;
	if (!begin_save(d, true))
		return -ENOMEM;
	now = now_usec();
	if (!saver_wait(s->saver, now < until ? until - now : 0))
		return -ETIMEDOUT;
	take_outcome(s);
	return 0;
}

/* The start failed, or the thread could not be started. */
static void save_without_thread(struct daemon *d)
{
	struct daemon_counters *s = d->counters;
	struct state out = {0};

	if (s->handed_over && state_reserve(&out, most_ports(d)) == 0) {
		fill_ports(d->links, &out);
		save_now(d, &out, true);
	} else {
		save_now(d, &s->state, true);
	}
	state_done(&out);
}

void counters_finish(struct daemon *d)
{
	struct daemon_counters *s = d->counters;
	int r = 0;

	if (!s)
		return;
	/* Report suppressed lines and records first: a record takes a number. */
	daemon_report_suppressed(d, true);
	if (!s->saver)
		save_without_thread(d);
	else
		r = save_by_thread(d);
	if (r < 0)
		fail(s, r, r == -ETIMEDOUT ? "the disk does not answer" : strerror(-r));
}

void counters_free(struct daemon *d)
{
	struct daemon_counters *s = d->counters;

	if (!s)
		return;
	sd_event_source_disable_unref(s->timer);
	sd_event_source_disable_unref(s->done);
	if (saver_free(s->saver, 0))
		statefile_free(s->file);
	else
		d->changes = NULL; /* the thread's, too */
	state_done(&s->state);
	free(s);
}
