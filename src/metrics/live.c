/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/live.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"

#define SPARE_PORTS 64

/* --- ports --- */

static int compare(const void *name, const void *port)
{
	return strverscmp(name, ((const struct live_port *)port)->name);
}

static int compare_ports(const void *one, const void *other)
{
	return compare(((const struct live_port *)one)->name, other);
}

static struct live_port *find(const struct live *l, const char *name)
{
	return l->n_ports ? bsearch(name, l->ports, l->n_ports, sizeof(*l->ports), compare) : NULL;
}

static bool in_snapshot(const struct snapshot *s, const struct live_port *port)
{
	for (size_t i = 0; i < s->n_ports; i++)
		if (strcmp(s->ports[i].name, port->name) == 0)
			return true;
	return false;
}

static void forget_gone(struct live *l, const struct snapshot *s)
{
	size_t kept = 0;

	for (size_t i = 0; i < l->n_ports; i++)
		if (in_snapshot(s, &l->ports[i]))
			l->ports[kept++] = l->ports[i];
	l->ports_changed = l->ports_changed || kept != l->n_ports;
	l->n_ports = kept;
}

static bool reserve(struct live *l, size_t ports)
{
	struct live_port *grown;

	if (ports <= l->capacity)
		return true;
	grown = realloc(l->ports, (ports + SPARE_PORTS) * sizeof(*grown));
	if (!grown)
		return false;
	l->ports = grown;
	l->capacity = ports + SPARE_PORTS;
	return true;
}

static void add_new(struct live *l, const struct snapshot *s)
{
	size_t known = l->n_ports, n = known;

	if (!reserve(l, known + s->n_ports))
		return;
	for (size_t i = 0; i < s->n_ports; i++) {
		if (find(l, s->ports[i].name))
			continue;
		l->ports[n] = (struct live_port){.news = true};
		memcpy(l->ports[n++].name, s->ports[i].name, sizeof(l->ports->name));
	}
	if (n == known)
		return;
	l->n_ports = n;
	l->ports_changed = true;
	qsort(l->ports, n, sizeof(*l->ports), compare_ports);
}

/* True if the same ports in any order: then nothing is added, and none is gone. */
static bool all_known(const struct live *l, const struct snapshot *s)
{
	if (l->n_ports != s->n_ports)
		return false;
	for (size_t i = 0; i < s->n_ports; i++)
		if (!find(l, s->ports[i].name))
			return false;
	return true;
}

static enum live_note note_of(const struct snapshot_port *port)
{
	if (port->link.ifindex == 0)
		return LIVE_NO_LINK;
	return port->link.old ? LIVE_OLD_LINK : LIVE_OWED;
}

static bool flaps(const struct live_port *port, uint64_t now_usec)
{
	uint64_t first = port->oper_usec[LIVE_FLAPS - 1];

	return first > 0 && now_usec - MIN(first, now_usec) < LIVE_FLAPS_SECS * USEC_PER_SEC;
}

/* A row that Redis will have in a moment is not out of sync: one look later it is. */
static enum live_state state_of(const struct live_port *known, const struct snapshot_port *port, uint64_t now_usec)
{
	bool out = port->appl.configured && !port->in_sync;

	if (!port->appl.configured)
		return LIVE_UNCONFIGURED;
	if (out && (note_of(port) != LIVE_OWED || known->out_before))
		return LIVE_OUT_OF_SYNC;
	if (flaps(known, now_usec))
		return LIVE_FLAPPING;
	if (!(port->link.flags & IFF_UP))
		return LIVE_ADMIN_DOWN;
	return port->link.flags & IFF_RUNNING ? LIVE_UP : LIVE_DOWN;
}

static void show(struct live_port *known, const struct snapshot_port *port, uint64_t now_usec, uint64_t epoch_nsec)
{
	const struct port_history *history = &port->history;
	struct live_shown shown = {
		.flaps = history->flaps,
		.changed_msec = history->changed_nsec ? (history->changed_nsec + epoch_nsec) / NSEC_PER_MSEC
						      : history->changed_before_msec,
		.mtu = port->link.mtu,
		.state = (uint8_t)state_of(known, port, now_usec),
		.oper = (port->link.flags & IFF_RUNNING) != 0,
		.admin = (port->link.flags & IFF_UP) != 0,
	};

	if (shown.state == LIVE_OUT_OF_SYNC)
		shown.note = (uint8_t)note_of(port);
	known->news = memcmp(&known->shown, &shown, sizeof(shown)) != 0;
	known->shown = shown;
	known->out_before = port->appl.configured && !port->in_sync;
}

_Static_assert(sizeof(struct live_shown) == 24, "struct live_shown has padding");

static void show_ports(struct live *l, const struct snapshot *s, uint64_t now_usec, uint64_t epoch_nsec)
{
	for (size_t i = 0; i < s->n_ports; i++) {
		struct live_port *port = find(l, s->ports[i].name);

		if (port)
			show(port, &s->ports[i], now_usec, epoch_nsec);
	}
}

/* --- changes --- */

/* A clock that was set back adds to the newest step. */
static void advance(struct live *l, uint64_t now_usec)
{
	uint64_t step = now_usec / (LIVE_STEP_SECS * USEC_PER_SEC);

	if (step <= l->newest)
		return;
	if (step - l->newest > LIVE_STEPS)
		l->newest = step - LIVE_STEPS;
	while (l->newest < step)
		l->steps[++l->newest % LIVE_STEPS] = (struct live_step){0};
}

static void count_change(struct live *l, const struct change *change)
{
	uint64_t number = MIN(change->at_usec / (LIVE_STEP_SECS * USEC_PER_SEC), l->newest);
	struct live_step *step = &l->steps[number % LIVE_STEPS];

	if (l->newest - number >= LIVE_STEPS)
		return;
	step->changes++;
	step->slowest_usec = MAX(step->slowest_usec, change->latency_usec);
}

/* A row that comes or goes does not flap. */
static bool changes_oper(const struct change *change)
{
	struct row before = row_unpack(change->before), after = row_unpack(change->after);

	return change->fields & ROW_BIT(ROW_OPER) && before.value[ROW_OPER] >= 0 && after.value[ROW_OPER] >= 0;
}

static void note_flap(struct live *l, const struct change *change)
{
	struct live_port *port = changes_oper(change) ? find(l, change->port) : NULL;

	if (!port)
		return;
	memmove(port->oper_usec + 1, port->oper_usec, (LIVE_FLAPS - 1) * sizeof(port->oper_usec[0]));
	port->oper_usec[0] = change->at_usec;
}

static void take(struct live *l, const struct change *change)
{
	count_change(l, change);
	note_flap(l, change);
	l->changes[l->n_changes++ % LIVE_CHANGES] = *change;
}

/* What the ring has overwritten was before the first change that it gives. */
static void read_ring(struct live *l, const struct changes *c)
{
	uint64_t lost = 0, end = changes_end(c);
	struct change change;
	bool cut = false;

	if (!l->begun) {
		l->next = changes_begin(c);
		cut = changes_kept(c) > 0 && end - l->next >= changes_kept(c);
	}
	l->begun = true;
	while (l->next < end && changes_read(c, &l->next, &change, 1, &lost) == 1) {
		if (cut || lost > 0)
			l->known_from_usec = change.at_usec;
		cut = false;
		lost = 0;
		take(l, &change);
	}
}

void live_look(struct live *l, const struct snapshot *s, const struct changes *c, uint64_t now_usec,
	       uint64_t epoch_nsec)
{
	l->looks++;
	l->ports_changed = false;
	l->n_changes_before = l->n_changes;
	if (!all_known(l, s)) {
		forget_gone(l, s);
		add_new(l, s);
	}
	advance(l, now_usec);
	if (c)
		read_ring(l, c);
	show_ports(l, s, now_usec, epoch_nsec);
}

void live_done(struct live *l)
{
	free(l->ports);
	l->ports = NULL;
}

/* --- reading --- */

void live_count(const struct live *l, size_t counts[LIVE_STATES])
{
	memset(counts, 0, LIVE_STATES * sizeof(counts[0]));
	for (size_t i = 0; i < l->n_ports; i++)
		counts[l->ports[i].shown.state]++;
}

const char *live_state_name(enum live_state state)
{
	static const char *const names[LIVE_STATES] = {
		[LIVE_UP] = "up",
		[LIVE_DOWN] = "down",
		[LIVE_ADMIN_DOWN] = "admin down",
		[LIVE_FLAPPING] = "flapping",
		[LIVE_OUT_OF_SYNC] = "out of sync",
		[LIVE_UNCONFIGURED] = "not configured",
	};

	return names[state];
}

const char *live_note_text(enum live_note note)
{
	static const char *const texts[LIVE_NOTES] = {
		[LIVE_NO_NOTE] = "",
		[LIVE_NO_LINK] = "it has no interface",
		[LIVE_OLD_LINK] = "its interface is from before the start and waits to be deleted",
		[LIVE_OWED] = "Redis has not acknowledged its row",
	};

	return texts[note];
}

const struct live_step *live_step(const struct live *l, uint64_t number)
{
	return &l->steps[number % LIVE_STEPS];
}
