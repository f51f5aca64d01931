/* SPDX-License-Identifier: Apache-2.0 */
#include "ports/baseline.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

int baseline_init(struct baseline *p, size_t capacity)
{
	*p = (struct baseline){.ports = calloc(capacity + 1, sizeof(*p->ports)), .capacity = capacity};
	return p->ports && hash_init(&p->by_name, capacity) == 0 ? 0 : -ENOMEM;
}

void baseline_done(struct baseline *p)
{
	hash_done(&p->by_name);
	free(p->ports);
}

void baseline_add(struct baseline *p, const char *name, uint64_t flaps, uint64_t changed_msec)
{
	size_t len = strlen(name);
	struct baseline_port *port;

	if (len == 0 || len >= IFNAMSIZ || p->n == p->capacity)
		return;
	port = &p->ports[p->n++];
	memcpy(port->name, name, len + 1);
	port->flaps = flaps;
	port->changed_msec = changed_msec;
	hash_add(&p->by_name, &port->node, hash_bytes(name, len));
}

static struct baseline_port *find(const struct baseline *p, const char *name)
{
	struct hash_node *node = p->capacity > 0 ? hash_first(&p->by_name, hash_bytes(name, strlen(name))) : NULL;

	for (; node; node = hash_next(node)) {
		struct baseline_port *port = container_of(node, struct baseline_port, node);

		if (strcmp(port->name, name) == 0)
			return port;
	}
	return NULL;
}

const struct baseline_port *baseline_find(const struct baseline *p, const char *name)
{
	return find(p, name);
}

/* A dropped one has no name any more. */
void baseline_drop(struct baseline *p, const char *name)
{
	struct baseline_port *port = find(p, name);

	if (!port)
		return;
	hash_del(&p->by_name, &port->node);
	port->name[0] = '\0';
}

const struct baseline_port *baseline_next(const struct baseline *p, const struct baseline_port *port)
{
	const struct baseline_port *end = p->ports + p->n;

	for (port = port ? port + 1 : p->ports; port < end; port++)
		if (port->name[0] != '\0')
			return port;
	return NULL;
}
