/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log lines. Levels: ERR something is broken and an operator must act; WARNING something is wrong that we cope with;
 * NOTICE milestones and port changes; INFO what helps to follow; DEBUG the rest. SONiC's own test suite fails on any
 * new ERR line, so a fault that the daemon repairs is at most a WARNING.
 *
 * Each line has a kind (kinds.h). Logging never blocks: a thread writes the lines (log/writer.h). Any thread may log.
 */
#ifndef PORTSYNCD_LOG_LOG_H
#define PORTSYNCD_LOG_LOG_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <syslog.h>

#include "base/util.h"
#include "log/kinds.h"
#include "log/target.h"

struct log_options {
	struct logtarget_settings to;
	int level;
	unsigned limit_secs; /* the window of the limits; 0: no limits */
	long limit_lines;    /* of each kind that has a limit; < 0: as kinds.h says */
};

/*
 * Applies the options; before, lines go to stderr. Never fails: lines for an unreachable target wait, and are dropped
 * and counted when the ring is full.
 */
void log_open(const struct log_options *options);
/* What target "auto" means here and now: journal, else syslog, else stderr. */
enum log_target_type log_auto_target(void);
/* Starts the thread that writes lines; without it the callers write them. Call it after the scheduling is set. */
void log_start(void);
/* Writes what is left, for at most a second. Later lines are written at once. */
void log_close(void);

/* Changes the target and nothing else. */
void log_set_target(enum log_target_type type);
enum log_target_type log_target_type(void);
/* True if readers of stderr see the lines: stderr is the target, or leads to the same terminal, journal or syslog,
 * which accepts lines.
 */
bool log_shows_on_stderr(void);
void log_set_level(int level);
int log_level(void);

/* Reports the numbers of suppressed lines that were not reported yet; end: also those of windows that still last. Call
 * it now and then. */
void log_report_suppressed(bool end);

/* Counts lines that the caller suppressed itself. */
void log_note_suppressed(unsigned n);
/* True if the ring has capacity for ordinary lines. */
bool log_has_capacity(void);

/* An eventfd that becomes readable when the target has refused lines for more than a moment, or accepts them again; the
 * reader empties it. Valid from log_start() to log_close(), else -1. */
int log_bell(void);

struct log_stats {
	uint64_t written;
	uint64_t suppressed;             /* too many of one kind, or of one port */
	uint64_t dropped, dropped_audit; /* dropped includes dropped_audit, the audit records */
	uint64_t dropped_nsec;           /* of the last line dropped, CLOCK_MONOTONIC; 0: none */
	uint64_t waiting;                /* now */
	/* Since when the target takes nothing, CLOCK_MONOTONIC us; 0: it took the last record. */
	uint64_t refused_since;
};
void log_stats(struct log_stats *stats);

/* What a line is about, besides its text. */
struct log_context {
	const char *port; /* NULL, as 0 below: unknown */
	int ifindex;
	uint64_t event_id;        /* counts the port changes, also over restarts */
	uint64_t latency_us;      /* from the kernel's message to here */
	const char *admin, *oper; /* "up" or "down"; of static storage */
	uint32_t mtu;
	const char *reason;
};

/* The place in the code that logs. */
struct log_site {
	const char *function, *file;
	int line;
};
#define LOG_HERE (&(const struct log_site){__func__, __FILE__, __LINE__})

/* True if a line of this level and kind should be logged now; counts it towards the limit. */
bool log_wanted(int level, enum log_kind kind);
/* After log_wanted(). fields may be NULL. Preserves errno. */
void log_line(int level, enum log_kind kind, const struct log_site *site, const struct log_context *fields,
	      const char *format, ...) PRINTF_LIKE(5, 6);

#define log_with(level, kind, fields, ...)                                                                             \
	do {                                                                                                           \
		if (log_wanted(level, kind))                                                                           \
			log_line(level, kind, LOG_HERE, fields, __VA_ARGS__);                                          \
	} while (0)
#define log_at(level, kind, ...) log_with(level, kind, NULL, __VA_ARGS__)
#define log_err(kind, ...) log_at(LOG_ERR, kind, __VA_ARGS__)
#define log_warning(kind, ...) log_at(LOG_WARNING, kind, __VA_ARGS__)
#define log_notice(kind, ...) log_at(LOG_NOTICE, kind, __VA_ARGS__)
#define log_info(kind, ...) log_at(LOG_INFO, kind, __VA_ARGS__)
#define log_debug(kind, ...) log_at(LOG_DEBUG, kind, __VA_ARGS__)

/* For audit.c: a record without text, to be passed to logwriter_give(); NULL if the ring is full. */
struct log_record *log_claim(int level, enum log_kind kind, bool audit, const struct log_site *site,
			     const struct log_context *fields);
void log_format_text(struct log_record *record, const char *format, va_list args) PRINTF_LIKE(2, 0);

#endif
