/* SPDX-License-Identifier: Apache-2.0 */
#include "base/thread.h"

#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cmocka.h>

struct seen {
	char name[16];
	sigset_t blocked;
};

static void *look(void *arg)
{
	struct seen *seen = arg;

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
	assert_int_equal(thread_start(&thread, "links", 256 * 1024, look, &seen), 0);
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
	assert_int_equal(thread_start(&thread, "small", (size_t)PTHREAD_STACK_MIN / 2, look, &seen), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_string_equal(seen.name, "small");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_has_its_name_and_no_signals),
		cmocka_unit_test(a_small_stack_becomes_the_least_there_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
