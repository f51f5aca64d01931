/* SPDX-License-Identifier: Apache-2.0 */
#include "log/ring.h"

#include <string.h>

#include "base/util.h"

_Static_assert((LOG_RING_SLOTS & (LOG_RING_SLOTS - 1)) == 0, "a position's slot is found by its low bits");

static uint64_t number_at(uint64_t position)
{
	return position & (LOG_RING_SLOTS - 1);
}

static struct log_slot *slot_at(struct logring *ring, uint64_t position)
{
	return &ring->slots[number_at(position)];
}

uint64_t logring_head(struct logring *ring)
{
	return atomic_load_explicit(&ring->head, memory_order_relaxed);
}

uint64_t logring_tail(struct logring *ring)
{
	return atomic_load_explicit(&ring->tail, memory_order_relaxed);
}

uint64_t logring_used(struct logring *ring)
{
	uint64_t tail = logring_tail(ring), head = logring_head(ring);

	return head > tail ? head - tail : 0;
}

struct log_record *logring_claim(struct logring *ring, bool audit)
{
	uint64_t position = atomic_load_explicit(&ring->head, memory_order_relaxed);

	for (;;) {
		struct log_slot *slot = slot_at(ring, position);
		uint64_t turn = atomic_load_explicit(&slot->turn, memory_order_acquire) + number_at(position);

		if (!audit && logring_used(ring) >= LOG_RING_ORDINARY)
			return NULL;
		if (turn < position)
			return NULL; /* holds a record that was not read yet */
		if (turn > position) {
			position = atomic_load_explicit(&ring->head, memory_order_relaxed);
			continue;
		}
		if (atomic_compare_exchange_weak_explicit(&ring->head, &position, position + 1, memory_order_relaxed,
							  memory_order_relaxed))
			return &slot->record;
	}
}

/* Sequentially consistent, as the look of logring_peek(): a consumer that falls asleep and a producer that looks
 * whether it sleeps must not miss each other (writer.c). */
void logring_give(struct log_record *record)
{
	struct log_slot *slot = container_of(record, struct log_slot, record);

	atomic_fetch_add(&slot->turn, 1);
}

struct log_record *logring_peek(struct logring *ring)
{
	uint64_t position = atomic_load_explicit(&ring->tail, memory_order_relaxed);
	struct log_slot *slot = slot_at(ring, position);

	return atomic_load(&slot->turn) + number_at(position) == position + 1 ? &slot->record : NULL;
}

void logring_drop(struct logring *ring)
{
	uint64_t position = atomic_load_explicit(&ring->tail, memory_order_relaxed);

	atomic_store_explicit(&slot_at(ring, position)->turn, position + LOG_RING_SLOTS - number_at(position),
			      memory_order_release);
	atomic_store_explicit(&ring->tail, position + 1, memory_order_relaxed);
}
