/* SPDX-License-Identifier: Apache-2.0 */
/* Listening sockets, non-blocking and closed on exec. */
#ifndef PORTSYNCD_HTTP_LISTEN_H
#define PORTSYNCD_HTTP_LISTEN_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/address.h"

/*
 * An address that the machine does not have yet is listened on all the same (IP_FREEBIND, ip(7)): at boot we may be
 * there before it. Loopback addresses must be there. A descriptor or a negative errno.
 */
int http_listen_tcp(const struct address *address);
/* That it failed with this because there is no IPv6: beside 127.0.0.1, as in the default, nobody can miss [::1] then.
 */
bool http_listen_lacks_ipv6(const struct address *address, int error);

/* Which file a Unix socket is. */
struct http_socket_file {
	dev_t dev;
	ino_t ino;
};

/*
 * Makes the socket, mode 0660, and its folder, mode 0755, when that is missing. A socket that nobody listens on any
 * more is replaced. A descriptor or a negative errno: -EADDRINUSE somebody listens there, -EEXIST it is another kind of
 * file.
 */
int http_listen_unix(const char *path, struct http_socket_file *file);

/* Removes it, unless somebody has put another file there. */
void http_unlisten_unix(const char *path, const struct http_socket_file *file);

#endif
