/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses to listen on as a user writes them: "127.0.0.1:9090", "[::1]:9090". Names are not looked up. */
#ifndef PORTSYNCD_BASE_ADDRESS_H
#define PORTSYNCD_BASE_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

#define ADDRESS_LIST_MAX 8  /* addresses of one server */
#define ADDRESS_TEXT_MAX 64 /* room for the longest one, with its NUL */

struct address {
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} sa;
	socklen_t len;
};

/* 0, or -EINVAL: no number in dots or brackets, a port that is not 1..65535, or IPv4 written as IPv6. */
int address_parse(const char *text, struct address *ret);

/* Reached from this machine only: 127.0.0.0/8 or ::1. */
bool address_is_loopback(const struct address *address);

/* The address without its port; "?" where there is none (a Unix socket). */
void address_print(const struct address *address, char *out, socklen_t size);

#endif
