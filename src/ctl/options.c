/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/options.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "config/file.h"
#include "ctl/out.h"
#include "ctl/prose.h"

#define FIRST_LONG 256 /* what getopt_long() returns for the first long option; letters are below */
#define ALL_MAX 40     /* options for all verbs, and of one */
#define HELP_COLUMN 32

enum common {
	COMMON_JSON,
	COMMON_NAMESPACE,
	COMMON_NETNS,
	COMMON_CONFIG,
	COMMON_DATABASE_CONFIG,
	COMMON_DATABASE_GLOBAL,
	COMMON_SOCKET,
	COMMON_COLOR,
	COMMON_NO_LEGEND,
	COMMON_HELP,
	COMMON_VERSION,
	COMMONS,
};

const struct ctl_option options_common[] = {
	[COMMON_JSON] = {'j', "json", NULL, "one JSON document (a stream: JSON lines), also for errors"},
	[COMMON_NAMESPACE] = {'n', "namespace", "NAME", "databases and links of this namespace: asic0, asic1, ..."},
	[COMMON_NETNS] = {0, "netns", "NAME", "links of this network namespace"},
	[COMMON_CONFIG] = {'c', "config", "FILE", "portsyncd's configuration (default " CONFIG_DEFAULT_PATH ")"},
	[COMMON_DATABASE_CONFIG] = {0, "database-config", "FILE", "SONiC's database_config.json"},
	[COMMON_DATABASE_GLOBAL] = {0, "database-global", "FILE", "SONiC's database_global.json"},
	[COMMON_SOCKET] = {0, "socket", "FILE", "the daemon's Unix socket (default: http.unix_socket)"},
	[COMMON_COLOR] = {0, "color", "WHEN", "auto, always or never; auto heeds NO_COLOR"},
	[COMMON_NO_LEGEND] = {0, "no-legend", NULL, "tables without a heading, no summary"},
	[COMMON_HELP] = {'h', "help", NULL, "print this and exit"},
	[COMMON_VERSION] = {'V', "version", NULL, "print the version and exit"},
	[COMMONS] = {0, NULL, NULL, NULL},
};

struct option_table {
	const struct ctl_option *options[ALL_MAX]; /* common ones first */
	size_t n;
	struct option longs[ALL_MAX + 1];
	char letters[2 * ALL_MAX + 3];
};

/* --- help --- */

static void print_option(const struct ctl_option *option)
{
	char letter[] = {'-', option->letter, ',', '\0'}, names[64], label[sizeof(names) + 1];

	(void)snprintf(names, sizeof(names), "  %3s --%s%s%s", option->letter ? letter : "", option->name,
		       option->value ? " " : "", option->value ? option->value : "");
	(void)snprintf(label, sizeof(label), "%-*s ", HELP_COLUMN - 1, names);
	prose_paragraph(label, option->help);
}

static void print_options(const struct ctl_option *options)
{
	for (; options && options->name; options++)
		print_option(options);
}

static void print_help(void)
{
	(void)printf("Usage: portsyncctl [OPTION...] VERB [OPTION...] [ARGUMENT...]\n"
		     "Says what is wrong between the kernel's links and SONiC's databases.\n"
		     "It only reads.\n"
		     "\n"
		     "Verbs; each has its own --help:\n");
	for (const struct ctl_verb *verb = ctl_verbs; verb->name; verb++) {
		char label[32];

		(void)snprintf(label, sizeof(label), "  %-10s ", verb->name);
		prose_paragraph(label, verb->help);
	}
	(void)printf("\nOptions, before or after the verb:\n");
	print_options(options_common);
	(void)putchar('\n');
	prose_paragraph("Exit status: ", "0 good; 1 a negative answer; 2 wrong usage; 3 portsyncd cannot be reached; "
					 "4 Redis or the kernel cannot be reached");
}

static void print_verb_help(const struct ctl_verb *verb)
{
	(void)printf("Usage: portsyncctl %s [OPTION...]%s%s\n", verb->name, verb->arguments[0] ? " " : "",
		     verb->arguments);
	prose_paragraph("", verb->help);
	if (verb->details)
		(void)putchar('\n');
	prose_paragraph("", verb->details);
	prose_paragraph("  ", verb->example);
	if (verb->options && verb->options[0].name) {
		(void)printf("\nOptions of this verb:\n");
		print_options(verb->options);
	}
	(void)printf("\nOptions of every verb:\n");
	print_options(options_common);
}

/* --- getopt_long(3) --- */

static void add_option(struct option_table *r, const struct ctl_option *option)
{
	r->longs[r->n] = (struct option){
		.name = option->name,
		.has_arg = option->value ? required_argument : no_argument,
		.val = FIRST_LONG + (int)r->n,
	};
	r->options[r->n++] = option;
	if (option->letter) {
		size_t len = strlen(r->letters);

		(void)snprintf(r->letters + len, sizeof(r->letters) - len, "%c%s", option->letter,
			       option->value ? ":" : "");
	}
}

/* before: the verb is not known yet, so the first word that is not an option ends them. */
static void make_reading(struct option_table *r, const struct ctl_verb *verb, bool before)
{
	*r = (struct option_table){0};
	(void)snprintf(r->letters, sizeof(r->letters), before ? "+:" : ":");
	for (size_t i = 0; i < COMMONS; i++)
		add_option(r, &options_common[i]);
	for (size_t i = 0; verb && verb->options && verb->options[i].name; i++)
		add_option(r, &verb->options[i]);
}

/* Which option getopt_long() has found; r->n: none. */
static size_t found_option(const struct option_table *r, int found)
{
	if (found >= FIRST_LONG)
		return (size_t)(found - FIRST_LONG);
	for (size_t i = 0; i < r->n; i++)
		if (r->options[i]->letter == found)
			return i;
	return r->n;
}

static int refuse_option(struct ctl *ctl, int found, char *argv[])
{
	const char *given = argv[optind - 1];
	char quote[128], letter[] = {'-', (char)optopt, '\0'};

	if (optopt > 0 && optopt < FIRST_LONG)
		given = letter;
	(void)printable(given, strlen(given), quote, sizeof(quote));
	return ctl_set_error(ctl, CTL_USAGE, ctl->verb ? "see --help of this verb" : "see portsyncctl --help", "%s: %s",
			     quote, found == ':' ? "needs a value" : "is not an option here, or takes no value");
}

/* --- values --- */

static int copy_value(struct ctl *ctl, const char *option, char *field, size_t size, const char *value)
{
	if ((size_t)snprintf(field, size, "%s", value) < size && value[0] != '\0')
		return 0;
	return ctl_set_error(ctl, CTL_USAGE, NULL, "--%s: allowed: a text of 1 to %zu bytes", option, size - 1);
}

/* It becomes the name of a file. */
static int copy_name(struct ctl *ctl, const char *option, char *field, size_t size, const char *value)
{
	if (strchr(value, '/') || value[0] == '.')
		return ctl_set_error(ctl, CTL_USAGE, NULL, "--%s: allowed: a name like asic0, without a slash", option);
	return copy_value(ctl, option, field, size, value);
}

static bool wants_color(void)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && !(no_color && no_color[0] != '\0') && term && strcmp(term, "dumb") != 0;
}

static int set_color(struct ctl *ctl, const char *when)
{
	if (strcmp(when, "always") != 0 && strcmp(when, "never") != 0 && strcmp(when, "auto") != 0)
		return ctl_set_error(ctl, CTL_USAGE, NULL, "--color: allowed: auto, always or never");
	ctl->color = strcmp(when, "always") == 0 || (strcmp(when, "auto") == 0 && wants_color());
	return 0;
}

static int set_common(struct ctl *ctl, enum common option, const char *value)
{
	struct config *config = &ctl->config;

	switch (option) {
	case COMMON_JSON:
		ctl->json = true;
		return 0;
	case COMMON_NAMESPACE:
		return copy_name(ctl, "namespace", config->namespace_name, sizeof(config->namespace_name), value);
	case COMMON_NETNS:
		return copy_name(ctl, "netns", config->netns, sizeof(config->netns), value);
	case COMMON_DATABASE_CONFIG:
		return copy_value(ctl, "database-config", config->database_config, sizeof(config->database_config),
				  value);
	case COMMON_DATABASE_GLOBAL:
		return copy_value(ctl, "database-global", config->database_global, sizeof(config->database_global),
				  value);
	case COMMON_SOCKET:
		return copy_value(ctl, "socket", config->http_unix_socket, sizeof(config->http_unix_socket), value);
	case COMMON_COLOR:
		return set_color(ctl, value);
	case COMMON_NO_LEGEND:
		ctl->legend = false;
		return 0;
	default:
		return 0; /* read elsewhere */
	}
}

/* --- the order of things --- */

/* The common options that were given; NULL: not given. They are applied after the file was read, since they override
 * it. */
struct asked {
	const char *common[COMMONS];
};

/* Reads options of words[1] and on, until optind. 0 or -1. */
static int take_options(struct ctl *ctl, bool before, int n, char *words[], struct asked *asked)
{
	struct option_table r;
	int found;

	make_reading(&r, ctl->verb, before);
	opterr = 0;
	optind = 0; /* glibc: begin again */
	while ((found = getopt_long(n, words, r.letters, r.longs, NULL)) != -1) {
		size_t i = found_option(&r, found);

		if (i >= r.n)
			return refuse_option(ctl, found, words);
		*(i < COMMONS ? &asked->common[i] : &ctl->given[i - COMMONS]) = optarg ? optarg : "";
	}
	return 0;
}

/* Of the default file the good settings apply even if others are bad. */
static int read_config(struct ctl *ctl, const char *path)
{
	char *complaints cleanup(free_ptr) = NULL;
	size_t size = 0;
	FILE *err = open_memstream(&complaints, &size);
	int r = err ? config_read_file(&ctl->config, path ? path : CONFIG_DEFAULT_PATH, err) : 0;

	if (!err || fclose(err) != 0)
		out_no_memory();
	if (r == 0 || (r == -ENOENT && !path))
		return 0;
	if (size == 0 && !ctl->verb->bad_config)
		return ctl_set_error(ctl, CTL_USAGE, NULL, "--config: %s: %s", path, strerror(-r));
	complaints[strcspn(complaints, "\n")] = '\0';
	if (ctl->verb->bad_config)
		return 0;
	if (path)
		return ctl_set_error(ctl, CTL_USAGE, NULL, "%s", complaints);
	ctl_say(ctl, "%s", complaints);
	return 0;
}

static void keep_named(struct ctl *ctl, const struct asked *asked)
{
	ctl->named = (struct ctl_named){
		.config = asked->common[COMMON_CONFIG],
		.database_config = asked->common[COMMON_DATABASE_CONFIG],
		.database_global = asked->common[COMMON_DATABASE_GLOBAL],
		.namespace_name = asked->common[COMMON_NAMESPACE],
		.netns = asked->common[COMMON_NETNS],
		.socket = asked->common[COMMON_SOCKET],
	};
}

static int apply(struct ctl *ctl, const struct asked *asked)
{
	keep_named(ctl, asked);
	if (read_config(ctl, asked->common[COMMON_CONFIG]) < 0)
		return -1;
	for (size_t i = 0; i < COMMONS; i++)
		if (asked->common[i] && set_common(ctl, (enum common)i, asked->common[i]) < 0)
			return -1;
	return 0;
}

static int find_verb(struct ctl *ctl, const char *name)
{
	char quote[64];

	if (!name)
		return ctl_set_error(ctl, CTL_USAGE, "portsyncctl --help lists the verbs", "a verb is missing");
	ctl->verb = ctl_verb_find(name);
	if (ctl->verb)
		return 0;
	return ctl_set_error(ctl, CTL_USAGE, "portsyncctl --help lists the verbs", "%s: is not a verb",
			     printable(name, strlen(name), quote, sizeof(quote)));
}

static int count_arguments(struct ctl *ctl, int n)
{
	const struct ctl_verb *verb = ctl->verb;

	if ((size_t)n >= verb->min && (size_t)n <= verb->max)
		return 0;
	return ctl_set_error(ctl, CTL_USAGE, "see --help of this verb", "%s: %s; usage: portsyncctl %s%s%s", verb->name,
			     (size_t)n < verb->min ? "an argument is missing" : "too many arguments", verb->name,
			     verb->arguments[0] ? " " : "", verb->arguments);
}

static void begin(struct ctl *ctl, int argc, char *argv[])
{
	*ctl = (struct ctl){.legend = true, .color = wants_color()};
	config_defaults(&ctl->config);
	/* With --json an error in an option is a document, too. */
	for (int i = 1; i < argc; i++)
		ctl->json |= strcmp(argv[i], "-j") == 0 || strcmp(argv[i], "--json") == 0;
}

/* Answers --help and --version. True if one was given. */
static bool answer(const struct ctl *ctl, const struct asked *asked)
{
	if (asked->common[COMMON_VERSION])
		(void)printf("portsyncctl %s\n", PORTSYNCD_VERSION);
	else if (asked->common[COMMON_HELP] && ctl->verb)
		print_verb_help(ctl->verb);
	else if (asked->common[COMMON_HELP])
		print_help();
	return asked->common[COMMON_VERSION] || asked->common[COMMON_HELP];
}

enum options_outcome options_read(struct ctl *ctl, int argc, char *argv[], int *n, char ***arguments)
{
	struct asked asked = {0};
	int at;

	begin(ctl, argc, argv);
	if (argc > 1 && strcmp(argv[1], "--complete") == 0) {
		*n = argc - 2;
		*arguments = argv + 2;
		return OPTIONS_COMPLETE;
	}
	if (take_options(ctl, true, argc, argv, &asked) < 0)
		return OPTIONS_BAD;
	if (answer(ctl, &asked))
		return OPTIONS_DONE;
	at = optind;
	if (find_verb(ctl, argv[at]) < 0 || take_options(ctl, false, argc - at, argv + at, &asked) < 0)
		return OPTIONS_BAD;
	if (answer(ctl, &asked))
		return OPTIONS_DONE;
	*n = argc - at - optind;
	*arguments = argv + at + optind;
	return count_arguments(ctl, *n) < 0 || apply(ctl, &asked) < 0 ? OPTIONS_BAD : OPTIONS_RUN;
}
