/* SPDX-License-Identifier: Apache-2.0 */
/* Where a Redis server listens. */
#ifndef PORTSYNCD_ENDPOINT_H
#define PORTSYNCD_ENDPOINT_H

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
	size_t n;       /* at least 1 */
	char text[160]; /* for logs */
};

/* 0; -EINVAL for an empty path; -ENAMETOOLONG. */
int endpoint_unix(struct endpoint *e, const char *path);
/* Numbers are taken as they are; a name is looked up, here and never again, and that blocks. 0; -EHOSTUNREACH; -ENOMEM.
 */
int endpoint_tcp(struct endpoint *e, const char *host, uint16_t port);

#endif
