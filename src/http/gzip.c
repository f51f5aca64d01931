/* SPDX-License-Identifier: Apache-2.0 */
#include "http/gzip.h"

#include <limits.h>
#include <stdlib.h>
#include <zlib.h>

#define WINDOW_BITS (15 + 16) /* + 16: a gzip header, without a time or name */
#define MEMORY_LEVEL 8
#define LEAST_BYTES 512

char *gzip_bytes(const char *bytes, size_t len, size_t *ret_len)
{
	z_stream z = {.next_in = (Bytef *)(void *)(char *)bytes, .avail_in = (uInt)len};
	char *out;
	int r;

	if (len < LEAST_BYTES || len > INT_MAX)
		return NULL;
	if (deflateInit2(&z, Z_BEST_SPEED, Z_DEFLATED, WINDOW_BITS, MEMORY_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK)
		return NULL;
	/* What does not fit is not worth it. */
	out = malloc(len);
	z.next_out = (Bytef *)(void *)out;
	z.avail_out = (uInt)len;
	r = out ? deflate(&z, Z_FINISH) : Z_MEM_ERROR;
	*ret_len = z.total_out;
	(void)deflateEnd(&z);
	if (r != Z_STREAM_END) {
		free(out);
		return NULL;
	}
	return out;
}
