/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Latency from outside, of whoever writes the rows: from the kernel's message of a port to Redis' keyspace notification
 * that the port's row was written, both as this process sees them. When several messages of a port came before a write
 * of its row, the oldest counts and the others do not: a storm should go over so many ports that this is seldom. Says
 * "ready", and one line of JSON on SIGTERM.
 */
#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/netlink.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/hist.h"
#include "base/util.h"
#include "common.h"
#include "portmsg.h"

#define CHANNEL_PREFIX "__keyspace@6__:PORT_TABLE|"
#define PORTS_MAX 32768
#define WAKE_MSEC 200 /* a signal may come just before the waiting begins */

struct probe {
	int links, redis;
	uint64_t since[PORTS_MAX]; /* when the oldest message without a write came; 0: none */
	uint64_t pending;
	struct hist latency;
	char line[256]; /* of Redis' answers, as far as it has come */
	size_t len;
};

/* The place for a port's name; NULL: not one of linkstorm's. */
static uint64_t *find(struct probe *p, const char *name)
{
	const char *digits = name + strlen("Ethernet");
	unsigned long number;
	char *end;

	if (strncmp(name, "Ethernet", strlen("Ethernet")) != 0)
		return NULL;
	number = strtoul(digits, &end, 10);
	if (end == digits || *end || number / 4 >= PORTS_MAX)
		return NULL;
	return &p->since[number / 4];
}

static void on_event(struct probe *p, const char *name, uint64_t now)
{
	uint64_t *since = find(p, name);

	if (!since || *since)
		return;
	*since = now;
	p->pending++;
}

static void on_write(struct probe *p, const char *name, uint64_t now)
{
	uint64_t *since = find(p, name);

	if (!since || !*since)
		return;
	hist_add(&p->latency, now - *since);
	*since = 0;
	p->pending--;
}

static void read_links(struct probe *p)
{
	static _Alignas(struct nlmsghdr) unsigned char datagram[PORTMSG_DATAGRAM];
	struct portmsg port;
	ssize_t n;

	while ((n = recv(p->links, datagram, sizeof(datagram), MSG_DONTWAIT)) > 0)
		if (portmsg_parse(datagram, (size_t)n, &port))
			on_event(p, port.name, now_nsec());
}

/* Of a notification only the line that names the channel matters; the one of the pattern ends in an asterisk. */
static void take_byte(struct probe *p, char byte, uint64_t now)
{
	if (byte != '\n') {
		if (p->len < sizeof(p->line) - 1 && byte != '\r')
			p->line[p->len++] = byte;
		return;
	}
	p->line[p->len] = '\0';
	if (strncmp(p->line, CHANNEL_PREFIX, strlen(CHANNEL_PREFIX)) == 0)
		on_write(p, p->line + strlen(CHANNEL_PREFIX), now);
	p->len = 0;
}

static void read_redis(struct probe *p)
{
	char bytes[16384];
	ssize_t n;

	while ((n = recv(p->redis, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0) {
		uint64_t now = now_nsec();

		for (ssize_t i = 0; i < n; i++)
			take_byte(p, bytes[i], now);
	}
	if (n == 0)
		errx(1, "Redis has gone");
}

/* The kernel's messages first, always: none comes later than the write that it causes. */
static void follow(struct probe *p)
{
	struct pollfd fds[] = {{.fd = p->links, .events = POLLIN}, {.fd = p->redis, .events = POLLIN}};

	while (!atomic_load(&stopping)) {
		if (poll(fds, ARRAY_SIZE(fds), WAKE_MSEC) < 0 && errno != EINTR)
			err(1, "poll");
		read_links(p);
		read_redis(p);
	}
}

static void subscribe(int fd)
{
	static const char command[] = "PSUBSCRIBE " CHANNEL_PREFIX "*\r\n";
	char answer[128];

	if (write_all(fd, command, strlen(command)) < 0 || recv(fd, answer, sizeof(answer), 0) <= 0 || answer[0] != '*')
		errx(1, "PSUBSCRIBE is refused");
}

int main(int argc, char *argv[])
{
	static struct probe probe;

	if (argc != 5 || strcmp(argv[1], "--netns") != 0 || strcmp(argv[3], "--redis") != 0)
		errx(2, "usage: latency --netns NAME --redis SOCKET");
	probe.redis = connect_redis(argv[4]);
	subscribe(probe.redis);
	enter_netns(argv[2]);
	probe.links = open_links();
	catch_stop();
	say_ready();
	follow(&probe);
	(void)printf("{\"writes\": %" PRIu64 ", \"unwritten\": %" PRIu64 ", \"dropped\": %" PRIu64
		     ", \"latency_usec\": ",
		     probe.latency.count, probe.pending, socket_drops(probe.links));
	hist_print(&probe.latency, stdout);
	(void)puts("}");
	close_fd(&probe.links);
	close_fd(&probe.redis);
	return 0;
}
