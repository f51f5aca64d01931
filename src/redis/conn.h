/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One non-blocking, pipelined Redis connection that comes back on its own: connect, AUTH, SELECT, PING (all that a
 * server loading its data refuses), PSUBSCRIBE, then ready; on any fault every command without an answer is answered
 * with NULL ("outcome unknown") and the connection is made again with back-off. Commands are only buffered;
 * conn_flush() writes them, once a loop turn. What a callback of the connection sends is flushed by the connection.
 */
#ifndef PORTSYNCD_CONN_H
#define PORTSYNCD_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "redis/access.h"
#include "redis/endpoint.h"
#include "redis/errors.h"
#include "redis/lookup.h"
#include "redis/resp.h"
#include "redis/rtt.h"

struct conn_options {
	const char *label;       /* for logs: "STATE_DB" */
	const char *unix_socket; /* NULL: host and port */
	const char *host;
	uint16_t port;
	unsigned database;     /* SELECT */
	struct access *access; /* shared; outlives the connection */
	uint64_t timeout_usec; /* connect, and the oldest command without an answer */
	uint32_t retry_initial_ms, retry_max_ms;
	uint64_t reply_usec;  /* how long the answers to conn_command_lazy() wait, or for conn_poll_replies(), when
				 such commands follow each other faster than this; 0: all are read at once */
	size_t max_in_flight; /* commands without an answer */
	const char *pattern;  /* PSUBSCRIBE to it: the connection then takes no commands; NULL: none */
	endpoint_connect_fn connect; /* NULL: connect(2) */
	struct lookup *lookup;       /* shared; outlives the connection; NULL: host must be an address */
};

/* None of them may free the connection. */
struct conn_ops {
	/* Connected, authenticated, database selected (and subscribed): commands are taken from now on. */
	void (*ready)(void *user);
	/* Gone after having been ready; called after the pending commands were answered with NULL. May be NULL. */
	void (*lost)(void *user);
	/* A keyspace notification of a connection with a pattern. channel and payload are NUL-terminated. */
	void (*message)(const struct resp_value *channel, const struct resp_value *payload, void *user);
};

struct conn_stats {
	uint64_t commands, flushes, bytes_out, connects, losses, timeouts;
	uint64_t errors[REDIS_ERRORS]; /* answers to commands, by kind */
};

#define CONN_REASON_BYTES 400

struct conn_outage {
	const char *label, *endpoint;
	uint64_t since_usec;            /* CLOCK_MONOTONIC; 0: the connection stands, or was never tried */
	char reason[CONN_REASON_BYTES]; /* the last one, fit for a log; "": there is none */
};

struct conn;

/*
 * reply is NULL when the outcome is unknown (connection lost); else valid during the call. The callback may send
 * commands but must not free the connection.
 */
typedef void (*conn_reply_fn)(const struct resp_value *reply, void *user, void *item, uint64_t cookie);

/*
 * Copies the strings of opt; the loop connects first of all. A host that is a name is looked up before each attempt.
 * 0 or negative errno: -ENAMETOOLONG for a socket path, -EHOSTUNREACH for a name without opt->lookup.
 */
int conn_new(struct conn **ret, sd_event *event, const struct conn_options *opt, const struct conn_ops *ops,
	     void *user);
/* Pending commands get no answer. NULL is fine. */
void conn_free(struct conn *c);

bool conn_ready(const struct conn *c);
const struct conn_outage *conn_outage(const struct conn *c);
/* Commands that may still be sent before the in-flight bound is reached. 0 when not ready. */
size_t conn_capacity(const struct conn *c);
size_t conn_in_flight(const struct conn *c);

/*
 * Buffers one command; fn(reply, user, item, cookie) gets its answer, in the order of sending. 0; -ENOTCONN when not
 * ready; -EAGAIN when the in-flight bound is reached or too much waits to be written; -E2BIG for a command that no
 * buffer may hold; -ENOMEM.
 */
int conn_command(struct conn *c, conn_reply_fn fn, void *user, void *item, uint64_t cookie, size_t argc,
		 const struct resp_arg *argv);
/* As conn_command(), but the answer need not be read at once (see reply_usec). */
int conn_command_lazy(struct conn *c, conn_reply_fn fn, void *user, void *item, uint64_t cookie, size_t argc,
		      const struct resp_arg *argv);
/* Reads the answers that were left to wait, if they are many. Once a loop turn, and not from a callback of the
 * connection. */
void conn_poll_replies(struct conn *c);
/* Reads the answers that have waited nearly as long as they may, before a timer has to wake us for them. Where
 * conn_poll_replies() may be called, but once all is sent, since nothing waits for them. True: some may have come. */
bool conn_collect_replies(struct conn *c);
/* Whether the answers to what is sent next are read as soon as they come. */
bool conn_replies_are_immediate(const struct conn *c);
/* Somebody waits for the answers to all commands so far: they are read as soon as they come. */
void conn_expedite(struct conn *c);
/* Writes what is buffered as far as the socket takes it now; the loop writes the rest. */
void conn_flush(struct conn *c);

const struct conn_stats *conn_stats(const struct conn *c);
/* Round trips of writes in nanoseconds, see rtt.h. */
const struct hist *conn_round_trips(const struct conn *c);

#endif
