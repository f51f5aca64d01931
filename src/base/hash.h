/* SPDX-License-Identifier: Apache-2.0 */
/* An intrusive chained hash table: it owns its buckets, never the entries. */
#ifndef PORTSYNCD_HASH_H
#define PORTSYNCD_HASH_H

#include <stddef.h>
#include <stdint.h>

struct hash_node {
	struct hash_node *next;
	uint32_t key; /* the hashed key; equal keys still need a compare by the caller */
};

struct hash {
	struct hash_node **buckets;
	size_t size; /* a power of two */
	size_t count;
};

/* 0 or -ENOMEM. size is rounded up to a power of two. */
int hash_init(struct hash *h, size_t size);
void hash_done(struct hash *h);

/* Never fails: a table that cannot grow only gets slower. Does not look for duplicates. */
void hash_add(struct hash *h, struct hash_node *node, uint32_t key);
void hash_del(struct hash *h, struct hash_node *node);
/* Forgets all entries, keeps the buckets. */
void hash_clear(struct hash *h);

/* The first node with that hashed key, then the next ones; NULL at the end. */
struct hash_node *hash_first(const struct hash *h, uint32_t key);
struct hash_node *hash_next(const struct hash_node *node);

uint32_t hash_bytes(const void *bytes, size_t len); /* FNV-1a */
/* Interface indexes are dense: as they are, they fill the buckets evenly and neighbours share a cache line. */
static inline uint32_t hash_int(uint32_t value)
{
	return value;
}

#endif
