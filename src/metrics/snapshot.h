/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All figures of the daemon at one moment, and how another thread gets them without the event loop ever waiting: the
 * other thread hands over its own memory and rings; the loop fills it in a turn of its own, and rings back. All state
 * stays the loop's, there is no lock, and nothing is allocated in the loop's part.
 */
#ifndef PORTSYNCD_METRICS_SNAPSHOT_H
#define PORTSYNCD_METRICS_SNAPSHOT_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hist.h"
#include "metrics/health_report.h"

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
#define SNAPSHOT_ERROR_KINDS 11
#define SNAPSHOT_REASON_BYTES 440
#define SNAPSHOT_WORD_BYTES 32

struct snapshot_conn {
	bool ready;
	uint64_t away_nsec; /* since when it is not, as far as it was ready before or a try failed; 0 */
	uint64_t connects, commands, flushes, bytes_out, losses, timeouts, in_flight;
	uint64_t errors[SNAPSHOT_ERROR_KINDS]; /* answers, by snapshot.error_names */
};

struct snapshot_port {
	char name[IFNAMSIZ];
	bool present; /* has an interface; else the interface's figures are 0 */
	bool old, configured, awaited, admin_up, oper_up, in_sync;
	int ifindex;
	uint32_t mtu, carrier_up, carrier_down;
	uint64_t flaps;        /* of this process */
	uint64_t flaps_ever;   /* those of earlier ones too */
	uint64_t changed_nsec; /* when the last change came; 0: none came */
	uint64_t changed_msec; /* then: when the last one did in an earlier process, since the epoch; 0: none */
};

/* Times are CLOCK_MONOTONIC in nanoseconds, counters begin with the process. */
struct snapshot {
	uint64_t taken_nsec;

	/* netlink */
	uint64_t messages, newlink, dellink, ignored, datagrams;
	uint64_t overrun_nsec; /* when the last one was; 0: none was */
	uint64_t overruns, truncations, socket_errors, malformed, spoofed, no_memory;
	uint64_t dumps, dumps_interrupted, dumps_failed, dumps_retried;
	uint64_t silent_changes, links_reread, rereads;
	bool netlink_works;
	uint64_t netlink_inode; /* of the event socket, as in /proc/net/netlink */
	uint64_t receive_buffer;

	/* in sync with the kernel */
	bool synced;
	uint64_t sync_changed_nsec; /* since when that is so */
	uint64_t last_sync_nsec;    /* 0: never yet */
	uint64_t first_sync_took;   /* ns; 0: not yet */
	uint64_t resyncs;
	struct snapshot_hist resync; /* ns, snapshot_sync_bounds */

	/* SONiC */
	bool dry_run;                /* there is no Redis and no PortInitDone then */
	bool config_done, init_done; /* was sent, and APPL_DB has it as far as is known */
	bool markers_untold;         /* Redis was asked for both, and has not answered */
	bool warm;
	uint64_t links_set_down; /* at a cold start */
	uint64_t config_faults;  /* the defaults are in the place of what the configuration has wrong */
	uint64_t audits, drift, repaired, orphans;
	uint64_t sets, deletes, repeats, refused, batches;
	struct snapshot_hist batch_rows;              /* snapshot_rows_bounds */
	struct snapshot_hist latency;                 /* of events; ns, snapshot_time_bounds */
	uint64_t latency_within;                      /* how many of them were within max_latency_us */
	struct snapshot_hist rtt[SNAPSHOT_DATABASES]; /* ns, snapshot_time_bounds */
	struct snapshot_conn conns[SNAPSHOT_CONNS];
	const char *error_names[SNAPSHOT_ERROR_KINDS]; /* constants */
	char redis_reason[SNAPSHOT_REASON_BYTES];      /* why the first one that is away is so; "": none is */

	/* the loop and the log */
	uint64_t turns;
	struct snapshot_hist turn; /* ns, snapshot_time_bounds */
	uint64_t log_written, log_suppressed, log_dropped, log_waiting;
	uint64_t dropped_nsec;     /* when the last one was dropped; 0: none was */
	uint64_t audit_dropped;    /* of the lines that were dropped */
	uint64_t log_refused_nsec; /* since when the target takes no lines, CLOCK_MONOTONIC; 0: it does */
	uint64_t log_target_up;    /* 0: not for more than a moment */
	uint64_t settings_refused;
	uint64_t http_missing;                   /* addresses of the HTTP server that could not be had */
	char http_reason[SNAPSHOT_REASON_BYTES]; /* why; "": all could */

	char previous_stop[SNAPSHOT_WORD_BYTES]; /* how the process before ended: as /metrics tells it */

	/* the state file */
	uint64_t state_saves, state_errors;
	uint64_t state_saved_nsec; /* when it was last saved; 0: it was not */

	struct health_report health; /* as judged at this moment, but for a loop that hangs */

	/* ports; the sums are over all of them */
	uint64_t ports_configured, ports_present, ports_up, ports_old, ports_waiting, ports_awaited, ports_in_sync;
	uint64_t owed; /* ports whose row Redis has not acknowledged as it should be */
	size_t n_ports;
	size_t room;                 /* of ports; a snapshot with fewer than n_ports holds the first ones only */
	struct snapshot_port *ports; /* the snapshot's own memory */
};

/* Filled from a histogram with these bounds. */
void snapshot_fill_hist(struct snapshot_hist *out, const struct hist *from, const struct snapshot_bounds *bounds);

/* --- between the loop and another thread --- */

struct exchange;

/* 0 or negative errno. */
int exchange_new(struct exchange **ret);
/* After both sides have ended. NULL is fine. */
void exchange_free(struct exchange *x);

/* The loop's side. The descriptor is readable when the figures are asked for: then call exchange_serve(). */
int exchange_fd(const struct exchange *x);
/* Fills all of *out but room and ports, and as many of ports as there is room for. */
typedef void (*exchange_fill_fn)(struct snapshot *out, void *user);
void exchange_serve(struct exchange *x, exchange_fill_fn fill, void *user);
/* Whoever asks wants to know whether Redis has the markers now. */
bool exchange_wants_markers(const struct exchange *x);
/* The question was heard, and exchange_serve() will follow. */
void exchange_hush(struct exchange *x);
/* The loop ends: whoever waits for an answer, or asks later, gets the last one at once. */
void exchange_leave(struct exchange *x);
/* A turn begins its work at this time (CLOCK_MONOTONIC us, not 0), and it ends. */
void exchange_turn_begins(struct exchange *x, uint64_t usec);
void exchange_turn_ends(struct exchange *x);

struct exchange_answer {
	const struct snapshot *snapshot; /* the caller's until the next call; all 0 when there never was one */
	bool fresh;                      /* taken for this call; else the loop did not answer, and it is the last one */
	uint64_t waited_nsec;            /* for the loop */
	uint64_t stall_nsec; /* how long the loop's present turn takes, or no question was answered; 0: all is well */
};

/*
 * The other side, one thread at a time: waits for the loop at most this long, and hardly when the loop is known to
 * hang. markers: the loop asks Redis for them first.
 */
struct exchange_answer exchange_get(struct exchange *x, uint64_t patience_nsec, bool markers);

#endif
