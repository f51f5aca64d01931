/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Capabilities (capabilities(7)) of the calling thread, and of those it starts from then on, so they are given up
 * before there is another.
 */
#ifndef PORTSYNCD_CAPABILITIES_H
#define PORTSYNCD_CAPABILITIES_H

#include <stdbool.h>
#include <sys/socket.h>

/* Whether we have CAP_NET_ADMIN, or may take it. */
bool capabilities_net_admin(void);

/* Whether we are root with CAP_DAC_OVERRIDE. */
bool capabilities_override(void);

/*
 * Gives up all but CAP_NET_ADMIN, and CAP_NET_ADMIN too unless it is permitted. With keep_override CAP_DAC_OVERRIDE
 * stays permitted, if capabilities_override(), but is not in force. Reads back what is left: a negative errno if more
 * than that is permitted or effective, else 0. *whole is false when something is left in the inheritable, ambient or
 * bounding set, which does no harm under no_new_privs: changing the bounding set needs CAP_SETPCAP, and a supervisor's
 * filter may forbid any change.
 */
int capabilities_give_up(bool keep_override, bool *whole);

/*
 * connect(2). For a Unix socket the CAP_DAC_OVERRIDE that was kept is put in force, so its owner and mode do not
 * matter. 0 or a negative errno; -EINPROGRESS is not a fault.
 */
int capabilities_connect(int fd, const struct sockaddr *address, socklen_t len);

#endif
