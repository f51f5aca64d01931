/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon's other lives: one with a Redis that answers, a dry run, a check, and a recording that is played. In each
 * one call is refused. What a life that ends well has to show for it is looked at: no port's row may be missing.
 *
 * They live in a network namespace whose only link is the loopback device, under the name of a port.
 */
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake_databases.h"
#include "lives.h"
#include "scratch.h"
#include "tape.h"
#include "test.h"

#define PORT "Ethernet0"
#define MTU "9100"

static struct rig {
	char folder[SCRATCH_BYTES], config[96], said[96], redis[96], tape[96];
	pid_t server;
	bool until_init_done; /* the daemon is then asked to stop */
} rig;

/* What the server saw, in memory that it shares with the test. */
static struct seen {
	bool row, init_done;
} * seen;

/* --- Redis --- */

static bool is(const struct fake_client *c, const char *command, const char *key)
{
	return strcmp(c->word[0], command) == 0 && (!key || strcmp(c->word[1], key) == 0);
}

/* It has done its work. */
static void stop(const struct fake_client *c)
{
	struct ucred daemon;
	socklen_t size = sizeof(daemon);

	if (getsockopt(c->fd, SOL_SOCKET, SO_PEERCRED, &daemon, &size) == 0)
		(void)kill(daemon.pid, SIGTERM);
}

static void note(const struct fake_client *c)
{
	if (is(c, "HSET", "PORT_TABLE|" PORT))
		seen->row = true;
	if (is(c, "EVAL", NULL) && strcmp(c->word[5], "_PORT_TABLE:PortInitDone") == 0)
		seen->init_done = true;
	if (rig.until_init_done && seen->row && seen->init_done)
		stop(c);
}

/* A switch with one port, which orchagent has taken over at once. */
static const char *says(const struct fake_client *c)
{
	note(c);
	if (is(c, "SCAN", NULL) && strcmp(c->word[3], "PORT|*") == 0)
		return "*2\r\n$1\r\n0\r\n*1\r\n$14\r\nPORT|" PORT "\r\n";
	if (is(c, "HGETALL", "PORT|" PORT))
		return "*4\r\n$5\r\nlanes\r\n$1\r\n1\r\n$3\r\nmtu\r\n$4\r\n" MTU "\r\n";
	if (is(c, "HLEN", NULL) || is(c, "EXISTS", NULL))
		return ":1\r\n";
	return NULL;
}

static void serve(int ready)
{
	struct fake_databases redis = {.says = says};
	sd_event *event = NULL;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	assert_true(sd_event_new(&event) >= 0);
	databases_listen(&redis, event, rig.redis);
	assert_int_equal(write(ready, "x", 1), 1);
	(void)sd_event_loop(event);
	_exit(EXIT_FAILURE);
}

static void begin_server(void)
{
	int ends[2];
	char ready;

	*seen = (struct seen){0};
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	(void)fflush(NULL);
	rig.server = fork();
	assert_true(rig.server >= 0);
	if (rig.server == 0)
		serve(ends[1]);
	(void)close(ends[1]);
	assert_int_equal(read(ends[0], &ready, 1), 1);
	(void)close(ends[0]);
}

static void end_server(void)
{
	(void)kill(rig.server, SIGKILL);
	assert_int_equal(waitpid(rig.server, NULL, 0), rig.server);
	assert_int_equal(unlink(rig.redis), 0);
}

/* --- set-up --- */

static void change_link(int fd, unsigned long request, struct ifreq *link)
{
	assert_int_equal(ioctl(fd, request, link), 0);
}

static void make_port(void)
{
	struct ifreq name = {.ifr_name = "lo"}, flags = {.ifr_name = PORT, .ifr_flags = IFF_UP};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	(void)snprintf(name.ifr_newname, sizeof(name.ifr_newname), PORT);
	change_link(fd, SIOCSIFNAME, &name);
	change_link(fd, SIOCSIFFLAGS, &flags);
	(void)close(fd);
}

static int enter_namespace(void **state)
{
	(void)state;
	if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		return -1;
	make_port();
	seen = mmap(NULL, sizeof(*seen), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return seen == MAP_FAILED ? -1 : 0;
}

static void write_config(void)
{
	FILE *config = fopen(rig.config, "w");

	assert_non_null(config);
	(void)fprintf(config,
		      "[database]\nredis_unix_socket = %s\n[http]\nlisten = 127.0.0.1:10187\nunix_socket = %s/http\n"
		      "[performance]\nlock_memory = false\nreceive_buffer_bytes = 4096\nsettle_ms = 0\n"
		      "[sonic]\nretire_old_links = never\n[recorder]\nbytes = 65536\nfolder = %s\n"
		      "[state]\nfile = %s/state\nhistory_changes = 16\n[log]\ntarget = stderr\nlimit_secs = 0\n",
		      rig.redis, rig.folder, rig.folder, rig.folder);
	assert_int_equal(fclose(config), 0);
}

static void write_tape(void)
{
	const struct tape_link link = {.ifindex = 5, .name = PORT, .flags = TAPE_UP, .mtu = 9100};
	struct tape t cleanup(free_tape);
	FILE *file = fopen(rig.tape, "w");

	tape_begin(&t);
	tape_checkpoint(&t);
	tape_port(&t, link);
	tape_event(&t, RTM_NEWLINK, (struct tape_link){.ifindex = 5, .name = PORT, .flags = TAPE_UP, .mtu = 1500});
	tape_event(&t, RTM_NEWLINK, link);
	tape_checkpoint(&t);
	tape_port(&t, link);
	tape_end(&t);
	assert_non_null(file);
	assert_int_equal(fwrite(t.out.data, 1, t.out.len, file), t.out.len);
	assert_int_equal(fclose(file), 0);
}

static int setup(void **state)
{
	(void)state;
	rig = (struct rig){0};
	scratch_make(rig.folder);
	(void)snprintf(rig.config, sizeof(rig.config), "%s/portsyncd.conf", rig.folder);
	(void)snprintf(rig.said, sizeof(rig.said), "%s/said", rig.folder);
	(void)snprintf(rig.redis, sizeof(rig.redis), "%s/redis", rig.folder);
	(void)snprintf(rig.tape, sizeof(rig.tape), "%s/a.pcapng", rig.folder);
	write_config();
	write_tape();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	scratch_remove(rig.folder);
	return 0;
}

static void refuse_each(struct lives l)
{
	l.said = rig.said;
	lives_refuse_each(&l, FAULT_MEMORY);
	lives_refuse_each(&l, FAULT_CALL);
}

/* --- tests --- */

static bool all_is_written(const char *text)
{
	(void)text;
	return seen->row && seen->init_done;
}

static bool row_is_written(const char *text)
{
	(void)text;
	return seen->row;
}

static bool row_is_printed(const char *text)
{
	return strstr(text, PORT) && strstr(text, "netdev_oper_status");
}

static void any_call_of_a_daemon_with_redis_may_fail(void **state)
{
	const char *const words[] = {"--config", rig.config, "--sandbox", "off", NULL};

	(void)state;
	rig.until_init_done = true;
	refuse_each((struct lives){.words = words, .begin = begin_server, .end = end_server, .worked = all_is_written});
}

static void any_call_of_a_dry_run_may_fail(void **state)
{
	const char *const words[] = {"--config", rig.config, "--dry-run", "--once", NULL};

	(void)state;
	refuse_each((struct lives){.words = words, .worked = row_is_printed});
}

static void any_call_of_a_check_may_fail(void **state)
{
	const char *const words[] = {"--config", rig.config, "--check-config", NULL};

	(void)state;
	refuse_each((struct lives){.words = words});
}

static void any_call_of_a_printed_replay_may_fail(void **state)
{
	const char *const words[] = {"--config", rig.config, "--replay", rig.tape, "--dry-run", NULL};

	(void)state;
	refuse_each((struct lives){.words = words, .worked = row_is_printed});
}

static void any_call_of_a_replay_into_redis_may_fail(void **state)
{
	const char *const words[] = {"--config", rig.config, "--replay", rig.tape, NULL};

	(void)state;
	refuse_each((struct lives){.words = words, .begin = begin_server, .end = end_server, .worked = row_is_written});
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(any_call_of_a_daemon_with_redis_may_fail),
		TEST(any_call_of_a_dry_run_may_fail),
		TEST(any_call_of_a_check_may_fail),
		TEST(any_call_of_a_printed_replay_may_fail),
		TEST(any_call_of_a_replay_into_redis_may_fail),
	};

	return cmocka_run_group_tests(tests, enter_namespace, NULL);
}
