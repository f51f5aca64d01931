/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way of a record from who says it to the target: the ring, and the thread that empties it. Before the thread is
 * started, and where it cannot be, whoever gives a record writes it if that needs no waiting; else it stays in the
 * ring.
 *
 * The thread is woken for the first line after a rest; then it looks again every few milliseconds, so that a producer
 * pays for a wake-up once, not for each line of many.
 */
#ifndef PORTSYNCD_LOG_WRITER_H
#define PORTSYNCD_LOG_WRITER_H

#include <stdbool.h>
#include <stdint.h>

#include "log/record.h"
#include "log/target.h"

/* Other settings, for the records that are given from now on; a second later also for older ones that wait for a dead
 * collector. Also opens a file again. */
void logwriter_set(const struct logtarget_settings *settings);
void logwriter_get(struct logtarget_settings *settings);

/* The thread has the default scheduling class for work in the background and no signals. 0 or negative errno. */
int logwriter_start(void);
/* Writes what is left, for at most a second, and ends the thread. What cannot be written is counted as dropped. */
void logwriter_stop(void);

/* As logring_claim() and logring_give(); a lack of room is counted. */
struct log_record *logwriter_claim(bool audit);
void logwriter_give(struct log_record *record);
/* As log_bell(). */
int logwriter_bell(void);

/* Whether fewer of the ring's slots are in use. */
bool logwriter_has_room(unsigned slots);

struct log_stats;
/* Fills all but suppressed. */
void logwriter_stats(struct log_stats *stats);

#endif
