/* SPDX-License-Identifier: Apache-2.0 */
#include "host/tuning.h"

#include "base/cpulist.h"
#include "host/cpu.h"
#include "host/memory.h"
#include "log/audit.h"

unsigned tuning_apply(const struct tuning_options *opt)
{
	bool locked = opt->lock_memory && memory_lock() == 0, pinned = CPU_COUNT(&opt->cpu_affinity) > 0;
	unsigned refused = opt->lock_memory && !locked;
	char cpus[256];

	if (pinned && cpu_set_affinity(&opt->cpu_affinity) < 0) {
		pinned = false;
		refused++;
	}
	/* Locked memory alone is the default and needs no line. */
	if (pinned || !opt->lock_memory)
		log_notice(KIND_TUNING_IN_FORCE, "tuning in force: memory %s%s%s", locked ? "locked" : "not locked",
			   pinned ? ", CPUs " : "",
			   pinned ? cpulist_format(&opt->cpu_affinity, cpus, sizeof(cpus)) : "");
	return refused;
}
