/* SPDX-License-Identifier: Apache-2.0 */
/* The commands of a connection that have no answer yet: a ring, oldest first. */
#ifndef PORTSYNCD_PENDING_H
#define PORTSYNCD_PENDING_H

#include <stddef.h>
#include <stdint.h>

#include "redis/conn.h"

struct pending {
	conn_reply_fn fn;
	void *user, *item;
	uint64_t cookie, sent_usec;
};

struct pending_ring {
	struct pending *items;
	size_t size, head, n;
};

/* 0 or -ENOMEM. */
int pending_init(struct pending_ring *ring, size_t size);
void pending_done(struct pending_ring *ring);

/* There is room: the caller asked for n < size. */
void pending_put(struct pending_ring *ring, struct pending command);
/* These two: n > 0. */
struct pending pending_take(struct pending_ring *ring);
const struct pending *pending_oldest(const struct pending_ring *ring);

#endif
