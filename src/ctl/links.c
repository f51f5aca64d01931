/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/links.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "ctl/names.h"
#include "ctl/wait.h"
#include "kernel/nlsock.h"
#include "kernel/reply.h"

#define NAMESPACES "/run/netns"
#define OURS "/proc/self/ns/net"
#define INTERRUPTED_MAX 10 /* readings that a change interrupted before one is used all the same */

static void close_socket(struct nlsock **socket)
{
	if (*socket)
		nlsock_free(*socket);
}

struct collecting {
	struct ctl_links *links;
	size_t size;
	bool failed;
};

static void add(const struct link_msg *row, void *user)
{
	struct collecting *c = user;
	struct ctl_links *links = c->links;

	if (links->n == c->size) {
		size_t size = c->size ? 2 * c->size : 256;
		struct link_msg *grown = reallocarray(links->links, size, sizeof(*grown));

		c->failed |= !grown;
		if (!grown)
			return;
		links->links = grown;
		c->size = size;
	}
	links->links[links->n++] = *row;
}

static bool wanted(const void *user)
{
	return !((const struct collecting *)user)->failed;
}

/* 0; -EINTR: they changed meanwhile; another negative errno. */
static int read_once(struct nlsock *socket, uint32_t seq, bool takes_interrupted, struct ctl_links *ret)
{
	static const struct reply_ops ops = {.row = add, .wanted = wanted};
	struct reply reply = {.seq = seq, .takes_interrupted = takes_interrupted};
	struct collecting collecting = {.links = ret};
	int r = nlsock_request_dump(socket, seq);

	while (r == 0) {
		struct nlsock_batch batch;

		r = wait_fd(nlsock_fd(socket), POLLIN, wait_deadline());
		if (r < 0)
			return r;
		nlsock_receive(socket, &batch);
		r = reply_read(&reply, &batch, &ops, &collecting);
	}
	ret->interrupted = reply.interrupted;
	if (r == 1)
		r = collecting.failed ? -ENOMEM : 0;
	return r;
}

static int by_name(const void *a, const void *b)
{
	return names_compare(((const struct link_msg *)a)->name, ((const struct link_msg *)b)->name);
}

static int open_namespace(const char *path, char *shown, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), error = errno;

	(void)snprintf(shown, size, "%s", path);
	return fd < 0 ? -error : fd;
}

/* Opens the namespace that was asked for. A descriptor; -ENODATA: it is ours; another negative errno, with the file in
 * path. */
static int find_namespace(const struct config *config, char *path, size_t size)
{
	char wanted_path[sizeof(NAMESPACES) + NAME_MAX + 1];
	bool named = config->netns[0] != '\0';
	int fd;

	if (!named && config->namespace_name[0] == '\0')
		return -ENODATA;
	(void)snprintf(wanted_path, sizeof(wanted_path), NAMESPACES "/%s",
		       named ? config->netns : config->namespace_name);
	fd = open_namespace(wanted_path, path, size);
	/* In an ASIC's container no namespace has the ASIC's name: it is the container's own. */
	return fd == -ENOENT && !named ? -ENODATA : fd;
}

/* A socket stays in the namespace in which it was opened, so we can leave that again. */
static int open_socket(struct ctl *ctl, struct nlsock **ret)
{
	static const struct nlsock_options options = {.rcvbuf = 1U << 20, .sndbuf = 1U << 15};
	char path[PATH_MAX];
	int fd cleanup(close_fd) = find_namespace(&ctl->config, path, sizeof(path)), ours cleanup(close_fd) = -1, r;

	if (fd == -ENODATA)
		return nlsock_open_dump(ret, &options);
	ours = fd < 0 ? fd : open(OURS, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || ours < 0 || setns(fd, CLONE_NEWNET) < 0) {
		r = fd < 0 ? fd : -errno;
		(void)ctl_set_error(ctl, CTL_NO_SOURCE, r == -EPERM ? "run it as root" : "ip netns list shows them",
				    "network namespace %s: %s", path, strerror(-r));
		return -ECANCELED;
	}
	r = nlsock_open_dump(ret, &options);
	(void)setns(ours, CLONE_NEWNET);
	return r;
}

static int read_links(struct ctl *ctl, struct ctl_links *ret)
{
	int r = -EINTR;

	for (uint32_t i = 1; r == -EINTR; i++) {
		struct nlsock *socket cleanup(close_socket) = NULL;

		ctl_links_done(ret);
		r = open_socket(ctl, &socket);
		if (r == 0)
			r = read_once(socket, i, i >= INTERRUPTED_MAX, ret);
	}
	return r;
}

int ctl_links_read(struct ctl *ctl, struct ctl_links *ret)
{
	int r;

	*ret = (struct ctl_links){0};
	r = read_links(ctl, ret);
	if (r == 0) {
		qsort(ret->links, ret->n, sizeof(*ret->links), by_name);
		return 0;
	}
	ctl_links_done(ret);
	if (r == -ECANCELED)
		return -1;
	return ctl_set_error(ctl, CTL_NO_SOURCE, NULL, "the kernel's links cannot be read: %s", strerror(-r));
}

void ctl_links_done(struct ctl_links *links)
{
	free(links->links);
	*links = (struct ctl_links){0};
}

const struct link_msg *ctl_links_find(const struct ctl_links *links, const char *name)
{
	struct link_msg key = {0};

	if (strlen(name) >= sizeof(key.name) || links->n == 0)
		return NULL;
	memcpy(key.name, name, strlen(name) + 1);
	return bsearch(&key, links->links, links->n, sizeof(*links->links), by_name);
}
