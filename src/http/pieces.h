/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An answer whose bytes are all there, given to libmicrohttpd in pieces: so it shows that a slow client still reads.
 * All in the HTTP thread.
 */
#ifndef PORTSYNCD_HTTP_PIECES_H
#define PORTSYNCD_HTTP_PIECES_H

#include <microhttpd.h>
#include <stddef.h>

#define PIECE_BYTES ((size_t)64 << 10)

/*
 * Its response, which takes over bytes (malloc'ed, also without memory for the response: then NULL). taken() is called
 * for each piece: the client, or its socket, has taken those before. user must outlive the request.
 */
struct MHD_Response *pieces_response(char *bytes, size_t len, void (*taken)(void *user), void *user);

#endif
