/* SPDX-License-Identifier: Apache-2.0 */
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "ctl/changetext.h"
#include "ctl/daemonhttp.h"
#include "ctl/names.h"
#include "ctl/out.h"
#include "ctl/verbs.h"

#define LAST_DEFAULT 50
#define LAST_MAX 999999999
#define TARGET_BYTES 128
#define PIECES_BYTES (1U << 20)
#define PLAIN "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_."

/* 0; or -1, ctl_fail() is due. */
static int read_last(struct ctl *ctl, unsigned long *last)
{
	const char *text = ctl_option(ctl, "last");
	char quote[64];

	*last = ctl_option(ctl, "all") ? LAST_MAX : LAST_DEFAULT;
	if (!text)
		return 0;
	if (strlen(text) > 0 && strlen(text) <= 9 && text[strspn(text, "0123456789")] == '\0') {
		*last = strtoul(text, NULL, 10);
		return 0;
	}
	return ctl_set_error(ctl, CTL_USAGE, NULL, "--last: \"%s\" is not a number; allowed: 0 to %d",
			     printable(text, strlen(text), quote, sizeof(quote)), LAST_MAX);
}

/* The daemon selects the changes of one port, so that little is read; a pattern is applied here, to all of them. */
static const char *target_for(int argc, char **argv, unsigned long last, char out[TARGET_BYTES])
{
	if (argc == 0)
		(void)snprintf(out, TARGET_BYTES, "/history?last=%lu", last);
	else if (argc == 1 && strlen(argv[0]) < IFNAMSIZ && argv[0][strspn(argv[0], PLAIN)] == '\0')
		(void)snprintf(out, TARGET_BYTES, "/history?port=%s&last=%lu", argv[0], last);
	else
		(void)snprintf(out, TARGET_BYTES, "/history");
	return out;
}

/* The last changes that fit, oldest first. */
static json_t *pick(const json_t *changes, int argc, char **argv, unsigned long last)
{
	json_t *picked = json_array(), *change;
	size_t i, n = 0, skipped;

	json_array_foreach(changes, i, change) n += names_match(changetext_port(change), argc, argv);
	skipped = n - MIN(n, last);
	json_array_foreach(changes, i, change)
	{
		if (!names_match(changetext_port(change), argc, argv))
			continue;
		if (skipped > 0)
			skipped--;
		else
			(void)json_array_append(picked, change);
	}
	return picked;
}

static void print_table(const struct ctl *ctl, const json_t *changes)
{
	static const char *const headings[] = {"TIME", "PORT", "CHANGE", "LATENCY", "EVENT_ID"};
	struct out_table *t = out_table_new(ctl, ARRAY_SIZE(headings), headings);
	const json_t *change;
	size_t i;

	json_array_foreach(changes, i, change)
	{
		char text[CHANGETEXT_BYTES];
		enum out_style style;

		out_cell(t, OUT_PLAIN, "%s", changetext_time(change, text));
		out_cell(t, OUT_PLAIN, "%s", changetext_port(change));
		(void)changetext_what(change, text, &style);
		out_cell(t, style, "%s", text);
		out_cell(t, OUT_PLAIN, "%s", changetext_latency(change, text));
		out_cell(t, OUT_PLAIN, "%lld", (long long)json_integer_value(json_object_get(change, "number")));
	}
	out_table_print(t);
}

static void say_why_none(const struct ctl *ctl, int argc, const json_t *page)
{
	if (json_integer_value(json_object_get(page, "kept")) == 0)
		ctl_say(ctl, "no change is remembered: state.history_changes is 0");
	else
		ctl_say(ctl, argc > 0 ? "no change of these ports is remembered" : "no change is remembered yet");
}

/* For thousands of changes with some twenty values each: they are freed all at once. */
static struct arena pieces;

static void *take_piece(size_t size)
{
	void *piece = arena_take(&pieces, size);

	if (!piece)
		out_no_memory();
	return piece;
}

static void keep_piece(void *piece)
{
	(void)piece;
}

static int show(struct ctl *ctl, int argc, char **argv)
{
	char target[TARGET_BYTES];
	unsigned long last;
	json_t *page, *changes;

	if (read_last(ctl, &last) < 0 ||
	    daemonhttp_json(ctl, target_for(argc, argv, last, target), JSON_ARRAY, "changes", &page) < 0)
		return ctl_fail(ctl);
	changes = pick(json_object_get(page, "changes"), argc, argv, last);
	if (ctl->json) {
		out_json(ctl, json_pack("{s:O*, s:O}", "kept", json_object_get(page, "kept"), "changes", changes));
	} else if (json_array_size(changes) > 0) {
		print_table(ctl, changes);
	} else if (last > 0) {
		say_why_none(ctl, argc, page);
	}
	return CTL_GOOD;
}

int verb_history(struct ctl *ctl, int argc, char **argv)
{
	int r;

	arena_init(&pieces, PIECES_BYTES, 0);
	json_set_alloc_funcs(take_piece, keep_piece);
	r = show(ctl, argc, argv);
	json_set_alloc_funcs(out_take, free);
	arena_done(&pieces);
	return r;
}
