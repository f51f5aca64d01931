/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The whole daemon with another kernel: an implementation of kernel/nlsock.h that plays recorded messages for any
 * number of ports, faster than a kernel emits. Command line, configuration and Redis are the daemon's own; besides:
 *
 *   REPLAY_RECORDING  file of bench/record
 *   REPLAY_PORTS      how many ports there are; all are up, with an MTU of MTU_START
 *   REPLAY_ORDERS     path of a Unix datagram socket that takes orders, and answers each with a line of JSON
 *
 *   change N  N events, round the ports, each with a new MTU: MTU_FIRST in the first
 *             round, one more in each that follows
 *   same N    N events, round the ports, without news
 *   copy N    makes the datagrams of N events for no reader: the replay's own cost
 *
 * The round is not in the order of the ports: step i has port i * STRIDE modulo their number.
 *
 * An event arrives as from the kernel: nlsock_receive() copies datagrams of full length into the pool. Only the
 * kernel's share is missing: a system call for each batch, its locks and its freeing.
 */
#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/util.h"
#include "common.h"
#include "kernel/nlsock.h"
#include "replaymsg.h"

#define MTU_START 9100U
#define MTU_FIRST 1500U
#define MTU_COUNT 7500U
#define DUMP_BATCH 8
#define DUMP_DATAGRAM (32U * 1024)
#define STRIDE 40503U /* in ports; must have no factor in common with their number */

enum order_kind { ORDER_NONE, ORDER_CHANGE, ORDER_SAME, ORDER_COPY };

static const char *const order_names[] = {
	[ORDER_CHANGE] = "change",
	[ORDER_SAME] = "same",
	[ORDER_COPY] = "copy",
};

/* The present order. It stays in its socket until its end, so that the socket stays readable. */
struct order {
	enum order_kind kind;
	uint64_t count, left;
	uint64_t begin_nsec;
	double begin_cpu;
	struct sockaddr_un from;
	socklen_t from_len;
};

/* The position in the round of the ports, and the number of rounds. */
struct tour {
	unsigned round, step;
};

struct replay {
	struct replaymsg *messages;
	unsigned ports;
	struct order order;
	struct tour changes, others;
};

struct nlsock {
	int fd; /* events: the orders' socket; dump: an eventfd */
	bool is_dump;
	size_t rcvbuf;
	uint32_t seq;      /* of the dump */
	unsigned next_row; /* of the dump; after the last row comes its end */
	unsigned n_buffers;
	size_t buffer_size;
	unsigned char *pool;
	struct nlsock_datagram *datagrams;
};

static struct replay replay;

/* --- messages --- */

static void advance(struct tour *tour)
{
	if (++tour->step < replay.ports)
		return;
	tour->step = 0;
	tour->round++;
}

/* Far from the previous step's port, so that caches cannot help. */
static unsigned port_at(unsigned step)
{
	return (unsigned)((uint64_t)step * STRIDE % replay.ports);
}

static uint32_t mtu_of_round(unsigned round)
{
	return round ? MTU_FIRST + (round - 1) % MTU_COUNT : MTU_START;
}

/* The MTU of this step's port. */
static uint32_t mtu_at(unsigned step)
{
	return mtu_of_round(replay.changes.round + (step < replay.changes.step));
}

static size_t put_event(struct nlsock *s, enum order_kind kind, void *to)
{
	struct tour *tour = kind == ORDER_CHANGE ? &replay.changes : &replay.others;
	unsigned step = tour->step;

	advance(tour);
	return replaymsg_put(replay.messages, REPLAYMSG_EVENT, to, s->buffer_size, port_at(step), mtu_at(step));
}

static size_t put_row(struct nlsock *s, void *to, size_t room)
{
	struct nlmsghdr *nlh = to;
	size_t len;

	if (s->next_row < replay.ports) {
		len = replaymsg_put(replay.messages, REPLAYMSG_ROW, to, room, port_at(s->next_row),
				    mtu_at(s->next_row));
	} else {
		len = NLMSG_LENGTH(sizeof(int));
		if (room < len)
			return 0;
		memset(to, 0, len);
		*nlh = (struct nlmsghdr){
			.nlmsg_len = (uint32_t)len, .nlmsg_type = NLMSG_DONE, .nlmsg_flags = NLM_F_MULTI};
	}
	if (len)
		nlh->nlmsg_seq = s->seq;
	return len;
}

/* --- orders --- */

/* "change 64" */
static struct order parse_order(char *text)
{
	const char *word = strsep(&text, " ");
	struct order order = {0};

	for (enum order_kind kind = ORDER_CHANGE; kind <= ORDER_COPY; kind++)
		if (strcmp(word, order_names[kind]) == 0)
			order.kind = kind;
	if (order.kind == ORDER_NONE || !text)
		errx(1, "an order is not known: %s", word);
	order.count = order.left = parse_number(word, text, 0, UINT32_MAX);
	return order;
}

/* False when there is none. */
static bool begin_order(int fd)
{
	char text[64];
	struct order order;
	struct sockaddr_un from;
	socklen_t from_len = sizeof(from);
	ssize_t n = recvfrom(fd, text, sizeof(text) - 1, MSG_PEEK | MSG_DONTWAIT, (struct sockaddr *)&from, &from_len);

	if (n < 0)
		return false;
	text[n] = '\0';
	order = parse_order(text);
	order.from = from;
	order.from_len = from_len;
	order.begin_cpu = cpu_seconds();
	order.begin_nsec = now_nsec();
	replay.order = order;
	return true;
}

/* begun and ended: CLOCK_MONOTONIC; changes: of all orders so far. */
static void end_order(int fd)
{
	const struct order *order = &replay.order;
	uint64_t now = now_nsec();
	uint64_t changes = (uint64_t)replay.changes.round * replay.ports + replay.changes.step;
	char text[256];
	int len = snprintf(text, sizeof(text),
			   "{\"events\": %" PRIu64 ", \"begun\": %.6f, \"ended\": %.6f, \"cpu_seconds\": %.6f, "
			   "\"changes\": %" PRIu64 "}",
			   order->count, (double)order->begin_nsec / (double)NSEC_PER_SEC,
			   (double)now / (double)NSEC_PER_SEC, cpu_seconds() - order->begin_cpu, changes);

	(void)recv(fd, text + len, 0, MSG_DONTWAIT);
	if (sendto(fd, text, (size_t)len, 0, (const struct sockaddr *)&order->from, order->from_len) < 0)
		warn("answer to an order");
	replay.order = (struct order){0};
}

/* --- the seam --- */

static const char *need(const char *name)
{
	const char *value = getenv(name);

	if (!value)
		errx(1, "%s is not set", name);
	return value;
}

static int open_orders(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", need("REPLAY_ORDERS"));
	if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		err(1, "%s", address.sun_path);
	return fd;
}

static struct nlsock *open_sock(const struct nlsock_options *opt, int fd, unsigned n_buffers, size_t buffer_size)
{
	struct nlsock *s = calloc(1, sizeof(*s));

	if (!s || fd < 0)
		err(1, "socket");
	s->fd = fd;
	s->rcvbuf = 2 * opt->rcvbuf;
	s->n_buffers = n_buffers;
	s->buffer_size = buffer_size;
	s->pool = malloc(n_buffers * buffer_size);
	s->datagrams = calloc(n_buffers, sizeof(*s->datagrams));
	if (!s->pool || !s->datagrams)
		err(1, "pool");
	return s;
}

int nlsock_open_events(struct nlsock **ret, const struct nlsock_options *opt)
{
	replay.messages = replaymsg_load(need("REPLAY_RECORDING"));
	replay.ports = (unsigned)parse_number("REPLAY_PORTS", need("REPLAY_PORTS"), 1, REPLAYMSG_PORTS);
	*ret = open_sock(opt, open_orders(), opt->receive_pool, opt->datagram_bytes);
	return 0;
}

int nlsock_open_dump(struct nlsock **ret, const struct nlsock_options *opt)
{
	*ret = open_sock(opt, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), DUMP_BATCH, DUMP_DATAGRAM);
	(*ret)->is_dump = true;
	return 0;
}

int nlsock_request_dump(struct nlsock *s, uint32_t seq)
{
	const uint64_t one = 1;

	s->seq = seq;
	s->next_row = 0;
	return write_all(s->fd, &one, sizeof(one));
}

/* Single links are never read again: the recorded ones change with their events. */
int nlsock_open_asking(struct nlsock **ret, const struct nlsock_options *opt)
{
	return nlsock_open_dump(ret, opt);
}

int nlsock_start_asking(struct nlsock *s)
{
	(void)s;
	return 0;
}

int nlsock_request_link(struct nlsock *s, int ifindex, uint32_t seq)
{
	(void)s;
	(void)ifindex;
	(void)seq;
	return -EOPNOTSUPP;
}

int nlsock_send_request(int fd, int ifindex, uint32_t seq)
{
	(void)fd;
	(void)ifindex;
	(void)seq;
	return -EOPNOTSUPP;
}

static void *next_buffer(const struct nlsock *s, const struct nlsock_batch *batch)
{
	return s->pool + batch->n * s->buffer_size;
}

static void add_datagram(struct nlsock *s, struct nlsock_batch *batch, size_t len)
{
	s->datagrams[batch->n] = (struct nlsock_datagram){.data = next_buffer(s, batch), .len = len};
	batch->n++;
}

/* Fills a datagram as the kernel does. */
static size_t fill_with_rows(struct nlsock *s, unsigned char *to)
{
	size_t len = 0, n;

	while (s->next_row <= replay.ports && (n = put_row(s, to + len, s->buffer_size - len)) > 0) {
		len += n;
		s->next_row++;
	}
	return len;
}

static void receive_rows(struct nlsock *s, struct nlsock_batch *batch)
{
	uint64_t count;

	while (batch->n < s->n_buffers && s->next_row <= replay.ports)
		add_datagram(s, batch, fill_with_rows(s, next_buffer(s, batch)));
	if (s->next_row > replay.ports)
		(void)!read(s->fd, &count, sizeof(count));
	batch->outcome = batch->n < s->n_buffers ? NLSOCK_AGAIN : NLSOCK_DATA;
}

static void copy_only(struct nlsock *s)
{
	for (; replay.order.left > 0; replay.order.left--)
		(void)put_event(s, ORDER_COPY, s->pool + replay.order.left % s->n_buffers * s->buffer_size);
}

static void receive_events(struct nlsock *s, struct nlsock_batch *batch)
{
	batch->outcome = NLSOCK_AGAIN;
	if (replay.order.kind == ORDER_NONE && !begin_order(s->fd))
		return;
	if (replay.order.kind == ORDER_COPY)
		copy_only(s);
	for (; batch->n < s->n_buffers && replay.order.left > 0; replay.order.left--)
		add_datagram(s, batch, put_event(s, replay.order.kind, next_buffer(s, batch)));
	if (batch->n == s->n_buffers)
		batch->outcome = NLSOCK_DATA;
	else if (batch->n == 0)
		end_order(s->fd);
}

void nlsock_receive(struct nlsock *s, struct nlsock_batch *batch)
{
	*batch = (struct nlsock_batch){.datagram = s->datagrams};
	if (s->is_dump)
		receive_rows(s, batch);
	else
		receive_events(s, batch);
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
	(void)s;
	return true;
}

int nlsock_set_links_down(const int *ifindex, size_t n, int *results)
{
	(void)ifindex;
	memset(results, 0, n * sizeof(*results));
	return 0;
}

void nlsock_free(struct nlsock *s)
{
	if (!s)
		return;
	close_fd(&s->fd);
	free(s->pool);
	free(s->datagrams);
	free(s);
}
