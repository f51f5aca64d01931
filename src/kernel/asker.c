/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/asker.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "base/thread.h"
#include "base/util.h"
#include "kernel/linkmsg.h"
#include "kernel/nlsock.h"

#define STACK_BYTES (64U * 1024)
#define ANSWER_BYTES (128U * 1024) /* the kernel fills 32 KiB of a dump, more with hundreds of names of one link */
#define ANSWER_SECS 2 /* until an answer counts as lost; the wait for the kernel's lock is spent in the request */

struct link_request {
	int ifindex; /* 0: all */
	uint32_t seq;
};

/* The loop has the first of each pair, the thread the second. */
struct asker {
	int netlink;
	int questions[2], answers[2];
	pthread_t thread;
	bool started;
	unsigned char *buffer;
};

/* --- the thread --- */

static int is_last(const struct nlmsghdr *nlh, void *user)
{
	const struct link_request *question = user;

	if (nlh->nlmsg_seq != question->seq)
		return 0;
	return nlh->nlmsg_type == NLMSG_DONE || nlh->nlmsg_type == NLMSG_ERROR || question->ifindex != 0;
}

/* The length of the next datagram of the kernel, or negative errno. */
static ssize_t receive(const struct asker *a)
{
	for (;;) {
		struct sockaddr_nl from = {0};
		socklen_t from_len = sizeof(from);
		ssize_t n =
			recvfrom(a->netlink, a->buffer, ANSWER_BYTES, MSG_TRUNC, (struct sockaddr *)&from, &from_len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (from_len != sizeof(from) || from.nl_pid != 0)
			continue;
		return (size_t)n > ANSWER_BYTES ? -EMSGSIZE : n;
	}
}

/* A question that gets no answer is late for the loop, which asks again. */
static void answer(const struct asker *a, struct link_request *question)
{
	if (nlsock_send_request(a->netlink, question->ifindex, question->seq) < 0)
		return;
	for (;;) {
		ssize_t n = receive(a);

		if (n <= 0 || send(a->answers[1], a->buffer, (size_t)n, MSG_NOSIGNAL) < 0)
			return;
		if (linkmsg_walk(a->buffer, (size_t)n, is_last, question) != 0)
			return;
	}
}

static void *serve(void *user)
{
	const struct asker *a = user;
	struct link_request question;

	thread_name_self("links");
	for (;;) {
		ssize_t n = recv(a->questions[1], &question, sizeof(question), 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n != sizeof(question))
			return NULL;
		answer(a, &question);
	}
}

/* --- the loop --- */

int asker_ask(struct asker *a, int ifindex, uint32_t seq)
{
	const struct link_request question = {.ifindex = ifindex, .seq = seq};

	return send(a->questions[0], &question, sizeof(question), MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int asker_fd(const struct asker *a)
{
	return a->answers[0];
}

static void free_asker(struct asker **a)
{
	asker_free(*a);
}

static int open_pair(int pair[2])
{
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0 ? -errno : 0;
}

int asker_new(struct asker **ret, int netlink)
{
	const struct timeval timeout = {.tv_sec = ANSWER_SECS};
	struct asker *a cleanup(free_asker) = calloc(1, sizeof(*a));
	int r;

	if (!a) {
		close_fd(&netlink);
		return -ENOMEM;
	}
	*a = (struct asker){.netlink = netlink, .questions = {-1, -1}, .answers = {-1, -1}};
	a->buffer = malloc(ANSWER_BYTES);
	if (!a->buffer)
		return -ENOMEM;
	if (setsockopt(netlink, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0)
		return -errno;
	r = open_pair(a->questions);
	if (r == 0)
		r = open_pair(a->answers);
	if (r < 0)
		return r;
	*ret = a;
	a = NULL;
	return 0;
}

int asker_start(struct asker *a)
{
	int r = thread_start(&a->thread, STACK_BYTES, serve, a);

	a->started = r == 0;
	return r;
}

void asker_free(struct asker *a)
{
	if (!a)
		return;
	(void)shutdown(a->questions[0], SHUT_RDWR);
	(void)shutdown(a->answers[0], SHUT_RDWR);
	if (a->started)
		(void)pthread_join(a->thread, NULL);
	close_fd(&a->netlink);
	for (size_t i = 0; i < 2; i++) {
		close_fd(&a->questions[i]);
		close_fd(&a->answers[i]);
	}
	free(a->buffer);
	free(a);
}
