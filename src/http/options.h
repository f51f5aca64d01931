/* SPDX-License-Identifier: Apache-2.0 */
/* What a user can set for the HTTP server. */
#ifndef PORTSYNCD_HTTP_OPTIONS_H
#define PORTSYNCD_HTTP_OPTIONS_H

#include <stddef.h>

#include "base/address.h"

/* The calls below and http_new() read it and keep no pointer into it. */
struct http_options {
	const char *listen[ADDRESS_LIST_MAX]; /* "127.0.0.1:10187", "[::1]:10187" */
	size_t n_listen;
	const char *unix_socket;     /* NULL: none */
	const char *cert, *key, *ca; /* PEM files; NULL: plain HTTP; without ca: no client certificates */
	unsigned max_clients;        /* at once, on all addresses together; see http_options_clients() */
	unsigned timeout_secs;       /* of one request */
};

/*
 * Checks the options without reading a file: addresses, keys that need each other, and that an address which other
 * machines can reach demands client certificates. 0, or -EINVAL with a one-line text in error that names the
 * configuration key.
 */
int http_options_check(const struct http_options *opt, char *error, size_t size);
/*
 * How many clients fit into RLIMIT_NOFILE beside the descriptors in use and HTTP_RESERVED_DESCRIPTORS for Redis, a dump
 * of the links, log files, the state file and new certificates. At least 1; logs a warning if it is less than wanted.
 */
#define HTTP_RESERVED_DESCRIPTORS 48
unsigned http_options_clients(unsigned wanted);

#endif
