/* SPDX-License-Identifier: Apache-2.0 */
#include "sonic/oldlinks.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "kernel/nlsock.h"
#include "log/log.h"

#define KEY_BYTES 40

struct oldlinks {
	enum oldlinks_policy policy;
	struct links *links;
	struct conn *appl;
	char moved[KEY_BYTES], waiting[KEY_BYTES + 1]; /* PortInitDone, before and after its consumer took it */
	oldlinks_fn fn;
	void *user;
	uint64_t set_down;
	bool said;
};

struct oldlinks *oldlinks_new(enum oldlinks_policy policy, struct links *links, struct conn *appl,
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
	return o;
}

void oldlinks_free(struct oldlinks *o)
{
	free(o);
}

/* --- retiring --- */

static void note_set_down(struct oldlinks *o, const struct port *port)
{
	if (!(port->flags & IFF_UP))
		return;
	o->set_down++;
	log_with(LOG_WARNING, KIND_OLD_LINK_SET_DOWN,
		 (&(struct log_fields){.port = port->name, .ifindex = port->ifindex}),
		 "%s: set down: its interface is left from before this cold start", port->name);
}

/* The old ports come in the order in which links_mark_old() told of them. */
static void set_down(struct oldlinks *o, const int *ifindex, size_t n)
{
	int *results cleanup(free_ptr) = calloc(n, sizeof(*results));
	int r = results ? nlsock_set_links_down(ifindex, n, results) : -ENOMEM;
	size_t i = 0, failed = 0;

	if (r < 0) {
		log_warning(KIND_OLD_LINKS_UP, "the old interfaces cannot be set down: %s", strerror(-r));
		return;
	}
	for (const struct port *port = links_next(o->links, NULL); port && i < n; port = links_next(o->links, port))
		if (port->old && port->ifindex) {
			if (results[i] == 0)
				note_set_down(o, port);
			failed += results[i++] != 0;
		}
	if (failed > 0)
		log_warning(KIND_OLD_LINKS_UP, "%zu of %zu old interfaces could not be set down", failed, n);
}

static void retire(struct oldlinks *o)
{
	size_t max = links_stats(o->links)->present, n;
	int *ifindex cleanup(free_ptr) = calloc(max + 1, sizeof(*ifindex));

	if (!ifindex)
		return;
	n = links_mark_old(o->links, ifindex, max);
	if (n == 0)
		return;
	log_notice(KIND_OLD_LINKS_RETIRED, "%zu old interfaces are set down and ignored until they are deleted", n);
	set_down(o, ifindex, MIN(n, max));
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
	if (reply->integer == 0)
		retire(o);
	else
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
		retire(o);
	o->fn(true, o->user);
	return 0;
}

uint64_t oldlinks_set_down(const struct oldlinks *o)
{
	return o->set_down;
}
