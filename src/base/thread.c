/* SPDX-License-Identifier: Apache-2.0 */
#include "base/thread.h"

#include <sched.h>
#include <signal.h>
#include <sys/resource.h>

#define WEAKEST_NICE 19

int thread_start(pthread_t *ret, const char *name, size_t stack_bytes, void *(*run)(void *), void *arg)
{
	pthread_attr_t attributes;
	sigset_t all, before;
	int r = pthread_attr_init(&attributes);

	if (r != 0)
		return -r;
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	if (stack_bytes > 0)
		r = pthread_attr_setstacksize(&attributes, stack_bytes);
	if (r == 0)
		r = pthread_create(ret, &attributes, run, arg);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	(void)pthread_attr_destroy(&attributes);
	if (r == 0)
		(void)pthread_setname_np(*ret, name);
	return -r;
}

/* Of this thread alone (setpriority(2), "C library/kernel differences"). */
void thread_step_back(void)
{
	const struct sched_param none = {0};

	(void)sched_setscheduler(0, SCHED_BATCH, &none);
	(void)setpriority(PRIO_PROCESS, 0, WEAKEST_NICE);
}
