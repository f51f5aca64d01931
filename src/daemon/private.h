/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this module share. */
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
	struct dbconfig_db config_db, appl_db, state_db; /* with the configuration's overrides */
	const char *awaited; /* why the databases are not known yet, so nothing is built; NULL: they are known */
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
	sd_event_source *audit, *stop_limit, *keeping, *suppressed, *signals[5];
	sd_event_source *writable; /* stdout in a dry run; NULL until it was full once */
	uint64_t suppressed_due;   /* what suppressed is set to, 0: off */
	bool synced_once, stopping, drained;
	uint64_t no_memory;            /* links_stats' at the last audit */
	uint64_t messages, busy_until; /* watch_stats' at the last turn; CLOCK_MONOTONIC us */
	unsigned settings_refused;
	struct stat netns; /* what --netns named at the start */
	sd_event_source *netns_watch;
	int single;         /* holds the name that keeps other daemons out; -1: not held */
	bool single_awaits; /* the name is that of the awaited file, not yet of the database */
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

/* SIGTERM or SIGINT came: logs it, and begins to stop. */
void daemon_stops(struct daemon *d, const struct signalfd_siginfo *info);

/* Logs how many lines and records were suppressed; end: also in windows that still last. */
void report_suppressed(struct daemon *d, bool end);

/* The configuration has faults and is used all the same. complaints may be NULL, and is changed. */
void tell_faults(const struct config *config, char *complaints);

/* Reads the configuration again; who is the requester, for the audit record. A bad one is logged and changes nothing.
 */
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
void confine_free(struct daemon *d);
/* Whether the sandbox lets lines go where this configuration wants them; else only a restart helps. */
bool confine_allows_log(const struct daemon *d, const struct config *config);

/*
 * Before anything is touched: -EADDRINUSE, with a log line, when another daemon runs on the same STATE_DB in this
 * network namespace, else 0. single_claim_known() does the same once the databases are known, if they were not at
 * first. single_serve() lets others learn which process this is. 0 or negative errno.
 */
int single_claim(struct daemon *d);
int single_claim_known(struct daemon *d);
int single_serve(struct daemon *d);

/* Enters the network namespace of --netns. 0, or negative errno, which netns_tell_missing() then logs. */
int netns_enter(struct daemon *d);
void netns_tell_missing(struct daemon *d, int error);
/* Ends the daemon once that name is gone or belongs to another namespace. */
void netns_watch(struct daemon *d);
void netns_check(struct daemon *d);

/*
 * What database_config.json and the configuration say of the databases. A file that does not exist yet is
 * awaited. 0, or negative errno after daemon_fail(); -ECANCELED: the daemon was asked to stop meanwhile.
 */
int connections_load(struct daemon *d);
/* Its parts: one attempt (0, or negative errno and one line in error), and the wait after -ENOENT with that line. */
int connections_read(struct daemon *d, char *error, size_t size);
int connections_await(struct daemon *d, const char *error);
/* The connections to Redis and their users. 0, or negative errno after daemon_fail(), as below. */
int connections_build(struct daemon *d);
/* Starts their thread if they need one: after rights were dropped, and before the sandbox forbids new threads. */
int connections_start(struct daemon *d);
void connections_free(struct daemon *d);

/* Feeds the kernel's events to the model. */
int kernel_build(struct daemon *d);
/* From now on the rows of a warm start wait for their links for a limited time only. */
void kernel_end_keeping_later(struct daemon *d);

/*
 * Reads what outlives a restart from the state file. Call it before the first record of the audit trail, which takes
 * its number from there. No failure keeps the daemon from starting.
 */
void counters_load(struct daemon *d);
/* How the process before ended: PREVIOUS_ORDERLY, "unclean", "reboot" (with the machine), or "unknown". */
const char *counters_previous_stop(const struct daemon *d);
/* What the start record adds: "" or "; ...". */
const char *counters_note(const struct daemon *d);
/* The number of the last port change of an earlier process. */
uint64_t counters_last_event(const struct daemon *d);
/* Gives the model what was read, and begins to save changes. */
void counters_build(struct daemon *d);
/* At the end of a loop turn: changes are saved soon. */
void counters_turn(struct daemon *d);
/* The last save: no number may be issued after it. */
void counters_finish(struct daemon *d);
void counters_free(struct daemon *d);

struct snapshot_saves counters_stats(const struct daemon *d);

#define PREVIOUS_ORDERLY "success"
/* How the process before ended, after counters_load(). */
void previous_load(struct daemon *d);

/* Builds the HTTP server and what counts for the figures. 0 or negative errno. */
int status_build(struct daemon *d);
/* Starts the server's thread; clients that connected before are answered now. */
void status_start(struct daemon *d);
void status_free(struct daemon *d);
/* Reloads the HTTP certificates; who is the requester, for the audit record. */
void status_reload(struct daemon *d, const char *who);
/* A turn of the loop begins its work, and ends; the end may come without a beginning. */
void status_note_turn(struct daemon *d);
void status_note_turn_end(struct daemon *d);
void status_note_sync(struct daemon *d, bool synced);
/* All figures as they are now, and the health that follows from them; for exchange_serve(). user: the daemon. */
void status_fill(struct snapshot *s, struct health_report *health, void *user);
/* Redis has answered whether it has the markers, or its connection is lost. */
void status_checked(struct daemon *d);

/* Builds the judgement of the daemon's health, and what systemd shows of it (STATUS=). 0 or negative errno. */
int judge_build(struct daemon *d);
/* All is built: the first judgement. After log_start(). */
int judge_start(struct daemon *d);
void judge_free(struct daemon *d);
const struct health_limits *judge_limits(const struct daemon *d);
/* Judges these figures. */
struct health_report judge_snapshot(struct daemon *d, const struct snapshot *s);
/* Judges now, and notifies systemd. */
void judge_now(struct daemon *d);
/* Something changed that may change the judgement: one is made soon. */
void judge_soon(struct daemon *d);
/* Once a turn of the loop: checks whether something did. */
void judge_turn(struct daemon *d);

#endif
