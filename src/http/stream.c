/* SPDX-License-Identifier: Apache-2.0 */
#include "http/stream.h"

#include <string.h>

#include "base/util.h"

#define BLOCK_BYTES 4096

/* The source has nothing to say: until it has, MHD leaves the connection alone. */
static ssize_t pause_stream(struct stream *s)
{
	if (s->last)
		return MHD_CONTENT_READER_END_OF_STREAM;
	s->suspended = true;
	MHD_suspend_connection(s->connection);
	return 0;
}

static void ask_source(struct stream *s)
{
	s->pending.len = s->given = 0;
	s->due_usec = s->source.more(&s->pending, s->source.user);
	s->last = s->due_usec == HTTP_STREAM_ENDS;
}

static ssize_t give(struct stream *s, char *out, size_t max)
{
	size_t len = MIN(s->pending.len - s->given, max);

	memcpy(out, s->pending.data + s->given, len);
	s->given += len;
	s->progress->made++;
	return (ssize_t)len;
}

static ssize_t on_read(void *user, uint64_t at, char *out, size_t max)
{
	struct stream *s = user;

	(void)at;
	s->moved_usec = now_usec();
	if (s->dropped)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	if (s->given == s->pending.len && !s->last)
		ask_source(s);
	if (s->pending.failed)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	return s->given < s->pending.len ? give(s, out, max) : pause_stream(s);
}

static void on_free(void *user)
{
	struct stream *s = user;

	if (s->owner)
		*s->owner = NULL;
	(void)atomic_fetch_sub_explicit(s->open, 1, memory_order_relaxed);
	s->source.end(s->source.user);
	free(s->pending.data);
	free(s);
}

struct MHD_Response *stream_new(const struct http_source *source, struct MHD_Connection *connection,
				struct stream **owner, struct http_progress *progress, _Atomic uint64_t *open)
{
	struct stream *s = calloc(1, sizeof(*s));
	struct MHD_Response *response =
		s ? MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_BYTES, on_read, s, on_free) : NULL;

	if (!response) {
		source->end(source->user);
		free(s);
		return NULL;
	}
	*s = (struct stream){.owner = owner,
			     .connection = connection,
			     .source = *source,
			     .progress = progress,
			     .open = open,
			     .moved_usec = now_usec()};
	(void)atomic_fetch_add_explicit(open, 1, memory_order_relaxed);
	*owner = s;
	return response;
}

void stream_disown(struct stream *s)
{
	if (!s)
		return;
	*s->owner = NULL;
	s->owner = NULL;
}

void stream_resume(struct stream *s)
{
	if (!s->suspended)
		return;
	s->suspended = false;
	MHD_resume_connection(s->connection);
}

void stream_drop(struct stream *s)
{
	s->dropped = true;
	stream_resume(s);
}

uint64_t stream_deadline(const struct stream *s, uint64_t timeout_usec)
{
	return s->suspended ? s->due_usec : s->moved_usec + timeout_usec;
}
