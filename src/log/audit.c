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
	enum log_sink sink = log_sink();

	return audit_enabled() && sink != LOG_SINK_STDERR && sink != LOG_SINK_STDOUT;
}

bool audit_has_room(void)
{
	return logwriter_has_room(LOG_RING_PATIENT);
}

bool audit_wanted(enum log_kind kind)
{
	return audit_is_kept() && log_wanted(LOG_NOTICE, kind);
}

void audit_line(enum log_kind kind, enum audit_outcome outcome, const char *subject, const struct log_site *site,
		const struct log_fields *fields, const char *format, ...)
{
	int level = outcome == AUDIT_SUCCESS ? LOG_NOTICE : LOG_WARNING, saved_errno = errno;
	struct log_record *record;
	va_list args;
	uint64_t seq;

	/* Before there is room for it, so that a loss shows. */
	seq = atomic_fetch_add(&last_seq, 1) + 1;
	record = log_claim(level, kind, site, fields);
	if (record) {
		record->audit_seq = seq;
		record->outcome = outcome == AUDIT_SUCCESS ? "success" : "failure";
		(void)snprintf(record->subject, sizeof(record->subject), "%s", subject);
		va_start(args, format);
		log_format_text(record, format, args);
		va_end(args);
		logwriter_give(record);
	}
	errno = saved_errno;
}

/* The line while the level that shows more is in force. */
void audit_change_level(int level, const char *subject, const char *by)
{
	int before = log_level();

	if (level == before)
		return;
	audit_record(AUDIT_LEVEL_CHANGED, AUDIT_SUCCESS, subject, NULL, "log level is %s by %s, was %s",
		     logformat_level(level), by, logformat_level(before));
	log_set_level(MAX(level, before));
	log_notice(KIND_LOG_LEVEL_SET, "log level is %s now, by %s", logformat_level(level), by);
	log_set_level(level);
}
