/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP server of metrics and health. It has one thread of its own, "http", for all addresses and clients, with all
 * signals blocked, SCHED_BATCH and the weakest nice value; it shares nothing with the event loop.
 *
 * A client has timeout_secs for a request, from its arrival or the end of the previous answer to the last byte of the
 * answer, TLS handshake and idle time included; then it is dropped. Of an answer beyond 64 KiB, such as a recording, it
 * has that time for each 64 KiB. A new client beyond max_clients takes the place of the one that has waited longest: an
 * idle connection cannot lock out a client that has a request. Memory is bounded by max_clients times (8 KiB for the
 * request, 50 KiB for TLS, one answer and 64 KiB).
 *
 * An answer may be a stream, which ends when its source, its client or the server does. It has no time limit, but is
 * dropped when its client reads nothing for timeout_secs, and only a quarter of max_clients may be streams (further
 * ones get 503). No new client takes a stream's place.
 *
 * TCP uses TLS if a certificate is set (http/tls.h); the Unix socket never does: its mode guards it.
 */
#ifndef PORTSYNCD_HTTP_SERVER_H
#define PORTSYNCD_HTTP_SERVER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"
#include "http/options.h"

#define HTTP_ARGUMENTS_MAX 16 /* of a query; more are ignored */

struct http_query {
	const char *name, *value; /* decoded; without "=" the value is "" */
};

struct http_request {
	const char *path;                     /* decoded, without scheme, host and query */
	const char *accept, *accept_encoding; /* the headers, or NULL */
	bool post; /* a POST, which comes only by the Unix socket; its body was passed over */
	size_t n_query;
	struct http_query query[HTTP_ARGUMENTS_MAX];
};

/* The value of the first argument of this name, or NULL: http_argument(request, "port") of "/history?port=Ethernet0".
 */
const char *http_argument(const struct http_request *request, const char *name);

#define HTTP_STREAM_ENDS UINT64_C(0)

/*
 * Where the bytes of a stream come from. more() adds to *out what there is, or nothing, and returns when to ask it
 * again (CLOCK_MONOTONIC us; UINT64_MAX: when http_stream_fd() rings), or HTTP_STREAM_ENDS after the last bytes. It is
 * also asked whenever that rings, and as soon as the client has taken what it had: so a slow client causes fewer calls.
 * end() comes last, and in any case. Both run in the HTTP thread, end() may also run in http_free().
 */
struct http_source {
	uint64_t (*more)(struct text *out, void *user); /* NULL: the answer is not a stream */
	void (*end)(void *user);
	void *user;
};

struct http_answer {
	unsigned status;
	const char *content_type; /* NULL: none */
	const char *encoding;     /* NULL: none */
	const char *policy;       /* Content-Security-Policy; NULL: nothing may be loaded or run */
	char *body;               /* malloc'ed, taken over by http; may be NULL when len is 0 */
	size_t len;
	struct http_source source; /* of a stream, which has no body */
};

/*
 * Answers a GET or HEAD, or a POST by the Unix socket (other methods get 405, as does a POST to a page that takes
 * none): fills *answer, which is preset to status 500 and otherwise empty. Runs in the HTTP thread while all clients
 * wait.
 */
typedef void (*http_handle_fn)(const struct http_request *request, struct http_answer *answer, void *user);

/* Written by the HTTP thread, but for missing, listening and expires; any thread may read. */
struct http_stats {
	_Atomic uint64_t missing;    /* addresses that cannot be listened on now */
	_Atomic uint64_t listening;  /* addresses listened on */
	_Atomic uint64_t answers[6]; /* by the first digit of the status; [0]: any other number */
	_Atomic uint64_t accepted;
	_Atomic uint64_t open;              /* now */
	_Atomic uint64_t evicted;           /* dropped for a newer client */
	_Atomic uint64_t late;              /* dropped after timeout_secs without an answer */
	_Atomic uint64_t idle;              /* the same, after at least one answer */
	_Atomic uint64_t streams;           /* open now */
	_Atomic uint64_t streams_refused;   /* with 503: the limit was reached */
	_Atomic uint64_t slow;              /* streams dropped whose client read nothing for timeout_secs */
	_Atomic uint64_t not_accepted;      /* attempts without a free descriptor or memory */
	_Atomic uint64_t handshakes_failed; /* of TLS, certificates_refused included */
	_Atomic uint64_t certificates_refused;
	_Atomic uint64_t expires; /* the server's certificate, seconds since the epoch; 0: it has none */
};

struct http;

/* http_options_check(), and whether certificate, key and CA are usable. 0, or a negative errno with a one-line text in
 * error. */
int http_check(const struct http_options *opt, char *error, size_t size);

/*
 * Listens on every address that it can; the others are missing: http_retry() tries them again. 0, or a negative errno
 * and a one-line text in error.
 */
int http_new(struct http **ret, const struct http_options *opt, http_handle_fn handle, void *user, char *error,
	     size_t size);
/*
 * Before http_start(): when fd is readable, but at most every 20 ms, heard() is called, which must read fd empty, and
 * every stream's source is asked.
 */
void http_follow(struct http *h, int fd, void (*heard)(void *user), void *user);
/* Starts the thread that serves and calls handle. Once. 0 or a negative errno. */
int http_start(struct http *h);
/*
 * Tries the missing addresses again; true if one more is listened on, which is logged. Only for the thread that called
 * http_new(), as the two that follow.
 */
bool http_retry(struct http *h);
/* The missing addresses and why: "127.0.0.1:10187: in use by prometheus, process 1234", or "". */
void http_explain_missing(const struct http *h, char *out, size_t size);
/* The i-th missing address as it was configured, or NULL; tcp: it is not a Unix socket. */
const char *http_missing(const struct http *h, size_t i, bool *tcp);
/*
 * Reads certificate, key and CA again from the files that opt names. New clients get them, present ones keep theirs.
 * Only for the thread that called http_new(). Returns 1, 0 if nothing changed or TLS is off, or a negative errno with a
 * one-line text in error and no change.
 */
int http_renew(struct http *h, const struct http_options *opt, char *error, size_t size);
/* Drops all clients, waits for the thread and removes the Unix socket. NULL is fine. */
void http_free(struct http *h);

const struct http_stats *http_stats(const struct http *h);

#endif
