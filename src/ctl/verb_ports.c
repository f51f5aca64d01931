/* SPDX-License-Identifier: Apache-2.0 */
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "ctl/compare.h"
#include "ctl/daemonhttp.h"
#include "ctl/names.h"
#include "ctl/out.h"
#include "ctl/verbs.h"
#include "ports/rules.h"

#define MARK "*" /* after a value that differs, since there may be no colours */

/* What is shown of a port, in the order of the columns. */
enum column {
	PORT,
	CONFIG_ADMIN,
	CONFIG_MTU,
	APPL_ADMIN,
	APPL_OPER,
	APPL_MTU,
	KERNEL_UP,
	KERNEL_OPER,
	KERNEL_MTU,
	STATE_STATE,
	STATE_UP,
	STATE_OPER,
	STATE_MTU,
	FLAPS,
	LAST_CHANGE,
	COLUMNS,
};

/* The columns' names in JSON; FLAPS and LAST_CHANGE are handled separately. */
static const struct {
	const char *group, *heading, *object, *member;
} columns[COLUMNS] = {
	[PORT] = {"PORT", "", NULL, "name"},
	[CONFIG_ADMIN] = {"CONFIG_DB", "admin", "config_db", "admin_status"},
	[CONFIG_MTU] = {"", "mtu", "config_db", "mtu"},
	[APPL_ADMIN] = {"APPL_DB", "admin", "appl_db", "admin_status"},
	[APPL_OPER] = {"", "oper", "appl_db", "oper_status"},
	[APPL_MTU] = {"", "mtu", "appl_db", "mtu"},
	[KERNEL_UP] = {"KERNEL", "up", "kernel", "up"},
	[KERNEL_OPER] = {"", "running", "kernel", "running"},
	[KERNEL_MTU] = {"", "mtu", "kernel", "mtu"},
	[STATE_STATE] = {"STATE_DB", "state", "state_db", "state"},
	[STATE_UP] = {"", "netdev-up", "state_db", "admin_status"},
	[STATE_OPER] = {"", "netdev-oper", "state_db", "netdev_oper_status"},
	[STATE_MTU] = {"", "mtu", "state_db", "mtu"},
	[FLAPS] = {"FLAPS", "", NULL, "flaps"},
	[LAST_CHANGE] = {"LAST CHANGE", "", NULL, "last_change"},
};

#define VALUE_BYTES 64
#define NOT_A_HASH "not a hash"

struct port_line {
	const char *name;
	bool in[COLUMNS];                 /* there is a row or a link that could hold the value */
	char value[COLUMNS][VALUE_BYTES]; /* "": there is none */
	enum out_style differs[COLUMNS];  /* OUT_PLAIN: it does not */
	const json_t *daemon;             /* what /ports says of it */
};

struct sources {
	struct db_rows config, appl, state;
	struct ctl_links links;
	json_t *daemon; /* what /ports says of each, by name; NULL: it does not answer */
};

/* --- reading --- */

static void done(struct sources *s)
{
	db_rows_done(&s->config);
	db_rows_done(&s->appl);
	db_rows_done(&s->state);
	ctl_links_done(&s->links);
	json_decref(s->daemon);
}

static int read_database(struct ctl *ctl, const char *name, const char *table, const char *const *fields,
			 struct db_rows *ret)
{
	struct database *db cleanup(database_close_ptr) = NULL;

	return database_open(ctl, name, &db) < 0 ? -1 : database_table(ctl, db, table, fields, ret);
}

/* Without the daemon the other columns are still right. */
static void ask_daemon(struct ctl *ctl, struct sources *s)
{
	json_t *page, *one;
	size_t i;

	if (daemonhttp_json(ctl, "/ports", JSON_ARRAY, "ports", &page) < 0) {
		ctl_say(ctl, "without flaps and last change: %s", ctl->error.message);
		return;
	}
	s->daemon = json_object();
	json_array_foreach(json_object_get(page, "ports"), i, one)
	{
		const char *name = json_string_value(json_object_get(one, "name"));

		if (name)
			(void)json_object_set(s->daemon, name, one);
	}
	json_decref(page);
}

static int read_sources(struct ctl *ctl, struct sources *s)
{
	static const char *const config_fields[] = {"admin_status", "mtu", NULL}, *const appl_fields[] = {
											  "admin_status", "oper_status",
											  "mtu", NULL};

	if (read_database(ctl, "CONFIG_DB", "PORT", config_fields, &s->config) < 0 ||
	    read_database(ctl, "APPL_DB", "PORT_TABLE", appl_fields, &s->appl) < 0 ||
	    read_database(ctl, "STATE_DB", "PORT_TABLE", compare_fields, &s->state) < 0 ||
	    ctl_links_read(ctl, &s->links) < 0)
		return -1;
	ask_daemon(ctl, s);
	return 0;
}

/* --- which ports --- */

struct names {
	const char **list;
	size_t n, size;
};

static void add_name(struct names *names, const char *name)
{
	if (names->n == names->size) {
		size_t size = names->size ? 2 * names->size : 256;
		const char **grown = reallocarray(names->list, size, sizeof(*grown));

		if (!grown)
			out_no_memory();
		names->list = grown;
		names->size = size;
	}
	names->list[names->n++] = name;
}

static int by_name(const void *a, const void *b)
{
	return names_compare(*(const char *const *)a, *(const char *const *)b);
}

static void add_rows(struct names *names, const struct db_rows *rows)
{
	for (size_t i = 0; i < rows->n; i++)
		if (strcmp(rows->rows[i].key, COMPARE_CONFIG_DONE) != 0 &&
		    strcmp(rows->rows[i].key, COMPARE_INIT_DONE) != 0)
			add_name(names, rows->rows[i].key);
}

/* Ports and what looks like one: rows of STATE_DB written by a portsyncd, links with the name of a port. */
static struct names list_names(const struct sources *s)
{
	struct names names = {0};
	size_t kept = 0;

	add_rows(&names, &s->config);
	add_rows(&names, &s->appl);
	for (size_t i = 0; i < s->state.n; i++)
		if (!s->state.rows[i].is_hash || db_field(&s->state.rows[i], "netdev_oper_status"))
			add_name(&names, s->state.rows[i].key);
	for (size_t i = 0; i < s->links.n; i++)
		if (rules_classify(&s->links.links[i]) == RULE_PRESENT)
			add_name(&names, s->links.links[i].name);
	if (names.n > 0)
		qsort(names.list, names.n, sizeof(*names.list), by_name);
	for (size_t i = 0; i < names.n; i++)
		if (kept == 0 || strcmp(names.list[kept - 1], names.list[i]) != 0)
			names.list[kept++] = names.list[i];
	names.n = kept;
	return names;
}

/* --- one port --- */

static void set(struct port_line *p, enum column column, const char *value, size_t len)
{
	if (value)
		(void)printable(value, len, p->value[column], sizeof(p->value[column]));
}

static void set_row(struct port_line *p, const struct db_row *row, enum column from, enum column to)
{
	for (unsigned i = from; i <= to; i++) {
		const struct db_field *field = db_field(row, columns[i].member);

		p->in[i] = row != NULL;
		if (field)
			set(p, (enum column)i, field->value, field->len);
	}
	if (row && !row->is_hash) {
		set(p, from, NOT_A_HASH, strlen(NOT_A_HASH));
		p->differs[from] = OUT_BAD;
	}
}

static void set_link(struct port_line *p, const struct link_msg *link)
{
	char mtu[16];

	if (!link)
		return;
	(void)snprintf(mtu, sizeof(mtu), "%u", link->mtu);
	set(p, KERNEL_UP, link->flags & IFF_UP ? "up" : "down", link->flags & IFF_UP ? 2 : 4);
	set(p, KERNEL_OPER, link->flags & IFF_RUNNING ? "up" : "down", link->flags & IFF_RUNNING ? 2 : 4);
	set(p, KERNEL_MTU, mtu, strlen(mtu));
	p->in[KERNEL_UP] = p->in[KERNEL_OPER] = p->in[KERNEL_MTU] = true;
}

/* Marks the value if it is not that of the other column, which may have none. */
static void expect(struct port_line *p, enum column column, enum column other, enum out_style style)
{
	if (p->value[other][0] != '\0' && strcmp(p->value[column], p->value[other]) != 0)
		p->differs[column] = style;
}

/* A row of STATE_DB that differs from the kernel is portsyncd's fault; other differences may be temporary, or intended.
 */
static void find_differences(struct port_line *p)
{
	expect(p, APPL_ADMIN, CONFIG_ADMIN, OUT_WARN);
	expect(p, APPL_MTU, CONFIG_MTU, OUT_WARN);
	expect(p, KERNEL_UP, APPL_ADMIN, OUT_WARN);
	expect(p, KERNEL_MTU, APPL_MTU, OUT_WARN);
	if (p->value[APPL_OPER][0] != '\0')
		expect(p, APPL_OPER, KERNEL_OPER, OUT_WARN);
	expect(p, STATE_UP, KERNEL_UP, OUT_BAD);
	expect(p, STATE_OPER, KERNEL_OPER, OUT_BAD);
	expect(p, STATE_MTU, KERNEL_MTU, OUT_BAD);
	if (p->in[KERNEL_UP] && strcmp(p->value[STATE_STATE], "ok") != 0)
		p->differs[STATE_STATE] = OUT_BAD;
	for (unsigned i = STATE_STATE; i <= STATE_MTU && !p->in[KERNEL_UP]; i++)
		if (p->value[i][0] != '\0')
			p->differs[i] = OUT_BAD;
}

/* "2 h": since "2026-11-27T09:30:14.813Z". */
static void set_age(struct port_line *p, const char *stamp)
{
	static const struct {
		double seconds;
		const char *unit;
	} units[] = {{86400, "d"}, {3600, "h"}, {60, "min"}, {1, "s"}};
	struct tm utc = {0};
	double age;
	size_t i = 0;

	if (!strptime(stamp, "%Y-%m-%dT%H:%M:%S", &utc))
		return;
	age = MAX(difftime(time(NULL), timegm(&utc)), 0);
	while (i + 1 < ARRAY_SIZE(units) && age < 2 * units[i].seconds)
		i++;
	(void)snprintf(p->value[LAST_CHANGE], VALUE_BYTES, "%.0f %s ago", age / units[i].seconds, units[i].unit);
}

static void set_daemon(struct port_line *p, const json_t *daemon)
{
	const char *stamp;

	p->daemon = json_object_get(daemon, p->name);
	if (!p->daemon)
		return;
	(void)snprintf(p->value[FLAPS], VALUE_BYTES, "%lld",
		       (long long)json_integer_value(json_object_get(p->daemon, "flaps")));
	stamp = json_string_value(json_object_get(p->daemon, "last_change"));
	if (stamp)
		set_age(p, stamp);
}

static struct port_line look_at(const struct sources *s, const char *name)
{
	struct port_line p = {.name = name};

	set(&p, PORT, name, strlen(name));
	set_row(&p, db_find(&s->config, name), CONFIG_ADMIN, CONFIG_MTU);
	set_row(&p, db_find(&s->appl, name), APPL_ADMIN, APPL_MTU);
	set_row(&p, db_find(&s->state, name), STATE_STATE, STATE_MTU);
	set_link(&p, ctl_links_find(&s->links, name));
	set_daemon(&p, s->daemon);
	find_differences(&p);
	return p;
}

/* --- as text --- */

static struct out_table *begin_table(const struct ctl *ctl)
{
	const char *groups[COLUMNS];
	struct out_table *t;

	for (size_t i = 0; i < COLUMNS; i++)
		groups[i] = columns[i].group;
	t = out_table_new(ctl, COLUMNS, groups);
	for (size_t i = 0; i < COLUMNS && ctl->legend; i++)
		out_cell(t, OUT_BOLD, "%s", columns[i].heading);
	return t;
}

static void add_port(struct out_table *t, const struct port_line *p)
{
	for (size_t i = 0; i < COLUMNS; i++)
		out_cell(t, p->differs[i], "%s%s", p->value[i][0] ? p->value[i] : "-", p->differs[i] ? MARK : "");
}

static void print_legend(const struct ctl *ctl)
{
	if (ctl->legend)
		(void)printf("\n" MARK
			     " differs: STATE_DB from the kernel, the kernel from APPL_DB, APPL_DB from CONFIG_DB; "
			     "its oper, orchagent's, from the kernel.\n"
			     "netdev-up is STATE_DB's admin_status: IFF_UP of the link, not what is configured. "
			     "running is IFF_RUNNING.\n");
}

/* --- as JSON --- */

static json_t *value_json(const struct port_line *p, enum column column)
{
	return p->value[column][0] != '\0' ? json_string(p->value[column]) : json_null();
}

/* {"admin_status": "up", ...}, or null: no row, no link. */
static json_t *group_json(const struct port_line *p, enum column from, enum column to)
{
	json_t *object;

	if (!p->in[from])
		return json_null();
	object = json_object();
	for (unsigned i = from; i <= to; i++)
		(void)json_object_set_new(object, columns[i].member, value_json(p, (enum column)i));
	return object;
}

static json_t *differences_json(const struct port_line *p)
{
	json_t *list = json_array();

	for (size_t i = 0; i < COLUMNS; i++)
		if (p->differs[i])
			(void)json_array_append_new(list, json_sprintf("%s.%s", columns[i].object, columns[i].member));
	return list;
}

static json_t *daemon_json(const struct port_line *p, enum column column)
{
	json_t *value = json_object_get(p->daemon, columns[column].member);

	return value ? json_incref(value) : json_null();
}

static json_t *port_json(const struct port_line *p)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "name", value_json(p, PORT), "config_db",
			 group_json(p, CONFIG_ADMIN, CONFIG_MTU), "appl_db", group_json(p, APPL_ADMIN, APPL_MTU),
			 "kernel", group_json(p, KERNEL_UP, KERNEL_MTU), "state_db",
			 group_json(p, STATE_STATE, STATE_MTU), "differences", differences_json(p), "flaps",
			 daemon_json(p, FLAPS), "last_change", daemon_json(p, LAST_CHANGE));
}

/* --- all of them --- */

/* Names the arguments that fit no port. Returns how many they are. */
static int report_unknown(const struct ctl *ctl, const struct names *names, int n, char **patterns)
{
	int unknown = 0;

	for (int i = 0; i < n; i++) {
		char quote[128];
		bool known = false;

		for (size_t j = 0; j < names->n && !known; j++)
			known = names_match(names->list[j], 1, &patterns[i]);
		if (known)
			continue;
		unknown++;
		ctl_say(ctl, "no port has such a name: %s",
			printable(patterns[i], strlen(patterns[i]), quote, sizeof(quote)));
	}
	return unknown;
}

static void print_ports(const struct ctl *ctl, const struct sources *s, const struct names *names, int n,
			char **patterns)
{
	struct out_table *t = ctl->json ? NULL : begin_table(ctl);
	json_t *list = json_array();

	for (size_t i = 0; i < names->n; i++) {
		struct port_line p;

		if (!names_match(names->list[i], n, patterns))
			continue;
		p = look_at(s, names->list[i]);
		if (ctl->json)
			(void)json_array_append_new(list, port_json(&p));
		else
			add_port(t, &p);
	}
	if (ctl->json) {
		out_json(ctl, json_pack("{s:b, s:o}", "daemon_answers", s->daemon != NULL, "ports", list));
		return;
	}
	json_decref(list);
	out_table_print(t);
	print_legend(ctl);
}

int verb_ports(struct ctl *ctl, int argc, char **argv)
{
	struct sources sources = {0};
	struct names names;
	int unknown;

	if (read_sources(ctl, &sources) < 0) {
		done(&sources);
		return ctl_fail(ctl);
	}
	names = list_names(&sources);
	unknown = report_unknown(ctl, &names, argc, argv);
	if (names.n == 0 && argc == 0)
		ctl_say(ctl, "there is no port");
	if (ctl->json || (names.n > 0 && (argc == 0 || unknown < argc)))
		print_ports(ctl, &sources, &names, argc, argv);
	free(names.list);
	done(&sources);
	return unknown > 0 ? CTL_NEGATIVE : CTL_GOOD;
}
