/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Link messages of any number of ports, made of two that the kernel sent: a row of a dump and an event, as bench/record
 * keeps them. ifindex, name and MTU are each port's own; all other attributes, and so the size, are the kernel's.
 */
#ifndef PORTSYNCD_BENCH_REPLAYMSG_H
#define PORTSYNCD_BENCH_REPLAYMSG_H

#include <stddef.h>
#include <stdint.h>

#define REPLAYMSG_MAX 4096     /* bytes of a message */
#define REPLAYMSG_PORTS 200000 /* the longest name is Ethernet799996 */

enum replaymsg_kind { REPLAYMSG_ROW, REPLAYMSG_EVENT, REPLAYMSG_KINDS };

struct replaymsg;

/* Ends the program if the file is not a recording. */
struct replaymsg *replaymsg_load(const char *path);

/*
 * Writes the message of a port (the n-th from 0 is Ethernet<4n>) to a buffer aligned to 4 bytes. Returns its
 * length, aligned to 4 bytes; 0 if it does not fit. Costs a copy and some stores, whatever the number of ports.
 */
size_t replaymsg_put(const struct replaymsg *r, enum replaymsg_kind kind, void *to, size_t room, unsigned port,
		     uint32_t mtu);

#endif
