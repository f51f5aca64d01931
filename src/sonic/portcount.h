/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PORT_TABLE:PortConfigDone count against the rows that are really there. orchagent refuses a warm start when they
 * differ (S8, S9). Written straight into the applied table, as db_migrator does: the consumer reads it there
 * at its start, and must not be told of a second PortConfigDone while it runs. Where there is no count none is
 * invented: that is how an emptied APPL_DB is known.
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
/* The count shall be rows: reads it, and mends it where it differs. Does nothing if that was tried for these rows. */
void portcount_want(struct portcount *p, size_t rows);
/* True when what was wanted is done, or was refused: portcount_retry() makes the next portcount_want() try again. */
bool portcount_settled(const struct portcount *p);
/* The same, and nothing was refused. */
bool portcount_done(const struct portcount *p);
void portcount_retry(struct portcount *p);

#endif
