/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A Redis that does what a test says: it answers the first bytes of a connection (the set-up) by itself and keeps the
 * rest for the test to look at. It lives in the same loop as the connection under test.
 */
#ifndef PORTSYNCD_FAKE_REDIS_H
#define PORTSYNCD_FAKE_REDIS_H

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/util.h"

#include "patience.h"
#include "scratch.h"

#define SETUP_0 "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*1\r\n$4\r\nPING\r\n"
#define SETUP_0_ANSWER "+OK\r\n+PONG\r\n"

struct fake_redis {
	sd_event *event;
	sd_event_source *accepting, *reading;
	int listener, client;
	char folder[SCRATCH_BYTES], path[96];
	uint16_t port;
	const char *setup, *setup_answer; /* what a new connection must say first, and what it hears then */
	const char *last_words;           /* sent to a new connection, which is then closed; NULL: none */
	unsigned int connections;
	bool set_up;
	char *in; /* what came after the set-up */
	size_t len, cap;
};

/* Runs the loop until condition holds; a test that waits longer than its patience has failed. */
#define RUN_UNTIL(loop, condition)                                                                                     \
	do {                                                                                                           \
		uint64_t deadline_ = patience_ends_usec();                                                             \
		while (!(condition)) {                                                                                 \
			assert_true(now_usec() < deadline_);                                                           \
			assert_true(sd_event_run(loop, 100 * USEC_PER_MSEC) >= 0);                                     \
		}                                                                                                      \
	} while (0)

void fake_hang_up(struct fake_redis *f);
void fake_send_bytes(struct fake_redis *f, const void *bytes, size_t len);
void fake_send(struct fake_redis *f, const char *text);
void fake_forget(struct fake_redis *f, size_t n);
void fake_check_setup(struct fake_redis *f);
int fake_on_bytes(sd_event_source *source, int fd, uint32_t events, void *user);
int fake_on_connection(sd_event_source *source, int fd, uint32_t events, void *user);
void fake_listen_on(struct fake_redis *f, struct sockaddr *address, socklen_t len);
void fake_listen(struct fake_redis *f);
void fake_listen_tcp(struct fake_redis *f);
void fake_init(struct fake_redis *f, sd_event *event);
void fake_stop_listening(struct fake_redis *f);
void fake_done(struct fake_redis *f);
void fake_pause(struct fake_redis *f, bool pause);
bool fake_got(const struct fake_redis *f, const char *text);

/* What came must be text, byte for byte; it is then forgotten. */
void fake_expect(struct fake_redis *f, const char *text);

#endif
