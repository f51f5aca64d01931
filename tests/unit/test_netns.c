/* SPDX-License-Identifier: Apache-2.0 */
/* --netns: the daemon works on the links of that namespace only, and ends when they are no longer the switch's. */
#include "daemon/netns.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "log_catcher.h"
#include "test.h"

#define FOLDER "/run/netns"

struct fixture {
	struct log_catcher log;
	struct config config;
	struct daemon daemon;
	char path[320], away[328];
	int home; /* the namespace of this process */
};

/* A file with this namespace behind it, as ip-netns(8) makes it. */
static void add_namespace(const char *path)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		int fd = open(path, O_RDONLY | O_CREAT | O_CLOEXEC, 0);

		if (fd < 0 || unshare(CLONE_NEWNET) < 0 || mount("/proc/self/ns/net", path, NULL, MS_BIND, NULL) < 0)
			_exit(1);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void remove_namespace(const char *path)
{
	(void)umount2(path, MNT_DETACH);
	(void)unlink(path);
}

/* The folder is our own: what others make and delete in theirs would wake us as well. */
static int own_folder(void **state)
{
	(void)state;
	assert_int_equal(unshare(CLONE_NEWNS), 0);
	assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	(void)mkdir(FOLDER, 0755);
	assert_int_equal(mount("tmpfs", FOLDER, "tmpfs", 0, NULL), 0);
	return 0;
}

static int setup(void **state)
{
	struct fixture *fx = calloc(1, sizeof(*fx));

	assert_non_null(fx);
	catcher_start(&fx->log, LOG_INFO);
	(void)snprintf(fx->config.netns, sizeof(fx->config.netns), "switch");
	(void)snprintf(fx->path, sizeof(fx->path), FOLDER "/%s", fx->config.netns);
	(void)snprintf(fx->away, sizeof(fx->away), "%s-away", fx->path);
	fx->daemon.config = &fx->config;
	assert_int_equal(sd_event_new(&fx->daemon.event), 0);
	fx->home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	assert_true(fx->home >= 0);
	*state = fx;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fx = *state;

	assert_int_equal(setns(fx->home, CLONE_NEWNET), 0);
	(void)close(fx->home);
	sd_event_source_disable_unref(fx->daemon.netns_watch);
	sd_event_unref(fx->daemon.event);
	remove_namespace(fx->path);
	remove_namespace(fx->away);
	catcher_stop(&fx->log);
	free(fx);
	return 0;
}

static void same_as_home(const struct fixture *fx, bool want)
{
	struct stat home, now;

	assert_int_equal(fstat(fx->home, &home), 0);
	assert_int_equal(stat("/proc/thread-self/ns/net", &now), 0);
	assert_int_equal(home.st_ino == now.st_ino, want);
}

static void enter(struct fixture *fx)
{
	add_namespace(fx->path);
	assert_int_equal(netns_enter(&fx->daemon), 0);
	netns_watch(&fx->daemon);
	assert_int_equal(sd_event_get_state(fx->daemon.event), SD_EVENT_INITIAL);
}

/* The loop ends by itself, with a line that says this. */
static void ends_with(struct fixture *fx, const char *text)
{
	assert_int_equal(sd_event_loop(fx->daemon.event), EXIT_FAILURE);
	assert_int_equal(fx->daemon.status, EXIT_FAILURE);
	assert_int_equal(catcher_count(&fx->log, text), 1);
}

static void without_a_name_it_stays(void **state)
{
	struct fixture *fx = *state;

	fx->config.netns[0] = '\0';
	assert_int_equal(netns_enter(&fx->daemon), 0);
	netns_watch(&fx->daemon);
	netns_check(&fx->daemon);
	same_as_home(fx, true);
	assert_null(fx->daemon.netns_watch);
	assert_int_equal(fx->daemon.status, 0);
}

static void it_enters_the_one_with_that_name(void **state)
{
	struct fixture *fx = *state;
	struct stat named, now;

	enter(fx);
	same_as_home(fx, false);
	assert_int_equal(stat(fx->path, &named), 0);
	assert_int_equal(stat("/proc/thread-self/ns/net", &now), 0);
	assert_int_equal(named.st_ino, now.st_ino);
	assert_int_equal(fx->daemon.status, 0);
}

static void a_missing_one_is_named(void **state)
{
	struct fixture *fx = *state;
	int r = netns_enter(&fx->daemon);

	assert_int_equal(r, -ENOENT);
	same_as_home(fx, true);
	netns_report_missing(&fx->daemon, r);
	assert_int_equal(fx->daemon.status, EXIT_FAILURE);
	assert_true(catcher_next(&fx->log));
	assert_non_null(strstr(fx->log.line, fx->path));
	assert_non_null(strstr(fx->log.line, "No such file"));
}

/* Left by an `ip netns add` that failed. */
static void a_file_without_a_namespace_is_none(void **state)
{
	struct fixture *fx = *state;
	int fd = open(fx->path, O_RDONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	(void)close(fd);
	assert_int_equal(netns_enter(&fx->daemon), -EINVAL);
	same_as_home(fx, true);
}

static void its_deletion_ends_the_daemon(void **state)
{
	struct fixture *fx = *state;

	enter(fx);
	remove_namespace(fx->path);
	ends_with(fx, "was deleted");
}

/* `ip netns del`, then `ip netns add`, before anybody looked. */
static void another_one_by_that_name_ends_the_daemon(void **state)
{
	struct fixture *fx = *state;

	enter(fx);
	remove_namespace(fx->path);
	add_namespace(fx->path);
	ends_with(fx, "was created again");
}

/* ip-netns(8) itself does not do that, but a namespace that was moved away must not be followed further. */
static void a_name_that_is_moved_away_ends_the_daemon(void **state)
{
	struct fixture *fx = *state;

	enter(fx);
	(void)umount2(fx->path, MNT_DETACH);
	assert_int_equal(rename(fx->path, fx->away), 0);
	ends_with(fx, "was deleted");
}

static void another_name_does_not_matter(void **state)
{
	struct fixture *fx = *state;

	enter(fx);
	add_namespace(fx->away);
	remove_namespace(fx->away);
	while (sd_event_run(fx->daemon.event, 0) > 0)
		continue;
	assert_int_equal(fx->daemon.status, 0);
	assert_false(catcher_next(&fx->log));
}

/* Between the start and the watch nothing reports it. */
static void one_that_went_before_the_watch_is_noticed(void **state)
{
	struct fixture *fx = *state;

	add_namespace(fx->path);
	assert_int_equal(netns_enter(&fx->daemon), 0);
	remove_namespace(fx->path);
	netns_watch(&fx->daemon);
	ends_with(fx, "was deleted");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(without_a_name_it_stays),
		TEST(it_enters_the_one_with_that_name),
		TEST(a_missing_one_is_named),
		TEST(a_file_without_a_namespace_is_none),
		TEST(its_deletion_ends_the_daemon),
		TEST(another_one_by_that_name_ends_the_daemon),
		TEST(a_name_that_is_moved_away_ends_the_daemon),
		TEST(another_name_does_not_matter),
		TEST(one_that_went_before_the_watch_is_noticed),
	};

	return cmocka_run_group_tests(tests, own_folder, NULL);
}
