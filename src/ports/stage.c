/* SPDX-License-Identifier: Apache-2.0 */
#include "ports/stage.h"

#include <stdlib.h>

#include "base/util.h"

#define CHUNK_ITEMS 64

struct stage_chunk {
	struct stage_chunk *next;
	struct staged items[CHUNK_ITEMS];
};

int stage_init(struct stage *s)
{
	*s = (struct stage){0};
	return hash_init(&s->by_ifindex, 1024);
}

void stage_done(struct stage *s)
{
	for (struct stage_chunk *chunk = s->chunks, *next; chunk; chunk = next) {
		next = chunk->next;
		free(chunk);
	}
	hash_done(&s->by_ifindex);
	*s = (struct stage){0};
}

void stage_clear(struct stage *s)
{
	hash_clear(&s->by_ifindex);
	s->current = s->chunks;
	s->used = 0;
	s->incomplete = false;
}

static struct stage_chunk *add_chunk(struct stage *s)
{
	struct stage_chunk *chunk = calloc(1, sizeof(*chunk));

	if (!chunk)
		return NULL;
	if (s->current)
		s->current->next = chunk;
	else
		s->chunks = chunk;
	return chunk;
}

static struct staged *new_item(struct stage *s)
{
	struct stage_chunk *chunk = s->current;

	if (!chunk || s->used == CHUNK_ITEMS) {
		chunk = chunk && chunk->next ? chunk->next : add_chunk(s);
		if (!chunk)
			return NULL;
		s->current = chunk;
		s->used = 0;
	}
	return &chunk->items[s->used++];
}

const struct staged *stage_find(const struct stage *s, int ifindex)
{
	struct hash_node *node = hash_first(&s->by_ifindex, hash_int((uint32_t)ifindex));

	for (; node; node = hash_next(node)) {
		struct staged *item = container_of(node, struct staged, node);

		if (item->ifindex == ifindex)
			return item;
	}
	return NULL;
}

static struct staged *find_or_add(struct stage *s, int ifindex)
{
	struct staged *item = (struct staged *)stage_find(s, ifindex);

	if (item)
		return item;
	item = new_item(s);
	if (!item) {
		s->incomplete = true;
		return NULL;
	}
	item->ifindex = ifindex;
	item->has_event = item->has_row = false;
	hash_add(&s->by_ifindex, &item->node, hash_int((uint32_t)ifindex));
	return item;
}

void stage_add_event(struct stage *s, int ifindex)
{
	struct staged *item = find_or_add(s, ifindex);

	if (item)
		item->has_event = true;
}

void stage_add_row(struct stage *s, const struct link_msg *row)
{
	struct staged *item = find_or_add(s, row->ifindex);

	if (!item)
		return;
	item->has_row = true;
	item->row = *row;
}

void stage_each_row(const struct stage *s, void (*fn)(const struct link_msg *row, void *user), void *user)
{
	for (const struct stage_chunk *chunk = s->chunks; chunk && s->current; chunk = chunk->next) {
		size_t n = chunk == s->current ? s->used : CHUNK_ITEMS;

		for (size_t i = 0; i < n; i++)
			if (chunk->items[i].has_row && !chunk->items[i].has_event)
				fn(&chunk->items[i].row, user);
		if (chunk == s->current)
			return;
	}
}
