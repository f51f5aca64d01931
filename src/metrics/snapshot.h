/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All figures of the daemon at one moment: the modules' own structs of counters, copied whole, and what is read off
 * their state. To export a counter, name it in prometheus.c; it is here already.
 */
#ifndef PORTSYNCD_METRICS_SNAPSHOT_H
#define PORTSYNCD_METRICS_SNAPSHOT_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hist.h"
#include "host/sandbox.h"
#include "kernel/watch.h"
#include "log/log.h"
#include "ports/links.h"
#include "ports/mirror.h"
#include "recorder/recorder.h"
#include "redis/conn.h"
#include "sonic/publish.h"

/* Upper bounds of a histogram's buckets, ascending, and how Prometheus' label "le" writes them. */
struct snapshot_bounds {
	size_t n;
	const uint64_t *bounds;
	const char *const *labels;
};

#define SNAPSHOT_BOUNDS_MAX 23

extern const struct snapshot_bounds snapshot_time_bounds; /* ns: 5 us .. 1 s */
extern const struct snapshot_bounds snapshot_sync_bounds; /* ns: 1 ms .. 60 s */
extern const struct snapshot_bounds snapshot_rows_bounds; /* rows: 1 .. 1024 */

struct snapshot_hist {
	uint64_t count, sum, max;
	uint64_t below[SNAPSHOT_BOUNDS_MAX]; /* the number of values up to each bound */
};

/* Connections; the first ones take commands, the others are subscriptions. */
enum snapshot_conn_index {
	SNAPSHOT_CONFIG_DB,
	SNAPSHOT_APPL_DB,
	SNAPSHOT_STATE_DB,
	SNAPSHOT_APPL_EVENTS,
	SNAPSHOT_CONFIG_EVENTS,
	SNAPSHOT_CONNS,
};
#define SNAPSHOT_DATABASES 3
#define SNAPSHOT_REASON_BYTES 440
#define SNAPSHOT_WORD_BYTES 32

/* "STATE_DB", "APPL_DB events", ... */
const char *snapshot_conn_name(size_t conn);

struct snapshot_conn {
	struct conn_stats stats;
	bool ready;
	uint64_t outage_usec; /* since when it is away, if it was ready before or an attempt failed; 0 */
	uint64_t in_flight;   /* commands without an answer */
};

struct snapshot_port {
	char name[IFNAMSIZ];
	struct port_link link; /* all 0 without an interface */
	struct port_history history;
	struct port_appl appl;
	bool owed;    /* Redis has not acknowledged its row as it should be */
	bool refused; /* Redis refused the last write of it */
	bool in_sync; /* it is configured, has an interface that is not old, and nothing is owed */
};

/* How many ports there are of each kind. */
struct snapshot_sums {
	uint64_t configured, present, up, old, awaited, in_sync, owed;
	uint64_t waiting; /* present and not old, but without a row in APPL_DB */
};

/* What the daemon itself counts: sync with the kernel, saves of the state file, recordings, HTTP addresses. */
struct snapshot_sync {
	bool synced;
	uint64_t changed_nsec;    /* since when that is so */
	uint64_t last_nsec;       /* the last complete sync; 0: never yet */
	uint64_t first_took_nsec; /* 0: not yet */
	uint64_t resyncs;
};

struct snapshot_saves {
	uint64_t saves, errors;
	uint64_t last_nsec; /* the last save that succeeded; 0: none did */
};

#define SNAPSHOT_FILE_BYTES 4224 /* a folder and a name */

struct snapshot_recorder {
	struct recorder_figures figures;
	bool writes;                     /* there is a folder */
	uint64_t written[RECORDER_WHYS]; /* recordings, by their reason */
	uint64_t failed, suppressed;
	uint64_t last_nsec;                 /* the last one that was written; 0: none was */
	bool failing;                       /* the last one could not be written */
	uint64_t answered;                  /* requests, with the two that follow */
	char file[SNAPSHOT_FILE_BYTES];     /* what the last one wrote; "": nothing */
	char reason[SNAPSHOT_REASON_BYTES]; /* why it, or the last recording, failed */
};

struct snapshot_http {
	uint64_t missing;                   /* addresses that cannot be listened on */
	char reason[SNAPSHOT_REASON_BYTES]; /* why; "": none is missing */
};

/* Times are CLOCK_MONOTONIC in nanoseconds, counters begin with the process. */
struct snapshot {
	uint64_t taken_nsec;

	/* the kernel */
	struct watch_stats watch;
	struct watch_socket socket;
	uint64_t socket_inode; /* as in /proc/net/netlink */
	struct links_stats links;
	struct mirror_stats mirror;
	struct snapshot_sync sync;
	struct snapshot_hist resync; /* ns, snapshot_sync_bounds */

	/* SONiC */
	bool dry_run;                /* there is neither Redis nor PortInitDone */
	bool config_done, init_done; /* sent, and still in APPL_DB as far as is known */
	bool markers_unknown;        /* Redis was asked for both and has not answered */
	bool warm;
	uint64_t links_set_down; /* at a cold start */
	struct publish_stats publish;
	struct snapshot_hist batch_rows;              /* snapshot_rows_bounds */
	struct snapshot_hist latency;                 /* of events; ns, snapshot_time_bounds */
	uint64_t latency_within;                      /* how many of them were within max_latency_usecs */
	struct snapshot_hist rtt[SNAPSHOT_DATABASES]; /* ns, snapshot_time_bounds */
	struct snapshot_conn conns[SNAPSHOT_CONNS];
	char redis_reason[SNAPSHOT_REASON_BYTES]; /* why the first connection that is away is away; "": none is */

	/* the process */
	uint64_t config_faults; /* settings whose defaults apply since the configured value is bad */
	uint64_t settings_refused;
	struct sandbox_parts sandbox;
	struct snapshot_hist turn; /* of the loop; ns, snapshot_time_bounds */
	struct log_stats log;
	struct snapshot_saves saves;
	struct snapshot_recorder recorder;
	struct snapshot_http http;
	char previous_stop[SNAPSHOT_WORD_BYTES]; /* how the process before ended */

	/* ports; the sums are over all of them */
	struct snapshot_sums sums;
	size_t n_ports;
	size_t capacity;             /* of ports: with less than n_ports the snapshot holds the first ones only */
	struct snapshot_port *ports; /* the snapshot's own memory; NULL with capacity 0 */
};

/* Fills *out from a histogram with these bounds. */
void snapshot_fill_hist(struct snapshot_hist *out, const struct hist *from, const struct snapshot_bounds *bounds);

/* Takes memory for this many ports; n_ports and the rest stay. 0 or -ENOMEM. */
int snapshot_reserve(struct snapshot *s, size_t ports);
/* Frees what the snapshot holds. */
void snapshot_done(struct snapshot *s);
/* Adds the port to the sums, and to ports as far as capacity allows. */
void snapshot_add_port(struct snapshot *s, const struct snapshot_port *port);

#endif
