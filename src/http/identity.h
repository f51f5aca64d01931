/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Certificate, key and CA of the HTTP server: those in force for new clients, and those before for as long as a client
 * uses them. Another thread may bring new ones at any time.
 */
#ifndef PORTSYNCD_HTTP_IDENTITY_H
#define PORTSYNCD_HTTP_IDENTITY_H

#include <stdatomic.h>

#include "base/list.h"
#include "http/tls.h"

struct http_identity;

struct http_identities {
	struct list all; /* that were in force before; clients may still use them */
	struct http_identity *current;
	_Atomic(struct http_identity *) brought; /* not in force yet; NULL: none */
	struct http_tls_digest digest;           /* of what was read last; for who reads */
};

/* 0, or a negative errno with a one-line text in error; http_identities_done() is due in both cases. */
int http_identities_init(struct http_identities *ids, const struct http_options *opt, char *error, size_t size);
/*
 * Reads the files again; in force for the next client. Not by two threads at once. 1; 0 when they are the same; or a
 * negative errno with a text, and all stays as it is.
 */
int http_identities_renew(struct http_identities *ids, const struct http_options *opt, char *error, size_t size);

/* In the server's thread: the session of a new client gets what is in force, until http_identity_leave(). */
struct http_identity *http_identity_enter(struct http_identities *ids, gnutls_session_t session);
void http_identity_leave(struct http_identity *identity);
/* Frees what nobody uses any more: when the sessions of all clients that left are gone. */
void http_identities_sweep(struct http_identities *ids);

/* When no client is left. */
void http_identities_done(struct http_identities *ids);

#endif
