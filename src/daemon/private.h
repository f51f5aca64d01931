/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this module share: the daemon. */
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
struct daemon_recordings;
struct daemon_status;
struct notify;
struct sandbox;

struct daemon {
	const struct config *config; /* in force, but for [log] */
	struct config *reread;       /* as read by the last SIGHUP; NULL: there was none */
	sd_event *event;
	int sleep_fd; /* epoll: link events, and event's own; -1: event sleeps */
	struct dbconfig *dbconfig;
	struct dbconfig_db config_db, appl_db, state_db; /* with the configuration's overrides */
	const char *awaited; /* why the databases are not known yet, so that nothing is built; NULL: they are known */
	struct links *links;
	struct changes *changes; /* the last changes of rows; NULL in a dry run */
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
	sd_event_source *reconciling, *stop_limit, *keeping, *suppressed, *signals[5];
	sd_event_source *writable; /* stdout in a dry run; NULL until it was full once */
	uint64_t suppressed_due;   /* what suppressed is set to, 0: off */
	bool synced_once, stopping, drained;
	uint64_t no_memory; /* links_stats' at the last reconciliation */
	unsigned settings_refused;
	struct stat netns; /* what --netns named at the start */
	sd_event_source *netns_watch;
	int single;         /* holds the name that keeps other daemons out; -1: not held */
	bool single_awaits; /* the name is that of the awaited file, not yet of the database */
	sd_event_source *single_asked;
	struct daemon_counters *counters;     /* owned by counters.c; NULL: nothing outlives this process */
	struct daemon_status *status_page;    /* owned by status.c */
	struct daemon_judge *judge;           /* owned by judge.c */
	struct daemon_recordings *recordings; /* owned by recordings.c; NULL: nothing is written */
	struct sandbox *sandbox;              /* NULL: none was entered */
	struct notify *notify;                /* NULL: there is no service manager */
	char previous_stop[SNAPSHOT_WORD_BYTES];
	int status;
};

#endif
