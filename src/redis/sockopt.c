/* SPDX-License-Identifier: Apache-2.0 */
#include "redis/sockopt.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <sys/socket.h>

#include "base/util.h"

struct option {
	int level, name, value;
};

static void set_options(int fd, const struct option *options, size_t n)
{
	for (size_t i = 0; i < n; i++)
		(void)setsockopt(fd, options[i].level, options[i].name, &options[i].value, sizeof(options[i].value));
}

void sockopt_apply(int fd, int family)
{
	/* What waits in a Unix socket is on the sender's account: there is no buffer for receiving. */
	static const struct option any[] = {{SOL_SOCKET, SO_SNDBUF, SOCKOPT_BUFFER_BYTES}};
	/*
	 * A size that was set ends TCP's own tuning, which begins small; but the first batch after a quiet time is the
	 * one that somebody waits for. The subscriptions send nothing: without keepalive they would never hear that
	 * the other end is gone.
	 */
	static const struct option tcp[] = {
		{SOL_SOCKET, SO_RCVBUF, SOCKOPT_BUFFER_BYTES},
		{IPPROTO_TCP, TCP_NODELAY, 1},
		{SOL_SOCKET, SO_KEEPALIVE, 1},
		{IPPROTO_TCP, TCP_KEEPIDLE, SOCKOPT_KEEPIDLE_SECS},
		{IPPROTO_TCP, TCP_KEEPINTVL, SOCKOPT_KEEPINTVL_SECS},
		{IPPROTO_TCP, TCP_KEEPCNT, SOCKOPT_KEEPCNT},
	};

	/*
	 * What Redis has not acknowledged when we close, for whatever reason, dies with the connection. Else the kernel
	 * would go on sending it by itself, for minutes, and an old row could come behind the one that a later
	 * connection read back.
	 */
	static const struct linger at_once = {.l_onoff = 1};

	set_options(fd, any, ARRAY_SIZE(any));
	if (family == AF_UNIX)
		return;
	set_options(fd, tcp, ARRAY_SIZE(tcp));
	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
}
