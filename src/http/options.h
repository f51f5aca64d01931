/* SPDX-License-Identifier: Apache-2.0 */
/* What a user can choose of the HTTP server. */
#ifndef PORTSYNCD_HTTP_OPTIONS_H
#define PORTSYNCD_HTTP_OPTIONS_H

#include <stddef.h>

#include "base/address.h"

/* Read by the calls that get it, not kept. */
struct http_options {
	const char *listen[ADDRESS_LIST_MAX]; /* "127.0.0.1:9090", "[::1]:9090" */
	size_t n_listen;
	const char *unix_socket;     /* NULL: none */
	const char *cert, *key, *ca; /* PEM files; NULL: plain HTTP; without ca: no client certificates */
	unsigned
		max_clients; /* at once, over all addresses; fewer where descriptors are few (http_options_clients()) */
	unsigned timeout_secs; /* of one request */
};

/*
 * What can be said of the options without reading a file: addresses, which keys need which other, and that an address
 * that other machines reach asks for client certificates. 0, or -EINVAL with a one-line text in error that names the
 * configuration's key.
 */
int http_options_check(const struct http_options *opt, char *error, size_t size);
/*
 * Of the wanted number as many as fit beside the descriptors that are open now and HTTP_RESERVED_DESCRIPTORS more: for
 * connections to Redis, a dump of the links, log files, the state file, new certificates. At least one, and a warning
 * when it is fewer than wanted.
 */
#define HTTP_RESERVED_DESCRIPTORS 48
unsigned http_options_clients(unsigned wanted);

#endif
