/* SPDX-License-Identifier: Apache-2.0 */
#include "ports/recheck.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "kernel/reread.h"
#include "log/log.h"
#include "ports/difference.h"

struct recheck {
	struct nlsock_options opt;
	struct watch *watch;
	struct links *links;
	struct reread *reread;
	uint32_t round;
	uint64_t silent_changes;
	bool served;
	bool partial; /* rows are missing from the last dump: what is found now is those */
};

/* --- what is read --- */

static void on_begin(void *user)
{
	((struct recheck *)user)->round++;
}

static bool on_row(const struct link_msg *row, void *user)
{
	struct recheck *r = user;
	struct port *port = links_find_ifindex(r->links, row->ifindex);
	char text[DIFFERENCE_BYTES];

	if (port)
		port->reread_round = r->round;
	return difference(r->links, row, text);
}

static void on_all_read(void *user)
{
	struct recheck *r = user;

	for (struct port *port = links_next(r->links, NULL); port; port = links_next(r->links, port))
		if (port->link.ifindex && port->reread_round != r->round)
			reread_link(r->reread, port->link.ifindex);
}

static bool on_catch_up(void *user)
{
	return watch_catch_up(((struct recheck *)user)->watch);
}

/* The name of a port that the message is about, under the name it has so far. */
static const char *subject(const struct recheck *r, const struct link_msg *msg)
{
	const struct port *port = links_find_ifindex(r->links, msg->ifindex);

	return port ? port->name : msg->name;
}

static void on_link(const struct link_msg *msg, void *user)
{
	struct recheck *r = user;
	char text[DIFFERENCE_BYTES];

	if (!difference(r->links, msg, text))
		return;
	if (!r->partial) {
		r->silent_changes++;
		log_warning(KIND_SILENT_CHANGE, "%s (ifindex %d) changed without a message of the kernel: %s",
			    subject(r, msg), msg->ifindex, text);
	}
	links_reread(r->links, msg);
}

static void on_idle(void *user)
{
	((struct recheck *)user)->partial = false;
}

/* --- when --- */

/* Members of a link that is gone: they were released, of which there was a message each, or not. */
static void read_members(struct recheck *r, int master)
{
	for (struct port *port = links_next(r->links, NULL); port; port = links_next(r->links, port))
		if (port->link.ifindex && port->link.master == (uint32_t)master)
			reread_link(r->reread, port->link.ifindex);
}

static void note_master(struct recheck *r, const struct link_msg *msg)
{
	const struct port *port;

	if (msg->family != AF_UNSPEC)
		return;
	if (msg->type == RTM_DELLINK) {
		/* Many links that go together must not look at all ports each. */
		if (links_stats(r->links)->members > 0)
			read_members(r, msg->ifindex);
		return;
	}
	port = links_find_ifindex(r->links, msg->ifindex);
	if (port && port->link.master != msg->master)
		reread_link(r->reread, msg->ifindex);
}

void recheck_event(struct recheck *r, const struct link_msg *msg, uint64_t received_nsec)
{
	reread_overtake(r->reread, msg->ifindex);
	note_master(r, msg);
	links_event(r->links, msg, received_nsec);
}

void recheck_all(struct recheck *r)
{
	reread_all(r->reread);
}

void recheck_state(struct recheck *r, enum watch_state state)
{
	if (state != WATCH_SYNCED || !r->served) {
		reread_stop(r->reread);
		return;
	}
	reread_start(r->reread);
	if (r->partial)
		recheck_all(r);
}

void recheck_dump(struct recheck *r, bool complete)
{
	r->partial = !complete;
}

/* --- beginning and end --- */

int recheck_new(struct recheck **ret, sd_event *event, const struct nlsock_options *opt, struct watch *watch,
		struct links *links)
{
	static const struct reread_ops ops = {
		.all_begins = on_begin,
		.differs = on_row,
		.all_read = on_all_read,
		.catch_up = on_catch_up,
		.link = on_link,
		.idle = on_idle,
	};
	struct recheck *r = calloc(1, sizeof(*r));
	int result;

	if (!r)
		return -ENOMEM;
	*r = (struct recheck){.opt = *opt, .watch = watch, .links = links};
	result = reread_new(&r->reread, event, &r->opt, &ops, r);
	if (result < 0) {
		free(r);
		return result;
	}
	*ret = r;
	return 0;
}

void recheck_serve(struct recheck *r)
{
	int result = reread_serve(r->reread);

	r->served = result == 0;
	if (result < 0)
		log_warning(
			KIND_NO_RECHECK,
			"there is no thread to read links again, so what the kernel changes without a message is not "
			"found: %s",
			strerror(-result));
}

void recheck_free(struct recheck *r)
{
	if (!r)
		return;
	reread_free(r->reread);
	free(r);
}

struct recheck_stats recheck_stats(const struct recheck *r)
{
	const struct reread_stats *s = reread_stats(r->reread);

	return (struct recheck_stats){.silent_changes = r->silent_changes, .all = s->all, .links = s->links};
}
