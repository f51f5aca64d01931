/* SPDX-License-Identifier: Apache-2.0 */
/* How the daemon ends: what operator and service manager learn, and with which status. */
#include "daemon/end.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>

#include "base/file.h"
#include "host/notify.h"
#include "log_catcher.h"
#include "test.h"

struct fixture {
	struct log_catcher log, manager;
	struct daemon daemon;
};

static int setup(void **state)
{
	struct fixture *fx = calloc(1, sizeof(*fx));

	assert_non_null(fx);
	catcher_start(&fx->log, LOG_NOTICE);
	catcher_manages(&fx->manager);
	assert_int_equal(notify_new(&fx->daemon.notify), 0);
	*state = fx;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fx = *state;

	notify_free(fx->daemon.notify);
	sd_event_unref(fx->daemon.event);
	catcher_manages_no_more(&fx->manager);
	catcher_stop(&fx->log);
	free(fx);
	return 0;
}

/* Fails the daemon; out is what stderr has of it. */
static void fail_daemon(struct fixture *fx, char *out, size_t size)
{
	int kept = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0), ends[2];
	ssize_t n;

	assert_true(kept >= 0);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
	(void)close(ends[1]);
	daemon_fail(&fx->daemon, "port %d is %s", 7, "gone");
	assert_int_equal(dup2(kept, STDERR_FILENO), STDERR_FILENO);
	(void)close(kept);
	n = file_read(ends[0], out, size - 1);
	assert_true(n >= 0);
	out[n] = '\0';
	(void)close(ends[0]);
}

static void a_fault_ends_the_loop(void **state)
{
	struct fixture *fx = *state;
	char said[256];

	assert_int_equal(sd_event_new(&fx->daemon.event), 0);
	fail_daemon(fx, said, sizeof(said));
	assert_string_equal(said, "portsyncd: port 7 is gone\n");
	assert_int_equal(sd_event_loop(fx->daemon.event), EXIT_FAILURE);
	assert_int_equal(fx->daemon.status, EXIT_FAILURE);
	assert_int_equal(catcher_count(&fx->log, "port 7 is gone"), 1);
}

static void a_fault_before_there_is_a_loop(void **state)
{
	struct fixture *fx = *state;
	char said[256];

	fail_daemon(fx, said, sizeof(said));
	assert_int_equal(fx->daemon.status, EXIT_FAILURE);
	assert_int_equal(catcher_count(&fx->log, "port 7 is gone"), 1);
}

/* Once: on a terminal nobody wants to read it twice. */
static void a_fault_where_stderr_has_the_log(void **state)
{
	struct fixture *fx = *state;
	char said[256], *first;

	catcher_open(LOG_TO_STDERR, LOG_NOTICE, "");
	fail_daemon(fx, said, sizeof(said));
	first = strstr(said, "port 7 is gone");
	assert_non_null(first);
	assert_null(strstr(first + 1, "port 7 is gone"));
}

static void a_stop_names_the_signal(void **state)
{
	static const struct {
		uint32_t number;
		const char *line;
	} signals[] = {{SIGTERM, "stopping on SIGTERM"}, {SIGINT, "stopping on SIGINT"}};
	struct fixture *fx = *state;

	for (size_t i = 0; i < 2; i++) {
		const struct signalfd_siginfo info = {.ssi_signo = signals[i].number, .ssi_pid = 12, .ssi_uid = 34};

		fx->daemon.stopping = false;
		daemon_stops(&fx->daemon, &info);
		assert_true(fx->daemon.stopping);
		assert_int_equal(catcher_count(&fx->log, signals[i].line), 1);
		assert_int_equal(catcher_count(&fx->manager, "STOPPING=1"), 1);
	}
	assert_int_equal(fx->daemon.status, EXIT_SUCCESS);
}

/* A container's user may have the largest number. */
static void the_sender_of_a_signal(void **state)
{
	const struct signalfd_siginfo info = {.ssi_pid = 4194304, .ssi_uid = UINT32_MAX};
	char who[LOG_SUBJECT_BYTES];

	(void)state;
	assert_string_equal(daemon_sender(&info, who), "pid 4194304 uid 4294967295");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_fault_ends_the_loop),
		TEST(a_fault_before_there_is_a_loop),
		TEST(a_fault_where_stderr_has_the_log),
		TEST(a_stop_names_the_signal),
		TEST(the_sender_of_a_signal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
