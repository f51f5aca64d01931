/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Landlock and seccomp, each in a child, as the kernel enforces them: what is left to a process, and what is not. The
 * daemon's whole sandbox is tested by tests/system/test_sandbox.py.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "base/util.h"
#include "host/landlock.h"
#include "host/syscalls.h"
#include "scratch.h"
#include "test.h"

#define ATTEMPTS 24
#define MPTCP 262 /* IPPROTO_MPTCP */

/* What a child found; in memory that both have. */
struct found {
	int confined;
	struct {
		const char *what;
		int error;
	} attempt[ATTEMPTS];
	size_t n;
};

struct fixture {
	char folder[SCRATCH_BYTES], built[PATH_MAX];
	struct found *found;
};

static int setup(void **state)
{
	struct fixture *fx = calloc(1, sizeof(*fx));
	char *slash;

	assert_non_null(fx);
	scratch_make(fx->folder);
	/* A build that counts what is reached writes below its root, build/tests/unit/test_confine being this. */
	assert_true(readlink("/proc/self/exe", fx->built, sizeof(fx->built) - 1) > 0);
	for (int i = 0; i < 3 && (slash = strrchr(fx->built, '/')); i++)
		*slash = '\0';
	fx->found = mmap(NULL, sizeof(*fx->found), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(fx->found != MAP_FAILED);
	*state = fx;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fx = *state;

	scratch_remove(fx->folder);
	(void)munmap(fx->found, sizeof(*fx->found));
	free(fx);
	return 0;
}

/* 0 or the errno of what was just tried. */
static void tried(struct fixture *fx, const char *what, long result)
{
	struct found *found = fx->found;

	found->attempt[found->n].what = what;
	found->attempt[found->n++].error = result < 0 ? errno : 0;
}

/* If the compiler sees that a call does not return, AddressSanitizer adds a system call that is no longer allowed. */
static void (*volatile leave)(int status) = _exit;

static int run_child(struct fixture *fx, void (*child)(struct fixture *))
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		child(fx);
		leave(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static int error_of(const struct fixture *fx, const char *what)
{
	for (size_t i = 0; i < fx->found->n; i++)
		if (strcmp(fx->found->attempt[i].what, what) == 0)
			return fx->found->attempt[i].error;
	fail_msg("%s was not tried", what);
	return -1;
}

static void assert_all(const struct fixture *fx, int error, const char *const *what, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (error_of(fx, what[i]) != error)
			fail_msg("%s: %s", what[i], strerror(error_of(fx, what[i])));
}

/* --- Landlock --- */

static int make(const struct fixture *fx, const char *name)
{
	char path[128];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", fx->folder, name);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd >= 0)
		(void)close(fd);
	return fd;
}

static int connect_to(uint16_t port)
{
	const struct sockaddr_in to = {
		.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd cleanup(close_fd) = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return connect(fd, (const struct sockaddr *)&to, sizeof(to));
}

static int make_socket(const struct fixture *fx, const char *name)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd cleanup(close_fd) = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(at.sun_path, sizeof(at.sun_path), "%s/%s", fx->folder, name);
	return bind(fd, (const struct sockaddr *)&at, sizeof(at));
}

static void writes(struct fixture *fx)
{
	char ours[128], sockets[128], other[128];
	const char *folders[] = {fx->built, ours, "/there/is/none", sockets};
	const uint16_t ports[] = {1}, listening[] = {2};
	const struct landlock_allowed allowed = {.folders = folders,
						 .n_folders = ARRAY_SIZE(folders),
						 .ports = ports,
						 .n_ports = 1,
						 .listening = listening,
						 .n_listening = 1,
						 .sockets = sockets};
	int fd;

	(void)snprintf(ours, sizeof(ours), "%s/ours", fx->folder);
	(void)snprintf(sockets, sizeof(sockets), "%s/sockets", fx->folder);
	(void)snprintf(other, sizeof(other), "%s/other/file", fx->folder);
	fx->found->confined = landlock_confine(&allowed);
	tried(fx, "write in ours", make(fx, "ours/new"));
	tried(fx, "write elsewhere", make(fx, "other/new"));
	fd = open(other, O_RDONLY | O_CLOEXEC);
	tried(fx, "read elsewhere", fd);
	tried(fx, "remove elsewhere", unlink(other));
	tried(fx, "socket for sockets", make_socket(fx, "sockets/s"));
	tried(fx, "socket in ours", make_socket(fx, "ours/s"));
	tried(fx, "connect", connect_to(1));
	tried(fx, "connect elsewhere", connect_to(3));
	tried(fx, "signal", kill(getppid(), 0));
	tried(fx, "truncate", truncate(other, 0));
}

static void files_are_written_where_it_was_allowed(void **state)
{
	static const char *const allowed[] = {"write in ours", "read elsewhere", "socket for sockets"};
	static const char *const forbidden[] = {"write elsewhere", "remove elsewhere", "socket in ours"};
	static const char *const folders[] = {"ours", "other", "sockets"};
	struct fixture *fx = *state;
	char path[128];
	int version;

	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", fx->folder, folders[i]);
		assert_int_equal(mkdir(path, 0700), 0);
	}
	assert_true(make(fx, "other/file") >= 0);
	assert_int_equal(run_child(fx, writes), 0);
	version = fx->found->confined;
	assert_all(fx, 0, allowed, ARRAY_SIZE(allowed));
	if (version < 0) { /* a kernel without Landlock says so, and forbids nothing */
		assert_true(version == -ENOSYS || version == -EOPNOTSUPP);
		assert_all(fx, 0, forbidden, ARRAY_SIZE(forbidden));
		return;
	}
	assert_all(fx, EACCES, forbidden, ARRAY_SIZE(forbidden));
	/* Nobody listens on port 1. */
	assert_int_equal(error_of(fx, "connect"), ECONNREFUSED);
	assert_int_equal(error_of(fx, "connect elsewhere"), version >= LANDLOCK_HOLDS_TCP ? EACCES : ECONNREFUSED);
	assert_int_equal(error_of(fx, "signal"), version >= LANDLOCK_HOLDS_ABSTRACT_SOCKETS ? EPERM : 0);
	if (version >= 3)
		assert_int_equal(error_of(fx, "truncate"), EACCES);
}

static void what_a_kernel_leaves_open_is_named(void **state)
{
	(void)state;
	assert_non_null(strstr(landlock_gaps(LANDLOCK_HOLDS_TCP - 1), "TCP"));
	assert_non_null(strstr(landlock_gaps(LANDLOCK_HOLDS_TCP - 1), "abstract"));
	assert_null(strstr(landlock_gaps(LANDLOCK_HOLDS_TCP), "TCP"));
	assert_non_null(strstr(landlock_gaps(LANDLOCK_HOLDS_TCP), "abstract"));
	assert_string_equal(landlock_gaps(LANDLOCK_HOLDS_ABSTRACT_SOCKETS), "");
}

/* --- seccomp --- */

static int set(int fd, int level, int name)
{
	static const int on = 1;

	return setsockopt(fd, level, name, &on, sizeof(on));
}

static int map(int protection)
{
	return mmap(NULL, 4096, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0;
}

static int bind_any(void)
{
	const struct sockaddr_in any = {.sin_family = AF_INET};
	int fd cleanup(close_fd) = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return bind(fd, (const struct sockaddr *)&any, sizeof(any));
}

static void calls(struct fixture *fx)
{
	int tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);
	char path[128];
	int fd;

	tried(fx, "tcp", tcp);
	tried(fx, "unix", socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
	tried(fx, "links", socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
	tried(fx, "packet filters", socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER));
	tried(fx, "mptcp", socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, MPTCP));
	tried(fx, "datagrams", socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
	tried(fx, "nodelay", set(tcp, IPPROTO_TCP, TCP_NODELAY));
	tried(fx, "another protocol", setsockopt(tcp, IPPROTO_TCP, TCP_ULP, "tls", 3));
	tried(fx, "fast open", sendto(tcp, "", 1, MSG_FASTOPEN, NULL, 0));
	tried(fx, "bind", bind_any());
	(void)snprintf(path, sizeof(path), "%s/file", fx->folder);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	tried(fx, "write", fd);
	tried(fx, "truncate by reading", open(path, O_RDONLY | O_TRUNC | O_CLOEXEC));
	tried(fx, "flags", fcntl(fd, F_GETFL));
	tried(fx, "be sent signals", fcntl(fd, F_SETOWN, getpid()));
	tried(fx, "mode of a recording", fchmod(fd, 0640));
	tried(fx, "another mode", fchmod(fd, 0666));
	tried(fx, "memory", map(PROT_READ | PROT_WRITE));
	tried(fx, "code", map(PROT_READ | PROT_EXEC));
	tried(fx, "kill", kill(getpid(), 0));
	tried(fx, "nice", setpriority(PRIO_PROCESS, 0, 19));
	tried(fx, "nice of others", setpriority(PRIO_USER, 0, 19));
	tried(fx, "capset", syscall(SYS_capset, NULL, NULL));
}

static void least(struct fixture *fx)
{
	fx->found->confined = syscalls_confine(&(const struct syscalls_more){0});
	calls(fx);
}

static void most(struct fixture *fx)
{
	fx->found->confined =
		syscalls_confine(&(const struct syscalls_more){.capset = true, .names = true, .listening = true});
	calls(fx);
}

static const char *const always[] = {"tcp",    "unix",  "links", "nodelay", "write", "mode of a recording",
				     "memory", "flags", "nice"};
static const char *const never[] = {
	"packet filters",
	"mptcp",
	"another protocol",
	"fast open",
	"truncate by reading",
	"be sent signals",
	"another mode",
	"code",
	"kill",
	"nice of others",
};

static void calls_that_are_not_needed_fail(void **state)
{
	static const char *const more[] = {"datagrams", "bind", "capset"};
	struct fixture *fx = *state;

	assert_int_equal(run_child(fx, least), 0);
	assert_int_equal(fx->found->confined, 0);
	assert_all(fx, 0, always, ARRAY_SIZE(always));
	assert_all(fx, EPERM, never, ARRAY_SIZE(never));
	assert_all(fx, EPERM, more, ARRAY_SIZE(more));
}

/* fchmod() of any mode is for sockets that listen. */
static void what_a_process_needs_more_is_left_to_it(void **state)
{
	static const char *const more[] = {"datagrams", "bind", "another mode"};
	struct fixture *fx = *state;

	assert_int_equal(run_child(fx, most), 0);
	assert_int_equal(fx->found->confined, 0);
	assert_all(fx, 0, always, ARRAY_SIZE(always));
	assert_all(fx, 0, more, ARRAY_SIZE(more));
	assert_int_equal(error_of(fx, "capset"), EFAULT); /* it got as far as the kernel */
	for (size_t i = 0; i < ARRAY_SIZE(never); i++)
		if (strcmp(never[i], "another mode") != 0)
			assert_all(fx, EPERM, &never[i], 1);
}

static void reads_memory(struct fixture *fx)
{
	(void)syscalls_confine(&(const struct syscalls_more){.capset = true, .names = true, .listening = true});
	(void)process_vm_readv(getppid(), NULL, 0, NULL, 0, 0);
	fx->found->confined = 1; /* not reached */
}

static void moves(struct fixture *fx)
{
	(void)syscalls_confine(&(const struct syscalls_more){0});
	(void)unshare(CLONE_NEWUSER);
	fx->found->confined = 1;
}

static void what_only_an_intruder_calls_ends_the_process(void **state)
{
	static void (*const intruders[])(struct fixture *) = {reads_memory, moves};
	struct fixture *fx = *state;

	for (size_t i = 0; i < ARRAY_SIZE(intruders); i++) {
		int status = run_child(fx, intruders[i]);

		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), SIGSYS);
		assert_int_equal(fx->found->confined, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(files_are_written_where_it_was_allowed),
		TEST(what_a_kernel_leaves_open_is_named),
		TEST(calls_that_are_not_needed_fail),
		TEST(what_a_process_needs_more_is_left_to_it),
		TEST(what_only_an_intruder_calls_ends_the_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
