/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether libmicrohttpd got anything done. In epoll mode (0.9.75 to 1.0.1) it asks to be called again at once for as
 * long as a TLS handshake waits for its client, which can be until timeout_secs. So its word counts only while bytes
 * move or requests end; after that it is called again more and more rarely. What a client sends meanwhile makes the
 * library's epoll descriptor readable and is served at once.
 */
#ifndef PORTSYNCD_HTTP_PROGRESS_H
#define PORTSYNCD_HTTP_PROGRESS_H

#include <gnutls/gnutls.h>
#include <stdint.h>

/* All zero at first. */
struct http_progress {
	uint64_t made;   /* counts what was done, whatever it was */
	uint64_t seen;   /* at the last look */
	unsigned futile; /* calls in a row that did nothing */
};

/* How a TLS session reaches its socket; lives as long as the session. */
struct http_transport {
	int fd;
	struct http_progress *progress;
};

/* The session reads and writes fd as it would by itself, and each byte that moves is progress. */
void http_progress_follow(gnutls_session_t session, struct http_transport *transport, int fd,
			  struct http_progress *progress);

/* The library asks to be called again at once: how long to wait for a descriptor first, in milliseconds. */
int http_progress_wait_msec(struct http_progress *p);

#endif
