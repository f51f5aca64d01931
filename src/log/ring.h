/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bounded queue of log records for any number of producers and one consumer, without locks (after D. Vyukov's bounded
 * MPMC queue, 1024cores.net). A producer never waits: when there is no room its record is lost, and it knows. A part of
 * the room is kept for audit records, so that ordinary lines are lost first.
 *
 * All memory is here, LOG_RING_SLOTS records: nothing is allocated. A page is touched when its slots are first used.
 */
#ifndef PORTSYNCD_LOG_RING_H
#define PORTSYNCD_LOG_RING_H

#include <stdatomic.h>
#include <stdbool.h>

#include "log/record.h"

#define LOG_RING_SLOTS 1024   /* a power of 2 */
#define LOG_RING_ORDINARY 768 /* of these, what ordinary lines may fill */
#define LOG_RING_PATIENT 896  /* of these, what audit records may fill that can be told in sum later */

struct log_slot {
	_Atomic uint64_t turn; /* the position at which it may be claimed; one more: at which it may be read */
	struct log_record record;
};

struct logring {
	_Alignas(64) _Atomic uint64_t head; /* the next position to claim */
	_Alignas(64) _Atomic uint64_t tail; /* the next one to read */
	struct log_slot slots[LOG_RING_SLOTS];
};

void logring_init(struct logring *ring);

/*
 * For producers. A place for one record, whose content is what an earlier one left; NULL: no room. The producer fills
 * it and gives it to the consumer at once, since those behind it wait.
 */
struct log_record *logring_claim(struct logring *ring, bool audit);
void logring_give(struct log_record *record);

/* For the consumer: the oldest record, NULL when there is none, and its end. */
struct log_record *logring_peek(struct logring *ring);
void logring_drop(struct logring *ring);

/* Where the next record comes, and up to where they were read: positions only grow. */
uint64_t logring_head(struct logring *ring);
uint64_t logring_tail(struct logring *ring);

/* How many records are in it, about. */
uint64_t logring_used(struct logring *ring);

#endif
