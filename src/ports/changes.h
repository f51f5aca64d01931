/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The last changes of rows that Redis acknowledged, in a ring. The loop adds; any thread reads, without a lock. The
 * loop never waits for a reader: one that is too slow is overtaken, and learns how many changes it missed.
 */
#ifndef PORTSYNCD_CHANGES_H
#define PORTSYNCD_CHANGES_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ports/row.h"

#define CHANGES_KEPT_MAX 65536

enum change_kind { CHANGE_SET, CHANGE_DELETED, CHANGE_KINDS };

struct change {
	uint64_t number;       /* the write's: EVENT_ID of the journal. It grows, with gaps, and over restarts too */
	uint64_t at_usec;      /* when Redis acknowledged it, CLOCK_REALTIME */
	uint32_t latency_usec; /* from the kernel's message to then; 0: not timed */
	uint8_t kind, fields;  /* enum change_kind; ROW_BIT()s of what changed, also if it changed back */
	char port[IFNAMSIZ];
	struct row_packed before, after; /* as Redis held it; zero: there was none */
};

struct changes;

/* kept: how many are remembered, up to CHANGES_KEPT_MAX. NULL without memory. */
struct changes *changes_new(size_t kept);
/* Call it when no thread reads any more. NULL is fine. */
void changes_free(struct changes *c);

/* --- the loop's side --- */

/* No allocation, and no system call unless somebody listens. */
void changes_add(struct changes *c, const struct change *change);

/* --- any thread --- */

/* The position of the next change that will be added; positions count from 0 in each process. */
uint64_t changes_end(const struct changes *c);
/* The position of the oldest that is remembered, at most kept before the end. */
uint64_t changes_begin(const struct changes *c);
size_t changes_kept(const struct changes *c);

/*
 * Copies up to max changes from position *next on, oldest first, and moves *next past the last one; returns how many.
 * Adds to *lost the number of those that were overwritten before they could be read.
 */
size_t changes_read(const struct changes *c, uint64_t *next, struct change *out, size_t max, uint64_t *lost);

/* --- listeners --- */

/*
 * From then on the loop adds to this eventfd when a change comes, once until changes_heard(). -1: nobody listens. The
 * descriptor must be open until the loop has ended, or until the loop's own thread called this again.
 */
void changes_listen(struct changes *c, int eventfd);
/* Call it before each reading that the eventfd causes; if there are several readers, before they all read. */
void changes_heard(struct changes *c);

#endif
