/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes real links, many requests in one sendmsg(), at a given rate or as fast as the kernel can, and counts the
 * kernel's messages. The changes go round the ports Ethernet0, Ethernet4, ...; each change raises a port's MTU by one,
 * from STAMPS_MTU_LAST back to STAMPS_MTU_FIRST, or toggles its admin status. So the final state is known and compared
 * with the kernel. --stamps: notes when each port's change was requested, see latency.c. Prints one line of JSON.
 */
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>

#include "base/util.h"
#include "common.h"
#include "stamps.h"

#define BATCH_MAX 1024
#define BATCH_FLAT_OUT 64
#define REQUEST_MAX 64 /* bytes of one request */
#define COUNTER_BATCH 256
#define COUNTER_NAP_NSEC (10 * NSEC_PER_MSEC)
/* A kernel worker reports a change of carrier up to a second later. */
#define CARRIER_LINGER_NSEC (3 * NSEC_PER_SEC / 2)

enum mode { MODE_MTU, MODE_FLAGS, MODE_BOTH };

static const char *const mode_names[] = {[MODE_MTU] = "mtu", [MODE_FLAGS] = "flags", [MODE_BOTH] = "both"};

struct options {
	const char *netns, *stamps;
	enum mode mode;
	unsigned long ports, rate, count, seconds, batch; /* rate 0: flat out; either count or seconds is 0 */
};

struct port {
	char name[IFNAMSIZ];
	int ifindex;
	unsigned mtu; /* what it has after the last change */
	bool up;
};

struct storm {
	struct options opt;
	int requests, ioctls;
	uint32_t seq;
	uint64_t sent, failed;
	uint64_t begin_nsec, end_nsec;
	struct stamps *stamps;    /* NULL: none are kept */
	size_t places[BATCH_MAX]; /* of the stamps of a batch */
	struct port port[PORTS_MAX];
};

/* --- the counting thread --- */

struct counter {
	int fd;
	atomic_bool stop;
	uint64_t received, last_nsec;
	pthread_t thread;
};

/* Only the header is copied; a multicast datagram holds one message. */
static void drain(struct counter *c)
{
	static struct nlmsghdr header[COUNTER_BATCH];
	static struct iovec iov[COUNTER_BATCH];
	static struct mmsghdr message[COUNTER_BATCH];
	int n;

	for (unsigned i = 0; i < COUNTER_BATCH; i++) {
		iov[i] = (struct iovec){.iov_base = &header[i], .iov_len = sizeof(header[i])};
		message[i].msg_hdr = (struct msghdr){.msg_iov = &iov[i], .msg_iovlen = 1};
	}
	while ((n = recvmmsg(c->fd, message, COUNTER_BATCH, MSG_DONTWAIT, NULL)) > 0 || errno == ENOBUFS) {
		c->last_nsec = now_nsec();
		for (int i = 0; i < n; i++)
			c->received += header[i].nlmsg_type == RTM_NEWLINK;
	}
}

/* Sleeps a little after each read: the buffer is large, and a wake-up for every message would slow the storm down. */
static void *run_counter(void *user)
{
	const struct timespec nap = {.tv_nsec = COUNTER_NAP_NSEC};
	struct counter *c = user;

	for (bool last = false; !last;) {
		last = atomic_load(&c->stop);
		drain(c);
		if (!last)
			(void)nanosleep(&nap, NULL);
	}
	return NULL;
}

static void start_counter(struct counter *c)
{
	c->fd = open_links();
	if (pthread_create(&c->thread, NULL, run_counter, c) != 0)
		errx(1, "no thread");
}

/* The number of events, including those dropped because the thread was too slow. */
static uint64_t stop_counter(struct counter *c)
{
	atomic_store(&c->stop, true);
	(void)pthread_join(c->thread, NULL);
	return c->received + socket_drops(c->fd);
}

/* --- the ports --- */

static bool kernel_up(int fd, const struct port *port)
{
	struct ifreq request = {0};

	memcpy(request.ifr_name, port->name, sizeof(request.ifr_name));
	if (ioctl(fd, SIOCGIFFLAGS, &request) < 0)
		err(1, "%s", port->name);
	return request.ifr_flags & IFF_UP;
}

static void find_ports(struct storm *s)
{
	for (unsigned long i = 0; i < s->opt.ports; i++) {
		struct port *port = &s->port[i];

		(void)snprintf(port->name, sizeof(port->name), "Ethernet%lu", 4 * i);
		port->ifindex = (int)if_nametoindex(port->name);
		if (!port->ifindex)
			err(1, "%s", port->name);
		port->mtu = link_mtu(s->ioctls, port->name);
		port->up = kernel_up(s->ioctls, port);
	}
}

static unsigned wrong_ports(const struct storm *s)
{
	unsigned wrong = 0;

	for (unsigned long i = 0; i < s->opt.ports; i++) {
		const struct port *port = &s->port[i];

		wrong += link_mtu(s->ioctls, port->name) != port->mtu || kernel_up(s->ioctls, port) != port->up;
	}
	return wrong;
}

/* --- the changes --- */

/* In mode both, a round of MTU changes follows a round of flags. */
static bool changes_flags(const struct storm *s, uint64_t number)
{
	return s->opt.mode == MODE_FLAGS || (s->opt.mode == MODE_BOTH && number / s->opt.ports % 2 == 0);
}

static void put_flags(struct port *port, struct ifinfomsg *info)
{
	port->up = !port->up;
	info->ifi_change = IFF_UP;
	info->ifi_flags = port->up ? IFF_UP : 0;
}

static void put_mtu(struct port *port, struct nlmsghdr *nlh)
{
	port->mtu = stamps_next_mtu(port->mtu);
	mnl_attr_put_u32(nlh, IFLA_MTU, port->mtu);
}

/* The length of the request. */
static size_t put_request(struct storm *s, unsigned char *buffer, bool acknowledged)
{
	struct port *port = &s->port[s->sent % s->opt.ports];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buffer);
	struct ifinfomsg *info = mnl_nlmsg_put_extra_header(nlh, sizeof(*info));

	nlh->nlmsg_type = RTM_NEWLINK;
	nlh->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | (acknowledged ? NLM_F_ACK : 0));
	nlh->nlmsg_seq = ++s->seq;
	info->ifi_index = port->ifindex;
	if (changes_flags(s, s->sent))
		put_flags(port, info);
	else
		put_mtu(port, nlh);
	s->sent++;
	return NLMSG_ALIGN(nlh->nlmsg_len);
}

/* Refusals come by themselves, each before the answer to the last request, which ends the batch. */
static void read_answers(struct storm *s)
{
	struct {
		struct nlmsghdr nlh;
		struct nlmsgerr answer;
	} ack; /* the rest may be cut */

	do {
		ssize_t n = recv(s->requests, &ack, sizeof(ack), 0);

		if (n < 0)
			err(1, "no answer of the kernel");
		if ((size_t)n < sizeof(ack) || ack.nlh.nlmsg_type != NLMSG_ERROR)
			errx(1, "a strange answer of the kernel");
		s->failed += ack.answer.error != 0;
	} while (ack.nlh.nlmsg_seq != s->seq);
}

static void stamp(const struct storm *s, uint64_t n)
{
	uint64_t now = now_nsec();

	for (uint64_t i = 0; i < n; i++)
		atomic_store(&s->stamps->request[s->places[i]], now);
	atomic_fetch_add(&s->stamps->requested, n);
}

static void send_batch(struct storm *s, uint64_t n)
{
	static _Alignas(struct nlmsghdr) unsigned char buffer[BATCH_MAX * REQUEST_MAX];
	size_t len = 0;

	for (uint64_t i = 0; i < n; i++) {
		size_t number = (size_t)(s->sent % s->opt.ports);

		len += put_request(s, buffer + len, i == n - 1);
		s->places[i] = stamps_at((unsigned)number, s->port[number].mtu);
	}
	if (s->stamps)
		stamp(s, n);
	if (send(s->requests, buffer, len, 0) != (ssize_t)len)
		err(1, "requests");
	read_answers(s);
}

/* --- the pace --- */

static void sleep_until(uint64_t nsec)
{
	const struct timespec deadline = {.tv_sec = (time_t)(nsec / NSEC_PER_SEC),
					  .tv_nsec = (long)(nsec % NSEC_PER_SEC)};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &deadline, NULL) == EINTR)
		;
}

/* How many changes come next; 0: it is over. */
static uint64_t next_batch(const struct storm *s)
{
	if (!s->opt.count)
		return now_nsec() < s->begin_nsec + s->opt.seconds * NSEC_PER_SEC ? s->opt.batch : 0;
	return MIN(s->opt.batch, s->opt.count - s->sent);
}

static void blow(struct storm *s)
{
	uint64_t n;

	s->begin_nsec = now_nsec();
	while ((n = next_batch(s)) > 0) {
		if (s->opt.rate)
			sleep_until(s->begin_nsec + s->sent * NSEC_PER_SEC / s->opt.rate);
		send_batch(s, n);
	}
	s->end_nsec = now_nsec();
}

/* --- */

static _Noreturn void usage(void)
{
	errx(2, "usage: linkstorm --count N | --seconds N [--netns NAME] [--ports N] [--mode mtu|flags|both] "
		"[--rate N] [--batch N] [--stamps FILE]");
}

static enum mode parse_mode(const char *text)
{
	for (size_t i = 0; i < ARRAY_SIZE(mode_names); i++)
		if (strcmp(text, mode_names[i]) == 0)
			return (enum mode)i;
	usage();
}

static void set_option(struct options *opt, int option, const char *text)
{
	switch (option) {
	case 'n':
		opt->netns = text;
		break;
	case 'p':
		opt->ports = parse_number("ports", text, 1, PORTS_MAX);
		break;
	case 'm':
		opt->mode = parse_mode(text);
		break;
	case 'r':
		opt->rate = parse_number("rate", text, 0, 10000000);
		break;
	case 'c':
		opt->count = parse_number("count", text, 1, 1000000000);
		break;
	case 's':
		opt->seconds = parse_number("seconds", text, 1, 86400);
		break;
	case 'b':
		opt->batch = parse_number("batch", text, 1, BATCH_MAX);
		break;
	case 't':
		opt->stamps = text;
		break;
	default:
		usage();
	}
}

/* At a rate, a batch has the changes of one millisecond. */
static void read_options(struct options *opt, int argc, char *argv[])
{
	static const struct option known[] = {
		{"netns", required_argument, NULL, 'n'},
		{"ports", required_argument, NULL, 'p'},
		{"mode", required_argument, NULL, 'm'},
		{"rate", required_argument, NULL, 'r'},
		{"count", required_argument, NULL, 'c'},
		{"seconds", required_argument, NULL, 's'},
		{"batch", required_argument, NULL, 'b'},
		{"stamps", required_argument, NULL, 't'},
		{NULL, 0, NULL, 0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1)
		set_option(opt, option, optarg);
	if (optind != argc || !opt->count == !opt->seconds)
		usage();
	if (opt->stamps && (opt->mode != MODE_MTU || opt->ports > STAMPS_PORTS_MAX))
		errx(2, "--stamps: mode mtu only, at most %d ports", STAMPS_PORTS_MAX);
	if (!opt->batch)
		opt->batch = opt->rate ? MIN(MAX(opt->rate / 1000, 1), BATCH_MAX) : BATCH_FLAT_OUT;
}

static void open_sockets(struct storm *s)
{
	const struct timeval timeout = {.tv_sec = 10};

	s->requests = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	s->ioctls = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (s->requests < 0 || s->ioctls < 0)
		err(1, "socket");
	if (setsockopt(s->requests, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0)
		err(1, "SO_RCVTIMEO");
}

/* ended: when (CLOCK_MONOTONIC) the last event came. */
static void print(const struct storm *s, const struct counter *c, uint64_t emitted)
{
	double seconds = (double)(s->end_nsec - s->begin_nsec) / (double)NSEC_PER_SEC;
	uint64_t ended = s->opt.mode == MODE_MTU ? s->end_nsec : c->last_nsec;

	(void)printf("{\"mode\": \"%s\", \"ports\": %lu, \"requested\": %" PRIu64 ", \"failed\": %" PRIu64
		     ", \"emitted\": %" PRIu64 ", \"seconds\": %.6f, \"rate\": %.0f, \"listener_overruns\": %" PRIu64
		     ", \"ended\": %.6f, \"final\": {\"first_port_mtu\": %u, \"wrong_ports\": %u}}\n",
		     mode_names[s->opt.mode], s->opt.ports, s->sent, s->failed, emitted, seconds,
		     (double)emitted / seconds, socket_drops(c->fd), (double)ended / (double)NSEC_PER_SEC,
		     s->port[0].mtu, wrong_ports(s));
}

int main(int argc, char *argv[])
{
	static struct storm storm = {.opt = {.mode = MODE_MTU, .ports = 64}};
	static struct counter counter;
	uint64_t emitted;

	read_options(&storm.opt, argc, argv);
	enter_netns(storm.opt.netns);
	open_sockets(&storm);
	find_ports(&storm);
	if (storm.opt.stamps)
		storm.stamps = stamps_map(storm.opt.stamps, (unsigned)storm.opt.ports);
	start_counter(&counter);
	blow(&storm);
	if (storm.opt.mode != MODE_MTU)
		sleep_until(storm.end_nsec + CARRIER_LINGER_NSEC);
	emitted = stop_counter(&counter);
	print(&storm, &counter, emitted);
	close_fd(&counter.fd);
	close_fd(&storm.requests);
	close_fd(&storm.ioctls);
	return storm.failed != 0;
}
