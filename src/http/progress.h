/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether libmicrohttpd makes progress. In epoll mode (0.9.75 to 1.0.1) it asks to be called again at once for as long
 * as a TLS handshake waits for its client, up to timeout_secs. We comply while bytes move or requests end; after that
 * we call it less and less often. Bytes from a client make the library's epoll descriptor readable and are served at
 * once.
 */
#ifndef PORTSYNCD_HTTP_PROGRESS_H
#define PORTSYNCD_HTTP_PROGRESS_H

#include <gnutls/gnutls.h>
#include <stdint.h>

/* All zero at first. */
struct http_progress {
	uint64_t made;   /* counts steps of any kind */
	uint64_t seen;   /* at the last look */
	unsigned futile; /* calls in a row that did nothing */
};

/* Connects a TLS session with its socket; must outlive the session. */
struct http_transport {
	int fd;
	struct http_progress *progress;
};

/* The session reads and writes fd as usual; each byte moved counts as progress. */
void http_progress_follow(gnutls_session_t session, struct http_transport *transport, int fd,
			  struct http_progress *progress);

/* The library asks to be called again at once: returns how long to poll first, in milliseconds. */
int http_progress_wait_msec(struct http_progress *p);

#endif
