/* SPDX-License-Identifier: Apache-2.0 */
/* The machine refuses, and says no: as to a process without capabilities. What it grants is shown by the system tests.
 */
#include "host/tuning.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "host/cpu.h"
#include "host/landlock.h"
#include "host/memory.h"
#include "log_catcher.h"
#include "test.h"

/* How syslog lines of these levels begin. */
#define WARNING "<12>"
#define NOTICE "<13>"
#define NO_SUCH_CPU (CPU_SETSIZE - 1)

struct fixture {
	struct log_catcher catcher;
	struct __user_cap_data_struct capabilities[_LINUX_CAPABILITY_U32S_3];
	struct rlimit memlock;
	cpu_set_t cpus;
};

static struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};

/* Returns what it is then: no more than the hard limit. */
static rlim_t set_soft_limit(__rlimit_resource_t resource, rlim_t value)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(resource, &limit), 0);
	limit.rlim_cur = value < limit.rlim_max ? value : limit.rlim_max;
	assert_int_equal(setrlimit(resource, &limit), 0);
	return limit.rlim_cur;
}

/* Only the effective ones go, so teardown() can take them back. */
static void drop_capabilities(const struct fixture *fx)
{
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3];

	memcpy(none, fx->capabilities, sizeof(none));
	for (size_t i = 0; i < _LINUX_CAPABILITY_U32S_3; i++)
		none[i].effective = 0;
	assert_int_equal(syscall(SYS_capset, &header, none), 0);
}

static unsigned long locked_kib(void)
{
	FILE *status = fopen("/proc/self/status", "re");
	unsigned long kib = 0;
	char line[256];

	assert_non_null(status);
	while (fgets(line, sizeof(line), status))
		if (strncmp(line, "VmLck:", 6) == 0)
			kib = strtoul(line + 6, NULL, 10);
	assert_int_equal(fclose(status), 0);
	return kib;
}

static void assert_line(struct fixture *fx, const char *const *texts)
{
	assert_true(catcher_next(&fx->catcher));
	for (; *texts; texts++)
		if (!strstr(fx->catcher.line, *texts))
			fail_msg("\"%s\" in: %s", *texts, fx->catcher.line);
}

#define ASSERT_LINE(fx, ...) assert_line(fx, (const char *const[]){__VA_ARGS__, NULL})
#define ASSERT_NO_LINE(fx) assert_false(catcher_next(&(fx)->catcher))

static void assert_unlocked_under(struct fixture *fx, rlim_t wanted)
{
	rlim_t limit = set_soft_limit(RLIMIT_MEMLOCK, wanted);
	char value[64];
	void *memory;

	assert_true(memory_lock() < 0);
	(void)snprintf(value, sizeof(value), "RLIMIT_MEMLOCK is %lu bytes", (unsigned long)limit);
	ASSERT_LINE(fx, "performance.lock_memory", value, "LimitMEMLOCK=", "CAP_IPC_LOCK");
	ASSERT_NO_LINE(fx);
	assert_int_equal(locked_kib(), 0);
	memory = malloc((size_t)(2 * limit + 1));
	assert_non_null(memory);
	free(memory);
}

/* The last is more than this process has mapped: the lock itself would be granted. */
static void a_limit_on_locked_memory_does_not_become_one_on_memory(void **state)
{
	struct fixture *fx = *state;

	drop_capabilities(fx);
	assert_unlocked_under(fx, 0);
	assert_unlocked_under(fx, 65536);
	assert_unlocked_under(fx, 8 << 20);
}

static cpu_set_t first_cpu(const struct fixture *fx)
{
	unsigned cpu = 0;
	cpu_set_t one;

	while (!CPU_ISSET(cpu, &fx->cpus))
		cpu++;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	return one;
}

static void cpus_that_are_there(void **state)
{
	struct fixture *fx = *state;
	cpu_set_t one = first_cpu(fx), now;

	assert_int_equal(cpu_set_affinity(&one), 0);
	assert_int_equal(sched_getaffinity(0, sizeof(now), &now), 0);
	assert_true(CPU_EQUAL(&now, &one));
	assert_int_equal(cpu_set_affinity(&fx->cpus), 0);
	ASSERT_NO_LINE(fx);
}

/* Alone, and beside one that does, where the kernel would have passed over it in silence. */
static void a_cpu_that_does_not_exist(void **state)
{
	struct fixture *fx = *state;
	cpu_set_t cpus, before = first_cpu(fx), now;

	assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
	CPU_ZERO(&cpus);
	for (int i = 0; i < 2; i++) {
		CPU_SET(NO_SUCH_CPU, &cpus);
		assert_int_equal(cpu_set_affinity(&cpus), -EINVAL);
		ASSERT_LINE(fx, "performance.cpu_affinity = ", "1023 is refused",
			    "CPU 1023 cannot be used: this machine, or the cpuset of this process, has 0");
		ASSERT_NO_LINE(fx);
		assert_int_equal(sched_getaffinity(0, sizeof(now), &now), 0);
		assert_true(CPU_EQUAL(&now, &before));
		cpus = fx->cpus;
	}
}

static void all_is_refused(void **state)
{
	struct fixture *fx = *state;
	struct tuning_options options = {.lock_memory = true};

	drop_capabilities(fx);
	(void)set_soft_limit(RLIMIT_MEMLOCK, 65536);
	CPU_SET(NO_SUCH_CPU, &options.cpu_affinity);
	assert_int_equal(tuning_apply(&options), 2);
	ASSERT_LINE(fx, WARNING, "performance.lock_memory");
	ASSERT_LINE(fx, WARNING, "performance.cpu_affinity");
	ASSERT_NO_LINE(fx);
}

static void what_is_granted_is_said(void **state)
{
	struct fixture *fx = *state;
	struct tuning_options options = {0};

	assert_int_equal(tuning_apply(&options), 0);
	ASSERT_LINE(fx, NOTICE, "tuning in force: memory not locked");
	options.cpu_affinity = fx->cpus;
	assert_int_equal(tuning_apply(&options), 0);
	ASSERT_LINE(fx, NOTICE, "tuning in force: memory not locked, CPUs ");
	ASSERT_NO_LINE(fx);
}

/* Versions 1 (Linux 5.13), 4 (6.7), 6 (6.12), as Documentation/userspace-api/landlock.rst has them. */
static void what_a_kernel_leaves_open_is_named(void **state)
{
	(void)state;
	for (int version = 1; version < 6; version++) {
		assert_int_equal(strstr(landlock_gaps(version), "TCP ports") != NULL, version < 4);
		assert_non_null(strstr(landlock_gaps(version), "abstract Unix sockets"));
	}
	assert_string_equal(landlock_gaps(6), "");
	assert_string_equal(landlock_gaps(7), "");
}

static int setup(void **state)
{
	struct fixture *fx = calloc(1, sizeof(*fx));

	assert_non_null(fx);
	*state = fx;
	catcher_start(&fx->catcher, LOG_NOTICE);
	assert_int_equal(syscall(SYS_capget, &header, fx->capabilities), 0);
	assert_int_equal(getrlimit(RLIMIT_MEMLOCK, &fx->memlock), 0);
	assert_int_equal(sched_getaffinity(0, sizeof(fx->cpus), &fx->cpus), 0);
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fx = *state;

	assert_int_equal(syscall(SYS_capset, &header, fx->capabilities), 0);
	assert_int_equal(setrlimit(RLIMIT_MEMLOCK, &fx->memlock), 0);
	assert_int_equal(sched_setaffinity(0, sizeof(fx->cpus), &fx->cpus), 0);
	catcher_stop(&fx->catcher);
	free(fx);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_limit_on_locked_memory_does_not_become_one_on_memory),
		TEST(cpus_that_are_there),
		TEST(a_cpu_that_does_not_exist),
		TEST(all_is_refused),
		TEST(what_is_granted_is_said),
		cmocka_unit_test(what_a_kernel_leaves_open_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
