/* SPDX-License-Identifier: Apache-2.0 */
#include "log/audit.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>

#include "log/format.h"
#include "log/ring.h"
#include "log/writer.h"

static atomic_bool enabled_now = true;
static _Atomic uint64_t last_seq;

void audit_enable(bool enabled)
{
	enabled_now = enabled;
}

bool audit_enabled(void)
{
	return atomic_load_explicit(&enabled_now, memory_order_relaxed);
}

uint64_t audit_last(void)
{
	return atomic_load_explicit(&last_seq, memory_order_relaxed);
}

void audit_go_on(uint64_t last)
{
	atomic_store(&last_seq, last);
}

void audit_skip(uint64_t numbers)
{
	(void)atomic_fetch_add(&last_seq, numbers);
}

const char *audit_process(char out[LOG_SUBJECT_BYTES], pid_t pid, uid_t uid)
{
	(void)snprintf(out, LOG_SUBJECT_BYTES, "pid %d uid %u", (int)pid, (unsigned)uid);
	return out;
}

const char *audit_self(void)
{
	static _Thread_local char self[LOG_SUBJECT_BYTES];

	return audit_process(self, getpid(), geteuid());
}

bool audit_is_kept(void)
{
	enum log_target_type type = log_target_type();

	return audit_enabled() && type != LOG_TO_STDERR && type != LOG_TO_STDOUT;
}

bool audit_has_capacity(void)
{
	return logwriter_has_capacity(LOG_RING_PATIENT);
}

bool audit_wanted(enum log_kind kind)
{
	return audit_is_kept() && log_wanted(LOG_NOTICE, kind);
}

bool audit_joins(void)
{
	return log_target_type() != LOG_TO_SYSLOG;
}

static int level_of(enum audit_outcome outcome)
{
	return outcome == AUDIT_SUCCESS ? LOG_NOTICE : LOG_WARNING;
}

PRINTF_LIKE(6, 0)
static void make_record(int level, enum log_kind kind, const struct audit_event *event, const struct log_site *site,
			const struct log_context *fields, const char *format, va_list args)
{
	/* Counted before there is a slot for it, so that a loss shows as a gap. */
	uint64_t seq = atomic_fetch_add(&last_seq, 1) + 1;
	struct log_record *record = log_claim(level, kind, true, site, fields);

	if (!record)
		return;
	record->audit_seq = seq;
	record->event = event->kind;
	record->outcome = event->outcome == AUDIT_SUCCESS ? "success" : "failure";
	(void)snprintf(record->subject, sizeof(record->subject), "%s", event->subject);
	log_format_text(record, format, args);
	logwriter_give(record);
}

PRINTF_LIKE(5, 0)
static void make_line(int level, enum log_kind kind, const struct log_site *site, const struct log_context *fields,
		      const char *format, va_list args)
{
	struct log_record *record = log_claim(level, kind, false, site, fields);

	if (!record)
		return;
	log_format_text(record, format, args);
	logwriter_give(record);
}

void audit_line(enum log_kind kind, enum audit_outcome outcome, const char *subject, const struct log_site *site,
		const struct log_context *fields, const char *format, ...)
{
	const struct audit_event event = {kind, outcome, subject};
	int saved_errno = errno;
	va_list args;

	va_start(args, format);
	make_record(level_of(outcome), kind, &event, site, fields, format, args);
	va_end(args);
	errno = saved_errno;
}

void audit_event_line(bool line, bool record, int level, enum log_kind kind, const struct audit_event *event,
		      const struct log_site *site, const struct log_context *fields, const char *format, ...)
{
	int record_level = level_of(event->outcome), saved_errno = errno;
	bool joined = line && record && audit_joins();
	va_list args;

	if (line && !joined) {
		va_start(args, format);
		make_line(level, kind, site, fields, format, args);
		va_end(args);
	}
	if (record) {
		va_start(args, format);
		make_record(joined ? MIN(level, record_level) : record_level, joined ? kind : event->kind, event, site,
			    fields, format, args);
		va_end(args);
	}
	errno = saved_errno;
}

/* The line is written while the more verbose of both levels is in force. */
void audit_change_level(int level, const char *subject, const char *by)
{
	int before = log_level();

	if (level == before)
		return;
	log_set_level(MAX(level, before));
	audit_event(LOG_NOTICE, KIND_LOG_LEVEL_SET, AUDIT_LEVEL_CHANGED, AUDIT_SUCCESS, subject,
		    "log level is %s now, by %s, was %s", logformat_level(level), by, logformat_level(before));
	log_set_level(level);
}
