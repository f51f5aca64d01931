/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bounded queue of log records for any number of producers and one consumer, without locks (after D. Vyukov's bounded
 * MPMC queue, 1024cores.net). A producer never waits: if the ring is full it gets no place and the record is lost. Some
 * places are reserved for audit records, so that ordinary lines are lost first.
 *
 * The queue has places; the records lie beside it, and the one that was released last is used next. So a ring that is
 * rarely full keeps few records in memory and in the processor's cache. All memory is static, and zeros are an empty
 * ring: a page is touched when its records are first used.
 */
#ifndef PORTSYNCD_LOG_RING_H
#define PORTSYNCD_LOG_RING_H

#include <stdatomic.h>
#include <stdbool.h>

#include "log/record.h"

#define LOG_RING_SLOTS 1024   /* a power of 2 */
#define LOG_RING_ORDINARY 768 /* places that ordinary lines may fill */
#define LOG_RING_PATIENT 896  /* places that audit records may fill if a later sum can replace them */

_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "64-bit atomics take no lock, on 32-bit machines too");

struct log_place {
	/* The position at which it may be claimed, less the place's number; one more: at which it may be read. */
	_Atomic uint64_t turn;
	uint32_t slot; /* whose record is there */
};

struct log_slot {
	uint32_t place;        /* while it is claimed */
	_Atomic uint32_t next; /* while it is free: the number of the next free one plus 1, or 0 */
	struct log_record record;
};

struct logring {
	_Alignas(64) _Atomic uint64_t head; /* the next position to claim */
	_Alignas(64) _Atomic uint64_t tail; /* the next one to read */
	/* The number of the slot that was released last plus 1, or 0. The upper half counts changes, so that a producer
	 * notices when others took that slot and released it again meanwhile. */
	_Alignas(64) _Atomic uint64_t free;
	_Atomic uint32_t unused; /* the first slot that never was used; from there on none was */
	struct log_place places[LOG_RING_SLOTS];
	struct log_slot slots[LOG_RING_SLOTS];
};

/*
 * For producers. Claims a place and a record, which holds remains of an earlier one; NULL if the ring is full. Fill it
 * and give it at once: later records wait for it.
 */
struct log_record *logring_claim(struct logring *ring, bool audit);
void logring_give(struct logring *ring, struct log_record *record);

/* For the consumer: the oldest record or NULL, and its release. */
struct log_record *logring_peek(struct logring *ring);
void logring_drop(struct logring *ring);

/* The position of the next record, and the one up to which records were read. Positions only grow. */
uint64_t logring_head(struct logring *ring);
uint64_t logring_tail(struct logring *ring);

/* The approximate number of records in the ring. */
uint64_t logring_used(struct logring *ring);

#endif
