/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows of a dump that is not complete yet, and which links had an event since it began. Memory is kept from dump to
 * dump.
 */
#ifndef PORTSYNCD_STAGE_H
#define PORTSYNCD_STAGE_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/hash.h"
#include "kernel/linkmsg.h"

struct staged {
	struct hash_node node;
	struct staged *next; /* in the order they came */
	int ifindex;
	bool has_event; /* the row, if any, is void: the event is newer */
	bool has_row;
	struct link_msg row;
};

struct stage {
	struct hash by_ifindex;
	struct arena memory;
	struct staged *first, **end;
	bool incomplete; /* memory ran out: nothing may be concluded from what is missing */
};

int stage_init(struct stage *s);
void stage_done(struct stage *s);
void stage_clear(struct stage *s);
void stage_add_event(struct stage *s, int ifindex);
void stage_add_row(struct stage *s, const struct link_msg *row);
/* NULL when neither a row nor an event named the link. */
const struct staged *stage_find(const struct stage *s, int ifindex);
/* The rows that no event has overtaken, in the order they came. */
void stage_each_row(const struct stage *s, void (*fn)(const struct link_msg *row, void *user), void *user);

#endif
