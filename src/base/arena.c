/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"

struct arena_chunk {
	struct arena_chunk *next;
	size_t size, used;
	_Alignas(max_align_t) char data[];
};

void arena_init(struct arena *a, size_t chunk_bytes, size_t keep_bytes)
{
	*a = (struct arena){.chunk_bytes = chunk_bytes, .keep_bytes = keep_bytes};
}

void arena_done(struct arena *a)
{
	for (struct arena_chunk *chunk = a->first, *next; chunk; chunk = next) {
		next = chunk->next;
		free(chunk);
	}
}

static bool add_chunk(struct arena *a, size_t size)
{
	struct arena_chunk **behind = a->current ? &a->current->next : &a->first;
	struct arena_chunk *chunk = malloc(sizeof(*chunk) + size);

	if (!chunk)
		return false;
	chunk->next = *behind;
	chunk->size = size;
	*behind = chunk;
	a->chunks++;
	return true;
}

/* Moves on to a chunk that has this much left. */
static bool advance(struct arena *a, size_t size)
{
	const struct arena_chunk *next = a->current ? a->current->next : a->first;

	if ((!next || next->size < size) && !add_chunk(a, MAX(size, a->chunk_bytes)))
		return false;
	a->current = a->current ? a->current->next : a->first;
	a->current->used = 0;
	return true;
}

bool arena_reserve(struct arena *a, size_t size)
{
	return size == 0 || advance(a, size);
}

void *arena_take(struct arena *a, size_t size)
{
	void *taken;

	size = ARENA_BYTES(size);
	if ((!a->current || a->current->size - a->current->used < size) && !advance(a, size))
		return NULL;
	taken = a->current->data + a->current->used;
	a->current->used += size;
	a->total += size;
	return taken;
}

void arena_reset(struct arena *a)
{
	size_t kept = 0;

	a->current = NULL;
	a->total = 0;
	for (struct arena_chunk **at = &a->first, *chunk; (chunk = *at);) {
		if (kept + chunk->size <= a->keep_bytes) {
			kept += chunk->size;
			at = &chunk->next;
		} else {
			*at = chunk->next;
			free(chunk);
		}
	}
}

void arena_wipe(struct arena *a)
{
	for (struct arena_chunk *chunk = a->first; chunk; chunk = chunk->next)
		explicit_bzero(chunk->data, chunk->size);
}
