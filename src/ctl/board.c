/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/board.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ctl/changetext.h"
#include "ctl/names.h"
#include "ctl/out.h"

#define FRESH_USEC USEC_PER_SEC /* how long a port is marked after a change */
#define LOG_LINES 64
#define LOG_LINES_MIN 4
#define NAME_BYTES 64
#define LINE_BYTES 512
#define FRAME_LINES 7 /* head, legend, counters, and an empty line between them */
#define PANEL_COLUMN 16
#define PANEL_GROUP 8

enum shown_state { STATE_UP, STATE_DOWN, STATE_SHUT, STATE_NONE, STATES };

static const struct {
	const char *glyph, *plain, *meaning;
	enum out_style style;
} states[STATES] = {
	[STATE_UP] = {"\u25cf", "#", "up", OUT_GOOD},
	[STATE_DOWN] = {"\u25cb", "o", "down", OUT_BAD},
	[STATE_SHUT] = {"\u00d7", "x", "admin down", OUT_WARN},
	[STATE_NONE] = {"\u00b7", ".", "no interface", OUT_DIM},
};

struct board_port {
	char name[NAME_BYTES];
	bool link, oper, admin;
	bool behind; /* STATE_DB is not in sync with its interface */
	long long mtu, flaps;
	char last_change[40];
	uint64_t changed_usec; /* CLOCK_MONOTONIC; 0: not while we looked */
};

struct board {
	const struct ctl *ctl;
	int n_patterns;
	char **patterns;
	bool unicode, stale;
	struct board_port *ports;
	size_t n;
	char version[32], verdict[16];
	size_t n_problems;
	uint64_t changes, lost, began_usec;
	char latency[CHANGETEXT_BYTES];      /* of the last change that was timed */
	char log[LOG_LINES][LINE_BYTES];     /* a ring; changes counts what was put into it */
	enum out_style log_style[LOG_LINES]; /* the whole line's */
};

/* --- what is known --- */

static bool speaks_unicode(void)
{
	static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const char *value = getenv(names[i]);

		if (value && value[0] != '\0')
			return strcasestr(value, "utf-8") || strcasestr(value, "utf8");
	}
	return false;
}

struct board *board_new(const struct ctl *ctl, int n, char **patterns)
{
	struct board *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	b->ctl = ctl;
	b->n_patterns = n;
	b->patterns = patterns;
	b->unicode = speaks_unicode();
	b->began_usec = now_usec();
	return b;
}

void board_free(struct board *b)
{
	if (!b)
		return;
	free(b->ports);
	free(b);
}

static bool is_up(const json_t *object, const char *member)
{
	const char *text = json_string_value(json_object_get(object, member));

	return text && strcmp(text, "up") == 0;
}

static struct board_port *find(const struct board *b, const char *name)
{
	for (size_t i = 0; i < b->n; i++)
		if (strcmp(b->ports[i].name, name) == 0)
			return &b->ports[i];
	return NULL;
}

static void set_row(struct board_port *port, const json_t *row)
{
	port->link = json_is_object(row);
	port->oper = is_up(row, "oper");
	port->admin = is_up(row, "admin");
	port->mtu = (long long)json_integer_value(json_object_get(row, "mtu"));
}

static struct board_port read_port(const struct board *b, const json_t *json)
{
	const char *name = json_string_value(json_object_get(json, "name")),
		   *last = json_string_value(json_object_get(json, "last_change"));
	struct board_port port = {.behind = json_is_true(json_object_get(json, "configured")) &&
					    json_is_object(json_object_get(json, "link")) &&
					    !json_is_true(json_object_get(json, "in_sync"))};
	const struct board_port *before;

	(void)printable(name ? name : "", name ? strlen(name) : 0, port.name, sizeof(port.name));
	(void)snprintf(port.last_change, sizeof(port.last_change), "%s", last ? last : "");
	port.flaps = (long long)json_integer_value(json_object_get(json, "flaps"));
	set_row(&port, json_object_get(json, "link"));
	before = find(b, port.name);
	port.changed_usec = before ? before->changed_usec : 0;
	return port;
}

static int by_name(const void *a, const void *b)
{
	return names_compare(((const struct board_port *)a)->name, ((const struct board_port *)b)->name);
}

int board_set_ports(struct board *b, const json_t *page)
{
	const json_t *list = json_object_get(page, "ports"), *json;
	struct board_port *ports = calloc(json_array_size(list) + 1, sizeof(*ports));
	size_t i, n = 0;

	if (!ports)
		return -ENOMEM;
	b->stale = false;
	json_array_foreach(list, i, json)
	{
		ports[n] = read_port(b, json);
		if (!names_match(ports[n].name, b->n_patterns, b->patterns))
			continue;
		b->stale = b->stale || ports[n].behind;
		n++;
	}
	qsort(ports, n, sizeof(*ports), by_name);
	free(b->ports);
	b->ports = ports;
	b->n = n;
	return 0;
}

void board_set_status(struct board *b, const json_t *page)
{
	const char *version = json_string_value(json_object_get(page, "version")),
		   *verdict = json_string_value(json_object_get(page, "verdict"));

	(void)snprintf(b->version, sizeof(b->version), "%s", version ? version : "?");
	(void)snprintf(b->verdict, sizeof(b->verdict), "%s", verdict ? verdict : "?");
	b->n_problems = json_array_size(json_object_get(page, "problems"));
}

static void log_change(struct board *b, const json_t *change)
{
	size_t at = b->changes % LOG_LINES;
	char when[CHANGETEXT_BYTES], what[CHANGETEXT_BYTES], name[NAME_BYTES], latency[CHANGETEXT_BYTES];
	const char *port = changetext_port(change), *day;

	(void)changetext_what(change, what, &b->log_style[at]);
	(void)changetext_latency(change, latency);
	if (strcmp(latency, "-") != 0)
		memcpy(b->latency, latency, sizeof(latency));
	day = strchr(changetext_time(change, when), ' ');
	(void)snprintf(b->log[at], LINE_BYTES, " %s  %-12s  %s  %s", day ? day + 1 : when,
		       printable(port, strlen(port), name, sizeof(name)), what, latency);
	b->changes++;
}

/* A new port has more to show than a change says: the pages are read again. */
void board_change(struct board *b, const json_t *change)
{
	const char *name = changetext_port(change);
	struct board_port *port;
	char shown[NAME_BYTES];

	if (!names_match(name, b->n_patterns, b->patterns))
		return;
	b->stale = true;
	log_change(b, change);
	port = find(b, printable(name, strlen(name), shown, sizeof(shown)));
	if (!port)
		return;
	set_row(port, json_object_get(change, "after"));
	port->changed_usec = now_usec();
}

void board_lost(struct board *b, long long lost)
{
	b->lost += (uint64_t)lost;
	b->stale = true;
}

bool board_is_stale(const struct board *b)
{
	return b->stale;
}

static bool is_fresh(const struct board_port *port, uint64_t now)
{
	return port->changed_usec > 0 && now < port->changed_usec + FRESH_USEC;
}

uint64_t board_fades_usec(const struct board *b)
{
	uint64_t now = now_usec(), first = UINT64_MAX;

	for (size_t i = 0; i < b->n; i++)
		if (is_fresh(&b->ports[i], now))
			first = MIN(first, b->ports[i].changed_usec + FRESH_USEC);
	return first;
}

static enum shown_state state_of(const struct board_port *port)
{
	if (!port->link)
		return STATE_NONE;
	if (!port->admin)
		return STATE_SHUT;
	return port->oper ? STATE_UP : STATE_DOWN;
}

/* --- the picture --- */

PRINTF_LIKE(2, 3) static void put(struct text *out, const char *format, ...)
{
	char line[LINE_BYTES];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	text_put(out, line);
}

static const char *glyph(const struct board *b, enum shown_state state)
{
	return b->unicode ? states[state].glyph : states[state].plain;
}

static const char *reverse(const struct board *b, bool on)
{
	return b->ctl->color && on ? "\033[7m" : "";
}

/* The name is cut off or padded; an exclamation mark after the glyph: STATE_DB is not in sync. */
static void put_cell(const struct board *b, struct text *out, const struct board_port *port, unsigned name, bool mtu)
{
	enum shown_state state = state_of(port);
	char number[24] = "";

	if (mtu && port->link)
		(void)snprintf(number, sizeof(number), "%lld", port->mtu);
	put(out, " %s%s%-*.*s %s%c%-*s%s", out_on(b->ctl, states[state].style), reverse(b, is_fresh(port, now_usec())),
	    (int)name, (int)name, port->name, glyph(b, state), port->behind ? '!' : ' ', mtu ? 5 : 0, number,
	    b->ctl->color ? "\033[0m" : "");
}

static unsigned longest_name(const struct board *b)
{
	size_t longest = 0;

	for (size_t i = 0; i < b->n; i++)
		longest = MAX(longest, strlen(b->ports[i].name));
	return (unsigned)longest;
}

/* Down the columns, the way people look for names. */
static void put_cells(const struct board *b, struct text *out, unsigned per_line, unsigned name, bool mtu)
{
	size_t height = (b->n + per_line - 1) / per_line;

	for (size_t line = 0; line < height; line++) {
		for (size_t i = line; i < b->n; i += height)
			put_cell(b, out, &b->ports[i], name, mtu);
		while (out->len > 0 && out->data[out->len - 1] == ' ')
			out->len--;
		text_put(out, "\n");
	}
}

/* A glyph a port, where there are hundreds. */
static void put_panel(const struct board *b, struct text *out, unsigned per_line)
{
	uint64_t now = now_usec();

	for (size_t i = 0; i < b->n; i++) {
		const struct board_port *port = &b->ports[i];
		enum shown_state state = state_of(port);

		if (i % per_line == 0)
			put(out, "%s %-*.*s", i > 0 ? "\n" : "", PANEL_COLUMN - 2, PANEL_COLUMN - 2, port->name);
		put(out, "%s%s%s%s%s", i % per_line % PANEL_GROUP == 0 ? " " : "", out_on(b->ctl, states[state].style),
		    reverse(b, is_fresh(port, now)), port->behind ? "!" : glyph(b, state),
		    b->ctl->color ? "\033[0m" : "");
	}
	text_put(out, "\n");
}

static unsigned panel_width(unsigned columns)
{
	unsigned groups = columns > PANEL_COLUMN ? (columns - PANEL_COLUMN) / (PANEL_GROUP + 1) : 0;

	return MAX(groups, 1U) * PANEL_GROUP;
}

/* Shows as much of each port as there are lines for all. Returns how many lines that took. */
static size_t put_ports(const struct board *b, struct text *out, unsigned columns, unsigned lines)
{
	unsigned name = longest_name(b), full = name + 9, brief = name + 4;
	unsigned per_line = MAX(columns - 1, full) / full;

	if (lines == 0 || (b->n + per_line - 1) / per_line <= lines) {
		put_cells(b, out, per_line, name, true);
		return (b->n + per_line - 1) / per_line;
	}
	per_line = MAX(columns - 1, brief) / brief;
	if ((b->n + per_line - 1) / per_line <= lines) {
		put_cells(b, out, per_line, name, false);
		return (b->n + per_line - 1) / per_line;
	}
	per_line = panel_width(columns);
	put_panel(b, out, per_line);
	return (b->n + per_line - 1) / per_line;
}

static void put_head(const struct board *b, struct text *out)
{
	bool healthy = strcmp(b->verdict, "healthy") == 0;
	enum out_style style = healthy ? OUT_GOOD : strcmp(b->verdict, "unhealthy") == 0 ? OUT_BAD : OUT_WARN;
	size_t count[STATES] = {0}, behind = 0;

	for (size_t i = 0; i < b->n; i++) {
		count[state_of(&b->ports[i])]++;
		behind += b->ports[i].behind;
	}
	put(out, " portsyncd %s: %s%s%s", b->version, out_on(b->ctl, style), b->verdict, out_off(b->ctl, style));
	if (!healthy)
		put(out, ", %zu problem%s: see portsyncctl status", b->n_problems, b->n_problems == 1 ? "" : "s");
	put(out, "\n %zu port%s: %zu up, %zu down, %zu admin down", b->n, b->n == 1 ? "" : "s", count[STATE_UP],
	    count[STATE_DOWN], count[STATE_SHUT]);
	if (count[STATE_NONE] > 0)
		put(out, ", %zu without interface", count[STATE_NONE]);
	if (behind > 0)
		put(out, "; %s%zu not in sync%s", out_on(b->ctl, OUT_BAD), behind, out_off(b->ctl, OUT_BAD));
	text_put(out, "\n\n");
}

static void put_legend(const struct board *b, struct text *out)
{
	text_put(out, "\n ");
	for (enum shown_state state = 0; state < STATES; state++)
		put(out, "%s%s %s%s   ", out_on(b->ctl, states[state].style), glyph(b, state), states[state].meaning,
		    out_off(b->ctl, states[state].style));
	put(out, "! not in sync%s%s%s\n", b->ctl->color ? "   \033[7m" : "", b->ctl->color ? "just changed" : "",
	    b->ctl->color ? "\033[0m" : "");
}

static void put_counters(const struct board *b, struct text *out)
{
	put(out, " %llu changes in %llu s", (unsigned long long)b->changes,
	    (unsigned long long)((now_usec() - b->began_usec) / USEC_PER_SEC));
	if (b->latency[0] != '\0')
		put(out, "   the last took %s from the kernel to Redis", b->latency);
	if (b->lost > 0)
		put(out, "   %s%llu lost: this terminal is too slow%s", out_on(b->ctl, OUT_WARN),
		    (unsigned long long)b->lost, out_off(b->ctl, OUT_WARN));
	text_put(out, "\n");
}

/* The newest line comes last. */
static void put_log(const struct board *b, struct text *out, unsigned columns, uint64_t lines)
{
	uint64_t n = MIN(MIN(b->changes, (uint64_t)LOG_LINES), lines);

	for (uint64_t i = b->changes - n; i < b->changes; i++) {
		size_t at = i % LOG_LINES;

		put(out, "%s%.*s%s\n", out_on(b->ctl, b->log_style[at]), (int)columns, b->log[at],
		    out_off(b->ctl, b->log_style[at]));
	}
}

void board_draw(struct board *b, struct text *out, unsigned columns, unsigned lines)
{
	unsigned spare = lines > FRAME_LINES + LOG_LINES_MIN ? lines - FRAME_LINES - LOG_LINES_MIN : 1;
	uint64_t taken;

	put_head(b, out);
	taken = put_ports(b, out, columns, lines ? spare : 0) + FRAME_LINES;
	if (b->ctl->legend)
		put_legend(b, out);
	if (lines == 0)
		return;
	put_counters(b, out);
	text_put(out, "\n");
	put_log(b, out, columns, lines > taken ? lines - taken : 0);
}

/* --- as JSON --- */

static json_t *port_json(const struct board_port *port)
{
	json_t *json = json_pack("{s:s, s:b, s:I, s:o}", "name", port->name, "in_sync", port->link && !port->behind,
				 "flaps", (json_int_t)port->flaps, "last_change",
				 port->last_change[0] ? json_string(port->last_change) : json_null());

	(void)json_object_set_new(json, "link",
				  port->link ? json_pack("{s:s, s:s, s:I}", "oper", port->oper ? "up" : "down", "admin",
							 port->admin ? "up" : "down", "mtu", (json_int_t)port->mtu)
					     : json_null());
	return json;
}

json_t *board_json(const struct board *b)
{
	json_t *list = json_array();

	for (size_t i = 0; i < b->n; i++)
		(void)json_array_append_new(list, port_json(&b->ports[i]));
	return json_pack("{s:s, s:s, s:o}", "version", b->version, "verdict", b->verdict, "ports", list);
}
