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

static inline void fixture_fill(struct snapshot *out, struct health_report *health, void *user)
{
	struct fixture_loop *loop = user;
	struct snapshot_port *ports = out->ports;
	size_t capacity = out->capacity;

	*out = loop->figures;
	out->ports = ports;
	out->capacity = capacity;
	out->n_ports = loop->n_ports;
	out->taken_nsec = now_nsec();
	memcpy(ports, loop->ports, MIN(capacity, loop->n_ports) * sizeof(*ports));
	loop->fills++;
	loop->checks += exchange_wants_markers(loop->exchange);
	health_judge(&loop->health,
		     &(struct health_input){.snapshot = out, .memory_bytes = 1 << 20, .now_nsec = now_nsec()},
		     &loop->limits);
	*health = loop->health.report;
}

static inline void *fixture_run(void *user)
{
	struct fixture_loop *loop = user;
	struct pollfd fds[] = {{.fd = loop->end_fd, .events = POLLIN},
			       {.fd = exchange_fd(loop->exchange), .events = POLLIN}};

	for (;;) {
		(void)poll(fds, ARRAY_SIZE(fds), -1);
		if (fds[0].revents)
			return NULL;
		exchange_turn_begins(loop->exchange, now_usec());
		exchange_serve(loop->exchange, fixture_fill, loop);
		exchange_turn_ends(loop->exchange);
	}
}

static inline void fixture_start(struct fixture_loop *loop)
{
	loop->end_fd = eventfd(0, EFD_CLOEXEC);
	assert_true(loop->end_fd >= 0);
	assert_int_equal(pthread_create(&loop->thread, NULL, fixture_run, loop), 0);
}

static inline void fixture_stop(struct fixture_loop *loop)
{
	(void)eventfd_write(loop->end_fd, 1);
	(void)pthread_join(loop->thread, NULL);
	(void)close(loop->end_fd);
}

static inline struct fixture_loop *fixture_new(void)
{
	struct fixture_loop *loop = calloc(1, sizeof(*loop));

	assert_non_null(loop);
	assert_int_equal(exchange_new(&loop->exchange), 0);
	return loop;
}

static inline void fixture_free(struct fixture_loop *loop)
{
	exchange_free(loop->exchange);
	free(loop);
}

/* n ports that are up, "Ethernet0", "Ethernet4", ... */
static inline void fixture_ports(struct fixture_loop *loop, size_t n)
{
	loop->n_ports = n;
	for (size_t i = 0; i < n; i++) {
		loop->ports[i] = (struct snapshot_port){
			.link = {.ifindex = (int)i + 1, .flags = IFF_UP | IFF_RUNNING, .mtu = 9100},
			.appl = {.configured = true},
			.in_sync = true};
		(void)snprintf(loop->ports[i].name, sizeof(loop->ports[i].name), "Ethernet%zu", 4 * i);
	}
}

#endif
