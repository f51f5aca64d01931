/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log lines. Levels: ERR something is broken and an operator must act; WARNING something is wrong that we cope with;
 * NOTICE milestones and port changes; INFO what helps to follow; DEBUG the rest. SONiC's own test suite fails on any
 * new ERR line, so a fault that mends itself is at most a WARNING.
 */
#ifndef PORTSYNCD_LOG_H
#define PORTSYNCD_LOG_H

#include <stdbool.h>
#include <stdint.h>
#include <syslog.h>

#include "base/util.h"

enum log_sink { LOG_SINK_STDERR, LOG_SINK_STDOUT, LOG_SINK_SYSLOG, LOG_SINK_JOURNAL };

/*
 * Chooses where lines go; before the first call they go to stderr. Never fails: a sink that cannot be reached drops
 * its lines and counts them. syslog_path is "/dev/log" but for tests.
 */
void log_open(enum log_sink sink, int level, const char *syslog_path);
/* The sink "auto" means here and now: journal, else syslog, else stderr. */
enum log_sink log_auto_sink(void);
/* Another sink, with the level and syslog_path of log_open(). */
void log_set_sink(enum log_sink sink);
enum log_sink log_sink(void);
void log_close(void);
void log_set_level(int level);
int log_level(void);
uint64_t log_dropped(void);

struct log_stats {
	uint64_t written, held_back, dropped;
	uint64_t waiting; /* now */
};
void log_stats(struct log_stats *stats);

void log_line(int level, const char *function, const char *format, ...) PRINTF_LIKE(3, 4);

#define log_at(level, ...)                                                                                             \
	do {                                                                                                           \
		if ((level) <= log_level())                                                                            \
			log_line(level, __func__, __VA_ARGS__);                                                        \
	} while (0)
#define log_err(...) log_at(LOG_ERR, __VA_ARGS__)
#define log_warning(...) log_at(LOG_WARNING, __VA_ARGS__)
#define log_notice(...) log_at(LOG_NOTICE, __VA_ARGS__)
#define log_info(...) log_at(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_at(LOG_DEBUG, __VA_ARGS__)

/* At most burst lines of one kind in 10 s; tells how many were held back before the next one that passes. */
struct log_limit {
	uint64_t since;
	unsigned passed, suppressed;
};
bool log_limit_pass(struct log_limit *limit, unsigned burst);

#endif
