/* SPDX-License-Identifier: Apache-2.0 */
#include "log/ring.h"

#include <string.h>

#include "base/util.h"

#define CHANGE (UINT64_C(1) << 32) /* of `free`: one more */

_Static_assert((LOG_RING_SLOTS & (LOG_RING_SLOTS - 1)) == 0, "a position's place is found by its low bits");

static uint64_t number_at(uint64_t position)
{
	return position & (LOG_RING_SLOTS - 1);
}

static struct log_place *place_at(struct logring *ring, uint64_t position)
{
	return &ring->places[number_at(position)];
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

/* UINT32_MAX: all slots that were ever used are in use. */
static uint32_t take_released(struct logring *ring)
{
	uint64_t first = atomic_load_explicit(&ring->free, memory_order_acquire);

	while ((uint32_t)first != 0) {
		uint32_t slot = (uint32_t)first - 1;
		uint64_t rest = (first & ~(CHANGE - 1)) + CHANGE +
				atomic_load_explicit(&ring->slots[slot].next, memory_order_relaxed);

		if (atomic_compare_exchange_weak_explicit(&ring->free, &first, rest, memory_order_acquire,
							  memory_order_acquire))
			return slot;
	}
	return UINT32_MAX;
}

static uint32_t take_unused(struct logring *ring)
{
	uint32_t slot = atomic_load_explicit(&ring->unused, memory_order_relaxed);

	while (slot < LOG_RING_SLOTS)
		if (atomic_compare_exchange_weak_explicit(&ring->unused, &slot, slot + 1, memory_order_relaxed,
							  memory_order_relaxed))
			return slot;
	return UINT32_MAX;
}

/* For a place that was claimed. There are as many slots as places, and a slot is released before its place, so there is
 * one; another producer may take it first, but then it leaves another. */
static struct log_slot *take_slot(struct logring *ring)
{
	for (;;) {
		uint32_t slot = take_released(ring);

		if (slot == UINT32_MAX)
			slot = take_unused(ring);
		if (slot != UINT32_MAX)
			return &ring->slots[slot];
	}
}

static void release_slot(struct logring *ring, uint32_t slot)
{
	uint64_t first = atomic_load_explicit(&ring->free, memory_order_relaxed), now;

	do {
		atomic_store_explicit(&ring->slots[slot].next, (uint32_t)first, memory_order_relaxed);
		now = (first & ~(CHANGE - 1)) + CHANGE + slot + 1;
	} while (!atomic_compare_exchange_weak_explicit(&ring->free, &first, now, memory_order_release,
							memory_order_relaxed));
}

static struct log_record *fill_place(struct logring *ring, uint64_t position)
{
	struct log_slot *slot = take_slot(ring);

	slot->place = (uint32_t)number_at(position);
	place_at(ring, position)->slot = (uint32_t)(slot - ring->slots);
	return &slot->record;
}

struct log_record *logring_claim(struct logring *ring, bool audit)
{
	uint64_t position = atomic_load_explicit(&ring->head, memory_order_relaxed);

	for (;;) {
		struct log_place *place = place_at(ring, position);
		uint64_t turn = atomic_load_explicit(&place->turn, memory_order_acquire) + number_at(position);

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
			return fill_place(ring, position);
	}
}

/* Sequentially consistent, as the look of logring_peek(): a consumer that falls asleep and a producer that looks
 * whether it sleeps must not miss each other (writer.c). */
void logring_give(struct logring *ring, struct log_record *record)
{
	const struct log_slot *slot = container_of(record, struct log_slot, record);

	atomic_fetch_add(&ring->places[slot->place].turn, 1);
}

struct log_record *logring_peek(struct logring *ring)
{
	uint64_t position = atomic_load_explicit(&ring->tail, memory_order_relaxed);
	struct log_place *place = place_at(ring, position);
	bool given = atomic_load(&place->turn) + number_at(position) == position + 1;

	return given ? &ring->slots[place->slot].record : NULL;
}

void logring_drop(struct logring *ring)
{
	uint64_t position = atomic_load_explicit(&ring->tail, memory_order_relaxed);
	struct log_place *place = place_at(ring, position);

	release_slot(ring, place->slot);
	atomic_store_explicit(&place->turn, position + LOG_RING_SLOTS - number_at(position), memory_order_release);
	atomic_store_explicit(&ring->tail, position + 1, memory_order_relaxed);
}
