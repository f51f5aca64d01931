/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thread that asks the kernel for links. The kernel answers such a question under its lock of links (RTNL), inside
 * the call that asks or that reads: whoever holds the lock, a driver that resets a port for seconds, would hold the
 * event loop too. The thread knows two sockets, one to the kernel and one to the loop, and passes datagrams on as they
 * are.
 */
#ifndef PORTSYNCD_ASKER_H
#define PORTSYNCD_ASKER_H

#include <stdint.h>

struct asker;

/* Takes over netlink, a socket to the kernel that waits, also on an error. 0 or negative errno. */
int asker_new(struct asker **ret, int netlink);
/* Starts the thread. What is asked before waits for it. 0 or negative errno. */
int asker_start(struct asker *a);
/* Ends the thread; that may take as long as the kernel's lock is held. NULL is fine. */
void asker_free(struct asker *a);

/* Asks for the link, or for all (ifindex 0), without waiting. 0 or negative errno: -EAGAIN when too much was asked. */
int asker_ask(struct asker *a, int ifindex, uint32_t seq);
/* Readable when there is an answer: one datagram of the kernel's each, none of anybody else's. The asker's. */
int asker_fd(const struct asker *a);

#endif
