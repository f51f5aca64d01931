/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses as a user writes them: "127.0.0.1:10187", "[::1]:10187", "unix:/dev/log". Names are not looked up. */
#ifndef PORTSYNCD_BASE_ADDRESS_H
#define PORTSYNCD_BASE_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#define ADDRESS_LIST_MAX 8          /* addresses of one server */
#define ADDRESS_DESTINATION_MAX 255 /* bytes of a destination as text */
#define ADDRESS_TEXT_MAX 64         /* capacity for the longest address as text, with its NUL */

struct address {
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_un un;
	} sa;
	socklen_t len;
};

/* 0, or -EINVAL: a host that is not numeric, a port that is not 1..65535, or IPv4 written as IPv6. */
int address_parse(const char *text, struct address *ret);

/* Reached from this machine only: 127.0.0.0/8 or ::1. */
bool address_is_loopback(const struct address *address);

/* The port of an IPv4 or IPv6 address. */
uint16_t address_port(const struct address *address);

enum destination_type { DESTINATION_UNIX, DESTINATION_TCP, DESTINATION_FILE };

/* Where lines can go: "unix:/dev/log", "tcp:127.0.0.1:6514", "tcp:[::1]:6514", "file:/var/log/x.log". */
struct destination {
	enum destination_type type;
	const char *path;      /* of unix and file; points into the text */
	struct address socket; /* of unix and tcp */
};

/* NULL, or what is wrong with the text. Lines are not encrypted, so a TCP destination must be on this machine. */
const char *address_parse_destination(const char *text, struct destination *ret);

/* The address without its port; "?" where there is none (a Unix socket). */
void address_print(const struct address *address, char *out, socklen_t size);

#endif
