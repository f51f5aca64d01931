/* SPDX-License-Identifier: Apache-2.0 */
/* Where the calling thread, and any that it makes later, may run. */
#ifndef PORTSYNCD_CPU_H
#define PORTSYNCD_CPU_H

#include <sched.h>

/* Exactly these CPUs, at least one. 0, or a negative errno after a warning that says why; then nothing changes. */
int cpu_set_affinity(const cpu_set_t *cpus);

#endif
