/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What section [performance] asks of the machine: memory and CPUs. A setting that is refused stays as it was, with a
 * warning; the daemon works all the same.
 */
#ifndef PORTSYNCD_TUNING_H
#define PORTSYNCD_TUNING_H

#include <sched.h>
#include <stdbool.h>

struct tuning_options {
	bool lock_memory;
	cpu_set_t cpu_affinity; /* empty: as the process was started */
};

/* For the calling thread and those it makes later. Returns how many settings were refused. */
unsigned tuning_apply(const struct tuning_options *opt);

#endif
