/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <string.h>

#include "base/util.h"
#include "config/keys.h"
#include "http/server.h"
#include "sonic/dbconfig.h"
#include "sonic/dbglobal.h"

#define LEVEL_VARIABLE "PORTSYNCD_LOG_LEVEL"
#define CERT_VARIABLE "PORTSYNCD_METRICS_CERT"
#define KEY_VARIABLE "PORTSYNCD_METRICS_KEY"
#define CA_VARIABLE "PORTSYNCD_METRICS_CA"
#define OLD_LINKS_VARIABLE "PORTSYNCD_RETIRE_OLD_LINKS"

static const char options_allowed[] =
	"-c/--config FILE, --database-config FILE, -n/--namespace NAME, "
	"--database-global FILE, --netns NAME, --log-level LEVEL, "
	"--log-target TARGET, --sandbox on|off, --check-config, --dry-run, --once, -h/--help, -V/--version";

static const char help_options[] =
	"Usage: portsyncd [OPTION]...\n"
	"Carries kernel link events into SONiC's databases.\n"
	"\n"
	"Options. Precedence: command line, environment, file, defaults.\n"
	"  -c, --config FILE           configuration file (default " CONFIG_DEFAULT_PATH ")\n"
	"      --database-config FILE  SONiC's database_config.json (default " DBCONFIG_DEFAULT_PATH ")\n"
	"  -n, --namespace NAME        use the databases of this SONiC namespace or container (asic0, dpu0), which\n"
	"                              database_global.json knows; the links are chosen by --netns alone\n"
	"      --database-global FILE  SONiC's database_global.json (default " DBGLOBAL_DEFAULT_PATH ")\n"
	"      --netns NAME            watch the links of this network namespace; the databases stay the same\n"
	"      --log-level LEVEL       emerg, alert, crit, err, warning, notice, info or debug\n"
	"      --log-target TARGET     auto, journal, syslog, rfc5424 or stderr\n"
	"      --sandbox on|off        give up what is not needed once it runs; off: for debugging only\n"
	"      --check-config          read all configuration, say whether it is good, and end\n"
	"      --dry-run               no Redis: print what would be written\n"
	"      --once                  with --dry-run: end once the present state is printed\n"
	"  -h, --help                  print this and end\n"
	"  -V, --version               print the version and end\n"
	"\n"
	"Environment:\n"
	"  " LEVEL_VARIABLE "         as --log-level\n"
	"  " CERT_VARIABLE ", " KEY_VARIABLE ", " CA_VARIABLE "\n"
	"                              as the keys http.cert, http.key and http.ca\n"
	"  " OLD_LINKS_VARIABLE "  as the key sonic.retire_old_links\n"
	"  CREDENTIALS_DIRECTORY       Redis password in its file redis_password, unless redis_password_file is set\n"
	"\n"
	"Files:\n"
	"  " CONFIG_DEFAULT_PATH "   may be missing\n"
	"  " DBCONFIG_DEFAULT_PATH "\n"
	"                              may be missing: then all is on /var/run/redis/redis.sock\n"
	"  " DBGLOBAL_DEFAULT_PATH "\n"
	"                              read for --namespace only\n"
	"\n"
	"Exit codes: 0 stopped by SIGTERM or SIGINT, or answered; 1 could not go on; 2 bad option or configuration\n"
	"\n"
	"Keys of the configuration file:\n";

/* The command line, before it is weighed against the rest. */
struct flags {
	const char *config, *database_config, *namespace_name, *database_global, *netns, *log_level, *log_target,
		*sandbox;
	bool check_config, dry_run, once;
};

/* Long options have numbers of their own: optopt then tells in which form an option was given. */
enum {
	LONG_CONFIG = 256,
	LONG_DATABASE_CONFIG,
	LONG_NAMESPACE,
	LONG_DATABASE_GLOBAL,
	LONG_NETNS,
	LONG_LOG_LEVEL,
	LONG_LOG_TARGET,
	LONG_SANDBOX,
	LONG_CHECK_CONFIG,
	LONG_DRY_RUN,
	LONG_ONCE,
	LONG_HELP,
	LONG_VERSION,
};

static const struct option long_options[] = {
	{"config", required_argument, NULL, LONG_CONFIG},
	{"database-config", required_argument, NULL, LONG_DATABASE_CONFIG},
	{"namespace", required_argument, NULL, LONG_NAMESPACE},
	{"database-global", required_argument, NULL, LONG_DATABASE_GLOBAL},
	{"netns", required_argument, NULL, LONG_NETNS},
	{"log-level", required_argument, NULL, LONG_LOG_LEVEL},
	{"log-target", required_argument, NULL, LONG_LOG_TARGET},
	{"sandbox", required_argument, NULL, LONG_SANDBOX},
	{"check-config", no_argument, NULL, LONG_CHECK_CONFIG},
	{"dry-run", no_argument, NULL, LONG_DRY_RUN},
	{"once", no_argument, NULL, LONG_ONCE},
	{"help", no_argument, NULL, LONG_HELP},
	{"version", no_argument, NULL, LONG_VERSION},
	{NULL, 0, NULL, 0},
};

static void print_help(FILE *out)
{
	(void)fputs(help_options, out);
	for (size_t i = 0; i < CONFIG_N_KEYS; i++) {
		const struct key *key = &config_keys[i];
		char allowed[CONFIG_WHY_MAX / 2];

		(void)fprintf(out, "  %s.%s: %s\n      %s; default %s\n", key->section, key->name, key->meaning,
			      config_describe(key, allowed, sizeof(allowed)),
			      key->fallback ? key->fallback : "not set");
	}
}

static enum config_outcome bad_flag(FILE *err, const char *name, size_t len, const char *wrong, const char *allowed)
{
	char quote[CONFIG_QUOTE_MAX];

	(void)fprintf(err, "portsyncd: %s: %s; allowed: %s\n", printable(name, len, quote, sizeof(quote)), wrong,
		      allowed);
	return CONFIG_BAD;
}

/* "--name" or "--name=value", where a name may be cut short as long as one option only begins like that. */
static enum config_outcome refuse_long_option(FILE *err, const char *given)
{
	size_t len = strcspn(given, "=");
	bool begins = false;

	for (const struct option *o = long_options; o->name && !begins; o++)
		begins = strncmp(o->name, given + 2, len - 2) == 0;
	return bad_flag(err, given, len, begins ? "ambiguous option" : "unknown option", options_allowed);
}

/* After getopt_long() returned '?' or ':' and left optopt. */
static enum config_outcome refuse_option(FILE *err, int result, char *const argv[])
{
	const char *wrong = result == ':' ? "value is missing" : "takes no value";
	char name[] = {'-', (char)optopt}, text[32];

	if (optopt == 0)
		return refuse_long_option(err, argv[optind - 1]);
	if (optopt < LONG_CONFIG)
		return bad_flag(err, name, sizeof(name), result == ':' ? wrong : "unknown option", options_allowed);
	(void)snprintf(text, sizeof(text), "--%s", long_options[optopt - LONG_CONFIG].name);
	return bad_flag(err, text, strlen(text), wrong, options_allowed);
}

/* CONFIG_RUN to go on with the next option. */
static enum config_outcome take_option(struct flags *flags, int option, FILE *out)
{
	switch (option) {
	case 'c':
	case LONG_CONFIG:
		flags->config = optarg;
		break;
	case LONG_DATABASE_CONFIG:
		flags->database_config = optarg;
		break;
	case 'n':
	case LONG_NAMESPACE:
		flags->namespace_name = optarg;
		break;
	case LONG_DATABASE_GLOBAL:
		flags->database_global = optarg;
		break;
	case LONG_NETNS:
		flags->netns = optarg;
		break;
	case LONG_LOG_LEVEL:
		flags->log_level = optarg;
		break;
	case LONG_LOG_TARGET:
		flags->log_target = optarg;
		break;
	case LONG_SANDBOX:
		flags->sandbox = optarg;
		break;
	case LONG_CHECK_CONFIG:
		flags->check_config = true;
		break;
	case LONG_DRY_RUN:
		flags->dry_run = true;
		break;
	case LONG_ONCE:
		flags->once = true;
		break;
	case 'h':
	case LONG_HELP:
		print_help(out);
		return CONFIG_DONE;
	default:
		(void)fprintf(out, "portsyncd %s\n", PORTSYNCD_VERSION);
		return CONFIG_DONE;
	}
	return CONFIG_RUN;
}

static enum config_outcome read_command_line(struct flags *flags, int argc, char *argv[], FILE *out, FILE *err)
{
	int option;

	opterr = 0;
	optind = 0; /* glibc: start afresh */
	while ((option = getopt_long(argc, argv, ":c:n:hV", long_options, NULL)) != -1) {
		enum config_outcome outcome;

		if (option == '?' || option == ':')
			return refuse_option(err, option, argv);
		outcome = take_option(flags, option, out);
		if (outcome != CONFIG_RUN)
			return outcome;
	}
	if (optind < argc)
		return bad_flag(err, argv[optind], strlen(argv[optind]), "stray argument", options_allowed);
	return CONFIG_RUN;
}

/* The value of a flag or variable, by the rules of a key; NULL is none. */
static int set_named(struct config *config, const char *name, const struct key *key, const char *text, FILE *err)
{
	char why[CONFIG_WHY_MAX];

	if (!text || config_set(config, key, text, why, sizeof(why)) == 0)
		return 0;
	(void)fprintf(err, "portsyncd: %s: %s\n", name, why);
	return -EINVAL;
}

static int refuse_value(const char *name, const char *value, const char *wrong, const char *allowed, FILE *err)
{
	char quote[CONFIG_QUOTE_MAX];

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

/* What no file and no environment is asked for. */
static int check_flags(const struct flags *flags, FILE *err)
{
	if (check_path("--config", flags->config, err) < 0 ||
	    check_path("--database-config", flags->database_config, err) < 0 ||
	    check_path("--database-global", flags->database_global, err) < 0 || check_namespace(flags, err) < 0)
		return -EINVAL;
	if (flags->once && !flags->dry_run) {
		(void)fprintf(err, "portsyncd: --once: given without --dry-run; allowed: together with it\n");
		return -EINVAL;
	}
	return check_netns(flags->netns, err);
}

/* Has been checked for its length. */
static void copy_flag(char *field, const char *value)
{
	if (value)
		memcpy(field, value, strlen(value) + 1);
}

static int apply_flags(struct config *config, const struct flags *flags, FILE *err)
{
	if (check_flags(flags, err) < 0 ||
	    set_named(config, "--log-level", config_find("log", "level"), flags->log_level, err) < 0 ||
	    set_named(config, "--log-target", config_find("log", "target"), flags->log_target, err) < 0 ||
	    set_named(config, "--sandbox", config_find("security", "sandbox"), flags->sandbox, err) < 0)
		return -EINVAL;
	copy_flag(config->database_config, flags->database_config);
	if (flags->database_config)
		config->lines[config_find("database", "database_config") - config_keys] = 0;
	copy_flag(config->namespace_name, flags->namespace_name);
	copy_flag(config->database_global, flags->database_global);
	copy_flag(config->netns, flags->netns);
	config->level_chosen = config->level_chosen || flags->log_level != NULL;
	config->target_chosen = flags->log_target != NULL;
	return 0;
}

static int read_chosen_file(struct config *config, const char *path, FILE *err)
{
	int r = config_read_file(config, path ? path : CONFIG_DEFAULT_PATH, err);

	if (r != -ENOENT)
		return r;
	if (!path)
		return 0;
	(void)fprintf(err, "portsyncd: --config: %s: %s; allowed: a file that exists\n", path, strerror(-r));
	return r;
}

/* An empty variable is none. */
static int set_from_environment(struct config *config, const char *name, const struct key *key, FILE *err)
{
	const char *value = getenv(name);

	return set_named(config, name, key, value && value[0] != '\0' ? value : NULL, err);
}

/* All of them, so that each fault is told. */
static int apply_environment(struct config *config, FILE *err)
{
	static const struct {
		const char *variable, *section, *key;
	} wanted[] = {
		{LEVEL_VARIABLE, "log", "level"},
		{CERT_VARIABLE, "http", "cert"},
		{KEY_VARIABLE, "http", "key"},
		{CA_VARIABLE, "http", "ca"},
		{OLD_LINKS_VARIABLE, "sonic", "retire_old_links"},
	};
	const char *level = getenv(LEVEL_VARIABLE);
	int r = 0;

	config->level_chosen = level && level[0] != '\0';
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
		const struct key *key = config_find(wanted[i].section, wanted[i].key);

		if (set_from_environment(config, wanted[i].variable, key, err) == 0)
			continue;
		config->http_is_bad |= strcmp(wanted[i].section, "http") == 0;
		r = -EINVAL;
	}
	return r;
}

/* Of the whole, when each value is good by itself. */
static int check_http_access(const struct config *config, FILE *err)
{
	char error[CONFIG_WHY_MAX];
	struct http_options http;

	if (!config_http_options(config, &http) || http_options_check(&http, error, sizeof(error)) == 0)
		return 0;
	(void)fprintf(err, "portsyncd: %s\n", error);
	return -EINVAL;
}

/* What should have guarded an address may be what is bad. The socket is guarded by its mode. */
static void do_without_tcp(struct config *config)
{
	char unix_socket[sizeof(config->http_unix_socket)];

	memcpy(unix_socket, config->http_unix_socket, sizeof(unix_socket));
	config_default_section(config, "http");
	memcpy(config->http_unix_socket, unix_socket, sizeof(unix_socket));
	memset(&config->http_listen, 0, sizeof(config->http_listen));
}

static bool may_go_on(const struct config *config)
{
	return under_supervisord() && !config->check_config && !config->dry_run;
}

/* File and environment, with what they have wrong left out where we may go on so. 0 or -EINVAL. */
static int read_settings(struct config *config, const struct flags *flags, FILE *err)
{
	config->faults += read_chosen_file(config, flags->config, err) < 0;
	config->faults += apply_environment(config, err) < 0;
	if (config->faults > 0 && !may_go_on(config))
		return -EINVAL;
	if (config->database_is_bad)
		config_default_section(config, "database");
	if (config->http_is_bad)
		do_without_tcp(config);
	if (check_http_access(config, err) == 0)
		return 0;
	if (!may_go_on(config))
		return -EINVAL;
	config->faults++;
	do_without_tcp(config);
	return 0;
}

enum config_outcome config_load(struct config *config, int argc, char *argv[], FILE *out, FILE *err)
{
	struct flags flags = {0};
	enum config_outcome outcome = read_command_line(&flags, argc, argv, out, err);

	if (outcome != CONFIG_RUN)
		return outcome;
	config_defaults(config);
	config->argc = argc;
	config->argv = argv;
	config->check_config = flags.check_config;
	config->dry_run = flags.dry_run;
	config->once = flags.once;
	/* Twice: a bad flag is told before any file is read, a good one overrides the file. */
	if (apply_flags(config, &flags, err) < 0 || read_settings(config, &flags, err) < 0 ||
	    apply_flags(config, &flags, err) < 0)
		return CONFIG_BAD;
	if (!config->check_config)
		return CONFIG_RUN;
	if (config_check_named(config, err) < 0)
		return CONFIG_BAD;
	(void)fputs("portsyncd: configuration is good\n", out);
	return CONFIG_DONE;
}
