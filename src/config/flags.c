/* SPDX-License-Identifier: Apache-2.0 */
#include "config/flags.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stddef.h>
#include <string.h>

#include "base/text.h"
#include "base/util.h"

#define HELP_COLUMN 30
#define ALLOWED_BYTES 512

/* One option. Its field in struct flags is a text if it takes a value, else a bool. */
struct flag {
	char letter; /* 0: has a long name only */
	const char *name;
	const char *value; /* its name in the help; NULL: takes none */
	size_t field;
	const char *help; /* lines are separated by \n */
};

static const struct flag table[] = {
	{'c', "config", "FILE", offsetof(struct flags, config), "configuration file (default " CONFIG_DEFAULT_PATH ")"},
	{0, "database-config", "FILE", offsetof(struct flags, database_config),
	 "SONiC's database_config.json (default " CONFIG_DATABASES_PATH ")"},
	{'n', "namespace", "NAME", offsetof(struct flags, namespace_name),
	 "use the databases of this SONiC namespace or container (asic0, dpu0), which\n"
	 "database_global.json knows; the links are chosen by --netns alone"},
	{0, "database-global", "FILE", offsetof(struct flags, database_global),
	 "SONiC's database_global.json (default " CONFIG_DATABASE_GLOBAL_PATH ")"},
	{0, "netns", "NAME", offsetof(struct flags, netns),
	 "watch the links of this network namespace; the databases stay the same"},
	{0, "log-level", "LEVEL", offsetof(struct flags, log_level),
	 "emerg, alert, crit, err, warning, notice, info or debug"},
	{0, "log-target", "TARGET", offsetof(struct flags, log_target), "auto, journal, syslog, rfc5424 or stderr"},
	{0, "sandbox", "on|off", offsetof(struct flags, sandbox),
	 "give up rights that are not needed once it runs; off: for debugging only"},
	{0, "check-config", NULL, offsetof(struct flags, check_config),
	 "check all configuration, say whether it is good, and exit"},
	{0, "show-config", NULL, offsetof(struct flags, show_config),
	 "print the configuration in force, as a file, with the origin of each value, and exit"},
	{0, "dry-run", NULL, offsetof(struct flags, dry_run), "use no Redis: print what would be written"},
	{0, "once", NULL, offsetof(struct flags, once), "with --dry-run: exit once the present state is printed"},
	{0, "replay", "FILE", offsetof(struct flags, replay),
	 "play a recording of the flight recorder in place of the kernel, into STATE_DB of\n"
	 "the Redis that --database-config or --config names, or as text with --dry-run"},
	{0, "realtime", NULL, offsetof(struct flags, realtime), "with --replay: keep the recorded delays"},
	{'h', "help", NULL, offsetof(struct flags, help), "print this and exit"},
	{'V', "version", NULL, offsetof(struct flags, version), "print the version and exit"},
};

static const char help_rest[] =
	"\n"
	"Environment:\n"
	"  " FLAGS_LEVEL_VARIABLE "         as --log-level\n"
	"  " FLAGS_CERT_VARIABLE ", " FLAGS_KEY_VARIABLE ", " FLAGS_CA_VARIABLE "\n"
	"                              as the keys http.cert, http.key and http.ca\n"
	"  " FLAGS_OLD_LINKS_VARIABLE "  as the key sonic.retire_old_links\n"
	"  " FLAGS_RECORDINGS_VARIABLE "   as the key recorder.folder\n"
	"  CREDENTIALS_DIRECTORY       Redis password in its file redis_password, unless redis_password_file is set\n"
	"\n"
	"Files:\n"
	"  " CONFIG_DEFAULT_PATH "   may be missing\n"
	"  " CONFIG_DATABASES_PATH "\n"
	"                              awaited, unless the configuration names a Redis\n"
	"  " CONFIG_DATABASE_GLOBAL_PATH "\n"
	"                              read for --namespace only\n"
	"\n"
	"Exit codes: 0 stopped by SIGTERM or SIGINT, answered, or played; 1 could not go on; 2 bad option or "
	"configuration\n"
	"\n"
	"Keys of the configuration file:\n";

/* What sets a key besides the file. */
static const struct {
	const char *section, *name, *option, *variable;
} setters[] = {
	{"database", "database_config", "--database-config", NULL},
	{"http", "cert", NULL, FLAGS_CERT_VARIABLE},
	{"http", "key", NULL, FLAGS_KEY_VARIABLE},
	{"http", "ca", NULL, FLAGS_CA_VARIABLE},
	{"sonic", "retire_old_links", NULL, FLAGS_OLD_LINKS_VARIABLE},
	{"security", "sandbox", "--sandbox", NULL},
	{"recorder", "folder", NULL, FLAGS_RECORDINGS_VARIABLE},
	{"log", "level", "--log-level", FLAGS_LEVEL_VARIABLE},
	{"log", "target", "--log-target", NULL},
};

static bool sets(size_t i, const struct key *key)
{
	return strcmp(setters[i].section, key->section) == 0 && strcmp(setters[i].name, key->name) == 0;
}

const char *flags_option(const struct key *key)
{
	for (size_t i = 0; i < ARRAY_SIZE(setters); i++)
		if (sets(i, key))
			return setters[i].option;
	return NULL;
}

const char *flags_variable(const struct key *key)
{
	for (size_t i = 0; i < ARRAY_SIZE(setters); i++)
		if (sets(i, key))
			return setters[i].variable;
	return NULL;
}

/* --- help --- */

static void print_flag(const struct flag *flag, FILE *out)
{
	char letter[] = {'-', flag->letter, ',', '\0'};
	int width = fprintf(out, "  %3s --%s%s%s", flag->letter ? letter : "", flag->name, flag->value ? " " : "",
			    flag->value ? flag->value : "");
	const char *line = flag->help;

	for (;;) {
		size_t len = strcspn(line, "\n");

		(void)fprintf(out, "%*s%.*s\n", HELP_COLUMN - width, "", (int)len, line);
		if (line[len] == '\0')
			return;
		line += len + 1;
		width = 0;
	}
}

static void print_help(FILE *out)
{
	(void)fputs("Usage: portsyncd [OPTION]...\n"
		    "Carries kernel link events into SONiC's databases.\n"
		    "\n"
		    "Options. Precedence: command line, environment, file, defaults.\n",
		    out);
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		print_flag(&table[i], out);
	(void)fputs(help_rest, out);
	for (size_t i = 0; i < KEYS; i++) {
		const struct key *key = &key_table[i];
		char allowed[KEY_WHY_MAX / 2];

		(void)fprintf(out, "  %s.%s: %s\n      %s; default %s\n", key->section, key->name, key->meaning,
			      key_describe(key, allowed, sizeof(allowed)), key->fallback ? key->fallback : "not set");
	}
}

/* --- faults --- */

static void list_flags(char *out, size_t size)
{
	out[0] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		const struct flag *flag = &table[i];
		char letter[] = {'-', flag->letter, '/', '\0'};

		text_append(out, size, ", ", "%s--%s%s%s", flag->letter ? letter : "", flag->name,
			    flag->value ? " " : "", flag->value ? flag->value : "");
	}
}

static enum config_outcome refuse(FILE *err, const char *name, size_t len, const char *wrong)
{
	char quote[KEY_QUOTE_MAX], allowed[ALLOWED_BYTES];

	list_flags(allowed, sizeof(allowed));
	(void)fprintf(err, "portsyncd: %s: %s; allowed: %s\n", printable(name, len, quote, sizeof(quote)), wrong,
		      allowed);
	return CONFIG_BAD;
}

/* "--name" or "--name=value"; a name may be cut short as long as only one option begins like that. */
static enum config_outcome refuse_long(FILE *err, const char *given)
{
	size_t len = strcspn(given, "=");
	bool begins = false;

	for (size_t i = 0; i < ARRAY_SIZE(table) && !begins; i++)
		begins = strncmp(table[i].name, given + 2, len - 2) == 0;
	return refuse(err, given, len, begins ? "ambiguous option" : "unknown option");
}

/* --- getopt_long(3) --- */

/* Long options have numbers of their own: optopt then says in which form an option was given. */
#define FIRST_LONG 256

struct getopt_table {
	char letters[2 * ARRAY_SIZE(table) + 2];
	struct option names[ARRAY_SIZE(table) + 1];
};

static void make_getopt_table(struct getopt_table *t)
{
	char *letter = t->letters;

	memset(t, 0, sizeof(*t));
	*letter++ = ':';
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		bool takes = table[i].value != NULL;

		t->names[i] = (struct option){table[i].name, takes ? required_argument : no_argument, NULL,
					      FIRST_LONG + (int)i};
		if (table[i].letter) {
			*letter++ = table[i].letter;
			if (takes)
				*letter++ = ':';
		}
	}
}

static const struct flag *find_flag(int option)
{
	if (option >= FIRST_LONG)
		return &table[option - FIRST_LONG];
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (table[i].letter == option)
			return &table[i];
	return NULL;
}

/* After getopt_long() returned '?' or ':' and left optopt. */
static enum config_outcome refuse_option(FILE *err, int result, char *const argv[])
{
	const char *wrong = result == ':' ? "value is missing" : "takes no value";
	char letter[] = {'-', (char)optopt}, text[32];

	if (optopt == 0)
		return refuse_long(err, argv[optind - 1]);
	if (optopt < FIRST_LONG)
		return refuse(err, letter, sizeof(letter), result == ':' ? wrong : "unknown option");
	(void)snprintf(text, sizeof(text), "--%s", find_flag(optopt)->name);
	return refuse(err, text, strlen(text), wrong);
}

static void take(struct flags *flags, const struct flag *flag)
{
	char *field = (char *)flags + flag->field;
	bool given = true;

	if (flag->value)
		memcpy(field, &optarg, sizeof(optarg));
	else
		memcpy(field, &given, sizeof(given));
}

enum config_outcome flags_read(struct flags *flags, int argc, char *argv[], FILE *out, FILE *err)
{
	struct getopt_table t;
	int option;

	make_getopt_table(&t);
	opterr = 0;
	optind = 0; /* glibc: start again */
	while ((option = getopt_long(argc, argv, t.letters, t.names, NULL)) != -1) {
		if (option == '?' || option == ':')
			return refuse_option(err, option, argv);
		take(flags, find_flag(option));
		if (flags->help)
			print_help(out);
		if (flags->version)
			(void)fprintf(out, "portsyncd %s\n", PORTSYNCD_VERSION);
		if (flags->help || flags->version)
			return CONFIG_DONE;
	}
	if (optind < argc)
		return refuse(err, argv[optind], strlen(argv[optind]), "stray argument");
	return CONFIG_RUN;
}

/* --- values --- */

static int refuse_value(const char *name, const char *value, const char *wrong, const char *allowed, FILE *err)
{
	char quote[KEY_QUOTE_MAX];

	(void)fprintf(err, "portsyncd: %s: \"%s\" %s; allowed: %s\n", name,
		      printable(value, strlen(value), quote, sizeof(quote)), wrong, allowed);
	return -EINVAL;
}

/* Unlike the path in a file, one on the command line may be relative. */
static int check_path(const char *name, const char *path, FILE *err)
{
	if (path && (path[0] == '\0' || strlen(path) >= PATH_MAX))
		return refuse_value(name, path, "is not a path", "a path of 1..4095 bytes", err);
	return 0;
}

static bool all_printable(const char *text)
{
	while (isprint((unsigned char)*text))
		text++;
	return *text == '\0';
}

static int check_netns(const char *name, FILE *err)
{
	if (name && (name[0] == '\0' || strlen(name) > NAME_MAX || strchr(name, '/') || strcmp(name, ".") == 0 ||
		     strcmp(name, "..") == 0))
		return refuse_value("--netns", name, "is not a name", "1..255 bytes without '/', not . or ..", err);
	return 0;
}

static int check_namespace(const struct flags *flags, FILE *err)
{
	static const char option[] = "--namespace", allowed[] = "1..255 printable bytes without '/'";
	const char *name = flags->namespace_name;

	if (!name)
		return 0;
	if (name[0] == '\0' || strlen(name) > NAME_MAX || strchr(name, '/') || !all_printable(name))
		return refuse_value(option, name, "is not a name", allowed, err);
	if (!flags->database_config)
		return 0;
	(void)fprintf(err, "portsyncd: %s: given together with --database-config; allowed: either\n", option);
	return -EINVAL;
}

/* Without an explicit destination a replay would write old rows to the Redis of the switch that it runs on. */
static int check_replay(const struct flags *flags, FILE *err)
{
	if (check_path("--replay", flags->replay, err) < 0)
		return -EINVAL;
	if (flags->realtime && !flags->replay) {
		(void)fprintf(err, "portsyncd: --realtime: given without --replay; allowed: together with it\n");
		return -EINVAL;
	}
	if (!flags->replay || flags->dry_run || flags->database_config || flags->config)
		return 0;
	(void)fprintf(
		err,
		"portsyncd: --replay: the destination is missing; allowed: together with --dry-run (as text), or with "
		"--database-config or --config, which name the Redis to write to\n");
	return -EINVAL;
}

int flags_check(const struct flags *flags, FILE *err)
{
	if (check_path("--config", flags->config, err) < 0 ||
	    check_path("--database-config", flags->database_config, err) < 0 ||
	    check_path("--database-global", flags->database_global, err) < 0 || check_namespace(flags, err) < 0)
		return -EINVAL;
	if (flags->once && !flags->dry_run) {
		(void)fprintf(err, "portsyncd: --once: given without --dry-run; allowed: together with it\n");
		return -EINVAL;
	}
	if (flags->show_config && flags->check_config) {
		(void)fprintf(err, "portsyncd: --show-config: given together with --check-config; allowed: either\n");
		return -EINVAL;
	}
	if (check_replay(flags, err) < 0)
		return -EINVAL;
	return check_netns(flags->netns, err);
}
