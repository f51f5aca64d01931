/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log lines. Levels: ERR something is broken and an operator must act; WARNING something is wrong that we cope with;
 * NOTICE milestones and port changes; INFO what helps to follow; DEBUG the rest. SONiC's own test suite fails on any
 * new ERR line, so a fault that mends itself is at most a WARNING.
 *
 * Each line has a kind (messages.h). Saying a line never waits: a thread writes it (logwriter.h). Any thread may log.
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
	unsigned limit_secs; /* the window of the limits; 0: there are none */
	long limit_lines;    /* of each kind that has a limit; < 0: as messages.h says */
};

/*
 * From here on all is as the options say; at first lines go to stderr. Never fails: a target that cannot be reached
 * gets its lines when it can; what there is no room for meanwhile is dropped and counted.
 */
void log_open(const struct log_options *options);
/* The sink "auto" means here and now: journal, else syslog, else stderr. */
enum log_sink log_auto_sink(void);
/* From now on lines are written by a thread; without it they are all the same. After what sets the scheduling. */
void log_start(void);
/* Writes what is left, for at most a second; lines that come later are written at once. */
void log_close(void);

/* Another sink, the rest as it is. */
void log_set_sink(enum log_sink sink);
enum log_sink log_sink(void);
/* Who reads stderr has the lines: it is the target, or goes to the same terminal, journal or syslog, which takes them.
 */
bool log_shows_on_stderr(void);
void log_set_level(int level);
int log_level(void);

/* How many lines of a kind were held back, for all kinds of which it was not told yet; end: those of a window that
 * still lasts too. Called now and then. */
void log_tell_held_back(bool end);

/* For who holds back by itself. */
void log_note_held_back(unsigned n);
/* There is room for ordinary lines. */
bool log_has_room(void);

/* Rings (readable) when the thread learns that lines cannot be written for more than a moment, or can again: the
 * reader's to empty. From log_start() to log_close(); -1: there is none. */
int log_bell(void);

struct log_stats {
	uint64_t written;
	uint64_t suppressed;             /* too many of one kind, or of one port */
	uint64_t dropped, dropped_audit; /* the latter, records of the audit trail, are among the former */
	uint64_t dropped_nsec;           /* when the last line was, CLOCK_MONOTONIC; 0: none was */
	uint64_t waiting;                /* now */
	/* Since when the target takes nothing, CLOCK_MONOTONIC us; 0: it took the last record. */
	uint64_t refused_since;
};
void log_stats(struct log_stats *stats);

/* What a line is about, beside its text. */
struct log_fields {
	const char *port; /* NULL, as 0 below: not told */
	int ifindex;
	uint64_t event_id;        /* counts the port changes, also over restarts */
	uint64_t latency_us;      /* from the kernel's message to here */
	const char *admin, *oper; /* "up" or "down"; of static storage */
	uint32_t mtu;
	const char *reason;
};

/* The place that says a line. */
struct log_site {
	const char *function, *file;
	int line;
};
#define LOG_HERE (&(const struct log_site){__func__, __FILE__, __LINE__})

/* Whether a line of this level and kind is to be said now; it counts as said for the limit then. */
bool log_wanted(int level, enum log_kind kind);
/* After log_wanted(). fields may be NULL. errno stays. */
void log_line(int level, enum log_kind kind, const struct log_site *site, const struct log_fields *fields,
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

/* For audit.c: a record that still lacks its text and is then given to logwriter_give(); NULL: there was no room. */
struct log_record *log_claim(int level, enum log_kind kind, bool audit, const struct log_site *site,
			     const struct log_fields *fields);
void log_format_text(struct log_record *record, const char *format, va_list args) PRINTF_LIKE(2, 0);

#endif
