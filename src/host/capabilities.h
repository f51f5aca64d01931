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
 * Gives up all but CAP_NET_ADMIN (that too, if we have it not): permitted, effective, inheritable, ambient, and the
 * bounding set. The latter needs CAP_SETPCAP; without it *bounded is false, which does no harm where no_new_privs is
 * set, as an inheritable CAP_NET_ADMIN does none, which stays where a supervisor's filter refuses capset(2), as
 * deploy/systemd does. What is in force then is read back. 0 or a negative errno.
 */
int capabilities_give_up(bool *bounded);

#endif
