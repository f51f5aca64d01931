/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log lines and audit records of port changes. Their rate is limited for each port, so that one that flaps does not
 * hide another; lines of deletions are limited by their kind. Once the limit allows it, a line has the state of the
 * port at that time, and a record the number of those that were suppressed.
 */
#ifndef PORTSYNCD_PORTLOG_H
#define PORTSYNCD_PORTLOG_H

#include <stdbool.h>
#include <stdint.h>

#include "ports/links.h"

/*
 * A write that is about to be sent, of the row as it will be, or as it was before a deletion; event numbers the writes.
 * changed: also if it changed back. A row that is only repeated has a line, as with upstream, but no record.
 */
void portlog_oper(struct port *port, const struct row *row, uint64_t event, bool changed);
void portlog_settings(struct port *port, const struct row *row, uint64_t event);
void portlog_deleted(struct port *port, const struct row *row, uint64_t event);

/*
 * Reports what was suppressed; end: also in windows that still last. What exceeds the log's capacity is left to the
 * next call, or at the end reported as a sum.
 */
void portlog_report_suppressed(struct links *links, bool end);
/* When to call it next, CLOCK_MONOTONIC us; 0: nothing was suppressed. */
uint64_t portlog_due(void);

#endif
