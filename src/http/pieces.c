/* SPDX-License-Identifier: Apache-2.0 */
#include "http/pieces.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "base/util.h"

struct pieces {
	char *bytes;
	size_t len;
	void (*taken)(void *user);
	void *user;
};

static void pieces_free(void *user)
{
	struct pieces *p = user;

	free(p->bytes);
	free(p);
}

static ssize_t on_read(void *user, uint64_t at, char *out, size_t max)
{
	const struct pieces *p = user;
	size_t len;

	if (at >= p->len)
		return MHD_CONTENT_READER_END_OF_STREAM;
	len = MIN(p->len - (size_t)at, max);
	memcpy(out, p->bytes + at, len);
	p->taken(p->user);
	return (ssize_t)len;
}

struct MHD_Response *pieces_response(char *bytes, size_t len, void (*taken)(void *user), void *user)
{
	struct pieces *p = malloc(sizeof(*p));
	struct MHD_Response *response;

	if (!p) {
		free(bytes);
		return NULL;
	}
	*p = (struct pieces){bytes, len, taken, user};
	response = MHD_create_response_from_callback(len, MIN(len, PIECE_BYTES), on_read, p, pieces_free);
	if (!response)
		pieces_free(p);
	return response;
}
