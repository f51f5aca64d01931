/* SPDX-License-Identifier: Apache-2.0 */
/* What the programs of the bench share. A fault ends the program with a message. */
#ifndef PORTSYNCD_BENCH_COMMON_H
#define PORTSYNCD_BENCH_COMMON_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/hist.h"

#define PORTS_MAX 32768

/* User and system time of this process. */
double cpu_seconds(void);

/* A decimal number from min to max, or the end of the program. */
unsigned long parse_number(const char *option, const char *text, unsigned long min, unsigned long max);

/* Moves this thread, and those that it starts, to /run/netns/<name>; NULL: it stays. */
void enter_netns(const char *name);

/* A socket that follows RTNLGRP_LINK, with a large receive buffer. */
int open_links(void);
/* How many messages the kernel could not put into the socket's buffer: an exact count, unlike that of ENOBUFS. */
uint64_t socket_drops(int fd);

/* A connection to the Unix socket. */
int connect_redis(const char *path);

/* Lets a wait for this socket end now and then, to notice a signal that came just before the wait began. */
void wake_now_and_then(int fd);

/* The number n of a port's name, Ethernet<4 * n>; false: no such name, or not below PORTS_MAX. */
bool port_number(const char *name, unsigned *number);

/* A link's MTU in the kernel; fd: any socket of the namespace. */
unsigned link_mtu(int fd, const char *name);

/* Becomes true on SIGTERM or SIGINT, which interrupt a wait. */
extern atomic_bool stopping;
void catch_stop(void);
/* Instead of that: the first call blocks both signals, the second one waits for either. */
void hold_stop(void);
void await_stop(void);

/* {"n": how many, "p50": ..., "p95": ..., "p99": ..., "p999": ..., "max": ...} in microseconds. */
void hist_print(const struct hist *h, FILE *out);

/* The line that bench/run waits for. */
void say_ready(void);

#endif
