/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When each change of linkstorm was requested, and when the kernel reported it: CLOCK_MONOTONIC in ns, 0 for none. A
 * port and the MTU that it sets identify a change; the same MTU comes again after STAMPS_STEPS changes.
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
/* The index of a change's stamp; mtu: the one that the change sets. */
size_t stamps_at(unsigned port, unsigned mtu);

/* In a file that linkstorm, latency and bench/run share. */
struct stamps {
	_Atomic uint64_t requested; /* changes, as linkstorm counts them */
	_Atomic uint64_t visible;   /* of them, as latency does */
	_Atomic uint64_t request[];
};

/* Creates or extends the file if needed. */
struct stamps *stamps_map(const char *path, unsigned ports);

struct stamps_port {
	unsigned ifindex;
	unsigned mtu; /* as it is now */
};

/*
 * The kernel's own clock, for the n ports of the storm to come. The kernel runs a filter (eBPF) on a socket of
 * RTNLGRP_LINK while it hands a message to its listeners; this one notes the time and lets no message pass. So the time
 * is exact to a fraction of a microsecond, and nobody is woken or sent a copy, which would disturb the measurement. The
 * filter counts the messages of each port, so only linkstorm may change the links. Lives until the process ends. Needs
 * CAP_BPF or CAP_SYS_ADMIN.
 */
_Atomic uint64_t *stamps_of_kernel(const struct stamps_port *ports, unsigned n);

#endif
