/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses of host names, looked up by a thread of its own: /etc/hosts, or a name server that does not answer, must
 * not hold up the loop. Nothing is cached: each question is asked of the resolver. Questions and answers
 * go through a pair of sockets; the thread shares no memory with the loop.
 */
#ifndef PORTSYNCD_LOOKUP_H
#define PORTSYNCD_LOOKUP_H

#include <systemd/sd-event.h>

#include "base/list.h"
#include "redis/endpoint.h"

#define LOOKUP_HOST_BYTES 254 /* RFC 1035, 2.3.4, and a NUL */

struct lookup;

/* LATE: not answered yet; it is still asked. */
enum lookup_outcome { LOOKUP_FOUND, LOOKUP_FAILED, LOOKUP_LATE };

/* Waits for an answer. FOUND: endpoint has new addresses; else it is unchanged, and why gives the reason. */
struct lookup_waiter {
	struct list link;
	struct endpoint *endpoint; /* named */
	void (*fn)(enum lookup_outcome outcome, const char *why, void *user);
	void *user;
};

/* 0 or negative errno. */
int lookup_new(struct lookup **ret, sd_event *event);
/* Starts the thread, which has the rights of the caller. 0 or negative errno. */
int lookup_start(struct lookup *l);
/* A question that the thread is busy with is left to it, and to the end of the process. NULL is fine. */
void lookup_free(struct lookup *l);

/*
 * Asks for the addresses of the waiter's endpoint; fn is called from the loop, once FOUND or FAILED, before that at
 * most a few times LATE. 0; -ENOSPC: there are too many names; another negative errno: it could not be asked.
 */
int lookup_ask(struct lookup *l, struct lookup_waiter *waiter);
/* fn is not called any more. */
void lookup_cancel(struct lookup_waiter *waiter);

#endif
