/* SPDX-License-Identifier: Apache-2.0 */
/* Answers that are made smaller for the way. Not for the loop's thread: a large page takes milliseconds. */
#ifndef PORTSYNCD_HTTP_GZIP_H
#define PORTSYNCD_HTTP_GZIP_H

#include <stdbool.h>
#include <stddef.h>

/*
 * The bytes as a gzip file (RFC 1952) of the same content for the same bytes: malloc'ed, *ret_len of them. NULL: it
 * would not be smaller, or there was no memory. Beside the result it takes some 270 KiB for a moment.
 */
char *gzip_bytes(const char *bytes, size_t len, size_t *ret_len);

#endif
