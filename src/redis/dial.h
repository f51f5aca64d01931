/* SPDX-License-Identifier: Apache-2.0 */
/* How a connection to Redis is begun. */
#ifndef PORTSYNCD_DIAL_H
#define PORTSYNCD_DIAL_H

#include "redis/endpoint.h"

/* As connect(2), but returns 0 or a negative errno. */
typedef int (*dial_connect_fn)(int fd, const struct sockaddr *address, socklen_t len);

/* A socket that is connected to this address, or about to be (connect(2), EINPROGRESS); or a negative errno. */
int dial(const struct endpoint_address *address, dial_connect_fn connect);

/* One line of why that failed: of a Unix socket that is closed to us what it is, whose, and what helps. */
const char *dial_explain(const struct endpoint_address *address, int error, char *out, size_t size);

#endif
