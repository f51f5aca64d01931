/* SPDX-License-Identifier: Apache-2.0 */
#include "observe/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-journal.h>
#include <time.h>

#define LINE_MAX_BYTES 1024
#define LIMIT_WINDOW_USEC (10 * USEC_PER_SEC)

static struct {
	enum log_sink sink;
	int level;
	int fd; /* of /dev/log */
	char syslog_path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	struct log_stats stats;
} logger = {.sink = LOG_SINK_STDERR, .level = LOG_NOTICE, .fd = -1, .syslog_path = "/dev/log"};

static const char *const level_names[] = {"EMERG", "ALERT", "CRIT", "ERR", "WARNING", "NOTICE", "INFO", "DEBUG"};

/* Non-blocking: a collector that does not read must cost us its lines, never our time (SONIC.md M5). */
static int connect_syslog(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	memcpy(address.sun_path, logger.syslog_path, sizeof(address.sun_path));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		int r = -errno;

		(void)close(fd);
		return r;
	}
	return fd;
}

void log_open(enum log_sink sink, int level, const char *syslog_path)
{
	log_close();
	logger.level = level;
	(void)snprintf(logger.syslog_path, sizeof(logger.syslog_path), "%s", syslog_path);
	log_set_sink(sink);
}

void log_set_sink(enum log_sink sink)
{
	logger.sink = sink;
	if (sink == LOG_SINK_SYSLOG && logger.fd < 0)
		logger.fd = connect_syslog();
}

void log_close(void)
{
	if (logger.fd >= 0)
		(void)close(logger.fd);
	logger.fd = -1;
}

enum log_sink log_auto_sink(void)
{
	if (getenv("JOURNAL_STREAM") || access("/run/systemd/journal/socket", W_OK) == 0)
		return LOG_SINK_JOURNAL;
	if (access("/dev/log", W_OK) == 0)
		return LOG_SINK_SYSLOG;
	return LOG_SINK_STDERR;
}

void log_set_level(int level)
{
	logger.level = level;
}

int log_level(void)
{
	return logger.level;
}

uint64_t log_dropped(void)
{
	return logger.stats.dropped;
}

void log_stats(struct log_stats *stats)
{
	*stats = logger.stats;
}

enum log_sink log_sink(void)
{
	return logger.sink;
}

static void lost_line(void)
{
	logger.stats.written--;
	logger.stats.dropped++;
}

static bool send_syslog(const char *line, size_t len)
{
	if (logger.fd < 0)
		logger.fd = connect_syslog();
	if (logger.fd < 0)
		return false;
	if (send(logger.fd, line, len, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)len)
		return true;
	if (errno == EAGAIN || errno == ENOBUFS)
		return false;
	/* The collector was restarted: its new socket has the old name. */
	(void)close(logger.fd);
	logger.fd = connect_syslog();
	return logger.fd >= 0 && send(logger.fd, line, len, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)len;
}

/* RFC 3164 as rsyslog's imuxsock reads it; the text as swss-common's logger writes it (SONIC.md 5.4). */
static void to_syslog(int level, const char *function, const char *message)
{
	char line[LINE_MAX_BYTES + 128], stamp[32];
	time_t now = time(NULL);
	struct tm tm;
	int len;

	if (!localtime_r(&now, &tm) || strftime(stamp, sizeof(stamp), "%b %e %H:%M:%S", &tm) == 0)
		stamp[0] = '\0';
	len = snprintf(line, sizeof(line), "<%d>%s portsyncd[%d]: :- %s: %s", LOG_USER | level, stamp, (int)getpid(),
		       function, message);
	if (!send_syslog(line, MIN((size_t)len, sizeof(line) - 1)))
		lost_line();
}

static void to_journal(int level, const char *function, const char *message)
{
	if (sd_journal_send("MESSAGE=%s", message, "PRIORITY=%i", level, "CODE_FUNC=%s", function,
			    "SYSLOG_IDENTIFIER=portsyncd", NULL) < 0)
		lost_line();
}

static void to_stream(int fd, int level, const char *function, const char *message)
{
	if (dprintf(fd, "portsyncd: %s: %s: %s\n", level_names[level], function, message) < 0)
		lost_line();
}

void log_line(int level, const char *function, const char *format, ...)
{
	char message[LINE_MAX_BYTES];
	int saved_errno = errno;
	va_list args;

	va_start(args, format);
	(void)vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	logger.stats.written++;
	switch (logger.sink) {
	case LOG_SINK_STDERR:
		to_stream(STDERR_FILENO, level, function, message);
		break;
	case LOG_SINK_STDOUT:
		to_stream(STDOUT_FILENO, level, function, message);
		break;
	case LOG_SINK_SYSLOG:
		to_syslog(level, function, message);
		break;
	case LOG_SINK_JOURNAL:
		to_journal(level, function, message);
		break;
	}
	errno = saved_errno;
}

bool log_limit_pass(struct log_limit *limit, unsigned burst)
{
	uint64_t now = now_usec();

	if (limit->since == 0 || now - limit->since >= LIMIT_WINDOW_USEC) {
		if (limit->suppressed > 0)
			log_warning("%u like lines were held back", limit->suppressed);
		*limit = (struct log_limit){.since = now};
	}
	if (limit->passed < burst) {
		limit->passed++;
		return true;
	}
	limit->suppressed++;
	logger.stats.held_back++;
	return false;
}
