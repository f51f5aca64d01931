/* SPDX-License-Identifier: Apache-2.0 */
/* How the process before this one ended. */
#ifndef PORTSYNCD_DAEMON_PREVIOUS_H
#define PORTSYNCD_DAEMON_PREVIOUS_H

#include "daemon/private.h"

/* How the process before ended, after counters_load(). */
void previous_load(struct daemon *d);

#endif
