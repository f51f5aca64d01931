/* SPDX-License-Identifier: Apache-2.0 */
/* A second daemon on the same databases and links ends before it touches anything; nobody else can keep one away. */
#include "daemon/single.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "log_catcher.h"
#include "test.h"

#define NOBODY 65534
#define RUNS "another one runs"

struct fixture {
	struct log_catcher log;
	struct config config, other_config;
	struct daemon daemon, other;
	char databases[128], link[128];
};

static int setup(void **state)
{
	struct fixture *fx = calloc(1, sizeof(*fx));

	assert_non_null(fx);
	catcher_start(&fx->log, LOG_INFO);
	config_defaults(&fx->config);
	(void)snprintf(fx->config.redis_unix_socket, sizeof(fx->config.redis_unix_socket), "%s/redis.sock",
		       fx->log.folder);
	(void)snprintf(fx->databases, sizeof(fx->databases), "%s/database_config.json", fx->log.folder);
	(void)snprintf(fx->link, sizeof(fx->link), "%s/again", fx->log.folder);
	fx->other_config = fx->config;
	fx->daemon = (struct daemon){.config = &fx->config, .single = -1};
	fx->other = (struct daemon){.config = &fx->other_config, .single = -1};
	*state = fx;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fx = *state;

	close_fd(&fx->daemon.single);
	close_fd(&fx->other.single);
	(void)unlink(fx->databases);
	(void)unlink(fx->link);
	catcher_stop(&fx->log);
	free(fx);
	return 0;
}

/* Takes the name that the daemon would take, in this process. */
static int squat(struct fixture *fx, bool listens)
{
	struct sockaddr_un name;
	socklen_t len = sizeof(name);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(single_claim(&fx->daemon), 0);
	assert_int_equal(getsockname(fx->daemon.single, (struct sockaddr *)&name, &len), 0);
	close_fd(&fx->daemon.single);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&name, len), 0);
	if (listens)
		assert_int_equal(listen(fd, 1), 0);
	return fd;
}

/* In a process of its own; what() returns what that ends with. Returns it once the process has ended. */
static int elsewhere(struct fixture *fx, int (*what)(struct fixture *fx))
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(what(fx));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* --- who is kept away --- */

static void a_second_one_ends(void **state)
{
	struct fixture *fx = *state;
	char pid[32];

	(void)snprintf(pid, sizeof(pid), "(pid %d,", (int)getpid());
	assert_int_equal(single_claim(&fx->daemon), 0);
	assert_true(fx->daemon.single >= 0);
	assert_int_equal(single_claim(&fx->other), -EADDRINUSE);
	assert_int_equal(fx->other.single, -1);
	assert_true(catcher_next(&fx->log));
	assert_non_null(strstr(fx->log.line, RUNS));
	assert_non_null(strstr(fx->log.line, pid));
	assert_false(catcher_next(&fx->log));
}

static void it_may_run_once_the_first_is_gone(void **state)
{
	struct fixture *fx = *state;

	assert_int_equal(single_claim(&fx->daemon), 0);
	close_fd(&fx->daemon.single);
	assert_int_equal(single_claim(&fx->other), 0);
	assert_true(fx->other.single >= 0);
	assert_false(catcher_next(&fx->log));
}

/* SONiC's files say /var/run, its containers mount /run. */
static void another_spelling_of_the_path_is_the_same(void **state)
{
	struct fixture *fx = *state;

	assert_int_equal(symlink(fx->log.folder, fx->link), 0);
	(void)snprintf(fx->other_config.redis_unix_socket, sizeof(fx->other_config.redis_unix_socket), "%s/redis.sock",
		       fx->link);
	assert_int_equal(single_claim(&fx->daemon), 0);
	assert_int_equal(single_claim(&fx->other), -EADDRINUSE);
}

static void another_database_is_free(void **state)
{
	struct fixture *fx = *state;

	(void)snprintf(fx->other_config.redis_unix_socket, sizeof(fx->other_config.redis_unix_socket), "%s/redis1.sock",
		       fx->log.folder);
	assert_int_equal(single_claim(&fx->daemon), 0);
	assert_int_equal(single_claim(&fx->other), 0);
	assert_true(fx->other.single >= 0);
}

/* A path may be longer than such a name: its end is what differs between ASICs. */
static void long_paths_differ_by_their_end(void **state)
{
	struct fixture *fx = *state;
	char *path = fx->config.redis_unix_socket, *other_path = fx->other_config.redis_unix_socket;
	size_t at = strlen(path), end = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 2;

	memset(path + at, 'x', end - at);
	memcpy(path + end, "0", sizeof("0"));
	memcpy(other_path, path, end + 2);
	other_path[end] = '1';
	assert_int_equal(single_claim(&fx->daemon), 0);
	assert_int_equal(single_claim(&fx->other), 0);
	other_path[end] = '0';
	assert_int_equal(single_claim(&fx->other), -EADDRINUSE);
}

static int in_another_network(struct fixture *fx)
{
	return unshare(CLONE_NEWNET) < 0 ? 99 : -single_claim(&fx->other);
}

static void another_network_namespace_has_other_links(void **state)
{
	struct fixture *fx = *state;

	assert_int_equal(single_claim(&fx->daemon), 0);
	assert_int_equal(elsewhere(fx, in_another_network), 0);
}

static void a_dry_run_is_always_allowed(void **state)
{
	struct fixture *fx = *state;

	fx->other_config.dry_run = true;
	assert_int_equal(single_claim(&fx->daemon), 0);
	assert_int_equal(single_claim(&fx->other), 0);
	assert_int_equal(fx->other.single, -1);
}

/* --- who cannot keep a daemon away --- */

/* The first byte says that the name is held; the process lives until its pipe is closed. */
static pid_t hold_as_nobody(struct fixture *fx, unsigned long keeps_capabilities, int *ret_until)
{
	int ready[2], until[2];
	pid_t pid;
	char c;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	assert_int_equal(pipe2(until, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)close(until[1]);
		if (prctl(PR_SET_SECUREBITS, keeps_capabilities) < 0 || setresuid(NOBODY, NOBODY, NOBODY) < 0 ||
		    prctl(PR_SET_DUMPABLE, 1) < 0 || single_claim(&fx->daemon) < 0 || write(ready[1], "", 1) != 1)
			_exit(1);
		(void)!read(until[0], &c, 1);
		_exit(0);
	}
	(void)close(ready[1]);
	(void)close(until[0]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	(void)close(ready[0]);
	*ret_until = until[1];
	return pid;
}

#define NO_SETUID_FIXUP 4 /* securebits(7): capabilities stay when the user changes */

static void a_user_without_rights_keeps_nobody_away(void **state)
{
	struct fixture *fx = *state;
	int until;
	pid_t pid = hold_as_nobody(fx, 0, &until);

	assert_int_equal(single_claim(&fx->other), 0);
	assert_int_equal(catcher_count(&fx->log, "has no business with it"), 1);
	(void)close(until);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* As by DynamicUser=, or User= with AmbientCapabilities=. */
static void a_user_who_may_administer_links_is_a_daemon(void **state)
{
	struct fixture *fx = *state;
	int until;
	pid_t pid = hold_as_nobody(fx, NO_SETUID_FIXUP, &until);

	assert_int_equal(single_claim(&fx->other), -EADDRINUSE);
	assert_int_equal(catcher_count(&fx->log, RUNS), 1);
	(void)close(until);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* Such a process is just starting or ending, usually: it is waited for, but not for ever. */
static void a_name_without_a_listener_is_waited_for(void **state)
{
	struct fixture *fx = *state;
	int fd = squat(fx, false);

	assert_int_equal(single_claim(&fx->other), 0);
	assert_int_equal(fx->other.single, -1);
	assert_int_equal(catcher_count(&fx->log, "cannot be held"), 1);
	(void)close(fd);
}

static void *end_soon(void *user)
{
	(void)usleep(50 * USEC_PER_MSEC);
	(void)close(*(int *)user);
	return NULL;
}

static void one_that_is_ending_makes_way(void **state)
{
	struct fixture *fx = *state;
	int fd = squat(fx, false);
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, end_soon, &fd), 0);
	assert_int_equal(single_claim(&fx->other), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(fx->other.single >= 0);
	assert_false(catcher_next(&fx->log));
}

/* --- a file that is awaited --- */

static void await_file(struct fixture *fx, struct config *config)
{
	config->redis_unix_socket[0] = '\0';
	(void)snprintf(config->database_config, sizeof(config->database_config), "%s", fx->databases);
}

static void put_databases(const struct fixture *fx)
{
	FILE *file = fopen(fx->databases, "we");

	assert_non_null(file);
	(void)fprintf(file,
		      "{\"INSTANCES\": {\"redis\": {\"unix_socket_path\": \"%s/redis.sock\"}}, \"DATABASES\": {"
		      "\"APPL_DB\": {\"id\": 0, \"separator\": \":\", \"instance\": \"redis\"}, "
		      "\"CONFIG_DB\": {\"id\": 4, \"separator\": \"|\", \"instance\": \"redis\"}, "
		      "\"STATE_DB\": {\"id\": 6, \"separator\": \"|\", \"instance\": \"redis\"}}, "
		      "\"VERSION\": \"1.0\"}",
		      fx->log.folder);
	assert_int_equal(fclose(file), 0);
}

static void two_do_not_await_the_same_file(void **state)
{
	struct fixture *fx = *state;

	await_file(fx, &fx->config);
	await_file(fx, &fx->other_config);
	assert_int_equal(single_claim(&fx->daemon), 0);
	assert_int_equal(single_claim(&fx->other), -EADDRINUSE);
}

/* The one that waited learns only now that it is the second one on these databases. */
static void what_the_file_names_may_be_taken(void **state)
{
	struct fixture *fx = *state;

	await_file(fx, &fx->config);
	assert_int_equal(single_claim(&fx->daemon), 0);
	assert_int_equal(single_claim(&fx->other), 0);
	put_databases(fx);
	assert_int_equal(single_claim_known(&fx->daemon), -EADDRINUSE);
	assert_int_equal(fx->daemon.status, EXIT_FAILURE);
}

static void once_the_file_is_there_it_holds_the_databases(void **state)
{
	struct fixture *fx = *state;

	await_file(fx, &fx->config);
	assert_int_equal(single_claim(&fx->daemon), 0);
	put_databases(fx);
	assert_int_equal(single_claim_known(&fx->daemon), 0);
	assert_int_equal(single_claim(&fx->other), -EADDRINUSE);
	/* The name of the file is free again. */
	assert_int_equal(unlink(fx->databases), 0);
	await_file(fx, &fx->other_config);
	assert_int_equal(single_claim(&fx->other), 0);
}

/* --- who is asked --- */

/* Many processes that ask and stay connected must not fill the queue: the next one would not learn who runs. */
static void who_asks_is_let_go(void **state)
{
	struct fixture *fx = *state;
	sd_event *event;

	assert_int_equal(sd_event_new(&event), 0);
	fx->daemon.event = event;
	assert_int_equal(single_claim(&fx->daemon), 0);
	assert_int_equal(single_serve(&fx->daemon), 0);
	for (unsigned i = 0; i < 5; i++) {
		struct pollfd asker = {.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), .events = POLLIN};
		struct sockaddr_un name;
		socklen_t len = sizeof(name);
		char c;

		assert_int_equal(getsockname(fx->daemon.single, (struct sockaddr *)&name, &len), 0);
		assert_int_equal(connect(asker.fd, (struct sockaddr *)&name, len), 0);
		assert_true(sd_event_run(event, 30 * USEC_PER_SEC) > 0);
		assert_int_equal(read(asker.fd, &c, 1), 0);
		(void)close(asker.fd);
	}
	sd_event_source_disable_unref(fx->daemon.single_asked);
	sd_event_unref(event);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_second_one_ends),
		TEST(it_may_run_once_the_first_is_gone),
		TEST(another_spelling_of_the_path_is_the_same),
		TEST(another_database_is_free),
		TEST(long_paths_differ_by_their_end),
		TEST(another_network_namespace_has_other_links),
		TEST(a_dry_run_is_always_allowed),
		TEST(a_user_without_rights_keeps_nobody_away),
		TEST(a_user_who_may_administer_links_is_a_daemon),
		TEST(a_name_without_a_listener_is_waited_for),
		TEST(one_that_is_ending_makes_way),
		TEST(two_do_not_await_the_same_file),
		TEST(what_the_file_names_may_be_taken),
		TEST(once_the_file_is_there_it_holds_the_databases),
		TEST(who_asks_is_let_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
