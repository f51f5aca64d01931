/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PORT_TABLE:PortConfigDone count against the rows that are really there. orchagent refuses a warm start when they
 * differ (S8, S9). The count is written straight into the applied table, as db_migrator does: orchagent reads it there
 * when it starts, and must not get a second PortConfigDone while it runs. A missing count is not added: its absence is
 * how an emptied APPL_DB is recognised.
 */
#ifndef PORTSYNCD_PORTCOUNT_H
#define PORTSYNCD_PORTCOUNT_H

#include <stdbool.h>
#include <stddef.h>

#include "redis/conn.h"

struct portcount;

/* NULL without memory. */
struct portcount *portcount_new(struct conn *appl, const char *separator);
void portcount_free(struct portcount *p);
/* Makes the count equal to rows: reads it, and corrects it if it differs. Does nothing if that was tried for this
 * number. */
void portcount_want(struct portcount *p, size_t rows);
/* The last portcount_want() is done or refused; after portcount_retry() the next one tries again. */
bool portcount_settled(const struct portcount *p);
/* It is done, and was not refused. */
bool portcount_done(const struct portcount *p);
void portcount_retry(struct portcount *p);

#endif
