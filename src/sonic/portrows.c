/* SPDX-License-Identifier: Apache-2.0 */
#include "sonic/portrows.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "log/log.h"
#include "ports/rules.h"
#include "redis/scan.h"

#define TEXT_BYTES 80 /* of a name in a log line */
#define ROWS_AT_ONCE 32
#define COMMANDS_A_ROW 4 /* to APPL_DB: a question, the script, its text again, its digest */

struct row_item {
	struct portrows *owner;
	char *name; /* the key without "PORT|" */
	size_t len;
	bool settled, good;
	bool missing; /* from APPL_DB, on a warm start */
};

struct portrows {
	struct portrows_deps deps;
	portrows_fn fn;
	void *user;
	char prefix[8];
	struct scan scan;
	struct row_item *items;
	size_t count, capacity, next, outstanding;
	char first[IFNAMSIZ]; /* whose row was accepted first; "": none was */
	bool running, refused, lost;
	bool starved; /* some rows were not pushed for lack of capacity: they are read again */
	bool push_all;
	bool start_again; /* requested while an earlier run awaited answers */
	bool said_refused;
};

struct portrows *portrows_new(const struct portrows_deps *deps, portrows_fn fn, void *user)
{
	struct portrows *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->deps = *deps;
	r->fn = fn;
	r->user = user;
	r->push_all = true;
	(void)snprintf(r->prefix, sizeof(r->prefix), "PORT%s", deps->config_separator);
	return r;
}

static void drop_items(struct portrows *r)
{
	for (size_t i = 0; i < r->count; i++)
		free(r->items[i].name);
	free(r->items);
	r->items = NULL;
	r->count = r->capacity = r->next = 0;
}

void portrows_free(struct portrows *r)
{
	if (!r)
		return;
	drop_items(r);
	free(r);
}

void portrows_stop(struct portrows *r)
{
	r->running = r->start_again = false;
}

void portrows_push_all(struct portrows *r, bool all)
{
	r->push_all = all;
}

void portrows_forget(struct portrows *r)
{
	for (struct port *port = links_next(r->deps.links, NULL), *next; port; port = next) {
		next = links_next(r->deps.links, port);
		if (port->appl.admin == ADMIN_UNKNOWN || port->appl.admin == ADMIN_ASKED)
			continue;
		port->appl.admin = ADMIN_UNKNOWN;
		links_unhold(r->deps.links, port);
	}
}

/* --- complaints --- */

/* text gets the printable name. NULL unless that can be an interface's name: the field PORT has only those. */
static const char *port_field(const char *name, size_t len, char text[TEXT_BYTES])
{
	(void)printable(name, len, text, TEXT_BYTES);
	return len < IFNAMSIZ && strlen(text) == len ? text : NULL;
}

static void bad_row(struct portrows *r, const char *name, size_t len, const char *what)
{
	char text[TEXT_BYTES];

	log_with(LOG_ERR, KIND_CONFIG_ROW_BAD,
		 (&(struct log_context){.port = port_field(name, len, text), .reason = what}),
		 "CONFIG_DB %s%s: %s; the row is left out", r->prefix, text, what);
}

static void row_refused(struct portrows *r, const struct row_item *item, const struct resp_value *error)
{
	char text[TEXT_BYTES];

	r->refused = true;
	if (!error || r->said_refused)
		return;
	r->said_refused = true;
	log_with(LOG_WARNING, KIND_PUSH_REFUSED,
		 (&(struct log_context){.port = port_field(item->name, item->len, text), .reason = error->str}),
		 "%s%s: Redis refused the row, it is tried again: %s", r->prefix, text, error->str);
}

/* NULL for a name that both a host interface and a key of PORT_TABLE may have. */
static const char *name_fault(const char *name, size_t len)
{
	if (len == 0 || len >= IFNAMSIZ)
		return "is not a valid interface name; allowed are 1 to 15 characters";
	for (size_t i = 0; i < len; i++)
		if (name[i] <= ' ' || name[i] > '~' || strchr("/:|", name[i]))
			return "is not a valid interface name; allowed are printable characters but space, '/', ':' "
			       "and '|'";
	if (strcmp(name, "PortConfigDone") == 0 || strcmp(name, "PortInitDone") == 0)
		return "is the name of a marker in PORT_TABLE";
	return NULL;
}

/* --- one row --- */

static void pump(struct portrows *r);

static void answered(struct portrows *r)
{
	r->outstanding--;
	if (r->running)
		pump(r);
	else if (r->start_again && r->outstanding == 0)
		portrows_start(r);
}

static void settle(struct row_item *item, bool good)
{
	item->settled = true;
	item->good = good;
}

/*
 * Redis may have carried out both the question for the row and its push, with the answers lost: asking again would find
 * our own row, as orchagent has taken it, and PortInitDone would not wait for the port's link (M3). So it waits.
 */
static void push_lost(struct portrows *r, const char *name)
{
	struct port *port = links_get(r->deps.links, name);

	r->lost = true;
	if (!port)
		return;
	if (port->appl.admin == ADMIN_UNKNOWN) {
		port->appl.admin = ADMIN_ABSENT;
		links_hold(port);
	}
	links_release(r->deps.links, port);
}

static void on_pushed(bool ok, const struct resp_value *error, void *user)
{
	struct row_item *item = user;
	struct portrows *r = item->owner;

	if (ok) {
		settle(item, true);
		if (r->first[0] == '\0')
			(void)snprintf(r->first, sizeof(r->first), "%s", item->name);
	} else if (error) {
		row_refused(r, item, error);
	} else {
		push_lost(r, item->name);
	}
	answered(r);
}

/* SONiC writes {NULL: NULL} for a row without fields, since Redis has no empty hash. */
static bool has_fields(const struct resp_value *reply)
{
	return reply->n > 2 || (reply->n == 2 && strcmp(reply->elem[0]->str, "NULL") != 0);
}

static int push(struct portrows *r, struct row_item *item, const struct resp_value *reply)
{
	struct resp_arg *pairs cleanup(free_ptr) = calloc(reply->n, sizeof(*pairs));

	if (!pairs)
		return -ENOMEM;
	for (size_t i = 0; i < reply->n; i++)
		pairs[i] = (struct resp_arg){reply->elem[i]->str, reply->elem[i]->len};
	return producer_set(r->deps.producer, item->name, reply->n / 2, pairs, on_pushed, item);
}

static void too_large(struct portrows *r, const struct row_item *item, const struct resp_value *error)
{
	char what[160];

	(void)snprintf(what, sizeof(what), "is too large: %s", error->str + strlen(RESP_TOO_LARGE " "));
	bad_row(r, item->name, item->len, what);
}

static bool is_pairs(const struct resp_value *reply)
{
	if (reply->type != RESP_ARRAY || reply->n % 2)
		return false;
	for (size_t i = 0; i < reply->n; i++)
		if (reply->elem[i]->type != RESP_STRING)
			return false;
	return true;
}

/* True when an answer is to come. */
static bool sent(struct portrows *r, int result)
{
	if (result == -EAGAIN)
		r->starved = true;
	else if (result < 0)
		r->refused = true;
	return result == 0;
}

/* --- a warm start --- */

static int ask_row(struct portrows *r, struct row_item *item);

/* A daemon that is not allowed to ask trusts APPL_DB, like upstream. */
static void count_refused(struct portrows *r, struct row_item *item, const struct resp_value *error)
{
	if (!resp_is_error(error, "NOPERM")) {
		row_refused(r, item, error);
		return;
	}
	settle(item, true);
	log_with(LOG_WARNING, KIND_ROWS_UNPROVED, (&(struct log_context){.port = item->name, .reason = error->str}),
		 "PORT_TABLE%s%s: APPL_DB does not say whether it has the row, it is taken as there: %s",
		 r->deps.appl_separator, item->name, error->str);
}

static void on_row_counted(const struct resp_value *reply, void *user, void *owner, uint64_t cookie)
{
	struct row_item *item = user;
	struct portrows *r = owner;

	(void)cookie;
	if (!reply) {
		r->lost = true;
	} else if (reply->type != RESP_INTEGER) {
		count_refused(r, item, reply);
	} else if (reply->integer > 0) {
		settle(item, true);
	} else {
		item->missing = true;
		(void)sent(r, ask_row(r, item));
	}
	answered(r);
}

/* Most rows are known, so that they cost no question. True when one is under way. */
static bool look_for(struct portrows *r, struct row_item *item)
{
	struct port *port = links_get(r->deps.links, item->name);
	bool known = port && port->appl.configured;
	int result;

	if (port)
		links_release(r->deps.links, port);
	if (known) {
		settle(item, true);
		return false;
	}
	result = producer_count_row(r->deps.producer, item->name, on_row_counted, item, r);
	return sent(r, result);
}

/* True when an answer is to come. */
static bool take_row(struct portrows *r, struct row_item *item, const struct resp_value *reply)
{
	int result;

	if (resp_is_error(reply, "WRONGTYPE")) {
		bad_row(r, item->name, item->len, "is not a hash; a hash of fields is allowed");
		settle(item, false);
		return false;
	}
	if (resp_too_large(reply)) {
		too_large(r, item, resp_too_large(reply));
		settle(item, false);
		return false;
	}
	if (!is_pairs(reply)) {
		row_refused(r, item, reply->type == RESP_ERROR ? reply : NULL);
		return false;
	}
	if (reply->n == 0) { /* deleted since the scan */
		settle(item, false);
		return false;
	}
	if (!has_fields(reply)) {
		bad_row(r, item->name, item->len, "has no fields; at least \"lanes\" is needed to make a port");
		settle(item, false);
		return false;
	}
	if (!r->push_all && !item->missing)
		return look_for(r, item);
	result = push(r, item, reply);
	if (result != -E2BIG)
		return sent(r, result);
	bad_row(r, item->name, item->len, "is too large; 16 MiB are allowed");
	settle(item, false);
	return false;
}

static void on_row(const struct resp_value *reply, void *user, void *owner, uint64_t cookie)
{
	struct row_item *item = user;
	struct portrows *r = owner;

	(void)cookie;
	if (!reply)
		r->lost = true;
	else if (take_row(r, item, reply))
		return;
	answered(r);
}

static void on_admin(const struct resp_value *reply, void *user, void *item, uint64_t cookie)
{
	struct portrows *r = user;
	struct port *port = item;

	(void)cookie;
	if (reply) {
		/* The port stays held: what was learned must not be forgotten. */
		port->appl.admin = reply->type == RESP_STRING || resp_too_large(reply) ? ADMIN_PRESENT : ADMIN_ABSENT;
	} else {
		r->lost = true;
		port->appl.admin = ADMIN_UNKNOWN;
		links_unhold(r->deps.links, port);
	}
	answered(r);
}

/* Sent before the row's push on the same connection, so that the push is never taken for an earlier one (M3). */
static int ask_admin(struct portrows *r, const struct row_item *item)
{
	struct port *port = links_get(r->deps.links, item->name);
	char key[48];
	struct resp_arg argv[3];
	int result;

	if (!port)
		return -ENOMEM;
	if (!r->push_all || port->appl.admin != ADMIN_UNKNOWN)
		return 0;
	(void)snprintf(key, sizeof(key), "PORT_TABLE%s%s", r->deps.appl_separator, item->name);
	argv[0] = RESP_STR("HGET");
	argv[1] = RESP_STR(key);
	argv[2] = RESP_STR("admin_status");
	result = conn_command(r->deps.appl, on_admin, r, port, 0, ARRAY_SIZE(argv), argv);
	if (result < 0)
		return result;
	port->appl.admin = ADMIN_ASKED;
	links_hold(port);
	r->outstanding++;
	return 0;
}

static int ask_row(struct portrows *r, struct row_item *item)
{
	char key[sizeof(r->prefix) + IFNAMSIZ];
	struct resp_arg argv[2];
	int result;

	(void)snprintf(key, sizeof(key), "%s%s", r->prefix, item->name);
	argv[0] = RESP_STR("HGETALL");
	argv[1] = RESP_STR(key);
	result = conn_command(r->deps.config, on_row, item, r, 0, ARRAY_SIZE(argv), argv);
	if (result == 0)
		r->outstanding++;
	return result;
}

/* --- all rows --- */

static bool has_capacity(const struct portrows *r)
{
	size_t needed = COMMANDS_A_ROW * (r->outstanding + 1);

	return r->outstanding < ROWS_AT_ONCE && conn_capacity(r->deps.config) > 0 &&
	       conn_capacity(r->deps.appl) >= needed;
}

static void expect(struct portrows *r, const char *name)
{
	struct port *port = links_get(r->deps.links, name);

	if (!port)
		return;
	if (!rules_port_name(name)) {
		log_warning(KIND_CONFIG_ROW_FOREIGN,
			    "CONFIG_DB %s%s: does not begin with \"Ethernet\": it is passed on, but no link is watched "
			    "for it",
			    r->prefix, name);
	} else if (!r->push_all) {
		links_keep(r->deps.links, port);
		links_expect(r->deps.links, port);
	} else if (port->appl.admin != ADMIN_PRESENT) {
		links_expect(r->deps.links, port);
	}
	links_release(r->deps.links, port);
}

static size_t expect_pushed(struct portrows *r)
{
	size_t pushed = 0;

	for (size_t i = 0; i < r->count; i++) {
		if (!r->items[i].good)
			continue;
		pushed++;
		expect(r, r->items[i].name);
	}
	return pushed;
}

static void report_missing(const struct portrows *r)
{
	size_t missing = 0, first = 0;

	for (size_t i = r->count; i-- > 0;) {
		if (!r->items[i].missing)
			continue;
		missing++;
		first = i;
	}
	if (missing > 0)
		log_warning(KIND_APPL_DB_EMPTIED,
			    "APPL_DB lacked %zu of %zu ports at this warm start, the first is %s: they were pushed",
			    missing, r->count, r->items[first].name);
}

static void finish(struct portrows *r)
{
	enum portrows_outcome outcome = r->lost ? PORTROWS_LOST : r->refused ? PORTROWS_AGAIN : PORTROWS_DONE;
	size_t pushed = 0;

	r->running = false;
	if (outcome == PORTROWS_DONE) {
		pushed = expect_pushed(r);
		report_missing(r);
		drop_items(r);
		r->said_refused = false;
	}
	r->fn(outcome, pushed, r->user);
}

/* Then only portrows_turn() calls pump() again. */
static bool waits_for_capacity(struct portrows *r)
{
	if (r->lost || r->refused)
		return false;
	if (r->next == r->count && r->starved) {
		r->starved = false;
		r->next = 0;
	}
	return r->next < r->count;
}

static void pump(struct portrows *r)
{
	while (r->next < r->count && !r->lost && has_capacity(r)) {
		struct row_item *item = &r->items[r->next++];

		if (!item->settled && (ask_admin(r, item) < 0 || ask_row(r, item) < 0))
			r->refused = true;
	}
	if (r->outstanding == 0 && !waits_for_capacity(r))
		finish(r);
}

void portrows_turn(struct portrows *r)
{
	if (r->running && !r->scan.running && r->outstanding == 0 && r->next < r->count)
		pump(r);
}

static void add_item(struct portrows *r, const char *name, size_t len)
{
	if (r->count == r->capacity) {
		size_t capacity = r->capacity ? r->capacity * 2 : 64;
		struct row_item *items = realloc(r->items, capacity * sizeof(*items));

		if (!items) {
			r->refused = true;
			return;
		}
		r->items = items;
		r->capacity = capacity;
	}
	r->items[r->count] = (struct row_item){.owner = r, .name = strndup(name, len), .len = len};
	if (r->items[r->count].name)
		r->count++;
	else
		r->refused = true;
}

static void on_key(const struct resp_value *key, void *user)
{
	struct portrows *r = user;
	size_t skip = strlen(r->prefix);
	const char *fault;

	if (key->len < skip)
		return;
	fault = name_fault(key->str + skip, key->len - skip);
	if (fault)
		bad_row(r, key->str + skip, key->len - skip, fault);
	else
		add_item(r, key->str + skip, key->len - skip);
}

static int by_name(const void *a, const void *b)
{
	const struct row_item *one = a, *other = b;

	return strverscmp(one->name, other->name);
}

/* SCAN may name a key twice. A fixed order makes logs and captures comparable. */
static void sort_unique(struct portrows *r)
{
	size_t kept = 0;

	if (r->count == 0)
		return;
	qsort(r->items, r->count, sizeof(*r->items), by_name);
	for (size_t i = 1; i < r->count; i++) {
		if (strcmp(r->items[kept].name, r->items[i].name) == 0)
			free(r->items[i].name);
		else
			r->items[++kept] = r->items[i];
	}
	r->count = kept + 1;
}

static void on_scanned(bool complete, const struct resp_value *error, void *user)
{
	struct portrows *r = user;

	if (!r->running) {
		if (r->start_again)
			portrows_start(r);
		return;
	}
	if (!complete) {
		r->lost = !error && !conn_ready(r->deps.config);
		r->refused = true;
		if (error && !r->said_refused)
			log_warning(KIND_CONFIG_SCAN_REFUSED, "CONFIG_DB %s*: cannot be scanned, it is tried again: %s",
				    r->prefix, error->str);
		r->said_refused = r->said_refused || error;
	}
	/* Names are missing, perhaps for lack of memory, and the count would be wrong. All are read again. */
	if (r->refused)
		drop_items(r);
	sort_unique(r);
	pump(r);
}

void portrows_start(struct portrows *r)
{
	static const struct scan_ops ops = {.key = on_key, .done = on_scanned};

	/* Answers that are awaited point to the items of the earlier run. */
	r->start_again = r->scan.running || r->outstanding > 0;
	if (r->start_again)
		return;
	r->first[0] = '\0';
	drop_items(r);
	r->running = true;
	r->refused = r->lost = r->starved = false;
	if (scan_start(&r->scan, r->deps.config, r->prefix, NULL, &ops, r) == 0)
		return;
	/* Without a connection portrows_stop() follows, or did; without memory the caller has to try again. */
	r->lost = !conn_ready(r->deps.config);
	r->refused = true;
	finish(r);
}

const char *portrows_first(const struct portrows *r)
{
	return r->first[0] ? r->first : NULL;
}

void portrows_again(struct portrows *r)
{
	if (r->count == 0) { /* not even the scan succeeded */
		portrows_start(r);
		return;
	}
	r->running = true;
	r->refused = r->lost = r->starved = false;
	r->next = 0;
	pump(r);
}
