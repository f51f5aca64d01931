/* SPDX-License-Identifier: Apache-2.0 */
#include "redis/endpoint.h"

#include <errno.h>
#include <netdb.h>
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

/* Numbers first: they never ask a name server. */
static int look_up(const char *host, const char *port, struct addrinfo **ret)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
	int r = getaddrinfo(host, port, &hints, ret);

	if (r == EAI_NONAME) {
		hints.ai_flags = AI_NUMERICSERV;
		r = getaddrinfo(host, port, &hints, ret);
	}
	if (r == 0)
		return 0;
	if (r == EAI_SYSTEM)
		return -errno;
	return r == EAI_MEMORY ? -ENOMEM : -EHOSTUNREACH;
}

int endpoint_tcp(struct endpoint *e, const char *host, uint16_t port)
{
	struct addrinfo *found;
	char service[8], text[128];
	int r;

	if (!host)
		return -EINVAL;
	(void)snprintf(service, sizeof(service), "%u", (unsigned int)port);
	r = look_up(host, service, &found);
	if (r < 0)
		return r;
	e->n = 0;
	for (const struct addrinfo *at = found; at && e->n < ENDPOINT_ADDRESSES_MAX; at = at->ai_next) {
		struct endpoint_address *address = &e->addresses[e->n++];

		memcpy(&address->storage, at->ai_addr, at->ai_addrlen);
		address->len = at->ai_addrlen;
	}
	freeaddrinfo(found);
	(void)snprintf(e->text, sizeof(e->text), "%s:%s", printable(host, strlen(host), text, sizeof(text)), service);
	return 0;
}
