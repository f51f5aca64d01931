/* SPDX-License-Identifier: Apache-2.0 */
#include "log/format.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <time.h>

#include "base/text.h"
#include "base/util.h"

#define ENTERPRISE "32473"
#define IDENTIFIER "portsyncd"

static const char *const level_names[] = {"EMERG", "ALERT", "CRIT", "ERR", "WARNING", "NOTICE", "INFO", "DEBUG"};

const char *logformat_level(int level)
{
	return level_names[level];
}

/* --- fields --- */

static void add(struct log_pairs *out, const char *name, const char *value)
{
	if (value && value[0] != '\0' && out->n < LOG_FIELDS_MAX)
		out->field[out->n++] = (struct log_pair){name, value};
}

static void add_number(struct log_pairs *out, const char *name, uint64_t value)
{
	char *text = out->numbers[out->n];

	(void)snprintf(text, sizeof(out->numbers[0]), "%" PRIu64, value);
	add(out, name, text);
}

static void add_known(struct log_pairs *out, const char *name, uint64_t value)
{
	if (value > 0)
		add_number(out, name, value);
}

void logformat_fields(const struct log_record *record, const struct log_origin *origin, struct log_pairs *out)
{
	const struct log_kind_info *kind = &log_kinds[record->kind];

	out->n = 0;
	add(out, "MESSAGE_ID", kind->id);
	add(out, "PORT", record->port);
	add_known(out, "IFINDEX", (uint64_t)record->ifindex);
	add_known(out, "EVENT_ID", record->event_id);
	add_known(out, "LATENCY_US", record->latency_us);
	add(out, "ADMIN", record->admin);
	add(out, "OPER", record->oper);
	add_known(out, "MTU", record->mtu);
	add(out, "REASON", record->reason);
	if (record->audit_seq > 0) {
		add(out, "AUDIT_EVENT", log_kinds[record->event].name);
		add_number(out, "AUDIT_SEQ", record->audit_seq);
		add(out, "AUDIT_OUTCOME", record->outcome);
		add(out, "AUDIT_SUBJECT", record->subject);
		add(out, "BOOT_ID", origin->boot_id);
	}
	add(out, "CODE_FUNC", record->function);
	add(out, "CODE_FILE", record->file);
	add_known(out, "CODE_LINE", (uint64_t)record->line);
}

/* --- text --- */

struct writer {
	char *out;
	size_t len, size;
};

static void put(struct writer *w, const char *bytes, size_t n)
{
	n = MIN(n, w->size - w->len);
	memcpy(w->out + w->len, bytes, n);
	w->len += n;
}

static void put_text(struct writer *w, const char *text)
{
	put(w, text, strlen(text));
}

PRINTF_LIKE(2, 3) static void put_format(struct writer *w, const char *format, ...)
{
	char text[320];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	put_text(w, text);
}

static bool is_control(const unsigned char *at, size_t len)
{
	return at[0] < 0x20 || at[0] == 0x7f || (len == 2 && at[0] == 0xc2 && at[1] < 0xa0);
}

/* A byte that must be escaped. In quotes that includes the backslash. */
static void put_hex(struct writer *w, unsigned char byte, bool quoted)
{
	put_format(w, "%sx%02x", quoted ? "\\\\" : "\\", byte);
}

/* The number of leading bytes that need no escape: in most texts all of them. */
static size_t plain_length(const unsigned char *at, const unsigned char *end, bool quoted)
{
	const unsigned char *from = at;

	while (at < end && *at >= 0x20 && *at < 0x7f && !(quoted && (*at == '"' || *at == '\\' || *at == ']')))
		at++;
	return (size_t)(at - from);
}

static void put_escaped(struct writer *w, const char *text, bool quoted)
{
	const unsigned char *at = (const unsigned char *)text, *end = at + strlen(text);

	while (at < end) {
		size_t plain = plain_length(at, end, quoted);

		put(w, (const char *)at, plain);
		at += plain;
		if (at == end)
			break;
		size_t len = text_utf8_length(at, (size_t)(end - at)), n = MAX(len, (size_t)1);

		if (quoted && strchr("\"\\]", *at))
			put(w, "\\", 1);
		if (len > 0 && !is_control(at, len))
			put(w, (const char *)at, len);
		else
			for (size_t i = 0; i < n; i++)
				put_hex(w, at[i], quoted);
		at += n;
	}
}

static int priority(const struct log_record *record)
{
	return (record->audit_seq > 0 ? LOG_AUTHPRIV : LOG_USER) | record->level;
}

/* Lines that upstream's portsyncd also writes carry its function names: test suites match them. */
static const char *function_of(const struct log_record *record)
{
	switch (record->kind) {
	case KIND_PORT_PUBLISHED:
	case KIND_PORT_DELETED:
		return "onMsg";
	case KIND_PORT_INIT_DONE:
		return "main";
	default:
		return record->function;
	}
}

/* Targets without fields get them in the text: an audit record is useless without them. */
static void put_message(struct writer *w, const struct log_record *record, const struct log_origin *origin)
{
	if (record->audit_seq == 0) {
		put_text(w, function_of(record));
		put_text(w, ": ");
		put_escaped(w, record->text, false);
		return;
	}
	put_format(w, "audit: seq=%" PRIu64 " event=%s outcome=%s", record->audit_seq, log_kinds[record->event].name,
		   record->outcome);
	put_text(w, " subject=\"");
	put_escaped(w, record->subject, true);
	put_format(w, "\" boot=%s: ", origin->boot_id[0] ? origin->boot_id : "-");
	put_escaped(w, record->text, false);
}

size_t logformat_syslog(const struct log_record *record, const struct log_origin *origin, char *out, size_t size)
{
	struct writer w = {out, 0, size};
	time_t seconds = (time_t)(record->realtime_usec / USEC_PER_SEC);
	char stamp[32] = "";
	struct tm tm;

	if (localtime_r(&seconds, &tm))
		(void)strftime(stamp, sizeof(stamp), "%b %e %H:%M:%S", &tm);
	put_format(&w, "<%d>%s " IDENTIFIER ": :- ", priority(record), stamp);
	put_message(&w, record, origin);
	return w.len;
}

/* --- RFC 5424 --- */

/* UTC timestamps with six digits, the most RFC 5424 allows. */
static void put_stamp(struct writer *w, uint64_t realtime_usec)
{
	time_t seconds = (time_t)(realtime_usec / USEC_PER_SEC);
	char stamp[32] = "";
	struct tm tm;

	if (!gmtime_r(&seconds, &tm) || strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm) == 0)
		put_text(w, "-");
	else
		put_format(w, "%s.%06" PRIu64 "Z", stamp, realtime_usec % USEC_PER_SEC);
}

static bool graphic(const char *text)
{
	if (text[0] == '\0')
		return false;
	while (*text > ' ' && *text < 0x7f)
		text++;
	return *text == '\0';
}

static void put_param(struct writer *w, const struct log_pair *field)
{
	put(w, " ", 1);
	for (const char *c = field->name; *c; c++) {
		char lower = (char)tolower((unsigned char)*c);

		put(w, &lower, 1);
	}
	put_text(w, "=\"");
	put_escaped(w, field->value, true);
	put(w, "\"", 1);
}

size_t logformat_rfc5424(const struct log_record *record, const struct log_origin *origin, char *out, size_t size)
{
	struct writer w = {out, 0, size};
	struct log_pairs fields;

	put_format(&w, "<%d>1 ", priority(record));
	put_stamp(&w, record->realtime_usec);
	put_format(&w, " %s " IDENTIFIER " %d %s [" IDENTIFIER "@" ENTERPRISE,
		   graphic(origin->hostname) ? origin->hostname : "-", origin->pid, log_kinds[record->kind].name);
	logformat_fields(record, origin, &fields);
	for (size_t i = 0; i < fields.n; i++)
		put_param(&w, &fields.field[i]);
	put_text(&w, "] ");
	put_escaped(&w, record->text, false);
	return w.len;
}

/* --- people --- */

static const char *colour_of(int level)
{
	if (level <= LOG_ERR)
		return "\x1b[1;31m"; /* bold red */
	if (level == LOG_WARNING)
		return "\x1b[33m"; /* yellow */
	return level == LOG_DEBUG ? "\x1b[2m" : "";
}

size_t logformat_human(const struct log_record *record, const struct log_origin *origin, bool colour, char *out,
		       size_t size)
{
	const char *paint = colour ? colour_of(record->level) : "";
	struct writer w = {out, 0, size};

	put_text(&w, paint);
	put_format(&w, IDENTIFIER ": %s: ", logformat_level(record->level));
	put_message(&w, record, origin);
	if (paint[0] != '\0')
		put_text(&w, "\x1b[0m");
	return w.len;
}
