/* SPDX-License-Identifier: Apache-2.0 */
#include "host/tuning.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/cpulist.h"
#include "base/text.h"
#include "base/util.h"
#include "host/cpu.h"
#include "host/memory.h"
#include "log/audit.h"

/* What was asked for, and what came of it. */
struct report {
	unsigned refused;
	char granted[512];
};

/* What is refused memory.c and cpu.c have told. */
PRINTF_LIKE(3, 4) static void note(struct report *report, int result, const char *format, ...)
{
	va_list args;

	if (result < 0) {
		report->refused++;
		return;
	}
	va_start(args, format);
	text_append_args(report->granted, sizeof(report->granted), "", format, args);
	va_end(args);
}

static void apply_cpu(const struct config *config, struct report *report)
{
	char cpus[256];

	if (CPU_COUNT(&config->cpu_affinity) > 0)
		note(report, cpu_set_affinity(&config->cpu_affinity), ", CPUs %s",
		     cpulist_format(&config->cpu_affinity, cpus, sizeof(cpus)));
	if (config->scheduler != SCHED_OTHER)
		note(report, cpu_set_scheduler(config->scheduler, (int)config->scheduler_priority),
		     ", scheduler %s priority %ld", cpu_scheduler_name(config->scheduler), config->scheduler_priority);
	if (config->nice != 0)
		note(report, cpu_set_nice((int)config->nice), ", nice %ld", config->nice);
}

unsigned tuning_apply(const struct config *config)
{
	struct report report = {0};
	bool locked = false;

	if (config->lock_memory) {
		int r = memory_lock();

		locked = r == 0;
		if (!locked)
			report.refused++;
	}
	apply_cpu(config, &report);
	/* Said when somebody asked for something; locked memory alone is the default. */
	if (report.granted[0] || !config->lock_memory)
		log_notice(KIND_TUNING_IN_FORCE, "tuning in force: memory %s%s", locked ? "locked" : "not locked",
			   report.granted);
	return report.refused;
}
