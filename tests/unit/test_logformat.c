/* SPDX-License-Identifier: Apache-2.0 */
#include "log/format.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include <cmocka.h>

#include "base/util.h"

static const struct log_origin origin = {.pid = 42, .hostname = "sw1", .boot_id = "0123456789abcdef0123456789abcdef"};

/* 2025-06-09 12:34:56.000789 UTC */
static struct log_record record_of(const char *text)
{
	struct log_record record = {
		.realtime_usec = 1749472496000789,
		.kind = KIND_STARTED,
		.level = LOG_NOTICE,
		.function = "f",
		.file = "x.c",
		.line = 7,
	};

	memcpy(record.text, text, strlen(text) + 1);
	return record;
}

typedef size_t (*format_fn)(const struct log_record *record, const struct log_origin *origin, char *out, size_t size);

static size_t human(const struct log_record *record, const struct log_origin *from, char *out, size_t size)
{
	return logformat_human(record, from, false, out, size);
}

static void check(format_fn format, const struct log_record *record, const char *expected)
{
	char line[LOG_LINE_BYTES + 1];

	line[format(record, &origin, line, LOG_LINE_BYTES)] = '\0';
	assert_string_equal(line, expected);
}

#define HEAD "<13>1 2025-06-09T12:34:56.000789Z sw1 portsyncd 42 started [portsyncd@32473 message_id=\"%s\""
#define TAIL " code_func=\"f\" code_file=\"x.c\" code_line=\"7\"] "

/* fields: what stands between the message's id and the place. */
static void check_5424(const struct log_record *record, const char *fields, const char *text)
{
	char expected[6000];

	(void)snprintf(expected, sizeof(expected), HEAD "%s" TAIL "%s", log_kinds[KIND_STARTED].id, fields, text);
	check(logformat_rfc5424, record, expected);
}

static void syslog_line(void **state)
{
	struct log_record record = record_of("Publish Ethernet0(ok:up) to state db");

	(void)state;
	check(logformat_syslog, &record, "<13>Jun  9 12:34:56 portsyncd: :- f: Publish Ethernet0(ok:up) to state db");
}

/* What test suites of SONiC and of vendors look for: ".*swss#portsyncd.*main.*PortInitDone.*". */
static void upstreams_lines_name_upstreams_functions(void **state)
{
	static const struct {
		enum log_kind kind;
		const char *text, *expected;
	} lines[] = {
		{KIND_PORT_PUBLISHED, "Publish Ethernet0(ok:up) to state db",
		 "onMsg: Publish Ethernet0(ok:up) to state db"},
		{KIND_PORT_DELETED, "Delete Ethernet0(ok) from state db", "onMsg: Delete Ethernet0(ok) from state db"},
		{KIND_PORT_INIT_DONE, "PortInitDone", "main: PortInitDone"},
		{KIND_PORT_CONFIG_DONE, "PortConfigDone: 8 ports", "f: PortConfigDone: 8 ports"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		struct log_record record = record_of(lines[i].text);
		struct log_pairs fields;
		char expected[128];

		record.kind = lines[i].kind;
		(void)snprintf(expected, sizeof(expected), "<13>Jun  9 12:34:56 portsyncd: :- %s", lines[i].expected);
		check(logformat_syslog, &record, expected);
		(void)snprintf(expected, sizeof(expected), "portsyncd: NOTICE: %s", lines[i].expected);
		check(human, &record, expected);
		logformat_fields(&record, &origin, &fields);
		assert_string_equal(fields.field[1].name, "CODE_FUNC");
		assert_string_equal(fields.field[1].value, "f");
	}
}

static void human_line(void **state)
{
	struct log_record record = record_of("text");
	char line[LOG_LINE_BYTES + 1];

	(void)state;
	check(human, &record, "portsyncd: NOTICE: f: text");
	record.level = LOG_WARNING;
	line[logformat_human(&record, &origin, true, line, LOG_LINE_BYTES)] = '\0';
	assert_string_equal(line, "\x1b[33mportsyncd: WARNING: f: text\x1b[0m");
}

static void all_fields(void **state)
{
	struct log_record record = record_of("text");

	(void)state;
	check_5424(&record, "", "text");
	memcpy(record.port, "Ethernet0", sizeof("Ethernet0"));
	memcpy(record.reason, "why", sizeof("why"));
	record.ifindex = 3;
	record.event_id = 42;
	record.latency_us = 37;
	record.admin = "up";
	record.oper = "down";
	record.mtu = 9100;
	check_5424(&record,
		   " port=\"Ethernet0\" ifindex=\"3\" event_id=\"42\" latency_us=\"37\" admin=\"up\" oper=\"down\" "
		   "mtu=\"9100\" reason=\"why\"",
		   "text");
	check(logformat_syslog, &record, "<13>Jun  9 12:34:56 portsyncd: :- f: text");
}

/* Text, and value of a field, by format. */
static const struct {
	const char *text, *bare, *quoted;
} escapes[] = {
	{"a\nb\r\tc", "a\\x0ab\\x0d\\x09c", "a\\\\x0ab\\\\x0d\\\\x09c"},
	{"\"q\" \\ ]", "\"q\" \\ ]", "\\\"q\\\" \\\\ \\]"},
	{"[<13>", "[<13>", "[<13>"},
	{"\x1b[31m\x7f", "\\x1b[31m\\x7f", "\\\\x1b[31m\\\\x7f"},
	{"gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x94\x8c", "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x94\x8c",
	 "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x94\x8c"},
	{"\xc2\x9b\x31m", "\\xc2\\x9b1m", "\\\\xc2\\\\x9b1m"}, /* C1: CSI */
	{"\xff\xc3", "\\xff\\xc3", "\\\\xff\\\\xc3"},
	{"\xc0\xaf\xed\xa0\x80", "\\xc0\\xaf\\xed\\xa0\\x80", "\\\\xc0\\\\xaf\\\\xed\\\\xa0\\\\x80"},
	{"%s%n", "%s%n", "%s%n"},
};

static void escaped(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(escapes); i++) {
		struct log_record record = record_of(escapes[i].text);
		char expected[4096];

		memcpy(record.reason, escapes[i].text, strlen(escapes[i].text) + 1);
		(void)snprintf(expected, sizeof(expected), " reason=\"%s\"", escapes[i].quoted);
		check_5424(&record, expected, escapes[i].bare);
		(void)snprintf(expected, sizeof(expected), "<13>Jun  9 12:34:56 portsyncd: :- f: %s", escapes[i].bare);
		check(logformat_syslog, &record, expected);
		(void)snprintf(expected, sizeof(expected), "portsyncd: NOTICE: f: %s", escapes[i].bare);
		check(human, &record, expected);
	}
}

/* The journal's fields are binary-safe: as they are. */
static void fields_are_not_escaped(void **state)
{
	struct log_record record = record_of("text");
	struct log_pairs fields;

	(void)state;
	memcpy(record.reason, "a\n\"\xff", sizeof("a\n\"\xff"));
	logformat_fields(&record, &origin, &fields);
	assert_int_equal(fields.n, 5);
	assert_string_equal(fields.field[1].name, "REASON");
	assert_string_equal(fields.field[1].value, "a\n\"\xff");
	assert_string_equal(fields.field[4].name, "CODE_LINE");
	assert_string_equal(fields.field[4].value, "7");
}

static void audit_record_lines(void **state)
{
	struct log_record record = record_of("stops on SIGTERM");
	char expected[1024];

	(void)state;
	record.kind = record.event = AUDIT_STOP;
	record.audit_seq = 9;
	record.outcome = "success";
	memcpy(record.subject, "pid 1 \"uid\"", sizeof("pid 1 \"uid\""));
	check(logformat_syslog, &record,
	      "<85>Jun  9 12:34:56 portsyncd: :- audit: seq=9 event=stop outcome=success "
	      "subject=\"pid 1 \\\"uid\\\"\" boot=0123456789abcdef0123456789abcdef: stops on SIGTERM");
	(void)snprintf(expected, sizeof(expected),
		       "<85>1 2025-06-09T12:34:56.000789Z sw1 portsyncd 42 stop [portsyncd@32473 message_id=\"%s\" "
		       "audit_event=\"stop\" audit_seq=\"9\" audit_outcome=\"success\" "
		       "audit_subject=\"pid 1 \\\"uid\\\"\" boot_id=\"0123456789abcdef0123456789abcdef\"" TAIL
		       "stops on SIGTERM",
		       log_kinds[AUDIT_STOP].id);
	check(logformat_rfc5424, &record, expected);
}

/* The longest record there can be, of what grows most, fits: nothing is cut but what the caller cut. */
static void longest(void **state)
{
	struct log_record record = record_of("");
	char line[LOG_LINE_BYTES + 1];
	size_t len;

	(void)state;
	memset(record.text, '\xff', sizeof(record.text) - 1);
	memset(record.reason, '\x01', sizeof(record.reason) - 1);
	memset(record.subject, '\x01', sizeof(record.subject) - 1);
	memset(record.port, '\x01', sizeof(record.port) - 1);
	record.audit_seq = record.event_id = record.latency_us = UINT64_MAX;
	record.ifindex = record.line = INT32_MAX;
	record.mtu = UINT32_MAX;
	record.outcome = "failure";
	len = logformat_rfc5424(&record, &origin, line, LOG_LINE_BYTES);
	assert_true(len < LOG_LINE_BYTES);
	assert_memory_equal(line + len - 4, "\\xff", 4);
	assert_true(logformat_syslog(&record, &origin, line, LOG_LINE_BYTES) < LOG_LINE_BYTES);
}

/* RFC 5424 6.2.4 allows no blanks and no control characters there. */
static void odd_hostnames(void **state)
{
	static const char *const names[] = {"", "a b", "h\xc3\xb6st"};
	struct log_record record = record_of("text");
	char line[LOG_LINE_BYTES + 1];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct log_origin from = origin;

		(void)snprintf(from.hostname, sizeof(from.hostname), "%s", names[i]);
		line[logformat_rfc5424(&record, &from, line, LOG_LINE_BYTES)] = '\0';
		assert_non_null(strstr(line, "Z - portsyncd 42 started ["));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(syslog_line),
		cmocka_unit_test(upstreams_lines_name_upstreams_functions),
		cmocka_unit_test(human_line),
		cmocka_unit_test(all_fields),
		cmocka_unit_test(escaped),
		cmocka_unit_test(fields_are_not_escaped),
		cmocka_unit_test(audit_record_lines),
		cmocka_unit_test(longest),
		cmocka_unit_test(odd_hostnames),
	};

	(void)setenv("TZ", "UTC", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
