/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/chain.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "ctl/compare.h"
#include "ctl/daemonhttp.h"
#include "ctl/prose.h"
#include "log/advice.h"
#include "ports/rules.h"

static const char *const names[CHAIN_LINKS] = {
	[CHAIN_CONFIG] = "CONFIG_DB row", [CHAIN_APPL] = "APPL_DB row", [CHAIN_NETDEV] = "interface",
	[CHAIN_OLD] = "not left over",    [CHAIN_CARRIER] = "carrier",  [CHAIN_STATE] = "STATE_DB row",
	[CHAIN_SYNC] = "in sync",
};

const char *chain_link_name(enum chain_index link)
{
	return names[link];
}

const char *chain_state_name(enum chain_state state)
{
	static const char *const states[] = {"ok", "broken", "unknown", "skipped"};

	return states[state];
}

enum chain_index chain_broken(const struct chain *chain, bool with_carrier)
{
	for (unsigned i = 0; i < CHAIN_LINKS; i++)
		if (chain->links[i].state == CHAIN_BROKEN && (with_carrier || i != CHAIN_CARRIER))
			return i;
	return CHAIN_LINKS;
}

/* --- reading --- */

/* Fields of APPL_DB: each row has one of them, and a user with the daemon's rights may read them one by one. */
static const char *const appl_fields[] = {"lanes", "admin_status", "oper_status", "count", NULL};

/* Which rows. */
struct wanted {
	const char *const *keys; /* NULL: all */
	size_t n;
};

static int read_table(struct ctl *ctl, struct database *db, const char *table, const char *const *fields,
		      const struct wanted *wanted, struct db_rows *ret)
{
	if (!wanted->keys)
		return database_table(ctl, db, table, fields, ret);
	return database_rows(ctl, db, table, fields, wanted->keys, wanted->n, ret);
}

static int read_from(struct ctl *ctl, const char *database, const char *table, const struct wanted *wanted,
		     struct db_rows *ret)
{
	struct database *db cleanup(database_close_ptr) = NULL;

	if (database_open(ctl, database, &db) < 0)
		return -1;
	return read_table(ctl, db, table, compare_fields, wanted, ret);
}

/* Whether all rows are there: one that is missing may be waiting for orchagent. */
static bool has_all(const struct db_rows *rows, const struct wanted *wanted)
{
	for (size_t i = 0; i < wanted->n; i++)
		if (!db_find(rows, wanted->keys[i]))
			return false;
	return wanted->keys || db_find(rows, COMPARE_INIT_DONE);
}

static int read_appl(struct ctl *ctl, const struct wanted *wanted, struct chain_sources *ret)
{
	struct database *appl cleanup(database_close_ptr) = NULL;

	if (database_open(ctl, "APPL_DB", &appl) < 0 ||
	    read_table(ctl, appl, "PORT_TABLE", appl_fields, wanted, &ret->appl) < 0)
		return -1;
	if (has_all(&ret->appl, wanted))
		return 0;
	return database_keys(ctl, appl, "_PORT_TABLE", &ret->pushed);
}

static void ask_daemon(struct ctl *ctl, struct chain_sources *ret)
{
	json_t *answer = NULL;

	if (ret->silence[0] != '\0')
		return;
	if (daemonhttp_json(ctl, "/ports", JSON_ARRAY, "ports", &answer) < 0) {
		(void)snprintf(ret->silence, sizeof(ret->silence), "%s", ctl->error.message);
		return;
	}
	ret->ports = json_incref(json_object_get(answer, "ports"));
	json_decref(answer);
}

int chain_read(struct ctl *ctl, const char *const *keys, size_t n, struct chain_sources *ret)
{
	const struct wanted wanted = {keys, n};

	chain_done(ret);
	/* The daemon first: what it says may be older than what is read after it, never newer. */
	ask_daemon(ctl, ret);
	if (read_from(ctl, "CONFIG_DB", "PORT", &wanted, &ret->config) == 0 && read_appl(ctl, &wanted, ret) == 0 &&
	    ctl_links_read(ctl, &ret->links) == 0 &&
	    read_from(ctl, "STATE_DB", "PORT_TABLE", &wanted, &ret->state) == 0)
		return 0;
	chain_done(ret);
	return -1;
}

void chain_done(struct chain_sources *sources)
{
	db_rows_done(&sources->config);
	db_rows_done(&sources->appl);
	db_rows_done(&sources->pushed);
	db_rows_done(&sources->state);
	ctl_links_done(&sources->links);
	json_decref(sources->ports);
	sources->ports = NULL;
}

const json_t *chain_daemon(const struct chain_sources *sources, const char *port)
{
	char text[4 * IFNAMSIZ];

	if (strlen(port) >= IFNAMSIZ)
		return NULL;
	(void)text_utf8(port, text);
	for (size_t i = 0; i < json_array_size(sources->ports); i++)
		if (strcmp(prose_text(json_array_get(sources->ports, i), "name"), text) == 0)
			return json_array_get(sources->ports, i);
	return NULL;
}

/* --- the links of the chain --- */

static void set(struct chain_link *link, enum chain_state state, const char *remedy, const char *format, ...)
	PRINTF_LIKE(4, 5);

static void set(struct chain_link *link, enum chain_state state, const char *remedy, const char *format, ...)
{
	va_list args;

	link->state = state;
	link->remedy = remedy;
	va_start(args, format);
	(void)vsnprintf(link->found, sizeof(link->found), format, args);
	va_end(args);
}

/* A printable form of a value that anybody may have written. */
static const char *value_of(const struct db_row *row, const char *field, char out[64])
{
	const char *value = db_value(row, field);

	return value ? printable(value, strlen(value), out, 64) : "not set";
}

static void follow_config(const struct chain_sources *s, const char *port, struct chain_link *link)
{
	const struct db_row *row = db_find(&s->config, port);
	char admin[64], mtu[64];

	if (!rules_port_name(port))
		set(link, CHAIN_BROKEN, "Name a front-panel port: portsyncctl ports lists them.",
		    "the name does not begin with Ethernet, so portsyncd does not follow it");
	else if (!row)
		set(link, CHAIN_BROKEN,
		    "Configure the port (config load, config interface breakout); portsyncctl ports lists those there "
		    "are.",
		    "there is no PORT row of this name");
	else if (!row->is_hash)
		set(link, CHAIN_BROKEN, log_advice[KIND_CONFIG_ROW_BAD].remedy, "the PORT row is not a hash");
	else
		set(link, CHAIN_OK, NULL, "admin_status %s, mtu %s", value_of(row, "admin_status", admin),
		    value_of(row, "mtu", mtu));
}

static void lack_appl(const struct chain_sources *s, const char *port, struct chain_link *link)
{
	if (db_find(&s->pushed, port))
		set(link, CHAIN_BROKEN, "Look at orchagent: does it run, and what does its log say?",
		    "the row was pushed, and orchagent has not taken it");
	else if (!db_find(&s->appl, "PortConfigDone"))
		set(link, CHAIN_BROKEN,
		    "Start portsyncd, which pushes the rows; if it runs, portsyncctl status says what holds it back.",
		    "there is no row, and PortConfigDone is missing: nothing was pushed yet");
	else
		set(link, CHAIN_BROKEN,
		    "A port that is added later is pushed by portmgrd: look at its log. A restart of portsyncd pushes "
		    "all.",
		    "there is no row, though PortConfigDone was sent");
}

static void follow_appl(const struct chain_sources *s, const char *port, struct chain_link *link)
{
	const struct db_row *row = db_find(&s->appl, port);
	char oper[64];

	if (!row)
		lack_appl(s, port, link);
	else
		set(link, CHAIN_OK, NULL, "there; orchagent's oper_status is %s", value_of(row, "oper_status", oper));
}

static void follow_netdev(const struct link_msg *netdev, struct chain_link *link)
{
	if (!netdev)
		set(link, CHAIN_BROKEN,
		    "orchagent creates the port and syncd its interface: look for the port in their logs.",
		    "the kernel has no interface of this name");
	else if (rules_classify(netdev) != RULE_PRESENT)
		set(link, CHAIN_BROKEN, "Give the team device another name: a LAG is called PortChannel...",
		    "the interface of this name is a %s device, which is not a port", netdev->kind);
	else
		set(link, CHAIN_OK, NULL, "ifindex %d, mtu %u", netdev->ifindex, netdev->mtu);
}

static void follow_old(const struct chain_sources *s, const char *port, const struct link_msg *netdev,
		       struct chain_link *link)
{
	const json_t *its = json_object_get(chain_daemon(s, port), "link");

	if (!netdev)
		set(link, CHAIN_SKIPPED, NULL, "there is no interface");
	else if (!s->ports)
		set(link, CHAIN_UNKNOWN, NULL, "only the daemon knows whether it was there before a cold start");
	else if (json_is_true(json_object_get(its, "left_from_before")))
		set(link, CHAIN_BROKEN, log_advice[KIND_OLD_LINKS_RETIRED].remedy,
		    "the interface was there before a cold start: it was set down, and is ignored");
	else
		set(link, CHAIN_OK, NULL, "it was made since the start, or is kept");
}

static void follow_carrier(const struct chain_sources *s, const char *port, const struct link_msg *netdev,
			   struct chain_link *link)
{
	const char *wanted = db_value(db_find(&s->config, port), "admin_status");

	if (!netdev)
		set(link, CHAIN_SKIPPED, NULL, "there is no interface");
	else if (netdev->flags & IFF_RUNNING)
		set(link, CHAIN_OK, NULL, "up");
	else if (netdev->flags & IFF_UP)
		set(link, CHAIN_BROKEN, "Look at the cable, the transceiver and the other end.",
		    "none, though the interface is up");
	else if (!wanted || strcmp(wanted, "up") != 0)
		set(link, CHAIN_BROKEN, "If it is to be used: config interface startup PORT.",
		    "the interface is administratively down, as CONFIG_DB has it");
	else
		set(link, CHAIN_BROKEN,
		    "CONFIG_DB wants it up: look at portmgrd's log, and at who set it down (ip monitor link).",
		    "the interface is administratively down, though CONFIG_DB has admin_status up");
}

/* Why the daemon has not written the row, as far as it says so. */
static const char *writer_remedy(const struct chain_sources *s, const char *port, const char **why)
{
	const json_t *its = chain_daemon(s, port);

	if (!s->ports) {
		*why = "; portsyncd does not answer";
		return "Start portsyncd: portsyncctl status and portsyncctl doctor say what is wrong with it.";
	}
	if (json_is_true(json_object_get(its, "refused"))) {
		*why = "; Redis refused the daemon's last write";
		return log_advice[KIND_WRITE_REFUSED].remedy;
	}
	if (json_is_true(json_object_get(its, "owed"))) {
		*why = "; the daemon still owes it";
		return "Redis has not acknowledged it: portsyncctl status says whether it is away.";
	}
	*why = "";
	return "Another program may have changed the row: portsyncd repairs it within reconcile_interval_secs.";
}

static const struct db_row *state_row(const struct chain_sources *s, const char *port)
{
	const struct db_row *row = db_find(&s->state, port);

	return row && row->is_hash && db_value(row, row_field_name(ROW_STATE)) ? row : NULL;
}

static void follow_state(const struct chain_sources *s, const char *port, bool expected, struct chain_link *link)
{
	const struct db_row *row = state_row(s, port);
	const char *why;

	if (row) {
		set(link, CHAIN_OK, NULL, "there");
	} else if (!expected) {
		set(link, CHAIN_SKIPPED, NULL, "none, as there is nothing to say about the port yet");
	} else {
		const char *remedy = writer_remedy(s, port, &why);

		set(link, CHAIN_BROKEN, remedy, "there is no row with a state%s", why);
	}
}

/* "mtu is 1500, the kernel says 9100", ... */
static void list_differences(const struct db_row *row, const struct link_msg *netdev, char *out, size_t size)
{
	struct row want = rules_row(netdev->flags, netdev->mtu);

	out[0] = '\0';
	for (unsigned i = 0; i < ROW_FIELDS; i++) {
		const char *held = db_value(row, row_field_name(i));
		char text[ROW_TEXT_MAX], shown[64];

		(void)row_format(i, want.value[i], text);
		if (!held || strcmp(held, row_format(i, want.value[i], text)) != 0)
			text_append(out, size, ", ", "%s is %s, the kernel says %s", row_field_name(i),
				    value_of(row, row_field_name(i), shown), row_format(i, want.value[i], text));
	}
}

static void follow_sync(const struct chain_sources *s, const char *port, const struct link_msg *netdev, bool expected,
			struct chain_link *link)
{
	const struct db_row *row = state_row(s, port);
	char differences[256];
	const char *why, *remedy;

	if (!row || (!expected && netdev)) {
		set(link, CHAIN_SKIPPED, NULL, "there is nothing to compare");
		return;
	}
	remedy = writer_remedy(s, port, &why);
	if (!netdev) {
		set(link, CHAIN_BROKEN, remedy, "STATE_DB has a row of an interface that is gone%s", why);
		return;
	}
	list_differences(row, netdev, differences, sizeof(differences));
	if (differences[0] != '\0')
		set(link, CHAIN_BROKEN, remedy, "%s%s", differences, why);
	else
		set(link, CHAIN_OK, NULL, "STATE_DB equals the kernel");
}

void chain_follow(const struct chain_sources *s, const char *port, struct chain *ret)
{
	const struct link_msg *netdev = ctl_links_find(&s->links, port);
	bool expected;

	*ret = (struct chain){0};
	follow_config(s, port, &ret->links[CHAIN_CONFIG]);
	follow_appl(s, port, &ret->links[CHAIN_APPL]);
	follow_netdev(netdev, &ret->links[CHAIN_NETDEV]);
	follow_old(s, port, netdev, &ret->links[CHAIN_OLD]);
	follow_carrier(s, port, netdev, &ret->links[CHAIN_CARRIER]);
	/* Only then a row is written. */
	expected = ret->links[CHAIN_APPL].state == CHAIN_OK && ret->links[CHAIN_NETDEV].state == CHAIN_OK &&
		   ret->links[CHAIN_OLD].state != CHAIN_BROKEN;
	follow_state(s, port, expected, &ret->links[CHAIN_STATE]);
	follow_sync(s, port, netdev, expected, &ret->links[CHAIN_SYNC]);
}
