/* SPDX-License-Identifier: Apache-2.0 */
/* Covers: src/kernel/linkmsg.c */
/* The input is one datagram, whose messages are all parsed, as in kernel/watch. */
#include <libmnl/libmnl.h>
#include <string.h>

#include "kernel/linkmsg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct link_msg *msg)
{
	if (msg->ifindex <= 0 || !memchr(msg->name, 0, sizeof(msg->name)) || !memchr(msg->kind, 0, sizeof(msg->kind)))
		__builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct nlmsghdr *nlh = (const void *)data; /* libFuzzer's copy comes from malloc: aligned */
	int left = (int)size;

	while (mnl_nlmsg_ok(nlh, left) && nlh->nlmsg_len <= (unsigned)left) {
		struct link_msg msg;

		if (linkmsg_parse(nlh, &msg) == 0)
			check(&msg);
		nlh = mnl_nlmsg_next(nlh, &left);
	}
	return 0;
}
