/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What portsyncctl knows of a daemon that does not answer. Processes are real; systemd, its journal and supervisord
 * are simulated, each also absent or silent.
 */
#include "ctl/absence.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include "ctl/supervisor.h"
#include "test.h"

#define SINCE UINT64_C(1792000000) /* 2026-10-14T17:46:40Z */

static struct {
	int bus, unit_error, journal, match, lines, data;
	const char *load, *message;
	uint64_t since_usec;
	unsigned open;
	json_t *program;
} played;

struct fixture {
	struct ctl ctl;
	pid_t child;
};

static int setup(void **state)
{
	struct fixture *fx = calloc(1, sizeof(*fx));

	assert_non_null(fx);
	memset(&played, 0, sizeof(played));
	played.load = "loaded";
	played.message = "MESSAGE=in sync with the kernel";
	played.since_usec = SINCE * USEC_PER_SEC;
	played.lines = 1;
	*state = fx;
	return 0;
}

static void end_child(struct fixture *fx)
{
	if (fx->child <= 0)
		return;
	(void)kill(fx->child, SIGKILL);
	(void)waitpid(fx->child, NULL, 0);
	fx->child = 0;
}

static int teardown(void **state)
{
	struct fixture *fx = *state;

	end_child(fx);
	assert_int_equal(played.open, 0); /* nothing stays open */
	free(fx);
	return 0;
}

/* --- systemd --- */

int __wrap_sd_bus_open_system(sd_bus **ret);
int __wrap_sd_bus_set_method_call_timeout(sd_bus *bus, uint64_t usec);
sd_bus *__wrap_sd_bus_flush_close_unref(sd_bus *bus);
int __wrap_sd_bus_get_property_string(sd_bus *bus, const char *destination, const char *path, const char *interface,
				      const char *member, sd_bus_error *error, char **ret);
int __wrap_sd_bus_get_property_trivial(sd_bus *bus, const char *destination, const char *path, const char *interface,
				       const char *member, sd_bus_error *error, char type, void *ret);

int __wrap_sd_bus_open_system(sd_bus **ret)
{
	if (played.bus < 0)
		return played.bus;
	played.open++;
	*ret = (sd_bus *)&played;
	return 0;
}

/* One that hangs must not hold the command up. */
int __wrap_sd_bus_set_method_call_timeout(sd_bus *bus, uint64_t usec)
{
	(void)bus;
	assert_int_equal(usec, CTL_ANSWER_SECS * USEC_PER_SEC);
	return 0;
}

sd_bus *__wrap_sd_bus_flush_close_unref(sd_bus *bus)
{
	played.open -= bus != NULL;
	return NULL;
}

int __wrap_sd_bus_get_property_string(sd_bus *bus, const char *destination, const char *path, const char *interface,
				      const char *member, sd_bus_error *error, char **ret)
{
	static const char *const values[][2] = {
		{"ActiveState", "failed"}, {"SubState", "dead"}, {"Result", "exit-code"}};
	const char *value = strcmp(member, "LoadState") == 0 ? played.load : NULL;

	(void)bus;
	(void)error;
	assert_string_equal(destination, "org.freedesktop.systemd1");
	assert_string_equal(path, "/org/freedesktop/systemd1/unit/portsyncd_2eservice");
	assert_non_null(strstr(interface, "org.freedesktop.systemd1."));
	for (size_t i = 0; i < ARRAY_SIZE(values) && !value && played.unit_error == 0; i++)
		value = strcmp(member, values[i][0]) == 0 ? values[i][1] : NULL;
	if (!value)
		return played.unit_error ? played.unit_error : -ENOENT;
	*ret = strdup(value);
	return 0;
}

int __wrap_sd_bus_get_property_trivial(sd_bus *bus, const char *destination, const char *path, const char *interface,
				       const char *member, sd_bus_error *error, char type, void *ret)
{
	(void)bus;
	(void)destination;
	(void)path;
	(void)interface;
	(void)error;
	if (strcmp(member, "ExecMainStatus") == 0 && type == 'i')
		*(int32_t *)ret = 2;
	else if (strcmp(member, "StateChangeTimestamp") == 0 && type == 't')
		*(uint64_t *)ret = played.since_usec;
	else
		return -ENXIO;
	return 0;
}

static void assert_text(const json_t *object, const char *key, const char *text)
{
	const char *found = json_string_value(json_object_get(object, key));

	assert_non_null(found);
	assert_string_equal(found, text);
}

static void a_unit_that_failed_says_how_and_when(void **state)
{
	json_t *unit = absence_unit();

	(void)state;
	assert_text(unit, "active", "failed");
	assert_text(unit, "sub", "dead");
	assert_text(unit, "result", "exit-code");
	assert_int_equal(json_integer_value(json_object_get(unit, "status")), 2);
	assert_text(unit, "since", "2026-10-14T17:46:40Z");
	json_decref(unit);
}

/* It was never started: there is no time, rather than 1970. */
static void a_unit_without_a_past_has_no_time(void **state)
{
	json_t *unit;

	(void)state;
	played.since_usec = 0;
	unit = absence_unit();
	assert_true(json_is_null(json_object_get(unit, "since")));
	json_decref(unit);
}

/* systemd stops answering in between. */
static void what_systemd_does_not_say_is_null(void **state)
{
	json_t *unit;

	(void)state;
	played.unit_error = -ETIMEDOUT;
	unit = absence_unit();
	assert_true(json_is_object(unit) && json_is_null(json_object_get(unit, "active")));
	assert_true(json_is_null(json_object_get(unit, "result")));
	json_decref(unit);
}

static void without_systemd_or_the_unit_there_is_none(void **state)
{
	(void)state;
	played.load = "not-found";
	assert_true(json_is_null(absence_unit()));
	played.load = NULL;
	assert_true(json_is_null(absence_unit()));
	played.bus = -ENOENT; /* in a container */
	assert_true(json_is_null(absence_unit()));
}

/* --- its journal --- */

int __wrap_sd_journal_open(sd_journal **ret, int flags);
void __wrap_sd_journal_close(sd_journal *j);
int __wrap_sd_journal_add_match(sd_journal *j, const void *data, size_t size);
int __wrap_sd_journal_seek_tail(sd_journal *j);
int __wrap_sd_journal_previous(sd_journal *j);
int __wrap_sd_journal_get_data(sd_journal *j, const char *field, const void **data, size_t *len);
int __wrap_sd_journal_get_realtime_usec(sd_journal *j, uint64_t *ret);

int __wrap_sd_journal_open(sd_journal **ret, int flags)
{
	assert_int_equal(flags, SD_JOURNAL_LOCAL_ONLY | SD_JOURNAL_SYSTEM);
	if (played.journal < 0)
		return played.journal;
	played.open++;
	*ret = (sd_journal *)&played;
	return 0;
}

void __wrap_sd_journal_close(sd_journal *j)
{
	played.open -= j != NULL;
}

int __wrap_sd_journal_add_match(sd_journal *j, const void *data, size_t size)
{
	(void)j;
	assert_int_equal(size, 0);
	assert_string_equal(data, "SYSLOG_IDENTIFIER=portsyncd");
	return played.match;
}

int __wrap_sd_journal_seek_tail(sd_journal *j)
{
	(void)j;
	return 0;
}

int __wrap_sd_journal_previous(sd_journal *j)
{
	(void)j;
	return played.lines;
}

int __wrap_sd_journal_get_data(sd_journal *j, const char *field, const void **data, size_t *len)
{
	(void)j;
	assert_string_equal(field, "MESSAGE");
	*data = played.message;
	*len = strlen(played.message);
	return played.data;
}

int __wrap_sd_journal_get_realtime_usec(sd_journal *j, uint64_t *ret)
{
	(void)j;
	*ret = SINCE * USEC_PER_SEC + 999999;
	return 0;
}

static void the_last_line_has_its_time(void **state)
{
	json_t *last = absence_last_line();

	(void)state;
	assert_text(last, "at", "2026-10-14T17:46:40Z");
	assert_text(last, "text", "in sync with the kernel");
	json_decref(last);
}

/* Anybody may write to the journal, under any name. */
static void a_line_does_not_speak_to_the_terminal(void **state)
{
	json_t *last;

	(void)state;
	played.message = "MESSAGE=good\x1b[31m\nevil";
	last = absence_last_line();
	assert_null(strpbrk(json_string_value(json_object_get(last, "text")), "\x1b\n"));
	json_decref(last);
}

static void without_a_journal_or_a_line_there_is_none(void **state)
{
	(void)state;
	played.data = -ENOENT; /* an entry without a message */
	assert_true(json_is_null(absence_last_line()));
	played.data = 0;
	played.message = "MESS";
	assert_true(json_is_null(absence_last_line()));
	played.lines = 0;
	assert_true(json_is_null(absence_last_line()));
	played.match = -ENOMEM;
	assert_true(json_is_null(absence_last_line()));
	played.journal = -EACCES;
	assert_true(json_is_null(absence_last_line()));
}

/* --- supervisord --- */

json_t *__wrap_supervisor_ask(void);

json_t *__wrap_supervisor_ask(void)
{
	return played.program;
}

static void the_program_of_supervisord_has_a_time_to_read(void **state)
{
	json_t *program;

	(void)state;
	played.program = json_pack("{s:s, s:I}", "state", "EXITED", "since", (json_int_t)SINCE);
	program = absence_program();
	assert_text(program, "state", "EXITED");
	assert_text(program, "since", "2026-10-14T17:46:40Z");
	json_decref(program);
	played.program = NULL;
	assert_true(json_is_null(absence_program()));
}

/* --- processes --- */

static void begin_child(struct fixture *fx)
{
	int ends[2];
	char ready;

	assert_int_equal(pipe(ends), 0);
	fx->child = fork();
	if (fx->child == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)prctl(PR_SET_NAME, "portsyncd");
		(void)!write(ends[1], "x", 1);
		for (;;)
			(void)pause();
	}
	assert_true(fx->child > 0);
	assert_int_equal(read(ends[0], &ready, 1), 1);
	(void)close(ends[0]);
	(void)close(ends[1]);
}

/* Its entry, among those of other daemons of this machine; NULL. */
static json_t *find_child(const struct fixture *fx)
{
	json_t *all = absence_processes(&fx->ctl), *one, *found = NULL;
	size_t i;

	json_array_foreach(all, i, one)
	{
		if (json_integer_value(json_object_get(one, "pid")) == fx->child)
			found = json_incref(one);
	}
	json_decref(all);
	return found;
}

static void a_process_that_is_stopped_is_told_from_one_that_runs(void **state)
{
	struct fixture *fx = *state;
	json_t *found;
	int status;

	begin_child(fx);
	found = find_child(fx);
	assert_text(found, "state", "running");
	assert_true(json_real_value(json_object_get(found, "seconds")) < 1000);
	json_decref(found);
	assert_int_equal(kill(fx->child, SIGSTOP), 0);
	assert_int_equal(waitpid(fx->child, &status, WUNTRACED), fx->child);
	found = find_child(fx);
	assert_text(found, "state", "stopped");
	json_decref(found);
}

static void one_that_has_ended_is_none(void **state)
{
	struct fixture *fx = *state;
	siginfo_t ended;

	begin_child(fx);
	assert_int_equal(kill(fx->child, SIGKILL), 0);
	assert_int_equal(waitid(P_PID, (id_t)fx->child, &ended, WEXITED | WNOWAIT), 0);
	assert_null(find_child(fx)); /* its parent has not heard of it yet */
}

/* Where the namespace that was asked for is not there, none can be left out. */
static void a_namespace_that_is_missing_hides_none(void **state)
{
	struct fixture *fx = *state;
	json_t *found;

	begin_child(fx);
	(void)snprintf(fx->ctl.config.netns, sizeof(fx->ctl.config.netns), "portsyncd-test-none");
	found = find_child(fx);
	assert_non_null(found);
	json_decref(found);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_unit_that_failed_says_how_and_when),
		TEST(a_unit_without_a_past_has_no_time),
		TEST(what_systemd_does_not_say_is_null),
		TEST(without_systemd_or_the_unit_there_is_none),
		TEST(the_last_line_has_its_time),
		TEST(a_line_does_not_speak_to_the_terminal),
		TEST(without_a_journal_or_a_line_there_is_none),
		TEST(the_program_of_supervisord_has_a_time_to_read),
		TEST(a_process_that_is_stopped_is_told_from_one_that_runs),
		TEST(one_that_has_ended_is_none),
		TEST(a_namespace_that_is_missing_hides_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
