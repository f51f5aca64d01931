/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/complete.h"

#include <dirent.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "ctl/databases.h"
#include "ctl/links.h"
#include "ctl/options.h"
#include "ctl/verbs.h"
#include "metrics/checkadvice.h"
#include "ports/rules.h"

#define NAMESPACES "/run/netns"
#define KEPT_MAX 64 /* words of the command line that say where to look */

struct line {
	const struct ctl_verb *verb;      /* NULL: none yet */
	const struct ctl_option *pending; /* whose value comes next */
	bool words_only;                  /* after "--" */
	size_t arguments;
	char *kept[KEPT_MAX + 4]; /* options for all verbs, as they were given */
	size_t n_kept;
	const char *current;
	int fixed; /* bytes of current before the value, such as "--color=" */
};

/* --- what was typed so far --- */

/* len: of the name, or -1: a letter. */
static const struct ctl_option *find_in(const struct ctl_option *options, const char *name, int len)
{
	for (; options && options->name; options++)
		if (len < 0 ? options->letter == name[0]
			    : strlen(options->name) == (size_t)len && strncmp(options->name, name, (size_t)len) == 0)
			return options;
	return NULL;
}

static const struct ctl_option *find_option(const struct line *line, const char *name, int len)
{
	const struct ctl_option *found = find_in(options_common, name, len);

	return found ? found : find_in(line->verb ? line->verb->options : NULL, name, len);
}

static bool is_common(const struct ctl_option *option)
{
	return option && find_in(options_common, option->name, (int)strlen(option->name)) == option;
}

static void keep(struct line *line, char *word)
{
	if (line->n_kept < KEPT_MAX)
		line->kept[line->n_kept++] = word;
}

static void take_option(struct line *line, char *word)
{
	bool is_long = word[1] == '-';
	int len = (int)strcspn(word + 2, "=");
	const struct ctl_option *option = is_long ? find_option(line, word + 2, len) : find_option(line, word + 1, -1);
	bool has_value = word[2 + (is_long ? len : 0)] != '\0';

	if (is_common(option))
		keep(line, word);
	if (option && option->value && !has_value)
		line->pending = option;
}

static void take_word(struct line *line, char *word)
{
	if (line->pending) {
		if (is_common(line->pending))
			keep(line, word);
		line->pending = NULL;
	} else if (!line->words_only && strcmp(word, "--") == 0) {
		line->words_only = true;
	} else if (!line->words_only && word[0] == '-' && word[1] != '\0') {
		take_option(line, word);
	} else if (!line->verb) {
		line->verb = ctl_verb_find(word);
	} else {
		line->arguments++;
	}
}

/* --- what fits --- */

static void offer(const struct line *line, const char *word, const char *help)
{
	const char *typed = line->current + line->fixed;

	if (strncmp(word, typed, strlen(typed)) == 0)
		(void)printf("%.*s%s\t%s\n", line->fixed, line->current, word, help);
}

static void offer_options(const struct line *line, const struct ctl_option *options)
{
	for (; options && options->name; options++) {
		char word[64];

		(void)snprintf(word, sizeof(word), "--%s", options->name);
		offer(line, word, options->help);
	}
}

static void offer_verbs(const struct line *line)
{
	for (const struct ctl_verb *verb = ctl_verbs; verb->name; verb++)
		offer(line, verb->name, verb->help);
}

static void offer_namespaces(const struct line *line)
{
	DIR *folder = opendir(NAMESPACES);
	struct dirent *entry;

	while (folder && (entry = readdir(folder)))
		if (entry->d_name[0] != '.')
			offer(line, entry->d_name, "network namespace");
	if (folder)
		(void)closedir(folder);
}

static void offer_value(const struct line *line, const struct ctl_option *option)
{
	if (!option || !option->value)
		return;
	if (strcmp(option->value, "FILE") == 0) {
		(void)puts(COMPLETE_FILES);
	} else if (strcmp(option->value, "WHEN") == 0) {
		offer(line, "auto", "on a terminal, unless NO_COLOR is set");
		offer(line, "always", "also into a file or a pipe");
		offer(line, "never", "no colours");
	} else if (strcmp(option->value, "NAME") == 0 && is_common(option)) {
		offer_namespaces(line);
	}
}

/* --- ports --- */

static const char *describe_link(const struct link_msg *link)
{
	if (!link)
		return "no link";
	if (!(link->flags & IFF_UP))
		return "set down";
	return link->flags & IFF_RUNNING ? "up" : "no carrier";
}

/* A completion offers what it can reach, and does not report what it cannot. */
static void offer_ports(const struct line *line, struct ctl *ctl)
{
	struct database *db cleanup(database_close_ptr) = NULL;
	struct db_rows config = {0};
	struct ctl_links links = {0};

	if (database_open(ctl, "CONFIG_DB", &db) == 0)
		(void)database_table(ctl, db, "PORT", NULL, &config);
	(void)ctl_links_read(ctl, &links);
	for (size_t i = 0; i < config.n; i++) {
		const char *alias = db_value(&config.rows[i], "alias");
		char help[128], shown[64];

		(void)snprintf(help, sizeof(help), "%s%s%s", describe_link(ctl_links_find(&links, config.rows[i].key)),
			       alias ? ", " : "", alias ? printable(alias, strlen(alias), shown, sizeof(shown)) : "");
		offer(line, config.rows[i].key, help);
	}
	for (size_t i = 0; i < links.n && config.n == 0; i++)
		if (rules_classify(&links.links[i]) == RULE_PRESENT)
			offer(line, links.links[i].name, describe_link(&links.links[i]));
	ctl_links_done(&links);
	db_rows_done(&config);
}

/* Obeys the options on the line that say where the databases and links are. */
static void offer_live_ports(struct line *line, struct ctl *ctl)
{
	char name[] = "portsyncctl", quietly[] = "--json", verb[] = "ports", **arguments;
	char *words[KEPT_MAX + 4] = {name, quietly};
	size_t n = 2;
	int n_arguments;

	for (size_t i = 0; i < line->n_kept; i++)
		words[n++] = line->kept[i];
	words[n++] = verb;
	if (options_read(ctl, (int)n, words, &n_arguments, &arguments) == OPTIONS_RUN)
		offer_ports(line, ctl);
}

static bool is_kind(const char *name)
{
	for (size_t i = 0; i < KINDS; i++)
		if (strcmp(log_kinds[i].name, name) == 0)
			return true;
	return false;
}

static void offer_kinds(const struct line *line)
{
	for (size_t i = 0; i < KINDS; i++)
		offer(line, log_kinds[i].name, log_advice[i].subject);
	for (unsigned i = 0; i < HEALTH_CHECKS; i++)
		if (!is_kind(health_check_name(i)))
			offer(line, health_check_name(i), check_advice(i, NULL)->subject);
}

static void offer_words(struct line *line, struct ctl *ctl)
{
	if (line->arguments >= line->verb->max)
		return;
	for (const struct ctl_word *it = line->verb->words; it && it->word; it++) {
		if (strcmp(it->word, CTL_WORDS_PORTS) == 0)
			offer_live_ports(line, ctl);
		else if (strcmp(it->word, CTL_WORDS_KINDS) == 0)
			offer_kinds(line);
		else
			offer(line, it->word, it->help);
	}
}

void complete_answer(struct ctl *ctl, int n, char *words[])
{
	struct line line = {.current = n > 0 ? words[n - 1] : ""};
	const char *equals = strchr(line.current, '=');

	for (int i = 0; i + 1 < n; i++)
		take_word(&line, words[i]);
	if (line.pending) {
		offer_value(&line, line.pending);
	} else if (!line.words_only && strncmp(line.current, "--", 2) == 0 && equals) {
		line.fixed = (int)(equals - line.current) + 1;
		offer_value(&line, find_option(&line, line.current + 2, line.fixed - 3));
	} else if (!line.words_only && line.current[0] == '-') {
		offer_options(&line, line.verb ? line.verb->options : NULL);
		offer_options(&line, options_common);
	} else if (!line.verb) {
		offer_verbs(&line);
	} else {
		offer_words(&line, ctl);
	}
}
