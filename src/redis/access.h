/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Our user and password for Redis, and the audit records of refusals. Shared by all connections. The password is not
 * kept: it is read for each AUTH and wiped once that was sent, so a new one applies from the next attempt on.
 */
#ifndef PORTSYNCD_ACCESS_H
#define PORTSYNCD_ACCESS_H

#include <stdbool.h>

#include "base/list.h"
#include "base/secret.h"

/*
 * *ret is the password, or has no text when none is configured; the caller wipes it. 0, or a negative errno with a
 * one-line text in error.
 */
typedef int (*access_read_fn)(struct secret *ret, char *error, size_t size, void *user);

struct access {
	const char *username; /* NULL: the default user */
	const char *source;   /* the file with the password, for messages; "": there is none */
	access_read_fn read;  /* NULL: no password */
	void *user;
	struct list refused; /* connections that are refused now */
};

/* A connection as the audit trail names it. The texts must outlive it. */
struct access_entry {
	struct list link; /* in refused */
	const char *label, *endpoint;
	bool denied; /* a command was refused on this connection */
};

/* The strings must outlive it. */
void access_init(struct access *access, const char *username, const char *source, access_read_fn read, void *user);

#define ACCESS_DESCRIPTION_BYTES 300 /* a longer one is cut */

/* user "portsyncd", password of /etc/sonic/redis_password */
const char *access_describe(const struct access *access, char *out, size_t size);

/*
 * Redis refused the connection: our identity (also when the password cannot be read) or our rights. True: record it,
 * once for each server, until all of its refused connections are granted.
 */
bool access_refused(struct access *access, struct access_entry *entry);
/* The connection is ready. */
void access_granted(struct access_entry *entry);
/* A command was refused for lack of a right. One record for each connection, however many are refused. */
void access_denied(const struct access *access, struct access_entry *entry, const char *why);
/* The connection ends for good. */
void access_leave(struct access_entry *entry);

#endif
