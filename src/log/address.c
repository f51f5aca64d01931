/* SPDX-License-Identifier: Apache-2.0 */
#include "log/address.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static const char not_an_address[] = "is not an address";

static const char *parse_unix(const char *path, struct log_address *address)
{
	struct sockaddr_un *un = &address->socket.un;
	size_t len = strlen(path);

	if (path[0] != '/' || len >= sizeof(un->sun_path))
		return "is not an absolute path of at most 107 bytes";
	un->sun_family = AF_UNIX;
	memcpy(un->sun_path, path, len + 1);
	address->path = path;
	address->len = sizeof(*un);
	return NULL;
}

static const char *parse_file(const char *path, struct log_address *address)
{
	size_t len = strlen(path);

	if (path[0] != '/' || path[len - 1] == '/')
		return "is not the absolute path of a file";
	address->path = path;
	return NULL;
}

/* 0: not a port number. */
static in_port_t parse_port(const char *text)
{
	char *end;
	long port = strtol(text, &end, 10);

	if (text[0] < '0' || text[0] > '9' || *end != '\0' || port < 1 || port > UINT16_MAX)
		return 0;
	return htons((in_port_t)port);
}

static bool is_loopback(const struct log_address *address)
{
	if (address->socket.sa.sa_family == AF_INET6)
		return IN6_IS_ADDR_LOOPBACK(&address->socket.in6.sin6_addr);
	return ntohl(address->socket.in.sin_addr.s_addr) >> IN_CLASSA_NSHIFT == IN_LOOPBACKNET;
}

static bool parse_host(const char *host, in_port_t port, struct log_address *address)
{
	struct sockaddr_in6 *in6 = &address->socket.in6;
	struct sockaddr_in *in = &address->socket.in;

	if (inet_pton(AF_INET, host, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = port;
		address->len = sizeof(*in);
		return true;
	}
	in6->sin6_family = AF_INET6;
	in6->sin6_port = port;
	address->len = sizeof(*in6);
	return inet_pton(AF_INET6, host, &in6->sin6_addr) == 1;
}

static const char *parse_tcp(const char *text, struct log_address *address)
{
	bool bracket = text[0] == '[';
	const char *end = strrchr(text, ':');
	size_t len = end ? (size_t)(end - text) : 0;
	char host[INET6_ADDRSTRLEN + 2];
	in_port_t port = end ? parse_port(end + 1) : 0;

	if (len == 0 || len >= sizeof(host) || port == 0 || (bracket && text[len - 1] != ']'))
		return not_an_address;
	memcpy(host, text + bracket, len - 2 * bracket);
	host[len - 2 * bracket] = '\0';
	if (bracket != (strchr(host, ':') != NULL) || !parse_host(host, port, address))
		return not_an_address;
	return is_loopback(address) ? NULL : "is not on this machine: lines go out unencrypted";
}

const char *logaddress_parse(const char *text, struct log_address *address)
{
	memset(address, 0, sizeof(*address));
	if (strlen(text) > LOG_ADDRESS_MAX)
		return "is too long";
	if (strncmp(text, "unix:", 5) == 0) {
		address->type = LOG_ADDRESS_UNIX;
		return parse_unix(text + 5, address);
	}
	if (strncmp(text, "file:", 5) == 0) {
		address->type = LOG_ADDRESS_FILE;
		return parse_file(text + 5, address);
	}
	address->type = LOG_ADDRESS_TCP;
	return strncmp(text, "tcp:", 4) == 0 ? parse_tcp(text + 4, address) : not_an_address;
}
