/* SPDX-License-Identifier: Apache-2.0 */
#include "config/show.h"

#include <string.h>

#include "base/util.h"
#include "config/file.h"
#include "config/flags.h"
#include "config/keys.h"

#define SCHEMA 1
#define COMMENT_COLUMN 48
#define WHENCE_MAX 1024 /* the end of a longer path is cut off */

static const char *origin_name(enum config_origin origin)
{
	static const char *const names[] = {
		[CONFIG_BY_DEFAULT] = "default",
		[CONFIG_BY_FILE] = "file",
		[CONFIG_BY_ENVIRONMENT] = "environment",
		[CONFIG_BY_COMMAND_LINE] = "command line",
	};

	return names[origin];
}

static enum config_origin origin_of(const struct config *config, const struct key *key)
{
	return config->origin[key - key_table];
}

/* For people: where the value comes from. */
static const char *describe(const struct config *config, const struct key *key, char *out, size_t size)
{
	enum config_origin origin = origin_of(config, key);
	char file[WHENCE_MAX - 32];

	if (origin == CONFIG_BY_FILE)
		(void)snprintf(out, size, "%s:%u", printable(config->file, strlen(config->file), file, sizeof(file)),
			       config->lines[key - key_table]);
	else if (origin == CONFIG_BY_DEFAULT)
		(void)snprintf(out, size, "default");
	else
		(void)snprintf(out, size, "%s: %s", origin_name(origin),
			       origin == CONFIG_BY_ENVIRONMENT ? flags_variable(key) : flags_option(key));
	return out;
}

/* --- as a file --- */

/* A path of the command line may be relative; one in a file may not. Returns value, or what is in out. */
static const char *absolute(const struct key *key, const char *value, char *out, size_t size)
{
	char folder[PATH_MAX];

	if (key->type != KEY_PATH || value[0] == '\0' || value[0] == '/' || !getcwd(folder, sizeof(folder)))
		return value;
	return (size_t)snprintf(out, size, "%s/%s", folder, value) < size ? out : value;
}

/* "key = value", or a comment if it is not set or no file can hold it. */
static void show_value(const struct config *config, const struct key *key, FILE *out)
{
	char text[KEY_VALUE_MAX], path[PATH_MAX], quote[WHENCE_MAX];
	const char *value = key_format(key, config, text, sizeof(text));

	if (value)
		value = absolute(key, value, path, sizeof(path));
	if (!value || (value[0] == '\0' && !key->fallback && origin_of(config, key) == CONFIG_BY_DEFAULT))
		(void)fprintf(out, "#%s =", key->name);
	else if (!config_write_value(key->name, value, out))
		(void)fprintf(out, "# %s, which no file can hold: %s", key->name,
			      printable(value, strlen(value), quote, sizeof(quote)));
}

static void show_key(const struct config *config, const struct key *key, FILE *out)
{
	char *line cleanup(free_ptr) = NULL, whence[WHENCE_MAX];
	size_t size = 0;
	FILE *text = open_memstream(&line, &size);

	if (text)
		show_value(config, key, text);
	if (!text || fclose(text) != 0)
		return;
	(void)describe(config, key, whence, sizeof(whence));
	if (size + strlen(whence) < PATH_MAX)
		(void)fprintf(out, "%-*s # %s\n", COMMENT_COLUMN, line, whence);
	else
		(void)fprintf(out, "# %s\n%s\n", whence, line);
}

static void show_option(const char *option, const char *value, FILE *out)
{
	char text[WHENCE_MAX];

	if (value[0] != '\0')
		(void)fprintf(out, "# %s %s\n", option, printable(value, strlen(value), text, sizeof(text)));
}

static void show_head(const struct config *config, FILE *out)
{
	char file[WHENCE_MAX], path[PATH_MAX];

	(void)fprintf(out, "# portsyncd " PORTSYNCD_VERSION ": the configuration in force, and where each value comes "
			   "from.\n");
	if (config->file)
		(void)fprintf(out, "# File: %s\n", printable(config->file, strlen(config->file), file, sizeof(file)));
	else
		(void)fputs("# File: none, there is no " CONFIG_DEFAULT_PATH "\n", out);
	if (config_password_path(config, path, sizeof(path)) && path[0] != '\0')
		(void)fprintf(out, "# Password for Redis: in %s\n", printable(path, strlen(path), file, sizeof(file)));
	show_option("--namespace", config->namespace_name, out);
	show_option("--database-global", config->database_global, out);
	show_option("--netns", config->netns, out);
}

void config_show(const struct config *config, FILE *out)
{
	show_head(config, out);
	for (size_t i = 0; i < KEYS; i++) {
		if (i == 0 || strcmp(key_table[i].section, key_table[i - 1].section) != 0)
			(void)fprintf(out, "\n[%s]\n", key_table[i].section);
		show_key(config, &key_table[i], out);
	}
}

void config_show_settings(const struct config *config, FILE *out)
{
	for (size_t i = 0; i < KEYS; i++) {
		const struct key *key = &key_table[i];
		char text[KEY_VALUE_MAX], shown[WHENCE_MAX], whence[WHENCE_MAX];
		const char *value = key_format(key, config, text, sizeof(text));

		if (!value || origin_of(config, key) == CONFIG_BY_DEFAULT)
			continue;
		(void)fprintf(out, "%s.%s = %s  (%s)\n", key->section, key->name,
			      value[0] != '\0' ? printable(value, strlen(value), shown, sizeof(shown)) : "\"\"",
			      describe(config, key, whence, sizeof(whence)));
	}
}

/* --- as JSON --- */

static json_t *text_json(const char *value)
{
	char quote[KEY_VALUE_MAX];
	json_t *text;

	if (!value)
		return json_null();
	text = json_string(value);
	/* Bytes that are not UTF-8. */
	return text || !value ? text : json_string(printable(value, strlen(value), quote, sizeof(quote)));
}

static json_t *or_null(const char *value)
{
	return text_json(value && value[0] != '\0' ? value : NULL);
}

static json_t *addresses_json(const struct config_addresses *list)
{
	json_t *array = json_array();

	for (size_t i = 0; i < list->n; i++)
		(void)json_array_append_new(array, json_string(list->item[i]));
	return array;
}

static json_t *value_json(const struct config *config, const struct key *key)
{
	char text[KEY_VALUE_MAX];
	const char *value = key_format(key, config, text, sizeof(text));

	if (!value)
		return json_null();
	if (key->type == KEY_INTEGER)
		return json_integer(strtol(value, NULL, 10));
	if (key->type == KEY_NUMBER)
		return json_real(strtod(value, NULL));
	if (key->type == KEY_BOOLEAN)
		return json_boolean(strcmp(value, "true") == 0);
	if (key->type == KEY_ADDRESSES)
		return addresses_json((const void *)((const char *)config + key->offset));
	return key->fallback || origin_of(config, key) != CONFIG_BY_DEFAULT ? text_json(value) : or_null(value);
}

static json_t *key_json(const struct config *config, const struct key *key)
{
	json_t *json = json_pack("{s:s, s:s, s:o, s:s}", "section", key->section, "name", key->name, "value",
				 value_json(config, key), "origin", origin_name(origin_of(config, key)));

	if (origin_of(config, key) == CONFIG_BY_FILE)
		(void)json_object_set_new(json, "line", json_integer(config->lines[key - key_table]));
	return json;
}

json_t *config_json(const struct config *config)
{
	json_t *keys = json_array();
	char path[PATH_MAX];

	for (size_t i = 0; i < KEYS; i++)
		(void)json_array_append_new(keys, key_json(config, &key_table[i]));
	if (!config_password_path(config, path, sizeof(path)))
		path[0] = '\0';
	return json_pack("{s:i, s:s, s:o, s:I, s:o, s:{s:o, s:o, s:o}, s:o}", "schema", SCHEMA, "version",
			 PORTSYNCD_VERSION, "file", or_null(config->file), "faults", (json_int_t)config->faults,
			 "password_file", or_null(path), "command_line", "namespace", or_null(config->namespace_name),
			 "database_global", or_null(config->database_global), "netns", or_null(config->netns), "keys",
			 keys);
}
