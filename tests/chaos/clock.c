/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Moves the wall clock of one process: a library for LD_PRELOAD. The file that CLOCK_FILE names holds the nanoseconds,
 * an int64_t, and may change at any time. Monotonic clocks are unchanged.
 */
#include <dlfcn.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "base/util.h"
#include "sharedpage.h"

#ifdef SYS_clock_gettime64 /* a 32-bit machine, whose time has 64 bits all the same: meson.build */
#define CALL "__clock_gettime64"
#define CALL_NUMBER SYS_clock_gettime64
#else
#define CALL "clock_gettime"
#define CALL_NUMBER SYS_clock_gettime
#endif

static _Atomic int64_t none;
static _Atomic int64_t *offset_nsec = &none;
static int (*next)(clockid_t clock_id, struct timespec *tp); /* the C library's, which asks the kernel's page */

__attribute__((constructor)) static void map_offset(void)
{
	_Atomic int64_t *shared = sharedpage_map("CLOCK_FILE", sizeof(*shared));

	if (shared)
		offset_nsec = shared;
	/* As in dlsym(3): ISO C has no conversion from an object's address to a function's. */
	*(void **)&next = dlsym(RTLD_NEXT, CALL);
}

static void move(struct timespec *ts)
{
	int64_t offset = *offset_nsec;
	int64_t nsec = (int64_t)ts->tv_nsec + offset % (int64_t)NSEC_PER_SEC;

	ts->tv_sec += offset / (int64_t)NSEC_PER_SEC;
	if (nsec < 0 || nsec >= (int64_t)NSEC_PER_SEC)
		ts->tv_sec += nsec < 0 ? -1 : 1;
	ts->tv_nsec = (long)((nsec + (int64_t)NSEC_PER_SEC) % (int64_t)NSEC_PER_SEC);
}

int clock_gettime(clockid_t clock_id, struct timespec *tp)
{
	/* The sandbox may not allow this system call, since the daemon does not use it. */
	int r = next ? next(clock_id, tp) : (int)syscall(CALL_NUMBER, clock_id, tp);

	if (r == 0 && (clock_id == CLOCK_REALTIME || clock_id == CLOCK_REALTIME_COARSE))
		move(tp);
	return r;
}

int gettimeofday(struct timeval *restrict tv, void *restrict tz)
{
	struct timespec now;

	(void)tz;
	if (clock_gettime(CLOCK_REALTIME, &now) != 0)
		return -1;
	*tv = (struct timeval){.tv_sec = now.tv_sec, .tv_usec = now.tv_nsec / 1000};
	return 0;
}

time_t time(time_t *timer)
{
	struct timespec now;

	if (clock_gettime(CLOCK_REALTIME, &now) != 0)
		return (time_t)-1;
	if (timer)
		*timer = now.tv_sec;
	return now.tv_sec;
}
