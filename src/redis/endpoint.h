/* SPDX-License-Identifier: Apache-2.0 */
/* Where a Redis server listens. */
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
	size_t n;         /* at least 1, but of a named one 0 until it was looked up */
	const char *host; /* what is to be looked up before each attempt; NULL: nothing is */
	uint16_t port;
	char text[160]; /* for logs */
};

/* 0; -EINVAL for an empty path; -ENAMETOOLONG. */
int endpoint_unix(struct endpoint *e, const char *path);
/* An address is taken as it is, a name, which must outlive it, is to be looked up. 0; -EINVAL; -ENAMETOOLONG; -ENOMEM.
 */
int endpoint_tcp(struct endpoint *e, const char *host, uint16_t port);
/* Whether this host is a name. */
bool endpoint_is_name(const char *host);

/* The first addresses that were found. */
void endpoint_take(struct endpoint *e, const struct addrinfo *found);
/* The addresses of another one, with our port. */
void endpoint_renew(struct endpoint *e, const struct endpoint *found);

#endif
