/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that is taken in many small pieces and given back all at once. Not thread-safe. */
#ifndef PORTSYNCD_ARENA_H
#define PORTSYNCD_ARENA_H

#include <stddef.h>

struct chunk;

struct arena {
	struct chunk *first, *current; /* chunks behind current are spare */
	size_t total;                  /* bytes taken since the last reset */
};

/* 0 or -ENOMEM. What was zeroed may be passed to arena_done() without. */
int arena_init(struct arena *a);
void arena_done(struct arena *a);
/* Aligned for any type, not zeroed; NULL without memory. Valid until the next reset. */
void *arena_take(struct arena *a, size_t size);
/* Takes all back. A part of the memory is kept for what comes, so that steady work asks for none. */
void arena_reset(struct arena *a);
/* Overwrites everything that was taken or may still be taken: it held a secret. */
void arena_wipe(struct arena *a);

#endif
