/* SPDX-License-Identifier: Apache-2.0 */
#include "log/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "log/audit.h"
#include "log/limit.h"
#include "log/ring.h"
#include "log/writer.h"

static atomic_int level_now = LOG_NOTICE;
static _Atomic enum log_target_type target_now = LOG_TO_STDERR;
static _Atomic uint64_t suppressed;

/* --- settings --- */

void log_open(const struct log_options *options)
{
	log_report_suppressed(true);
	level_now = options->level;
	target_now = options->to.type;
	loglimit_set(options->limit_secs, options->limit_lines);
	logwriter_set(&options->to);
}

/* JOURNAL_STREAM is no proof: a container inherits it without the socket that takes fields. */
enum log_target_type log_auto_target(void)
{
	if (access(LOG_JOURNAL_SOCKET, W_OK) == 0)
		return LOG_TO_JOURNAL;
	if (access("/dev/log", W_OK) == 0)
		return LOG_TO_SYSLOG;
	return LOG_TO_STDERR;
}

void log_start(void)
{
	int r = logwriter_start();

	if (r < 0)
		log_warning(KIND_THREAD_MISSING,
			    "there is no thread for the log, so a slow log target delays events: %s", strerror(-r));
}

void log_close(void)
{
	log_report_suppressed(true);
	logwriter_stop();
}

void log_set_target(enum log_target_type type)
{
	struct logtarget_settings settings;

	if (type == target_now)
		return;
	log_report_suppressed(true);
	target_now = type;
	logwriter_get(&settings);
	settings.type = type;
	logwriter_set(&settings);
}

enum log_target_type log_target_type(void)
{
	return target_now;
}

static bool same_file(int a, int b)
{
	struct stat one, other;

	return fstat(a, &one) == 0 && fstat(b, &other) == 0 && one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

/* JOURNAL_STREAM names the socket behind stderr (systemd.exec(5)). A container may inherit the variable without the
 * stderr, so compare. */
static bool stderr_is_journal(void)
{
	const char *given = getenv("JOURNAL_STREAM");
	char stream[64];
	struct stat st;

	if (!given || fstat(STDERR_FILENO, &st) < 0)
		return false;
	(void)snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	return strcmp(given, stream) == 0;
}

/* SONiC's supervisord sends its programs' stderr to syslog (deploy/supervisord). */
bool log_shows_on_stderr(void)
{
	struct log_stats stats;

	logwriter_stats(&stats);
	if (log_target_type() == LOG_TO_STDERR)
		return true;
	if (stats.refused_since != 0)
		return false;
	switch (log_target_type()) {
	case LOG_TO_STDOUT:
		return same_file(STDOUT_FILENO, STDERR_FILENO);
	case LOG_TO_JOURNAL:
		return stderr_is_journal();
	case LOG_TO_SYSLOG:
		return stderr_is_journal() || under_supervisord();
	case LOG_TO_STDERR:
	case LOG_TO_RFC5424:
		break;
	}
	return false;
}

void log_set_level(int level)
{
	level_now = level;
}

int log_level(void)
{
	return atomic_load_explicit(&level_now, memory_order_relaxed);
}

int log_bell(void)
{
	return logwriter_bell();
}

void log_stats(struct log_stats *stats)
{
	logwriter_stats(stats);
	stats->suppressed = suppressed;
}

/* --- lines --- */

void log_note_suppressed(unsigned n)
{
	suppressed += n;
}

bool log_has_capacity(void)
{
	return logwriter_has_capacity(LOG_RING_ORDINARY);
}

/* Bypasses the limits. */
static void report_suppressed(enum log_kind kind, unsigned n)
{
	static const char format[] = "%s: %u like %s suppressed";
	const char *name = log_kinds[kind].name;

	log_note_suppressed(n);
	if (log_kinds[kind].audit && audit_is_kept())
		audit_line(AUDIT_HELD_BACK, AUDIT_SUCCESS, audit_self(), LOG_HERE, NULL, format, name, n, "records");
	else if (!log_kinds[kind].audit && log_level() >= LOG_WARNING)
		log_line(LOG_WARNING, KIND_LINES_HELD_BACK, LOG_HERE, NULL, format, name, n, "lines");
}

void log_report_suppressed(bool end)
{
	for (enum log_kind kind = 0; kind < KINDS; kind++) {
		unsigned n = loglimit_take(kind, end);

		if (n > 0)
			report_suppressed(kind, n);
	}
}

bool log_wanted(int level, enum log_kind kind)
{
	unsigned held;
	bool pass;

	if (level > log_level() && !log_kinds[kind].audit)
		return false;
	pass = loglimit_pass(kind, &held);
	if (held > 0)
		report_suppressed(kind, held);
	return pass;
}

static void copy(char *out, size_t size, const char *text)
{
	size_t len = text ? strnlen(text, size - 1) : 0;

	if (len > 0)
		memcpy(out, text, len);
	out[len] = '\0';
}

struct log_record *log_claim(int level, enum log_kind kind, bool audit, const struct log_site *site,
			     const struct log_context *fields)
{
	static const struct log_context none;
	struct log_record *record = logwriter_claim(audit);
	struct timespec now;

	if (!record)
		return NULL;
	if (!fields)
		fields = &none;
	(void)clock_gettime(CLOCK_REALTIME, &now);
	record->realtime_usec = (uint64_t)now.tv_sec * USEC_PER_SEC + (uint64_t)now.tv_nsec / NSEC_PER_USEC;
	record->kind = kind;
	record->level = level;
	record->function = site->function;
	record->file = site->file;
	record->line = site->line;
	record->ifindex = fields->ifindex;
	record->event_id = fields->event_id;
	record->latency_us = fields->latency_us;
	record->admin = fields->admin;
	record->oper = fields->oper;
	record->mtu = fields->mtu;
	copy(record->port, sizeof(record->port), fields->port);
	copy(record->reason, sizeof(record->reason), fields->reason);
	record->audit_seq = 0;
	return record;
}

void log_format_text(struct log_record *record, const char *format, va_list args)
{
	static const char ellipsis[] = "...";
	int n = vsnprintf(record->text, sizeof(record->text), format, args);

	if (n >= (int)sizeof(record->text))
		memcpy(record->text + sizeof(record->text) - sizeof(ellipsis), ellipsis, sizeof(ellipsis));
}

void log_line(int level, enum log_kind kind, const struct log_site *site, const struct log_context *fields,
	      const char *format, ...)
{
	int saved_errno = errno;
	struct log_record *record = log_claim(level, kind, false, site, fields);
	va_list args;

	if (record) {
		va_start(args, format);
		log_format_text(record, format, args);
		va_end(args);
		logwriter_give(record);
	}
	errno = saved_errno;
}
