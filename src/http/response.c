/* SPDX-License-Identifier: Apache-2.0 */
#include "http/response.h"

#include <microhttpd.h>
#include <stdlib.h>

static bool add_headers(struct MHD_Response *response, const struct http_answer *answer, const char *allow)
{
	return MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store") == MHD_YES &&
	       MHD_add_response_header(response, "X-Content-Type-Options", "nosniff") == MHD_YES &&
	       MHD_add_response_header(response, MHD_HTTP_HEADER_VARY, "Accept, Accept-Encoding") == MHD_YES &&
	       (!answer->content_type ||
		MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, answer->content_type) == MHD_YES) &&
	       (!answer->encoding ||
		MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_ENCODING, answer->encoding) == MHD_YES) &&
	       (!allow || MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, allow) == MHD_YES);
}

struct MHD_Response *http_response(struct http_answer *answer, const char *allow)
{
	struct MHD_Response *response =
		MHD_create_response_from_buffer(answer->len, answer->body, MHD_RESPMEM_MUST_FREE);

	if (!response) {
		free(answer->body);
		return NULL;
	}
	if (add_headers(response, answer, allow))
		return response;
	MHD_destroy_response(response);
	return NULL;
}
