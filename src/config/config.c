/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config.h"

#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "base/util.h"
#include "config/file.h"
#include "config/flags.h"
#include "config/keys.h"

#define CREDENTIALS_VARIABLE "CREDENTIALS_DIRECTORY"
#define CREDENTIAL "redis_password"

void config_defaults(struct config *config)
{
	memset(config, 0, sizeof(*config));
	for (size_t i = 0; i < KEYS; i++)
		key_default(config, &key_table[i]);
}

static void default_section(struct config *config, const char *section)
{
	for (size_t i = 0; i < KEYS; i++)
		if (strcmp(key_table[i].section, section) == 0) {
			key_default(config, &key_table[i]);
			config->origin[i] = CONFIG_BY_DEFAULT;
		}
}

void config_take_section(struct config *config, const struct config *from, const char *section)
{
	for (size_t i = 0; i < KEYS; i++)
		if (strcmp(key_table[i].section, section) == 0) {
			key_copy(config, &key_table[i], from);
			config->origin[i] = from->origin[i];
			config->lines[i] = from->lines[i];
		}
}

/* The value of a flag or variable, by the rules of a key; NULL: not given. */
static int set_named(struct config *config, const char *name, enum config_origin origin, const struct key *key,
		     const char *text, FILE *err)
{
	char why[KEY_WHY_MAX];

	if (!text)
		return 0;
	if (key_set(config, key, text, why, sizeof(why)) == 0) {
		config->origin[key - key_table] = origin;
		return 0;
	}
	(void)fprintf(err, "portsyncd: %s: %s\n", name, why);
	return -EINVAL;
}

static int set_flag(struct config *config, const char *section, const char *key, const char *text, FILE *err)
{
	const struct key *set = key_find(section, key);

	return set_named(config, flags_option(set), CONFIG_BY_COMMAND_LINE, set, text, err);
}

/* The length of the value has been checked. */
static void copy_flag(char *field, const char *value)
{
	if (value)
		memcpy(field, value, strlen(value) + 1);
}

static int apply_flags(struct config *config, const struct flags *flags, FILE *err)
{
	size_t database_config = (size_t)(key_find("database", "database_config") - key_table);

	if (flags_check(flags, err) < 0 || set_flag(config, "log", "level", flags->log_level, err) < 0 ||
	    set_flag(config, "log", "target", flags->log_target, err) < 0 ||
	    set_flag(config, "security", "sandbox", flags->sandbox, err) < 0)
		return -EINVAL;
	/* Unlike the file's, this path may be relative. */
	copy_flag(config->database_config, flags->database_config);
	if (flags->database_config) {
		config->lines[database_config] = 0;
		config->origin[database_config] = CONFIG_BY_COMMAND_LINE;
	}
	copy_flag(config->namespace_name, flags->namespace_name);
	copy_flag(config->database_global, flags->database_global);
	copy_flag(config->netns, flags->netns);
	copy_flag(config->replay, flags->replay);
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

/* Reads all variables, so that each fault is reported. An empty variable counts as not set. */
static int apply_environment(struct config *config, FILE *err)
{
	const char *level = getenv(FLAGS_LEVEL_VARIABLE);
	int r = 0;

	config->level_chosen = level && level[0] != '\0';
	for (size_t i = 0; i < KEYS; i++) {
		const struct key *key = &key_table[i];
		const char *variable = flags_variable(key), *value = variable ? getenv(variable) : NULL;

		if (!value || value[0] == '\0' ||
		    set_named(config, variable, CONFIG_BY_ENVIRONMENT, key, value, err) == 0)
			continue;
		config->http_is_bad |= strcmp(key->section, "http") == 0;
		r = -EINVAL;
	}
	return r;
}

void config_drop_tcp(struct config *config)
{
	size_t at = (size_t)(key_find("http", "unix_socket") - key_table);
	char unix_socket[sizeof(config->http_unix_socket)];
	enum config_origin origin = config->origin[at];

	memcpy(unix_socket, config->http_unix_socket, sizeof(unix_socket));
	default_section(config, "http");
	memcpy(config->http_unix_socket, unix_socket, sizeof(unix_socket));
	config->origin[at] = origin;
	memset(&config->http_listen, 0, sizeof(config->http_listen));
}

bool config_tolerates_faults(const struct config *config)
{
	return under_supervisord() && !config->check_config && !config->show_config && !config->dry_run &&
	       config->replay[0] == '\0';
}

/* File and environment; faults are left out where they are tolerated. 0 or -EINVAL. */
static int read_settings(struct config *config, const struct flags *flags, FILE *err)
{
	config->faults += read_chosen_file(config, flags->config, err) < 0;
	config->faults += apply_environment(config, err) < 0;
	if (config->faults > 0 && !config_tolerates_faults(config))
		return -EINVAL;
	if (config->database_is_bad)
		default_section(config, "database");
	if (config->http_is_bad)
		config_drop_tcp(config);
	return 0;
}

enum config_outcome config_load(struct config *config, int argc, char *argv[], FILE *out, FILE *err)
{
	struct flags flags = {0};
	enum config_outcome outcome = flags_read(&flags, argc, argv, out, err);

	if (outcome != CONFIG_RUN)
		return outcome;
	config_defaults(config);
	config->argc = argc;
	config->argv = argv;
	config->check_config = flags.check_config;
	config->show_config = flags.show_config;
	config->dry_run = flags.dry_run;
	config->once = flags.once;
	config->realtime = flags.realtime;
	/* Twice: a bad flag is reported before any file is read, a good one overrides the file. */
	if (apply_flags(config, &flags, err) < 0 || read_settings(config, &flags, err) < 0 ||
	    apply_flags(config, &flags, err) < 0)
		return CONFIG_BAD;
	return CONFIG_RUN;
}

bool config_password_path(const struct config *config, char *out, size_t size)
{
	const char *credentials = getenv(CREDENTIALS_VARIABLE);

	out[0] = '\0';
	if (config->redis_password_file[0] != '\0')
		return (size_t)snprintf(out, size, "%s", config->redis_password_file) < size;
	if (!credentials || credentials[0] == '\0')
		return true;
	return (size_t)snprintf(out, size, "%s/" CREDENTIAL, credentials) < size;
}

static size_t list_changes(const struct config *a, const struct config *b, const char *section, bool others, char *out,
			   size_t size)
{
	size_t n = 0;

	out[0] = '\0';
	for (size_t i = 0; i < KEYS; i++) {
		const struct key *key = &key_table[i];

		if ((strcmp(key->section, section) == 0) == others || !key_differs(key, a, b))
			continue;
		text_append(out, size, ", ", "%s.%s", key->section, key->name);
		n++;
	}
	return n;
}

size_t config_list_changes(const struct config *a, const struct config *b, const char *section, char *out, size_t size)
{
	return list_changes(a, b, section, false, out, size);
}

size_t config_list_other_changes(const struct config *a, const struct config *b, const char *section, char *out,
				 size_t size)
{
	return list_changes(a, b, section, true, out, size);
}
