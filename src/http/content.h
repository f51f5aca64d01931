/* SPDX-License-Identifier: Apache-2.0 */
/* The target of a request, what its client accepts (RFC 9110, 12.4.2), and gzip. No I/O. */
#ifndef PORTSYNCD_HTTP_CONTENT_H
#define PORTSYNCD_HTTP_CONTENT_H

#include <stdbool.h>
#include <stddef.h>

/* The path of a target without a query. A server must accept "http://switch:10187/metrics" as well as "/metrics" (RFC
 * 9112, 3.2.2). */
const char *http_target_path(const char *target);

/* The weight of one list element, which ends before the comma at end: thousandths, 1000 if it has none. */
unsigned http_weight(const char *at, const char *end);

/* True if the header Accept-Encoding (NULL if the request has none) ranks gzip no lower than no coding. */
bool http_wants_gzip(const char *accept_encoding);

/* True if the header Accept (NULL if the request has none) names text/html, as browsers do and curl does not. */
bool http_wants_html(const char *accept);

/*
 * The bytes as a gzip file (RFC 1952), malloc'ed, *ret_len long; equal input gives equal output. NULL if it would not
 * be smaller or memory ran out. Needs about 270 KiB besides the result, and milliseconds for a large page: never call
 * it in the loop's thread.
 */
char *gzip_bytes(const char *bytes, size_t len, size_t *ret_len);

#endif
