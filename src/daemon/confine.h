/* SPDX-License-Identifier: Apache-2.0 */
/* What the sandbox leaves to this daemon. */
#ifndef PORTSYNCD_DAEMON_CONFINE_H
#define PORTSYNCD_DAEMON_CONFINE_H

#include "daemon/private.h"
#include "host/sandbox.h"

/*
 * The sandbox, or the warning that it is off. In this order: seal before a secret is read, check once we are in the
 * network namespace, enter once the privileged sockets are open and before there is a second thread, lock once all is
 * built. 0, or negative errno, all but -ENOMEM after daemon_fail().
 */
int confine_seal(struct daemon *d);
int confine_check(struct daemon *d);
int confine_enter(struct daemon *d);
int confine_lock(struct daemon *d);
void confine_free(struct daemon *d);

/* Which parts of it hold; none while it is off. */
struct sandbox_parts confine_parts(const struct daemon *d);

/* Whether the sandbox lets log lines go where this configuration sends them; else only a restart helps. */
bool confine_allows_log(const struct daemon *d, const struct config *config);

#endif
