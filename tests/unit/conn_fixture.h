/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of a connection, and of what speaks through one, have in common: the loop, the fake Redis at its other
 * end, the log, and what became of it. A test file defines struct own for what only it needs, and setup() and
 * teardown() around fixture_new() and fixture_free().
 */
#ifndef PORTSYNCD_CONN_FIXTURE_H
#define PORTSYNCD_CONN_FIXTURE_H

#include "redis/conn.h"

#include <stdlib.h>

#include "fake_redis.h"
#include "log_catcher.h"
#include "test.h"

#define PING "*1\r\n$4\r\nPING\r\n"
#define SUBSCRIBE "*2\r\n$10\r\nPSUBSCRIBE\r\n$7\r\n__key*_\r\n"
#define SUBSCRIBED "*3\r\n$10\r\npsubscribe\r\n$7\r\n__key*_\r\n:1\r\n"
#define NIL "$-1\r\n"
#define WRONGTYPE "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"
#define OOM "-OOM command not allowed when used memory > 'maxmemory'.\r\n"

struct own;

struct fixture {
	sd_event *event;
	struct fake_redis server;
	struct log_catcher log;
	struct access access;
	struct conn_options opt;
	const struct conn_ops *ops; /* ops that count calls; user is the fixture */
	struct conn *conn;
	struct own *own;
	unsigned int ready, lost, echoes;
};

void on_ready(void *user);
void on_lost(void *user);

/* The options may be changed until the connection is opened. */
struct fixture *fixture_new(const char *label, int log_level, size_t own_size);

/* Call it after conn_free(): the owners of commands in flight must outlive the connection. */
void fixture_free(struct fixture *x);

/* Both for the tests of conn.c alone: a fixture of "TEST_DB", and its end with that of its connection. */
struct fixture *conn_begin(void **state, size_t own_size);
int conn_end(void **state);

void open_conn(struct fixture *x);
void connect_now(struct fixture *x);
void reconnect(struct fixture *x);

/* Nobody listens any more. */
void stay_away(struct fixture *x);
void expect_and_answer(struct fixture *x, const char *command, const char *answer);
void on_echo(const struct resp_value *reply, void *user, void *item, uint64_t cookie);

/* Everything sent has arrived, and nobody sent anything but our PING. */
void expect_silence(struct fixture *x);

/* Fills the connection with others' commands; returns how many. */
size_t take_capacity(struct fixture *x);

/* Nothing else was sent meanwhile. */
void give_capacity(struct fixture *x, size_t n);

#endif
