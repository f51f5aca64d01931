/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a listener hears is written down as a line of signs and compared as a whole:
 * states U D T S (unsynced, dumping, settling, synced), ( a dump begins, r2 a row of ifindex 2, ) commit, ! abort,
 * e2 an event of ifindex 2, x2 its deletion. ] is the commit of a dump that was interrupted.
 */
#ifndef PORTSYNCD_WATCH_FIXTURE_H
#define PORTSYNCD_WATCH_FIXTURE_H

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "fake_nlsock.h"
#include "kernel/watch.h"
#include "log/limit.h"
#include "log/log.h"
#include "patience.h"
#include "test.h"

struct fixture {
	sd_event *event;
	struct watch *watch;
	struct watch_options opt;
	char heard[4096];
	size_t heard_len;
	char act_on;                     /* when this sign is heard ... */
	void (*act)(struct fixture *fx); /* ... this is done, once */
	unsigned synced;                 /* times */
	int commit_error;                /* what a commit answers */
	FILE *log;
	int old_stderr;
};

/* ---- listener ---- */

void hear(struct fixture *fx, const char *sign, int ifindex);
void on_event(const struct link_msg *msg, uint64_t received_nsec, void *user);
void on_begin(void *user);
void on_row(const struct link_msg *msg, void *user);
int on_commit(bool complete, void *user);
void on_abort(void *user);
void on_state(enum watch_state state, void *user);

static const struct watch_ops ops = {
	.event = on_event,
	.dump_begin = on_begin,
	.dump_row = on_row,
	.dump_commit = on_commit,
	.dump_abort = on_abort,
	.state_changed = on_state,
};

/* ---- messages ---- */

struct bytes {
	_Alignas(struct nlmsghdr) unsigned char data[1024];
	size_t len;
};

struct nlmsghdr *put(struct bytes *b, uint16_t type, uint16_t flags, uint32_t seq, size_t payload);
struct nlmsghdr *put_link(struct bytes *b, uint16_t type, int ifindex);
struct nlmsghdr *put_error(struct bytes *b, uint16_t type, int error);
void link_event(int ifindex);
void dump_row(unsigned n, int ifindex);
void dump_done(unsigned n);
void good_dump(unsigned n);
void bad_row_interrupted(void);

/* ---- running ---- */

bool is_synced(const struct fixture *fx);
bool is_dumping(const struct fixture *fx);
bool is_settling(const struct fixture *fx);
bool all_events_read(const struct fixture *fx);

/* A turn of the loop, as the daemon makes it. */
int turn(struct fixture *fx, uint64_t usec);
void run_until(struct fixture *fx, bool (*condition)(const struct fixture *fx));

/* Everything that can happen without waiting. */
void run_dry(struct fixture *fx);
void start(struct fixture *fx);
void start_synced(struct fixture *fx);
size_t logged(struct fixture *fx, const char *text);

/* ---- fixture ---- */

int watch_setup(void **state);
int watch_teardown(void **state);

static inline int setup(void **state)
{
	return watch_setup(state);
}

static inline int teardown(void **state)
{
	return watch_teardown(state);
}

#endif
