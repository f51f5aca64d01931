/* SPDX-License-Identifier: Apache-2.0 */
/* What a request asks for: its target, and the weights of what it accepts (RFC 9110, 12.4.2). Pure. */
#ifndef PORTSYNCD_HTTP_ACCEPT_H
#define PORTSYNCD_HTTP_ACCEPT_H

#include <stdbool.h>

/* The path of a target, whose query is cut off already: "/metrics" of "http://switch:9090/metrics" too, which servers
 * must accept (RFC 9112, 3.2.2). */
const char *http_target_path(const char *target);

/* Of one element of a list, up to its end (the comma): the weight among its parameters in thousandths, 1000 without. */
unsigned http_weight(const char *at, const char *end);

/* True when a header Accept-Encoding prefers gzip to no coding, or takes both alike. NULL: there is none. */
bool http_wants_gzip(const char *accept_encoding);

#endif
