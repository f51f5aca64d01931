/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bounded queue of log records for any number of producers and one consumer, without locks (after D. Vyukov's bounded
 * MPMC queue, 1024cores.net). A producer never waits: if the ring is full it gets no slot and the record is lost. Some
 * slots are reserved for audit records, so that ordinary lines are lost first.
 *
 * All memory is static: LOG_RING_SLOTS records. Zeros are an empty ring, so a page is touched when its slots are first
 * used.
 */
#ifndef PORTSYNCD_LOG_RING_H
#define PORTSYNCD_LOG_RING_H

#include <stdatomic.h>
#include <stdbool.h>

#include "log/record.h"

#define LOG_RING_SLOTS 1024   /* a power of 2 */
#define LOG_RING_ORDINARY 768 /* slots that ordinary lines may fill */
#define LOG_RING_PATIENT 896  /* slots that audit records may fill if a later sum can replace them */

_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "64-bit atomics take no lock, on 32-bit machines too");

struct log_slot {
	/* The position at which it may be claimed, less the slot's number; one more: at which it may be read. */
	_Atomic uint64_t turn;
	struct log_record record;
};

struct logring {
	_Alignas(64) _Atomic uint64_t head; /* the next position to claim */
	_Alignas(64) _Atomic uint64_t tail; /* the next one to read */
	struct log_slot slots[LOG_RING_SLOTS];
};

/*
 * For producers. Claims a slot, which holds remains of an earlier record; NULL if the ring is full. Fill it and give it
 * at once: later records wait for it.
 */
struct log_record *logring_claim(struct logring *ring, bool audit);
void logring_give(struct log_record *record);

/* For the consumer: the oldest record or NULL, and its release. */
struct log_record *logring_peek(struct logring *ring);
void logring_drop(struct logring *ring);

/* The position of the next record, and the one up to which records were read. Positions only grow. */
uint64_t logring_head(struct logring *ring);
uint64_t logring_tail(struct logring *ring);

/* The approximate number of records in the ring. */
uint64_t logring_used(struct logring *ring);

#endif
