/* SPDX-License-Identifier: Apache-2.0 */
#include "ports/mirror.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "base/util.h"
#include "log/log.h"
#include "ports/rules.h"
#include "recorder/recorder.h"

#define DIFFERENCE_BYTES 160

struct mirror {
	struct links *links;
	struct watch *watch;
	struct reread *reread;
	mirror_state_fn state_changed;
	void *user;
	uint32_t round; /* of readings of all; port.reread_round says which named the port */
	uint64_t silent_changes;
	bool served;
	bool partial; /* rows are missing from the last dump: what is found now is not a silent change */
};

/* --- events --- */

/* The members of a link that is gone were released, with or without a message each. */
static void reread_members(struct mirror *m, int master)
{
	for (struct port *port = links_next(m->links, NULL); port; port = links_next(m->links, port))
		if (port->link.ifindex && port->link.master == (uint32_t)master)
			reread_link(m->reread, port->link.ifindex);
}

static void on_event(const struct link_msg *msg, uint64_t received_nsec, void *user)
{
	struct mirror *m = user;

	reread_overtake(m->reread, msg->ifindex);
	if (links_event(m->links, msg, received_nsec))
		reread_link(m->reread, msg->ifindex);
	/* When many links go together, each must not look at all ports. */
	if (msg->type == RTM_DELLINK && msg->family == AF_UNSPEC && links_stats(m->links)->members > 0)
		reread_members(m, msg->ifindex);
}

/* --- dumps --- */

static void on_dump_begin(void *user)
{
	links_dump_begin(((struct mirror *)user)->links);
}

static void on_dump_row(const struct link_msg *msg, void *user)
{
	links_dump_row(((struct mirror *)user)->links, msg);
}

static int on_dump_commit(bool complete, void *user)
{
	struct mirror *m = user;
	int r = complete ? links_dump_commit(m->links) : links_dump_commit_partial(m->links);

	if (r < 0)
		return r;
	m->partial = !complete;
	/* A dump follows a gap, and no counter of the kernel reveals every change that happened in it. */
	links_doubt(m->links);
	return 0;
}

static void on_dump_abort(void *user)
{
	links_dump_abort(((struct mirror *)user)->links);
}

/* --- what a reading shows against the model --- */

static void put(char text[DIFFERENCE_BYTES], const char *what, const char *before, const char *now)
{
	text_append(text, DIFFERENCE_BYTES, ", ", "%s %s -> %s", what, before, now);
}

static void put_number(char text[DIFFERENCE_BYTES], const char *what, uint32_t before, uint32_t now)
{
	char from[16], to[16];

	(void)snprintf(from, sizeof(from), "%" PRIu32, before);
	(void)snprintf(to, sizeof(to), "%" PRIu32, now);
	put(text, what, from, to);
}

static const char *up_or_down(uint32_t flags, uint32_t flag)
{
	return flags & flag ? "up" : "down";
}

static void compare_fields(char text[DIFFERENCE_BYTES], const struct port *port, const struct link_msg *msg)
{
	uint32_t changed = port->link.flags ^ msg->flags;

	if (changed & IFF_UP)
		put(text, "admin", up_or_down(port->link.flags, IFF_UP), up_or_down(msg->flags, IFF_UP));
	if (changed & IFF_RUNNING)
		put(text, "oper", up_or_down(port->link.flags, IFF_RUNNING), up_or_down(msg->flags, IFF_RUNNING));
	if (msg->mtu && msg->mtu != port->link.mtu)
		put_number(text, "mtu", port->link.mtu, msg->mtu);
	if (msg->master != port->link.master)
		put_number(text, "master", port->link.master, msg->master);
}

/*
 * Compares what events report: whether there is a port's link, its name, admin, oper, MTU, master. port is the one
 * whose link has the message's ifindex, or NULL. True when they differ; then text says how for the log, e.g. "mtu 4000
 * -> 1500, master 7 -> 0". Of an old link only its end and its name count.
 */
static bool differs(const struct port *port, const struct link_msg *msg, char text[DIFFERENCE_BYTES])
{
	bool is_port = rules_classify(msg) == RULE_PRESENT;

	text[0] = '\0';
	if (!port && is_port)
		put(text, "link", "none", msg->name);
	else if (port && msg->type == RTM_DELLINK)
		put(text, "link", port->name, "none");
	else if (port && strcmp(port->name, msg->name) != 0 && msg->name[0] != '\0')
		put(text, "name", port->name, msg->name);
	else if (port && is_port && !port->link.old)
		compare_fields(text, port, msg);
	return text[0] != '\0';
}

/* --- readings --- */

static void on_begin(void *user)
{
	((struct mirror *)user)->round++;
}

static bool on_row(const struct link_msg *row, void *user)
{
	struct mirror *m = user;
	struct port *port = links_find_ifindex(m->links, row->ifindex);
	char text[DIFFERENCE_BYTES];

	if (port)
		port->reread_round = m->round;
	return differs(port, row, text);
}

static void on_all_read(void *user)
{
	struct mirror *m = user;

	for (struct port *port = links_next(m->links, NULL); port; port = links_next(m->links, port))
		if (port->link.ifindex && port->reread_round != m->round)
			reread_link(m->reread, port->link.ifindex);
}

static bool on_catch_up(void *user)
{
	return watch_catch_up(((struct mirror *)user)->watch);
}

/* The log has the name that the port has so far. */
static void on_link(const struct link_msg *msg, void *user)
{
	struct mirror *m = user;
	const struct port *port = links_find_ifindex(m->links, msg->ifindex);
	char text[DIFFERENCE_BYTES];

	if (!differs(port, msg, text))
		return;
	if (!m->partial) {
		m->silent_changes++;
		recorder_trigger(RECORDER_WHY_SILENT, "%s changed without a message of the kernel: %s",
				 port ? port->name : msg->name, text);
		log_warning(KIND_SILENT_CHANGE, "%s (ifindex %d) changed without a message of the kernel: %s",
			    port ? port->name : msg->name, msg->ifindex, text);
	}
	links_reread(m->links, msg);
}

static void on_idle(void *user)
{
	((struct mirror *)user)->partial = false;
}

void mirror_reread(struct mirror *m)
{
	reread_all(m->reread);
}

bool mirror_is_reading(const struct mirror *m)
{
	return reread_is_busy(m->reread);
}

static void on_state(enum watch_state state, void *user)
{
	struct mirror *m = user;

	if (state == WATCH_SYNCED && m->served) {
		reread_start(m->reread);
		if (m->partial)
			reread_all(m->reread);
	} else {
		reread_stop(m->reread);
	}
	m->state_changed(state, m->user);
}

/* --- beginning and end --- */

static void free_mirror(struct mirror **m)
{
	mirror_free(*m);
}

int mirror_new(struct mirror **ret, sd_event *event, const struct watch_options *opt, struct links *links,
	       mirror_state_fn state_changed, void *user)
{
	static const struct watch_ops watch_ops = {
		.event = on_event,
		.dump_begin = on_dump_begin,
		.dump_row = on_dump_row,
		.dump_commit = on_dump_commit,
		.dump_abort = on_dump_abort,
		.state_changed = on_state,
	};
	static const struct reread_ops reread_ops = {
		.all_begins = on_begin,
		.differs = on_row,
		.all_read = on_all_read,
		.catch_up = on_catch_up,
		.link = on_link,
		.idle = on_idle,
	};
	const struct nlsock_options sizes = {
		.rcvbuf = opt->rcvbuf,
		.sndbuf = opt->sndbuf,
		.datagram_bytes = opt->datagram_bytes,
	};
	struct mirror *m cleanup(free_mirror) = calloc(1, sizeof(*m));
	int r;

	if (!m)
		return -ENOMEM;
	*m = (struct mirror){.links = links, .state_changed = state_changed, .user = user};
	r = watch_new(&m->watch, event, opt, &watch_ops, m);
	if (r == 0)
		r = reread_new(&m->reread, event, &sizes, &reread_ops, m);
	if (r < 0)
		return r;
	*ret = m;
	m = NULL;
	return 0;
}

void mirror_serve(struct mirror *m)
{
	int r = reread_serve(m->reread);

	m->served = r == 0;
	if (r < 0)
		log_warning(
			KIND_NO_RECHECK,
			"there is no thread to read links again, so what the kernel changes without a message is not "
			"found: %s",
			strerror(-r));
}

void mirror_free(struct mirror *m)
{
	if (!m)
		return;
	reread_free(m->reread);
	watch_free(m->watch);
	free(m);
}

struct watch *mirror_watch(const struct mirror *m)
{
	return m->watch;
}

struct mirror_stats mirror_stats(const struct mirror *m)
{
	return (struct mirror_stats){.silent_changes = m->silent_changes, .reread = *reread_stats(m->reread)};
}
