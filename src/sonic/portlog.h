/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What log and audit trail say of port changes. Both are limited by the port, so that one that flaps does not hide what
 * another one does; lines of deletions by their kind. Once the limit allows it, the state that the port has by then is
 * told: as its line, and as a record that has the number of those that were held back.
 */
#ifndef PORTSYNCD_PORTLOG_H
#define PORTSYNCD_PORTLOG_H

#include <stdbool.h>
#include <stdint.h>

#include "ports/links.h"

/* A write that is about to be sent, of the row as it will be, or with a deletion was; event counts the writes. */
/* news: it changed, be it back. Else the row is only repeated, which upstream says as well, but is no record. */
void portlog_oper(struct port *port, const struct row *row, uint64_t event, bool news);
void portlog_settings(struct port *port, const struct row *row, uint64_t event);
void portlog_deleted(struct port *port, const struct row *row, uint64_t event);

/* Tells of what was held back; end: also of those of a window that still lasts. What the log has no room for now is
 * told by the next call, at the end in a sum. */
void portlog_report_suppressed(struct links *links, bool end);
/* When it is to be called next, CLOCK_MONOTONIC us; 0: nothing is held back. */
uint64_t portlog_due(void);

#endif
