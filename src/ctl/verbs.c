/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/verbs.h"

#include <string.h>

#define ANY_NUMBER ((size_t)-1)

static const struct ctl_option no_options[] = {{0, NULL, NULL, NULL}};

static const struct ctl_option verify_options[] = {
	{'g', "grace", "SECONDS", "a difference counts once it has lasted this long (default 5, 0: at once)"},
	{'w', "watch", "SECONDS", "repeat, this long after each comparison ends"},
	{'q', "quiet", NULL, "print nothing as long as nothing differs, for cron"},
	{0, NULL, NULL, NULL},
};

static const struct ctl_option record_options[] = {
	{'o', "output", "FILE", "a recording made now, to this file; - is stdout"},
	{0, NULL, NULL, NULL},
};

static const struct ctl_option dump_options[] = {
	{'o', "output", "FILE", "the archive; - is stdout (default portsyncd-dump-<time>.tar.gz here)"},
	{0, NULL, NULL, NULL},
};

static const struct ctl_option history_options[] = {
	{'l', "last", "N", "the last N of them (default 50)"},
	{'a', "all", NULL, "all that are remembered"},
	{0, NULL, NULL, NULL},
};

static const struct ctl_option watch_options[] = {
	{0, "count", "N", "exit after this many changes"},
	{0, NULL, NULL, NULL},
};

static const struct ctl_option doctor_options[] = {
	{0, "user", "NAME", "the user that the daemon would run as, if it is not running"},
	{0, NULL, NULL, NULL},
};

static const struct ctl_option status_options[] = {
	{0, "brief", NULL, "one line"},
	{0, NULL, NULL, NULL},
};

static const struct ctl_option wait_options[] = {
	{0, "timeout", "SECONDS", "give up after that long (default: never); then the exit status is 1"},
	{0, NULL, NULL, NULL},
};

static const struct ctl_word a_port[] = {{CTL_WORDS_PORTS, NULL}, {NULL, NULL}};
static const struct ctl_word a_kind[] = {{CTL_WORDS_KINDS, NULL}, {NULL, NULL}};

static const struct ctl_word why_words[] = {
	{CTL_WORDS_PORTS, NULL},
	{"init", "why there is no PortInitDone"},
	{NULL, NULL},
};

static const struct ctl_word wait_words[] = {
	{"init-done", "PortInitDone is in APPL_DB"},
	{"in-sync", "the databases equal the kernel's links"},
	{NULL, NULL},
};

/* In the order of the help. */
const struct ctl_verb ctl_verbs[] = {
	{
		.name = "status",
		.help = "the verdict, and each problem with its cause, how long it has lasted, and the remedy",
		.arguments = "",
		.details = "Exit status 0: healthy; 1: not; 3: the daemon does not answer; shown is what can be "
			   "known without it.",
		.options = status_options,
		.run = verb_status,
	},
	{
		.name = "why",
		.help = "the chain from CONFIG_DB to the row in STATE_DB, and its first broken link",
		.arguments = "PORT | init",
		.min = 1,
		.max = 1,
		.words = why_words,
		.details = "For a port: why consumers do not see it, or see it down. init: why there is no "
			   "PortInitDone. Without the daemon it is not known which interfaces are left over from "
			   "before a cold start. Exit status 0: the chain is whole; 1: it is broken.",
		.options = no_options,
		.run = verb_why,
	},
	{
		.name = "ports",
		.help = "kernel, CONFIG_DB, APPL_DB and STATE_DB side by side, differences marked",
		.arguments = "[PATTERN...]",
		.max = ANY_NUMBER,
		.words = a_port,
		.options = no_options,
		.run = verb_ports,
	},
	{
		.name = "history",
		.help = "the last changes of all ports or of some, across restarts",
		.arguments = "[PATTERN...]",
		.max = ANY_NUMBER,
		.words = a_port,
		.details = "Changes that Redis acknowledged, oldest first, also those undone before they were written. "
			   "LATENCY is from the kernel's message to the acknowledgement, \"-\" where it was not timed, "
			   "as in a storm. EVENT_ID is that of the journal. The daemon remembers state.history_changes "
			   "of them (4096).",
		.options = history_options,
		.run = verb_history,
	},
	{
		.name = "watch",
		.help = "each change of a port as it comes, with the microseconds from the kernel to Redis",
		.arguments = "[PATTERN...]",
		.max = ANY_NUMBER,
		.words = a_port,
		.details = "If lines are read too slowly, one says how many changes are missing. Exit status 3: the "
			   "daemon has ended.",
		.options = watch_options,
		.run = verb_watch,
	},
	{
		.name = "top",
		.help = "a live picture of all ports; q ends it",
		.arguments = "[PATTERN...]",
		.max = ANY_NUMBER,
		.words = a_port,
		.details = "It is redrawn when something changes, at most 20 times a second, and printed once if "
			   "stdout is not a terminal.",
		.options = no_options,
		.run = verb_top,
	},
	{
		.name = "verify",
		.help = "compare the kernel's links with STATE_DB, APPL_DB and CONFIG_DB, without the daemon's help",
		.arguments = "",
		.details = "Exit status 1: something differs. What differs is checked again until the grace period "
			   "is over, as route_check does, since a change takes time from the kernel to Redis, and "
			   "orchagent takes time, too. A line for cron:",
		.example = "*/5 * * * *  root  portsyncctl verify --quiet",
		.options = verify_options,
		.run = verb_verify,
	},
	{
		.name = "doctor",
		.help = "why portsyncd does not run, or cannot: configuration, Redis, rights, limits, kernel",
		.arguments = "",
		.details = "Each finding is ok, WARN or FAIL, the latter two with what helps. What the daemon's user "
			   "may do is tried as that user, so run it as root if you can. Exit status 0: there is no "
			   "FAIL.",
		.options = doctor_options,
		.bad_config = true,
		.run = verb_doctor,
	},
	{
		.name = "wait",
		.help = "wait until the ports are initialised, or the databases equal the kernel",
		.arguments = "init-done | in-sync",
		.min = 1,
		.max = 1,
		.words = wait_words,
		.details = "init-done: APPL_DB has PortInitDone. in-sync: verify would find no difference. Redis, "
			   "the daemon and the ports may all still be missing. Exit status 0: reached; 1: timed out.",
		.options = wait_options,
		.run = verb_wait,
	},
	{
		.name = "explain",
		.help = "what a kind of log line, an audit record or a health check means, and the remedy",
		.arguments = "[NAME...]",
		.max = ANY_NUMBER,
		.words = a_kind,
		.details = "NAME is the kind of the line (MSGID in syslog), AUDIT_EVENT, or the check; without one all "
			   "are listed.",
		.options = no_options,
		.run = verb_explain,
	},
	{
		.name = "record",
		.help = "write what the flight recorder holds, for Wireshark and portsyncd --replay",
		.arguments = "",
		.details = "Without -o the daemon writes it into [recorder] folder, and the name of the file is "
			   "printed.",
		.options = record_options,
		.run = verb_record,
	},
	{
		.name = "dump",
		.help = "one archive for a report: status, configuration, metrics, recording, links, tables, journal",
		.arguments = "",
		.details = "Passwords and keys are not in it. Where something cannot be had, a file <name>.missing "
			   "says why; so it works without the daemon, too.",
		.options = dump_options,
		.bad_config = true,
		.run = verb_dump,
	},
	{.name = NULL},
};

const struct ctl_verb *ctl_verb_find(const char *name)
{
	for (const struct ctl_verb *verb = ctl_verbs; verb->name; verb++)
		if (strcmp(verb->name, name) == 0)
			return verb;
	return NULL;
}
