/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A secret for as long as it is needed: pages of their own that no core dump has (madvise(2), MADV_DONTDUMP), no child
 * inherits (MADV_WIPEONFORK) and, as far as RLIMIT_MEMLOCK lets us, no swap gets.
 */
#ifndef PORTSYNCD_SECRET_H
#define PORTSYNCD_SECRET_H

#include <stddef.h>

/* text is NULL for none, else NUL-terminated. For locals: struct secret s cleanup(secret_wipe) = {0}; */
struct secret {
	char *text;
	size_t len, room; /* bytes; the NUL has one more */
};

/* An empty one with room for so many bytes. 0 or -ENOMEM. */
int secret_new(struct secret *s, size_t room);
/* Overwrites it and gives the memory back. */
void secret_wipe(struct secret *s);

#endif
