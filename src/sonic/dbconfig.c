/* SPDX-License-Identifier: Apache-2.0 */
#include "sonic/dbconfig.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "base/util.h"
#include "sonic/jsonfile.h"

#define NUMBER_MAX 1023
#define SOCKET_PATH_MAX (sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1)
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

static void set_place(struct jsonfile *at, const char *group, const char *item)
{
	char quote[JSONFILE_QUOTE_MAX];

	(void)snprintf(at->place, sizeof(at->place), "%s.%s", group,
		       printable(item, strlen(item), quote, sizeof(quote)));
}

static int get_integer(const struct jsonfile *at, const json_t *object, const char *key, const char *allowed,
		       json_int_t min, json_int_t max, json_int_t *ret)
{
	const json_t *value = json_object_get(object, key);

	if (!json_is_integer(value))
		return jsonfile_refuse(at, key, allowed, "is %s", jsonfile_type(value));
	*ret = json_integer_value(value);
	if (*ret < min || *ret > max)
		return jsonfile_refuse(at, key, allowed, "%" JSON_INTEGER_FORMAT " is out of range", *ret);
	return 0;
}

static int get_socket(const struct jsonfile *at, const json_t *instance, const char **ret)
{
	static const char key[] = "unix_socket_path";
	int r = jsonfile_optional_text(at, instance, key, allowed_socket, ret);

	if (r < 0)
		return r;
	if (*ret && (*ret)[0] == '\0')
		*ret = NULL;
	if (!*ret)
		return 0;
	if ((*ret)[0] != '/')
		return jsonfile_refuse_text(at, key, allowed_socket, *ret, "is not absolute");
	if (strlen(*ret) > SOCKET_PATH_MAX)
		return jsonfile_refuse_text(at, key, allowed_socket, *ret, "is too long");
	return 0;
}

static int read_instance(const struct jsonfile *at, const json_t *instance, struct dbconfig_db *db)
{
	json_int_t port = 0;
	int r;

	if (!json_is_object(instance))
		return jsonfile_refuse(at, NULL, allowed_instance, "is %s", jsonfile_type(instance));
	r = jsonfile_optional_text(at, instance, "hostname", "a host name or address", &db->host);
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
		return jsonfile_refuse(at, NULL, allowed_instance, "says neither a socket nor a host and port");
	return 0;
}

static int read_separator(const struct jsonfile *at, const json_t *object, char separator[2])
{
	const char *text;
	int r = jsonfile_text(at, object, "separator", allowed_separator, &text);

	if (r < 0)
		return r;
	if (strlen(text) != 1 || !ispunct((unsigned char)text[0]))
		return jsonfile_refuse_text(at, "separator", allowed_separator, text, "is not a separator");
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
		return jsonfile_refuse(at, NULL, allowed_database, "is %s", jsonfile_type(object));
	r = get_integer(at, object, "id", allowed_number, 0, NUMBER_MAX, &number);
	if (r < 0)
		return r;
	r = read_separator(at, object, db->separator);
	if (r < 0)
		return r;
	r = jsonfile_text(at, object, "instance", allowed_name, &name);
	if (r < 0)
		return r;
	instance = json_object_get(instances, name);
	if (!instance)
		return jsonfile_refuse_text(at, "instance", allowed_name, name, "names no instance");
	db->number = (unsigned)number;
	set_place(&there, "INSTANCES", name);
	return read_instance(&there, instance, db);
}

/* Only what we use is judged: a slip in the entry of another database is not our business. */
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

/* The two objects that everything is in. */
static json_t *get_group(const struct jsonfile *at, const json_t *root, const char *key)
{
	json_t *group = json_object_get(root, key);

	if (json_is_object(group))
		return group;
	(void)jsonfile_refuse(at, key, "an object", "is %s", jsonfile_type(group));
	return NULL;
}

static int build(struct dbconfig **ret, struct jsonfile *at, json_t *root)
{
	json_t *instances, *databases;
	struct dbconfig *c;
	int r;

	if (!json_is_object(root))
		return jsonfile_refuse(at, NULL, "an object with INSTANCES and DATABASES", "is %s",
				       jsonfile_type(root));
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
	return (struct jsonfile){.name = name,
				 .kind = "database_config.json of SONiC",
				 .max_bytes = DBCONFIG_MAX_BYTES,
				 .error = error,
				 .size = size};
}

int dbconfig_parse(struct dbconfig **ret, const char *name, const char *bytes, size_t len, char *error, size_t size)
{
	struct jsonfile at = describe(name, error, size);
	json_t *root cleanup(jsonfile_free) = NULL;
	int r = jsonfile_parse(&at, bytes, len, &root);

	*ret = NULL;
	return r < 0 ? r : build(ret, &at, root);
}

int dbconfig_load(struct dbconfig **ret, const char *path, bool missing_ok, char *error, size_t size)
{
	struct jsonfile at = describe(path, error, size);
	json_t *root cleanup(jsonfile_free) = NULL;
	int r = jsonfile_load(&at, &root);

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
