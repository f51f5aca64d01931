/* SPDX-License-Identifier: Apache-2.0 */
#include "sonic/startup.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/backoff.h"
#include "base/text.h"
#include "base/timer.h"
#include "log/audit.h"
#include "ports/rules.h"
#include "recorder/recorder.h"
#include "sonic/portcount.h"
#include "sonic/portrows.h"
#include "sonic/warm.h"

#define RETRY_INITIAL_MS 100
#define RETRY_MAX_MS 30000
#define TIMER_ACCURACY_USEC (10 * USEC_PER_MSEC)
#define MISSING_WARN_USEC (30 * USEC_PER_SEC)
#define MISSING_NAMED 8

/* What is true of this start: one of these, and nothing beside it says that a marker was pushed. */
enum startup_state {
	/* APPL_DB must not have PortConfigDone yet. */
	STARTUP_AWAITS_KERNEL,    /* the first dump of the links */
	STARTUP_AWAITS_REDIS,     /* all databases; also while a back-off lasts */
	STARTUP_ASKING,           /* switch_type, whether this start is warm, which links are old */
	STARTUP_READING_ROWS,     /* of PORT; unless this start is warm they are pushed */
	STARTUP_CONFIG_DONE_DUE,  /* all rows are in, PortConfigDone is the next to push */
	STARTUP_CONFIG_DONE_SENT, /* and has no answer yet */
	STARTUP_ROWS_UNPROVED,    /* it is in: the next is to ask whether the rows are still there */
	STARTUP_PROVING_ROWS,     /* and has no answer yet */
	/* APPL_DB has PortConfigDone. */
	STARTUP_AWAITS_LINKS,   /* and their rows in STATE_DB */
	STARTUP_INIT_DONE_SENT, /* PortInitDone has no answer yet */
	/* APPL_DB has both markers. */
	STARTUP_DONE,
	/* APPL_DB was emptied and has neither, CONFIG_DB was emptied as well. */
	STARTUP_CONFIG_LOST,         /* each check looks for the rows of PORT */
	STARTUP_CONFIG_LOST_READING, /* and one is looking now */
};

/* What this process found when it started, until somebody empties APPL_DB: then all is pushed, as on a cold start. */
enum start_kind {
	START_UNDECIDED,
	START_COLD,
	START_WARM,         /* APPL_DB has the rows; PortConfigDone's count may be wrong (S9) */
	START_WARM_COUNTED, /* and the count is right */
};

enum marker_check {
	CHECK_NONE,
	CHECK_OWED, /* until all databases are there, and the connection has capacity for it */
	CHECK_ASKED,
};

struct startup {
	struct startup_deps deps;
	const struct startup_ops *ops;
	void *user;
	enum startup_state state;
	enum start_kind kind;
	enum marker_check check;
	size_t count;    /* rows that PortConfigDone announces */
	size_t promised; /* the count that APPL_DB accepted last */
	struct warm *warm;
	struct oldlinks *oldlinks;
	struct portcount *portcount;
	struct portrows *rows;
	char switch_type[16];
	sd_event_source *retry; /* armed: a refusal's back-off lasts */
	sd_event_source *missing;
	struct backoff backoff;
};

static void retry_later(struct startup *s)
{
	timer_start(s->retry, backoff_next_usec(&s->backoff));
}

static bool is_held(const struct startup *s)
{
	return timer_is_running(s->retry);
}

static bool connected(const struct startup *s)
{
	return conn_ready(s->deps.config) && conn_ready(s->deps.appl) && conn_ready(s->deps.state) &&
	       appl_ports_known(s->deps.appl_ports);
}

static bool is_warm(const struct startup *s)
{
	return s->kind == START_WARM || s->kind == START_WARM_COUNTED;
}

static void read_rows(struct startup *s, enum startup_state state)
{
	s->state = state;
	portrows_push_all(s->rows, !is_warm(s));
	portrows_start(s->rows);
}

/* --- what kind of start this is --- */

static void ask_again(struct startup *s)
{
	s->state = STARTUP_AWAITS_REDIS;
	retry_later(s);
}

/*
 * Warm: the links that are there are the ports' own, and APPL_DB has the configuration. Nothing is published before the
 * configured ports are known, since their rows wait for their links.
 */
static void decide(struct startup *s, enum start_kind kind)
{
	s->kind = kind;
	if (kind == START_COLD)
		s->ops->decided(s->user);
	read_rows(s, STARTUP_READING_ROWS);
}

static void on_old_links(bool known, void *user)
{
	struct startup *s = user;

	if (s->state != STARTUP_ASKING)
		return;
	if (known)
		decide(s, START_COLD);
	else
		ask_again(s);
}

/* A DPU's links exist once its driver is loaded (S25). */
static void on_warm(enum warm_answer answer, void *user)
{
	struct startup *s = user;

	if (s->state != STARTUP_ASKING)
		return;
	if (answer == WARM_UNKNOWN) {
		ask_again(s);
		return;
	}
	if (answer == WARM_WARM)
		decide(s, START_WARM);
	else if (strcmp(s->switch_type, "dpu") == 0)
		decide(s, START_COLD);
	else if (oldlinks_settle(s->oldlinks) < 0)
		ask_again(s);
}

static void on_switch_type(const struct resp_value *reply, void *user, void *item, uint64_t cookie)
{
	struct startup *s = user;
	const char *key = "DEVICE_METADATA";

	(void)item;
	(void)cookie;
	if (!reply || s->state != STARTUP_ASKING)
		return;
	if (reply->type == RESP_ERROR && !resp_is_error(reply, "WRONGTYPE") && !resp_too_large(reply)) {
		if (s->backoff.next_ms == 0)
			log_warning(KIND_SWITCH_TYPE_UNREADABLE,
				    "%s%slocalhost: switch_type cannot be read, it is tried again: %s", key,
				    s->deps.config_separator, reply->str);
		ask_again(s);
		return;
	}
	if (reply->type == RESP_ERROR)
		log_warning(KIND_SWITCH_TYPE_UNREADABLE, "%s%slocalhost: %s; switch_type is taken as \"switch\"", key,
			    s->deps.config_separator, resp_too_large(reply) ? reply->str : "is not a hash");
	(void)snprintf(s->switch_type, sizeof(s->switch_type), "%s",
		       reply->type == RESP_STRING ? reply->str : "switch");
	if (strcmp(s->switch_type, "fabric") == 0) {
		s->ops->refuse(
			"switch_type is \"fabric\": such a switch has no front panel ports, portsyncd must not run",
			s->user);
		return;
	}
	if (warm_ask(s->warm) < 0)
		ask_again(s);
}

static void ask_switch_type(struct startup *s)
{
	char key[32];
	struct resp_arg argv[3];

	(void)snprintf(key, sizeof(key), "DEVICE_METADATA%slocalhost", s->deps.config_separator);
	argv[0] = RESP_STR("HGET");
	argv[1] = RESP_STR(key);
	argv[2] = RESP_STR("switch_type");
	if (conn_command(s->deps.config, on_switch_type, s, NULL, 0, ARRAY_SIZE(argv), argv) == 0)
		s->state = STARTUP_ASKING;
}

/* --- markers --- */

static void prove_rows(struct startup *s);
static void ask_for_markers(struct startup *s);

static void await_links(struct startup *s)
{
	s->promised = s->count;
	s->state = STARTUP_AWAITS_LINKS;
	timer_start(s->missing, MISSING_WARN_USEC);
}

static bool is_stuck(const struct port *port)
{
	return port->link.old && (port->appl.expected || port->appl.configured);
}

/* A timer without anything to report would only wake a quiet switch. */
static void stop_warning(struct startup *s)
{
	for (struct port *port = links_next(s->deps.links, NULL); port; port = links_next(s->deps.links, port))
		if (is_stuck(port))
			return;
	timer_stop(s->missing);
}

/* The record does not repeat upstream's words, since test suites count its line. */
static void log_init_done(void)
{
	if (audit_joins()) {
		audit_event(LOG_NOTICE, KIND_PORT_INIT_DONE, AUDIT_PORT_INIT_DONE, AUDIT_SUCCESS, audit_self(),
			    "PortInitDone");
		return;
	}
	log_notice(KIND_PORT_INIT_DONE, "PortInitDone");
	audit_record(AUDIT_PORT_INIT_DONE, AUDIT_SUCCESS, audit_self(), NULL, "all configured ports have their rows");
}

static void config_done_accepted(struct startup *s)
{
	backoff_reset(&s->backoff);
	log_notice(KIND_PORT_CONFIG_DONE, "PortConfigDone: %zu ports", s->count);
	await_links(s);
}

static void init_done_accepted(struct startup *s)
{
	backoff_reset(&s->backoff);
	log_init_done();
	s->state = STARTUP_DONE;
	stop_warning(s);
	s->ops->init_done(s->user);
}

static void marker_refused(struct startup *s, const struct resp_value *error)
{
	bool config = s->state == STARTUP_CONFIG_DONE_SENT;

	if (s->backoff.next_ms == 0)
		log_warning(KIND_PUSH_REFUSED, "PORT_TABLE%s%s: Redis refused the push, it is tried again: %s",
			    s->deps.appl_separator, config ? "PortConfigDone" : "PortInitDone", error->str);
	s->state = config ? STARTUP_CONFIG_DONE_DUE : STARTUP_AWAITS_LINKS;
	retry_later(s);
}

static void on_marker(bool ok, const struct resp_value *error, void *user)
{
	struct startup *s = user;

	if (s->state != STARTUP_CONFIG_DONE_SENT && s->state != STARTUP_INIT_DONE_SENT)
		return;
	if (ok && s->state == STARTUP_CONFIG_DONE_SENT) {
		backoff_reset(&s->backoff);
		prove_rows(s);
	} else if (ok) {
		init_done_accepted(s);
	} else if (error) {
		marker_refused(s, error);
	}
	/* else startup_lost() follows */
}

static void push_marker(struct startup *s, const char *name, const char *field, size_t value, enum startup_state sent)
{
	char text[24];
	struct resp_arg pair[2];
	int r;

	(void)snprintf(text, sizeof(text), "%zu", value);
	pair[0] = RESP_STR(field);
	pair[1] = RESP_STR(text);
	r = producer_set(s->deps.producer, name, 1, pair, on_marker, s);
	if (r == 0)
		s->state = sent;
	else
		retry_later(s);
}

/* APPL_DB has the rows and both markers of an earlier boot, or startup_check() finds that it has not. */
static void warm_started(struct startup *s)
{
	await_links(s);
	s->ops->decided(s->user);
}

/* An emptied CONFIG_DB does not mean that there should be no ports: wait until it is filled again. */
static void config_lost(struct startup *s)
{
	if (s->state != STARTUP_CONFIG_LOST_READING)
		log_warning(KIND_CONFIG_DB_LOST,
			    "CONFIG_DB has lost its PORT rows: nothing is pushed until they are back");
	s->state = STARTUP_CONFIG_LOST;
}

static bool reads_rows(const struct startup *s)
{
	return s->state == STARTUP_READING_ROWS || s->state == STARTUP_CONFIG_LOST_READING;
}

/* The connection may have gone before startup_check() had its answer, so startup_lost() need not follow. */
static void stop_reading(struct startup *s)
{
	s->state = s->state == STARTUP_CONFIG_LOST_READING ? STARTUP_CONFIG_LOST : STARTUP_AWAITS_REDIS;
}

static void on_rows(enum portrows_outcome outcome, size_t count, void *user)
{
	struct startup *s = user;

	if (!reads_rows(s))
		return;
	if (outcome == PORTROWS_LOST) {
		stop_reading(s);
		return;
	}
	if (outcome == PORTROWS_AGAIN) {
		retry_later(s);
		return;
	}
	if (count == 0 && s->promised > 0) {
		config_lost(s);
		return;
	}
	s->count = count;
	if (is_warm(s))
		warm_started(s);
	else
		s->state = STARTUP_CONFIG_DONE_DUE;
}

/* --- waiting for host interfaces --- */

static bool is_awaited(const struct port *port)
{
	return port->appl.expected && !port->link.old;
}

/* Logs how many ports match, and the names of the first ones; nothing if none does. */
static void warn_of(struct startup *s, bool (*matches)(const struct port *port), const char *before, const char *after)
{
	char names[MISSING_NAMED * (IFNAMSIZ + 2) + 1] = "";
	size_t total = 0;

	for (struct port *port = links_next(s->deps.links, NULL); port; port = links_next(s->deps.links, port)) {
		if (matches(port) && total++ < MISSING_NAMED)
			text_append(names, sizeof(names), ", ", "%s", port->name);
	}
	if (total > 0)
		log_warning(KIND_PORTS_AWAITED, "%s%zu configured ports %s: %s%s", before, total, after, names,
			    total > MISSING_NAMED ? ", ..." : "");
}

/* Upstream waits, or ignores a port, for ever without a word (M16, S5). */
static int on_missing(sd_event_source *timer, uint64_t usec, void *user)
{
	const struct startup *s = user;

	(void)timer;
	(void)usec;
	if (links_expected(s->deps.links) > 0)
		recorder_trigger(RECORDER_WHY_INIT_LATE, "PortInitDone waits for %zu ports",
				 links_expected(s->deps.links));
	warn_of(user, is_awaited, "PortInitDone waits for ", "without a host interface");
	warn_of(user, is_stuck, "",
		"are ignored, as their interfaces are left over from before this start; delete those, or restart "
		"swss");
	return 0;
}

/*
 * Not before all ports have come: until then orchagent still moves the rows that were counted. On a warm start the
 * count of an earlier boot is corrected once; after that it is followed only if follow_count says so.
 */
static bool count_matters(const struct startup *s)
{
	if (s->state == STARTUP_DONE)
		return s->kind == START_WARM || s->deps.follow_count;
	return s->kind == START_WARM && (s->state == STARTUP_AWAITS_LINKS || s->state == STARTUP_INIT_DONE_SENT);
}

static void follow_count(struct startup *s)
{
	if (s->state == STARTUP_DONE && s->kind == START_WARM && portcount_done(s->portcount))
		s->kind = START_WARM_COUNTED;
	if (count_matters(s) && connected(s) && appl_ports_settled(s->deps.appl_ports))
		portcount_want(s->portcount, appl_ports_rows(s->deps.appl_ports));
}

static bool all_links_came(const struct startup *s)
{
	return links_expected(s->deps.links) == 0 && (s->kind != START_WARM || portcount_settled(s->portcount));
}

static void go_on(struct startup *s)
{
	bool capacity = conn_capacity(s->deps.appl) > 0;

	if (s->state == STARTUP_AWAITS_REDIS && connected(s)) {
		if (s->kind == START_UNDECIDED)
			ask_switch_type(s);
		else
			read_rows(s, STARTUP_READING_ROWS);
	} else if (s->state == STARTUP_CONFIG_DONE_DUE && capacity) {
		push_marker(s, "PortConfigDone", "count", s->count, STARTUP_CONFIG_DONE_SENT);
	} else if (s->state == STARTUP_ROWS_UNPROVED && capacity) {
		prove_rows(s);
	} else if (s->state == STARTUP_AWAITS_LINKS && capacity && all_links_came(s)) {
		push_marker(s, "PortInitDone", "lanes", 0, STARTUP_INIT_DONE_SENT);
	}
}

void startup_turn(struct startup *s)
{
	warm_turn(s->warm);
	portrows_turn(s->rows);
	if (s->check == CHECK_OWED && conn_capacity(s->deps.appl) > 0)
		ask_for_markers(s);
	follow_count(s);
	if (s->state != STARTUP_DONE && !is_held(s))
		go_on(s);
}

/* The turn that follows goes on. */
static int on_retry(sd_event_source *timer, uint64_t usec, void *user)
{
	struct startup *s = user;

	(void)timer;
	(void)usec;
	if (reads_rows(s) && connected(s))
		portrows_again(s->rows);
	else if (reads_rows(s))
		stop_reading(s); /* begun again once all are connected */
	return 0;
}

/* --- an emptied APPL_DB --- */

static void push_all_again(struct startup *s, enum startup_state state)
{
	timer_stop(s->missing);
	timer_stop(s->retry);
	s->kind = START_COLD;
	portrows_forget(s->rows);
	appl_ports_doubt(s->deps.appl_ports);
	read_rows(s, state);
}

static void appl_db_emptied(struct startup *s)
{
	log_warning(KIND_APPL_DB_EMPTIED, "APPL_DB was emptied: the ports of CONFIG_DB are pushed again");
	push_all_again(s, STARTUP_READING_ROWS);
}

/* Both answers were acted on. */
static void end_check(struct startup *s)
{
	s->check = CHECK_NONE;
	s->ops->checked(s->user);
}

static bool is_gone(const struct resp_value *reply)
{
	return reply && reply->type == RESP_INTEGER && reply->integer == 0;
}

/* While the rows of PORT are lost, it does not matter whether somebody else has put the marker back. */
static void on_config_done_counted(const struct resp_value *reply, void *user, void *item, uint64_t cookie)
{
	struct startup *s = user;

	(void)item;
	(void)cookie;
	if (reply && s->state == STARTUP_CONFIG_LOST)
		push_all_again(s, STARTUP_CONFIG_LOST_READING);
	else if (is_gone(reply) && (s->state == STARTUP_AWAITS_LINKS || s->state == STARTUP_DONE))
		appl_db_emptied(s);
}

static int count_row(struct startup *s, const char *name, conn_reply_fn fn)
{
	return producer_count_row(s->deps.producer, name, fn, s, NULL);
}

/*
 * A daemon that is not allowed to ask goes on like upstream, which never asks: orchagent acts on PortConfigDone alone,
 * and PortInitDone stays true, since it waits for each port's link, which orchagent makes of a row. Holding it back
 * would keep everything that waits for it (xcvrd, lldpmgrd, featured's services) down for ever. Rows that were lost
 * show as ports without a link.
 */
static void first_row_untold(struct startup *s, const struct resp_value *reply)
{
	bool forbidden = resp_is_error(reply, "NOPERM");

	if (forbidden || s->backoff.next_ms == 0)
		log_warning(KIND_ROWS_UNPROVED,
			    "PORT_TABLE%s%s: APPL_DB does not say whether it still has the row, %s: %s",
			    s->deps.appl_separator, portrows_first(s->rows),
			    forbidden ? "PortInitDone does not wait for that" : "it is asked again",
			    reply->type == RESP_ERROR ? reply->str : "an answer of another type");
	if (forbidden) {
		config_done_accepted(s);
		return;
	}
	s->state = STARTUP_ROWS_UNPROVED;
	retry_later(s);
}

static void on_first_row_counted(const struct resp_value *reply, void *user, void *item, uint64_t cookie)
{
	struct startup *s = user;

	(void)item;
	(void)cookie;
	if (!reply || s->state != STARTUP_PROVING_ROWS)
		return;
	if (reply->type != RESP_INTEGER)
		first_row_untold(s, reply);
	else if (is_gone(reply))
		appl_db_emptied(s);
	else
		config_done_accepted(s);
}

/* If APPL_DB was emptied between the rows and their marker, the marker promises rows that are not there. */
static void prove_rows(struct startup *s)
{
	const char *first = portrows_first(s->rows);
	int r;

	if (!first) {
		config_done_accepted(s);
		return;
	}
	r = count_row(s, first, on_first_row_counted);
	s->state = r == 0 ? STARTUP_PROVING_ROWS : STARTUP_ROWS_UNPROVED;
	if (r < 0)
		retry_later(s);
}

/* The answer to a question that was asked before PortInitDone was sent comes before PortInitDone is accepted. */
static void on_init_done_counted(const struct resp_value *reply, void *user, void *item, uint64_t cookie)
{
	struct startup *s = user;

	(void)item;
	(void)cookie;
	if (is_gone(reply) && s->state == STARTUP_DONE) {
		log_warning(KIND_MARKER_GONE, "PortInitDone is gone from APPL_DB: it is sent again");
		s->state = STARTUP_AWAITS_LINKS;
	}
	end_check(s);
}

static bool can_check(const struct startup *s)
{
	return s->state == STARTUP_AWAITS_LINKS || s->state == STARTUP_DONE || s->state == STARTUP_CONFIG_LOST;
}

static void ask_for_markers(struct startup *s)
{
	if (s->check == CHECK_ASKED || !connected(s))
		return;
	s->check = CHECK_NONE;
	if (!can_check(s))
		return;
	if (count_row(s, "PortConfigDone", on_config_done_counted) == 0 &&
	    count_row(s, "PortInitDone", on_init_done_counted) == 0)
		s->check = CHECK_ASKED;
	else
		s->check = CHECK_OWED;
}

bool startup_check(struct startup *s)
{
	warm_settle(s->warm);
	portcount_retry(s->portcount);
	ask_for_markers(s);
	return s->check == CHECK_ASKED;
}

/* --- connections --- */

void startup_links_known(struct startup *s)
{
	if (s->state == STARTUP_AWAITS_KERNEL)
		s->state = STARTUP_AWAITS_REDIS;
}

bool startup_config_done(const struct startup *s)
{
	return s->state == STARTUP_AWAITS_LINKS || s->state == STARTUP_INIT_DONE_SENT || s->state == STARTUP_DONE;
}

bool startup_init_done(const struct startup *s)
{
	return s->state == STARTUP_DONE;
}

bool startup_is_warm(const struct startup *s)
{
	return is_warm(s);
}

uint64_t startup_links_set_down(const struct startup *s)
{
	return oldlinks_set_down(s->oldlinks);
}

/* A Redis that comes back may be empty, and the first of its connections is ready before it can be asked. */
void startup_ready(struct startup *s)
{
	if (s->check == CHECK_NONE)
		s->check = CHECK_OWED;
	(void)startup_check(s);
}

void startup_lost(struct startup *s)
{
	timer_stop(s->retry);
	portcount_retry(s->portcount);
	backoff_reset(&s->backoff);
	portrows_stop(s->rows);
	oldlinks_lost(s->oldlinks);
	switch (s->state) {
	case STARTUP_ASKING:
	case STARTUP_READING_ROWS:
	case STARTUP_CONFIG_DONE_DUE:
	case STARTUP_CONFIG_DONE_SENT:
	case STARTUP_ROWS_UNPROVED:
	case STARTUP_PROVING_ROWS:
		s->state = STARTUP_AWAITS_REDIS;
		break;
	case STARTUP_INIT_DONE_SENT:
		s->state = STARTUP_AWAITS_LINKS;
		break;
	case STARTUP_CONFIG_LOST_READING:
		s->state = STARTUP_CONFIG_LOST;
		break;
	case STARTUP_AWAITS_KERNEL:
	case STARTUP_AWAITS_REDIS:
	case STARTUP_AWAITS_LINKS:
	case STARTUP_DONE:
	case STARTUP_CONFIG_LOST:
		break;
	}
}

int startup_new(struct startup **ret, const struct startup_deps *deps, const struct startup_ops *ops, void *user)
{
	struct startup *s = calloc(1, sizeof(*s));
	int r = -ENOMEM;

	if (!s)
		return r;
	s->deps = *deps;
	s->ops = ops;
	s->user = user;
	s->backoff = (struct backoff){.initial_ms = RETRY_INITIAL_MS, .max_ms = RETRY_MAX_MS};
	s->rows = portrows_new(&(struct portrows_deps){.links = deps->links,
						       .config = deps->config,
						       .appl = deps->appl,
						       .producer = deps->producer,
						       .config_separator = deps->config_separator,
						       .appl_separator = deps->appl_separator},
			       on_rows, s);
	s->warm = warm_new(deps->state, deps->state_separator, on_warm, s);
	s->oldlinks = oldlinks_new(deps->event, deps->old_links, deps->links, deps->appl, deps->appl_separator,
				   on_old_links, s);
	s->portcount = portcount_new(deps->appl, deps->appl_separator);
	if (s->rows && s->warm && s->oldlinks && s->portcount)
		r = timer_add(&s->retry, s->deps.event, TIMER_ACCURACY_USEC, on_retry, s);
	if (r >= 0)
		r = timer_add(&s->missing, s->deps.event, TIMER_ACCURACY_USEC, on_missing, s);
	if (r < 0) {
		startup_free(s);
		return r;
	}
	*ret = s;
	return 0;
}

void startup_free(struct startup *s)
{
	if (!s)
		return;
	sd_event_source_disable_unref(s->retry);
	sd_event_source_disable_unref(s->missing);
	portrows_free(s->rows);
	portcount_free(s->portcount);
	oldlinks_free(s->oldlinks);
	warm_free(s->warm);
	free(s);
}
