/* SPDX-License-Identifier: Apache-2.0 */
#include "redis/pending.h"

#include <errno.h>
#include <stdlib.h>

#include "base/util.h"

int pending_init(struct pending_ring *ring, size_t size)
{
	ring->size = MAX(size, (size_t)1);
	ring->items = calloc(ring->size, sizeof(*ring->items));
	return ring->items ? 0 : -ENOMEM;
}

void pending_done(struct pending_ring *ring)
{
	free(ring->items);
}

void pending_put(struct pending_ring *ring, struct pending command)
{
	ring->items[(ring->head + ring->n) % ring->size] = command;
	ring->n++;
}

struct pending pending_take(struct pending_ring *ring)
{
	struct pending oldest = ring->items[ring->head];

	ring->head = (ring->head + 1) % ring->size;
	ring->n--;
	return oldest;
}

const struct pending *pending_oldest(const struct pending_ring *ring)
{
	return &ring->items[ring->head];
}
