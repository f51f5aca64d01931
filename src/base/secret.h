/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A secret in pages of its own: left out of core dumps (madvise(2), MADV_DONTDUMP), wiped in children
 * (MADV_WIPEONFORK), and locked out of swap as far as RLIMIT_MEMLOCK allows.
 */
#ifndef PORTSYNCD_SECRET_H
#define PORTSYNCD_SECRET_H

#include <stddef.h>

/* text is NULL or NUL-terminated. For locals: struct secret s cleanup(secret_wipe) = {0}; */
struct secret {
	char *text;
	size_t len, capacity; /* bytes, without the NUL */
};

/* Makes an empty secret with that capacity. 0 or -ENOMEM. */
int secret_new(struct secret *s, size_t capacity);
/* Overwrites it and gives the memory back. */
void secret_wipe(struct secret *s);

#endif
