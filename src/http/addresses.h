/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The addresses of a server: those that it listens on, and those that are missing because they could not be opened yet.
 * One thread opens, retries and closes; another may read the open ones meanwhile, up to n_open.
 */
#ifndef PORTSYNCD_HTTP_ADDRESSES_H
#define PORTSYNCD_HTTP_ADDRESSES_H

#include <stdatomic.h>
#include <sys/un.h>

#include "base/holder.h"
#include "http/listen.h"
#include "http/options.h"

#define HTTP_LISTENERS_MAX (ADDRESS_LIST_MAX + 1)
#define HTTP_ADDRESS_MAX sizeof(((struct sockaddr_un *)NULL)->sun_path)

struct http_listener {
	int fd;
	bool tcp;
};

struct http_missing {
	char name[HTTP_ADDRESS_MAX]; /* as configured */
	bool tcp;
	char why[HOLDER_TEXT_MAX + 16];
};

struct http_addresses {
	struct http_listener open[HTTP_LISTENERS_MAX];
	_Atomic size_t n_open;
	struct http_missing missing[HTTP_LISTENERS_MAX];
	size_t n_missing;
	char unix_path[HTTP_ADDRESS_MAX]; /* "": not listened on */
	struct http_socket_file unix_file;
};

/* Listens on every address that it can; the others are missing, with the process that has them if that can be known.
 * opened: the names of those it listens on, or "". */
void http_addresses_open(struct http_addresses *a, const struct http_options *opt, char *opened, size_t size);
/* Tries the missing ones again. opened: the names of those it now listens on, or "". */
void http_addresses_retry(struct http_addresses *a, char *opened, size_t size);
/* The missing ones and why, or "". */
void http_addresses_explain(const struct http_addresses *a, char *out, size_t size);
void http_addresses_close(struct http_addresses *a);

#endif
