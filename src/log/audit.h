/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The audit trail (NIST SP 800-53 AU-2, AU-3, AU-8, AU-9, AU-12; docs/security-compliance.md). A record is a log line
 * of its own class: facility authpriv, fields AUDIT_EVENT, AUDIT_SEQ, AUDIT_OUTCOME, AUDIT_SUBJECT and BOOT_ID. It is
 * independent of the log level, numbered without gaps across all processes that share a state file (state/), and has
 * slots of its own in the ring. A gap in the numbers is a lost record or a killed process: the next process continues
 * STATE_STRIDE above the last saved number, and its start record says so. One that cannot save skips more. Records go
 * to journal, syslog and rfc5424, which can keep them apart, never to stderr or stdout. An event with a log line and a
 * record is written once: the line carries the record's fields. Syslog has no fields, so it gets both, with facilities
 * that go to different files. A storm of a limited kind suppresses records, which is itself a record.
 */
#ifndef PORTSYNCD_LOG_AUDIT_H
#define PORTSYNCD_LOG_AUDIT_H

#include <sys/types.h>

#include "log/limit.h"
#include "log/log.h"

enum audit_outcome { AUDIT_SUCCESS, AUDIT_FAILURE };

#define AUDIT_KERNEL "kernel"
#define AUDIT_REDIS "redis"

/* Initially on. */
void audit_enable(bool enabled);
bool audit_enabled(void);

/* The last number issued, initially 0. audit_go_on() sets another one, before the first record. */
uint64_t audit_last(void);
void audit_go_on(uint64_t last);
/* Leaves numbers out; other threads may make records meanwhile. */
void audit_skip(uint64_t numbers);

/* The subject: this process, or the sender of a signal ("pid 7 uid 0"). */
const char *audit_self(void);
const char *audit_process(char out[LOG_SUBJECT_BYTES], pid_t pid, uid_t uid);

/* True if a record of this kind should be made now; counts it towards the kind's limit. */
bool audit_wanted(enum log_kind kind);
/* True if the trail is on and the target keeps records. */
bool audit_is_kept(void);
/* True if the ring has capacity for records that can wait; the last slots are for those that cannot. */
bool audit_has_capacity(void);
/* Makes a record, after audit_wanted(). Preserves errno. */
void audit_line(enum log_kind kind, enum audit_outcome outcome, const char *subject, const struct log_site *site,
		const struct log_context *fields, const char *format, ...) PRINTF_LIKE(6, 7);

/* An event that also has a log line. */
struct audit_event {
	enum log_kind kind; /* of AUDIT_KINDS */
	enum audit_outcome outcome;
	const char *subject;
};

/* True if the target has fields, so that a line can carry the record. */
bool audit_joins(void);
/* line, record: the results of log_wanted() and audit_wanted(). A line that carries the record has the more severe of
 * both levels. Preserves errno. */
void audit_event_line(bool line, bool record, int level, enum log_kind kind, const struct audit_event *event,
		      const struct log_site *site, const struct log_context *fields, const char *format, ...)
	PRINTF_LIKE(8, 9);

#define audit_event(level, kind, event, outcome, subject, ...)                                                         \
	do {                                                                                                           \
		const struct audit_event audit_event_ = {event, outcome, subject};                                     \
		const struct log_context *no_context_ = NULL;                                                          \
                                                                                                                       \
		audit_event_line(log_wanted(level, kind), audit_wanted(event), level, kind, &audit_event_, LOG_HERE,   \
				 no_context_, __VA_ARGS__);                                                            \
	} while (0)

/* Sets the log level and writes a line and a record, or one that is both, with the requester and the means. Does
 * nothing if the level is already set. */
void audit_change_level(int level, const char *subject, const char *by);

#define audit_record(kind, outcome, subject, fields, ...)                                                              \
	do {                                                                                                           \
		if (audit_wanted(kind))                                                                                \
			audit_line(kind, outcome, subject, LOG_HERE, fields, __VA_ARGS__);                             \
	} while (0)

#endif
