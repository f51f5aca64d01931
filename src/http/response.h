/* SPDX-License-Identifier: Apache-2.0 */
/* An answer as libmicrohttpd takes it. For http.c alone. */
#ifndef PORTSYNCD_HTTP_RESPONSE_H
#define PORTSYNCD_HTTP_RESPONSE_H

#include "http/server.h"

struct MHD_Response;

/* With the headers of every answer, and its own; takes over the body. allow: that header, or NULL. NULL: no memory. */
struct MHD_Response *http_response(struct http_answer *answer, const char *allow);

#endif
