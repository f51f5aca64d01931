/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/procstat.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/util.h"

#define TEXT_BYTES 8192
#define SOCKET_LINE_BYTES 256

/* The fields of stat after the command; "state" is number 3 in proc(5). */
#define STAT_FIRST 3
#define STAT_LAST 23
enum stat_field {
	STAT_MINFLT = 10,
	STAT_MAJFLT = 12,
	STAT_UTIME = 14,
	STAT_STIME = 15,
	STAT_THREADS = 20,
	STAT_STARTTIME = 22,
	STAT_VSIZE = 23,
};

static bool read_text(const char *proc, const char *name, char text[TEXT_BYTES])
{
	char path[PATH_MAX];
	int fd cleanup(close_fd) = -1;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "%s/%s", proc, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, TEXT_BYTES - 1);
	text[MAX(n, 0)] = '\0';
	return n > 0;
}

/* A command may hold blanks and parentheses: the last parenthesis ends it. */
static bool read_stat(const char *proc, const char *name, uint64_t fields[STAT_LAST + 1])
{
	char text[TEXT_BYTES], *at;

	memset(fields, 0, (STAT_LAST + 1) * sizeof(*fields));
	if (!read_text(proc, name, text))
		return false;
	at = strrchr(text, ')');
	if (!at || at[1] != ' ' || at[2] == '\0')
		return false;
	at += 3; /* past the state, which is a letter */
	for (unsigned i = STAT_FIRST + 1; i <= STAT_LAST; i++)
		fields[i] = strtoull(at, &at, 10);
	return true;
}

static uint64_t ticks_nsec(uint64_t ticks)
{
	long hertz = sysconf(_SC_CLK_TCK);

	return hertz > 0 ? ticks * (NSEC_PER_SEC / (uint64_t)hertz) : 0;
}

/* The number after "key:" at the start of a line. */
static bool find_figure(const char *text, const char *key, uint64_t *value)
{
	size_t len = strlen(key);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, key, len) != 0)
			continue;
		line += len + strspn(line + len, " \t");
		if (*line != ':')
			continue;
		*value = strtoull(line + 1, NULL, 10);
		return true;
	}
	return false;
}

/* Column n, counted from 0, of words separated by spaces; false when it is not a number. */
static bool find_column(const char *line, unsigned n, uint64_t *value)
{
	static const char spaces[] = " \t";

	line += strspn(line, spaces);
	for (; n > 0; n--) {
		line += strcspn(line, " \t\n");
		line += strspn(line, spaces);
	}
	if (*line < '0' || *line > '9')
		return false;
	*value = strtoull(line, NULL, 10);
	return true;
}

uint64_t procstat_resident(const char *proc)
{
	char text[TEXT_BYTES];
	uint64_t pages;

	if (!read_text(proc, "self/statm", text) || !find_column(text, 1, &pages))
		return 0;
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void read_process(struct procstat *out, const char *proc)
{
	uint64_t stat[STAT_LAST + 1];
	char text[TEXT_BYTES];

	if (read_stat(proc, "self/stat", stat)) {
		out->cpu_nsec = ticks_nsec(stat[STAT_UTIME] + stat[STAT_STIME]);
		out->threads = stat[STAT_THREADS];
		out->virtual_bytes = stat[STAT_VSIZE];
	}
	out->resident_bytes = procstat_resident(proc);
	if (read_text(proc, "self/status", text) && find_figure(text, "VmLck", &out->locked_bytes))
		out->locked_bytes *= 1024;
}

/* The directory's own descriptor is not counted. */
static uint64_t count_fds(const char *proc)
{
	char path[PATH_MAX];
	uint64_t n = 0;
	DIR *dir;

	(void)snprintf(path, sizeof(path), "%s/self/fd", proc);
	dir = opendir(path);
	if (!dir)
		return 0;
	for (const struct dirent *entry = readdir(dir); entry; entry = readdir(dir))
		n += entry->d_name[0] != '.';
	(void)closedir(dir);
	return n > 0 ? n - 1 : 0;
}

static uint64_t fd_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 0;
	return limit.rlim_cur == RLIM_INFINITY ? UINT64_MAX : limit.rlim_cur;
}

static const char *task(char path[PATH_MAX], const char *name)
{
	(void)snprintf(path, PATH_MAX, "self/task/%d/%s", (int)getpid(), name);
	return path;
}

static void read_loop(struct procstat *out, const char *proc)
{
	char path[PATH_MAX], text[TEXT_BYTES];
	uint64_t stat[STAT_LAST + 1];

	if (read_stat(proc, task(path, "stat"), stat)) {
		out->loop_user_nsec = ticks_nsec(stat[STAT_UTIME]);
		out->loop_system_nsec = ticks_nsec(stat[STAT_STIME]);
		out->loop_minor_faults = stat[STAT_MINFLT];
		out->loop_major_faults = stat[STAT_MAJFLT];
	}
	if (read_text(proc, task(path, "status"), text)) {
		(void)find_figure(text, "voluntary_ctxt_switches", &out->loop_voluntary);
		(void)find_figure(text, "nonvoluntary_ctxt_switches", &out->loop_involuntary);
	}
	if (read_text(proc, task(path, "sched"), text))
		out->has_migrations = find_figure(text, "se.nr_migrations", &out->loop_migrations);
	if (read_text(proc, task(path, "schedstat"), text))
		out->has_run_delay = find_column(text, 1, &out->loop_run_delay_nsec);
}

/* The columns are those of netlink_native_seq_show() in net/netlink/af_netlink.c. */
static bool parse_socket(const char *line, uint64_t inode, struct procstat *out)
{
	uint64_t queued, drops, its_inode;

	if (!find_column(line, 4, &queued) || !find_column(line, 8, &drops) || !find_column(line, 9, &its_inode) ||
	    its_inode != inode)
		return false;
	out->netlink_queued = queued;
	out->netlink_drops = drops;
	return true;
}

static void read_netlink(struct procstat *out, const char *proc, uint64_t inode)
{
	char path[PATH_MAX], line[SOCKET_LINE_BYTES];
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/self/net/netlink", proc);
	file = fopen(path, "re");
	if (!file)
		return;
	while (!out->has_netlink && fgets(line, sizeof(line), file))
		out->has_netlink = parse_socket(line, inode, out);
	(void)fclose(file);
}

static uint64_t clock_nsec(clockid_t clock)
{
	struct timespec ts;

	(void)clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

uint64_t procstat_started(const char *proc)
{
	uint64_t stat[STAT_LAST + 1], since_boot = clock_nsec(CLOCK_BOOTTIME), now = clock_nsec(CLOCK_REALTIME);

	return read_stat(proc, "self/stat", stat) ? now - since_boot + ticks_nsec(stat[STAT_STARTTIME]) : now;
}

void procstat_read(struct procstat *out, const char *proc, uint64_t inode)
{
	*out = (struct procstat){.open_fds = count_fds(proc), .max_fds = fd_limit()};
	read_process(out, proc);
	read_loop(out, proc);
	read_netlink(out, proc, inode);
}
