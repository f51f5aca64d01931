/* SPDX-License-Identifier: Apache-2.0 */
/* What the bench reads from the kernel's message of a port; shares no code with the daemon. */
#ifndef PORTSYNCD_BENCH_PORTMSG_H
#define PORTSYNCD_BENCH_PORTMSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PORTMSG_DATAGRAM (32U * 1024)

struct portmsg {
	const char *name; /* points into the message */
	uint32_t mtu;
};

/* Whether the datagram is an RTM_NEWLINK of a port. */
bool portmsg_parse(const void *datagram, size_t len, struct portmsg *port);

#endif
