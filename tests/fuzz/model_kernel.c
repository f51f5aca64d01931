/* SPDX-License-Identifier: Apache-2.0 */
#include "model_kernel.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "kernel/nlsock.h"
#include "model_loop.h"

#define QUEUE 48 /* events: a longer queue is an overrun */
#define IDS 512
#define RCVBUF 4096
#define MESSAGE 512
#define EVENTS_FD 1000
#define DUMP_FD 1001
#define ASKING_FD 1002
#define POOL_MAX 64

struct item {
	enum nlsock_outcome outcome; /* NLSOCK_DATA: the bytes below; else this outcome */
	bool spoofed;
	void *data;
	size_t len;
	unsigned ends; /* id of the link whose end it reports; 0: none */
};

struct nlsock {
	int fd;
	uint32_t seq;
	bool overrun, congested, asked, done, interrupted;
	int next; /* ifindex of the next row of a dump */
	unsigned pool;
	struct item queue[QUEUE + 2];
	size_t n;
	struct nlsock_datagram given[POOL_MAX]; /* freed by the next receive, so a kept pointer is caught */
	size_t n_given;
};

static struct {
	struct model_link links[LINKS];
	bool heard[IDS];
	unsigned ids;
	struct nlsock *events, *dump, *asking;
	enum kernel_fault fault;
	bool refuse_open, refuse_request;
} kernel;

/* --- queues --- */

static void put(struct nlsock *s, struct item item, const void *bytes)
{
	if (item.len > 0) {
		item.data = malloc(item.len);
		if (!item.data)
			abort();
		memcpy(item.data, bytes, item.len);
	}
	s->queue[s->n++] = item;
}

static void drop_front(struct nlsock *s)
{
	s->n--;
	memmove(&s->queue[0], &s->queue[1], s->n * sizeof(s->queue[0]));
}

static void overrun(struct nlsock *s)
{
	if (!s->congested)
		s->overrun = true;
	s->congested = true;
}

void kernel_overrun(void)
{
	if (kernel.events)
		overrun(kernel.events);
}

void kernel_spoofed(void)
{
	if (kernel.events && kernel.events->n < QUEUE)
		put(kernel.events, (struct item){.spoofed = true}, NULL);
}

void kernel_error(void)
{
	if (kernel.events && kernel.events->n < QUEUE)
		put(kernel.events, (struct item){.outcome = NLSOCK_ERROR}, NULL);
}

void kernel_set_fault(enum kernel_fault fault)
{
	kernel.fault = fault;
}

/* --- messages --- */

static size_t message(char *buf, uint16_t type, unsigned char family, const struct model_link *link)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct ifinfomsg *info = mnl_nlmsg_put_extra_header(nlh, sizeof(*info));

	nlh->nlmsg_type = type;
	info->ifi_family = family;
	info->ifi_index = link->ref.ifindex;
	info->ifi_flags = link->ref.flags;
	mnl_attr_put_strz(nlh, IFLA_IFNAME, link->ref.name);
	mnl_attr_put_u8(nlh, IFLA_OPERSTATE, link->ref.flags & 1 ? 6 : 2); /* must be ignored (S13) */
	mnl_attr_put_u32(nlh, IFLA_MTU, link->ref.mtu);
	if (link->master)
		mnl_attr_put_u32(nlh, IFLA_MASTER, link->master);
	if (link->ref.kind[0]) {
		struct nlattr *nest = mnl_attr_nest_start(nlh, IFLA_LINKINFO);

		mnl_attr_put_strz(nlh, IFLA_INFO_KIND, link->ref.kind);
		mnl_attr_nest_end(nlh, nest);
	}
	return nlh->nlmsg_len;
}

static void emit(uint16_t type, unsigned char family, const struct model_link *link, unsigned ends)
{
	char buf[MESSAGE] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct item item = {.outcome = NLSOCK_DATA, .ends = ends};
	struct nlsock *s = kernel.events;

	if (!s)
		return;
	if (s->n >= QUEUE)
		overrun(s);
	if (s->congested)
		return;
	item.len = message(buf, type, family, link);
	if (kernel.fault == KERNEL_TRUNCATED)
		item = (struct item){.outcome = NLSOCK_TRUNCATED};
	if (kernel.fault == KERNEL_MALFORMED) {
		item.len -= 3;
		item.ends = 0;
	}
	kernel.fault = KERNEL_GOOD;
	put(s, item, buf);
}

/* --- links --- */

static struct model_link *slot(int ifindex)
{
	return &kernel.links[ifindex - 1];
}

const struct model_link *kernel_links(void)
{
	return kernel.links;
}

static bool name_taken(const char *name)
{
	for (size_t i = 0; i < LINKS; i++)
		if (kernel.links[i].ref.exists && strcmp(kernel.links[i].ref.name, name) == 0)
			return true;
	return false;
}

static void set_name(struct model_link *link, const char *name)
{
	(void)snprintf(link->ref.name, sizeof(link->ref.name), "%s", name);
	link->id = ++kernel.ids;
	link->changed = loop_tick();
}

void kernel_create(int ifindex, const char *name, unsigned flags, unsigned mtu, const char *kind)
{
	struct model_link *link = slot(ifindex);

	if (link->ref.exists || link->unusable || name_taken(name) || kernel.ids + 1 >= IDS)
		return;
	*link = (struct model_link){.ref = {.exists = true, .ifindex = ifindex, .flags = flags, .mtu = mtu}};
	set_name(link, name);
	(void)snprintf(link->ref.kind, sizeof(link->ref.kind), "%s", kind);
	emit(RTM_NEWLINK, AF_UNSPEC, link, 0);
}

void kernel_delete(int ifindex)
{
	struct model_link *link = slot(ifindex);

	if (!link->ref.exists)
		return;
	emit(RTM_DELLINK, AF_UNSPEC, link, link->id);
	link->ref.exists = false;
	link->unusable = link->ref.old;
	link->ref.old = false;
}

void kernel_change(int ifindex, unsigned flags, unsigned mtu, uint32_t master, bool silent)
{
	struct model_link *link = slot(ifindex);

	if (!link->ref.exists)
		return;
	/* A change that was undone without a message, or that leads to what portsyncd knows, owes no event. */
	link->silent = link->silent || silent;
	/* IFF_UP, IFF_RUNNING */
	if (!link->silent && (((link->ref.flags ^ flags) & 0x41U) || link->ref.mtu != mtu || link->master != master))
		link->changed = loop_tick();
	link->ref.flags = flags;
	link->ref.mtu = mtu;
	link->master = master;
	if (!silent)
		emit(RTM_NEWLINK, AF_UNSPEC, link, 0);
}

void kernel_known(void)
{
	for (size_t i = 0; i < LINKS; i++)
		kernel.links[i].silent = false;
}

void kernel_rename(int ifindex, const char *name)
{
	struct model_link *link = slot(ifindex);
	unsigned before = link->id;

	if (!link->ref.exists || name_taken(name) || kernel.ids + 1 >= IDS)
		return;
	set_name(link, name);
	emit(RTM_NEWLINK, AF_UNSPEC, link, before);
}

void kernel_bridge_message(int ifindex, bool deleted)
{
	if (slot(ifindex)->ref.exists)
		emit(deleted ? RTM_DELLINK : RTM_NEWLINK, AF_BRIDGE, slot(ifindex), 0);
}

void kernel_repeat(int ifindex)
{
	if (slot(ifindex)->ref.exists)
		emit(RTM_NEWLINK, AF_UNSPEC, slot(ifindex), 0);
}

void kernel_mark_old(void)
{
	for (size_t i = 0; i < LINKS; i++)
		kernel.links[i].ref.old = kernel.links[i].ref.exists && reference_is_port(&kernel.links[i].ref);
}

bool kernel_end_heard(unsigned id)
{
	return kernel.heard[id];
}

static void hear_end(unsigned id)
{
	kernel.heard[id] = true;
	for (size_t i = 0; i < LINKS; i++)
		if (kernel.links[i].id == id)
			kernel.links[i].unusable = false;
}

/* --- dumps --- */

bool kernel_dumping(void)
{
	return kernel.dump && kernel.dump->asked && !kernel.dump->done;
}

static void put_dump(char *bytes)
{
	struct nlmsghdr *nlh = (void *)bytes;

	nlh->nlmsg_seq = kernel.dump->seq;
	nlh->nlmsg_flags = NLM_F_MULTI;
	if (kernel.dump->interrupted)
		nlh->nlmsg_flags |= NLM_F_DUMP_INTR;
	put(kernel.dump, (struct item){.outcome = NLSOCK_DATA, .len = nlh->nlmsg_len}, bytes);
}

static void put_done(int error)
{
	char buf[MESSAGE] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);

	nlh->nlmsg_type = error ? NLMSG_ERROR : NLMSG_DONE;
	memcpy(mnl_nlmsg_put_extra_header(nlh, sizeof(error)), &error, sizeof(error));
	put_dump(buf);
	kernel.dump->done = true;
}

void kernel_dump_step(unsigned n)
{
	char buf[MESSAGE] __attribute__((aligned(NLMSG_ALIGNTO)));

	for (; kernel_dumping() && n > 0 && kernel.dump->n < QUEUE; n--) {
		struct nlsock *s = kernel.dump;

		while (s->next <= LINKS && !slot(s->next)->ref.exists)
			s->next++;
		if (s->next > LINKS) {
			put_done(0);
			return;
		}
		(void)message(buf, RTM_NEWLINK, AF_UNSPEC, slot(s->next++));
		put_dump(buf);
	}
}

void kernel_dump_interrupt(void)
{
	if (!kernel_dumping())
		return;
	kernel.dump->interrupted = true;
	kernel.dump->next++;
}

void kernel_dump_break(enum kernel_dump_end how)
{
	static const enum nlsock_outcome outcomes[] = {
		[DUMP_OVERRUN] = NLSOCK_OVERRUN, [DUMP_TRUNCATED] = NLSOCK_TRUNCATED, [DUMP_BROKEN] = NLSOCK_ERROR};

	if (!kernel_dumping() || kernel.dump->n >= QUEUE)
		return;
	if (how == DUMP_REFUSED)
		put_done(-EBUSY);
	else if (how == DUMP_GARBAGE)
		put(kernel.dump, (struct item){.outcome = NLSOCK_DATA, .len = 5}, "\1\2\3\4\5");
	else
		put(kernel.dump, (struct item){.outcome = outcomes[how]}, NULL);
	kernel.dump->done = true;
}

void kernel_refuse_dumps(bool open, bool request)
{
	kernel.refuse_open = open;
	kernel.refuse_request = request;
}

/* --- kernel/nlsock.h --- */

bool loop_fd_readable(int fd)
{
	const struct nlsock *s = fd == EVENTS_FD ? kernel.events : fd == DUMP_FD ? kernel.dump : kernel.asking;

	return s && s->fd == fd && (s->n > 0 || s->overrun);
}

static int open_socket(struct nlsock **ret, struct nlsock **place, int fd, const struct nlsock_options *opt)
{
	struct nlsock *s = calloc(1, sizeof(*s));

	if (!s || *place)
		abort();
	s->fd = fd;
	s->next = 1;
	s->pool = MAX(MIN(opt->receive_pool, POOL_MAX), 1);
	*ret = *place = s;
	return 0;
}

int nlsock_open_events(struct nlsock **ret, const struct nlsock_options *opt)
{
	return open_socket(ret, &kernel.events, EVENTS_FD, opt);
}

int nlsock_open_dump(struct nlsock **ret, const struct nlsock_options *opt)
{
	return kernel.refuse_open ? -EMFILE : open_socket(ret, &kernel.dump, DUMP_FD, opt);
}

int nlsock_start_asking(struct nlsock *s)
{
	(void)s;
	return 0;
}

static void put_answer(struct nlsock *s, char *bytes, size_t len, uint32_t seq)
{
	((struct nlmsghdr *)(void *)bytes)->nlmsg_seq = seq;
	put(s, (struct item){.outcome = NLSOCK_DATA, .len = len}, bytes);
}

/* All at once: the other dumps cover changes meanwhile. */
static int answer_all(struct nlsock *s, uint32_t seq)
{
	char buf[MESSAGE] __attribute__((aligned(NLMSG_ALIGNTO)));
	int no_error = 0;
	struct nlmsghdr *nlh;

	if (s->n + LINKS + 1 > QUEUE)
		return -EAGAIN;
	for (int i = 1; i <= LINKS; i++)
		if (slot(i)->ref.exists)
			put_answer(s, buf, message(buf, RTM_NEWLINK, AF_UNSPEC, slot(i)), seq);
	nlh = mnl_nlmsg_put_header(buf);
	nlh->nlmsg_type = NLMSG_DONE;
	memcpy(mnl_nlmsg_put_extra_header(nlh, sizeof(no_error)), &no_error, sizeof(no_error));
	put_answer(s, buf, nlh->nlmsg_len, seq);
	return 0;
}

int nlsock_request_dump(struct nlsock *s, uint32_t seq)
{
	if (s == kernel.asking)
		return answer_all(s, seq);
	s->seq = seq;
	s->asked = !kernel.refuse_request;
	return kernel.refuse_request ? -ENOBUFS : 0;
}

int nlsock_open_asking(struct nlsock **ret, const struct nlsock_options *opt)
{
	return open_socket(ret, &kernel.asking, ASKING_FD, opt);
}

static size_t no_such_link(char *buf)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct nlmsgerr *error = mnl_nlmsg_put_extra_header(nlh, sizeof(*error));

	nlh->nlmsg_type = NLMSG_ERROR;
	error->error = -ENODEV;
	return nlh->nlmsg_len;
}

/* The answer is ready as soon as the question is asked. */
int nlsock_request_link(struct nlsock *s, int ifindex, uint32_t seq)
{
	char buf[MESSAGE] __attribute__((aligned(NLMSG_ALIGNTO)));
	const struct model_link *link = slot(ifindex);

	if (kernel.refuse_request || s->n >= QUEUE)
		return -EAGAIN;
	put_answer(s, buf, link->ref.exists ? message(buf, RTM_NEWLINK, AF_UNSPEC, link) : no_such_link(buf), seq);
	return 0;
}

static void take_back(struct nlsock *s)
{
	for (size_t i = 0; i < s->n_given; i++)
		free((void *)(uintptr_t)s->given[i].data);
	s->n_given = 0;
}

static void give(struct nlsock *s, struct nlsock_batch *batch)
{
	const struct item *item = &s->queue[0];

	if (item->spoofed)
		batch->spoofed++;
	else
		s->given[s->n_given++] = (struct nlsock_datagram){item->data, item->len};
	if (item->ends)
		hear_end(item->ends);
	drop_front(s);
}

void nlsock_receive(struct nlsock *s, struct nlsock_batch *batch)
{
	take_back(s);
	*batch = (struct nlsock_batch){.outcome = NLSOCK_AGAIN, .datagram = s->given};
	if (s->overrun) {
		s->overrun = false;
		batch->outcome = NLSOCK_OVERRUN;
		return;
	}
	while (s->n > 0 && s->queue[0].outcome == NLSOCK_DATA && s->n_given < s->pool)
		give(s, batch);
	batch->n = s->n_given;
	if (s->n_given == s->pool || (s->n > 0 && batch->n > 0 && s->queue[0].outcome != NLSOCK_TRUNCATED))
		batch->outcome = NLSOCK_DATA;
	if (s->n > 0 && s->queue[0].outcome != NLSOCK_DATA &&
	    (batch->n == 0 || s->queue[0].outcome == NLSOCK_TRUNCATED)) {
		batch->outcome = s->queue[0].outcome;
		batch->error = batch->outcome == NLSOCK_ERROR ? -EIO : 0;
		drop_front(s);
	}
	if (s->n == 0)
		s->congested = false;
}

int nlsock_fd(const struct nlsock *s)
{
	return s->fd;
}

size_t nlsock_rcvbuf(const struct nlsock *s)
{
	(void)s;
	return RCVBUF;
}

bool nlsock_rcvbuf_forced(const struct nlsock *s)
{
	(void)s;
	return true;
}

void nlsock_free(struct nlsock *s)
{
	if (!s)
		return;
	take_back(s);
	for (size_t i = 0; i < s->n; i++)
		free(s->queue[i].data);
	if (kernel.events == s)
		kernel.events = NULL;
	if (kernel.dump == s)
		kernel.dump = NULL;
	if (kernel.asking == s)
		kernel.asking = NULL;
	free(s);
}

bool kernel_in_use(void)
{
	return kernel.events || kernel.dump || kernel.asking;
}

void kernel_reset(void)
{
	memset(&kernel, 0, sizeof(kernel));
}
