/* SPDX-License-Identifier: Apache-2.0 */
#include "host/cpu.h"

#include <errno.h>
#include <string.h>

#include "base/cpulist.h"
#include "host/refused.h"

/* The kernel accepts a set if at least one CPU in it can be used, and silently drops the others. */
static int set_exactly(const cpu_set_t *cpus)
{
	cpu_set_t granted;

	if (sched_setaffinity(0, sizeof(*cpus), cpus) < 0 || sched_getaffinity(0, sizeof(granted), &granted) < 0)
		return -errno;
	return CPU_EQUAL(cpus, &granted) ? 0 : -EINVAL;
}

/* What it leaves of all CPUs is what this process can have. */
static void find_usable(cpu_set_t *usable)
{
	memset(usable, 0xff, sizeof(*usable));
	if (sched_setaffinity(0, sizeof(*usable), usable) < 0 || sched_getaffinity(0, sizeof(*usable), usable) < 0)
		CPU_ZERO(usable);
}

static void warn_affinity(const cpu_set_t *cpus, int error)
{
	char wanted[256], present[256];
	cpu_set_t usable;
	size_t cpu = 0;

	(void)cpulist_format(cpus, wanted, sizeof(wanted));
	if (error != -EINVAL) {
		tuning_refused(error, "performance.cpu_affinity = %s is refused: %s", wanted, strerror(-error));
		return;
	}
	find_usable(&usable);
	while (cpu < CPU_SETSIZE && (!CPU_ISSET(cpu, cpus) || CPU_ISSET(cpu, &usable)))
		cpu++;
	tuning_refused(error,
		       "performance.cpu_affinity = %s is refused: CPU %zu cannot be used: this machine, or the "
		       "cpuset of this process, has %s",
		       wanted, cpu, cpulist_format(&usable, present, sizeof(present)));
}

int cpu_set_affinity(const cpu_set_t *cpus)
{
	cpu_set_t before;
	int r;

	if (sched_getaffinity(0, sizeof(before), &before) < 0)
		CPU_ZERO(&before);
	r = set_exactly(cpus);
	if (r == 0)
		return 0;
	warn_affinity(cpus, r);
	(void)sched_setaffinity(0, sizeof(before), &before);
	return r;
}
