/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses to listen on as a user writes them: "127.0.0.1:9090", "[::1]:9090". Names are not looked up. */
#ifndef PORTSYNCD_BASE_ADDRESS_H
#define PORTSYNCD_BASE_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

#define HTTP_LISTEN_MAX 8   /* addresses of one server */
#define HTTP_ADDRESS_MAX 64 /* room for the longest one, with its NUL */

struct http_address {
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} sa;
	socklen_t len;
};

/* 0, or -EINVAL: no number in dots or brackets, a port that is not 1..65535, or IPv4 written as IPv6. */
int http_address_parse(const char *text, struct http_address *ret);

/* Reached from this machine only: 127.0.0.0/8 or ::1. */
bool http_address_is_loopback(const struct http_address *address);

/* The address without its port; "?" where there is none (a Unix socket). */
void http_address_print(const struct http_address *address, char *out, socklen_t size);

#endif
