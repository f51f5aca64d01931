/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/absence.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-journal.h>
#include <time.h>

#include "base/util.h"
#include "ctl/proc.h"
#include "ctl/supervisor.h"

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
static bool parse_stat(const char *stat, struct process *ret)
{
	const char *rest = strrchr(stat, ')');
	struct timespec now;
	double started;

	if (!rest || rest[1] != ' ' || rest[2] == '\0')
		return false;
	rest += 2;
	ret->state = rest[0];
	for (int field = 3; rest && field < 22; field++)
		rest = strchr(rest + 1, ' ');
	if (!rest)
		return false;
	started = (double)strtoull(rest, NULL, 10) / (double)sysconf(_SC_CLK_TCK);
	(void)clock_gettime(CLOCK_BOOTTIME, &now);
	ret->seconds = MAX((double)now.tv_sec - started, 0);
	return true;
}

/* Whether it is in the namespace whose links are meant. A process that we may not look at counts, one that has ended
 * does not.
 */
static bool in_namespace(const struct ctl *ctl, pid_t pid)
{
	char path[PATH_MAX];
	struct stat a, b;

	(void)snprintf(path, sizeof(path), "/run/netns/%s", ctl->config.netns);
	if (ctl->config.netns[0] ? stat(path, &a) < 0 : !proc_netns(0, &a))
		return true;
	if (!proc_netns(pid, &b))
		return errno == EACCES;
	return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

json_t *absence_processes(const struct ctl *ctl)
{
	json_t *list = json_array();

	for (pid_t pid = 0; proc_next(NAME, &pid);) {
		char *stat cleanup(free_ptr) = proc_read(pid, "stat", NULL);
		struct process found;

		if (stat && parse_stat(stat, &found) && in_namespace(ctl, pid))
			(void)json_array_append_new(list, json_pack("{s:i, s:s, s:f}", "pid", (int)pid, "state",
								    state_name(found.state), "seconds", found.seconds));
	}
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

json_t *absence_program(void)
{
	json_t *program = supervisor_ask();

	if (!program)
		return json_null();
	(void)json_object_set_new(
		program, "since",
		stamp((uint64_t)json_integer_value(json_object_get(program, "since")) * USEC_PER_SEC));
	return program;
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
