/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps a listener equal to the kernel's links: subscribe, dump, follow the events, and after any loss dump again.
 *
 *   UNSYNCED --drained--> DUMPING --complete dump--> SETTLING --first empty read, or settle time--> SYNCED
 *      ^---------- overrun, truncated datagram, watch_resync() in any state ----------'
 *
 * When quiet an event is read at once. In a storm, events are left in the socket for gather_usec between two reads, as
 * network drivers poll under load: a wake-up for each would cost more than the event.
 *
 * A dump that is interrupted (NLM_F_DUMP_INTR on any message), fails, or takes too long is thrown away and tried again
 * with back-off, while events go on being delivered. From the retry_bound-th in a row on the rows
 * of an interrupted one count: where links come and go all the time, no dump would ever be complete.
 */
#ifndef PORTSYNCD_WATCH_H
#define PORTSYNCD_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "kernel/linkmsg.h"

enum watch_state { WATCH_UNSYNCED, WATCH_DUMPING, WATCH_SETTLING, WATCH_SYNCED };

struct watch_ops {
	/* A link changed or went, in the kernel's order; received at this time, CLOCK_MONOTONIC. */
	void (*event)(const struct link_msg *msg, uint64_t received_nsec, void *user);
	/* A dump starts: from here on events are newer than, or equal to, what a row of this dump may say. */
	void (*dump_begin)(void *user);
	void (*dump_row)(const struct link_msg *msg, void *user);
	/*
	 * All rows were delivered. complete: what the dump did not name does not exist; else changes interrupted it and
	 * some may be missing. 0; or a negative errno, and the rows are void: the dump has failed.
	 */
	int (*dump_commit)(bool complete, void *user);
	/* Rows since dump_begin are void. */
	void (*dump_abort)(void *user);
	void (*state_changed)(enum watch_state state, void *user);
};

struct watch_options {
	size_t rcvbuf, sndbuf;      /* bytes */
	unsigned receive_pool;      /* datagrams that one receive call takes at most */
	size_t datagram_bytes;      /* first size of a receive buffer */
	uint64_t settle_usec;       /* longest time in SETTLING */
	uint64_t gather_usec;       /* in a storm events are read this far apart; 0: always at once */
	uint64_t dump_timeout_usec; /* longest time without progress of a dump */
	uint32_t retry_initial_ms;  /* back-off between dumps: doubles ... */
	uint32_t retry_max_ms;      /* ... up to this */
	unsigned retry_bound;       /* after so many failed dumps in a row the log warns and the wait is retry_max_ms */
};

struct watch_stats {
	uint64_t datagrams, messages, newlink, dellink; /* of the event socket */
	uint64_t overruns, truncations, socket_errors;  /* of the event socket: losses */
	uint64_t overrun_nsec;                          /* of the last overrun, CLOCK_MONOTONIC; 0: there was none */
	uint64_t malformed, spoofed;                    /* of both sockets */
	uint64_t dumps, dumps_interrupted, dumps_partial, dumps_failed, dumps_retried, resyncs;
};

struct watch_socket {
	int fd;
	size_t rcvbuf; /* as the kernel granted it */
	bool works;    /* false while it is left alone after a failure */
};

struct watch;

/* Opens and sizes the event socket, subscribes, and starts the first dump. 0 or negative errno. ops and user must
 * outlive it. */
int watch_new(struct watch **ret, sd_event *event, const struct watch_options *opt, const struct watch_ops *ops,
	      void *user);
enum watch_state watch_state(const struct watch *w);
const char *watch_state_name(enum watch_state state);
/* Whether the model is known to be complete: SYNCED, and no watch_resync() is waiting. */
bool watch_is_certain(const struct watch *w);
const struct watch_stats *watch_stats(const struct watch *w);
/* The event socket, for figures only. */
struct watch_socket watch_socket(const struct watch *w);
/*
 * Events that gather are read by watch_turn(), which the loop calls after each of its turns; watch_due() says when
 * (CLOCK_MONOTONIC us; UINT64_MAX: never), so that it sleeps no longer. A timer of the loop would cost two more
 * system calls for each read.
 */
uint64_t watch_due(const struct watch *w);
void watch_turn(struct watch *w);
/*
 * From now on the event socket is waited for in this instance of epoll, which is the caller's, not in the loop: what
 * wakes up there calls watch_read(). 0 or negative errno, and all is as it was. While events gather it is not waited
 * for at all.
 */
int watch_wait_in(struct watch *w, int epoll_fd);
void watch_read(struct watch *w);
/* Events may have been missed: dump again, from the next turn of the loop on. why is for the log. */
void watch_resync(struct watch *w, const char *why);
/*
 * Reads the events that are there. True when all were read and nothing was lost: all that the kernel reported of
 * links before the call was delivered. Not from a callback of the watch, which must not free it meanwhile either.
 */
bool watch_catch_up(struct watch *w);
/*
 * Before an end: reads what the kernel has sent so far; events do not gather any more, and a dump that is owed does not
 * wait for its back-off. True when nothing is left, else the loop goes on reading. Not from a callback of the watch,
 * which must not free it meanwhile either.
 */
bool watch_drain(struct watch *w);
/* NULL is fine. From a callback too: no further callback comes, not even dump_abort. */
void watch_free(struct watch *w);

#endif
