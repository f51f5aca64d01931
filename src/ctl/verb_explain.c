/* SPDX-License-Identifier: Apache-2.0 */
/* explain: what kinds of log lines, records of the audit trail and health checks mean; without the daemon. */
#include <stdio.h>
#include <string.h>

#include "ctl/out.h"
#include "ctl/prose.h"
#include "ctl/verbs.h"
#include "metrics/checkadvice.h"

/* One explanation. words: of a case of a check; NULL. */
static json_t *explanation(const char *type, const char *name, const char *words, const struct advice *advice)
{
	json_t *json = json_pack("{s:s, s:s, s:s, s:s}", "type", type, "name", name, "subject", advice->subject,
				 "cause", advice->cause);

	if (advice->remedy)
		(void)json_object_set_new(json, "remedy", json_string(advice->remedy));
	if (words)
		(void)json_object_set_new(json, "words", json_string(words));
	return json;
}

static void add_kinds(json_t *list, const char *name)
{
	for (size_t i = 0; i < KINDS; i++) {
		const struct log_kind_info *kind = &log_kinds[i];
		json_t *json;

		if (name && strcmp(name, kind->name) != 0)
			continue;
		json = explanation(kind->audit ? "record" : "log", kind->name, NULL, &log_advice[i]);
		(void)json_object_set_new(json, "id", json_string(kind->id));
		(void)json_array_append_new(list, json);
	}
}

static void add_cases(json_t *list, unsigned check)
{
	for (const struct advice_case *c = log_advice_cases; c->words; c++)
		if (check_advice(check, c->words) == &c->advice)
			(void)json_array_append_new(
				list, explanation("check", health_check_name(check), c->words, &c->advice));
}

static void add_checks(json_t *list, const char *name)
{
	for (unsigned i = 0; i < HEALTH_CHECKS; i++) {
		if (name && strcmp(name, health_check_name(i)) != 0)
			continue;
		(void)json_array_append_new(list,
					    explanation("check", health_check_name(i), NULL, check_advice(i, NULL)));
		add_cases(list, i);
	}
}

static void print_full(const struct ctl *ctl, const json_t *list)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *json = json_array_get(list, i);
		const char *words = prose_text(json, "words");

		(void)printf("%s%s%s%s (%s)%s%s%s: %s\n", i ? "\n" : "", out_on(ctl, OUT_BOLD),
			     prose_text(json, "name"), out_off(ctl, OUT_BOLD), prose_text(json, "type"),
			     words[0] ? " with \"" : "", words, words[0] ? "\"" : "", prose_text(json, "subject"));
		prose_paragraph("  cause:  ", prose_text(json, "cause"));
		prose_paragraph("  remedy: ", prose_text(json, "remedy"));
	}
}

static void print_table(const struct ctl *ctl, const json_t *list)
{
	static const char *const headings[] = {"TYPE", "NAME", "MEANS"};
	struct out_table *table = out_table_new(ctl, ARRAY_SIZE(headings), headings);

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *json = json_array_get(list, i);

		if (json_object_get(json, "words"))
			continue;
		out_cell(table, OUT_PLAIN, "%s", prose_text(json, "type"));
		out_cell(table, OUT_BOLD, "%s", prose_text(json, "name"));
		out_cell(table, OUT_PLAIN, "%s", prose_text(json, "subject"));
	}
	out_table_print(table);
}

static void print(const struct ctl *ctl, json_t *list, bool full)
{
	if (ctl->json) {
		out_json(ctl, json_pack("{s:o}", "explanations", list));
		return;
	}
	full ? print_full(ctl, list) : print_table(ctl, list);
	json_decref(list);
}

static int unknown(struct ctl *ctl, json_t *list, const char *name)
{
	char quote[128];

	json_decref(list);
	(void)ctl_set_error(ctl, CTL_USAGE, "portsyncctl explain lists the names",
			    "no kind of log line, no audit record and no health check is called \"%s\"",
			    printable(name, strlen(name), quote, sizeof(quote)));
	return ctl_fail(ctl);
}

int verb_explain(struct ctl *ctl, int argc, char **argv)
{
	json_t *list = json_array();

	for (int i = 0; i < argc; i++) {
		size_t before = json_array_size(list);

		add_kinds(list, argv[i]);
		add_checks(list, argv[i]);
		if (json_array_size(list) == before)
			return unknown(ctl, list, argv[i]);
	}
	if (argc == 0) {
		add_kinds(list, NULL);
		add_checks(list, NULL);
	}
	print(ctl, list, argc > 0);
	return CTL_GOOD;
}
