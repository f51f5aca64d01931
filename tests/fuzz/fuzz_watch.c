/* SPDX-License-Identifier: Apache-2.0 */
/* Covers: src/kernel/watch.c src/kernel/linkmsg.c */
/*
 * The input is a list of steps for the fake sockets: a byte for the kind of step, a byte n, and for a datagram n * 8
 * bytes. The listener checks that dumps begin and end in pairs, and that no rows come outside of them.
 */
#include <errno.h>
#include <string.h>

#include "../unit/fake_nlsock.h"
#include "base/util.h"
#include "kernel/watch.h"
#include "log/log.h"

#define TURNS 64
#define DUMPS 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct listener {
	bool dumping;
	enum watch_state state;
};

static void check(bool good)
{
	if (!good)
		__builtin_trap();
}

static void on_event(const struct link_msg *msg, uint64_t received_nsec, void *user)
{
	(void)received_nsec;
	(void)user;
	check(msg->ifindex > 0);
}

static void on_begin(void *user)
{
	struct listener *l = user;

	check(!l->dumping && l->state == WATCH_DUMPING);
	l->dumping = true;
}

static void on_row(const struct link_msg *msg, void *user)
{
	const struct listener *l = user;

	check(l->dumping && msg->ifindex > 0);
}

static void on_end(void *user)
{
	struct listener *l = user;

	check(l->dumping);
	l->dumping = false;
}

static int on_commit(bool complete, void *user)
{
	(void)complete;
	on_end(user);
	return 0;
}

static void on_state(enum watch_state state, void *user)
{
	struct listener *l = user;

	check(state != l->state && (state != WATCH_SYNCED || l->state == WATCH_SETTLING));
	l->state = state;
}

static const struct watch_ops ops = {
	.event = on_event,
	.dump_begin = on_begin,
	.dump_row = on_row,
	.dump_commit = on_commit,
	.dump_abort = on_end,
	.state_changed = on_state,
};

static size_t script_step(const uint8_t *step, size_t size)
{
	static const enum nlsock_outcome outcomes[] = {NLSOCK_OVERRUN, NLSOCK_TRUNCATED, NLSOCK_ERROR};
	size_t len = MIN((size_t)step[1] * 8, size - 2);
	unsigned dump = (step[0] >> 3) % DUMPS;

	switch (step[0] & 7) {
	case 0:
	case 1:
		fake_event_data(step + 2, len);
		return 2 + len;
	case 2:
		fake_event_outcome(outcomes[step[1] % ARRAY_SIZE(outcomes)], -EIO);
		return 2;
	case 3:
		fake_event_spoofed();
		return 2;
	case 4:
		fake_dump_outcome(dump, outcomes[step[1] % ARRAY_SIZE(outcomes)], -EIO);
		return 2;
	default:
		fake_dump_data(dump, step + 2, len);
		return 2 + len;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct watch_options opt = {.settle_usec = 1, .dump_timeout_usec = 1, .retry_bound = 3};
	struct listener listener = {0};
	struct watch *w = NULL;
	static sd_event *event; /* kept: a new epoll for every input would take most of the time */

	log_set_level(LOG_EMERG);
	fake_reset();
	check(event || sd_event_new(&event) >= 0);
	check(watch_new(&w, event, &opt, &ops, &listener) == 0);
	while (size > 2) {
		size_t taken = script_step(data, size);

		data += taken;
		size -= taken;
	}
	for (unsigned i = 0; i < TURNS && sd_event_run(event, 0) > 0; i++)
		;
	watch_free(w);
	check(fake.open_sockets == 0);
	fake_reset();
	return 0;
}
