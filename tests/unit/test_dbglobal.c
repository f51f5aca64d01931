/* SPDX-License-Identifier: Apache-2.0 */
#include "sonic/dbconfig.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "scratch.h"

#define FILE_OF(entries) "{\"INCLUDES\":[" entries "],\"VERSION\":\"1.0\"}"
#define HOST "{\"include\":\"../../redis/sonic-db/database_config.json\"}"
#define ASIC0 "{\"namespace\":\"asic0\",\"include\":\"../../redis0/sonic-db/database_config.json\"}"
#define ASIC1 "{\"namespace\":\"asic1\",\"include\":\"/abs/database_config.json\"}"
#define DPU0 "{\"container_name\":\"dpu0\",\"include\":\"../../redisdpu0/sonic-db/database_config.json\"}"
#define SONIC FILE_OF(HOST "," ASIC0 "," ASIC1 "," DPU0)
#define ALLOWED_SIZE "; allowed: a readable file of at most 1048576 bytes"
#define ALLOWED_JSON "; allowed: database_global.json of SONiC"
#define ALLOWED_ENTRY "; allowed: an object with namespace or container_name, and include"
#define ALLOWED_INCLUDE "; allowed: the path of a database_config.json"

/* The tests run in a directory of their own, so that messages hold short names. */
static char directory[SCRATCH_BYTES];

static void write_text(const char *path, const char *text)
{
	int fd cleanup(close_fd) = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write_all(fd, text, strlen(text)), 0);
}

static void assert_resolved(const char *file, const char *name, const char *expected)
{
	char path[PATH_MAX], error[256] = "";
	int r = dbconfig_resolve(file, name, path, sizeof(path), error, sizeof(error));

	assert_string_equal(error, "");
	assert_int_equal(r, 0);
	assert_string_equal(path, expected);
}

static void assert_refused(const char *file, const char *name, int expected, const char *complaint)
{
	char path[PATH_MAX] = "x", error[1024] = "";
	int r = dbconfig_resolve(file, name, path, sizeof(path), error, sizeof(error));

	assert_string_equal(error, complaint);
	assert_int_equal(r, expected);
	assert_string_equal(path, "");
}

static void names_of_sonic(void **state)
{
	char file[80], expected[128];

	(void)state;
	write_text("G", SONIC);
	(void)snprintf(file, sizeof(file), "%s/G", directory);
	(void)snprintf(expected, sizeof(expected), "%s/../../redis0/sonic-db/database_config.json", directory);
	assert_resolved(file, "asic0", expected);
	(void)snprintf(expected, sizeof(expected), "%s/../../redisdpu0/sonic-db/database_config.json", directory);
	assert_resolved(file, "dpu0", expected);
	assert_resolved(file, "asic1", "/abs/database_config.json");
}

static void path_of_the_global_file(void **state)
{
	(void)state;
	write_text("G", FILE_OF("{\"namespace\":\"a\",\"include\":\"b/c.json\"}"));
	assert_resolved("G", "a", "b/c.json");
	assert_resolved("./G", "a", "./b/c.json");
	assert_resolved(".//./G", "a", ".//./b/c.json");
}

static const struct {
	const char *text, *name, *path;
} good[] = {
	{FILE_OF("{\"namespace\":\"\",\"container_name\":\"dpu0\",\"include\":\"/d\"}"), "dpu0", "/d"},
	{FILE_OF("{\"namespace\":\"a\",\"container_name\":\"b\",\"include\":\"/d\"}"), "a", "/d"},
	{FILE_OF("{\"namespace\":\"a\",\"container_name\":\"b\",\"include\":\"/d\"}"), "b", "/d"},
	{FILE_OF("{\"namespace\":\"a\",\"container_name\":\"a\",\"include\":\"/d\"}"), "a", "/d"},
	{FILE_OF("{\"namespace\":\"a b\",\"include\":\"/\xc3\xa4 \\\\\"}"), "a b", "/\xc3\xa4 \\"},
	/* Slips in what is not asked for. */
	{FILE_OF("{\"include\":1},{\"namespace\":\"b\"},{},{\"namespace\":\"a\",\"include\":\"/d\",\"x\":[]}"), "a",
	 "/d"},
	{FILE_OF("{\"namespace\":\"b\"},{\"namespace\":\"b\"},{\"namespace\":\"a\",\"include\":\"/d\"}"), "a", "/d"},
};

static void good_texts(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		write_text("G", good[i].text);
		assert_resolved("G", good[i].name, good[i].path);
	}
}

static const struct {
	const char *text, *name, *complaint;
} bad[] = {
	{"", "a", "G:1:0: not JSON: '[' or '{' expected near end of file" ALLOWED_JSON},
	{"{\n\"INCLUDES\": ]", "a", "G:2:13: not JSON: unexpected token near ']'" ALLOWED_JSON},
	{"{\"a\":1,\"a\":2}", "a", "G:1:10: not JSON: duplicate object key near '\"a\"'" ALLOWED_JSON},
	{"[]", "a", "G: is an array; allowed: an object with INCLUDES"},
	{"{}", "a", "G: INCLUDES: is missing; allowed: an array of objects"},
	{"{\"INCLUDES\":{}}", "a", "G: INCLUDES: is an object; allowed: an array of objects"},

	{FILE_OF("1"), "a", "G: INCLUDES[0]: is an integer" ALLOWED_ENTRY},
	{FILE_OF(ASIC0 ",[]"), "asic0", "G: INCLUDES[1]: is an array" ALLOWED_ENTRY},
	{FILE_OF(ASIC0 ",{\"namespace\":1}"), "asic0", "G: INCLUDES[1].namespace: is an integer; allowed: a name"},
	{FILE_OF("{\"namespace\":\"a\",\"container_name\":null}"), "a",
	 "G: INCLUDES[0].container_name: is null; allowed: a name"},

	{SONIC, "asic9", "G: INCLUDES: \"asic9\" is the name of no entry; allowed: asic0, asic1, dpu0"},
	{SONIC, "ASIC0", "G: INCLUDES: \"ASIC0\" is the name of no entry; allowed: asic0, asic1, dpu0"},
	{SONIC, "a\n\xff", "G: INCLUDES: \"a\\x0a\\xff\" is the name of no entry; allowed: asic0, asic1, dpu0"},
	{FILE_OF(""), "a", "G: INCLUDES: \"a\" is the name of no entry; allowed: nothing, since no entry has a name"},
	{FILE_OF(HOST ",{\"namespace\":\"\"}"), "a",
	 "G: INCLUDES: \"a\" is the name of no entry; allowed: nothing, since no entry has a name"},
	{FILE_OF("{\"namespace\":\"b\\n\",\"container_name\":\"c\"}"), "a",
	 "G: INCLUDES: \"a\" is the name of no entry; allowed: b\\x0a, c"},

	{FILE_OF(ASIC0 "," HOST "," ASIC0), "asic0",
	 "G: INCLUDES[2].namespace: \"asic0\" is the name of INCLUDES[0], too; allowed: one entry of a name"},
	{FILE_OF(HOST ",{\"namespace\":\"dpu0\"}," DPU0), "dpu0",
	 "G: INCLUDES[2].container_name: \"dpu0\" is the name of INCLUDES[1], too; allowed: one entry of a name"},

	{FILE_OF("{\"namespace\":\"a\"}"), "a", "G: INCLUDES[0].include: is missing" ALLOWED_INCLUDE},
	{FILE_OF(HOST ",{\"namespace\":\"a\",\"include\":\"\"}"), "a",
	 "G: INCLUDES[1].include: is empty" ALLOWED_INCLUDE},
	{FILE_OF("{\"namespace\":\"a\",\"include\":[\"/x\"]}"), "a",
	 "G: INCLUDES[0].include: is an array" ALLOWED_INCLUDE},
	{FILE_OF("{\"namespace\":\"a\",\"include\":\"/x\\n\"}"), "a",
	 "G: INCLUDES[0].include: \"/x\\x0a\" has control characters; allowed: a path without control characters"},
};

static void bad_texts(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		write_text("G", bad[i].text);
		assert_refused("G", bad[i].name, -EINVAL, bad[i].complaint);
	}
}

static void what_is_no_file(void **state)
{
	(void)state;
	assert_refused("none", "a", -ENOENT, "none: No such file or directory" ALLOWED_SIZE);
	assert_refused("/", "a", -EISDIR, "/: Is a directory" ALLOWED_SIZE);
	assert_refused("/dev/null", "a", -ENOTSUP, "/dev/null: not a regular file" ALLOWED_SIZE);
	write_text("G", SONIC);
	assert_int_equal(truncate("G", DBCONFIG_MAX_BYTES + 1), 0);
	assert_refused("G", "a", -EFBIG, "G: File too large" ALLOWED_SIZE);
}

static void length_of_the_path(void **state)
{
	char text[8192], include[5001], path[16], error[256] = "";

	(void)state;
	write_text("G", FILE_OF("{\"namespace\":\"a\",\"include\":\"0123456789.json\"}"));
	assert_int_equal(dbconfig_resolve("G", "a", path, sizeof(path), error, sizeof(error)), 0);
	assert_string_equal(path, "0123456789.json");
	assert_int_equal(dbconfig_resolve("G", "a", path, sizeof(path) - 1, error, sizeof(error)), -EINVAL);
	assert_string_equal(error, "G: INCLUDES[0].include: makes a path of 15 bytes; allowed: at most 14");
	assert_int_equal(dbconfig_resolve("./G", "a", path, sizeof(path), error, sizeof(error)), -EINVAL);
	assert_string_equal(error, "./G: INCLUDES[0].include: makes a path of 17 bytes; allowed: at most 15");
	assert_string_equal(path, "");
	memset(include, 'a', sizeof(include) - 1);
	include[5000] = '\0';
	(void)snprintf(text, sizeof(text), FILE_OF("{\"namespace\":\"a\",\"include\":\"%s\"}"), include);
	write_text("G", text);
	assert_refused("G", "a", -EINVAL, "G: INCLUDES[0].include: makes a path of 5000 bytes; allowed: at most 4095");
}

/* However many names there are, and however long, the line ends. */
static void many_names(void **state)
{
	char text[8192] = "{\"INCLUDES\":[", path[64], error[1024];
	size_t at = strlen(text), len;

	(void)state;
	for (int i = 0; i < 200; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s{\"namespace\":\"asic%d\"}", i > 0 ? "," : "",
				       i);
	(void)snprintf(text + at, sizeof(text) - at, "]}");
	write_text("G", text);
	assert_int_equal(dbconfig_resolve("G", "a", path, sizeof(path), error, sizeof(error)), -EINVAL);
	assert_non_null(strstr(error, "allowed: asic0, asic1, asic2, "));
	len = strlen(error);
	assert_true(len > 500 && len < 600);
	assert_string_equal(error + len - 3, "...");
}

static void small_error_buffer(void **state)
{
	char path[64], error[8];

	(void)state;
	write_text("G", "[]");
	assert_int_equal(dbconfig_resolve("G", "a", path, sizeof(path), error, sizeof(error)), -EINVAL);
	assert_string_equal(error, "G: is a");
}

static int setup(void **state)
{
	(void)state;
	scratch_make(directory);
	return chdir(directory) < 0;
}

static int teardown(void **state)
{
	(void)state;
	scratch_remove(directory);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_of_sonic),  cmocka_unit_test(path_of_the_global_file),
		cmocka_unit_test(good_texts),      cmocka_unit_test(bad_texts),
		cmocka_unit_test(what_is_no_file), cmocka_unit_test(length_of_the_path),
		cmocka_unit_test(many_names),      cmocka_unit_test(small_error_buffer),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
