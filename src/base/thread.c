/* SPDX-License-Identifier: Apache-2.0 */
#include "base/thread.h"

#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "base/util.h"

#define WEAKEST_NICE 19

int thread_start(pthread_t *ret, size_t stack_bytes, void *(*run)(void *), void *arg)
{
	pthread_attr_t attributes;
	sigset_t all, before;
	int r = pthread_attr_init(&attributes);

	if (r != 0)
		return -r;
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	if (stack_bytes > 0)
		r = pthread_attr_setstacksize(&attributes, MAX(stack_bytes, (size_t)PTHREAD_STACK_MIN));
	if (r == 0)
		r = pthread_create(ret, &attributes, run, arg);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	(void)pthread_attr_destroy(&attributes);
	return -r;
}

/* A thread names itself: to name another one means writing to /proc, which the sandbox forbids. */
void thread_name_self(const char *name)
{
	(void)prctl(PR_SET_NAME, name);
}

/* On Linux this changes this thread alone (setpriority(2), "C library/kernel differences"). */
void thread_step_back(void)
{
	const struct sched_param none = {0};

	(void)sched_setscheduler(0, SCHED_BATCH, &none);
	(void)setpriority(PRIO_PROCESS, 0, WEAKEST_NICE);
}
