/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How another thread gets the daemon's figures without the event loop ever waiting. The other thread offers its own
 * memory and rings; the loop fills that memory in a turn of its own and rings back. The loop alone touches its state,
 * takes no lock and allocates nothing.
 */
#ifndef PORTSYNCD_METRICS_EXCHANGE_H
#define PORTSYNCD_METRICS_EXCHANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "metrics/health.h"
#include "metrics/snapshot.h"

struct exchange;

/* 0 or negative errno. */
int exchange_new(struct exchange **ret);
/* Call it after both sides have ended. NULL is fine. */
void exchange_free(struct exchange *x);

/* --- the loop's side --- */

/* The descriptor is readable when the other side asks for figures: then call exchange_serve(). */
int exchange_fd(const struct exchange *x);
/* Fills *health and *out, up to capacity of its ports; leaves the members ports and capacity as they are. */
typedef void (*exchange_fill_fn)(struct snapshot *out, struct health_report *health, void *user);
void exchange_serve(struct exchange *x, exchange_fill_fn fill, void *user);
/* The other side wants to know whether Redis has the markers now. */
bool exchange_wants_markers(const struct exchange *x);
/* The request was heard, and exchange_serve() will follow. */
void exchange_hush(struct exchange *x);
/* The loop ends: a caller that waits for an answer, or asks later, gets the last one at once. NULL is fine. */
void exchange_leave(struct exchange *x);
/* A turn begins its work at this time (CLOCK_MONOTONIC us, not 0); a turn ends. */
void exchange_turn_begins(struct exchange *x, uint64_t usec);
void exchange_turn_ends(struct exchange *x);

/* --- the other side, one thread at a time --- */

struct exchange_answer {
	/* Valid until the next call; all 0 when the loop never answered. */
	const struct snapshot *snapshot;
	const struct health_report *health; /* as the loop judges: it cannot see that it hangs */
	bool fresh;                         /* taken for this call; else the loop did not answer */
	uint64_t waited_nsec;               /* for the loop */
	/* How long the loop's present turn has lasted, or no request was answered; 0: all is well. */
	uint64_t stall_nsec;
};

/*
 * Waits for the loop at most this long, and hardly at all when the loop is known to hang. With markers the loop asks
 * Redis for them first.
 */
struct exchange_answer exchange_get(struct exchange *x, uint64_t patience_nsec, bool markers);

#endif
