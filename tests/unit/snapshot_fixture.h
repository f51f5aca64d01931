/* SPDX-License-Identifier: Apache-2.0 */
/* A thread that stands in for the daemon's loop: it answers requests with the figures of the test. */
#ifndef PORTSYNCD_SNAPSHOT_FIXTURE_H
#define PORTSYNCD_SNAPSHOT_FIXTURE_H

#include "metrics/exchange.h"

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

#include <cmocka.h>

#include "base/util.h"
#include "metrics/health.h"

struct fixture_loop {
	struct exchange *exchange;
	struct snapshot figures; /* without ports; not changed during a request */
	struct snapshot_port ports[1024];
	size_t n_ports;
	unsigned fills, checks; /* the latter with markers */
	struct health health;
	struct health_limits limits;
	int end_fd;
	pthread_t thread;
};

void fixture_fill(struct snapshot *out, struct health_report *health, void *user);
void *fixture_run(void *user);
void fixture_start(struct fixture_loop *loop);
void fixture_stop(struct fixture_loop *loop);
struct fixture_loop *snapshot_fixture_new(void);
void snapshot_fixture_free(struct fixture_loop *loop);

/* n ports that are up, "Ethernet0", "Ethernet4", ... */
void fixture_ports(struct fixture_loop *loop, size_t n);

#endif
