/* SPDX-License-Identifier: Apache-2.0 */
#include "sonic/oldlinks.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/timer.h"
#include "base/util.h"
#include "kernel/nlsock.h"
#include "log/log.h"

#define KEY_BYTES 40
/* Links set down in a turn of the loop: some drivers need 10 ms for each, and the kernel answers when it is done. */
#define LINKS_A_TURN 16

struct oldlinks {
	enum oldlinks_policy policy;
	struct links *links;
	struct conn *appl;
	char moved[KEY_BYTES], waiting[KEY_BYTES + 1]; /* PortInitDone, before and after its consumer took it */
	oldlinks_fn fn;
	void *user;
	uint64_t set_down;
	bool said;
	/* To be set down, in the order of links_mark_old(); NULL: none. */
	int *ifindex;
	size_t n, next, failed;
	sd_event_source *turn;
	bool awaited; /* fn is called when all are done */
};

static int on_turn(sd_event_source *source, void *user);

struct oldlinks *oldlinks_new(sd_event *event, enum oldlinks_policy policy, struct links *links, struct conn *appl,
			      const char *appl_separator, oldlinks_fn fn, void *user)
{
	struct oldlinks *o = calloc(1, sizeof(*o));

	if (!o)
		return NULL;
	o->policy = policy;
	o->links = links;
	o->appl = appl;
	o->fn = fn;
	o->user = user;
	(void)snprintf(o->moved, sizeof(o->moved), "PORT_TABLE%sPortInitDone", appl_separator);
	(void)snprintf(o->waiting, sizeof(o->waiting), "_%s", o->moved);
	if (timer_add_deferred(&o->turn, event, on_turn, o) < 0) {
		oldlinks_free(o);
		return NULL;
	}
	return o;
}

void oldlinks_free(struct oldlinks *o)
{
	if (!o)
		return;
	sd_event_source_disable_unref(o->turn);
	free(o->ifindex);
	free(o);
}

/* --- retiring --- */

static void note_set_down(struct oldlinks *o, const struct port *port)
{
	if (!(port->link.flags & IFF_UP))
		return;
	o->set_down++;
	log_with(LOG_WARNING, KIND_OLD_LINK_SET_DOWN,
		 (&(struct log_context){.port = port->name, .ifindex = port->link.ifindex}),
		 "%s: set down: its interface is left over from before this cold start", port->name);
}

static void note_result(struct oldlinks *o, const struct port *port, int result)
{
	if (result == 0)
		note_set_down(o, port);
	else
		o->failed++;
}

/* The links of the next turn that still exist: a link that got the ifindex of a deleted one is not old. */
static size_t next_links(struct oldlinks *o, int *ifindex, const struct port **ports)
{
	size_t n = 0;

	for (; o->next < o->n && n < LINKS_A_TURN; o->next++) {
		const struct port *port = links_find_ifindex(o->links, o->ifindex[o->next]);

		if (!port || !port->link.old)
			continue;
		ports[n] = port;
		ifindex[n++] = port->link.ifindex;
	}
	return n;
}

/* False when the kernel does not answer: each further request would cost its timeout. */
static bool set_some_down(struct oldlinks *o)
{
	const struct port *ports[LINKS_A_TURN];
	int ifindex[LINKS_A_TURN], results[LINKS_A_TURN];
	size_t n = next_links(o, ifindex, ports);
	int r = n > 0 ? nlsock_set_links_down(ifindex, n, results) : 0;

	if (r < 0) {
		log_warning(KIND_OLD_LINKS_UP, "the old interfaces cannot be set down: %s", strerror(-r));
		return false;
	}
	for (size_t i = 0; i < n; i++)
		note_result(o, ports[i], results[i]);
	return n == 0 || results[n - 1] != -ETIMEDOUT;
}

static void finish(struct oldlinks *o)
{
	bool awaited = o->awaited;

	o->failed += o->n - o->next;
	if (o->failed > 0)
		log_warning(KIND_OLD_LINKS_UP, "%zu of %zu old interfaces could not be set down", o->failed, o->n);
	(void)sd_event_source_set_enabled(o->turn, SD_EVENT_OFF);
	free(o->ifindex);
	o->ifindex = NULL;
	o->awaited = false;
	if (awaited)
		o->fn(true, o->user);
}

static int on_turn(sd_event_source *source, void *user)
{
	struct oldlinks *o = user;

	(void)source;
	if (!set_some_down(o) || o->next == o->n)
		finish(o);
	return 0;
}

/* True if there is something to wait for. */
static bool retire(struct oldlinks *o)
{
	size_t max = links_stats(o->links)->present;

	if (o->ifindex)
		return true;
	o->ifindex = calloc(max + 1, sizeof(*o->ifindex));
	if (!o->ifindex)
		return false;
	o->n = MIN(links_mark_old(o->links, o->ifindex, max), max);
	o->next = o->failed = 0;
	if (o->n > 0 && timer_enable(o->turn, SD_EVENT_ON) >= 0) {
		log_notice(KIND_OLD_LINKS_RETIRED, "%zu old interfaces are set down and ignored until they are deleted",
			   o->n);
		return true;
	}
	free(o->ifindex);
	o->ifindex = NULL;
	return false;
}

static void retire_then_report(struct oldlinks *o)
{
	o->awaited = retire(o);
	if (!o->awaited)
		o->fn(true, o->user);
}

/* --- deciding --- */

static void on_init_done_counted(const struct resp_value *reply, void *user, void *item, uint64_t cookie)
{
	struct oldlinks *o = user;

	(void)item;
	(void)cookie;
	if (!reply)
		return;
	if (reply->type != RESP_INTEGER) {
		if (!o->said)
			log_warning(KIND_OLD_LINKS_UNDECIDED, "%s cannot be looked for, it is tried again: %s",
				    o->moved, reply->type == RESP_ERROR ? reply->str : "an answer of another type");
		o->said = true;
		o->fn(false, o->user);
		return;
	}
	if (reply->integer == 0) {
		retire_then_report(o);
		return;
	}
	log_notice(KIND_OLD_LINKS_KEPT,
		   "APPL_DB has PortInitDone: swss was not restarted, so no interface is set down");
	o->fn(true, o->user);
}

static int ask(struct oldlinks *o)
{
	const struct resp_arg argv[] = {RESP_STR("EXISTS"), RESP_STR(o->moved), RESP_STR(o->waiting)};

	return conn_command(o->appl, on_init_done_counted, o, NULL, 0, ARRAY_SIZE(argv), argv);
}

int oldlinks_settle(struct oldlinks *o)
{
	if (o->policy == OLDLINKS_AUTO && under_supervisord())
		return ask(o);
	if (o->policy == OLDLINKS_ALWAYS)
		retire_then_report(o);
	else
		o->fn(true, o->user);
	return 0;
}

void oldlinks_lost(struct oldlinks *o)
{
	o->awaited = false;
}

uint64_t oldlinks_set_down(const struct oldlinks *o)
{
	return o->set_down;
}
