/* SPDX-License-Identifier: Apache-2.0 */
/* One daemon at a time on the same databases and links. */
#ifndef PORTSYNCD_DAEMON_SINGLE_H
#define PORTSYNCD_DAEMON_SINGLE_H

#include "daemon/private.h"

/*
 * Before anything is touched: -EADDRINUSE, with a log line, when another daemon runs on the same STATE_DB in this
 * network namespace, else 0. single_claim_known() does the same once the databases are known, if they were not at
 * first. single_serve() answers those who ask which process this is, as long as d->event runs: a full queue of them
 * would let another daemon start. 0 or negative errno.
 */
int single_claim(struct daemon *d);
int single_claim_known(struct daemon *d);
int single_serve(struct daemon *d);

#endif
