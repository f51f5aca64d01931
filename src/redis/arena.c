/* SPDX-License-Identifier: Apache-2.0 */
#include "redis/arena.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

#define CHUNK_BYTES (16U << 10)
#define KEEP_BYTES (256U << 10)

struct chunk {
	struct chunk *next;
	size_t size, used;
	_Alignas(max_align_t) char data[];
};

static struct chunk *chunk_new(size_t size, struct chunk *next)
{
	struct chunk *chunk = malloc(sizeof(*chunk) + size);

	if (!chunk)
		return NULL;
	chunk->next = next;
	chunk->size = size;
	chunk->used = 0;
	return chunk;
}

int arena_init(struct arena *a)
{
	a->first = a->current = chunk_new(CHUNK_BYTES, NULL);
	a->total = 0;
	return a->first ? 0 : -ENOMEM;
}

void arena_done(struct arena *a)
{
	for (struct chunk *chunk = a->first, *next; chunk; chunk = next) {
		next = chunk->next;
		free(chunk);
	}
}

static bool advance(struct arena *a, size_t size)
{
	struct chunk *next = a->current->next;

	if (!next || next->size < size) {
		next = chunk_new(MAX(size, CHUNK_BYTES), next);
		if (!next)
			return false;
		a->current->next = next;
	}
	next->used = 0;
	a->current = next;
	return true;
}

void *arena_take(struct arena *a, size_t size)
{
	void *taken;

	size = (size + _Alignof(max_align_t) - 1) & ~(_Alignof(max_align_t) - 1);
	if (a->current->size - a->current->used < size && !advance(a, size))
		return NULL;
	taken = a->current->data + a->current->used;
	a->current->used += size;
	a->total += size;
	return taken;
}

void arena_reset(struct arena *a)
{
	size_t kept = a->first->size;

	a->first->used = 0;
	a->total = 0;
	if (a->current == a->first)
		return;
	a->current = a->first;
	for (struct chunk **at = &a->first->next, *chunk; (chunk = *at);) {
		if (kept + chunk->size <= KEEP_BYTES) {
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
	for (struct chunk *chunk = a->first; chunk; chunk = chunk->next)
		explicit_bzero(chunk->data, chunk->size);
}
