/* SPDX-License-Identifier: Apache-2.0 */
/* Listening sockets, non-blocking and closed on exec. */
#ifndef PORTSYNCD_HTTP_LISTEN_H
#define PORTSYNCD_HTTP_LISTEN_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/address.h"

/*
 * Listens even on an address that the machine does not have yet (IP_FREEBIND, ip(7)): at boot we may come first.
 * Loopback addresses must exist. A descriptor or a negative errno.
 */
int http_listen_tcp(const struct address *address);
/* True if listening failed with this error because the machine lacks IPv6; [::1] beside 127.0.0.1 is then not missed.
 */
bool http_listen_lacks_ipv6(const struct address *address, int error);

/* Identifies the file of a Unix socket. */
struct http_socket_file {
	dev_t dev;
	ino_t ino;
};

/*
 * Makes the socket, mode 0660, and its folder, mode 0755, if it is missing. Replaces a socket that nobody listens on.
 * A descriptor or a negative errno: -EADDRINUSE if somebody listens there, -EEXIST if it is another kind of file.
 */
int http_listen_unix(const char *path, struct http_socket_file *file);

/* Removes it unless it is another file by now. */
void http_unlisten_unix(const char *path, const struct http_socket_file *file);

#endif
