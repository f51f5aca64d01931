/* SPDX-License-Identifier: Apache-2.0 */
#include "sonic/dbconfig.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "scratch.h"

#define INSTANCE "\"r\":{\"unix_socket_path\":\"/r\"}"
#define CONFIG_DB "\"CONFIG_DB\":{\"id\":4,\"separator\":\"|\",\"instance\":\"r\"}"
#define APPL_DB "\"APPL_DB\":{\"id\":0,\"separator\":\":\",\"instance\":\"r\"}"
#define STATE_DB "\"STATE_DB\":{\"id\":6,\"separator\":\"|\",\"instance\":\"r\"}"
#define FILE_OF(instances, databases) "{\"INSTANCES\":{" instances "},\"DATABASES\":{" databases "}}"
#define WITH_INSTANCE(fields) FILE_OF("\"r\":" fields, CONFIG_DB "," APPL_DB "," STATE_DB)
#define WITH_DATABASE(fields) FILE_OF(INSTANCE, CONFIG_DB "," STATE_DB ",\"APPL_DB\":" fields)
#define ALLOWED_INSTANCE "; allowed: an object with unix_socket_path, or with hostname and port"
#define ALLOWED_DATABASE "; allowed: an object with id, separator and instance"
#define ALLOWED_SIZE "; allowed: a readable file of at most 1048576 bytes"
#define ALLOWED_JSON "; allowed: database_config.json of SONiC"

static void assert_db(const struct dbconfig *c, const char *name, unsigned number, const char *separator,
		      const char *socket)
{
	const struct dbconfig_db *db = dbconfig_get(c, name);

	assert_non_null(db);
	assert_int_equal(db->number, number);
	assert_string_equal(db->separator, separator);
	if (socket)
		assert_string_equal(db->unix_socket, socket);
	else
		assert_null(db->unix_socket);
}

static void single_instance(void **state)
{
	struct dbconfig *c;
	char error[256];

	(void)state;
	assert_int_equal(dbconfig_load(&c, TEST_DATA "/database_config.json", false, error, sizeof(error)), 0);
	assert_db(c, "CONFIG_DB", 4, "|", "/var/run/redis/redis.sock");
	assert_db(c, "APPL_DB", 0, ":", "/var/run/redis/redis.sock");
	assert_db(c, "STATE_DB", 6, "|", "/var/run/redis/redis.sock");
	assert_string_equal(dbconfig_get(c, "APPL_DB")->host, "127.0.0.1");
	assert_int_equal(dbconfig_get(c, "APPL_DB")->port, 6379);
	assert_null(dbconfig_get(c, "DPU_APPL_DB")); /* in the file, but not ours */
	dbconfig_free(c);
}

static void several_instances(void **state)
{
	struct dbconfig *c;
	char error[256];

	(void)state;
	assert_int_equal(dbconfig_load(&c, TEST_DATA "/database_config_multi.json", false, error, sizeof(error)), 0);
	assert_db(c, "CONFIG_DB", 4, "|", "/var/run/redis/redis.sock");
	assert_db(c, "APPL_DB", 0, ":", "/var/run/redis/redis2.sock");
	assert_db(c, "STATE_DB", 9, "|", NULL);
	assert_string_equal(dbconfig_get(c, "STATE_DB")->host, "redis_far.server");
	assert_int_equal(dbconfig_get(c, "STATE_DB")->port, 6385);
	dbconfig_free(c);
}

/* swss-common#1020: off unless named, and never for another table or database. */
static void tables_with_events(void **state)
{
	static const struct {
		const char *with_database, *whole;
		bool events;
	} files[] = {
		{"", "", false},
		{",\"event_tables\":[\"PORT_TABLE\"]", "", true},
		{",\"event_tables\":[\"LAG_TABLE\",\"PORT_TABLE\"]", "", true},
		{",\"event_tables\":[\"LAG_TABLE\",7,null]", "", false},
		{",\"event_tables\":\"PORT_TABLE\"", "", false},
		{",\"event_tables\":{}", "", false},
		{"", ",\"event_tables\":[\"PORT_TABLE\"]", true},
		{"", ",\"event_tables\":{\"STATE_DB\":[\"PORT_TABLE\"]}", true},
		{"", ",\"event_tables\":{\"APPL_DB\":[\"PORT_TABLE\"]}", false},
	};
	char bytes[1024], error[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		struct dbconfig *c;

		(void)snprintf(bytes, sizeof(bytes),
			       "{\"INSTANCES\":{\"redis\":{\"unix_socket_path\":\"/s\"}},\"DATABASES\":{"
			       "\"APPL_DB\":{\"id\":0,\"separator\":\":\",\"instance\":\"redis\"},"
			       "\"CONFIG_DB\":{\"id\":4,\"separator\":\"|\",\"instance\":\"redis\"},"
			       "\"STATE_DB\":{\"id\":6,\"separator\":\"|\",\"instance\":\"redis\"%s}}%s}",
			       files[i].with_database, files[i].whole);
		assert_int_equal(dbconfig_parse(&c, "F", bytes, strlen(bytes), error, sizeof(error)), 0);
		assert_int_equal(dbconfig_get(c, "STATE_DB")->port_events, files[i].events);
		dbconfig_free(c);
	}
}

static void missing_file(void **state)
{
	struct dbconfig *c;
	char error[256];

	(void)state;
	assert_int_equal(dbconfig_load(&c, "/nowhere/x.json", false, error, sizeof(error)), -ENOENT);
	assert_string_equal(error, "/nowhere/x.json: No such file or directory" ALLOWED_SIZE);
	assert_null(c);
	assert_int_equal(dbconfig_load(&c, "/nowhere/x.json", true, error, sizeof(error)), 0);
	assert_db(c, "CONFIG_DB", 4, "|", "/var/run/redis/redis.sock");
	assert_db(c, "APPL_DB", 0, ":", "/var/run/redis/redis.sock");
	assert_db(c, "STATE_DB", 6, "|", "/var/run/redis/redis.sock");
	assert_null(dbconfig_get(c, "ASIC_DB"));
	dbconfig_free(c);
	dbconfig_free(NULL);
}

static void what_is_no_file(void **state)
{
	char folder[SCRATCH_BYTES], path[SCRATCH_BYTES + 2], error[256];
	struct dbconfig *c;
	int fd;

	(void)state;
	scratch_make(folder);
	(void)snprintf(path, sizeof(path), "%s/F", folder);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(dbconfig_load(&c, "/", true, error, sizeof(error)), -EISDIR);
	assert_string_equal(error, "/: Is a directory" ALLOWED_SIZE);
	assert_int_equal(dbconfig_load(&c, "/dev/null", true, error, sizeof(error)), -ENOTSUP);
	assert_string_equal(error, "/dev/null: not a regular file" ALLOWED_SIZE);
	assert_int_equal(ftruncate(fd, (1 << 20) + 1), 0);
	assert_int_equal(dbconfig_load(&c, path, true, error, sizeof(error)), -EFBIG);
	assert_string_equal(error + strlen(path), ": File too large" ALLOWED_SIZE);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(dbconfig_load(&c, path, true, error, sizeof(error)), -EINVAL);
	assert_string_equal(error + strlen(path), ":1:0: not JSON: '[' or '{' expected near end of file" ALLOWED_JSON);
	assert_int_equal(close(fd), 0);
	scratch_remove(folder);
	assert_int_equal(dbconfig_parse(&c, "F", "", DBCONFIG_MAX_BYTES + 1, error, sizeof(error)), -EFBIG);
	assert_string_equal(error, "F: File too large" ALLOWED_SIZE);
}

static const char *const good[] = {
	WITH_INSTANCE("{\"unix_socket_path\":\"/r\"}"),
	WITH_INSTANCE("{\"hostname\":\"\",\"unix_socket_path\":\"/r\",\"x\":[1]}"),
	WITH_INSTANCE("{\"hostname\":\"::1\",\"port\":1}"),
	WITH_INSTANCE("{\"hostname\":\"h\",\"port\":65535,\"unix_socket_path\":\"\"}"),
	WITH_DATABASE("{\"id\":1023,\"separator\":\"~\",\"instance\":\"r\",\"format\":\"proto\"}"),
	/* Slips in what we do not use. */
	FILE_OF(INSTANCE ",\"\xc3\xa4\":{}", CONFIG_DB "," APPL_DB "," STATE_DB ",\"OTHER_DB\":{\"id\":\"x\"}"),
};

static void good_texts(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		struct dbconfig *c;
		char error[256] = "";
		int r = dbconfig_parse(&c, "F", good[i], strlen(good[i]), error, sizeof(error));

		assert_string_equal(error, "");
		assert_int_equal(r, 0);
		assert_non_null(dbconfig_get(c, "APPL_DB"));
		dbconfig_free(c);
	}
}

static const struct {
	const char *text, *complaint;
} bad[] = {
	{"", "F:1:0: not JSON: '[' or '{' expected near end of file" ALLOWED_JSON},
	{"\"x\"", "F:1:3: not JSON: '[' or '{' expected near '\"x\"'" ALLOWED_JSON},
	{"{\n  \"INSTANCES\": }", "F:2:16: not JSON: unexpected token near '}'" ALLOWED_JSON},
	{"{}{", "F:1:3: not JSON: end of file expected near '{'" ALLOWED_JSON},
	{"{\"\xff\":1}", "F:1:2: not JSON: unable to decode byte 0xff near '\"'" ALLOWED_JSON},
	{"{\"a\":1,\n\"a\":2}", "F:2:3: not JSON: duplicate object key near '\"a\"'" ALLOWED_JSON},
	{"{\"\x7f\":x}", "F:1:6: not JSON: invalid token near 'x'" ALLOWED_JSON},
	{"[]", "F: is an array; allowed: an object with INSTANCES and DATABASES"},
	{"{}", "F: INSTANCES: is missing; allowed: an object"},
	{"{\"INSTANCES\":[]}", "F: INSTANCES: is an array; allowed: an object"},
	{"{\"INSTANCES\":{}}", "F: DATABASES: is missing; allowed: an object"},
	{"{\"INSTANCES\":{},\"DATABASES\":null}", "F: DATABASES: is null; allowed: an object"},

	{WITH_INSTANCE("1"), "F: INSTANCES.r: is an integer" ALLOWED_INSTANCE},
	{WITH_INSTANCE("{}"), "F: INSTANCES.r: says neither a socket nor a host and port" ALLOWED_INSTANCE},
	{WITH_INSTANCE("{\"hostname\":\"h\"}"),
	 "F: INSTANCES.r: says neither a socket nor a host and port" ALLOWED_INSTANCE},
	{WITH_INSTANCE("{\"port\":1}"), "F: INSTANCES.r: says neither a socket nor a host and port" ALLOWED_INSTANCE},
	{WITH_INSTANCE("{\"port\":1,\"hostname\":\"\",\"unix_socket_path\":\"\"}"),
	 "F: INSTANCES.r: says neither a socket nor a host and port" ALLOWED_INSTANCE},
	{WITH_INSTANCE("{\"hostname\":1}"), "F: INSTANCES.r.hostname: is an integer; allowed: a host name or address"},
	{WITH_INSTANCE("{\"port\":\"1\"}"), "F: INSTANCES.r.port: is a string; allowed: an integer 1..65535"},
	{WITH_INSTANCE("{\"port\":1.5}"), "F: INSTANCES.r.port: is a number; allowed: an integer 1..65535"},
	{WITH_INSTANCE("{\"port\":0}"), "F: INSTANCES.r.port: 0 is out of range; allowed: an integer 1..65535"},
	{WITH_INSTANCE("{\"port\":65536}"), "F: INSTANCES.r.port: 65536 is out of range; allowed: an integer 1..65535"},
	{WITH_INSTANCE("{\"unix_socket_path\":true}"),
	 "F: INSTANCES.r.unix_socket_path: is true; allowed: an absolute path of at most 107 bytes"},
	{WITH_INSTANCE("{\"unix_socket_path\":\"r\\n\"}"),
	 "F: INSTANCES.r.unix_socket_path: \"r\\x0a\" is not absolute; "
	 "allowed: an absolute path of at most 107 bytes"},

	{WITH_DATABASE("[]"), "F: DATABASES.APPL_DB: is an array" ALLOWED_DATABASE},
	{WITH_DATABASE("{}"), "F: DATABASES.APPL_DB.id: is missing; allowed: an integer 0..1023"},
	{WITH_DATABASE("{\"id\":\"0\"}"), "F: DATABASES.APPL_DB.id: is a string; allowed: an integer 0..1023"},
	{WITH_DATABASE("{\"id\":-1}"), "F: DATABASES.APPL_DB.id: -1 is out of range; allowed: an integer 0..1023"},
	{WITH_DATABASE("{\"id\":1024}"), "F: DATABASES.APPL_DB.id: 1024 is out of range; allowed: an integer 0..1023"},
	{WITH_DATABASE("{\"id\":0}"), "F: DATABASES.APPL_DB.separator: is missing; allowed: one punctuation character"},
	{WITH_DATABASE("{\"id\":0,\"separator\":58}"),
	 "F: DATABASES.APPL_DB.separator: is an integer; allowed: one punctuation character"},
	{WITH_DATABASE("{\"id\":0,\"separator\":\"\"}"),
	 "F: DATABASES.APPL_DB.separator: \"\" is not a separator; allowed: one punctuation character"},
	{WITH_DATABASE("{\"id\":0,\"separator\":\"::\"}"),
	 "F: DATABASES.APPL_DB.separator: \"::\" is not a separator; allowed: one punctuation character"},
	{WITH_DATABASE("{\"id\":0,\"separator\":\"a\"}"),
	 "F: DATABASES.APPL_DB.separator: \"a\" is not a separator; allowed: one punctuation character"},
	{WITH_DATABASE("{\"id\":0,\"separator\":\" \"}"),
	 "F: DATABASES.APPL_DB.separator: \" \" is not a separator; allowed: one punctuation character"},
	{WITH_DATABASE("{\"id\":0,\"separator\":\":\"}"),
	 "F: DATABASES.APPL_DB.instance: is missing; allowed: a name from INSTANCES"},
	{WITH_DATABASE("{\"id\":0,\"separator\":\":\",\"instance\":{}}"),
	 "F: DATABASES.APPL_DB.instance: is an object; allowed: a name from INSTANCES"},
	{WITH_DATABASE("{\"id\":0,\"separator\":\":\",\"instance\":\"redis9\"}"),
	 "F: DATABASES.APPL_DB.instance: \"redis9\" names no instance; allowed: a name from INSTANCES"},
	{FILE_OF(INSTANCE, ""), "F: DATABASES.CONFIG_DB: is missing" ALLOWED_DATABASE},
	{FILE_OF(INSTANCE, CONFIG_DB "," STATE_DB), "F: DATABASES.APPL_DB: is missing" ALLOWED_DATABASE},
	{FILE_OF(INSTANCE, CONFIG_DB "," APPL_DB), "F: DATABASES.STATE_DB: is missing" ALLOWED_DATABASE},
};

static void bad_texts(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct dbconfig *c;
		char error[256] = "";
		int r = dbconfig_parse(&c, "F", bad[i].text, strlen(bad[i].text), error, sizeof(error));

		assert_string_equal(error, bad[i].complaint);
		assert_int_equal(r, -EINVAL);
		assert_null(c);
	}
}

static void length_of_socket_path(void **state)
{
	char text[1024], path[110], error[512];
	struct dbconfig *c;

	(void)state;
	memset(path, 'a', sizeof(path) - 1);
	path[109] = '\0';
	(void)snprintf(text, sizeof(text), WITH_INSTANCE("{\"unix_socket_path\":\"/%.106s\"}"), path);
	assert_int_equal(dbconfig_parse(&c, "F", text, strlen(text), error, sizeof(error)), 0);
	assert_int_equal(strlen(dbconfig_get(c, "APPL_DB")->unix_socket), 107);
	dbconfig_free(c);
	(void)snprintf(text, sizeof(text), WITH_INSTANCE("{\"unix_socket_path\":\"/%.107s\"}"), path);
	assert_int_equal(dbconfig_parse(&c, "F", text, strlen(text), error, sizeof(error)), -EINVAL);
	assert_non_null(strstr(error, "F: INSTANCES.r.unix_socket_path: \"/aaaa"));
	assert_non_null(strstr(error, "...\" is too long; allowed: an absolute path of at most 107 bytes"));
}

static void nul_byte_inside(void **state)
{
	static const char text[] = "{\"INSTANCES\":\0{}}";
	struct dbconfig *c;
	char error[256];

	(void)state;
	assert_int_equal(dbconfig_parse(&c, "F", text, sizeof(text) - 1, error, sizeof(error)), -EINVAL);
	assert_memory_equal(error, "F:1:", 4);
	assert_null(c);
}

static void small_error_buffer(void **state)
{
	struct dbconfig *c;
	char error[8];

	(void)state;
	assert_int_equal(dbconfig_parse(&c, "file", "[]", 2, error, sizeof(error)), -EINVAL);
	assert_string_equal(error, "file: i");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(single_instance),    cmocka_unit_test(several_instances),
		cmocka_unit_test(tables_with_events), cmocka_unit_test(missing_file),
		cmocka_unit_test(what_is_no_file),    cmocka_unit_test(good_texts),
		cmocka_unit_test(bad_texts),          cmocka_unit_test(length_of_socket_path),
		cmocka_unit_test(nul_byte_inside),    cmocka_unit_test(small_error_buffer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
