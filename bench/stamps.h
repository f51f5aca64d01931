/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When each change of linkstorm was requested, and when the kernel reported it: CLOCK_MONOTONIC in ns, 0 for none. A
 * change is known by its port and by the MTU that it sets; the same MTU comes again after STAMPS_STEPS changes.
 */
#ifndef PORTSYNCD_BENCH_STAMPS_H
#define PORTSYNCD_BENCH_STAMPS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define STAMPS_MTU_FIRST 1500U
#define STAMPS_MTU_LAST 8999U
#define STAMPS_STEPS (STAMPS_MTU_LAST - STAMPS_MTU_FIRST + 1)
#define STAMPS_PORTS_MAX 4096

/* The MTU of a port's next change. */
unsigned stamps_next_mtu(unsigned mtu);
/* The place of a change among the stamps; the MTU is one of a change. */
size_t stamps_at(unsigned port, unsigned mtu);

/* In a file that linkstorm, latency and bench/run share. */
struct stamps {
	_Atomic uint64_t requested; /* changes, as linkstorm counts them */
	_Atomic uint64_t visible;   /* of them, as latency does */
	_Atomic uint64_t request[];
};

/* Makes the file, or its size, if need be. */
struct stamps *stamps_map(const char *path, unsigned ports);

struct stamps_port {
	unsigned ifindex;
	unsigned mtu; /* as it is now */
};

/*
 * The kernel's own clock, for n ports over which a storm goes from now on. A filter (eBPF) on a socket of RTNLGRP_LINK
 * is run by the kernel while it hands a message to its listeners; this one notes the time and lets no message through.
 * So the moment is known to a fraction of a microsecond, and who looks at it is neither woken nor sent a copy: it does
 * not take the processor from what is measured. The filter counts the messages of a port; nobody but linkstorm may
 * change its links. Lives until the process ends. Needs CAP_BPF or CAP_SYS_ADMIN.
 */
_Atomic uint64_t *stamps_of_kernel(const struct stamps_port *ports, unsigned n);

#endif
