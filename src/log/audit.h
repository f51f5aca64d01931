/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The audit trail (NIST SP 800-53 AU-2, AU-3, AU-8, AU-9, AU-12; docs/security-compliance.md). A record is a log line
 * of its own class: facility authpriv, fields AUDIT_EVENT, AUDIT_SEQ, AUDIT_OUTCOME, AUDIT_SUBJECT and BOOT_ID. It is
 * made whatever the log level is, numbered without gaps over all processes that share a state file (state/), and has
 * room of its own in the ring. A gap in the numbers is a record that was lost, or a process that was killed: then the
 * next one goes on STATE_STRIDE above what was saved, and its start record says so. It goes where records can be kept
 * apart, journal, syslog and rfc5424, not to stderr and stdout. An event that has a log line and a record is told once:
 * the line has the record's fields. Syslog, which has no fields, gets both, of facilities that go to different files.
 * Records of a kind that is limited are held back in a storm, which is a record.
 */
#ifndef PORTSYNCD_LOG_AUDIT_H
#define PORTSYNCD_LOG_AUDIT_H

#include <sys/types.h>

#include "log/limit.h"
#include "log/log.h"

enum audit_outcome { AUDIT_SUCCESS, AUDIT_FAILURE };

#define AUDIT_KERNEL "kernel"
#define AUDIT_REDIS "redis"

/* On at first. */
void audit_enable(bool enabled);
bool audit_enabled(void);

/* The last number given, 0 at first; and before the first record, another one to go on from. */
uint64_t audit_last(void);
void audit_go_on(uint64_t last);

/* Who did it: this process, or one that sent a signal ("pid 7 uid 0"). */
const char *audit_self(void);
const char *audit_process(char out[LOG_SUBJECT_BYTES], pid_t pid, uid_t uid);

/* Whether a record of the kind is to be made now; it counts as made for the kind's limit then. */
bool audit_wanted(enum log_kind kind);
/* The trail is on, and goes where records are kept. */
bool audit_is_kept(void);
/* There is room for records that can wait. The last of it is for those that cannot. */
bool audit_has_room(void);
/* After audit_wanted(). errno stays. */
void audit_line(enum log_kind kind, enum audit_outcome outcome, const char *subject, const struct log_site *site,
		const struct log_fields *fields, const char *format, ...) PRINTF_LIKE(6, 7);

/* An event with a log line of its own. */
struct audit_event {
	enum log_kind kind; /* of AUDIT_KINDS */
	enum audit_outcome outcome;
	const char *subject;
};

/* The target has fields: a line can be the record too. */
bool audit_joins(void);
/* line, record: which of them is wanted, by log_wanted() and audit_wanted(). A line that is the record too has the
 * severer of both levels. errno stays. */
void audit_event_line(bool line, bool record, int level, enum log_kind kind, const struct audit_event *event,
		      const struct log_site *site, const struct log_fields *fields, const char *format, ...)
	PRINTF_LIKE(8, 9);

#define audit_event(level, kind, event, outcome, subject, ...)                                                         \
	audit_event_line(log_wanted(level, kind), audit_wanted(event), level, kind,                                    \
			 &(const struct audit_event){event, outcome, subject}, LOG_HERE, NULL, __VA_ARGS__)

/* Sets the log level, with a line and a record, or one that is both, of who asked for it by what. Nothing if it is so
 * already. */
void audit_change_level(int level, const char *subject, const char *by);

#define audit_record(kind, outcome, subject, fields, ...)                                                              \
	do {                                                                                                           \
		if (audit_wanted(kind))                                                                                \
			audit_line(kind, outcome, subject, LOG_HERE, fields, __VA_ARGS__);                             \
	} while (0)

#endif
