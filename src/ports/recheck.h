/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds what the kernel changed without a message. A link is read again soon after its master changed or was deleted
 * (deleting a bond gives its members their MTU back, and nobody is told), all of them when recheck_all() says so. What
 * differs is counted, logged and applied to the model, so that its row is written.
 */
#ifndef PORTSYNCD_RECHECK_H
#define PORTSYNCD_RECHECK_H

#include <systemd/sd-event.h>

#include "kernel/nlsock.h"
#include "kernel/watch.h"
#include "ports/links.h"

struct recheck;

/* watch and links must outlive it. 0 or negative errno. */
int recheck_new(struct recheck **ret, sd_event *event, const struct nlsock_options *opt, struct watch *watch,
		struct links *links);
/* Starts the thread that asks the kernel, with the rights that are left. Without one nothing is read again. */
void recheck_serve(struct recheck *r);
void recheck_free(struct recheck *r);

/* One message of the event socket, into the model. */
void recheck_event(struct recheck *r, const struct link_msg *msg, uint64_t received_nsec);
/* The watch's state is another one. Nothing is read again unless it is in sync. */
void recheck_state(struct recheck *r, enum watch_state state);
/* The watch's dump was taken. When it may lack rows all links are read again once in sync: what that finds is no fault.
 */
void recheck_dump(struct recheck *r, bool complete);
/* All links, a little in each quiet turn of the loop; nothing when it is under way, or when not in sync. */
void recheck_all(struct recheck *r);

struct recheck_stats {
	uint64_t silent_changes; /* links that differed without a message */
	uint64_t all, links;     /* readings of all; links that were read singly */
};
struct recheck_stats recheck_stats(const struct recheck *r);

#endif
