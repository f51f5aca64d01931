/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the kernel's reply to a request for links, message by message. No I/O: the caller passes batches. */
#ifndef PORTSYNCD_REPLY_H
#define PORTSYNCD_REPLY_H

#include <linux/netlink.h>
#include <stdbool.h>
#include <stdint.h>

#include "kernel/linkmsg.h"
#include "kernel/nlsock.h"

struct reply_ops {
	void (*row)(const struct link_msg *row, void *user);
	/* False: the caller wants no more rows, and may be gone. */
	bool (*wanted)(const void *user);
};

/* The reply to one dump of all links. */
struct reply {
	uint32_t seq;           /* messages with another number are not part of it */
	bool takes_interrupted; /* read on after NLM_F_DUMP_INTR: the rows are good, but some may be missing */
	bool interrupted;
	uint64_t malformed;
};

/*
 * Gives the rows of a batch to ops->row. 0: the dump goes on; 1: it is complete; -EINTR: it was interrupted by a
 * change, and that is not taken; -EBADMSG: a message is malformed; another negative errno: the kernel's, or the
 * socket's.
 */
int reply_read(struct reply *reply, const struct nlsock_batch *batch, const struct reply_ops *ops, void *user);

/* The errno in NLMSG_ERROR or NLMSG_DONE: 0 or negative; -EBADMSG for any other number. */
int reply_error(const struct nlmsghdr *nlh);

#endif
