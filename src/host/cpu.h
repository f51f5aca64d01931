/* SPDX-License-Identifier: Apache-2.0 */
/* On which CPUs the calling thread, and any that it starts later, may run. */
#ifndef PORTSYNCD_CPU_H
#define PORTSYNCD_CPU_H

#include <sched.h>

/* Runs on exactly these CPUs, at least one. 0, or a negative errno after a warning that says why; then nothing changes.
 */
int cpu_set_affinity(const cpu_set_t *cpus);

#endif
