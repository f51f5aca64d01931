/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each slot has a turn: even when its change is complete, and then it says which one. The words of a change are
 * atomic and each is released, so that a reader who got a word of a newer change also sees its turn.
 */
#include "ports/changes.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/util.h"

#define WORDS (sizeof(struct change) / sizeof(uint64_t))
#define SLOTS_MIN 1024 /* how far a reader may fall behind even if little or nothing is remembered */

struct change_slot {
	_Atomic uint64_t turn; /* 2 * position + 1 while it is written, + 2 when it is complete */
	_Atomic uint64_t words[WORDS];
};

struct changes {
	_Atomic uint64_t end;
	size_t kept, slots;  /* slots: a power of two */
	atomic_int listener; /* an eventfd; -1: there is none */
	atomic_bool rung;
	struct change_slot *slot;
};

_Static_assert(sizeof(struct change) % sizeof(uint64_t) == 0, "a change is whole words");
_Static_assert(sizeof(struct change_slot) == 64, "a slot is a cache line");

/* --- building --- */

static size_t slots_for(size_t kept)
{
	size_t slots = SLOTS_MIN;

	while (slots < kept)
		slots *= 2;
	return slots;
}

struct changes *changes_new(size_t kept)
{
	struct changes *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->kept = MIN(kept, (size_t)CHANGES_KEPT_MAX);
	c->slots = slots_for(c->kept);
	c->slot = aligned_alloc(sizeof(*c->slot), c->slots * sizeof(*c->slot));
	atomic_init(&c->listener, -1);
	if (!c->slot) {
		free(c);
		return NULL;
	}
	memset((void *)c->slot, 0, c->slots * sizeof(*c->slot)); /* no change waits for a page */
	return c;
}

void changes_free(struct changes *c)
{
	if (!c)
		return;
	free(c->slot);
	free(c);
}

/* --- adding --- */

static struct change_slot *slot_at(const struct changes *c, uint64_t position)
{
	return &c->slot[position & (c->slots - 1)];
}

static void ring(struct changes *c, int listener)
{
	if (!atomic_exchange(&c->rung, true))
		(void)eventfd_write(listener, 1);
}

void changes_add(struct changes *c, const struct change *change)
{
	uint64_t position = atomic_load_explicit(&c->end, memory_order_relaxed), words[WORDS];
	struct change_slot *slot = slot_at(c, position);
	int listener;

	memcpy(words, change, sizeof(words));
	atomic_store_explicit(&slot->turn, 2 * position + 1, memory_order_relaxed);
	for (size_t i = 0; i < WORDS; i++)
		atomic_store_explicit(&slot->words[i], words[i], memory_order_release);
	atomic_store_explicit(&slot->turn, 2 * position + 2, memory_order_release);
	atomic_store_explicit(&c->end, position + 1, memory_order_release);
	listener = atomic_load(&c->listener);
	if (listener >= 0)
		ring(c, listener);
}

/* --- reading --- */

uint64_t changes_end(const struct changes *c)
{
	return atomic_load_explicit(&c->end, memory_order_acquire);
}

uint64_t changes_begin(const struct changes *c)
{
	uint64_t end = changes_end(c);

	return end > c->kept ? end - c->kept : 0;
}

size_t changes_kept(const struct changes *c)
{
	return c->kept;
}

/* False: it was overwritten, before or meanwhile. */
static bool copy(const struct changes *c, uint64_t position, struct change *out)
{
	struct change_slot *slot = slot_at(c, position);
	uint64_t complete = 2 * position + 2, words[WORDS];

	if (atomic_load_explicit(&slot->turn, memory_order_acquire) != complete)
		return false;
	for (size_t i = 0; i < WORDS; i++)
		words[i] = atomic_load_explicit(&slot->words[i], memory_order_acquire);
	if (atomic_load_explicit(&slot->turn, memory_order_relaxed) != complete)
		return false;
	memcpy(out, words, sizeof(*out));
	return true;
}

/* Where reading goes on once *next was overwritten: the oldest that is whole. At least one was lost. */
static void skip(const struct changes *c, uint64_t *next, uint64_t *lost)
{
	uint64_t end = changes_end(c), oldest = end > c->slots ? end - c->slots : 0, to = MAX(oldest, *next + 1);

	*lost += to - *next;
	*next = to;
}

size_t changes_read(const struct changes *c, uint64_t *next, struct change *out, size_t max, uint64_t *lost)
{
	size_t n = 0;

	while (n < max && *next < changes_end(c)) {
		if (!copy(c, *next, &out[n])) {
			skip(c, next, lost);
			continue;
		}
		++*next;
		n++;
	}
	return n;
}

/* --- listening --- */

void changes_listen(struct changes *c, int eventfd)
{
	atomic_store(&c->rung, false);
	atomic_store(&c->listener, eventfd);
}

/* What is added from now on rings again; what was added before is seen by a reader after this. */
void changes_heard(struct changes *c)
{
	(void)atomic_exchange(&c->rung, false);
}
