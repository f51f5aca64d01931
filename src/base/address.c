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

void address_print(const struct address *address, char *out, socklen_t size)
{
	(void)snprintf(out, size, "?");
	if (address->sa.any.sa_family == AF_INET)
		(void)inet_ntop(AF_INET, &address->sa.in.sin_addr, out, size);
	else if (address->sa.any.sa_family == AF_INET6)
		(void)inet_ntop(AF_INET6, &address->sa.in6.sin6_addr, out, size);
}
