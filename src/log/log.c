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
static _Atomic enum log_sink sink_now = LOG_SINK_STDERR;
static _Atomic uint64_t suppressed;

/* --- settings --- */

void log_open(const struct log_options *options)
{
	log_tell_held_back(true);
	level_now = options->level;
	sink_now = options->to.sink;
	loglimit_set(options->limit_secs, options->limit_lines);
	logwriter_set(&options->to);
}

/* JOURNAL_STREAM does not do: a container inherits it without the socket that takes fields, and it says no more where
 * the socket is. */
enum log_sink log_auto_sink(void)
{
	if (access(LOG_JOURNAL_SOCKET, W_OK) == 0)
		return LOG_SINK_JOURNAL;
	if (access("/dev/log", W_OK) == 0)
		return LOG_SINK_SYSLOG;
	return LOG_SINK_STDERR;
}

void log_start(void)
{
	int r = logwriter_start();

	if (r < 0)
		log_warning(KIND_THREAD_MISSING,
			    "there is no thread for the log, so a slow collector delays events: %s", strerror(-r));
}

void log_close(void)
{
	log_tell_held_back(true);
	logwriter_stop();
}

void log_set_sink(enum log_sink sink)
{
	struct logtarget_settings settings;

	if (sink == sink_now)
		return;
	log_tell_held_back(true);
	sink_now = sink;
	logwriter_get(&settings);
	settings.sink = sink;
	logwriter_set(&settings);
}

enum log_sink log_sink(void)
{
	return sink_now;
}

static bool same_file(int a, int b)
{
	struct stat one, other;

	return fstat(a, &one) == 0 && fstat(b, &other) == 0 && one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

/* systemd's word for where it leads stderr (systemd.exec(5)); a container inherits the word without the stderr. */
static bool stderr_is_journal(void)
{
	const char *told = getenv("JOURNAL_STREAM");
	char stream[64];
	struct stat st;

	if (!told || fstat(STDERR_FILENO, &st) < 0)
		return false;
	(void)snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	return strcmp(told, stream) == 0;
}

/* Of a supervisord that is SONiC's: its programs' stderr goes to syslog (deploy/supervisord). */
bool log_shows_on_stderr(void)
{
	struct log_stats stats;

	logwriter_stats(&stats);
	if (log_sink() == LOG_SINK_STDERR)
		return true;
	if (stats.refused_since != 0)
		return false;
	switch (log_sink()) {
	case LOG_SINK_STDOUT:
		return same_file(STDOUT_FILENO, STDERR_FILENO);
	case LOG_SINK_JOURNAL:
		return stderr_is_journal();
	case LOG_SINK_SYSLOG:
		return stderr_is_journal() || under_supervisord();
	case LOG_SINK_STDERR:
	case LOG_SINK_RFC5424:
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

void log_note_held_back(unsigned n)
{
	suppressed += n;
}

bool log_has_room(void)
{
	return logwriter_has_room(LOG_RING_ORDINARY);
}

/* Not by the usual way in, which asks for the limits. */
static void report_suppressed(enum log_kind kind, unsigned n)
{
	static const char format[] = "%s: %u like %s suppressed";
	const char *name = log_kinds[kind].name;

	log_note_held_back(n);
	if (log_kinds[kind].audit && audit_is_kept())
		audit_line(AUDIT_HELD_BACK, AUDIT_SUCCESS, audit_self(), LOG_HERE, NULL, format, name, n, "records");
	else if (!log_kinds[kind].audit && log_level() >= LOG_WARNING)
		log_line(LOG_WARNING, KIND_LINES_HELD_BACK, LOG_HERE, NULL, format, name, n, "lines");
}

void log_tell_held_back(bool end)
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
			     const struct log_fields *fields)
{
	static const struct log_fields none;
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

void log_line(int level, enum log_kind kind, const struct log_site *site, const struct log_fields *fields,
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
