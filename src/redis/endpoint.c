/* SPDX-License-Identifier: Apache-2.0 */
#include "redis/endpoint.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "base/util.h"

int endpoint_unix(struct endpoint *e, const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t len = strlen(path);

	if (len == 0)
		return -EINVAL;
	if (len >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, len);
	memcpy(&e->addresses[0].storage, &address, sizeof(address));
	e->addresses[0].len = sizeof(address);
	e->n = 1;
	(void)printable(path, len, e->text, sizeof(e->text));
	return 0;
}

/* Asks no name server. 0; EAI_NONAME: it is a name; or another of getaddrinfo(3). */
static int parse(const char *host, struct addrinfo **ret)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST};

	return getaddrinfo(host, NULL, &hints, ret);
}

bool endpoint_is_name(const char *host)
{
	struct addrinfo *found;
	int r = parse(host, &found);

	if (r == 0)
		freeaddrinfo(found);
	return r == EAI_NONAME;
}

static void set_port(struct endpoint_address *address, uint16_t port)
{
	if (address->storage.ss_family == AF_INET6)
		((struct sockaddr_in6 *)&address->storage)->sin6_port = htons(port);
	else
		((struct sockaddr_in *)&address->storage)->sin_port = htons(port);
}

void endpoint_take(struct endpoint *e, const struct addrinfo *found)
{
	e->n = 0;
	for (const struct addrinfo *at = found; at && e->n < ENDPOINT_ADDRESSES_MAX; at = at->ai_next) {
		struct endpoint_address *address = &e->addresses[e->n++];

		memcpy(&address->storage, at->ai_addr, at->ai_addrlen);
		address->len = at->ai_addrlen;
	}
}

void endpoint_renew(struct endpoint *e, const struct endpoint *found)
{
	e->n = found->n;
	memcpy(e->addresses, found->addresses, sizeof(e->addresses));
	for (size_t i = 0; i < e->n; i++)
		set_port(&e->addresses[i], e->port);
}

int endpoint_tcp(struct endpoint *e, const char *host, uint16_t port)
{
	struct endpoint parsed;
	struct addrinfo *found;
	char text[128];
	int r;

	if (!host)
		return -EINVAL;
	e->port = port;
	(void)snprintf(e->text, sizeof(e->text), "%s:%u", printable(host, strlen(host), text, sizeof(text)),
		       (unsigned int)port);
	r = parse(host, &found);
	if (r == EAI_NONAME) {
		e->n = 0;
		e->host = host;
		return 0;
	}
	if (r != 0)
		return r == EAI_MEMORY ? -ENOMEM : -EINVAL;
	endpoint_take(&parsed, found);
	freeaddrinfo(found);
	e->host = NULL;
	endpoint_renew(e, &parsed);
	return 0;
}
