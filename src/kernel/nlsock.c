/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/nlsock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/filter.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>

#include "base/util.h"
#include "kernel/asker.h"
#include "kernel/replay.h"

#define DUMP_POOL 8
/*
 * The kernel fills dump datagrams up to 32 KiB, but a link with hundreds of alternative names needs more, and a dump
 * socket, new for each dump, could not learn from a truncation. Pages that are never written cost nothing.
 */
#define DUMP_DATAGRAM (256U * 1024)
#define ACK_TIMEOUT_SEC 1
#define LINE 64 /* bytes of a cache line */

/* What a header of recvmmsg() points to. */
struct slot {
	struct iovec iov;
	struct sockaddr_nl sender;
};

struct nlsock {
	int fd;                       /* with an asker: the asker's */
	struct asker *asker;          /* NULL: we ask the kernel ourselves */
	struct replay_socket *replay; /* in place of the kernel's, and of all that follows; NULL: none */
	size_t rcvbuf;
	bool rcvbuf_forced;
	size_t truncated; /* length of a datagram that did not fit, or 0: the buffers grow before the next read, since
			     the last batch still points into them */
	unsigned n_buffers;
	unsigned used; /* by the last receive: of their headers the kernel has overwritten msg_namelen */
	size_t buffer_size;
	unsigned char *pool;
	struct mmsghdr *headers;
	struct slot *slots;
	struct nlsock_datagram *datagrams; /* of the last batch */
};

static int set_option(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) < 0 ? -errno : 0;
}

static void size_buffers(struct nlsock *s, const struct nlsock_options *opt)
{
	/* The kernel doubles the value, in an int. */
	int rcvbuf = (int)MIN(opt->rcvbuf, (size_t)INT32_MAX / 2),
	    sndbuf = (int)MIN(opt->sndbuf, (size_t)INT32_MAX / 2);
	int granted = 0;
	socklen_t len = sizeof(granted);

	s->rcvbuf_forced = set_option(s->fd, SOL_SOCKET, SO_RCVBUFFORCE, rcvbuf) == 0;
	if (!s->rcvbuf_forced)
		(void)set_option(s->fd, SOL_SOCKET, SO_RCVBUF, rcvbuf);
	(void)set_option(s->fd, SOL_SOCKET, SO_SNDBUF, sndbuf);
	if (getsockopt(s->fd, SOL_SOCKET, SO_RCVBUF, &granted, &len) == 0 && granted > 0)
		s->rcvbuf = (size_t)granted;
}

static int make_pool(struct nlsock *s, size_t buffer_size)
{
	void *made;
	unsigned char *pool;

	/* The recorder's copy is some 4 ns faster if no load crosses a cache line. */
	if (posix_memalign(&made, LINE, s->n_buffers * buffer_size) != 0)
		return -ENOMEM;
	pool = made;
	free(s->pool);
	s->pool = pool;
	s->buffer_size = buffer_size;
	for (unsigned i = 0; i < s->n_buffers; i++) {
		s->slots[i].iov = (struct iovec){.iov_base = pool + i * buffer_size, .iov_len = buffer_size};
		s->headers[i].msg_hdr = (struct msghdr){
			.msg_name = &s->slots[i].sender,
			.msg_namelen = sizeof(s->slots[i].sender),
			.msg_iov = &s->slots[i].iov,
			.msg_iovlen = 1,
		};
	}
	return 0;
}

static int make_slots(struct nlsock *s, unsigned n_buffers)
{
	s->n_buffers = n_buffers;
	s->headers = calloc(n_buffers, sizeof(*s->headers));
	s->slots = calloc(n_buffers, sizeof(*s->slots));
	s->datagrams = calloc(n_buffers, sizeof(*s->datagrams));
	return s->headers && s->slots && s->datagrams ? 0 : -ENOMEM;
}

static int open_sock(struct nlsock **ret, const struct nlsock_options *opt, unsigned n_buffers, size_t buffer_size)
{
	struct nlsock *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	r = s->fd < 0 ? -errno : make_slots(s, n_buffers);
	if (r == 0)
		r = make_pool(s, buffer_size);
	if (r < 0) {
		nlsock_free(s);
		return r;
	}
	size_buffers(s, opt);
	*ret = s;
	return 0;
}

/*
 * The filter sees the first message of a datagram only, but the kernel multicasts no more than one; a process that
 * hides more behind it fails the check of the sender. BPF loads a half-word in network order, but nlmsg_type is in host
 * order, hence htons(). A load past the end drops the datagram.
 */
static int attach_filter(int fd)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, offsetof(struct nlmsghdr, nlmsg_type)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_NEWLINK), 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_DELLINK), 0, 3),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, sizeof(struct nlmsghdr) + offsetof(struct ifinfomsg, ifi_family)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_UNSPEC, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog program = {.len = ARRAY_SIZE(code), .filter = code};

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0 ? -errno : 0;
}

/* A multicast skips the port id of its sender. The kernel's is 0, and so is that of a socket that is not bound. */
static int join_links(int fd)
{
	const struct sockaddr_nl any = {.nl_family = AF_NETLINK};

	if (bind(fd, (const struct sockaddr *)&any, sizeof(any)) < 0)
		return -errno;
	return set_option(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, RTNLGRP_LINK);
}

static int open_replay(struct nlsock **ret, enum remark_socket kind, const struct nlsock_options *opt,
		       unsigned datagrams)
{
	struct nlsock *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	r = replay_open(&s->replay, replay_installed(), kind, datagrams);
	if (r < 0) {
		free(s);
		return r;
	}
	s->fd = replay_fd(s->replay);
	s->rcvbuf = opt->rcvbuf;
	s->rcvbuf_forced = true;
	*ret = s;
	return 0;
}

int nlsock_open_events(struct nlsock **ret, const struct nlsock_options *opt)
{
	struct nlsock *s;
	int r;

	if (replay_installed())
		return open_replay(ret, REMARK_EVENTS, opt, opt->receive_pool);
	r = open_sock(&s, opt, opt->receive_pool, opt->datagram_bytes);
	if (r < 0)
		return r;
	/* Before joining: else unfiltered datagrams could already be in the queue. */
	r = attach_filter(s->fd);
	if (r == 0)
		r = join_links(s->fd);
	if (r < 0) {
		nlsock_free(s);
		return r;
	}
	*ret = s;
	return 0;
}

static int open_dump(struct nlsock **ret, const struct nlsock_options *opt, unsigned pool)
{
	int r = open_sock(ret, opt, pool, MAX(DUMP_DATAGRAM, opt->datagram_bytes));

	/* Only makes the kernel look closer at our request; kernels before 4.20 do not know it. */
	if (r == 0)
		(void)set_option((*ret)->fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, 1);
	return r;
}

int nlsock_open_dump(struct nlsock **ret, const struct nlsock_options *opt)
{
	if (replay_installed())
		return open_replay(ret, REMARK_DUMP, opt, 1);
	return open_dump(ret, opt, DUMP_POOL);
}

/* The thread waits for the kernel, so its socket blocks. */
int nlsock_open_asking(struct nlsock **ret, const struct nlsock_options *opt)
{
	struct nlsock *s;
	int netlink, r;

	if (replay_installed())
		return open_replay(ret, REMARK_ASKED, opt, 1);
	r = open_dump(&s, opt, 1);
	if (r < 0)
		return r;
	netlink = s->fd;
	s->fd = -1;
	r = fcntl(netlink, F_SETFL, 0) < 0 ? -errno : 0;
	if (r < 0)
		close_fd(&netlink);
	else
		r = asker_new(&s->asker, netlink);
	if (r < 0) {
		nlsock_free(s);
		return r;
	}
	s->fd = asker_fd(s->asker);
	*ret = s;
	return 0;
}

int nlsock_start_asking(struct nlsock *s)
{
	return s->replay ? 0 : asker_start(s->asker);
}

static int send_request(int fd, const struct nlmsghdr *nlh)
{
	const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	ssize_t n;

	do
		n = sendto(fd, nlh, nlh->nlmsg_len, 0, (const struct sockaddr *)&kernel, sizeof(kernel));
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

int nlsock_send_request(int fd, int ifindex, uint32_t seq)
{
	_Alignas(struct nlmsghdr) unsigned char buffer[64];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buffer);
	struct ifinfomsg *info = mnl_nlmsg_put_extra_header(nlh, sizeof(*info));

	nlh->nlmsg_type = RTM_GETLINK;
	nlh->nlmsg_flags = ifindex ? NLM_F_REQUEST : NLM_F_REQUEST | NLM_F_DUMP;
	nlh->nlmsg_seq = seq;
	info->ifi_family = AF_UNSPEC;
	info->ifi_index = ifindex;
	mnl_attr_put_u32(nlh, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	return send_request(fd, nlh);
}

int nlsock_request_dump(struct nlsock *s, uint32_t seq)
{
	if (s->replay)
		return replay_request(s->replay, 0, seq);
	return s->asker ? asker_ask(s->asker, 0, seq) : nlsock_send_request(s->fd, 0, seq);
}

int nlsock_request_link(struct nlsock *s, int ifindex, uint32_t seq)
{
	return s->replay ? replay_request(s->replay, ifindex, seq) : asker_ask(s->asker, ifindex, seq);
}

static enum nlsock_outcome failure(int error)
{
	switch (error) {
	case EAGAIN:
		return NLSOCK_AGAIN;
	case ENOBUFS:
		return NLSOCK_OVERRUN;
	default:
		return NLSOCK_ERROR;
	}
}

static int receive_batch(struct nlsock *s)
{
	int n;

	for (unsigned i = 0; i < s->used; i++)
		s->headers[i].msg_hdr.msg_namelen = sizeof(s->slots[i].sender);
	do /* MSG_TRUNC: msg_len is the whole length of a datagram that was cut */
		n = recvmmsg(s->fd, s->headers, s->n_buffers, MSG_DONTWAIT | MSG_TRUNC, NULL);
	while (n < 0 && errno == EINTR);
	s->used = (unsigned)MAX(n, 0);
	return n;
}

static bool from_kernel(const struct nlsock *s, unsigned i)
{
	if (s->asker) /* which has checked the sender */
		return true;
	return s->headers[i].msg_hdr.msg_namelen == sizeof(s->slots[i].sender) && s->slots[i].sender.nl_pid == 0;
}

static void sort_out(struct nlsock *s, unsigned n, struct nlsock_batch *batch)
{
	for (unsigned i = 0; i < n; i++) {
		if (!from_kernel(s, i))
			batch->spoofed++;
		else if (s->headers[i].msg_hdr.msg_flags & MSG_TRUNC)
			s->truncated = MAX(s->truncated, s->headers[i].msg_len);
		else
			s->datagrams[batch->n++] = (struct nlsock_datagram){
				.data = s->slots[i].iov.iov_base,
				.len = s->headers[i].msg_len,
			};
	}
}

/* Without memory the old buffers stay, and the next long datagram asks again. */
static void grow_pool(struct nlsock *s)
{
	size_t size = s->buffer_size;

	while (size < s->truncated && size < NLSOCK_DATAGRAM_MAX)
		size *= 2;
	s->truncated = 0;
	(void)make_pool(s, MIN(size, NLSOCK_DATAGRAM_MAX));
}

void nlsock_receive(struct nlsock *s, struct nlsock_batch *batch)
{
	int n;

	if (s->replay) {
		replay_receive(s->replay, batch);
		return;
	}
	batch->n = batch->spoofed = 0;
	batch->error = 0;
	batch->datagram = s->datagrams;
	if (s->truncated)
		grow_pool(s);
	n = receive_batch(s);
	if (n < 0) {
		batch->error = -errno;
		batch->outcome = failure(errno);
		return;
	}
	sort_out(s, (unsigned)n, batch);
	/*
	 * Fewer than asked for: the queue was empty, and epoll is level-triggered, so no call is spent on EAGAIN.
	 * Or an error ended the batch: the kernel keeps it for the next call and epoll reports it.
	 */
	batch->outcome = (unsigned)n < s->n_buffers ? NLSOCK_AGAIN : NLSOCK_DATA;
	if (s->truncated)
		batch->outcome = NLSOCK_TRUNCATED;
}

int nlsock_fd(const struct nlsock *s)
{
	return s->fd;
}

size_t nlsock_rcvbuf(const struct nlsock *s)
{
	return s->rcvbuf;
}

bool nlsock_rcvbuf_forced(const struct nlsock *s)
{
	return s->rcvbuf_forced;
}

static int request_down(int fd, uint32_t seq, int ifindex)
{
	_Alignas(struct nlmsghdr) unsigned char buffer[64];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buffer);
	struct ifinfomsg *info = mnl_nlmsg_put_extra_header(nlh, sizeof(*info));

	nlh->nlmsg_type = RTM_NEWLINK;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	nlh->nlmsg_seq = seq;
	info->ifi_index = ifindex;
	info->ifi_change = IFF_UP;
	return send_request(fd, nlh);
}

/* 0 with the kernel's answer in *result; negative errno without an answer. */
static int read_ack(int fd, uint32_t seq, int *result)
{
	struct {
		struct nlmsghdr nlh;
		struct nlmsgerr answer;
	} ack; /* the rest, a copy of the request and the kernel's comments, may be cut */

	for (;;) {
		struct sockaddr_nl from = {0};
		socklen_t from_len = sizeof(from);
		ssize_t n = recvfrom(fd, &ack, sizeof(ack), 0, (struct sockaddr *)&from, &from_len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		if (from.nl_pid != 0 || (size_t)n < sizeof(ack))
			continue;
		if (ack.nlh.nlmsg_type != NLMSG_ERROR || ack.nlh.nlmsg_seq != seq)
			continue;
		*result = ack.answer.error;
		return 0;
	}
}

static int set_down(int fd, uint32_t seq, int ifindex, int *result)
{
	int r = request_down(fd, seq, ifindex);

	return r < 0 ? r : read_ack(fd, seq, result);
}

int nlsock_set_links_down(const int *ifindex, size_t n, int *results)
{
	const struct timeval timeout = {.tv_sec = ACK_TIMEOUT_SEC};
	int fd cleanup(close_fd) = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	int r = 0;

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0)
		return -errno;
	for (size_t i = 0; i < n; i++) {
		/* A socket without an answer is not asked again: each silence would cost the timeout. */
		if (r == 0)
			r = set_down(fd, (uint32_t)i + 1, ifindex[i], &results[i]);
		if (r < 0)
			results[i] = r;
	}
	return 0;
}

void nlsock_free(struct nlsock *s)
{
	if (!s)
		return;
	if (s->replay)
		replay_close(s->replay);
	else if (s->asker)
		asker_free(s->asker);
	else
		close_fd(&s->fd);
	free(s->pool);
	free(s->headers);
	free(s->slots);
	free(s->datagrams);
	free(s);
}
