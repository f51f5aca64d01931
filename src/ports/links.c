/* SPDX-License-Identifier: Apache-2.0 */
#include "ports/links.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/util.h"
#include "ports/rules.h"
#include "ports/stage.h"
#include "recorder/recorder.h"

#define CHUNK_PORTS 64

/* Known by ifindex, whatever the link is called by now. */
struct old_link {
	struct hash_node node;
	int ifindex;
	uint32_t carrier_up, carrier_down; /* the highest seen */
};

struct links {
	struct hash by_name, by_ifindex;
	struct list all, dirty, unused; /* of port.all, port.dirty, port.all */
	struct arena memory;            /* of ports: it is never given back, but used again */
	struct stage stage;
	bool dumping, keeping_ended;
	struct baseline baseline;
	struct hash old; /* of old_links */
	struct old_link *old_links;
	size_t old_count;
	size_t expected;
	struct links_stats stats;
};

/* --- memory --- */

/* One that was released, or a new one. */
static struct port *take_unused(struct links *l)
{
	struct port *port;

	if (list_empty(&l->unused)) {
		port = arena_take(&l->memory, sizeof(*port));
		l->stats.chunks = l->memory.chunks;
		return port;
	}
	port = container_of(l->unused.next, struct port, all);
	list_remove(&port->all);
	return port;
}

struct links *links_new(size_t reserve)
{
	struct links *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	list_init(&l->all);
	list_init(&l->dirty);
	list_init(&l->unused);
	arena_init(&l->memory, CHUNK_PORTS * ARENA_BYTES(sizeof(struct port)), 0);
	if (hash_init(&l->by_name, reserve) < 0 || hash_init(&l->by_ifindex, reserve) < 0 ||
	    hash_init(&l->old, 0) < 0 || baseline_init(&l->baseline, 0) < 0 || stage_init(&l->stage) < 0 ||
	    !arena_reserve(&l->memory, reserve * ARENA_BYTES(sizeof(struct port)))) {
		links_free(l);
		return NULL;
	}
	l->stats.chunks = l->memory.chunks;
	return l;
}

void links_free(struct links *l)
{
	if (!l)
		return;
	arena_done(&l->memory);
	free(l->old_links);
	stage_done(&l->stage);
	baseline_done(&l->baseline);
	hash_done(&l->old);
	hash_done(&l->by_name);
	hash_done(&l->by_ifindex);
	free(l);
}

static struct port *new_port(struct links *l, const char *name, uint32_t key)
{
	const struct baseline_port *before = baseline_find(&l->baseline, name);
	struct port *port = take_unused(l);

	if (!port) {
		l->stats.no_memory++;
		return NULL;
	}
	*port = (struct port){.row.acked = row_nil};
	if (before) {
		port->history.flaps = port->history.flaps_before = before->flaps;
		port->history.changed_before_msec = before->changed_msec;
	}
	memcpy(port->name, name, strlen(name) + 1);
	list_init(&port->dirty);
	list_init(&port->lookup.waiting);
	list_init(&port->lookup.owed);
	list_init(&port->all);
	list_append(&l->all, &port->all);
	hash_add(&l->by_name, &port->by_name, key);
	l->stats.ports++;
	return port;
}

/* The kernel, SONiC or STATE_DB knows the port, or its change is still to be written. */
static bool is_known(const struct port *port)
{
	return port->link.ifindex || port->appl.configured || port->appl.expected || port->row.mine ||
	       port->owed.deletion || list_linked(&port->dirty);
}

void links_release(struct links *l, struct port *port)
{
	if (port->holds > 0 || is_known(port))
		return;
	list_remove(&port->lookup.waiting);
	list_remove(&port->all);
	hash_del(&l->by_name, &port->by_name);
	list_append(&l->unused, &port->all);
	l->stats.ports--;
}

void links_hold(struct port *port)
{
	port->holds++;
}

void links_unhold(struct links *l, struct port *port)
{
	port->holds--;
	links_release(l, port);
}

/* --- what an earlier process counted --- */

int links_baseline_reserve(struct links *l, size_t n)
{
	baseline_done(&l->baseline);
	return baseline_init(&l->baseline, n);
}

void links_baseline_add(struct links *l, const char *name, uint64_t flaps, uint64_t changed_msec)
{
	baseline_add(&l->baseline, name, flaps, changed_msec);
}

const struct baseline_port *links_baseline_next(const struct links *l, const struct baseline_port *before)
{
	do
		before = baseline_next(&l->baseline, before);
	while (before && links_find(l, before->name));
	return before;
}

/* --- finding --- */

static struct port *find_key(const struct links *l, const char *name, uint32_t key)
{
	for (struct hash_node *node = hash_first(&l->by_name, key); node; node = hash_next(node)) {
		struct port *port = container_of(node, struct port, by_name);

		if (strcmp(port->name, name) == 0)
			return port;
	}
	return NULL;
}

struct port *links_find(const struct links *l, const char *name)
{
	return find_key(l, name, hash_bytes(name, strlen(name)));
}

struct port *links_get(struct links *l, const char *name)
{
	size_t len = strlen(name);
	uint32_t key = hash_bytes(name, len);
	struct port *port;

	if (len == 0 || len >= IFNAMSIZ)
		return NULL;
	port = find_key(l, name, key);
	return port ? port : new_port(l, name, key);
}

struct port *links_find_ifindex(const struct links *l, int ifindex)
{
	struct hash_node *node = hash_first(&l->by_ifindex, hash_int((uint32_t)ifindex));

	for (; node; node = hash_next(node)) {
		struct port *port = container_of(node, struct port, by_ifindex);

		if (port->link.ifindex == ifindex)
			return port;
	}
	return NULL;
}

struct port *links_next(const struct links *l, const struct port *port)
{
	const struct list *next = port ? port->all.next : l->all.next;

	return next == &l->all ? NULL : container_of(next, struct port, all);
}

bool links_present(const struct port *port)
{
	return port->link.ifindex && !port->link.old;
}

/* --- dirty list --- */

void links_mark_dirty(struct links *l, struct port *port)
{
	if (!list_linked(&port->dirty))
		list_append(&l->dirty, &port->dirty);
}

struct port *links_pop_dirty(struct links *l)
{
	struct port *port;

	if (list_empty(&l->dirty))
		return NULL;
	port = container_of(l->dirty.next, struct port, dirty);
	list_remove(&port->dirty);
	return port;
}

bool links_any_dirty(const struct links *l)
{
	return !list_empty(&l->dirty);
}

/* --- what SONiC says of ports --- */

static void meet_expectation(struct links *l, struct port *port)
{
	if (!port->appl.expected || !port->appl.configured || !port->link.published || !links_present(port))
		return;
	port->appl.expected = false;
	l->expected--;
}

void links_set_configured(struct links *l, struct port *port, bool configured)
{
	if (port->appl.configured == configured)
		return;
	port->appl.configured = configured;
	baseline_drop(&l->baseline, port->name);
	l->stats.configured += configured ? 1 : (size_t)-1;
	links_mark_dirty(l, port);
	meet_expectation(l, port);
}

void links_mark_published(struct links *l, struct port *port)
{
	port->link.published = true;
	meet_expectation(l, port);
}

void links_expect(struct links *l, struct port *port)
{
	if (port->appl.expected)
		return;
	port->appl.expected = true;
	l->expected++;
	meet_expectation(l, port);
}

void links_keep(struct links *l, struct port *port)
{
	port->appl.kept = !port->link.ifindex && !l->keeping_ended;
}

size_t links_kept(const struct links *l)
{
	size_t n = 0;

	for (const struct port *port = links_next(l, NULL); port; port = links_next(l, port))
		n += port->appl.kept;
	return n;
}

size_t links_end_keeping(struct links *l)
{
	size_t n = 0;

	l->keeping_ended = true;
	for (struct port *port = links_next(l, NULL); port; port = links_next(l, port)) {
		if (!port->appl.kept)
			continue;
		port->appl.kept = false;
		links_mark_dirty(l, port);
		n++;
	}
	return n;
}

size_t links_expected(const struct links *l)
{
	return l->expected;
}

/* --- old links --- */

static struct old_link *find_old(const struct links *l, int ifindex)
{
	struct hash_node *node = hash_first(&l->old, hash_int((uint32_t)ifindex));

	for (; node; node = hash_next(node)) {
		struct old_link *old = container_of(node, struct old_link, node);

		if (old->ifindex == ifindex)
			return old;
	}
	return NULL;
}

static void release_old(struct links *l, int ifindex)
{
	struct old_link *old = find_old(l, ifindex);

	if (old)
		hash_del(&l->old, &old->node);
}

size_t links_mark_old(struct links *l, int *ifindex, size_t max)
{
	size_t n = 0;

	if (l->old_links)
		return 0;
	l->old_links = calloc(l->stats.present + 1, sizeof(*l->old_links));
	for (struct port *port = links_next(l, NULL); port && l->old_links; port = links_next(l, port)) {
		if (!port->link.ifindex)
			continue;
		port->link.old = true;
		l->old_links[n].ifindex = port->link.ifindex;
		l->old_links[n].carrier_up = port->link.carrier_up;
		l->old_links[n].carrier_down = port->link.carrier_down;
		hash_add(&l->old, &l->old_links[n].node, hash_int((uint32_t)port->link.ifindex));
		links_mark_dirty(l, port);
		if (n < max)
			ifindex[n] = port->link.ifindex;
		n++;
	}
	l->old_count = n;
	return n;
}

/* --- what the kernel says of links --- */

static void set_master(struct links *l, struct port *port, uint32_t master)
{
	l->stats.members += (master != 0) - (size_t)(port->link.master != 0);
	port->link.master = master;
}

static void note_owed(const struct port *port, unsigned fields)
{
	recorder_owed(port->name, fields);
}

static void note_change(struct links *l, struct port *port, uint64_t received_nsec)
{
	if (!port->owed.since_nsec)
		port->owed.since_nsec = received_nsec;
	if (!received_nsec)
		return;
	port->history.changed_nsec = received_nsec;
	l->stats.changes++;
}

static void attach(struct links *l, struct port *port, const struct link_msg *msg, uint64_t received_nsec)
{
	port->link.ifindex = msg->ifindex;
	port->link.flags = msg->flags;
	port->link.mtu = msg->mtu;
	set_master(l, port, msg->master);
	port->link.old = find_old(l, msg->ifindex) != NULL;
	port->appl.kept = false;
	port->owed.fields = OWED_DOUBT;
	hash_add(&l->by_ifindex, &port->by_ifindex, hash_int((uint32_t)msg->ifindex));
	l->stats.present++;
	note_owed(port, OWED_DOUBT);
	note_change(l, port, received_nsec);
	links_mark_dirty(l, port);
}

static void detach(struct links *l, struct port *port, uint64_t received_nsec)
{
	hash_del(&l->by_ifindex, &port->by_ifindex);
	/* Nothing was ever published of an old link, so nobody waits for its end. */
	port->owed.deletion = port->owed.deletion || !port->link.old;
	if (!port->owed.since_nsec)
		port->owed.since_nsec = received_nsec;
	port->link.gone_ifindex = port->link.ifindex;
	port->link.ifindex = 0;
	port->link.old = port->link.published = false;
	port->link.flags = port->link.mtu = port->owed.fields = 0;
	note_owed(port, RECORDER_DELETION);
	set_master(l, port, 0);
	l->stats.present--;
	links_mark_dirty(l, port);
}

/* The port of the name that the message gives its link. port: the one that has the link so far, or NULL. */
static struct port *settle_name(struct links *l, struct port *port, const struct link_msg *msg, uint64_t received_nsec)
{
	if (port && strcmp(port->name, msg->name) == 0)
		return port;
	if (port) /* a rename ends one name and starts another (M15) */
		detach(l, port, received_nsec);
	port = links_get(l, msg->name);
	if (!port)
		return NULL;
	if (port->link.ifindex) /* no two links have one name: this one's end was missed */
		detach(l, port, received_nsec);
	attach(l, port, msg, received_nsec);
	return port;
}

/* A new master changes no field of ours, but teammgrd waits for an event of a member that was released. */
static unsigned changed_fields(const struct port *port, const struct link_msg *msg, uint32_t mtu)
{
	uint32_t flags = port->link.flags ^ msg->flags;

	return (flags & IFF_RUNNING ? ROW_BIT(ROW_OPER) : 0) | (flags & IFF_UP ? ROW_BIT(ROW_ADMIN) : 0) |
	       (mtu != port->link.mtu ? ROW_BIT(ROW_MTU) : 0) |
	       (msg->master != port->link.master ? ROW_BIT(ROW_STATE) : 0);
}

static void owe(struct links *l, struct port *port, unsigned fields, uint64_t received_nsec)
{
	port->owed.fields |= fields;
	note_owed(port, fields);
	links_mark_dirty(l, port);
	if (fields != ROW_BIT(ROW_STATE))
		note_change(l, port, received_nsec);
	if (fields & ROW_BIT(ROW_OPER)) {
		port->history.flaps++;
		l->stats.flaps++;
	}
}

static void update(struct links *l, struct port *port, const struct link_msg *msg, uint64_t received_nsec)
{
	uint32_t mtu = msg->mtu ? msg->mtu : port->link.mtu;
	unsigned fields = changed_fields(port, msg, mtu);

	if (fields)
		owe(l, port, fields, received_nsec);
	port->link.flags = msg->flags;
	port->link.mtu = mtu;
	set_master(l, port, msg->master);
	port->link.carrier_up = msg->carrier_up;
	port->link.carrier_down = msg->carrier_down;
}

static void count_carrier(struct links *l, const struct link_msg *msg)
{
	struct old_link *old = find_old(l, msg->ifindex);

	if (!old)
		return;
	old->carrier_up = MAX(old->carrier_up, msg->carrier_up);
	old->carrier_down = MAX(old->carrier_down, msg->carrier_down);
}

/* port: the one whose link has the message's ifindex, or NULL. */
static void apply(struct links *l, struct port *port, enum rule_verdict verdict, const struct link_msg *msg,
		  uint64_t received_nsec)
{
	if (!port || port->link.old)
		count_carrier(l, msg);
	switch (verdict) {
	case RULE_PRESENT:
		port = settle_name(l, port, msg, received_nsec);
		if (port)
			update(l, port, msg, received_nsec);
		return;
	case RULE_NOTHING:
		return;
	case RULE_GONE:
		release_old(l, msg->ifindex);
		break;
	case RULE_NO_PORT:
		break;
	}
	if (port)
		detach(l, port, received_nsec);
}

bool links_event(struct links *l, const struct link_msg *msg, uint64_t received_nsec)
{
	struct port *port = links_find_ifindex(l, msg->ifindex);
	enum rule_verdict verdict = rules_classify(msg);
	bool new_master;

	l->stats.ignored += !port && verdict != RULE_PRESENT;
	if (verdict == RULE_NOTHING)
		return false;
	new_master = port && verdict != RULE_GONE && msg->master != port->link.master;
	if (l->dumping)
		stage_add_event(&l->stage, msg->ifindex);
	apply(l, port, verdict, msg, received_nsec);
	return new_master;
}

/* What was read is true now, but nobody knows since when. */
void links_reread(struct links *l, const struct link_msg *msg)
{
	apply(l, links_find_ifindex(l, msg->ifindex), rules_classify(msg), msg, 0);
}

void links_dump_begin(struct links *l)
{
	stage_clear(&l->stage);
	l->dumping = true;
}

void links_dump_row(struct links *l, const struct link_msg *msg)
{
	/* A link that is not a port needs no row, since whatever port it was before is swept; but an old one stays
	 * known.
	 */
	if (l->dumping && (rules_classify(msg) == RULE_PRESENT || find_old(l, msg->ifindex)))
		stage_add_row(&l->stage, msg);
}

/*
 * The end of an old link was lost, and another one has its ifindex now: a link's own counters never go back. Only for
 * a row, which is not older than any event before the dump; an event may be older than a row.
 */
static void drop_if_replaced(struct links *l, const struct link_msg *row)
{
	const struct old_link *old = find_old(l, row->ifindex);
	struct port *port = links_find_ifindex(l, row->ifindex);

	if (!old || (row->carrier_up >= old->carrier_up && row->carrier_down >= old->carrier_down))
		return;
	release_old(l, row->ifindex);
	if (port)
		detach(l, port, 0);
}

static void apply_row(const struct link_msg *row, void *user)
{
	drop_if_replaced(user, row);
	links_reread(user, row);
}

static void sweep_old(struct links *l)
{
	for (size_t i = 0; i < l->old_count; i++)
		if (!stage_find(&l->stage, l->old_links[i].ifindex))
			release_old(l, l->old_links[i].ifindex);
}

static void sweep(struct links *l)
{
	sweep_old(l);
	for (struct port *port = links_next(l, NULL); port; port = links_next(l, port))
		if (port->link.ifindex && !stage_find(&l->stage, port->link.ifindex))
			detach(l, port, 0);
}

static int commit(struct links *l, bool complete)
{
	uint64_t no_memory = l->stats.no_memory;

	if (!l->dumping)
		return 0;
	l->dumping = false;
	if (l->stage.incomplete)
		return -ENOMEM;
	if (complete)
		sweep(l);
	stage_each_row(&l->stage, apply_row, l);
	return l->stats.no_memory == no_memory ? 0 : -ENOMEM;
}

int links_dump_commit(struct links *l)
{
	return commit(l, true);
}

int links_dump_commit_partial(struct links *l)
{
	return commit(l, false);
}

void links_doubt(struct links *l)
{
	recorder_note("every row is owed again: changes may have been missed");
	for (struct port *port = links_next(l, NULL); port; port = links_next(l, port)) {
		if (!links_present(port))
			continue;
		port->owed.fields |= OWED_DOUBT;
		links_mark_dirty(l, port);
	}
}

void links_dump_abort(struct links *l)
{
	l->dumping = false;
}

const struct links_stats *links_stats(const struct links *l)
{
	return &l->stats;
}
