/* SPDX-License-Identifier: Apache-2.0 */
/* What an earlier process counted of ports that this one has not met as configured ports yet, by name. */
#ifndef PORTSYNCD_PORTS_BASELINE_H
#define PORTSYNCD_PORTS_BASELINE_H

#include <net/if.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"

struct baseline_port {
	char name[IFNAMSIZ];
	uint64_t flaps;
	uint64_t changed_msec; /* since the epoch, when the last change came; 0: none did */
	struct hash_node node; /* private */
};

struct baseline {
	struct hash by_name;
	struct baseline_port *ports;
	size_t n, capacity;
};

/* Takes memory for so many ports; a zeroed baseline is empty and holds none. 0 or -ENOMEM. */
int baseline_init(struct baseline *p, size_t capacity);
void baseline_done(struct baseline *p);

/* Leaves out what exceeds the capacity, and a name that is too long. A name comes once. */
void baseline_add(struct baseline *p, const char *name, uint64_t flaps, uint64_t changed_msec);
/* NULL when it is not known, or was dropped. */
const struct baseline_port *baseline_find(const struct baseline *p, const char *name);
void baseline_drop(struct baseline *p, const char *name);
/* All that were not dropped: start with NULL, ends with NULL. */
const struct baseline_port *baseline_next(const struct baseline *p, const struct baseline_port *port);

#endif
