/* SPDX-License-Identifier: Apache-2.0 */
#include "sonic/dbglobal.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "sonic/jsonfile.h"

#define NAMES_MAX 512 /* room for the known names in a complaint */

static const char *const name_keys[] = {"namespace", "container_name"};

/* *ret is the key under which the entry has the name, or NULL. */
static int match(const struct jsonfile *at, const json_t *entry, const char *name, const char **ret)
{
	*ret = NULL;
	if (!json_is_object(entry))
		return jsonfile_refuse(at, NULL, "an object with namespace or container_name, and include", "is %s",
				       jsonfile_type(entry));
	for (size_t i = 0; i < ARRAY_SIZE(name_keys); i++) {
		const char *text;
		int r = jsonfile_optional_text(at, entry, name_keys[i], "a name", &text);

		if (r < 0)
			return r;
		if (text && strcmp(text, name) == 0)
			*ret = name_keys[i];
	}
	return 0;
}

static void list_names(const json_t *entries, char *out, size_t size)
{
	static const char ellipsis[] = "...";
	size_t at = 0;

	(void)snprintf(out, size, "nothing, since no entry has a name");
	for (size_t i = 0; i < json_array_size(entries) * ARRAY_SIZE(name_keys) && at < size; i++) {
		const json_t *entry = json_array_get(entries, i / ARRAY_SIZE(name_keys));
		const char *name = json_string_value(json_object_get(entry, name_keys[i % ARRAY_SIZE(name_keys)]));
		char quote[JSONFILE_QUOTE_MAX];

		if (name && name[0])
			at += (size_t)snprintf(out + at, size - at, "%s%s", at > 0 ? ", " : "",
					       printable(name, strlen(name), quote, sizeof(quote)));
	}
	if (at >= size)
		memcpy(out + size - sizeof(ellipsis), ellipsis, sizeof(ellipsis));
}

static int refuse_name(struct jsonfile *at, const json_t *entries, const char *name)
{
	char known[NAMES_MAX];

	at->place[0] = '\0';
	list_names(entries, known, sizeof(known));
	return jsonfile_refuse_text(at, "INCLUDES", known, name, "is the name of no entry");
}

static int refuse_second(const struct jsonfile *at, const char *key, const char *name, size_t first)
{
	char wrong[64];

	(void)snprintf(wrong, sizeof(wrong), "is the name of INCLUDES[%zu], too", first);
	return jsonfile_refuse_text(at, key, "one entry of a name", name, wrong);
}

static void set_place(struct jsonfile *at, size_t i)
{
	(void)snprintf(at->place, sizeof(at->place), "INCLUDES[%zu]", i);
}

/* The one entry of that name, which at is about then. Goes through all: the first of two would be a guess. */
static int find(struct jsonfile *at, const json_t *entries, const char *name, const json_t **ret)
{
	size_t count = json_array_size(entries), found = count;

	for (size_t i = 0; i < count; i++) {
		const char *key;
		int r;

		set_place(at, i);
		r = match(at, json_array_get(entries, i), name, &key);
		if (r < 0)
			return r;
		if (key && found < count)
			return refuse_second(at, key, name, found);
		if (key)
			found = i;
	}
	if (found == count)
		return refuse_name(at, entries, name);
	set_place(at, found);
	*ret = json_array_get(entries, found);
	return 0;
}

static bool has_control(const char *text)
{
	for (; *text; text++)
		if (iscntrl((unsigned char)*text))
			return true;
	return false;
}

static int make_path(const struct jsonfile *at, const json_t *entry, char *path, size_t size)
{
	static const char key[] = "include", allowed[] = "the path of a database_config.json";
	const char *include, *slash = strrchr(at->name, '/');
	int r = jsonfile_text(at, entry, key, allowed, &include);
	char limit[64];
	size_t folder;

	if (r < 0)
		return r;
	if (include[0] == '\0')
		return jsonfile_refuse(at, key, allowed, "is empty");
	/* The path will stand in lines of the log. */
	if (has_control(include))
		return jsonfile_refuse_text(at, key, "a path without control characters", include,
					    "has control characters");
	folder = slash && include[0] != '/' ? (size_t)(slash - at->name) + 1 : 0;
	if (folder + strlen(include) >= size) {
		(void)snprintf(limit, sizeof(limit), "at most %zu", size - 1);
		return jsonfile_refuse(at, key, limit, "makes a path of %zu bytes", folder + strlen(include));
	}
	memcpy(path, at->name, folder);
	memcpy(path + folder, include, strlen(include) + 1);
	return 0;
}

int dbglobal_resolve(const char *global_path, const char *name, char *path, size_t size, char *error, size_t error_size)
{
	struct jsonfile at = {.name = global_path,
			      .kind = "database_global.json of SONiC",
			      .max_bytes = DBGLOBAL_MAX_BYTES,
			      .error = error,
			      .size = error_size};
	const json_t *entries, *entry = NULL;
	json_t *root cleanup(jsonfile_free) = NULL;
	int r = jsonfile_load(&at, &root);

	path[0] = '\0';
	if (r < 0)
		return r;
	if (!json_is_object(root))
		return jsonfile_refuse(&at, NULL, "an object with INCLUDES", "is %s", jsonfile_type(root));
	entries = json_object_get(root, "INCLUDES");
	if (!json_is_array(entries))
		return jsonfile_refuse(&at, "INCLUDES", "an array of objects", "is %s", jsonfile_type(entries));
	r = find(&at, entries, name, &entry);
	return r < 0 ? r : make_path(&at, entry, path, size);
}
