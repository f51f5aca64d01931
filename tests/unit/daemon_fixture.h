/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A daemon of which a test builds the parts that it looks at, with the kernel of fake_nlsock.h, and a turn of its loop.
 */
#ifndef PORTSYNCD_DAEMON_FIXTURE_H
#define PORTSYNCD_DAEMON_FIXTURE_H

#include <linux/rtnetlink.h>
#include <net/if.h>

#include "daemon/private.h"
#include "fake_databases.h"
#include "fake_nlsock.h"
#include "log_catcher.h"
#include "patience.h"
#include "test.h"

#define UP (IFF_UP | IFF_RUNNING)

struct fixture {
	struct log_catcher log, manager;
	struct config config; /* the default one, without HTTP; Redis is at redis_path */
	char redis_path[128];
	struct fake_databases redis; /* listens only where the test says so */
	struct daemon daemon;        /* with loop, links and service manager */
};

struct fixture *daemon_begin(void);
/* Takes down what was built. */
void daemon_end(struct fixture *fx);

/* The kernel's dump of this number (from 0) ends, its links being these so far. */
void kernel_dump_has(unsigned n, int ifindex, const char *name);
void kernel_dump_ends(unsigned n);
void kernel_reports(uint16_t type, int ifindex, const char *name, unsigned flags);

/* A turn of the loop, which sleeps no longer than this. */
void daemon_turn(struct fixture *fx, uint64_t usec);

/* The configuration has an HTTP server at this socket, which is returned. */
const char *daemon_serves(struct fixture *fx);
/* A client of it, which has sent its request. */
int daemon_ask(const char *at, const char *page);
/* Whether its answer is complete; out has what came so far. */
bool daemon_heard(int fd, char *out, size_t size, size_t *len);

#define TURN_UNTIL(fx, condition)                                                                                      \
	do {                                                                                                           \
		uint64_t deadline_ = patience_ends_usec();                                                             \
		while (!(condition)) {                                                                                 \
			assert_true(now_usec() < deadline_);                                                           \
			daemon_turn(fx, 10 * USEC_PER_MSEC);                                                           \
		}                                                                                                      \
	} while (0)

#endif
