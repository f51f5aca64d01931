/* SPDX-License-Identifier: Apache-2.0 */
#include "host/process.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/util.h"
#include "log/log.h"

static bool were_closed[STDERR_FILENO + 1];

/* Whatever is opened next gets the lowest number that is free. Reading and writing O_PATH fails with EBADF. */
static int occupy(int fd)
{
	int got;

	if (fcntl(fd, F_GETFD) >= 0)
		return 0;
	were_closed[fd] = true;
	got = open("/", O_PATH | O_CLOEXEC);
	return got < 0 ? -errno : got == fd ? 0 : -EBADF;
}

static void ignore_signals(void)
{
	/* If a reader goes away, the write fails and the process lives on (M4); the same if a file may not grow. To
	 * exceed the soft limit of CPU time is not an error.
	 */
	static const int ignored[] = {SIGPIPE, SIGXFSZ, SIGXCPU};

	for (size_t i = 0; i < ARRAY_SIZE(ignored); i++)
		(void)signal(ignored[i], SIG_IGN);
}

/* Raising a soft limit up to the hard one needs no right; raising a hard one needs CAP_SYS_RESOURCE. */
static void raise_limits(void)
{
	static const __rlimit_resource_t raised[] = {RLIMIT_CPU, RLIMIT_FSIZE, RLIMIT_STACK, RLIMIT_RTTIME};

	for (size_t i = 0; i < ARRAY_SIZE(raised); i++) {
		struct rlimit limit;

		if (getrlimit(raised[i], &limit) < 0 || limit.rlim_cur == limit.rlim_max)
			continue;
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(raised[i], &limit);
	}
}

int process_prepare(void)
{
	int r = 0;

	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO && r == 0; fd++)
		r = occupy(fd);
	ignore_signals();
	raise_limits();
	return r;
}

static void report_limit(__rlimit_resource_t resource, const char *name, const char *unit, const char *then)
{
	struct rlimit limit;

	if (getrlimit(resource, &limit) == 0 && limit.rlim_max != RLIM_INFINITY)
		log_warning(KIND_LIMIT_INHERITED, "%s is %" PRIu64 " %s: %s; what helps: start it without that limit",
			    name, (uint64_t)limit.rlim_max, unit, then);
}

void process_report(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (were_closed[fd])
			log_warning(KIND_DESCRIPTOR_CLOSED, "descriptor %d was closed at the start%s", fd,
				    fd == STDERR_FILENO ? ": what is written to stderr is lost" : "");
	report_limit(RLIMIT_CPU, "RLIMIT_CPU", "seconds", "the kernel kills this process after that much CPU time");
	report_limit(RLIMIT_FSIZE, "RLIMIT_FSIZE", "bytes", "no file can grow beyond it, not even the state file");
}
