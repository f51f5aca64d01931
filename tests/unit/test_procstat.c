/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/procstat.h"

#include <limits.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

#include <cmocka.h>

#include "base/util.h"
#include "scratch.h"
#include "test.h"

static char folder[SCRATCH_BYTES];

static void make(const char *name, const char *text)
{
	char path[PATH_MAX], *slash;
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	for (slash = strchr(path + strlen(folder) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		(void)mkdir(path, 0700);
		*slash = '/';
	}
	file = fopen(path, "we");
	assert_non_null(file);
	(void)fputs(text, file);
	(void)fclose(file);
}

static void make_task(const char *name, const char *text)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "self/task/%d/%s", (int)getpid(), name);
	make(path, text);
}

static int setup(void **state)
{
	(void)state;
	scratch_make(folder);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	scratch_remove(folder);
	return 0;
}

/* Ticks are hundredths of a second everywhere Linux runs portsyncd. */
#define TICK (10 * NSEC_PER_MSEC)

static void the_columns_of_proc(void **state)
{
	struct procstat p;

	(void)state;
	make("self/stat", "42 (port (sync) d) S 1 2 3 4 5 6 700 0 800 0 1100 200 0 0 20 0 3 0 5000 123456789 99 0\n");
	make("self/statm", "999 250 9 9 0 9 0\n");
	make("self/status", "Name:\tportsyncd\nVmLck:\t    2048 kB\nThreads:\t3\n");
	make("self/fd/0", "");
	make("self/fd/1", "");
	make("self/fd/2", "");
	make_task("stat", "42 (x) R 1 2 3 4 5 6 70 0 8 0 110 20 0 0 20 0 3 0 5000 1 1 0\n");
	make_task("status", "Name:\tx\nvoluntary_ctxt_switches:\t150\nnonvoluntary_ctxt_switches:\t545\n");
	make_task("sched", "x (42, #threads: 3)\n---\nse.exec_start : 1.5\nse.nr_migrations     :           17\n");
	make_task("schedstat", "123 456789 7\n");
	make("self/net/netlink",
	     "sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode\n"
	     "0000000000000000 0   0          00000000 1        0        0     2        11       4711\n"
	     "00000000929c7ccc 0   4242       00000001 768      0        0     2        5        4712\n");
	procstat_read(&p, folder, 4712);
	assert_int_equal(p.cpu_nsec, 1300 * TICK);
	assert_int_equal(p.threads, 3);
	assert_int_equal(p.virtual_bytes, 123456789);
	assert_int_equal(p.resident_bytes, 250 * sysconf(_SC_PAGESIZE));
	assert_int_equal(p.locked_bytes, 2048 * 1024);
	assert_int_equal(p.open_fds, 2); /* and the one that reads the directory */
	assert_int_equal(p.loop_user_nsec, 110 * TICK);
	assert_int_equal(p.loop_system_nsec, 20 * TICK);
	assert_int_equal(p.loop_minor_faults, 70);
	assert_int_equal(p.loop_major_faults, 8);
	assert_int_equal(p.loop_voluntary, 150);
	assert_int_equal(p.loop_involuntary, 545);
	assert_true(p.has_migrations && p.has_run_delay && p.has_netlink);
	assert_int_equal(p.loop_migrations, 17);
	assert_int_equal(p.loop_run_delay_nsec, 456789);
	assert_int_equal(p.netlink_queued, 768);
	assert_int_equal(p.netlink_drops, 5);
}

static void what_is_not_reported_is_not_made_up(void **state)
{
	struct procstat p;

	(void)state;
	procstat_read(&p, folder, 4712);
	assert_false(p.has_migrations || p.has_run_delay || p.has_netlink);
	assert_int_equal(p.cpu_nsec + p.threads + p.resident_bytes + p.locked_bytes + p.loop_voluntary, 0);
	make("self/stat", "42 (cut");
	make("self/net/netlink", "sk Eth\n0 0 0 0 1 0 0 2 11 4711\n");
	procstat_read(&p, folder, 4712);
	assert_int_equal(p.cpu_nsec + p.threads, 0);
	assert_false(p.has_netlink);
}

static void our_own_process(void **state)
{
	struct rlimit limit;
	struct procstat p;
	struct stat st;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	const struct sockaddr_nl any = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK};
	uint64_t started = procstat_started("/proc"), now = (uint64_t)time(NULL) * NSEC_PER_SEC;

	(void)state;
	assert_int_equal(bind(fd, (const struct sockaddr *)&any, sizeof(any)), 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	procstat_read(&p, "/proc", st.st_ino);
	assert_true(p.has_netlink);
	assert_int_equal(p.netlink_queued + p.netlink_drops, 0);
	assert_int_equal(p.threads, 1);
	assert_true(p.open_fds >= 4 && p.open_fds < 64);
	assert_true(p.max_fds == limit.rlim_cur || limit.rlim_cur == RLIM_INFINITY);
	assert_true(p.resident_bytes > 100000 && p.resident_bytes < p.virtual_bytes);
	assert_true(p.loop_minor_faults > 0);
	assert_true(started <= now + NSEC_PER_SEC && now + NSEC_PER_SEC - started < 600 * NSEC_PER_SEC);
	procstat_read(&p, "/proc", st.st_ino + 1000000);
	assert_false(p.has_netlink);
	(void)close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_columns_of_proc),
		TEST(what_is_not_reported_is_not_made_up),
		cmocka_unit_test(our_own_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
