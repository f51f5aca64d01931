/* SPDX-License-Identifier: Apache-2.0 */
/* Where a Redis server listens, and the way to it. */
#ifndef PORTSYNCD_ENDPOINT_H
#define PORTSYNCD_ENDPOINT_H

#include <netdb.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define ENDPOINT_ADDRESSES_MAX 4

struct endpoint_address {
	struct sockaddr_storage storage;
	socklen_t len;
};

struct endpoint {
	struct endpoint_address addresses[ENDPOINT_ADDRESSES_MAX];
	size_t n;         /* at least 1; with a name, 0 until it was looked up */
	const char *host; /* a name to look up before each attempt; NULL: there is none */
	uint16_t port;
	char text[160]; /* for logs */
};

/* 0; -EINVAL for an empty path; -ENAMETOOLONG. */
int endpoint_unix(struct endpoint *e, const char *path);
/* host: an address, or a name, which must outlive the endpoint and has to be looked up. 0; -EINVAL; -ENAMETOOLONG;
 * -ENOMEM.
 */
int endpoint_tcp(struct endpoint *e, const char *host, uint16_t port);
/* Whether this host is a name. */
bool endpoint_is_name(const char *host);

/* The first addresses that were found. */
void endpoint_take(struct endpoint *e, const struct addrinfo *found);
/* The addresses of another one, with our port. */
void endpoint_renew(struct endpoint *e, const struct endpoint *found);

/* As connect(2), but returns 0 or a negative errno. */
typedef int (*endpoint_connect_fn)(int fd, const struct sockaddr *address, socklen_t len);

/*
 * A socket that is connected to this address, or about to be (connect(2), EINPROGRESS); or a negative errno. Closing it
 * discards what was written and not acknowledged, on purpose. connect_by NULL: connect(2).
 */
int endpoint_connect(const struct endpoint_address *address, endpoint_connect_fn connect_by);

/* One line that says why that failed: of a Unix socket that is closed to us what it is, whose, and what helps. */
const char *endpoint_explain(const struct endpoint_address *address, int error, char *out, size_t size);

#endif
