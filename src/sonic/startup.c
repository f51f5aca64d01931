/* SPDX-License-Identifier: Apache-2.0 */
#include "sonic/startup.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/backoff.h"
#include "log/audit.h"
#include "ports/rules.h"
#include "sonic/portcount.h"
#include "sonic/portrows.h"
#include "sonic/warm.h"

#define RETRY_INITIAL_MS 100
#define RETRY_MAX_MS 30000
#define TIMER_ACCURACY_USEC (10 * USEC_PER_MSEC)
#define MISSING_WARN_USEC (30 * USEC_PER_SEC)
#define MISSING_NAMED 8

enum startup_state {
	STARTUP_WAITING,     /* for the kernel, CONFIG_DB, APPL_DB */
	STARTUP_ASKING,      /* switch_type, and whether this is a warm start */
	STARTUP_PUSHING,     /* rows of PORT */
	STARTUP_CONFIG_DONE, /* PortConfigDone is under way */
	STARTUP_INIT_WAIT,   /* for the host interfaces */
	STARTUP_INIT_DONE,   /* PortInitDone is under way */
	STARTUP_DONE,
};

struct startup {
	struct startup_deps deps;
	const struct startup_ops *ops;
	void *user;
	enum startup_state state;
	bool links_known;
	bool decided;     /* which links are old, warm or cold */
	bool warm_now;    /* a warm start whose APPL_DB was not emptied since */
	bool mending;     /* PortConfigDone's count of an earlier boot is not known to be right yet (S9) */
	bool asking_held; /* the back-off before the questions are asked again */
	bool pushed;      /* PortConfigDone was accepted once */
	bool emptied;     /* said that APPL_DB was emptied */
	bool config_lost; /* said that CONFIG_DB was emptied as well */
	bool checking;
	bool check_owed, marker_owed; /* since there was no room */
	size_t count;
	struct warm *warm;
	struct oldlinks *oldlinks;
	struct portcount *portcount;
	struct portrows *rows;
	char switch_type[16];
	sd_event_source *retry, *missing;
	struct backoff backoff;
};

static void turn_off(sd_event_source *timer)
{
	(void)sd_event_source_set_enabled(timer, SD_EVENT_OFF);
}

static void arm(sd_event_source *timer, uint64_t after)
{
	(void)sd_event_source_set_time(timer, now_usec() + after);
	(void)sd_event_source_set_enabled(timer, SD_EVENT_ONESHOT);
}

static void retry_later(struct startup *s)
{
	arm(s->retry, backoff_next_usec(&s->backoff));
}

static bool connected(const struct startup *s)
{
	return conn_ready(s->deps.config) && conn_ready(s->deps.appl) && conn_ready(s->deps.state) &&
	       appl_ports_known(s->deps.appl_ports);
}

/* --- what kind of start this is --- */

static void ask_again(struct startup *s)
{
	s->state = STARTUP_WAITING;
	s->asking_held = true;
	retry_later(s);
}

/*
 * Warm: the links that are there are the ports' own, and APPL_DB has the configuration. Nothing is published before the
 * configured ports are known, since the rows of those wait for their links.
 */
static void decide(struct startup *s, bool warm)
{
	if (!s->decided)
		s->warm_now = warm;
	s->decided = true;
	portrows_set_push(s->rows, !s->warm_now);
	if (!s->warm_now)
		s->ops->decided(s->user);
	s->state = STARTUP_PUSHING;
	portrows_start(s->rows);
}

static void on_old_links(bool known, void *user)
{
	struct startup *s = user;

	if (s->state != STARTUP_ASKING)
		return;
	if (known)
		decide(s, false);
	else
		ask_again(s);
}

/* A DPU's links exist from driver load on (S25). */
static void on_warm(enum warm_answer answer, void *user)
{
	struct startup *s = user;
	bool warm = answer == WARM_WARM;

	if (s->state != STARTUP_ASKING)
		return;
	if (answer == WARM_UNKNOWN) {
		ask_again(s);
		return;
	}
	if (s->decided || warm || strcmp(s->switch_type, "dpu") == 0)
		decide(s, warm);
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

static void push_marker(struct startup *s);
static void check_rows(struct startup *s);
static void count_markers(struct startup *s);

static void await_links(struct startup *s)
{
	s->pushed = true;
	s->emptied = s->config_lost = false;
	s->state = STARTUP_INIT_WAIT;
	arm(s->missing, MISSING_WARN_USEC);
}

static bool is_stuck(const struct port *port)
{
	return port->link.old && (port->appl.expected || port->appl.configured);
}

/* A timer that has nothing more to say would wake a quiet switch. */
static void stop_warning(struct startup *s)
{
	for (struct port *port = links_next(s->deps.links, NULL); port; port = links_next(s->deps.links, port))
		if (is_stuck(port))
			return;
	turn_off(s->missing);
}

/* Beside upstream's line the record has words of its own: suites count the line. */
static void tell_init_done(void)
{
	if (audit_joins()) {
		audit_event(LOG_NOTICE, KIND_PORT_INIT_DONE, AUDIT_PORT_INIT_DONE, AUDIT_SUCCESS, audit_self(),
			    "PortInitDone");
		return;
	}
	log_notice(KIND_PORT_INIT_DONE, "PortInitDone");
	audit_record(AUDIT_PORT_INIT_DONE, AUDIT_SUCCESS, audit_self(), NULL, "all configured ports have their rows");
}

static void marker_accepted(struct startup *s)
{
	backoff_reset(&s->backoff);
	if (s->state == STARTUP_CONFIG_DONE) {
		log_notice(KIND_PORT_CONFIG_DONE, "PortConfigDone: %zu ports", s->count);
		await_links(s);
		return;
	}
	tell_init_done();
	s->state = STARTUP_DONE;
	stop_warning(s);
	s->ops->init_done(s->user);
}

static void on_marker(bool ok, const struct resp_value *error, void *user)
{
	struct startup *s = user;

	if (s->state != STARTUP_CONFIG_DONE && s->state != STARTUP_INIT_DONE)
		return;
	if (ok && s->state == STARTUP_CONFIG_DONE)
		check_rows(s);
	else if (ok)
		marker_accepted(s);
	if (ok || !error)
		return; /* startup_lost() follows */
	if (s->backoff.next_ms == 0)
		log_warning(KIND_PUSH_REFUSED, "PORT_TABLE%s%s: Redis refused the push, it is tried again: %s",
			    s->deps.appl_separator, s->state == STARTUP_CONFIG_DONE ? "PortConfigDone" : "PortInitDone",
			    error->str);
	retry_later(s);
}

static void push_marker(struct startup *s)
{
	bool config = s->state == STARTUP_CONFIG_DONE;
	char count[24];
	struct resp_arg pair[2];
	int r;

	(void)snprintf(count, sizeof(count), "%zu", s->count);
	pair[0] = RESP_STR(config ? "count" : "lanes");
	pair[1] = RESP_STR(config ? count : "0");
	r = producer_set(s->deps.producer, config ? "PortConfigDone" : "PortInitDone", 1, pair, on_marker, s);
	s->marker_owed = r == -EAGAIN;
	if (r < 0 && r != -EAGAIN)
		retry_later(s);
}

static void warm_started(struct startup *s)
{
	s->mending = true;
	await_links(s);
	s->ops->decided(s->user);
}

static void on_rows(enum portrows_outcome outcome, size_t count, void *user)
{
	struct startup *s = user;

	if (s->state != STARTUP_PUSHING || outcome == PORTROWS_LOST)
		return;
	if (outcome == PORTROWS_AGAIN) {
		retry_later(s);
		return;
	}
	if (count == 0 && s->pushed && s->count > 0) {
		/* An emptied CONFIG_DB is no order to have no ports: wait until it is filled again. */
		if (!s->config_lost)
			log_warning(KIND_CONFIG_DB_LOST,
				    "CONFIG_DB has lost its PORT rows: nothing is pushed until they are back");
		s->config_lost = true;
		s->state = STARTUP_DONE;
		return;
	}
	s->count = count;
	if (s->warm_now) {
		warm_started(s);
		return;
	}
	s->state = STARTUP_CONFIG_DONE;
	push_marker(s);
}

/* --- waiting for host interfaces --- */

static bool is_awaited(const struct port *port)
{
	return port->appl.expected && !port->link.old;
}

/* Says how many ports are such, and the names of the first ones; nothing when there are none. */
static void warn_of(struct startup *s, bool (*such)(const struct port *port), const char *before, const char *after)
{
	char names[MISSING_NAMED * (IFNAMSIZ + 2) + 1] = "";
	size_t at = 0, total = 0;

	for (struct port *port = links_next(s->deps.links, NULL); port; port = links_next(s->deps.links, port)) {
		if (!such(port) || total++ >= MISSING_NAMED)
			continue;
		at += (size_t)snprintf(names + at, sizeof(names) - at, "%s%s", at ? ", " : "", port->name);
	}
	if (total > 0)
		log_warning(KIND_PORTS_AWAITED, "%s%zu configured ports %s: %s%s", before, total, after, names,
			    total > MISSING_NAMED ? ", ..." : "");
}

/* Upstream waits for ever, or ignores a port for ever, and nothing says so (M16, S5). */
static int on_missing(sd_event_source *timer, uint64_t usec, void *user)
{
	(void)timer;
	(void)usec;
	warn_of(user, is_awaited, "PortInitDone waits for ", "without a host interface");
	warn_of(user, is_stuck, "",
		"are ignored, as their interfaces are left from before this start; delete those, or restart swss");
	return 0;
}

/*
 * Not before all ports came: till then orchagent still moves the rows that were counted. On a warm start the count of
 * an earlier boot is mended once, and followed from then on only where that was asked for.
 */
static void follow_count(struct startup *s)
{
	if (s->state == STARTUP_DONE && portcount_done(s->portcount))
		s->mending = false;
	if (!connected(s) || !appl_ports_settled(s->deps.appl_ports))
		return;
	if (s->mending || (s->state == STARTUP_DONE && s->deps.follow_count))
		portcount_want(s->portcount, appl_ports_rows(s->deps.appl_ports));
}

/* What there was no room for. */
static void serve_debts(struct startup *s)
{
	warm_turn(s->warm);
	portrows_turn(s->rows);
	if (conn_capacity(s->deps.appl) == 0)
		return;
	if (s->check_owed)
		count_markers(s);
	if (s->marker_owed && (s->state == STARTUP_CONFIG_DONE || s->state == STARTUP_INIT_DONE))
		push_marker(s);
}

void startup_turn(struct startup *s)
{
	serve_debts(s);
	follow_count(s);
	if (s->state == STARTUP_INIT_WAIT && links_expected(s->deps.links) == 0 && conn_ready(s->deps.appl) &&
	    (!s->mending || portcount_settled(s->portcount))) {
		s->state = STARTUP_INIT_DONE;
		push_marker(s);
	}
	if (s->state == STARTUP_WAITING && s->links_known && !s->asking_held && connected(s))
		ask_switch_type(s);
}

static int on_retry(sd_event_source *timer, uint64_t usec, void *user)
{
	struct startup *s = user;

	(void)timer;
	(void)usec;
	s->asking_held = false;
	if (!connected(s))
		return 0;
	if (s->state == STARTUP_PUSHING)
		portrows_again(s->rows);
	else if (s->state == STARTUP_CONFIG_DONE || s->state == STARTUP_INIT_DONE)
		push_marker(s);
	return 0;
}

/* --- an emptied APPL_DB --- */

static void push_all_again(struct startup *s)
{
	if (!s->emptied)
		log_warning(KIND_APPL_DB_EMPTIED, "APPL_DB was emptied: the ports of CONFIG_DB are pushed again");
	s->emptied = true;
	s->state = STARTUP_PUSHING;
	turn_off(s->missing);
	s->warm_now = s->mending = false;
	portrows_set_push(s->rows, true);
	portrows_forget(s->rows);
	appl_ports_doubt(s->deps.appl_ports);
	portrows_start(s->rows);
}

static void push_init_done_again(struct startup *s)
{
	log_warning(KIND_MARKER_GONE, "PortInitDone is gone from APPL_DB: it is sent again");
	s->state = STARTUP_INIT_WAIT;
}

/* Whoever asked is told when all that follows from it is known. */
static void end_check(struct startup *s)
{
	s->checking = false;
	s->ops->checked(s->user);
}

static bool is_gone(const struct resp_value *reply)
{
	return reply && reply->type == RESP_INTEGER && reply->integer == 0;
}

static void on_config_done_counted(const struct resp_value *reply, void *user, void *item, uint64_t cookie)
{
	struct startup *s = user;

	(void)item;
	(void)cookie;
	if (is_gone(reply) && (s->state == STARTUP_INIT_WAIT || s->state == STARTUP_DONE))
		push_all_again(s);
}

/* The row waits in _PORT_TABLE: until its consumer moves it. */
static int count_row(struct startup *s, const char *name, conn_reply_fn fn)
{
	char moved[40], waiting[sizeof(moved) + 1];
	struct resp_arg argv[3];

	(void)snprintf(moved, sizeof(moved), "PORT_TABLE%s%s", s->deps.appl_separator, name);
	(void)snprintf(waiting, sizeof(waiting), "_%s", moved);
	argv[0] = RESP_STR("EXISTS");
	argv[1] = RESP_STR(moved);
	argv[2] = RESP_STR(waiting);
	return conn_command(s->deps.appl, fn, s, NULL, s->state == STARTUP_DONE, ARRAY_SIZE(argv), argv);
}

static void on_first_row_counted(const struct resp_value *reply, void *user, void *item, uint64_t cookie)
{
	struct startup *s = user;

	(void)item;
	(void)cookie;
	if (!reply || s->state != STARTUP_CONFIG_DONE)
		return;
	if (is_gone(reply))
		push_all_again(s);
	else
		marker_accepted(s);
}

/* Who empties APPL_DB between the rows and their marker leaves a marker that promises what is not there. */
static void check_rows(struct startup *s)
{
	const char *first = portrows_first(s->rows);

	if (!first)
		marker_accepted(s);
	else if (count_row(s, first, on_first_row_counted) < 0)
		retry_later(s);
}

/* was_done: PortInitDone had been sent when this was asked. */
static void on_init_done_counted(const struct resp_value *reply, void *user, void *item, uint64_t was_done)
{
	struct startup *s = user;

	(void)item;
	if (is_gone(reply) && was_done && s->state == STARTUP_DONE && !s->emptied)
		push_init_done_again(s);
	end_check(s);
}

static void count_markers(struct startup *s)
{
	s->check_owed = false;
	if (s->checking || !s->pushed || !connected(s) || (s->state != STARTUP_INIT_WAIT && s->state != STARTUP_DONE))
		return;
	s->checking = count_row(s, "PortConfigDone", on_config_done_counted) == 0 &&
		      count_row(s, "PortInitDone", on_init_done_counted) == 0;
	s->check_owed = !s->checking;
}

bool startup_check(struct startup *s)
{
	warm_settle(s->warm);
	portcount_retry(s->portcount);
	count_markers(s);
	return s->checking;
}

/* --- connections --- */

void startup_links_known(struct startup *s)
{
	s->links_known = true;
}

bool startup_config_done(const struct startup *s)
{
	return s->pushed && !s->emptied && s->state >= STARTUP_INIT_WAIT;
}

bool startup_init_done(const struct startup *s)
{
	return s->state == STARTUP_DONE && !s->emptied;
}

bool startup_is_warm(const struct startup *s)
{
	return s->warm_now;
}

uint64_t startup_links_set_down(const struct startup *s)
{
	return oldlinks_set_down(s->oldlinks);
}

void startup_ready(struct startup *s)
{
	(void)startup_check(s);
}

void startup_lost(struct startup *s)
{
	turn_off(s->retry);
	s->asking_held = s->marker_owed = false;
	portcount_retry(s->portcount);
	backoff_reset(&s->backoff);
	portrows_stop(s->rows);
	oldlinks_lost(s->oldlinks);
	switch (s->state) {
	case STARTUP_WAITING:
	case STARTUP_ASKING:
	case STARTUP_PUSHING:
	case STARTUP_CONFIG_DONE:
		s->state = STARTUP_WAITING;
		break;
	case STARTUP_INIT_DONE:
		s->state = STARTUP_INIT_WAIT;
		break;
	case STARTUP_INIT_WAIT:
	case STARTUP_DONE:
		break;
	}
}

static int add_timer(struct startup *s, sd_event_source **ret, sd_event_time_handler_t handler)
{
	int r = sd_event_add_time(s->deps.event, ret, CLOCK_MONOTONIC, 0, TIMER_ACCURACY_USEC, handler, s);

	return r < 0 ? r : sd_event_source_set_enabled(*ret, SD_EVENT_OFF);
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
		r = add_timer(s, &s->retry, on_retry);
	if (r >= 0)
		r = add_timer(s, &s->missing, on_missing);
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
