/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PORT_TABLE:PortConfigDone count against the rows that are really there. orchagent refuses a warm start when they
 * differ (SONIC.md S8, S9). Written straight into the applied table, as db_migrator does: the consumer reads it there
 * at its start, and must not be told of a second PortConfigDone while it runs.
 */
#ifndef PORTSYNCD_PORTCOUNT_H
#define PORTSYNCD_PORTCOUNT_H

#include <stddef.h>

#include "redis/conn.h"

struct portcount;

/* NULL without memory. */
struct portcount *portcount_new(struct conn *appl, const char *separator);
void portcount_free(struct portcount *p);
/* Reads the count; if there is one and it is not rows, it is mended. */
void portcount_repair(struct portcount *p, size_t rows);
/* The count follows the rows: writes it unless that is what was written, or found right, last. */
void portcount_follow(struct portcount *p, size_t rows);
/* Redis' content is not known any more. */
void portcount_forget(struct portcount *p);

#endif
