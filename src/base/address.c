/* SPDX-License-Identifier: Apache-2.0 */
#include "base/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PORT_DIGITS_MAX 5

static int parse_port(const char *text, in_port_t *ret)
{
	size_t len = strlen(text);
	unsigned long port;

	if (len == 0 || len > PORT_DIGITS_MAX || strspn(text, "0123456789") != len)
		return -EINVAL;
	port = strtoul(text, NULL, 10);
	if (port == 0 || port > UINT16_MAX)
		return -EINVAL;
	*ret = htons((uint16_t)port);
	return 0;
}

static int parse_ipv4(const char *host, in_port_t port, struct address *ret)
{
	ret->len = sizeof(ret->sa.in);
	ret->sa.in.sin_family = AF_INET;
	ret->sa.in.sin_port = port;
	return inet_pton(AF_INET, host, &ret->sa.in.sin_addr) == 1 ? 0 : -EINVAL;
}

/* ::ffff:127.0.0.1 is IPv4, which an IPv6 socket of ours never takes. */
static int parse_ipv6(const char *host, in_port_t port, struct address *ret)
{
	ret->len = sizeof(ret->sa.in6);
	ret->sa.in6.sin6_family = AF_INET6;
	ret->sa.in6.sin6_port = port;
	if (inet_pton(AF_INET6, host, &ret->sa.in6.sin6_addr) != 1 || IN6_IS_ADDR_V4MAPPED(&ret->sa.in6.sin6_addr))
		return -EINVAL;
	return 0;
}

int address_parse(const char *text, struct address *ret)
{
	const char *colon = strrchr(text, ':');
	char host[ADDRESS_TEXT_MAX];
	in_port_t port;
	size_t len;

	memset(ret, 0, sizeof(*ret));
	if (!colon || (size_t)(colon - text) >= sizeof(host) || parse_port(colon + 1, &port) < 0)
		return -EINVAL;
	len = (size_t)(colon - text);
	memcpy(host, text, len);
	host[len] = '\0';
	if (host[0] != '[')
		return parse_ipv4(host, port, ret);
	if (host[len - 1] != ']')
		return -EINVAL;
	host[len - 1] = '\0';
	return parse_ipv6(host + 1, port, ret);
}

bool address_is_loopback(const struct address *address)
{
	if (address->sa.any.sa_family == AF_INET)
		return ntohl(address->sa.in.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
	return IN6_IS_ADDR_LOOPBACK(&address->sa.in6.sin6_addr);
}

uint16_t address_port(const struct address *address)
{
	return ntohs(address->sa.any.sa_family == AF_INET ? address->sa.in.sin_port : address->sa.in6.sin6_port);
}

static const char *parse_unix(const char *path, struct destination *ret)
{
	struct sockaddr_un *un = &ret->socket.sa.un;
	size_t len = strlen(path);

	if (path[0] != '/' || len >= sizeof(un->sun_path))
		return "is not an absolute path of at most 107 bytes";
	un->sun_family = AF_UNIX;
	memcpy(un->sun_path, path, len + 1);
	ret->path = path;
	ret->socket.len = sizeof(*un);
	return NULL;
}

static const char *parse_file(const char *path, struct destination *ret)
{
	size_t len = strlen(path);

	if (path[0] != '/' || path[len - 1] == '/')
		return "is not the absolute path of a file";
	ret->path = path;
	return NULL;
}

const char *address_parse_destination(const char *text, struct destination *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (strlen(text) > ADDRESS_DESTINATION_MAX)
		return "is too long";
	if (strncmp(text, "unix:", 5) == 0) {
		ret->type = DESTINATION_UNIX;
		return parse_unix(text + 5, ret);
	}
	if (strncmp(text, "file:", 5) == 0) {
		ret->type = DESTINATION_FILE;
		return parse_file(text + 5, ret);
	}
	ret->type = DESTINATION_TCP;
	if (strncmp(text, "tcp:", 4) != 0 || address_parse(text + 4, &ret->socket) < 0)
		return "is not an address";
	return address_is_loopback(&ret->socket) ? NULL : "is not on this machine: lines go out unencrypted";
}

void address_print(const struct address *address, char *out, socklen_t size)
{
	(void)snprintf(out, size, "?");
	if (address->sa.any.sa_family == AF_INET)
		(void)inet_ntop(AF_INET, &address->sa.in.sin_addr, out, size);
	else if (address->sa.any.sa_family == AF_INET6)
		(void)inet_ntop(AF_INET6, &address->sa.in6.sin6_addr, out, size);
}
