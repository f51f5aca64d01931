/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thread that asks the kernel for links. The kernel answers such a question under its lock of links (RTNL), inside
 * the call that asks or that reads. A driver that resets a port can hold that lock for seconds and would hold up the
 * event loop too. The thread has two sockets, one to the kernel and one to the loop, and passes datagrams on unchanged.
 */
#ifndef PORTSYNCD_ASKER_H
#define PORTSYNCD_ASKER_H

#include <stdint.h>

struct asker;

/* Takes over netlink, a blocking socket to the kernel, even on an error. 0 or negative errno. */
int asker_new(struct asker **ret, int netlink);
/* Starts the thread. Earlier questions wait for it. 0 or negative errno. */
int asker_start(struct asker *a);
/* Ends the thread; that may take as long as the kernel's lock is held. NULL is fine. */
void asker_free(struct asker *a);

/* Asks for the link, or for all (ifindex 0), without waiting. 0 or negative errno: -EAGAIN when too many questions
 * wait. */
int asker_ask(struct asker *a, int ifindex, uint32_t seq);
/* Readable when there is an answer; each is one datagram of the kernel. The asker owns it. */
int asker_fd(const struct asker *a);

#endif
