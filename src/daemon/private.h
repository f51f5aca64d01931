/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this room share. */
#ifndef PORTSYNCD_DAEMON_PRIVATE_H
#define PORTSYNCD_DAEMON_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <systemd/sd-event.h>

#include "base/util.h"
#include "config/config.h"
#include "daemon/daemon.h"
#include "kernel/watch.h"
#include "log/kinds.h"
#include "metrics/health.h"
#include "metrics/snapshot.h"
#include "ports/links.h"
#include "ports/mirror.h"
#include "redis/conn.h"
#include "sonic/appl_ports.h"
#include "sonic/dbconfig.h"
#include "sonic/loglevel.h"
#include "sonic/producer.h"
#include "sonic/publish.h"
#include "sonic/startup.h"

struct daemon_judge;
struct daemon_counters;
struct daemon_status;
struct sandbox;

struct daemon {
	const struct config *config; /* in force, but for [log] */
	struct config *reread;       /* by the last SIGHUP; NULL: by none yet */
	sd_event *event;
	struct dbconfig *dbconfig;
	struct dbconfig_db config_db, appl_db, state_db; /* as the configuration overrides them */
	const char *awaited; /* why it is not known yet where Redis is, and so nothing is built; NULL: it is known */
	struct links *links;
	struct mirror *mirror;
	struct watch *watch;   /* the mirror's */
	struct lookup *lookup; /* NULL: no database has a host name */
	struct access access;
	char password_path[PATH_MAX];
	struct conn *config_conn, *appl_conn, *state_conn;
	struct conn *appl_events, *logger_events; /* keyspace notifications */
	struct loglevel *loglevel;
	struct appl_ports *appl_ports;
	struct producer *producer;
	struct startup *startup;
	struct publish *publish;
	sd_event_source *audit, *stop_limit, *keeping, *held_back, *signals[5];
	sd_event_source *room;  /* of stdout in a dry run; NULL until it lacked once */
	uint64_t held_back_due; /* what held_back is set to, 0: off */
	bool synced_once, stopping, drained;
	uint64_t no_memory;            /* links_stats' at the last audit */
	uint64_t messages, busy_until; /* watch_stats' at the last turn; CLOCK_MONOTONIC us */
	unsigned settings_refused;
	struct stat netns; /* what --netns named at the start */
	sd_event_source *netns_watch;
	int single;         /* the name that says that we run; -1: not held */
	bool single_awaits; /* it names the file that is waited for, not yet the database */
	sd_event_source *single_asked;
	struct daemon_counters *counters;  /* owned by counters.c; NULL: nothing outlives this process */
	struct daemon_status *status_page; /* owned by status.c */
	struct daemon_judge *judge;        /* owned by judge.c */
	struct sandbox *sandbox;           /* NULL: none was entered */
	char previous_stop[SNAPSHOT_WORD_BYTES];
	int status;
};

/* Ends the daemon: one line and record says why, on stderr too if that shows no lines of the log. */
void daemon_fail_for(struct daemon *d, enum log_kind event, const char *format, ...) PRINTF_LIKE(3, 4);
#define daemon_fail(d, ...) daemon_fail_for(d, AUDIT_STOP, __VA_ARGS__)

/* SIGTERM or SIGINT came: it is told. */
void daemon_stops(struct daemon *d, const struct signalfd_siginfo *info);

/* Tells what log and audit trail have held back; end: also of windows of time that still last. */
void report_suppressed(struct daemon *d, bool end);

/* The configuration has faults and is used all the same; complaints, which may be NULL, are used up. */
void tell_faults(const struct config *config, char *complaints);

/* Reads the configuration again for who asked. Never fails: a bad one is told and changes nothing. */
void reload(struct daemon *d, const char *who);

/*
 * The sandbox, or the warning that it is off. In this order: seal before a secret is read, check once we are in the
 * network namespace, enter once the privileged sockets are open and before there is a second thread, lock once all is
 * built. 0, or negative errno, all but -ENOMEM after daemon_fail().
 */
int confine_seal(struct daemon *d);
int confine_check(struct daemon *d);
int confine_enter(struct daemon *d);
int confine_lock(struct daemon *d);
/* Whether lines can go where this configuration wants them to; else only after a restart. */
bool confine_allows_log(const struct daemon *d, const struct config *config);

/*
 * Before anything is touched: -EADDRINUSE, and told, when another daemon runs on the same STATE_DB in this network
 * namespace, else 0. Once more when the databases are known at last, as far as they were not then. single_serve() lets
 * others learn who we are. 0 or negative errno.
 */
int single_claim(struct daemon *d);
int single_claim_known(struct daemon *d);
int single_serve(struct daemon *d);

/* Enters the network namespace of --netns. 0, or negative errno, which is then told by netns_tell_missing(). */
int netns_enter(struct daemon *d);
void netns_tell_missing(struct daemon *d, int error);
/* Ends the daemon once that name is gone or is another namespace's. */
void netns_watch(struct daemon *d);
void netns_check(struct daemon *d);

/*
 * What database_config.json and the configuration say of the databases. A file that is not there yet is waited for. 0,
 * or negative errno after daemon_fail(); -ECANCELED: we were asked to stop meanwhile.
 */
int databases_load(struct daemon *d);
/* Its parts: to try once (0, or negative errno and one line in error); to wait, since this error is -ENOENT. */
int databases_read(struct daemon *d, char *error, size_t size);
int databases_await(struct daemon *d, const char *error);
/* The connections to Redis and all that speaks through them. The same. */
int databases_build(struct daemon *d);
/* Their thread, if they need one: with the rights that are left, and before no more can be made. The same. */
int databases_start(struct daemon *d);
void databases_free(struct daemon *d);

/* The kernel's events into the model. The same. */
int kernel_build(struct daemon *d);
/* A warm start's rows may wait for their links from now on, not for ever. */
void kernel_end_keeping_later(struct daemon *d);

/*
 * What outlives a restart: read from the state file, whose numbers must not be used up by anybody else from then on, so
 * before the first record of the audit trail. Nothing of it can keep the daemon from starting.
 */
void counters_load(struct daemon *d);
/* How the last process ended that it knows of: PREVIOUS_ORDERLY, "unclean", "reboot" (with the machine), or "unknown".
 */
const char *counters_previous_stop(const struct daemon *d);
/* What the start record says of it: "" or "; ...". */
const char *counters_note(const struct daemon *d);
/* The number of the last port change of an earlier process. */
uint64_t counters_last_event(const struct daemon *d);
/* Hands what was read to the model, and begins to save what changes. */
void counters_build(struct daemon *d);
/* The end of a loop turn: what changed is saved soon. */
void counters_turn(struct daemon *d);
/* The last save: after it no number is given any more. */
void counters_finish(struct daemon *d);
void counters_free(struct daemon *d);

struct snapshot_saves counters_stats(const struct daemon *d);

#define PREVIOUS_ORDERLY "success"
/* How the process before ended, after counters_load(). */
void previous_load(struct daemon *d);

/* The figures: who may ask for them, and what was noted for them. 0 or negative errno. */
int status_build(struct daemon *d);
/* Those who asked meanwhile are answered from now on, by a thread of its own. */
void status_start(struct daemon *d);
void status_free(struct daemon *d);
/* Who asked for it wants new certificates of the HTTP server to be in force. */
void status_reload(struct daemon *d, const char *who);
/* The loop's turn begins its work, and ends; the latter may come without the former. */
void status_note_turn(struct daemon *d);
void status_note_turn_end(struct daemon *d);
void status_note_sync(struct daemon *d, bool synced);
/* All figures as they are now, and the health that follows from them; for exchange_serve(). user: the daemon. */
void status_fill(struct snapshot *s, struct health_report *health, void *user);
/* Redis has answered whether it has the markers, or its connection is lost. */
void status_checked(struct daemon *d);

/* The judgement of the daemon's health, and what systemd shows of it (STATUS=). 0 or negative errno. */
int judge_build(struct daemon *d);
/* All is built: the first judgement. After log_start(). */
int judge_start(struct daemon *d);
void judge_free(struct daemon *d);
const struct health_limits *judge_limits(const struct daemon *d);
/* Judges these figures. */
struct health_report judge_snapshot(struct daemon *d, const struct snapshot *s);
/* Judges now, and notifies systemd. */
void judge_now(struct daemon *d);
/* Something changed that a judgement may be about: one is made soon. */
void judge_soon(struct daemon *d);
/* Once a turn of the loop: looks whether something did. */
void judge_turn(struct daemon *d);

#endif
