/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of CPUs as the kernel and taskset write them: "0-1,3". */
#ifndef PORTSYNCD_CPULIST_H
#define PORTSYNCD_CPULIST_H

#include <sched.h>
#include <stddef.h>

/* The empty text is the empty set. 0, or -EINVAL: bad syntax, a backward range, or a number not below CPU_SETSIZE. */
int cpulist_parse(const char *text, cpu_set_t *cpus);

/* Writes the shortest list for the set, truncated to size. Returns out. */
const char *cpulist_format(const cpu_set_t *cpus, char *out, size_t size);

#endif
