/* SPDX-License-Identifier: Apache-2.0 */
#include "sonic/dbconfig.h"

#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "base/regular.h"
#include "base/util.h"

#define NUMBER_MAX 1023
#define SOCKET_PATH_MAX (sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1)
#define QUOTE_MAX 80
#define PARSE_FLAGS JSON_REJECT_DUPLICATES
#define DATABASES 3

struct database {
	const char *name;
	struct dbconfig_db db;
};

struct dbconfig {
	json_t *root; /* owns every text below */
	struct database databases[DATABASES];
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

/* Where a complaint goes, and the place in the file that it is about. */
struct report {
	const char *file;
	char *error;
	size_t size;
	const char *group; /* INSTANCES or DATABASES */
	const char *item;
};

/* Always -EINVAL. key may be NULL: the item itself. */
PRINTF_LIKE(4, 5)
static int refuse(const struct report *at, const char *key, const char *allowed, const char *format, ...)
{
	char item[QUOTE_MAX], wrong[QUOTE_MAX * 2];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(wrong, sizeof(wrong), format, args);
	va_end(args);
	(void)snprintf(at->error, at->size, "%s: %s.%s%s%s: %s; allowed: %s", at->file, at->group,
		       printable(at->item, strlen(at->item), item, sizeof(item)), key ? "." : "", key ? key : "", wrong,
		       allowed);
	return -EINVAL;
}

static int refuse_text(const struct report *at, const char *key, const char *allowed, const char *text,
		       const char *wrong)
{
	char quote[QUOTE_MAX];

	return refuse(at, key, allowed, "\"%s\" %s", printable(text, strlen(text), quote, sizeof(quote)), wrong);
}

static const char *type_name(const json_t *value)
{
	static const char *const names[] = {"an object", "an array", "a string", "an integer",
					    "a number",  "true",     "false",    "null"};

	return value ? names[json_typeof(value)] : "missing";
}

/* *ret is NULL where the key is missing. */
static int get_text(const struct report *at, const json_t *object, const char *key, const char *allowed,
		    const char **ret)
{
	const json_t *value = json_object_get(object, key);

	*ret = NULL;
	if (value && !json_is_string(value))
		return refuse(at, key, allowed, "is %s", type_name(value));
	*ret = json_string_value(value);
	return 0;
}

static int get_integer(const struct report *at, const json_t *object, const char *key, const char *allowed,
		       json_int_t min, json_int_t max, json_int_t *ret)
{
	const json_t *value = json_object_get(object, key);

	if (!json_is_integer(value))
		return refuse(at, key, allowed, "is %s", type_name(value));
	*ret = json_integer_value(value);
	if (*ret < min || *ret > max)
		return refuse(at, key, allowed, "%" JSON_INTEGER_FORMAT " is out of range", *ret);
	return 0;
}

static int get_socket(const struct report *at, const json_t *instance, const char **ret)
{
	static const char key[] = "unix_socket_path";
	int r = get_text(at, instance, key, allowed_socket, ret);

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

static int read_instance(const struct report *at, const json_t *instance, struct dbconfig_db *db)
{
	json_int_t port = 0;
	int r;

	if (!json_is_object(instance))
		return refuse(at, NULL, allowed_instance, "is %s", type_name(instance));
	r = get_text(at, instance, "hostname", "a host name or address", &db->host);
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

static int read_separator(const struct report *at, const json_t *object, char separator[2])
{
	const char *text;
	int r = get_text(at, object, "separator", allowed_separator, &text);

	if (r < 0)
		return r;
	if (!text)
		return refuse(at, "separator", allowed_separator, "is missing");
	if (strlen(text) != 1 || !ispunct((unsigned char)text[0]))
		return refuse_text(at, "separator", allowed_separator, text, "is no separator");
	memcpy(separator, text, 2);
	return 0;
}

static int read_database(const struct report *at, const json_t *object, const json_t *instances, struct dbconfig_db *db)
{
	static const char allowed_name[] = "a name from INSTANCES";
	struct report there = {at->file, at->error, at->size, "INSTANCES", NULL};
	const json_t *instance;
	json_int_t number = 0;
	int r;

	if (!json_is_object(object))
		return refuse(at, NULL, allowed_database, "is %s", type_name(object));
	r = get_integer(at, object, "id", allowed_number, 0, NUMBER_MAX, &number);
	if (r < 0)
		return r;
	r = read_separator(at, object, db->separator);
	if (r < 0)
		return r;
	r = get_text(at, object, "instance", allowed_name, &there.item);
	if (r < 0)
		return r;
	if (!there.item)
		return refuse(at, "instance", allowed_name, "is missing");
	instance = json_object_get(instances, there.item);
	if (!instance)
		return refuse_text(at, "instance", allowed_name, there.item, "names no instance");
	db->number = (unsigned)number;
	return read_instance(&there, instance, db);
}

/* Only what we use is judged: a slip in the entry of another database is not our business. */
static int fill(struct dbconfig *c, struct report *at, json_t *instances, json_t *databases)
{
	static const char *const wanted[DATABASES] = {"CONFIG_DB", "APPL_DB", "STATE_DB"};

	at->group = "DATABASES";
	for (size_t i = 0; i < DATABASES; i++) {
		int r;

		at->item = c->databases[i].name = wanted[i];
		r = read_database(at, json_object_get(databases, wanted[i]), instances, &c->databases[i].db);
		if (r < 0)
			return r;
	}
	return 0;
}

/* The two objects that everything is in. */
static json_t *get_group(const struct report *at, const json_t *root, const char *key)
{
	json_t *group = json_object_get(root, key);

	if (json_is_object(group))
		return group;
	(void)snprintf(at->error, at->size, "%s: %s: is %s; allowed: an object", at->file, key, type_name(group));
	return NULL;
}

static int build(struct dbconfig **ret, struct report *at, json_t *root)
{
	json_t *instances, *databases;
	struct dbconfig *c;
	int r;

	if (!json_is_object(root)) {
		(void)snprintf(at->error, at->size, "%s: is %s; allowed: an object with INSTANCES and DATABASES",
			       at->file, type_name(root));
		return -EINVAL;
	}
	instances = get_group(at, root, "INSTANCES");
	databases = instances ? get_group(at, root, "DATABASES") : NULL;
	if (!databases)
		return -EINVAL;
	c = calloc(1, sizeof(*c));
	if (!c) {
		(void)snprintf(at->error, at->size, "%s: out of memory", at->file);
		return -ENOMEM;
	}
	c->root = json_incref(root);
	r = fill(c, at, instances, databases);
	if (r < 0) {
		dbconfig_free(c);
		return r;
	}
	*ret = c;
	return 0;
}

/* Takes over root, which is NULL after a syntax error. */
static int finish(struct dbconfig **ret, struct report *at, json_t *root, const json_error_t *syntax)
{
	char text[JSON_ERROR_TEXT_LENGTH * 2];
	int r;

	*ret = NULL;
	if (!root) {
		(void)snprintf(at->error, at->size, "%s:%d:%d: not JSON: %s; allowed: database_config.json of SONiC",
			       at->file, syntax->line, syntax->column,
			       printable(syntax->text, strlen(syntax->text), text, sizeof(text)));
		return -EINVAL;
	}
	r = build(ret, at, root);
	json_decref(root);
	return r;
}

static int refuse_file(const struct report *at, int error, const char *wrong)
{
	(void)snprintf(at->error, at->size, "%s: %s; allowed: a readable file of at most %u bytes", at->file, wrong,
		       DBCONFIG_MAX_BYTES);
	return error;
}

int dbconfig_parse(struct dbconfig **ret, const char *name, const char *bytes, size_t len, char *error, size_t size)
{
	struct report at = {.file = name, .size = size};
	json_error_t syntax = {0};

	at.error = error;
	*ret = NULL;
	if (len > DBCONFIG_MAX_BYTES)
		return refuse_file(&at, -EFBIG, strerror(EFBIG));
	return finish(ret, &at, json_loadb(bytes, len, PARSE_FLAGS, &syntax), &syntax);
}

int dbconfig_load(struct dbconfig **ret, const char *path, bool missing_ok, char *error, size_t size)
{
	struct report at = {.file = path, .error = error, .size = size};
	int fd cleanup(close_fd) = -1, r;
	json_error_t syntax = {0};
	struct stat st;

	*ret = NULL;
	r = fd = regular_open(path, DBCONFIG_MAX_BYTES, &st);
	if (r == -ENOENT && missing_ok)
		return dbconfig_parse(ret, "defaults", defaults, sizeof(defaults) - 1, error, size);
	if (r < 0)
		return refuse_file(&at, r, regular_error(r));
	return finish(ret, &at, json_loadfd(fd, PARSE_FLAGS, &syntax), &syntax);
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
