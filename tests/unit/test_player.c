/* SPDX-License-Identifier: Apache-2.0 */
/*
 * portsyncd --replay --dry-run as its user sees it: what it prints, what it says about the recording, its exit status.
 * Each run is a process of its own.
 */
#include "daemon/player.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config/config.h"
#include "daemon/daemon.h"
#include "log/log.h"
#include "scratch.h"
#include "settings/settings.h"
#include "tape.h"
#include "test.h"

#define TEXT_BYTES 8192

struct fixture {
	struct config config;
	char folder[SCRATCH_BYTES];
	const char *stdout_path; /* NULL: kept in out */
	pid_t child;
	int stdout_fd, stderr_fd, status;
	char out[TEXT_BYTES], said[TEXT_BYTES];
};

static int setup(void **state)
{
	struct fixture *fx = calloc(1, sizeof(*fx));
	sigset_t stop;

	assert_non_null(fx);
	scratch_make(fx->folder);
	config_defaults(&fx->config);
	fx->config.dry_run = true;
	(void)snprintf(fx->config.replay, sizeof(fx->config.replay), "%s/a.pcapng", fx->folder);
	(void)snprintf(fx->config.database_config, sizeof(fx->config.database_config),
		       TEST_DATA "/database_config.json");
	(void)sigemptyset(&stop);
	(void)sigaddset(&stop, SIGTERM); /* also before the child has its own */
	(void)sigprocmask(SIG_BLOCK, &stop, NULL);
	*state = fx;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fx = *state;

	scratch_remove(fx->folder);
	free(fx);
	return 0;
}

static void put(const struct fixture *fx, const void *bytes, size_t len)
{
	int fd = open(fx->config.replay, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), len);
	(void)close(fd);
}

static void put_tape(const struct fixture *fx, struct tape *t)
{
	tape_end(t);
	put(fx, t->out.data, t->out.len);
	free_tape(t);
}

/* --- a run --- */

static void begin(struct fixture *fx)
{
	fx->stdout_fd = fx->stdout_path ? open(fx->stdout_path, O_WRONLY | O_CLOEXEC) : memfd_create("out", 0);
	fx->stderr_fd = memfd_create("said", 0);
	assert_true(fx->stdout_fd >= 0 && fx->stderr_fd >= 0);
	(void)fflush(NULL);
	fx->child = fork();
	if (fx->child == 0) {
		(void)dup2(fx->stdout_fd, STDOUT_FILENO);
		(void)dup2(fx->stderr_fd, STDERR_FILENO);
		daemon_block_signals();
		settings_open_log(&fx->config);
		exit(player_run(&fx->config));
	}
	assert_true(fx->child > 0);
}

static void take(int fd, char text[TEXT_BYTES])
{
	ssize_t n = pread(fd, text, TEXT_BYTES - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	(void)close(fd);
}

static void end(struct fixture *fx)
{
	int status;

	assert_int_equal(waitpid(fx->child, &status, 0), fx->child);
	assert_true(WIFEXITED(status));
	fx->status = WEXITSTATUS(status);
	take(fx->stdout_fd, fx->out);
	take(fx->stderr_fd, fx->said);
}

static void play(struct fixture *fx)
{
	begin(fx);
	end(fx);
}

static void assert_says(const char *text, const char *part)
{
	if (strstr(text, part))
		return;
	print_error("\"%s\" is not in: %s\n", part, text);
	fail();
}

static void assert_fails(struct fixture *fx, const char *why)
{
	play(fx);
	assert_int_equal(fx->status, EXIT_FAILURE);
	assert_says(fx->said, why);
	assert_null(strstr(fx->said, "was played"));
}

/* --- tapes --- */

static struct tape_link link_of(int ifindex, const char *name, uint32_t mtu)
{
	return (struct tape_link){.ifindex = ifindex, .name = name, .flags = TAPE_UP, .mtu = mtu};
}

static void tape_beginning(struct tape *t)
{
	tape_begin(t);
	tape_checkpoint(t);
	tape_port(t, link_of(5, "Ethernet0", 9100));
	tape_port(t, link_of(6, "Ethernet4", 9100));
}

/* As tape_port(), but the row is what STATE_DB had of it. */
static void tape_port_with_row(struct tape *t, struct tape_link link, int64_t oper, int64_t mtu)
{
	_Alignas(4) unsigned char buffer[512] = {0};
	struct remark port = {.kind = REMARK_PORT, .configured = 1, .known = 1, .link = 1, .row = {1, oper, 1, mtu}};
	size_t len = tape_message(buffer, RTM_NEWLINK, 0, &link);

	(void)len;
	memcpy(port.port, link.name, strlen(link.name) + 1);
	tape_packet(t, &port, buffer, len);
}

/* --- tests --- */

static void what_was_recorded_is_printed(void **state)
{
	struct fixture *fx = *state;
	struct tape t;

	tape_beginning(&t);
	tape_event(&t, RTM_NEWLINK, link_of(5, "Ethernet0", 4000));
	put_tape(fx, &t);
	play(fx);
	assert_int_equal(fx->status, EXIT_SUCCESS);
	assert_says(fx->out, "Ethernet0");
	assert_says(fx->out, "9100");
	assert_says(fx->said, "a.pcapng was played (a test; portsyncd 0.2.0 on here): ");
	assert_says(fx->said, " 0 losses, 2 ports, 2 rows: ");
}

static void one_without_a_last_checkpoint_is_not_compared(void **state)
{
	struct fixture *fx = *state;
	struct tape t;

	tape_begin(&t);
	tape_state(&t, REMARK_DUMPING);
	tape_row(&t, link_of(5, "Ethernet0", 9100));
	tape_done(&t, 0);
	put_tape(fx, &t);
	play(fx);
	assert_int_equal(fx->status, EXIT_SUCCESS);
	assert_says(fx->said, "the recording does not say with which rows it ends");
}

static void the_same_end_is_told(void **state)
{
	struct fixture *fx = *state;
	struct tape t;

	tape_beginning(&t);
	tape_event(&t, RTM_NEWLINK, link_of(5, "Ethernet0", 4000));
	tape_checkpoint(&t);
	tape_port(&t, link_of(5, "Ethernet0", 4000));
	tape_port(&t, link_of(6, "Ethernet4", 9100));
	put_tape(fx, &t);
	play(fx);
	assert_int_equal(fx->status, EXIT_SUCCESS);
	assert_says(fx->said, "2 rows: as at the end of the recording\n");
}

/* Field by field, also for a row that the replay does not have. */
static void another_end_is_told_field_by_field(void **state)
{
	struct fixture *fx = *state;
	struct tape t;

	tape_beginning(&t);
	tape_checkpoint(&t);
	tape_port_with_row(&t, link_of(5, "Ethernet0", 9100), 0, 1500);
	tape_port_with_row(&t, link_of(6, "Ethernet4", 9100), -1, 9100);
	put_tape(fx, &t);
	play(fx);
	assert_int_equal(fx->status, EXIT_SUCCESS);
	assert_says(fx->said, "Ethernet0: the recording ends with netdev_oper_status down, mtu 1500, the replay with "
			      "netdev_oper_status up, mtu 9100\n");
	assert_says(fx->said, "Ethernet4: the recording ends with netdev_oper_status missing, the replay with "
			      "netdev_oper_status up\n");
	assert_says(fx->said, "2 differ from the end of the recording\n");
}

/* A screen's worth of them is named, all are counted. */
static void of_many_differences_some_are_named(void **state)
{
	struct fixture *fx = *state;
	unsigned told = 0;
	char name[16];
	struct tape t;

	tape_begin(&t);
	for (unsigned checkpoint = 0; checkpoint < 2; checkpoint++) {
		tape_checkpoint(&t);
		for (int i = 0; i < 20; i++) {
			(void)snprintf(name, sizeof(name), "Ethernet%d", 4 * i);
			if (checkpoint)
				tape_port_with_row(&t, link_of(5 + i, name, 9100), 1, 1500);
			else
				tape_port(&t, link_of(5 + i, name, 9100));
		}
	}
	put_tape(fx, &t);
	play(fx);
	assert_says(fx->said, "20 differ from the end of the recording\n");
	for (const char *at = fx->said; (at = strstr(at, "the recording ends with")) != NULL; at++)
		told++;
	assert_int_equal(told, 16);
}

static void a_link_of_no_port_has_no_row(void **state)
{
	struct fixture *fx = *state;
	struct tape t;

	tape_beginning(&t);
	tape_port(&t, link_of(7, "eth0", 1500));
	tape_event(&t, RTM_NEWLINK, link_of(8, "Vlan100", 1500));
	put_tape(fx, &t);
	play(fx);
	assert_int_equal(fx->status, EXIT_SUCCESS);
	assert_null(strstr(fx->out, "eth0"));
	assert_null(strstr(fx->out, "Vlan100"));
	assert_says(fx->said, "2 ports, 2 rows");
}

static void losses_are_counted(void **state)
{
	struct fixture *fx = *state;
	struct tape t;

	tape_beginning(&t);
	tape_lost(&t, REMARK_OVERRUN);
	tape_state(&t, REMARK_DUMPING);
	tape_row(&t, link_of(5, "Ethernet0", 9100));
	tape_row(&t, link_of(6, "Ethernet4", 1500));
	tape_done(&t, 0);
	put_tape(fx, &t);
	play(fx);
	assert_int_equal(fx->status, EXIT_SUCCESS);
	assert_says(fx->said, " 1 losses, 2 ports, 2 rows");
}

static void a_recording_that_is_missing_is_named(void **state)
{
	struct fixture *fx = *state;

	assert_fails(fx, "a.pcapng: No such file or directory");
}

static void what_is_no_recording_is_refused(void **state)
{
	struct fixture *fx = *state;

	put(fx, "not a recording, but long enough to be looked at", 48);
	assert_fails(fx, "a.pcapng: ");
}

static void a_malformed_link_is_refused(void **state)
{
	_Alignas(4) unsigned char buffer[512] = {0};
	struct remark port = {.kind = REMARK_PORT, .configured = 1, .known = 1, .link = 1, .row = {1, 1, 1, 9100}};
	struct tape_link link = link_of(5, "Ethernet0", 9100);
	struct fixture *fx = *state;
	struct tape t;

	(void)snprintf(port.port, sizeof(port.port), "Ethernet0");
	tape_begin(&t);
	tape_checkpoint(&t);
	tape_packet(&t, &port, buffer, tape_message(buffer, RTM_GETLINK, 0, &link));
	put_tape(fx, &t);
	assert_fails(fx, "a.pcapng: the message of a port's link is malformed");
}

static void a_bad_database_config_is_named(void **state)
{
	struct fixture *fx = *state;
	struct tape t;

	tape_beginning(&t);
	put_tape(fx, &t);
	(void)snprintf(fx->config.database_config, sizeof(fx->config.database_config), "%s", fx->config.replay);
	assert_fails(fx, fx->config.database_config);
}

static void a_full_disk_behind_stdout_is_a_failure(void **state)
{
	struct fixture *fx = *state;
	struct tape t;

	tape_beginning(&t);
	put_tape(fx, &t);
	fx->stdout_path = "/dev/full";
	assert_fails(fx, "standard output: No space left on device");
}

/* In real time it would take days. */
static void a_replay_can_be_stopped(void **state)
{
	struct fixture *fx = *state;
	struct tape t;

	tape_beginning(&t);
	t.packets += UINT64_C(1000000000);
	tape_event(&t, RTM_NEWLINK, link_of(5, "Ethernet0", 4000));
	t.packets -= UINT64_C(1000000000);
	put_tape(fx, &t);
	fx->config.realtime = true;
	begin(fx);
	assert_int_equal(kill(fx->child, SIGTERM), 0);
	end(fx);
	assert_int_equal(fx->status, EXIT_FAILURE);
	assert_says(fx->said, "the replay was stopped before its end");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_was_recorded_is_printed),
		TEST(one_without_a_last_checkpoint_is_not_compared),
		TEST(the_same_end_is_told),
		TEST(another_end_is_told_field_by_field),
		TEST(of_many_differences_some_are_named),
		TEST(a_link_of_no_port_has_no_row),
		TEST(losses_are_counted),
		TEST(a_recording_that_is_missing_is_named),
		TEST(what_is_no_recording_is_refused),
		TEST(a_malformed_link_is_refused),
		TEST(a_bad_database_config_is_named),
		TEST(a_full_disk_behind_stdout_is_a_failure),
		TEST(a_replay_can_be_stopped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
