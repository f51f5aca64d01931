/* SPDX-License-Identifier: Apache-2.0 */
/* The command line, what takes precedence, and --check-config. */
#include "config/config.h"

#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "base/util.h"
#include "config_fixture.h"

#define OPTIONS                                                                                                        \
	"-c/--config FILE, --database-config FILE, -n/--namespace NAME, --database-global FILE, "                      \
	"--netns NAME, --log-level LEVEL, --log-target TARGET, --sandbox on|off, --check-config, "                     \
	"--show-config, --dry-run, --once, --replay FILE, --realtime, "                                                \
	"-h/--help, -V/--version"
#define NETNS "; allowed: 1..255 bytes without '/', not . or ..\n"
#define NAMESPACE "; allowed: 1..255 printable bytes without '/'\n"

static const struct {
	const char *args[4], *complaint;
} bad_lines[] = {
	{{"--bogus"}, "portsyncd: --bogus: unknown option; allowed: " OPTIONS "\n"},
	{{"--bogus=1"}, "portsyncd: --bogus: unknown option; allowed: " OPTIONS "\n"},
	{{"--log=debug"}, "portsyncd: --log: ambiguous option; allowed: " OPTIONS "\n"},
	{{"-x"}, "portsyncd: -x: unknown option; allowed: " OPTIONS "\n"},
	{{"--dry-run", "-xc"}, "portsyncd: -x: unknown option; allowed: " OPTIONS "\n"},
	{{"-\xff"}, "portsyncd: -\\xff: unknown option; allowed: " OPTIONS "\n"},
	{{"-c"}, "portsyncd: -c: value is missing; allowed: " OPTIONS "\n"},
	{{"--config"}, "portsyncd: --config: value is missing; allowed: " OPTIONS "\n"},
	{{"--netns"}, "portsyncd: --netns: value is missing; allowed: " OPTIONS "\n"},
	{{"--help=all"}, "portsyncd: --help: takes no value; allowed: " OPTIONS "\n"},
	{{"--dry-run=1"}, "portsyncd: --dry-run: takes no value; allowed: " OPTIONS "\n"},
	{{"start"}, "portsyncd: start: stray argument; allowed: " OPTIONS "\n"},
	{{"--", "--help"}, "portsyncd: --help: stray argument; allowed: " OPTIONS "\n"},
	{{"--log-level", "loud"}, "portsyncd: --log-level: \"loud\" is not a level; allowed: " LEVELS "\n"},
	{{"--log-target", "x"},
	 "portsyncd: --log-target: \"x\" is not a target; allowed: auto, journal, syslog, rfc5424, stderr\n"},
	{{"--config", ""}, "portsyncd: --config: \"\" is not a path; allowed: a path of 1..4095 bytes\n"},
	{{"--database-config", ""},
	 "portsyncd: --database-config: \"\" is not a path; allowed: a path of 1..4095 bytes\n"},
	{{"--netns", ""}, "portsyncd: --netns: \"\" is not a name" NETNS},
	{{"--netns", "a/b"}, "portsyncd: --netns: \"a/b\" is not a name" NETNS},
	{{"--netns", ".."}, "portsyncd: --netns: \"..\" is not a name" NETNS},
	{{"-n"}, "portsyncd: -n: value is missing; allowed: " OPTIONS "\n"},
	{{"--namespace"}, "portsyncd: --namespace: value is missing; allowed: " OPTIONS "\n"},
	{{"--database-global"}, "portsyncd: --database-global: value is missing; allowed: " OPTIONS "\n"},
	{{"--database=x"}, "portsyncd: --database: ambiguous option; allowed: " OPTIONS "\n"},
	{{"--database-global", ""},
	 "portsyncd: --database-global: \"\" is not a path; allowed: a path of 1..4095 bytes\n"},
	{{"--namespace", ""}, "portsyncd: --namespace: \"\" is not a name" NAMESPACE},
	{{"-n", "a/b"}, "portsyncd: --namespace: \"a/b\" is not a name" NAMESPACE},
	{{"-n", "asic0\n"}, "portsyncd: --namespace: \"asic0\\x0a\" is not a name" NAMESPACE},
	{{"-n\xc3\xa4"}, "portsyncd: --namespace: \"\\xc3\\xa4\" is not a name" NAMESPACE},
	{{"-nasic0", "--database-config=d.json"},
	 "portsyncd: --namespace: given together with --database-config; allowed: either\n"},
	{{"--replay", "", "--dry-run"}, "portsyncd: --replay: \"\" is not a path; allowed: a path of 1..4095 bytes\n"},
	{{"--replay", "x.pcapng"},
	 "portsyncd: --replay: the destination is missing; allowed: together with --dry-run (as text), or with "
	 "--database-config or --config, which name the Redis to write to\n"},
	{{"--realtime"}, "portsyncd: --realtime: given without --replay; allowed: together with it\n"},
	{{"-c", "none"}, "portsyncd: --config: none: No such file or directory; allowed: a file that exists\n"},
};

static void bad_command_lines(void **state)
{
	struct config c;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad_lines); i++) {
		assert_int_equal(load(&c, bad_lines[i].args), CONFIG_BAD);
		assert_string_equal(captured, bad_lines[i].complaint);
		assert_string_equal(answered, "");
	}
}

static void long_names_of_flags(void **state)
{
	char name[PATH_MAX + 1];
	struct config c;

	(void)state;
	write_text("F", "");
	memset(name, 'a', sizeof(name) - 1);
	name[PATH_MAX] = '\0';
	assert_int_equal(LOAD(&c, "--database-config", name), CONFIG_BAD);
	assert_int_equal(LOAD(&c, "-c", "F", "--database-config", name + 1), CONFIG_RUN);
	assert_string_equal(c.database_config, name + 1);
	assert_int_equal(LOAD(&c, "--netns", name + PATH_MAX - 256), CONFIG_BAD);
	assert_int_equal(LOAD(&c, "-c", "F", "--netns", name + PATH_MAX - 255), CONFIG_RUN);
	assert_int_equal(strlen(c.netns), 255);
	assert_int_equal(LOAD(&c, "-n", name + PATH_MAX - 256), CONFIG_BAD);
	assert_int_equal(LOAD(&c, "-c", "F", "-n", name + PATH_MAX - 255), CONFIG_RUN);
	assert_int_equal(strlen(c.namespace_name), 255);
	assert_int_equal(LOAD(&c, "--database-global", name), CONFIG_BAD);
	assert_int_equal(LOAD(&c, "-c", "F", "--database-global", name + 1), CONFIG_RUN);
	assert_string_equal(c.database_global, name + 1);
}

static void help_and_version(void **state)
{
	static const char *const shown[] = {"-c, --config FILE ",
					    "--database-config FILE ",
					    "-n, --namespace NAME ",
					    "the links are chosen by --netns alone\n",
					    "--database-global FILE ",
					    "--netns NAME ",
					    "--log-level LEVEL ",
					    "--log-target TARGET ",
					    "--check-config ",
					    "--dry-run ",
					    "-h, --help ",
					    "-V, --version ",
					    "PORTSYNCD_LOG_LEVEL ",
					    CONFIG_DEFAULT_PATH,
					    CONFIG_DATABASES_PATH,
					    CONFIG_DATABASE_GLOBAL_PATH,
					    "Exit codes: 0 ",
					    "database.redis_port: ",
					    "an integer 1..65535; default not set\n",
					    "CPUs 0..1023 as in 0-1,3, or \"\"; default not set\n",
					    "an integer 1..86400; default 60\n"};
	struct config c;

	(void)state;
	write_text("F", "broken");
	assert_int_equal(LOAD(&c, "-c", "F", "-h"), CONFIG_DONE);
	assert_string_equal(captured, "");
	for (size_t i = 0; i < ARRAY_SIZE(shown); i++)
		assert_non_null(strstr(answered, shown[i]));
	assert_int_equal(LOAD(&c, "--help"), CONFIG_DONE);
	assert_int_equal(LOAD(&c, "--config=F", "--version"), CONFIG_DONE);
	assert_string_equal(answered, "portsyncd " PORTSYNCD_VERSION "\n");
	assert_int_equal(LOAD(&c, "-V"), CONFIG_DONE);
	assert_string_equal(answered, "portsyncd " PORTSYNCD_VERSION "\n");
	assert_string_equal(captured, "");
}

static void every_flag(void **state)
{
	struct config c;

	(void)state;
	write_text("F", "");
	assert_int_equal(LOAD(&c, "--dry-run", "-cF", "--netns=blue", "--database-config", "d.json",
			      "--log-level=ERROR", "--log-target", "Journal"),
			 CONFIG_RUN);
	assert_string_equal(captured, "");
	assert_true(c.dry_run);
	assert_false(c.check_config);
	assert_string_equal(c.netns, "blue");
	assert_string_equal(c.database_config, "d.json");
	assert_int_equal(c.log_level, LOG_ERR);
	assert_int_equal(c.log_target, LOG_TARGET_JOURNAL);
}

static void flag_of_a_namespace(void **state)
{
	struct config c;

	(void)state;
	write_text("F", "[database]\ndatabase_config = /f\n");
	assert_int_equal(LOAD(&c, "-cF", "-n", "asic0"), CONFIG_RUN);
	assert_string_equal(c.namespace_name, "asic0");
	assert_string_equal(c.database_global, "");
	assert_string_equal(c.netns, "");
	assert_int_equal(LOAD(&c, "-cF", "--namespace=dpu 0", "--database-global", "g.json", "--netns", "n"),
			 CONFIG_RUN);
	assert_string_equal(c.namespace_name, "dpu 0");
	assert_string_equal(c.database_global, "g.json");
	assert_string_equal(c.netns, "n");
}

/* What the file says was not chosen: LOGGER in CONFIG_DB overrides it. */
static void who_chose_the_log(void **state)
{
	struct config c;

	(void)state;
	write_text("F", "[log]\nlevel = crit\ntarget = syslog\n");
	assert_int_equal(LOAD(&c, "-cF"), CONFIG_RUN);
	assert_false(c.level_chosen || c.target_chosen);
	assert_int_equal(LOAD(&c, "-cF", "--log-level", "info"), CONFIG_RUN);
	assert_true(c.level_chosen && !c.target_chosen);
	assert_int_equal(LOAD(&c, "-cF", "--log-target", "auto"), CONFIG_RUN);
	assert_true(!c.level_chosen && c.target_chosen);
	assert_int_equal(setenv("PORTSYNCD_LOG_LEVEL", "info", 1), 0);
	assert_int_equal(LOAD(&c, "-cF"), CONFIG_RUN);
	assert_true(c.level_chosen && !c.target_chosen);
	assert_int_equal(LOAD(&c, "-cF", "--log-level", "debug"), CONFIG_RUN);
	assert_true(c.level_chosen);
	assert_int_equal(setenv("PORTSYNCD_LOG_LEVEL", "", 1), 0);
	assert_int_equal(LOAD(&c, "-cF"), CONFIG_RUN);
	assert_false(c.level_chosen);
	assert_int_equal(unsetenv("PORTSYNCD_LOG_LEVEL"), 0);
}

/* flags > environment > file > default, wherever -c stands */
static void order_of_precedence(void **state)
{
	struct config c;

	(void)state;
	write_text("F", "[log]\nlevel = crit\ntarget = syslog\n[database]\ndatabase_config = /f\n");
	assert_int_equal(LOAD(&c, "-c", "F"), CONFIG_RUN);
	assert_int_equal(c.log_level, LOG_CRIT);
	assert_int_equal(c.log_target, LOG_TARGET_SYSLOG);
	assert_string_equal(c.database_config, "/f");
	assert_int_equal(setenv("PORTSYNCD_LOG_LEVEL", "info", 1), 0);
	assert_int_equal(LOAD(&c, "-c", "F"), CONFIG_RUN);
	assert_int_equal(c.log_level, LOG_INFO);
	assert_int_equal(
		LOAD(&c, "--log-level", "debug", "--log-target", "stderr", "--database-config", "/a", "-c", "F"),
		CONFIG_RUN);
	assert_int_equal(c.log_level, LOG_DEBUG);
	assert_int_equal(c.log_target, LOG_TARGET_STDERR);
	assert_string_equal(c.database_config, "/a");
	assert_int_equal(setenv("PORTSYNCD_LOG_LEVEL", "", 1), 0);
	assert_int_equal(LOAD(&c, "-c", "F"), CONFIG_RUN);
	assert_int_equal(c.log_level, LOG_CRIT);
	assert_int_equal(setenv("PORTSYNCD_LOG_LEVEL", "loud", 1), 0);
	assert_int_equal(LOAD(&c, "-c", "F"), CONFIG_BAD);
	assert_string_equal(captured, "portsyncd: PORTSYNCD_LOG_LEVEL: \"loud\" is not a level; allowed: " LEVELS "\n");
	assert_int_equal(unsetenv("PORTSYNCD_LOG_LEVEL"), 0);
}

static void configuration_is_checked(void **state)
{
	static const char databases[] = TEST_DATA "/database_config.json";
	static const char broken[] = "portsyncd: none.json: No such file or directory; "
				     "allowed: a readable file of at most 1048576 bytes\n"
				     "F:2: database.redis_password_file: /nowhere: No such file or directory; "
				     "allowed: a readable file of at most 4096 bytes\n";
	struct config c;

	(void)state;
	write_text("F", "");
	assert_int_equal(LOAD(&c, "--check-config", "-cF", "--database-config", databases), CONFIG_DONE);
	assert_string_equal(answered, "portsyncd: configuration is good\n");
	assert_string_equal(captured, "");
	write_text("F", "[database]\nredis_password_file = /nowhere\n");
	assert_int_equal(LOAD(&c, "--check-config", "-cF", "--database-config", "none.json"), CONFIG_BAD);
	assert_string_equal(answered, "");
	assert_string_equal(captured, broken);
	write_text("F", "[log]\nlevel = 3\n");
	assert_int_equal(LOAD(&c, "--check-config", "-cF"), CONFIG_BAD);
	assert_string_equal(captured, "F:2: log.level: \"3\" is not a level; allowed: " LEVELS "\n");
}

static void check_config_of_a_namespace(void **state)
{
	static const char unknown[] = "portsyncd: G: INCLUDES: \"asic1\" is the name of no entry; "
				      "allowed: asic0, dpu0\n";
	struct config c;

	(void)state;
	write_text("F", "[database]\ndatabase_config = /nowhere\n");
	write_text("G", "{\"INCLUDES\":[{\"namespace\":\"asic0\",\"include\":\"" TEST_DATA
			"/database_config.json\"},{\"container_name\":\"dpu0\",\"include\":\"none.json\"}]}");
	assert_int_equal(LOAD(&c, "--check-config", "-cF", "--database-global=G", "-nasic0"), CONFIG_DONE);
	assert_string_equal(answered, "portsyncd: configuration is good\n");
	assert_string_equal(captured, "");
	assert_int_equal(LOAD(&c, "--check-config", "-cF", "--database-global=./G", "-ndpu0"), CONFIG_BAD);
	assert_string_equal(captured, "portsyncd: ./none.json: No such file or directory; "
				      "allowed: a readable file of at most 1048576 bytes\n");
	assert_int_equal(LOAD(&c, "--check-config", "-cF", "--database-global=G", "-nasic1"), CONFIG_BAD);
	assert_string_equal(captured, unknown);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_command_lines),
		cmocka_unit_test(long_names_of_flags),
		cmocka_unit_test(help_and_version),
		cmocka_unit_test(every_flag),
		cmocka_unit_test(flag_of_a_namespace),
		cmocka_unit_test(who_chose_the_log),
		cmocka_unit_test(order_of_precedence),
		cmocka_unit_test(configuration_is_checked),
		cmocka_unit_test(check_config_of_a_namespace),
	};

	return cmocka_run_group_tests(tests, config_setup, config_teardown);
}
