/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that is taken in many small pieces and given back all at once. For one thread. */
#ifndef PORTSYNCD_ARENA_H
#define PORTSYNCD_ARENA_H

#include <stdbool.h>
#include <stddef.h>

struct arena_chunk;

struct arena {
	struct arena_chunk *first, *current; /* chunks after current are spare */
	size_t chunk_bytes, keep_bytes;
	size_t total;  /* bytes taken since the last reset */
	size_t chunks; /* ever allocated */
};

/* What a piece of this size takes of a chunk. */
#define ARENA_BYTES(size) (((size) + _Alignof(max_align_t) - 1) & ~(_Alignof(max_align_t) - 1))

/* Grows by chunks of chunk_bytes, from the first piece on; a reset keeps keep_bytes. */
void arena_init(struct arena *a, size_t chunk_bytes, size_t keep_bytes);
/* Frees all chunks. A zeroed arena is fine. */
void arena_done(struct arena *a);
/* Allocates so much at once, which is not touched before it is taken. Call it before the first piece. False: no memory.
 */
bool arena_reserve(struct arena *a, size_t size);
/* Aligned for any type, not zeroed; NULL without memory. Valid until the next reset. */
void *arena_take(struct arena *a, size_t size);
/* Takes all pieces back. The memory that is kept serves later pieces, so that steady work allocates nothing. */
void arena_reset(struct arena *a);
/* Overwrites everything that was taken or may still be taken: it held a secret. */
void arena_wipe(struct arena *a);

#endif
