/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads links from the kernel again while their events are followed, since the kernel does not report every change: one
 * link soon after something happened to it, or all of them.
 *
 * A reading of all is only a hint: a link that differs in it, or is missing from it, is read singly. The answer for one
 * link counts when no event about the link came between the question and a moment at which the event socket was empty:
 * the kernel answers and changes links under one lock, so whatever it reported before the answer was read by then. An
 * answer that an event overtook is void, and the question is asked again.
 *
 * The kernel is asked by a thread (kernel/asker.h), so that the loop never waits for its lock. Work is bounded: one
 * datagram a turn of the loop, when nothing else waits; REREAD_AT_ONCE questions under way and REREAD_WAITING queued;
 * more than that become one reading of all.
 */
#ifndef PORTSYNCD_REREAD_H
#define PORTSYNCD_REREAD_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "kernel/linkmsg.h"
#include "kernel/nlsock.h"

#define REREAD_AT_ONCE 16
#define REREAD_WAITING 256

struct reread_ops {
	/* A reading of all begins. */
	void (*all_begins)(void *user);
	/* A row of a reading of all: true when it is not what is known of the link. */
	bool (*differs)(const struct link_msg *row, void *user);
	/* All were read: reread_link() is called for what is known and was not named. */
	void (*all_read)(void *user);
	/* Reads the events that are there; true when all were read and none was lost. */
	bool (*catch_up)(void *user);
	/* What is true of one link now. RTM_DELLINK, without a name: no link has this ifindex. */
	void (*link)(const struct link_msg *msg, void *user);
	/* Nothing more is to be read. */
	void (*idle)(void *user);
};

struct reread_stats {
	uint64_t all, links; /* readings of all that were begun; links that were read singly */
	uint64_t void_answers, failures;
};

struct reread;

/* Opens the socket for questions. 0 or negative errno. ops and user must outlive it. */
int reread_new(struct reread **ret, sd_event *event, const struct nlsock_options *opt, const struct reread_ops *ops,
	       void *user);
/* Starts the thread that asks; until then nothing is answered. 0 or negative errno. */
int reread_serve(struct reread *r);
void reread_free(struct reread *r);

/* Events are complete from here on; until then, and after reread_stop(), nothing is read. */
void reread_start(struct reread *r);
void reread_stop(struct reread *r);
/* Reads the link soon, and once, however often this is called before. */
void reread_link(struct reread *r, int ifindex);
/* Reads all links from the loop's next quiet turn on, unless that is under way. */
void reread_all(struct reread *r);
/* An event about this link came: an answer under way is void. */
void reread_overtake(struct reread *r, int ifindex);

/* Something is being read, or is to be. */
bool reread_is_busy(const struct reread *r);
const struct reread_stats *reread_stats(const struct reread *r);

#endif
