/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "base/cpulist.h"
#include "base/util.h"
#include "config_fixture.h"
#include "http/options.h"
#include "settings/settings.h"

#define SECTIONS "[database] [performance] [health] [http] [sonic] [security] [state] [recorder] [log]"
#define PORTS "; allowed: an integer 1..65535\n"
#define CPUS "; allowed: CPUs 0..1023 as in 0-1,3, or \"\"\n"
#define ADDRESSES "; allowed: at most 8 as in 127.0.0.1:10187, [::1]:10187, or \"\"\n"
#define NO_KEY "line without 'key ='; allowed: [section], key = value, # comment\n"
#define UTF8 "allowed: UTF-8 without control characters\n"
#define SHAPE "allowed: a value bare or in double quotes, without quotes or \\ in it"

static void defaults(void **state)
{
	struct config c;

	(void)state;
	memset(&c, 0xff, sizeof(c));
	config_defaults(&c);
	assert_string_equal(c.database_config, "");
	assert_string_equal(c.redis_host, "");
	assert_int_equal(c.redis_port, 0);
	assert_string_equal(c.redis_unix_socket, "");
	assert_int_equal(c.connection_timeout_secs, 5);
	assert_string_equal(c.redis_username, "");
	assert_string_equal(c.redis_password_file, "");
	assert_int_equal(c.redis_pipeline_depth, 1000);
	assert_int_equal(c.gather_usecs, 1000);
	assert_int_equal(c.settle_ms, 100);
	assert_int_equal(c.reply_delay_usecs, 10000);
	assert_int_equal(c.receive_buffer_bytes, 16777216);
	assert_true(c.lock_memory);
	assert_int_equal(CPU_COUNT(&c.cpu_affinity), 0);
	assert_int_equal(c.http_listen.n, 2);
	assert_string_equal(c.http_listen.item[0], "127.0.0.1:10187");
	assert_string_equal(c.http_listen.item[1], "[::1]:10187");
	assert_string_equal(c.http_unix_socket, "/run/portsyncd/http.sock");
	assert_string_equal(c.http_cert, "");
	assert_string_equal(c.http_key, "");
	assert_string_equal(c.http_ca, "");
	assert_int_equal(c.http_max_clients, 64);
	assert_int_equal(c.http_timeout_secs, 10);
	assert_int_equal(c.reconcile_interval_secs, 60);
	assert_int_equal(c.keep_rows_secs, 60);
	assert_int_equal(c.log_level, LOG_NOTICE);
	assert_int_equal(c.log_target, LOG_TARGET_AUTO);
	assert_string_equal(c.netns, "");
	assert_string_equal(c.namespace_name, "");
	assert_string_equal(c.database_global, "");
	assert_false(c.check_config || c.dry_run || c.level_chosen || c.target_chosen);
}

static const struct {
	const char *text, *complaint;
} replaced[] = {
	{"[performance]\nmax_event_queue = 1000\n",
	 "F:2: performance.max_event_queue: no longer a key; allowed: performance.redis_pipeline_depth\n"},
	{"[performance]\nmax_latency_us = x\n",
	 "F:2: performance.max_latency_us: no longer a key; allowed: health.max_latency_usecs\n"},
	{"[performance]\nnice = -5\n",
	 "F:2: performance.nice: no longer a key; allowed: Nice= of the systemd unit, or nice(1)\n"},
	{"[metrics]\nenabled = false\n",
	 "F:2: metrics.enabled: no longer a key; allowed: http.listen and http.unix_socket, both empty, "
	 "to turn HTTP off\n"},
	{"[metrics]\nretention_days = 30\nenable = true\n",
	 "F:2: metrics.retention_days: no longer a key; allowed: nothing in its place, it had no effect\n"
	 "F:3: metrics.enable: unknown key; allowed: none in this section\n"},
};

/* The line names what replaces the key; what is good counts, as beside any other fault. */
static void replaced_keys(void **state)
{
	struct config c;
	char text[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(replaced); i++) {
		(void)snprintf(text, sizeof(text), "%s[http]\nmax_clients = 5\n", replaced[i].text);
		assert_int_equal(read_text(&c, text), -EINVAL);
		assert_string_equal(captured, replaced[i].complaint);
		assert_int_equal(c.http_max_clients, 5);
	}
}

static void own_keys(void **state)
{
	struct config c;

	(void)state;
	assert_int_equal(read_text(&c, "[database]\n"
				       "database_config=/a/b.json\nredis_unix_socket = \"/run/r#1.sock\"  # comment\n"
				       "redis_username = so ;nic # bare\n"
				       "redis_password_file = \"/etc/p w\"\r\n"
				       "[ performance ] # kernel\n\treceive_buffer_bytes\t=\t4096\ngather_usecs=24"
				       "\n[sonic]\nreconcile_interval_secs = \"86400\"\n"
				       "[log]\nlevel = Debug\ntarget = syslog"),
			 0);
	assert_string_equal(captured, "");
	assert_string_equal(c.database_config, "/a/b.json");
	assert_string_equal(c.redis_unix_socket, "/run/r#1.sock");
	assert_string_equal(c.redis_username, "so ;nic");
	assert_string_equal(c.redis_password_file, "/etc/p w");
	assert_int_equal(c.receive_buffer_bytes, 4096);
	assert_int_equal(c.gather_usecs, 24);
	assert_int_equal(c.reconcile_interval_secs, 86400);
	assert_int_equal(c.log_level, LOG_DEBUG);
	assert_int_equal(c.log_target, LOG_TARGET_SYSLOG);
}

/* Each value outside its range, then both ends of the range: as they are read, so they stand in the struct. */
static const struct {
	const char *name, *low, *min, *max, *high, *allowed;
	size_t field;
} tuning_ranges[] = {
	{"reply_delay_usecs", "-1", "0", "100000", "100001", "0..100000", offsetof(struct config, reply_delay_usecs)},
};

static int read_tuning(struct config *config, const char *name, const char *value)
{
	char text[256];

	(void)snprintf(text, sizeof(text), "[performance]\n%s = %s\n", name, value);
	return read_text(config, text);
}

static void assert_out_of_range(const char *name, const char *value, const char *allowed)
{
	struct config c;
	char expected[256];

	assert_int_equal(read_tuning(&c, name, value), -EINVAL);
	(void)snprintf(expected, sizeof(expected),
		       "F:2: performance.%s: \"%s\" is out of range; allowed: an integer %s\n", name, value, allowed);
	assert_string_equal(captured, expected);
}

static void assert_read_as_it_is(const char *name, const char *value, size_t field)
{
	struct config c;
	char text[32];
	long got;

	assert_int_equal(read_tuning(&c, name, value), 0);
	memcpy(&got, (const char *)&c + field, sizeof(got));
	(void)snprintf(text, sizeof(text), "%ld", got);
	assert_string_equal(text, value);
}

static void ranges_of_the_tuning_keys(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(tuning_ranges); i++) {
		assert_out_of_range(tuning_ranges[i].name, tuning_ranges[i].low, tuning_ranges[i].allowed);
		assert_out_of_range(tuning_ranges[i].name, tuning_ranges[i].high, tuning_ranges[i].allowed);
		assert_read_as_it_is(tuning_ranges[i].name, tuning_ranges[i].min, tuning_ranges[i].field);
		assert_read_as_it_is(tuning_ranges[i].name, tuning_ranges[i].max, tuning_ranges[i].field);
	}
}

static void memory_is_locked(void **state)
{
	struct config c;

	(void)state;
	assert_int_equal(read_tuning(&c, "lock_memory", "false"), 0);
	assert_false(c.lock_memory);
}

static void affinity_of_cpus(void **state)
{
	static const struct {
		const char *value, *same;
	} lists[] = {
		{"\"\"", ""},         {"0", "0"},           {"0-1,3", "0-1,3"},
		{"1023", "1023"},     {"3,1,0,1", "0-1,3"}, {"\"2-5\" # CPUs", "2-5"},
		{"0-1023", "0-1023"},
	};
	struct config c;
	char text[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		assert_int_equal(read_tuning(&c, "cpu_affinity", lists[i].value), 0);
		assert_string_equal(cpulist_format(&c.cpu_affinity, text, sizeof(text)), lists[i].same);
	}
}

static void http_addresses(void **state)
{
	struct config c;

	(void)state;
	assert_int_equal(read_text(&c, "[http]\nlisten = \"\"\n"), 0);
	assert_int_equal(c.http_listen.n, 0);
	assert_int_equal(read_text(&c, "[http]\nlisten = \" 127.0.0.2:1 ,[::1]:65535\" # two\n"), 0);
	assert_int_equal(c.http_listen.n, 2);
	assert_string_equal(c.http_listen.item[0], "127.0.0.2:1");
	assert_string_equal(c.http_listen.item[1], "[::1]:65535");
	assert_int_equal(read_text(&c, "[http]\nlisten = [::1]:1,[::1]:2,[::1]:3,[::1]:4,[::1]:5,[::1]:6,[::1]:7,"
				       "[::1]:8\n"),
			 0);
	assert_int_equal(c.http_listen.n, 8);
}

static void options_of_http(void **state)
{
	struct http_options http;
	struct config c;

	(void)state;
	assert_int_equal(read_text(&c, "[http]\nlisten = 127.0.0.1:1\nunix_socket = \"\"\ncert = /c\nkey = /k\n"
				       "max_clients = 1024\ntimeout_secs = 3600\n"),
			 0);
	assert_true(settings_http(&c, &http));
	assert_int_equal(http.n_listen, 1);
	assert_string_equal(http.listen[0], "127.0.0.1:1");
	assert_null(http.unix_socket);
	assert_string_equal(http.cert, "/c");
	assert_string_equal(http.key, "/k");
	assert_null(http.ca);
	assert_int_equal(http.max_clients, 1024);
	assert_int_equal(http.timeout_secs, 3600);
}

/* Then nothing else of [http] is looked at. */
static void http_switched_off(void **state)
{
	struct http_options http;
	struct config c;

	(void)state;
	write_text("F", "[http]\nlisten = \"\"\nunix_socket = \"\"\nca = /a\n");
	assert_int_equal(LOAD(&c, "-c", "F"), CONFIG_RUN);
	assert_false(settings_http(&c, &http));
	write_text("F", "[http]\nca = /a\n");
	assert_int_equal(LOAD(&c, "-c", "F"), CONFIG_BAD);
	assert_string_equal(captured, "portsyncd: http.ca: set without http.cert and http.key; allowed: all three\n");
}

static void section_may_come_again(void **state)
{
	struct config c;

	(void)state;
	assert_int_equal(read_text(&c, "[database]\nredis_port = 1\n[log]\n[database]\nredis_host = a\n"), 0);
	assert_int_equal(c.redis_port, 1);
	assert_string_equal(c.redis_host, "a");
}

static void host_and_port_complete_each_other(void **state)
{
	struct config c;

	(void)state;
	assert_int_equal(read_text(&c, "[database]\nredis_host = \"::1\"\n"), 0);
	assert_string_equal(c.redis_host, "::1");
	assert_int_equal(c.redis_port, 6379);
	assert_int_equal(read_text(&c, "[database]\nredis_port = 65535\n"), 0);
	assert_string_equal(c.redis_host, "127.0.0.1");
	assert_int_equal(c.redis_port, 65535);
	assert_int_equal(read_text(&c, "[database]\nredis_host = \"\"\n"), 0);
	assert_string_equal(c.redis_host, "");
	assert_int_equal(c.redis_port, 0);
}

static const struct {
	const char *text, *complaint;
} faults[] = {
	{"\n[data]\nx = 1\n", "F:2: [data]: unknown section; allowed: " SECTIONS "\n"},
	{"[database\n", "F:1: \"[database\" is not a section; allowed: " SECTIONS "\n"},
	{"[database] x\n", "F:1: \"[database] x\" is not a section; allowed: " SECTIONS "\n"},
	{"[[log]]\n", "F:1: \"[[log]]\" is not a section; allowed: " SECTIONS "\n"},
	{"[Log]\n", "F:1: [Log]: unknown section; allowed: " SECTIONS "\n"},
	{"redis_port = 1\n", "F:1: redis_port: stands before any section; allowed: " SECTIONS "\n"},
	{"[log]\nlevels = info\n",
	 "F:2: log.levels: unknown key; allowed: level, target, rfc5424_to, limit_secs, limit_lines, audit\n"},
	{"[log]\nredis_port = 1\n",
	 "F:2: log.redis_port: unknown key; allowed: level, target, rfc5424_to, limit_secs, limit_lines, audit\n"},
	{"[log]\n\"level\" = info\n",
	 "F:2: log.\"level\": unknown key; allowed: level, target, rfc5424_to, limit_secs, limit_lines, audit\n"},
	{"[log]\nlevel info\n", "F:2: " NO_KEY},
	{"[log]\nlevel: info\n", "F:2: " NO_KEY},
	{"[log]\n= info\n", "F:2: " NO_KEY},
	{"[log]\n; old comment\n", "F:2: " NO_KEY},
	{"[log]\nlevel = info\n  notice\n", "F:3: " NO_KEY},
	{"[log]\nlevel =\n", "F:2: log.level: no value; " SHAPE "\n"},
	{"[log]\nlevel = # info\n", "F:2: log.level: no value; " SHAPE "\n"},
	{"[log]\nlevel = \"info # x\n", "F:2: log.level: unterminated quote; " SHAPE "\n"},
	{"[log]\nlevel = \"info\" x\n", "F:2: log.level: text after the closing quote; " SHAPE "\n"},
	{"[log]\nlevel = \"in\\\\fo\"\n", "F:2: log.level: backslash in quotes; " SHAPE "\n"},
	{"[log]\nlevel = 'info'\n", "F:2: log.level: quote in a bare value; " SHAPE "\n"},
	{"[log]\nlevel = loud\n", "F:2: log.level: \"loud\" is not a level; allowed: " LEVELS "\n"},
	{"[log]\nlevel = \"\"\n", "F:2: log.level: \"\" is not a level; allowed: " LEVELS "\n"},
	{"[log]\ntarget = file\n",
	 "F:2: log.target: \"file\" is not a target; allowed: auto, journal, syslog, rfc5424, stderr\n"},
	{"[log]\nlevel = info\n\nlevel = info\n", "F:4: log.level: already set in line 2; allowed: once\n"},
	{"[database]\nredis_port = 0\n", "F:2: database.redis_port: \"0\" is out of range" PORTS},
	{"[database]\nredis_port = 65536\n", "F:2: database.redis_port: \"65536\" is out of range" PORTS},
	{"[database]\nredis_port = 99999999999999999999\n",
	 "F:2: database.redis_port: \"99999999999999999999\" is out of range" PORTS},
	{"[database]\nredis_port = 6379.0\n", "F:2: database.redis_port: \"6379.0\" is not an integer" PORTS},
	{"[database]\nredis_port = 0x10\n", "F:2: database.redis_port: \"0x10\" is not an integer" PORTS},
	{"[database]\nredis_port = 1-1\n", "F:2: database.redis_port: \"1-1\" is not an integer" PORTS},
	{"[database]\nredis_port = \" 1\"\n", "F:2: database.redis_port: \" 1\" is not an integer" PORTS},
	{"[database]\nstate_db_number = 6\n",
	 "F:2: database.state_db_number: no longer a key; allowed: the number in the file that "
	 "database.database_config names\n"},
	{"[performance]\ndatagram_bytes = 4096\n",
	 "F:2: performance.datagram_bytes: no longer a key; allowed: nothing in its place, buffers grow when a link "
	 "needs it\n"},
	{"[sonic]\nkeep_rows_secs = -1\n",
	 "F:2: sonic.keep_rows_secs: \"-1\" is out of range; allowed: an integer 0..86400\n"},
	{"[state]\nhistory_changes = 65537\n",
	 "F:2: state.history_changes: \"65537\" is out of range; allowed: an integer 0..65536\n"},
	{"[http]\nlisten = localhost:10187\n",
	 "F:2: http.listen: \"localhost:10187\" is not a list of addresses" ADDRESSES},
	{"[http]\nlisten = 127.0.0.1:10187,\n",
	 "F:2: http.listen: \"127.0.0.1:10187,\" is not a list of addresses" ADDRESSES},
	{"[http]\nlisten = [::1]:1,[::1]:2,[::1]:3,[::1]:4,[::1]:5,[::1]:6,[::1]:7,[::1]:8,[::1]:9\n",
	 "F:2: http.listen: \"[::1]:1,[::1]:2,[::1]:3,[::1]:4,[::1]:5,[::1]:6,[::1]:7,[::1]:8,[::1]:9\" is not a "
	 "list of addresses" ADDRESSES},
	{"[netlink]\n", "F:1: [netlink]: unknown section; allowed: " SECTIONS "\n"},
	{"[performance]\nreceive_buffer_bytes = 4095\n",
	 "F:2: performance.receive_buffer_bytes: \"4095\" is out of range; allowed: an integer 4096..1073741824\n"},
	{"[performance]\ncpu_affinity = 0-\n", "F:2: performance.cpu_affinity: \"0-\" is not a list of CPUs" CPUS},
	{"[performance]\ncpu_affinity = all\n", "F:2: performance.cpu_affinity: \"all\" is not a list of CPUs" CPUS},
	{"[performance]\ncpu_affinity = 1024\n", "F:2: performance.cpu_affinity: \"1024\" is not a list of CPUs" CPUS},
	{"[performance]\nlock_memory = yes\n",
	 "F:2: performance.lock_memory: \"yes\" is not a boolean; allowed: true, false\n"},
	{"[sonic]\nreconcile_interval_secs = 0\n",
	 "F:2: sonic.reconcile_interval_secs: \"0\" is out of range; allowed: an integer 1..86400\n"},
	{"[log]\naudit = yes\n", "F:2: log.audit: \"yes\" is not a boolean; allowed: true, false\n"},
	{"[health]\nmin_sync_percent = 100.1\n",
	 "F:2: health.min_sync_percent: \"100.1\" is out of range; allowed: a number 0..100\n"},
	{"[health]\nmin_sync_percent = nan\n",
	 "F:2: health.min_sync_percent: \"nan\" is not a number; allowed: a number 0..100\n"},
	{"[health]\nmin_sync_percent = 1e\n",
	 "F:2: health.min_sync_percent: \"1e\" is not a number; allowed: a number 0..100\n"},
	{"[database]\nredis_unix_socket = redis.sock\n", "F:2: database.redis_unix_socket: \"redis.sock\" is not an "
							 "absolute path; allowed: an absolute path of at most 107 "
							 "bytes\n"},
	{"[database]\nredis_host = a\nredis_unix_socket = /r\n",
	 "F:3: database.redis_unix_socket: set together with redis_host or redis_port; allowed: either\n"},
	{"[database]\nredis_unix_socket = /r\nredis_port = 1\n",
	 "F:2: database.redis_unix_socket: set together with redis_host or redis_port; allowed: either\n"},
	{"[log]\nlevel = i\001nfo\n", "F:2: byte 0x01 at 10; " UTF8},
	{"# \xc3\xa4 \xe2\x82\xac \xf0\x9f\x90\xa7\n# \xff\n", "F:2: byte 0xff at 3; " UTF8},
	{"# \xc0\xaf\n", "F:1: byte 0xc0 at 3; " UTF8},
	{"# \xed\xa0\x80\n", "F:1: byte 0xed at 3; " UTF8},
	{"# \xe0\x80\x80\n", "F:1: byte 0xe0 at 3; " UTF8},
	{"# \xf4\x90\x80\x80\n", "F:1: byte 0xf4 at 3; " UTF8},
	{"# \xf5\x80\x80\x80\n", "F:1: byte 0xf5 at 3; " UTF8},
	{"# \xe2\x82", "F:1: byte 0xe2 at 3; " UTF8},
	{"# a\rb\n", "F:1: byte 0x0d at 4; " UTF8},
	/* all of them, in order */
	{"[log]\nlevel = loud\nlevle = info\n[x]\ny = 1\n[sonic]\nreconcile_interval_secs = a\n",
	 "F:2: log.level: \"loud\" is not a level; allowed: " LEVELS "\n"
	 "F:3: log.levle: unknown key; allowed: level, target, rfc5424_to, limit_secs, limit_lines, audit\n"
	 "F:4: [x]: unknown section; allowed: " SECTIONS "\n"
	 "F:7: sonic.reconcile_interval_secs: \"a\" is not an integer; allowed: an integer 1..86400\n"},
};

static void faults_in_a_file(void **state)
{
	struct config c;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
		assert_int_equal(read_text(&c, faults[i].text), -EINVAL);
		assert_string_equal(captured, faults[i].complaint);
	}
}

static void nul_byte(void **state)
{
	static const char text[] = "[log]\nlevel = info\0rmation\n";
	struct config c;

	(void)state;
	write_file("F", text, sizeof(text) - 1, 0644);
	assert_int_equal(read_file(&c, "F"), -EINVAL);
	assert_string_equal(captured, "F:2: byte 0x00 at 13; " UTF8);
}

static void long_values(void **state)
{
	char text[6000], value[5001];
	struct config c;

	(void)state;
	memset(value, 'a', sizeof(value) - 1);
	value[5000] = '\0';
	(void)snprintf(text, sizeof(text), "[database]\nredis_host = %.255s\n", value);
	assert_int_equal(read_text(&c, text), 0);
	assert_int_equal(strlen(c.redis_host), 255);
	(void)snprintf(text, sizeof(text), "[database]\nredis_host = %.256s\n", value);
	assert_int_equal(read_text(&c, text), -EINVAL);
	assert_non_null(strstr(captured, "F:2: database.redis_host: \"aaaa"));
	assert_non_null(strstr(captured, "...\" is too long; allowed: text of at most 255 bytes\n"));
	(void)snprintf(text, sizeof(text), "[database]\ndatabase_config = \"/%.4094s\"\n", value);
	assert_int_equal(read_text(&c, text), 0);
	assert_int_equal(strlen(c.database_config), PATH_MAX - 1);
	(void)snprintf(text, sizeof(text), "[database]\ndatabase_config = \"/%.4095s\"\n", value);
	assert_int_equal(read_text(&c, text), -EINVAL);
	assert_non_null(strstr(captured, "is too long; allowed: an absolute path of at most 4095 bytes\n"));
	(void)snprintf(text, sizeof(text), "# %.4347s\n[log]\nlevel = info\n", value);
	assert_int_equal(read_text(&c, text), 0);
	assert_int_equal(c.log_level, LOG_INFO);
	(void)snprintf(text, sizeof(text), "# %.4348s\n[log]\nlevel = info\n", value);
	assert_int_equal(read_text(&c, text), -EINVAL);
	assert_string_equal(captured, "F:1: line of 4350 bytes; allowed: at most 4349\n");
}

static void many_faults_are_bounded(void **state)
{
	char text[2000] = "[log]\n";
	struct config c;
	size_t lines = 0;

	(void)state;
	for (size_t i = 0; i < 60; i++)
		memcpy(text + 6 + i * 4, "x=1\n", 5);
	assert_int_equal(read_text(&c, text), -EINVAL);
	for (const char *at = captured; (at = strchr(at, '\n')); at++)
		lines++;
	assert_int_equal(lines, 51);
	assert_non_null(strstr(captured, "F:51: log.x: "));
	assert_non_null(strstr(captured, "\nportsyncd: F: 10 more faults\n"));
}

static void what_is_no_file(void **state)
{
	static char big[(1 << 20) + 1];
	struct config c;

	(void)state;
	assert_int_equal(read_file(&c, "none"), -ENOENT);
	assert_string_equal(captured, "");
	assert_int_equal(read_file(&c, "/"), -EISDIR);
	assert_string_equal(captured,
			    "portsyncd: /: Is a directory; allowed: a readable file of at most 1048576 bytes\n");
	assert_int_equal(mkfifo("fifo", 0600), 0);
	assert_int_equal(read_file(&c, "fifo"), -ENOTSUP);
	assert_string_equal(captured,
			    "portsyncd: fifo: not a regular file; allowed: a readable file of at most 1048576 bytes\n");
	memset(big, '\n', sizeof(big));
	write_file("F", big, sizeof(big), 0644);
	assert_int_equal(read_file(&c, "F"), -EFBIG);
	assert_string_equal(captured,
			    "portsyncd: F: File too large; allowed: a readable file of at most 1048576 bytes\n");
	write_file("F", big, sizeof(big) - 1, 0644);
	assert_int_equal(read_file(&c, "F"), 0);
	if (geteuid() == 0)
		return; /* root reads everything */
	write_file("F", "", 0, 0);
	assert_int_equal(read_file(&c, "F"), -EACCES);
	assert_string_equal(captured,
			    "portsyncd: F: Permission denied; allowed: a readable file of at most 1048576 bytes\n");
	assert_int_equal(unlink("F"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults),
		cmocka_unit_test(replaced_keys),
		cmocka_unit_test(own_keys),
		cmocka_unit_test(ranges_of_the_tuning_keys),
		cmocka_unit_test(memory_is_locked),
		cmocka_unit_test(affinity_of_cpus),
		cmocka_unit_test(http_addresses),
		cmocka_unit_test(options_of_http),
		cmocka_unit_test(http_switched_off),
		cmocka_unit_test(section_may_come_again),
		cmocka_unit_test(host_and_port_complete_each_other),
		cmocka_unit_test(faults_in_a_file),
		cmocka_unit_test(nul_byte),
		cmocka_unit_test(long_values),
		cmocka_unit_test(many_faults_are_bounded),
		cmocka_unit_test(what_is_no_file),
	};

	return cmocka_run_group_tests(tests, config_setup, config_teardown);
}
