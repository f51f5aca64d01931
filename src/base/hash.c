/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int hash_init(struct hash *h, size_t size)
{
	size_t rounded = 16;

	while (rounded < size)
		rounded *= 2;
	*h = (struct hash){.buckets = calloc(rounded, sizeof(*h->buckets)), .size = rounded};
	return h->buckets ? 0 : -ENOMEM;
}

void hash_done(struct hash *h)
{
	free(h->buckets);
	*h = (struct hash){0};
}

static struct hash_node **bucket(const struct hash *h, uint32_t key)
{
	return &h->buckets[key & (h->size - 1)];
}

static void link_in(struct hash *h, struct hash_node *node)
{
	struct hash_node **head = bucket(h, node->key);

	node->next = *head;
	*head = node;
}

static void grow(struct hash *h)
{
	struct hash bigger = {.size = h->size * 2, .count = h->count};

	bigger.buckets = calloc(bigger.size, sizeof(*bigger.buckets));
	if (!bigger.buckets)
		return;
	for (size_t i = 0; i < h->size; i++) {
		for (struct hash_node *node = h->buckets[i], *next; node; node = next) {
			next = node->next;
			link_in(&bigger, node);
		}
	}
	free(h->buckets);
	*h = bigger;
}

void hash_add(struct hash *h, struct hash_node *node, uint32_t key)
{
	if (h->count >= h->size)
		grow(h);
	node->key = key;
	link_in(h, node);
	h->count++;
}

void hash_del(struct hash *h, struct hash_node *node)
{
	struct hash_node **at = bucket(h, node->key);

	while (*at && *at != node)
		at = &(*at)->next;
	if (!*at)
		return;
	*at = node->next;
	h->count--;
}

void hash_clear(struct hash *h)
{
	memset(h->buckets, 0, h->size * sizeof(*h->buckets));
	h->count = 0;
}

struct hash_node *hash_first(const struct hash *h, uint32_t key)
{
	struct hash_node *node = *bucket(h, key);

	while (node && node->key != key)
		node = node->next;
	return node;
}

struct hash_node *hash_next(const struct hash_node *node)
{
	uint32_t key = node->key;

	for (node = node->next; node; node = node->next)
		if (node->key == key)
			return (struct hash_node *)node;
	return NULL;
}

uint32_t hash_bytes(const void *bytes, size_t len)
{
	const unsigned char *at = bytes;
	uint32_t value = UINT32_C(2166136261);

	for (size_t i = 0; i < len; i++)
		value = (value ^ at[i]) * UINT32_C(16777619);
	return value;
}
