/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/reply.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <string.h>

#define ERRNO_MAX 4095 /* of the kernel: MAX_ERRNO in linux/err.h */

struct reply_reading {
	struct reply *reply;
	const struct reply_ops *ops;
	void *user;
};

int reply_error(const struct nlmsghdr *nlh)
{
	int error;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(error))
		return -EBADMSG;
	memcpy(&error, mnl_nlmsg_get_payload(nlh), sizeof(error));
	return error > 0 || error < -ERRNO_MAX ? -EBADMSG : error;
}

static int read_row(const struct reply_reading *r, const struct nlmsghdr *nlh)
{
	struct link_msg msg;
	int result;

	if (nlh->nlmsg_type != RTM_NEWLINK)
		return 0;
	result = linkmsg_parse(nlh, &msg);
	if (result < 0)
		return result;
	if (r->ops->wanted(r->user))
		r->ops->row(&msg, r->user);
	return 0;
}

static int read_message(const struct nlmsghdr *nlh, void *user)
{
	const struct reply_reading *r = user;
	int error;

	if (nlh->nlmsg_seq != r->reply->seq)
		return 0;
	if (nlh->nlmsg_flags & NLM_F_DUMP_INTR) {
		r->reply->interrupted = true;
		if (!r->reply->takes_interrupted)
			return -EINTR;
	}
	switch (nlh->nlmsg_type) {
	case NLMSG_ERROR:
		return reply_error(nlh);
	case NLMSG_DONE:
		error = mnl_nlmsg_get_payload_len(nlh) ? reply_error(nlh) : 0;
		return error < 0 ? error : 1;
	case NLMSG_OVERRUN:
		return -ENOBUFS;
	default:
		return read_row(r, nlh);
	}
}

int reply_read(struct reply *reply, const struct nlsock_batch *batch, const struct reply_ops *ops, void *user)
{
	struct reply_reading reading = {.reply = reply, .ops = ops, .user = user};

	for (size_t i = 0; i < batch->n; i++) {
		int r = linkmsg_walk(batch->datagram[i].data, batch->datagram[i].len, read_message, &reading);

		if (r == -EBADMSG)
			reply->malformed++;
		if (r != 0)
			return r;
	}
	switch (batch->outcome) {
	case NLSOCK_OVERRUN:
		return -ENOBUFS;
	case NLSOCK_TRUNCATED:
		return -EMSGSIZE;
	case NLSOCK_ERROR:
		return batch->error;
	default:
		return 0;
	}
}
