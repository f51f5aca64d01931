/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP server of metrics and health. It has one thread of its own, "http", for all addresses and clients, with all
 * signals blocked, SCHED_BATCH and the weakest nice value; it shares nothing with the event loop.
 *
 * A client has timeout_secs for a request: from the end of the answer before it, or from its arrival, to the last byte
 * of the answer, TLS handshake and idle time included. Then it is dropped, however busy it looks. When max_clients are
 * there, the one whose request began first is dropped for a new one: an idle connection cannot lock out a client
 * that has a request. Memory is bounded by max_clients times (some 8 KiB for the request, some 50 KiB for TLS, one
 * answer).
 *
 * TCP speaks TLS when there is a certificate (http_tls.h says which), the Unix socket never: its mode guards it.
 */
#ifndef PORTSYNCD_HTTP_SERVER_H
#define PORTSYNCD_HTTP_SERVER_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "http/options.h"

struct http_request {
	const char *path;                     /* decoded, without scheme, host and query */
	const char *accept, *accept_encoding; /* the headers, or NULL */
};

struct http_answer {
	unsigned status;
	const char *content_type; /* NULL: none */
	const char *encoding;     /* NULL: none */
	char *body;               /* malloc'ed, taken over by http; may be NULL when len is 0 */
	size_t len;
};

/*
 * Fills *answer (status 500, the rest empty). For GET and HEAD; other methods are answered with 405. In the HTTP
 * thread: all clients wait while it runs.
 */
typedef void (*http_handle_fn)(const struct http_request *request, struct http_answer *answer, void *user);

/* Written by the HTTP thread alone, but for the last; any thread may read. */
struct http_stats {
	_Atomic uint64_t missing;    /* addresses that could not be had */
	_Atomic uint64_t listening;  /* on so many addresses */
	_Atomic uint64_t answers[6]; /* by the first digit of the status; [0]: any other number */
	_Atomic uint64_t accepted;
	_Atomic uint64_t open;              /* now */
	_Atomic uint64_t evicted;           /* dropped for a newer client */
	_Atomic uint64_t late;              /* dropped after timeout_secs without an answer */
	_Atomic uint64_t idle;              /* the same, but with one before */
	_Atomic uint64_t not_accepted;      /* no descriptor or no memory was left; counts attempts */
	_Atomic uint64_t handshakes_failed; /* of TLS, certificates_refused included */
	_Atomic uint64_t certificates_refused;
	_Atomic uint64_t expires; /* the server's certificate, seconds since the epoch; 0: it has none */
};

struct http;

/* http_options_check(), and whether certificate, key and CA can be used. 0, or a negative errno with a one-line text in
 * error. */
int http_check(const struct http_options *opt, char *error, size_t size);

/*
 * Listens. Goes on without an address that cannot be listened on (in use, no IPv6) as long as one is left: then
 * 0, with a one-line text in error that names what is missing; "" when nothing is. Else a negative errno and a text.
 */
int http_new(struct http **ret, const struct http_options *opt, http_handle_fn handle, void *user, char *error,
	     size_t size);
/* Once: a thread serves from then on, and calls handle. 0 or a negative errno. */
int http_start(struct http *h);
/*
 * Reads certificate, key and CA of these options again, which name the same files as before or others; new clients get
 * them, those that are there keep theirs. By the thread that called http_new(). 1; 0 when they are the same, or there
 * is no TLS; or a negative errno with a one-line text in error, and all stays as it is.
 */
int http_renew(struct http *h, const struct http_options *opt, char *error, size_t size);
/* Drops all clients, waits for the thread and removes the Unix socket. NULL is fine. */
void http_free(struct http *h);

const struct http_stats *http_stats(const struct http *h);

#endif
