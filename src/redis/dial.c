/* SPDX-License-Identifier: Apache-2.0 */
#include "redis/dial.h"

#include <errno.h>

#include "base/util.h"
#include "redis/sockopt.h"

int dial(const struct endpoint_address *address)
{
	int family = address->storage.ss_family;
	int fd cleanup(close_fd) = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), connected;

	if (fd < 0)
		return -errno;
	sockopt_apply(fd, family);
	if (connect(fd, (const struct sockaddr *)&address->storage, address->len) < 0 && errno != EINPROGRESS &&
	    errno != EINTR)
		return -errno;
	connected = fd;
	fd = -1;
	return connected;
}
