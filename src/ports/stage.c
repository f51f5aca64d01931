/* SPDX-License-Identifier: Apache-2.0 */
#include "ports/stage.h"

#include "base/util.h"

#define CHUNK_ITEMS 64

int stage_init(struct stage *s)
{
	*s = (struct stage){0};
	arena_init(&s->memory, CHUNK_ITEMS * ARENA_BYTES(sizeof(struct staged)), SIZE_MAX);
	s->end = &s->first;
	return hash_init(&s->by_ifindex, 1024);
}

void stage_done(struct stage *s)
{
	arena_done(&s->memory);
	hash_done(&s->by_ifindex);
	*s = (struct stage){0};
}

void stage_clear(struct stage *s)
{
	hash_clear(&s->by_ifindex);
	arena_reset(&s->memory);
	s->first = NULL;
	s->end = &s->first;
	s->incomplete = false;
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
	item = arena_take(&s->memory, sizeof(*item));
	if (!item) {
		s->incomplete = true;
		return NULL;
	}
	*item = (struct staged){.ifindex = ifindex};
	*s->end = item;
	s->end = &item->next;
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
	for (const struct staged *item = s->first; item; item = item->next)
		if (item->has_row && !item->has_event)
			fn(&item->row, user);
}
