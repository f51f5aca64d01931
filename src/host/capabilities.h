/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Capabilities (capabilities(7)) of the calling thread, and of those it makes from then on: so they are given up before
 * there is another.
 */
#ifndef PORTSYNCD_CAPABILITIES_H
#define PORTSYNCD_CAPABILITIES_H

#include <stdbool.h>

/* Whether we have CAP_NET_ADMIN, or may take it. */
bool capabilities_net_admin(void);

/* Whether CAP_IPC_LOCK, and CAP_SETGID, is in force. */
bool capabilities_ipc_lock(void);
bool capabilities_setgid(void);

/*
 * Gives up all but CAP_NET_ADMIN (that too, if we have it not). What is in force then is read back: more than that
 * permitted or effective is a negative errno, else 0. *whole is false when something is left in the inheritable,
 * ambient or bounding set, which does no harm under no_new_privs: the latter needs CAP_SETPCAP, and a supervisor's
 * filter may forbid all changes where there is nothing to lose.
 */
int capabilities_give_up(bool *whole);

#endif
