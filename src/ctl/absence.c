/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/absence.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-journal.h>
#include <time.h>

#include "base/util.h"

#define PROC "/proc"
#define NAME "portsyncd"
#define UNIT_PATH "/org/freedesktop/systemd1/unit/portsyncd_2eservice"
#define SYSTEMD "org.freedesktop.systemd1"
#define STAMP_BYTES 40
#define LINE_MAX_BYTES 512

static json_t *stamp(uint64_t usec)
{
	time_t seconds = (time_t)(usec / USEC_PER_SEC);
	char text[STAMP_BYTES];
	struct tm tm;

	if (usec == 0 || !gmtime_r(&seconds, &tm) || strftime(text, sizeof(text), "%FT%TZ", &tm) == 0)
		return json_null();
	return json_string(text);
}

/* --- processes --- */

struct process {
	int pid;
	char state;
	double seconds; /* its age */
};

static const char *state_name(char state)
{
	switch (state) {
	case 'T':
	case 't':
		return "stopped";
	case 'D':
		return "waiting for the kernel";
	default:
		return "running";
	}
}

/* What follows the name in /proc/<pid>/stat, proc(5): the third field is the state, the 22nd the start in ticks. */
static bool parse_stat(char *stat, struct process *ret)
{
	char *name = strchr(stat, '('), *end = strrchr(stat, ')'), *rest = NULL;
	struct timespec now;
	double started;

	if (!name || !end || end - name != (int)strlen(NAME) + 1 || strncmp(name + 1, NAME, strlen(NAME)) != 0)
		return false;
	if (end[1] != ' ' || end[2] == '\0')
		return false;
	ret->state = end[2];
	rest = end + 2;
	for (int field = 3; rest && field < 22; field++)
		rest = strchr(rest + 1, ' ');
	if (!rest)
		return false;
	started = (double)strtoull(rest, NULL, 10) / (double)sysconf(_SC_CLK_TCK);
	(void)clock_gettime(CLOCK_BOOTTIME, &now);
	ret->seconds = MAX((double)now.tv_sec - started, 0);
	return true;
}

static bool read_process(const char *pid, struct process *ret)
{
	char path[PATH_MAX], stat[1024];
	int fd cleanup(close_fd) = -1;
	ssize_t n;

	(void)snprintf(path, sizeof(path), PROC "/%s/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, stat, sizeof(stat) - 1);
	if (n <= 0)
		return false;
	stat[n] = '\0';
	ret->pid = atoi(pid);
	return parse_stat(stat, ret);
}

/* Whether it is in the namespace whose links are meant. One that may not be looked at counts, one that has ended not.
 */
static bool in_namespace(const struct ctl *ctl, int pid)
{
	char ours[PATH_MAX] = PROC "/self/ns/net", its[PATH_MAX];
	struct stat a, b;

	if (ctl->config.netns[0] != '\0')
		(void)snprintf(ours, sizeof(ours), "/run/netns/%s", ctl->config.netns);
	(void)snprintf(its, sizeof(its), PROC "/%d/ns/net", pid);
	if (stat(ours, &a) < 0)
		return true;
	if (stat(its, &b) < 0)
		return errno == EACCES;
	return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

json_t *absence_processes(const struct ctl *ctl)
{
	json_t *list = json_array();
	DIR *proc = opendir(PROC);
	const struct dirent *entry;

	while (proc && (entry = readdir(proc))) {
		struct process found;

		if (entry->d_name[0] < '1' || entry->d_name[0] > '9' || !read_process(entry->d_name, &found) ||
		    !in_namespace(ctl, found.pid))
			continue;
		(void)json_array_append_new(list, json_pack("{s:i, s:s, s:f}", "pid", found.pid, "state",
							    state_name(found.state), "seconds", found.seconds));
	}
	if (proc)
		(void)closedir(proc);
	return list;
}

/* --- the unit --- */

static json_t *property(sd_bus *bus, const char *interface, const char *name)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;
	char *text = NULL;
	json_t *json;

	(void)sd_bus_get_property_string(bus, SYSTEMD, UNIT_PATH, interface, name, &error, &text);
	sd_bus_error_free(&error);
	json = text ? json_string(text) : json_null();
	free(text);
	return json;
}

static json_t *number(sd_bus *bus, const char *name, char type)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;
	uint64_t value = 0;
	int32_t small = 0;

	if (type == 't')
		(void)sd_bus_get_property_trivial(bus, SYSTEMD, UNIT_PATH, SYSTEMD ".Unit", name, &error, type, &value);
	else
		(void)sd_bus_get_property_trivial(bus, SYSTEMD, UNIT_PATH, SYSTEMD ".Service", name, &error, type,
						  &small);
	sd_bus_error_free(&error);
	return type == 't' ? stamp(value) : json_integer(small);
}

json_t *absence_unit(void)
{
	sd_bus *bus = NULL;
	json_t *unit, *load;

	if (sd_bus_open_system(&bus) < 0)
		return json_null();
	(void)sd_bus_set_method_call_timeout(bus, CTL_ANSWER_SECS * USEC_PER_SEC);
	load = property(bus, SYSTEMD ".Unit", "LoadState");
	if (json_is_string(load) && strcmp(json_string_value(load), "loaded") == 0)
		unit = json_pack("{s:o, s:o, s:o, s:o, s:o}", "active", property(bus, SYSTEMD ".Unit", "ActiveState"),
				 "sub", property(bus, SYSTEMD ".Unit", "SubState"), "result",
				 property(bus, SYSTEMD ".Service", "Result"), "status",
				 number(bus, "ExecMainStatus", 'i'), "since", number(bus, "StateChangeTimestamp", 't'));
	else
		unit = json_null();
	json_decref(load);
	sd_bus_flush_close_unref(bus);
	return unit;
}

/* --- the journal --- */

static json_t *line(sd_journal *journal)
{
	const void *data;
	uint64_t usec = 0;
	char text[LINE_MAX_BYTES];
	size_t len, skip = strlen("MESSAGE=");

	if (sd_journal_get_data(journal, "MESSAGE", &data, &len) < 0 || len < skip)
		return json_null();
	(void)sd_journal_get_realtime_usec(journal, &usec);
	return json_pack("{s:o, s:s}", "at", stamp(usec), "text",
			 printable((const char *)data + skip, len - skip, text, sizeof(text)));
}

json_t *absence_last_line(void)
{
	sd_journal *journal = NULL;
	json_t *found = NULL;

	if (sd_journal_open(&journal, SD_JOURNAL_LOCAL_ONLY | SD_JOURNAL_SYSTEM) < 0)
		return json_null();
	if (sd_journal_add_match(journal, "SYSLOG_IDENTIFIER=" NAME, 0) >= 0 && sd_journal_seek_tail(journal) >= 0 &&
	    sd_journal_previous(journal) > 0)
		found = line(journal);
	sd_journal_close(journal);
	return found ? found : json_null();
}
