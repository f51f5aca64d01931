/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshot_fixture.h"

void fixture_fill(struct snapshot *out, struct health_report *health, void *user)
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

void *fixture_run(void *user)
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

void fixture_start(struct fixture_loop *loop)
{
	loop->end_fd = eventfd(0, EFD_CLOEXEC);
	assert_true(loop->end_fd >= 0);
	assert_int_equal(pthread_create(&loop->thread, NULL, fixture_run, loop), 0);
}

void fixture_stop(struct fixture_loop *loop)
{
	(void)eventfd_write(loop->end_fd, 1);
	(void)pthread_join(loop->thread, NULL);
	(void)close(loop->end_fd);
}

struct fixture_loop *snapshot_fixture_new(void)
{
	struct fixture_loop *loop = calloc(1, sizeof(*loop));

	assert_non_null(loop);
	assert_int_equal(exchange_new(&loop->exchange), 0);
	return loop;
}

void snapshot_fixture_free(struct fixture_loop *loop)
{
	exchange_free(loop->exchange);
	free(loop);
}

void fixture_ports(struct fixture_loop *loop, size_t n)
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
