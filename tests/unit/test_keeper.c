/* SPDX-License-Identifier: Apache-2.0 */
/* Recordings are written by a thread: on request, and when a signal ends the process. */
#include "recorder/keeper.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "patience.h"
#include "scratch.h"
#include "test.h"

#define RING (64U << 10)
#define ENDED_BY_SIGNAL 77

struct fixture {
	char path[SCRATCH_BYTES];
	struct keeper *keeper;
};

/* The raised signal would end the process, so it ends here, and its coverage is counted. */
int __wrap_raise(int number);

int __wrap_raise(int number)
{
	(void)number;
	_exit(ENDED_BY_SIGNAL);
}

static int setup(void **state)
{
	struct fixture *fx = calloc(1, sizeof(*fx));

	assert_non_null(fx);
	scratch_make(fx->path);
	assert_int_equal(recorder_start(RING), 0);
	recorder_time(1);
	recorder_checkpoint_begins(0, "synced", false);
	recorder_checkpoint_ends();
	recorder_publish();
	assert_int_equal(keeper_new(&fx->keeper, fx->path), 0);
	*state = fx;
	return 0;
}

/* The names of the recordings, or their number. */
static size_t recordings(const char *path, char name[FOLDER_NAME_BYTES])
{
	DIR *dir = opendir(path);
	const struct dirent *entry;
	size_t n = 0;

	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		(void)snprintf(name, FOLDER_NAME_BYTES, "%.*s", FOLDER_NAME_BYTES - 1, entry->d_name);
		n++;
	}
	if (dir)
		(void)closedir(dir);
	return n;
}

static int teardown(void **state)
{
	struct fixture *fx = *state;

	assert_true(keeper_free(fx->keeper, 30 * USEC_PER_SEC));
	recorder_stop();
	scratch_remove(fx->path);
	free(fx);
	return 0;
}

static bool holds(const struct fixture *fx, const char *name, const char *text)
{
	char path[192], *bytes = calloc(1, 2 * RING);
	FILE *file;
	size_t len;
	bool found;

	(void)snprintf(path, sizeof(path), "%s/%s", fx->path, name);
	file = fopen(path, "re");
	assert_true(file && bytes);
	len = fread(bytes, 1, 2 * RING, file);
	found = memmem(bytes, len, text, strlen(text)) != NULL;
	(void)fclose(file);
	free(bytes);
	return found;
}

static void a_recording_bears_its_reason(void **state)
{
	struct fixture *fx = *state;
	struct keeper_outcome outcome;
	char name[FOLDER_NAME_BYTES];

	assert_false(keeper_take(fx->keeper, &outcome));
	assert_true(keeper_give(fx->keeper, RECORDER_WHY_DRIFT, "Ethernet0 was written by others", WORKER_STEPS_BACK));
	/* One at a time: until its outcome is taken. */
	assert_false(keeper_give(fx->keeper, RECORDER_WHY_LOST, "another", WORKER_STEPS_BACK));
	assert_true(keeper_wait(fx->keeper, 30 * USEC_PER_SEC));
	assert_false(keeper_give(fx->keeper, RECORDER_WHY_LOST, "another", WORKER_STEPS_BACK));
	assert_true(keeper_take(fx->keeper, &outcome));
	assert_int_equal(outcome.error, 0);
	assert_int_equal(outcome.why, RECORDER_WHY_DRIFT);
	assert_int_equal(recordings(fx->path, name), 1);
	assert_string_equal(outcome.name, name);
	assert_true(holds(fx, name, "Ethernet0 was written by others"));
	assert_false(keeper_take(fx->keeper, &outcome));
	assert_true(keeper_give(fx->keeper, RECORDER_WHY_LOST, "another", WORKER_STEPS_BACK));
}

static void a_folder_that_is_not_there(void **state)
{
	struct fixture *fx = *state;
	struct keeper_outcome outcome;

	assert_int_equal(rmdir(fx->path), 0);
	assert_true(keeper_give(fx->keeper, RECORDER_WHY_REQUEST, "somebody asked", WORKER_STEPS_BACK));
	assert_true(keeper_wait(fx->keeper, 30 * USEC_PER_SEC));
	assert_true(keeper_take(fx->keeper, &outcome));
	assert_int_equal(outcome.error, -ENOENT);
	assert_int_equal(mkdir(fx->path, 0700), 0); /* to be removed */
}

static void an_empty_ring_is_no_recording(void **state)
{
	struct fixture *fx = *state;
	struct keeper_outcome outcome;
	char name[FOLDER_NAME_BYTES];

	recorder_stop();
	assert_true(keeper_give(fx->keeper, RECORDER_WHY_REQUEST, "somebody asked", WORKER_STEPS_BACK));
	assert_true(keeper_wait(fx->keeper, 30 * USEC_PER_SEC));
	assert_true(keeper_take(fx->keeper, &outcome));
	assert_int_equal(outcome.error, -ENODATA);
	assert_int_equal(recordings(fx->path, name), 0);
}

/* In a child, with a keeper of its own. given: one is being written, or its outcome was not taken, when it comes. */
static void end_by(const struct fixture *fx, int number, bool given)
{
	struct keeper *keeper;

	(void)signal(number, SIG_DFL); /* the parent's */
	if (keeper_new(&keeper, fx->path) < 0)
		_exit(1);
	if (given)
		(void)keeper_give(keeper, RECORDER_WHY_REQUEST, "somebody asked", WORKER_STEPS_BACK);
	recorder_note("the last words");
	(void)kill(getpid(), number);
	_exit(2);
}

static void a_signal_that_ends_the_process_leaves_one(void **state)
{
	static const struct {
		int number;
		const char *reason;
		bool given;
	} cases[] = {
		{SIGABRT, "SIGABRT: the loop did not turn", false},
		{SIGSEGV, "SIGSEGV: a bad address", false},
		{SIGBUS, "SIGBUS", false},
		{SIGFPE, "SIGFPE", true},
		{SIGILL, "SIGILL", false},
	};
	struct fixture *fx = *state;

	/* ThreadSanitizer lets a child make threads only if its parent has none. */
	assert_true(keeper_free(fx->keeper, 30 * USEC_PER_SEC));
	fx->keeper = NULL;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char name[FOLDER_NAME_BYTES], path[192];
		int status;
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (pid == 0)
			end_by(fx, cases[i].number, cases[i].given);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), ENDED_BY_SIGNAL);
		assert_int_equal(recordings(fx->path, name), 1);
		/* What was being written is not begun again. */
		if (!cases[i].given) {
			assert_true(holds(fx, name, cases[i].reason));
			assert_true(holds(fx, name, "note after=0 text=the%20last%20words"));
		}
		(void)snprintf(path, sizeof(path), "%s/%s", fx->path, name);
		assert_int_equal(unlink(path), 0);
	}
}

static void on_fault(int number)
{
	(void)number;
}

static void (*handler_of(int number))(int)
{
	struct sigaction now;

	assert_int_equal(sigaction(number, NULL, &now), 0);
	return now.sa_handler;
}

/* A sanitizer's, for example; and none of ours is left behind. */
static void another_handler_stays(void **state)
{
	struct fixture *fx = *state;

	assert_true(keeper_free(fx->keeper, 30 * USEC_PER_SEC));
	(void)signal(SIGILL, SIG_DFL); /* cmocka's */
	(void)signal(SIGFPE, on_fault);
	assert_int_equal(keeper_new(&fx->keeper, fx->path), 0);
	assert_ptr_not_equal(handler_of(SIGILL), SIG_DFL);
	assert_ptr_equal(handler_of(SIGFPE), on_fault);
	(void)signal(SIGFPE, SIG_DFL);
	assert_true(keeper_free(fx->keeper, 30 * USEC_PER_SEC));
	fx->keeper = NULL;
	assert_ptr_equal(handler_of(SIGILL), SIG_DFL);
}

/* The loop sleeps until then. */
static void it_is_said_when_one_was_written(void **state)
{
	struct fixture *fx = *state;
	struct pollfd done = {.fd = keeper_fd(fx->keeper), .events = POLLIN};

	assert_true(keeper_give(fx->keeper, RECORDER_WHY_REQUEST, "somebody asked", WORKER_STEPS_BACK));
	assert_int_equal(poll(&done, 1, (int)(30 * MSEC_PER_SEC)), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_recording_bears_its_reason),  TEST(a_folder_that_is_not_there),
		TEST(an_empty_ring_is_no_recording), TEST(a_signal_that_ends_the_process_leaves_one),
		TEST(another_handler_stays),         TEST(it_is_said_when_one_was_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
