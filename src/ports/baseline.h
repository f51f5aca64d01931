/* SPDX-License-Identifier: Apache-2.0 */
/* What an earlier process counted of ports that this one has not met as configured ports yet, by name. */
#ifndef PORTSYNCD_PORTS_BASELINE_H
#define PORTSYNCD_PORTS_BASELINE_H

#include <net/if.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"

struct past_port {
	char name[IFNAMSIZ];
	uint64_t flaps;
	uint64_t changed_msec; /* since the epoch, when the last change came; 0: none came */
	struct hash_node node; /* private */
};

struct past {
	struct hash by_name;
	struct past_port *ports;
	size_t n, room;
};

/* Room for so many; all 0 is an empty one without room. 0 or -ENOMEM. */
int past_init(struct past *p, size_t room);
void past_done(struct past *p);

/* What there is no room for, or a name that is too long, is left out. A name comes once. */
void past_add(struct past *p, const char *name, uint64_t flaps, uint64_t changed_msec);
/* NULL: nothing is known of it, or it was dropped. */
const struct past_port *past_find(const struct past *p, const char *name);
void past_drop(struct past *p, const char *name);
/* All that were not dropped: start with NULL, ends with NULL. */
const struct past_port *past_next(const struct past *p, const struct past_port *port);

#endif
