/* SPDX-License-Identifier: Apache-2.0 */
/* How a connection to Redis is begun. For conn.c alone. */
#ifndef PORTSYNCD_DIAL_H
#define PORTSYNCD_DIAL_H

#include "redis/endpoint.h"

/* A socket that is connected to this address, or about to be (connect(2), EINPROGRESS); or a negative errno. */
int dial(const struct endpoint_address *address);

#endif
