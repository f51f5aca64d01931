/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's own clock of link messages. A filter (eBPF) on a socket of RTNLGRP_LINK is run by the kernel while it
 * hands a message to its listeners; this one notes the time and lets no message through. So the moment is known to a
 * fraction of a microsecond, and who looks at it is neither woken nor sent a copy: it does not take the processor from
 * what is measured. Needs CAP_BPF or CAP_SYS_ADMIN.
 */
#ifndef PORTSYNCD_BENCH_KSTAMPS_H
#define PORTSYNCD_BENCH_KSTAMPS_H

#include <stdatomic.h>
#include <stdint.h>

#define KSTAMPS_MAX 131072 /* interface indexes; a message of a larger one is not noted */

/*
 * By interface index: when (CLOCK_MONOTONIC, ns) the first RTM_NEWLINK of the link came since its slot was 0; taking a
 * stamp means to set it to 0. Follows the links of this thread's network namespace until the process ends.
 */
_Atomic uint64_t *kstamps_open(void);

#endif
