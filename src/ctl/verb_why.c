/* SPDX-License-Identifier: Apache-2.0 */
/* why PORT, why init: the chain from CONFIG_DB to consumers, link by link; the first broken one is named. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ctl/chain.h"
#include "ctl/compare.h"
#include "ctl/out.h"
#include "ctl/prose.h"
#include "ctl/verbs.h"
#include "ctl/wait.h"
#include "ports/rules.h"

#define CONFIG_DONE COMPARE_CONFIG_DONE
#define INIT_DONE COMPARE_INIT_DONE
#define RETRY_SECS 0.01 /* how long the daemon's row may be on its way */
#define NAMES_SHOWN 8   /* of ports that lack the same */
#define NAMES_BYTES 1024

/* One step as it is shown; a port's chain and the initialisation's have different steps. */
struct step {
	const char *name, *state, *found, *remedy;
};

static enum out_style style_of(const char *state)
{
	if (strcmp(state, "broken") == 0)
		return OUT_BAD;
	return strcmp(state, "ok") == 0 ? OUT_GOOD : OUT_DIM;
}

static json_t *step_json(const struct step *step)
{
	json_t *json = json_pack("{s:s, s:s, s:s}", "link", step->name, "state", step->state, "found", step->found);

	if (step->remedy)
		(void)json_object_set_new(json, "remedy", json_string(step->remedy));
	return json;
}

static const json_t *first_broken(const json_t *chain)
{
	for (size_t i = 0; i < json_array_size(chain); i++)
		if (strcmp(prose_text(json_array_get(chain, i), "state"), "broken") == 0)
			return json_array_get(chain, i);
	return NULL;
}

static void print_verdict(const struct ctl *ctl, const char *subject, const json_t *broken)
{
	if (!broken) {
		(void)printf("%s: %sthe chain is whole%s\n", subject, out_on(ctl, OUT_GOOD), out_off(ctl, OUT_GOOD));
		return;
	}
	(void)printf("%s: %sbroken at: %s%s: %s\n", subject, out_on(ctl, OUT_BAD), prose_text(broken, "link"),
		     out_off(ctl, OUT_BAD), prose_text(broken, "found"));
	prose_paragraph("remedy: ", prose_text(broken, "remedy"));
}

static void print_chain(const struct ctl *ctl, const json_t *chain)
{
	static const char *const headings[] = {"STATE", "LINK", "FOUND"};
	struct out_table *table = out_table_new(ctl, ARRAY_SIZE(headings), headings);

	(void)printf("\n");
	for (size_t i = 0; i < json_array_size(chain); i++) {
		const json_t *step = json_array_get(chain, i);
		const char *state = prose_text(step, "state");

		out_cell(table, style_of(state), "%s", strcmp(state, "broken") == 0 ? "BROKEN" : state);
		out_cell(table, OUT_PLAIN, "%s", prose_text(step, "link"));
		out_cell(table, OUT_PLAIN, "%s", prose_text(step, "found"));
	}
	out_table_print(table);
}

static bool lack_the_same(const json_t *a, const json_t *b)
{
	return strcmp(prose_text(a, "link"), prose_text(b, "link")) == 0 &&
	       strcmp(prose_text(a, "found"), prose_text(b, "found")) == 0;
}

/* Prints the ports that lack the same as this one, unless an earlier port lacks it, too. */
static void print_group(const json_t *awaited, size_t first)
{
	const json_t *port = json_array_get(awaited, first);
	json_t *names = json_array();
	char list[NAMES_BYTES];

	for (size_t i = 0; i < json_array_size(awaited); i++)
		if (lack_the_same(json_array_get(awaited, i), port))
			(void)json_array_append_new(names, json_string(prose_text(json_array_get(awaited, i), "port")));
	(void)printf("  %s: %s: %s\n", prose_list(names, NAMES_SHOWN, list, sizeof(list)), prose_text(port, "link"),
		     prose_text(port, "found"));
	prose_paragraph("    remedy: ", prose_text(port, "remedy"));
	json_decref(names);
}

static void print_awaited(const json_t *awaited)
{
	size_t n = json_array_size(awaited);

	if (n > 0)
		(void)printf("\nawaited ports:\n");
	for (size_t i = 0; i < n; i++) {
		size_t first = 0;

		while (!lack_the_same(json_array_get(awaited, first), json_array_get(awaited, i)))
			first++;
		if (first == i)
			print_group(awaited, i);
	}
}

/* Takes ownership of the chain, and of awaited, which may be NULL. */
static int show(struct ctl *ctl, const char *subject, const struct chain_sources *s, json_t *chain, json_t *awaited)
{
	const json_t *broken = first_broken(chain);
	int code = broken ? CTL_NEGATIVE : CTL_GOOD;

	if (ctl->json) {
		json_t *json = json_pack("{s:o, s:b, s:o, s:O?, s:b}", "subject", out_json_text(subject), "whole",
					 !broken, "chain", chain, "broken", broken, "daemon_answers", s->ports != NULL);

		if (awaited)
			(void)json_object_set_new(json, "awaited", awaited);
		out_json(ctl, json);
		return code;
	}
	print_verdict(ctl, subject, broken);
	print_chain(ctl, chain);
	print_awaited(awaited);
	if (!s->ports)
		ctl_say(ctl, "without what the daemon knows: %s", s->silence);
	json_decref(chain);
	json_decref(awaited);
	return code;
}

/* --- of a port --- */

static json_t *chain_json(const struct chain *chain)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < CHAIN_LINKS; i++) {
		const struct chain_link *link = &chain->links[i];

		(void)json_array_append_new(list,
					    step_json(&(struct step){chain_link_name(i), chain_state_name(link->state),
								     link->found, link->remedy}));
	}
	return list;
}

/* Reads again if a row may still be on its way. 0; or -1, ctl_fail() is due. */
static int read_port(struct ctl *ctl, const char *port, struct chain_sources *s, struct chain *chain)
{
	const char *keys[] = {port, CONFIG_DONE};
	enum chain_index first;

	if (chain_read(ctl, keys, ARRAY_SIZE(keys), s) < 0)
		return -1;
	chain_follow(s, port, chain);
	first = chain_broken(chain, false);
	if (!s->ports || (first != CHAIN_STATE && first != CHAIN_SYNC))
		return 0;
	wait_seconds(RETRY_SECS);
	if (chain_read(ctl, keys, ARRAY_SIZE(keys), s) < 0)
		return -1;
	chain_follow(s, port, chain);
	return 0;
}

static int why_port(struct ctl *ctl, const char *port)
{
	struct chain_sources s = {.ports = NULL};
	struct chain chain;
	char subject[4 * IFNAMSIZ + 4];
	int code;

	if (read_port(ctl, port, &s, &chain) < 0)
		return ctl_fail(ctl);
	code = show(ctl, printable(port, strlen(port), subject, sizeof(subject)), &s, chain_json(&chain), NULL);
	chain_done(&s);
	return code;
}

/* --- of the initialisation --- */

static void add_step(json_t *chain, const char *name, enum chain_state state, const char *remedy, const char *format,
		     ...) PRINTF_LIKE(5, 6);

static void add_step(json_t *chain, const char *name, enum chain_state state, const char *remedy, const char *format,
		     ...)
{
	char found[320];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(found, sizeof(found), format, args);
	va_end(args);
	(void)json_array_append_new(chain, step_json(&(struct step){name, chain_state_name(state), found, remedy}));
}

/* Counts ports, not markers. */
static size_t count_ports(const struct db_rows *rows)
{
	size_t n = 0;

	for (size_t i = 0; i < rows->n; i++)
		n += strcmp(rows->rows[i].key, CONFIG_DONE) != 0 && strcmp(rows->rows[i].key, INIT_DONE) != 0;
	return n;
}

/* Whether PortInitDone waits for this port, as the daemon says or, without it, as far as its chain says. */
static bool is_awaited(const struct chain_sources *s, const char *port, const struct chain *chain)
{
	if (s->ports)
		return json_is_true(json_object_get(chain_daemon(s, port), "awaited"));
	return rules_port_name(port) && chain_broken(chain, false) != CHAIN_LINKS;
}

static json_t *awaited_port(const char *port, const struct chain *chain)
{
	enum chain_index at = chain_broken(chain, false);
	const struct chain_link *link = at < CHAIN_LINKS ? &chain->links[at] : NULL;
	json_t *json =
		json_pack("{s:o, s:s, s:s}", "port", out_json_text(port), "link", link ? chain_link_name(at) : "daemon",
			  "found", link ? link->found : "the chain is whole by now: the daemon is about to see it");

	if (link && link->remedy)
		(void)json_object_set_new(json, "remedy", json_string(link->remedy));
	return json;
}

static json_t *list_awaited(const struct chain_sources *s)
{
	json_t *awaited = json_array();

	for (size_t i = 0; i < s->config.n; i++) {
		const char *port = s->config.rows[i].key;
		struct chain chain;

		chain_follow(s, port, &chain);
		if (is_awaited(s, port, &chain))
			(void)json_array_append_new(awaited, awaited_port(port, &chain));
	}
	return awaited;
}

static void follow_config_done(const struct chain_sources *s, json_t *chain)
{
	const char *name = "APPL_DB " CONFIG_DONE;

	if (db_find(&s->appl, CONFIG_DONE))
		add_step(chain, name, CHAIN_OK, NULL, "there");
	else if (db_find(&s->pushed, CONFIG_DONE))
		add_step(chain, name, CHAIN_BROKEN, "Look at orchagent: does it run, and what does its log say?",
			 "it was pushed, and orchagent has not taken it");
	else
		add_step(
			chain, name, CHAIN_BROKEN,
			s->ports
				? "portsyncctl status says what holds the daemon back: it needs CONFIG_DB and APPL_DB."
				: "Start portsyncd, which sends it: portsyncctl status and portsyncctl doctor say what "
				  "is wrong with it.",
			"missing: the ports were not handed to orchagent");
}

/* orchagent creates the ports once it has as many as the count says; at a warm start it insists on that (S8 and S9). */
static void follow_count(const struct chain_sources *s, bool init_done, json_t *chain)
{
	const char *text = db_value(db_find(&s->appl, CONFIG_DONE), "count");
	size_t rows = count_ports(&s->appl);
	char quote[64], *end = NULL;
	uint64_t count = text ? strtoull(text, &end, 10) : 0;

	if (!db_find(&s->appl, CONFIG_DONE))
		add_step(chain, "its count", CHAIN_SKIPPED, NULL, "there is none");
	else if (text && end != text && *end == '\0' && count == rows)
		add_step(chain, "its count", CHAIN_OK, NULL, "%" PRIu64 ", as many as APPL_DB has ports", count);
	else if (init_done && text)
		add_step(chain, "its count", CHAIN_OK, NULL,
			 "%s, and APPL_DB has %zu ports: a later warm start needs track_port_config_done",
			 printable(text, strlen(text), quote, sizeof(quote)), rows);
	else
		add_step(chain, "its count", CHAIN_BROKEN,
			 "orchagent takes the pushed rows one by one: wait for it, or look at its log. A restart of "
			 "portsyncd "
			 "pushes them again.",
			 "%s, and APPL_DB has %zu ports",
			 text ? printable(text, strlen(text), quote, sizeof(quote)) : "none", rows);
}

static void follow_init_done(const struct chain_sources *s, bool awaits, json_t *chain)
{
	const char *name = "APPL_DB " INIT_DONE;

	if (db_find(&s->appl, INIT_DONE))
		add_step(chain, name, CHAIN_OK, NULL, "there");
	else if (db_find(&s->pushed, INIT_DONE))
		add_step(chain, name, CHAIN_BROKEN, "Look at orchagent: does it run, and what does its log say?",
			 "it was pushed, and orchagent has not taken it");
	else if (awaits)
		add_step(chain, name, CHAIN_SKIPPED, NULL, "missing: it waits for the ports");
	else
		add_step(
			chain, name, CHAIN_BROKEN,
			s->ports
				? "portsyncd sends it in a moment; if not, portsyncctl status says why."
				: "Start portsyncd, which sends it: portsyncctl status and portsyncctl doctor say what "
				  "is wrong with it.",
			"missing");
}

static void follow_awaited(const json_t *awaited, bool init_done, json_t *chain)
{
	size_t n = json_array_size(awaited);

	if (init_done)
		add_step(chain, "ports", CHAIN_OK, NULL, "none is awaited any more");
	else if (n == 0)
		add_step(chain, "ports", CHAIN_OK, NULL, "none is waited for");
	else
		add_step(chain, "ports", CHAIN_BROKEN, "See below what each lacks; portsyncctl why PORT has its chain.",
			 "%zu of them %s waited for", n, n == 1 ? "is" : "are");
}

static json_t *init_chain(const struct chain_sources *s, const json_t *awaited)
{
	bool init_done = db_find(&s->appl, INIT_DONE);
	json_t *chain = json_array();

	add_step(chain, "CONFIG_DB rows", CHAIN_OK, NULL, "%zu ports", s->config.n);
	follow_config_done(s, chain);
	follow_count(s, init_done, chain);
	follow_awaited(awaited, init_done, chain);
	follow_init_done(s, json_array_size(awaited) > 0 || !db_find(&s->appl, CONFIG_DONE), chain);
	return chain;
}

/* Once PortInitDone is there nothing is awaited, whatever has happened to the ports since. */
static int why_init(struct ctl *ctl)
{
	struct chain_sources s = {.ports = NULL};
	json_t *awaited, *chain;
	int code;

	if (chain_read(ctl, NULL, 0, &s) < 0)
		return ctl_fail(ctl);
	awaited = db_find(&s.appl, INIT_DONE) ? json_array() : list_awaited(&s);
	chain = init_chain(&s, awaited);
	code = show(ctl, "init", &s, chain, awaited);
	chain_done(&s);
	return code;
}

int verb_why(struct ctl *ctl, int argc, char **argv)
{
	(void)argc;
	return strcmp(argv[0], "init") == 0 ? why_init(ctl) : why_port(ctl, argv[0]);
}
