/* SPDX-License-Identifier: Apache-2.0 */
#include "sonic/dbconfig.h"

#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "base/file.h"
#include "base/text.h"
#include "base/util.h"

#define QUOTE_MAX 80 /* of the file's own words in a complaint */
#define PLACE_MAX (QUOTE_MAX + 16)
#define NAMES_MAX 512 /* of all known names in a complaint */
#define NUMBER_MAX 1023
#define SOCKET_PATH_MAX (sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1)
#define DATABASES 3

/* A JSON file, and where to put the one line that says what is wrong with it. */
struct jsonfile {
	const char *name, *kind; /* its path, and what it should be */
	char *error;
	size_t size;
	char place[PLACE_MAX]; /* what complaints are about, "DATABASES.APPL_DB"; "": the file itself */
};

/* --- SONiC's JSON files --- */

static int refuse_file(const struct jsonfile *at, int error)
{
	(void)snprintf(at->error, at->size, "%s: %s; allowed: a readable file of at most %u bytes", at->name,
		       file_error(error), DBCONFIG_MAX_BYTES);
	return error;
}

static int refuse_syntax(const struct jsonfile *at, const json_error_t *syntax)
{
	char text[JSON_ERROR_TEXT_LENGTH * 2];

	(void)snprintf(at->error, at->size, "%s:%d:%d: not JSON: %s; allowed: %s", at->name, syntax->line,
		       syntax->column, printable(syntax->text, strlen(syntax->text), text, sizeof(text)), at->kind);
	return -EINVAL;
}

/* The whole file. 0, or a negative errno after a complaint: that of opening, or -EINVAL. */
static int load_json(const struct jsonfile *at, json_t **ret)
{
	struct stat st;
	int fd cleanup(close_fd) = file_open(at->name, DBCONFIG_MAX_BYTES, &st);
	json_error_t syntax = {0};
	FILE *file;

	*ret = NULL;
	if (fd < 0)
		return refuse_file(at, fd);
	/* json_loadfd() reads byte by byte. */
	file = fdopen(fd, "r");
	if (!file)
		return refuse_file(at, -errno);
	(void)take_fd(&fd); /* it is closed with the file */
	*ret = json_loadf(file, JSON_REJECT_DUPLICATES, &syntax);
	(void)fclose(file);
	return *ret ? 0 : refuse_syntax(at, &syntax);
}

static void free_json(json_t **root)
{
	json_decref(*root);
}

static int parse_json(const struct jsonfile *at, const char *bytes, size_t len, json_t **ret)
{
	json_error_t syntax = {0};

	*ret = NULL;
	if (len > DBCONFIG_MAX_BYTES)
		return refuse_file(at, -EFBIG);
	*ret = json_loadb(bytes, len, JSON_REJECT_DUPLICATES, &syntax);
	return *ret ? 0 : refuse_syntax(at, &syntax);
}

/* Complains "name: place.key: ...; allowed: ...". Always -EINVAL. key may be NULL: the place itself. */
PRINTF_LIKE(4, 5)
static int refuse(const struct jsonfile *at, const char *key, const char *allowed, const char *format, ...)
{
	const char *dot = at->place[0] && key ? "." : "", *colon = at->place[0] || key ? ": " : "";
	char wrong[QUOTE_MAX * 2];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(wrong, sizeof(wrong), format, args);
	va_end(args);
	(void)snprintf(at->error, at->size, "%s: %s%s%s%s%s; allowed: %s", at->name, at->place, dot, key ? key : "",
		       colon, wrong, allowed);
	return -EINVAL;
}

/* The same about a text, which is quoted before what is wrong with it. */
static int refuse_text(const struct jsonfile *at, const char *key, const char *allowed, const char *text,
		       const char *wrong)
{
	char quote[QUOTE_MAX];

	return refuse(at, key, allowed, "\"%s\" %s", printable(text, strlen(text), quote, sizeof(quote)), wrong);
}

/* "an object", or "missing" for NULL. */
static const char *type_of(const json_t *value)
{
	static const char *const names[] = {"an object", "an array", "a string", "an integer",
					    "a number",  "true",     "false",    "null"};

	return value ? names[json_typeof(value)] : "missing";
}

/* 0, or -EINVAL after a complaint. */
static int get_text(const struct jsonfile *at, const json_t *object, const char *key, const char *allowed,
		    const char **ret)
{
	const json_t *value = json_object_get(object, key);

	*ret = json_string_value(value);
	return *ret ? 0 : refuse(at, key, allowed, "is %s", type_of(value));
}

/* The same; NULL if the key is missing. */
static int get_optional_text(const struct jsonfile *at, const json_t *object, const char *key, const char *allowed,
			     const char **ret)
{
	*ret = NULL;
	return json_object_get(object, key) ? get_text(at, object, key, allowed, ret) : 0;
}

/* --- database_config.json --- */

struct named_db {
	const char *name;
	struct dbconfig_db db;
};

struct dbconfig {
	json_t *root; /* owns every text below */
	struct named_db databases[DATABASES];
};

static const char defaults[] = "{\"INSTANCES\":{\"redis\":{\"hostname\":\"127.0.0.1\",\"port\":6379,"
			       "\"unix_socket_path\":\"/var/run/redis/redis.sock\"}},"
			       "\"DATABASES\":{\"APPL_DB\":{\"id\":0,\"separator\":\":\",\"instance\":\"redis\"},"
			       "\"CONFIG_DB\":{\"id\":4,\"separator\":\"|\",\"instance\":\"redis\"},"
			       "\"STATE_DB\":{\"id\":6,\"separator\":\"|\",\"instance\":\"redis\"}}}";

static const char allowed_instance[] = "an object with unix_socket_path, or with hostname and port";
static const char allowed_database[] = "an object with id, separator and instance";
static const char allowed_socket[] = "an absolute path of at most 107 bytes";
static const char allowed_port[] = "an integer 1..65535";
static const char allowed_number[] = "an integer 0..1023";
static const char allowed_separator[] = "one punctuation character";

static void set_place(struct jsonfile *at, const char *group, const char *item)
{
	char quote[QUOTE_MAX];

	(void)snprintf(at->place, sizeof(at->place), "%s.%s", group,
		       printable(item, strlen(item), quote, sizeof(quote)));
}

static int get_integer(const struct jsonfile *at, const json_t *object, const char *key, const char *allowed,
		       json_int_t min, json_int_t max, json_int_t *ret)
{
	const json_t *value = json_object_get(object, key);

	if (!json_is_integer(value))
		return refuse(at, key, allowed, "is %s", type_of(value));
	*ret = json_integer_value(value);
	if (*ret < min || *ret > max)
		return refuse(at, key, allowed, "%" JSON_INTEGER_FORMAT " is out of range", *ret);
	return 0;
}

static int get_socket(const struct jsonfile *at, const json_t *instance, const char **ret)
{
	static const char key[] = "unix_socket_path";
	int r = get_optional_text(at, instance, key, allowed_socket, ret);

	if (r < 0)
		return r;
	if (*ret && (*ret)[0] == '\0')
		*ret = NULL;
	if (!*ret)
		return 0;
	if ((*ret)[0] != '/')
		return refuse_text(at, key, allowed_socket, *ret, "is not absolute");
	if (strlen(*ret) > SOCKET_PATH_MAX)
		return refuse_text(at, key, allowed_socket, *ret, "is too long");
	return 0;
}

static int read_instance(const struct jsonfile *at, const json_t *instance, struct dbconfig_db *db)
{
	json_int_t port = 0;
	int r;

	if (!json_is_object(instance))
		return refuse(at, NULL, allowed_instance, "is %s", type_of(instance));
	r = get_optional_text(at, instance, "hostname", "a host name or address", &db->host);
	if (r < 0)
		return r;
	if (json_object_get(instance, "port")) {
		r = get_integer(at, instance, "port", allowed_port, 1, UINT16_MAX, &port);
		if (r < 0)
			return r;
	}
	r = get_socket(at, instance, &db->unix_socket);
	if (r < 0)
		return r;
	if (db->host && db->host[0] == '\0')
		db->host = NULL;
	db->port = (uint16_t)port;
	if (!db->unix_socket && (!db->host || port == 0))
		return refuse(at, NULL, allowed_instance, "says neither a socket nor a host and port");
	return 0;
}

static int read_separator(const struct jsonfile *at, const json_t *object, char separator[2])
{
	const char *text;
	int r = get_text(at, object, "separator", allowed_separator, &text);

	if (r < 0)
		return r;
	if (strlen(text) != 1 || !ispunct((unsigned char)text[0]))
		return refuse_text(at, "separator", allowed_separator, text, "is not a separator");
	memcpy(separator, text, 2);
	return 0;
}

/*
 * The draft (sonic-swss-common#1020) has no release yet: the names are looked for with the database, and in the file as
 * a whole, by database or not. Any other form names nothing.
 */
static bool names_table(const json_t *tables, const char *database, const char *table)
{
	const json_t *one;
	size_t i;

	if (json_is_object(tables))
		tables = json_object_get(tables, database);
	json_array_foreach(tables, i,
			   one) if (json_is_string(one) && strcmp(json_string_value(one), table) == 0) return true;
	return false;
}

static int read_database(const struct jsonfile *at, const json_t *object, const json_t *instances,
			 struct dbconfig_db *db)
{
	static const char allowed_name[] = "a name from INSTANCES";
	struct jsonfile there = *at;
	const json_t *instance;
	const char *name;
	json_int_t number = 0;
	int r;

	if (!json_is_object(object))
		return refuse(at, NULL, allowed_database, "is %s", type_of(object));
	r = get_integer(at, object, "id", allowed_number, 0, NUMBER_MAX, &number);
	if (r < 0)
		return r;
	r = read_separator(at, object, db->separator);
	if (r < 0)
		return r;
	r = get_text(at, object, "instance", allowed_name, &name);
	if (r < 0)
		return r;
	instance = json_object_get(instances, name);
	if (!instance)
		return refuse_text(at, "instance", allowed_name, name, "names no instance");
	db->number = (unsigned)number;
	set_place(&there, "INSTANCES", name);
	return read_instance(&there, instance, db);
}

/* Only the databases that are used are judged: a slip in the entry of another one does no harm. */
static int fill(struct dbconfig *c, struct jsonfile *at, json_t *instances, json_t *databases)
{
	static const char *const wanted[DATABASES] = {"CONFIG_DB", "APPL_DB", "STATE_DB"};

	for (size_t i = 0; i < DATABASES; i++) {
		int r;

		c->databases[i].name = wanted[i];
		set_place(at, "DATABASES", wanted[i]);
		r = read_database(at, json_object_get(databases, wanted[i]), instances, &c->databases[i].db);
		if (r < 0)
			return r;
	}
	return 0;
}

static void find_events(struct dbconfig *c, const json_t *databases)
{
	for (size_t i = 0; i < DATABASES; i++) {
		const char *name = c->databases[i].name;

		c->databases[i].db.port_events =
			names_table(json_object_get(json_object_get(databases, name), "event_tables"), name,
				    "PORT_TABLE") ||
			names_table(json_object_get(c->root, "event_tables"), name, "PORT_TABLE");
	}
}

/* INSTANCES or DATABASES. NULL after a complaint. */
static json_t *get_group(const struct jsonfile *at, const json_t *root, const char *key)
{
	json_t *group = json_object_get(root, key);

	if (json_is_object(group))
		return group;
	(void)refuse(at, key, "an object", "is %s", type_of(group));
	return NULL;
}

static int build(struct dbconfig **ret, struct jsonfile *at, json_t *root)
{
	json_t *instances, *databases;
	struct dbconfig *c;
	int r;

	if (!json_is_object(root))
		return refuse(at, NULL, "an object with INSTANCES and DATABASES", "is %s", type_of(root));
	instances = get_group(at, root, "INSTANCES");
	databases = instances ? get_group(at, root, "DATABASES") : NULL;
	if (!databases)
		return -EINVAL;
	c = calloc(1, sizeof(*c));
	if (!c) {
		(void)snprintf(at->error, at->size, "%s: out of memory", at->name);
		return -ENOMEM;
	}
	c->root = json_incref(root);
	r = fill(c, at, instances, databases);
	if (r < 0) {
		dbconfig_free(c);
		return r;
	}
	find_events(c, databases);
	*ret = c;
	return 0;
}

static struct jsonfile describe(const char *name, char *error, size_t size)
{
	return (struct jsonfile){.name = name, .kind = "database_config.json of SONiC", .error = error, .size = size};
}

int dbconfig_parse(struct dbconfig **ret, const char *name, const char *bytes, size_t len, char *error, size_t size)
{
	struct jsonfile at = describe(name, error, size);
	json_t *root cleanup(free_json) = NULL;
	int r = parse_json(&at, bytes, len, &root);

	*ret = NULL;
	return r < 0 ? r : build(ret, &at, root);
}

int dbconfig_load(struct dbconfig **ret, const char *path, bool missing_ok, char *error, size_t size)
{
	struct jsonfile at = describe(path, error, size);
	json_t *root cleanup(free_json) = NULL;
	int r = load_json(&at, &root);

	*ret = NULL;
	if (r == -ENOENT && missing_ok)
		return dbconfig_parse(ret, "defaults", defaults, sizeof(defaults) - 1, error, size);
	return r < 0 ? r : build(ret, &at, root);
}

void dbconfig_free(struct dbconfig *c)
{
	if (!c)
		return;
	json_decref(c->root);
	free(c);
}

const struct dbconfig_db *dbconfig_get(const struct dbconfig *c, const char *database)
{
	for (size_t i = 0; i < DATABASES; i++)
		if (strcmp(c->databases[i].name, database) == 0)
			return &c->databases[i].db;
	return NULL;
}

/* --- database_global.json --- */

static const char *const name_keys[] = {"namespace", "container_name"};

/* *ret is the key under which the entry has the name, or NULL. */
static int match_name(const struct jsonfile *at, const json_t *entry, const char *name, const char **ret)
{
	*ret = NULL;
	if (!json_is_object(entry))
		return refuse(at, NULL, "an object with namespace or container_name, and include", "is %s",
			      type_of(entry));
	for (size_t i = 0; i < ARRAY_SIZE(name_keys); i++) {
		const char *text;
		int r = get_optional_text(at, entry, name_keys[i], "a name", &text);

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

	out[0] = '\0';
	for (size_t i = 0; i < json_array_size(entries) * ARRAY_SIZE(name_keys) && strlen(out) < size - 1; i++) {
		const json_t *entry = json_array_get(entries, i / ARRAY_SIZE(name_keys));
		const char *name = json_string_value(json_object_get(entry, name_keys[i % ARRAY_SIZE(name_keys)]));
		char quote[QUOTE_MAX];

		if (name && name[0])
			text_append(out, size, ", ", "%s", printable(name, strlen(name), quote, sizeof(quote)));
	}
	if (out[0] == '\0')
		(void)snprintf(out, size, "nothing, since no entry has a name");
	if (strlen(out) == size - 1)
		memcpy(out + size - sizeof(ellipsis), ellipsis, sizeof(ellipsis));
}

static int refuse_name(struct jsonfile *at, const json_t *entries, const char *name)
{
	char known[NAMES_MAX];

	at->place[0] = '\0';
	list_names(entries, known, sizeof(known));
	return refuse_text(at, "INCLUDES", known, name, "is the name of no entry");
}

static int refuse_second(const struct jsonfile *at, const char *key, const char *name, size_t first)
{
	char wrong[64];

	(void)snprintf(wrong, sizeof(wrong), "is the name of INCLUDES[%zu], too", first);
	return refuse_text(at, key, "one entry of a name", name, wrong);
}

static void set_include(struct jsonfile *at, size_t i)
{
	(void)snprintf(at->place, sizeof(at->place), "INCLUDES[%zu]", i);
}

/* The one entry of that name; at->place is its place. Looks at all entries: to take the first of two would be a guess.
 */
static int find_include(struct jsonfile *at, const json_t *entries, const char *name, const json_t **ret)
{
	size_t count = json_array_size(entries), found = count;

	for (size_t i = 0; i < count; i++) {
		const char *key;
		int r;

		set_include(at, i);
		r = match_name(at, json_array_get(entries, i), name, &key);
		if (r < 0)
			return r;
		if (key && found < count)
			return refuse_second(at, key, name, found);
		if (key)
			found = i;
	}
	if (found == count)
		return refuse_name(at, entries, name);
	set_include(at, found);
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
	int r = get_text(at, entry, key, allowed, &include);
	char limit[64];
	size_t folder;

	if (r < 0)
		return r;
	if (include[0] == '\0')
		return refuse(at, key, allowed, "is empty");
	/* The path appears in log lines. */
	if (has_control(include))
		return refuse_text(at, key, "a path without control characters", include, "has control characters");
	folder = slash && include[0] != '/' ? (size_t)(slash - at->name) + 1 : 0;
	if (folder + strlen(include) >= size) {
		(void)snprintf(limit, sizeof(limit), "at most %zu", size - 1);
		return refuse(at, key, limit, "makes a path of %zu bytes", folder + strlen(include));
	}
	memcpy(path, at->name, folder);
	memcpy(path + folder, include, strlen(include) + 1);
	return 0;
}

int dbconfig_resolve(const char *global_path, const char *name, char *path, size_t size, char *error, size_t error_size)
{
	struct jsonfile at = {
		.name = global_path, .kind = "database_global.json of SONiC", .error = error, .size = error_size};
	const json_t *entries, *entry = NULL;
	json_t *root cleanup(free_json) = NULL;
	int r = load_json(&at, &root);

	path[0] = '\0';
	if (r < 0)
		return r;
	if (!json_is_object(root))
		return refuse(&at, NULL, "an object with INCLUDES", "is %s", type_of(root));
	entries = json_object_get(root, "INCLUDES");
	if (!json_is_array(entries))
		return refuse(&at, "INCLUDES", "an array of objects", "is %s", type_of(entries));
	r = find_include(&at, entries, name, &entry);
	return r < 0 ? r : make_path(&at, entry, path, size);
}
