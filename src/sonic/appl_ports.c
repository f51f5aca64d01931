/* SPDX-License-Identifier: Apache-2.0 */
#include "sonic/appl_ports.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/backoff.h"
#include "base/timer.h"
#include "log/log.h"
#include "ports/rules.h"
#include "redis/scan.h"

#define LOOKUP_INITIAL_MS 100
#define LOOKUP_MAX_MS 30000
#define TIMER_ACCURACY_USEC (10 * USEC_PER_MSEC)
#define CONFIG_DONE "PortConfigDone"
#define INIT_DONE "PortInitDone"
#define LOOKUPS_AT_ONCE 64              /* the rows that startup pushes need capacity too */
#define SCAN_USEC (3600 * USEC_PER_SEC) /* between scans if Redis sends notifications */

/* Digests of names: SCAN may return a name twice, and names may be long and many. */
struct digests {
	uint64_t *of;
	size_t n, capacity;
};

struct appl_ports {
	struct links *links;
	struct conn *conn;
	char prefix[24];     /* "PORT_TABLE:" */
	struct list waiting; /* port.lookup.waiting: links without a row */
	struct list owed;    /* port.lookup.owed */
	size_t looking_up;   /* look-ups without an answer */
	struct scan scan;
	uint32_t round;         /* of scans; port.lookup.seen_round says which saw the port */
	size_t others;          /* rows that are not ports of ours, by the last scan */
	struct digests seen;    /* of the scan that runs */
	bool no_memory;         /* for them */
	uint64_t scanned_usec;  /* when the last complete scan began */
	uint64_t scanning_usec; /* when the one that runs did */
	bool known;             /* a scan of this connection was complete */
	bool marker_seen;       /* by the scan that runs */
	bool scan_again;        /* requested while one ran, or without capacity */
	bool scan_soon;         /* the next reconciliation must scan */
	bool subscribed;        /* Redis notifies us of every change, if it is configured to ... */
	bool notifies;          /* ... which it is once one notification came. (CONFIG GET is for administrators.) */
	sd_event_source *timer;
	struct backoff backoff;
};

static bool is_notified(const struct appl_ports *a)
{
	return a->subscribed && a->notifies;
}

static void look_later(struct appl_ports *a)
{
	timer_start(a->timer, backoff_next_usec(&a->backoff));
}

/* --- rows that are not ports of ours --- */

/* FNV-1a */
static uint64_t digest(const char *bytes, size_t len)
{
	uint64_t hash = 0xcbf29ce484222325;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (unsigned char)bytes[i]) * 0x100000001b3;
	return hash;
}

static bool digests_add(struct digests *d, uint64_t one)
{
	if (d->n == d->capacity) {
		size_t capacity = d->capacity ? d->capacity * 2 : 16;
		uint64_t *of = realloc(d->of, capacity * sizeof(*of));

		if (!of)
			return false;
		d->of = of;
		d->capacity = capacity;
	}
	d->of[d->n++] = one;
	return true;
}

static int by_value(const void *a, const void *b)
{
	const uint64_t one = *(const uint64_t *)a, other = *(const uint64_t *)b;

	return (one > other) - (one < other);
}

static size_t digests_count(struct digests *d)
{
	size_t different = d->n > 0;

	if (d->n > 0)
		qsort(d->of, d->n, sizeof(*d->of), by_value);
	for (size_t i = 1; i < d->n; i++)
		different += d->of[i] != d->of[i - 1];
	return different;
}

/* --- look-up of one port --- */

static void set_configured(struct appl_ports *a, struct port *port, bool configured)
{
	if (configured)
		list_remove(&port->lookup.waiting);
	links_set_configured(a->links, port, configured);
}

static void lookup(struct appl_ports *a, struct port *port);

static void on_lookup(const struct resp_value *reply, void *user, void *item, uint64_t cookie)
{
	struct appl_ports *a = user;
	struct port *port = item;

	(void)cookie;
	port->lookup.running = false;
	a->looking_up--;
	if (reply && reply->type == RESP_INTEGER && reply->integer > 0)
		port->lookup.seen_round = a->round;
	if (reply && reply->type == RESP_INTEGER)
		set_configured(a, port, reply->integer > 0);
	else if (resp_is_error(reply, "WRONGTYPE"))
		set_configured(a, port, false);
	if (reply && reply->type == RESP_ERROR)
		log_with(LOG_WARNING, KIND_LOOKUP_REFUSED,
			 (&(struct log_context){
				 .port = port->name, .ifindex = port->link.ifindex, .reason = reply->str}),
			 "%s%s: cannot be looked up: %s", a->prefix, port->name, reply->str);
	if (port->lookup.again)
		lookup(a, port);
	links_unhold(a->links, port);
}

static bool send_lookup(struct appl_ports *a, struct port *port)
{
	char key[sizeof(a->prefix) + IFNAMSIZ];
	struct resp_arg argv[2];

	(void)snprintf(key, sizeof(key), "%s%s", a->prefix, port->name);
	argv[0] = RESP_STR("HLEN");
	argv[1] = RESP_STR(key);
	if (conn_command(a->conn, on_lookup, a, port, 0, ARRAY_SIZE(argv), argv) < 0)
		return false;
	list_remove(&port->lookup.owed);
	port->lookup.running = true;
	a->looking_up++;
	return true;
}

static void send_owed(struct appl_ports *a)
{
	while (!list_empty(&a->owed) && a->looking_up < LOOKUPS_AT_ONCE)
		if (!send_lookup(a, container_of(a->owed.next, struct port, lookup.owed)))
			return;
}

static void lookup(struct appl_ports *a, struct port *port)
{
	port->lookup.again = port->lookup.running;
	/* Without a connection the next scan finds out. */
	if (port->lookup.running || list_linked(&port->lookup.owed) || !conn_ready(a->conn))
		return;
	list_append(&a->owed, &port->lookup.owed);
	links_hold(port);
	send_owed(a);
}

void appl_ports_wait(struct appl_ports *a, struct port *port)
{
	bool first = !list_linked(&port->lookup.waiting);

	if (first)
		list_append(&a->waiting, &port->lookup.waiting);
	if (!conn_ready(a->conn) || (!first && is_notified(a)))
		return;
	/* The first time in any case: the row may have come between the last scan and this link. */
	lookup(a, port);
	if (is_notified(a) || !first)
		return;
	backoff_reset(&a->backoff);
	look_later(a);
}

static void rescan(struct appl_ports *a);

static int on_timer(sd_event_source *timer, uint64_t usec, void *user)
{
	struct appl_ports *a = user;

	(void)timer;
	(void)usec;
	if (!conn_ready(a->conn))
		return 0;
	if (!a->known)
		rescan(a);
	for (struct list *at = a->waiting.next, *next; at != &a->waiting; at = next) {
		struct port *port = container_of(at, struct port, lookup.waiting);

		next = at->next;
		if (!links_present(port))
			list_remove(&port->lookup.waiting);
		else
			lookup(a, port);
	}
	/* After the longest wait the link is left to the scans: a quiet switch is not woken for a link that is not a
	 * port. */
	if (!list_empty(&a->waiting) && a->backoff.next_ms < LOOKUP_MAX_MS)
		look_later(a);
	return 0;
}

/* --- scan of all --- */

static bool is_port_key(const char *name, size_t len)
{
	return len > 0 && len < IFNAMSIZ && strlen(name) == len && rules_port_name(name);
}

static bool is_marker(const char *name)
{
	return strcmp(name, CONFIG_DONE) == 0 || strcmp(name, INIT_DONE) == 0;
}

static void on_key(const struct resp_value *key, void *user)
{
	struct appl_ports *a = user;
	size_t skip = strlen(a->prefix);
	struct port *port;

	if (key->len <= skip)
		return;
	if (strcmp(key->str + skip, CONFIG_DONE) == 0)
		a->marker_seen = true;
	if (!is_port_key(key->str + skip, key->len - skip)) {
		if (!is_marker(key->str + skip) && !digests_add(&a->seen, digest(key->str + skip, key->len - skip)))
			a->no_memory = true;
		return;
	}
	port = links_get(a->links, key->str + skip);
	if (!port)
		return;
	port->lookup.seen_round = a->round;
	set_configured(a, port, true);
}

/*
 * A port whose row is gone is not configured any more, unless the whole table is gone: an emptied database says nothing
 * about ports, and startup pushes the table again. SCAN may miss a row that came, or went and came back, while it ran:
 * so each missing one is looked up.
 */
static void look_up_missing(struct appl_ports *a)
{
	for (struct port *port = links_next(a->links, NULL); port; port = links_next(a->links, port))
		if (port->appl.configured && port->lookup.seen_round != a->round)
			lookup(a, port);
}

static void on_scanned(bool complete, const struct resp_value *error, void *user)
{
	struct appl_ports *a = user;

	if (error)
		log_warning(KIND_LOOKUP_REFUSED, "%s*: cannot be scanned: %s", a->prefix, error->str);
	if (!complete || a->no_memory) {
		a->scan_soon = true;
		if (error && !a->known)
			look_later(a);
		else if (!error && conn_ready(a->conn))
			a->scan_again = true;
		return;
	}
	a->scanned_usec = a->scanning_usec;
	a->others = digests_count(&a->seen);
	if (a->marker_seen)
		look_up_missing(a);
	else
		a->scan_soon = true;
	if (!a->known)
		backoff_reset(&a->backoff);
	a->known = true;
	if (a->scan_again)
		rescan(a);
}

static void rescan(struct appl_ports *a)
{
	static const struct scan_ops ops = {.key = on_key, .done = on_scanned};

	if (!conn_ready(a->conn))
		return;
	if (a->scan.running || conn_capacity(a->conn) == 0) {
		a->scan_again = true;
		return;
	}
	a->round++;
	a->marker_seen = a->scan_again = a->scan_soon = a->no_memory = false;
	a->seen.n = 0;
	a->scanning_usec = now_usec();
	a->scan_again = scan_start(&a->scan, a->conn, a->prefix, "hash", &ops, a) < 0;
}

void appl_ports_reconcile(struct appl_ports *a)
{
	if (!a->known || a->scan_soon || !is_notified(a) || now_usec() - a->scanned_usec >= SCAN_USEC)
		rescan(a);
}

void appl_ports_doubt(struct appl_ports *a)
{
	a->scan_soon = true;
}

void appl_ports_turn(struct appl_ports *a)
{
	send_owed(a);
	if (a->scan_again && !a->scan.running)
		rescan(a);
}

/* --- connections --- */

void appl_ports_ready(struct appl_ports *a)
{
	rescan(a);
	if (!is_notified(a) && !list_empty(&a->waiting))
		look_later(a);
}

void appl_ports_lost(struct appl_ports *a)
{
	a->known = false;
	a->scan_again = false;
	while (!list_empty(&a->owed)) {
		struct port *port = container_of(a->owed.next, struct port, lookup.owed);

		list_remove(&port->lookup.owed);
		links_unhold(a->links, port);
	}
}

void appl_ports_subscribed(struct appl_ports *a, bool subscribed)
{
	a->subscribed = subscribed;
	/* There was no notification of what changed before the subscription. */
	if (subscribed) {
		rescan(a);
		return;
	}
	a->notifies = false;
	if (!list_empty(&a->waiting))
		look_later(a);
}

void appl_ports_message(struct appl_ports *a, const struct resp_value *channel, const struct resp_value *payload)
{
	const char *name = strstr(channel->str, a->prefix);
	bool written = strcmp(payload->str, "hset") == 0;
	struct port *port;

	if (!name)
		return;
	a->notifies = a->notifies || written;
	name += strlen(a->prefix);
	if (!is_port_key(name, channel->len - (size_t)(name - channel->str))) {
		/* The next scan counts those. */
		a->scan_soon = a->scan_soon || !is_marker(name);
		return;
	}
	/* Nothing to do for the end of a row that was never known, nor for another field of one that is: orchagent
	 * writes all day. */
	port = strcmp(payload->str, "del") == 0 ? links_find(a->links, name) : links_get(a->links, name);
	if (!port || (port->appl.configured && written))
		return;
	lookup(a, port);
	links_release(a->links, port);
}

const char *appl_ports_pattern(char *out, size_t size, const char *separator, unsigned database)
{
	(void)snprintf(out, size, "__keyspace@%u__:PORT_TABLE%s*", database, separator);
	return out;
}

size_t appl_ports_rows(const struct appl_ports *a)
{
	return a->others + links_stats(a->links)->configured;
}

bool appl_ports_known(const struct appl_ports *a)
{
	return a->known;
}

bool appl_ports_settled(const struct appl_ports *a)
{
	return a->known && !a->scan.running && !a->scan_again && a->looking_up == 0 && list_empty(&a->owed);
}

int appl_ports_new(struct appl_ports **ret, sd_event *event, struct links *links, struct conn *conn,
		   const char *separator)
{
	struct appl_ports *a = calloc(1, sizeof(*a));
	int r;

	if (!a)
		return -ENOMEM;
	a->links = links;
	a->conn = conn;
	a->backoff = (struct backoff){.initial_ms = LOOKUP_INITIAL_MS, .max_ms = LOOKUP_MAX_MS};
	list_init(&a->waiting);
	list_init(&a->owed);
	(void)snprintf(a->prefix, sizeof(a->prefix), "PORT_TABLE%s", separator);
	r = timer_add(&a->timer, event, TIMER_ACCURACY_USEC, on_timer, a);
	if (r < 0) {
		appl_ports_free(a);
		return r;
	}
	*ret = a;
	return 0;
}

void appl_ports_free(struct appl_ports *a)
{
	if (!a)
		return;
	sd_event_source_disable_unref(a->timer);
	free(a->seen.of);
	free(a);
}
