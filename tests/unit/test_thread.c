/* SPDX-License-Identifier: Apache-2.0 */
#include "base/thread.h"

#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cmocka.h>

#define NAME_BYTES 16
#define STARTS 3000

struct seen {
	char name[16];
	sigset_t blocked;
};

static void *look(void *arg)
{
	struct seen *seen = arg;

	thread_name_self("links");
	(void)prctl(PR_GET_NAME, seen->name);
	(void)pthread_sigmask(SIG_SETMASK, NULL, &seen->blocked);
	return NULL;
}

static void it_has_its_name_and_no_signals(void **state)
{
	struct seen seen;
	char before[16], after[16];
	pthread_t thread;

	(void)state;
	assert_int_equal(prctl(PR_GET_NAME, before), 0);
	assert_int_equal(thread_start(&thread, 256 * 1024, look, &seen), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_string_equal(seen.name, "links");
	assert_true(sigismember(&seen.blocked, SIGTERM));
	assert_int_equal(prctl(PR_GET_NAME, after), 0);
	assert_string_equal(after, before);
}

/* A stack that is enough on amd64 may be less than what another architecture demands: 128 KiB on arm64. */
static void a_small_stack_becomes_the_least_there_is(void **state)
{
	struct seen seen;
	pthread_t thread;

	(void)state;
	assert_int_equal(thread_start(&thread, (size_t)PTHREAD_STACK_MIN / 2, look, &seen), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_string_equal(seen.name, "links");
}

/* The name by which others find the process: that of its main thread. */
static void read_name(char out[NAME_BYTES])
{
	FILE *file = fopen("/proc/self/comm", "re");

	if (!file || !fgets(out, NAME_BYTES, file))
		out[0] = '\0';
	if (file)
		(void)fclose(file);
}

static void *look_at_the_process(void *name)
{
	thread_name_self("links");
	read_name(name);
	return NULL;
}

static void the_process_keeps_its_name(void **state)
{
	char before[NAME_BYTES], name[NAME_BYTES];
	pthread_t thread;

	(void)state;
	read_name(before);
	for (unsigned i = 0; i < STARTS; i++) { /* one of so many would see another name meanwhile */
		assert_int_equal(thread_start(&thread, 0, look_at_the_process, name), 0);
		assert_int_equal(pthread_join(thread, NULL), 0);
		assert_string_equal(name, before);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_has_its_name_and_no_signals),
		cmocka_unit_test(a_small_stack_becomes_the_least_there_is),
		cmocka_unit_test(the_process_keeps_its_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
