/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Certificate, key and CA of the HTTP server: the current ones for new clients, and older ones while a client still
 * uses them. Another thread may deliver new ones at any time.
 */
#ifndef PORTSYNCD_HTTP_IDENTITY_H
#define PORTSYNCD_HTTP_IDENTITY_H

#include <stdatomic.h>

#include "base/list.h"
#include "http/tls.h"

struct http_identity;

struct http_identities {
	struct list all; /* former ones that clients may still use */
	struct http_identity *current;
	_Atomic(struct http_identity *) brought; /* delivered, not yet current; NULL: none */
	struct http_tls_digest digest;           /* of the files as last read; owned by the thread that reads them */
};

/* 0, or a negative errno with a one-line text in error; http_identities_done() is due in both cases. */
int http_identities_init(struct http_identities *ids, const struct http_options *opt, char *error, size_t size);
/*
 * Reads the files again; the next client gets them. One thread at a time. Returns 1, 0 if they did not change, or a
 * negative errno with a text and no change.
 */
int http_identities_renew(struct http_identities *ids, const struct http_options *opt, char *error, size_t size);

/* In the server's thread: gives a new client's session the current identity, until http_identity_leave(). */
struct http_identity *http_identity_enter(struct http_identities *ids, gnutls_session_t session);
void http_identity_leave(struct http_identity *identity);
/* Frees identities without users. Call it when the sessions of departed clients are gone. */
void http_identities_sweep(struct http_identities *ids);

/* Call it when no client is left. */
void http_identities_done(struct http_identities *ids);

#endif
