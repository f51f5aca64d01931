/* SPDX-License-Identifier: Apache-2.0 */
/* The target of a request, what its client accepts (RFC 9110, 12.4.2), and gzip. No I/O. */
#ifndef PORTSYNCD_HTTP_CONTENT_H
#define PORTSYNCD_HTTP_CONTENT_H

#include <stdbool.h>
#include <stddef.h>

/* The path of a target, whose query is cut off already: "/metrics" of "http://switch:9090/metrics" too, which servers
 * must accept (RFC 9112, 3.2.2). */
const char *http_target_path(const char *target);

/* Of one element of a list, up to its end (the comma): the weight among its parameters in thousandths, 1000 without. */
unsigned http_weight(const char *at, const char *end);

/* True when a header Accept-Encoding prefers gzip to no coding, or takes both alike. NULL: there is none. */
bool http_wants_gzip(const char *accept_encoding);

/*
 * The bytes as a gzip file (RFC 1952) of the same content for the same bytes: malloc'ed, *ret_len of them. NULL: it
 * would not be smaller, or there was no memory. Takes some 270 KiB besides the result, and
 * milliseconds for a large page: not in the loop's thread.
 */
char *gzip_bytes(const char *bytes, size_t len, size_t *ret_len);

#endif
