/* SPDX-License-Identifier: Apache-2.0 */
/* How many HTTP clients there may be, so that they leave descriptors (RLIMIT_NOFILE) for the rest of the daemon. */
#ifndef PORTSYNCD_HTTP_LIMIT_H
#define PORTSYNCD_HTTP_LIMIT_H

/*
 * Of the wanted number as many as fit beside the descriptors that are open now and HTTP_LIMIT_RESERVE more: for
 * connections to Redis, a dump of the links, log files, the state file, new certificates. At least one, and a warning
 * when it is fewer than wanted.
 */
#define HTTP_LIMIT_RESERVE 48
unsigned http_limit_clients(unsigned wanted);

#endif
