/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One stream, between its source (http/server.h) and libmicrohttpd, which suspends its connection while the source has
 * nothing to say. All in the HTTP thread.
 */
#ifndef PORTSYNCD_HTTP_STREAM_H
#define PORTSYNCD_HTTP_STREAM_H

#include <microhttpd.h>

#include "base/text.h"
#include "http/progress.h"
#include "http/server.h"

struct stream {
	struct stream **owner; /* is set to NULL when the stream is gone; NULL: nobody asks */
	struct MHD_Connection *connection;
	struct http_source source;
	struct http_progress *progress;
	_Atomic uint64_t *open; /* counts the streams */
	struct text pending;
	size_t given;        /* of pending, to libmicrohttpd */
	uint64_t moved_usec; /* when libmicrohttpd last asked: what it had before is in the socket */
	uint64_t due_usec;   /* when to ask the source again, while suspended */
	bool suspended, last, dropped;
};

/*
 * Its response, which owns the stream; *owner points to it for as long as it is there. Takes over the source, whose
 * end() is called in any case. NULL without memory.
 */
struct MHD_Response *stream_new(const struct http_source *source, struct MHD_Connection *connection,
				struct stream **owner, struct http_progress *progress, _Atomic uint64_t *open);
/* The owner is not interested any more. NULL is fine. */
void stream_disown(struct stream *s);
/* The source is asked again in the next run of libmicrohttpd. */
void stream_resume(struct stream *s);
/* The connection closes in the next run of libmicrohttpd. */
void stream_drop(struct stream *s);
/* CLOCK_MONOTONIC us: when to resume it, or, if the client does not read, to drop it. */
uint64_t stream_deadline(const struct stream *s, uint64_t timeout_usec);

#endif
