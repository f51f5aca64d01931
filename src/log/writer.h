/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Carries records from their callers to the target: a ring, and the thread that empties it. Without the thread the
 * caller writes its record if that takes no waiting; else it stays in the ring.
 *
 * The first line after a rest wakes the thread; after that it looks every few milliseconds, so that many lines cost one
 * wake-up.
 */
#ifndef PORTSYNCD_LOG_WRITER_H
#define PORTSYNCD_LOG_WRITER_H

#include <stdbool.h>
#include <stdint.h>

#include "log/record.h"
#include "log/target.h"

/* Changes the settings for later records, and after a second also for older ones that wait for a dead target. Reopens a
 * file in any case. */
void logwriter_set(const struct logtarget_settings *settings);
void logwriter_get(struct logtarget_settings *settings);

/* The thread has the default scheduling class for work in the background and no signals. 0 or negative errno. */
int logwriter_start(void);
/* Writes what is left, for at most a second, and ends the thread. What cannot be written is counted as dropped. */
void logwriter_stop(void);

/* Like logring_claim() and logring_give(); a lack of capacity is counted. */
struct log_record *logwriter_claim(bool audit);
void logwriter_give(struct log_record *record);
/* See log_bell(). */
int logwriter_bell(void);

/* True if fewer slots of the ring are in use. */
bool logwriter_has_capacity(unsigned slots);

struct log_stats;
/* Fills all but suppressed. */
void logwriter_stats(struct log_stats *stats);

#endif
