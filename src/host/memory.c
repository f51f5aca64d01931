/* SPDX-License-Identifier: Apache-2.0 */
#include "host/memory.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "host/capabilities.h"
#include "observe/log.h"

/* By their numbers: the sanitizers put calls that do nothing in the place of mlockall() and munlockall(). */
static int lock_all(void)
{
	return syscall(SYS_mlockall, MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) < 0 ? -errno : 0;
}

/*
 * True when later allocations count against the limit. The kernel is asked by a mapping that is just too large: whether
 * a capability lifts the limit depends on the user namespace too, where having it is not enough. No page is used.
 */
static bool limit_binds(rlim_t limit, bool confined)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), len;
	void *probe;

	if (limit >= SIZE_MAX - page)
		return false;
	if (confined)
		return true;
	len = (size_t)limit + page;
	probe = mmap(NULL, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (probe == MAP_FAILED)
		return errno == EAGAIN;
	(void)munmap(probe, len);
	return false;
}

static void tell_refused(const struct rlimit *limit, int error)
{
	char value[32] = "unlimited";

	if (limit->rlim_cur != RLIM_INFINITY)
		(void)snprintf(value, sizeof(value), "%" PRIu64 " bytes", (uint64_t)limit->rlim_cur);
	log_warning(KIND_TUNING_REFUSED,
		    "performance.lock_memory = true is refused: %s; RLIMIT_MEMLOCK is %s; what helps: "
		    "LimitMEMLOCK=infinity (systemd), --ulimit memlock=-1 (docker), or the capability CAP_IPC_LOCK",
		    error == -EAGAIN ? "later allocations would fail" : strerror(-error), value);
}

/* Gives nothing that the capability did not give already. */
static void lift_limit(void)
{
	const struct rlimit none = {.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};

	if (capabilities_ipc_lock())
		(void)setrlimit(RLIMIT_MEMLOCK, &none);
}

int memory_lock(bool confined)
{
	struct rlimit limit = {.rlim_cur = RLIM_INFINITY};
	int r = lock_all();

	if (r == 0 && confined)
		lift_limit();
	(void)getrlimit(RLIMIT_MEMLOCK, &limit);
	if (r == 0 && limit_binds(limit.rlim_cur, confined)) {
		(void)syscall(SYS_munlockall);
		r = -EAGAIN;
	}
	if (r < 0)
		tell_refused(&limit, r);
	return r;
}
