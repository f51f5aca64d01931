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

static inline void hear(struct fixture *fx, const char *sign, int ifindex)
{
	size_t room = sizeof(fx->heard) - fx->heard_len;
	int n = ifindex ? snprintf(fx->heard + fx->heard_len, room, "%s%d", sign, ifindex)
			: snprintf(fx->heard + fx->heard_len, room, "%s", sign);

	fx->heard_len = MIN(fx->heard_len + (size_t)n, sizeof(fx->heard) - 1);
	if (fx->act && fx->act_on == sign[0]) {
		void (*act)(struct fixture *) = fx->act;

		fx->act = NULL;
		act(fx);
	}
}

static inline void on_event(const struct link_msg *msg, uint64_t received_nsec, void *user)
{
	(void)received_nsec;
	hear(user, msg->type == RTM_NEWLINK ? "e" : "x", msg->ifindex);
}

static inline void on_begin(void *user)
{
	hear(user, "(", 0);
}

static inline void on_row(const struct link_msg *msg, void *user)
{
	hear(user, "r", msg->ifindex);
}

static inline int on_commit(bool complete, void *user)
{
	struct fixture *fx = user;

	hear(fx, complete ? ")" : "]", 0);
	return fx->commit_error;
}

static inline void on_abort(void *user)
{
	hear(user, "!", 0);
}

static inline void on_state(enum watch_state state, void *user)
{
	static const char *const signs[] = {"U", "D", "T", "S"};
	struct fixture *fx = user;

	fx->synced += state == WATCH_SYNCED;
	hear(fx, signs[state], 0);
}

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

static inline struct nlmsghdr *put(struct bytes *b, uint16_t type, uint16_t flags, uint32_t seq, size_t payload)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(b->data + b->len);

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = flags;
	nlh->nlmsg_seq = seq;
	if (payload)
		(void)mnl_nlmsg_put_extra_header(nlh, payload);
	b->len += nlh->nlmsg_len;
	return nlh;
}

static inline struct nlmsghdr *put_link(struct bytes *b, uint16_t type, int ifindex)
{
	struct nlmsghdr *nlh = put(b, type, 0, FAKE_SEQ, sizeof(struct ifinfomsg));

	((struct ifinfomsg *)mnl_nlmsg_get_payload(nlh))->ifi_index = ifindex;
	return nlh;
}

static inline struct nlmsghdr *put_error(struct bytes *b, uint16_t type, int error)
{
	struct nlmsghdr *nlh = put(b, type, 0, FAKE_SEQ, sizeof(struct nlmsgerr));

	((struct nlmsgerr *)mnl_nlmsg_get_payload(nlh))->error = error;
	return nlh;
}

static inline void event(int ifindex)
{
	struct bytes b = {0};

	(void)put_link(&b, RTM_NEWLINK, ifindex);
	fake_event_data(b.data, b.len);
}

static inline void dump_row(unsigned n, int ifindex)
{
	struct bytes b = {0};

	(void)put_link(&b, RTM_NEWLINK, ifindex);
	fake_dump_data(n, b.data, b.len);
}

static inline void dump_done(unsigned n)
{
	struct bytes b = {0};

	(void)put(&b, NLMSG_DONE, 0, FAKE_SEQ, sizeof(int));
	fake_dump_data(n, b.data, b.len);
}

static inline void good_dump(unsigned n)
{
	dump_row(n, 2);
	dump_row(n, 3);
	dump_done(n);
}

static inline void bad_row_interrupted(void)
{
	struct bytes b = {0};

	put_link(&b, RTM_NEWLINK, 2)->nlmsg_flags |= NLM_F_DUMP_INTR;
	(void)put_link(&b, RTM_NEWLINK, 3);
	fake_dump_data(0, b.data, b.len);
	dump_done(0);
}

/* ---- running ---- */

static inline bool is_synced(const struct fixture *fx)
{
	return watch_state(fx->watch) == WATCH_SYNCED;
}

static inline bool is_dumping(const struct fixture *fx)
{
	return watch_state(fx->watch) == WATCH_DUMPING;
}

static inline bool is_settling(const struct fixture *fx)
{
	return watch_state(fx->watch) == WATCH_SETTLING;
}

static inline bool all_events_read(const struct fixture *fx)
{
	(void)fx;
	return fake_events_left() == 0;
}

/* A turn of the loop, as the daemon makes it. */
static inline int turn(struct fixture *fx, uint64_t usec)
{
	uint64_t now = now_usec(), due = fx->watch ? watch_due(fx->watch) : UINT64_MAX, before = fx->heard_len;
	int r = sd_event_run(fx->event, due > now ? MIN(due - now, usec) : 0);

	if (fx->watch) /* a callback may have freed it */
		watch_turn(fx->watch);
	return fx->heard_len != before ? 1 : r;
}

static inline void run_until(struct fixture *fx, bool (*condition)(const struct fixture *fx))
{
	uint64_t deadline = patience_ends_usec();

	while (!condition(fx)) {
		assert_true(now_usec() < deadline);
		assert_true(turn(fx, USEC_PER_SEC / 10) >= 0);
	}
}

/* Everything that can happen without waiting. */
static inline void run_dry(struct fixture *fx)
{
	unsigned turns = 0;

	while (turn(fx, 0) > 0)
		assert_true(turns++ < 10000);
}

static inline void start(struct fixture *fx)
{
	assert_int_equal(watch_new(&fx->watch, fx->event, &fx->opt, &ops, fx), 0);
}

static inline void start_synced(struct fixture *fx)
{
	good_dump(0);
	start(fx);
	run_until(fx, is_synced);
	assert_string_equal(fx->heard, "D(r2r3)TS");
	fx->heard_len = 0;
}

static size_t logged(struct fixture *fx, const char *text)
{
	size_t n = 0;
	char line[1200];

	rewind(fx->log);
	while (fgets(line, sizeof(line), fx->log))
		n += strstr(line, text) != NULL;
	return n;
}

/* ---- fixture ---- */

static inline int set_up(void **state)
{
	struct fixture *fx = calloc(1, sizeof(*fx));

	if (!fx || sd_event_new(&fx->event) < 0)
		return -1;
	fx->opt = (struct watch_options){
		.settle_usec = 10 * USEC_PER_SEC,
		.dump_timeout_usec = 10 * USEC_PER_SEC,
		.retry_initial_ms = 1,
		.retry_max_ms = 4,
		.retry_bound = 100,
	};
	fake_reset();
	log_set_level(LOG_INFO);
	loglimit_set(0, -1);
	loglimit_set(LOG_WINDOW_SECS, -1);
	fx->log = tmpfile();
	fx->old_stderr = dup(STDERR_FILENO);
	if (!fx->log || fx->old_stderr < 0 || dup2(fileno(fx->log), STDERR_FILENO) < 0)
		return -1;
	*state = fx;
	return 0;
}

static inline int tear_down(void **state)
{
	struct fixture *fx = *state;

	watch_free(fx->watch);
	sd_event_unref(fx->event);
	(void)dup2(fx->old_stderr, STDERR_FILENO);
	(void)close(fx->old_stderr);
	(void)fclose(fx->log);
	free(fx);
	return fake.open_sockets == 0 ? 0 : -1;
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

#endif
