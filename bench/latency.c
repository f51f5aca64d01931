/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Latency from outside, of whoever writes the rows: when did a subscriber of Redis' keyspace notifications hear that
 * the row of a changed port was written? By two clocks, both CLOCK_MONOTONIC: since the change was requested (linkstorm
 * stamps the port in shared memory just before its sendmsg) and since the kernel told of it (kstamps.h). The end is one
 * and the same: when the recv() that brought the notification returned. When a port changed several times before a
 * write of its row, the oldest change counts and the others do not: a storm should go over so many ports that this is
 * seldom. Says "ready", and one line of JSON on SIGTERM.
 */
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/hist.h"
#include "base/util.h"
#include "common.h"
#include "kstamps.h"

struct probe {
	int redis;
	_Atomic uint64_t *requests; /* by port number */
	_Atomic uint64_t *messages; /* by interface index */
	unsigned ifindex[PORTS_MAX];
	struct hist from_request, from_message, to_message;
	char prefix[64]; /* of a port's channel */
	char line[256];  /* of Redis' answers, as far as it has come */
	size_t len;
};

static void find_ports(struct probe *p)
{
	struct if_nameindex *all = if_nameindex();
	unsigned number;

	if (!all)
		err(1, "if_nameindex");
	for (const struct if_nameindex *one = all; one->if_index; one++)
		if (port_number(one->if_name, &number) && one->if_index < KSTAMPS_MAX)
			p->ifindex[number] = one->if_index;
	if_freenameindex(all);
}

/* A write that no change asked for is not counted. */
static void on_write(struct probe *p, const char *name, uint64_t now)
{
	uint64_t request, message;
	unsigned number;

	if (!port_number(name, &number))
		return;
	request = atomic_exchange(&p->requests[number], 0);
	message = atomic_exchange(&p->messages[p->ifindex[number]], 0);
	if (request)
		hist_add(&p->from_request, now - request);
	if (message)
		hist_add(&p->from_message, now - message);
	if (request && message > request)
		hist_add(&p->to_message, message - request);
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
	if (strncmp(p->line, p->prefix, strlen(p->prefix)) == 0)
		on_write(p, p->line + strlen(p->prefix), now);
	p->len = 0;
}

static void follow(struct probe *p)
{
	static char bytes[65536];

	while (!atomic_load(&stopping)) {
		ssize_t n = recv(p->redis, bytes, sizeof(bytes), 0);
		uint64_t now = now_nsec();

		if (n < 0 && errno != EINTR && errno != EAGAIN)
			err(1, "recv");
		if (n == 0)
			errx(1, "Redis has gone");
		for (ssize_t i = 0; i < n; i++)
			take_byte(p, bytes[i], now);
	}
}

static void subscribe(struct probe *p, unsigned long database)
{
	char command[128], answer[128];

	(void)snprintf(p->prefix, sizeof(p->prefix), "__keyspace@%lu__:PORT_TABLE|", database);
	(void)snprintf(command, sizeof(command), "PSUBSCRIBE %s*\r\n", p->prefix);
	if (write_all(p->redis, command, strlen(command)) < 0)
		errx(1, "Redis takes no command");
	if (recv(p->redis, answer, sizeof(answer), 0) <= 0 || answer[0] != '*')
		errx(1, "PSUBSCRIBE is refused");
}

/* Changes whose row was not written since. */
static unsigned pending(const struct probe *p)
{
	unsigned found = 0;

	for (unsigned i = 0; i < PORTS_MAX; i++)
		found += atomic_load(&p->requests[i]) != 0 || atomic_load(&p->messages[p->ifindex[i]]) != 0;
	return found;
}

struct options {
	const char *netns, *redis, *stamps;
	unsigned long database;
};

static _Noreturn void usage(void)
{
	errx(2, "usage: latency --redis SOCKET --stamps FILE [--database N] [--netns NAME]");
}

static void read_options(struct options *opt, int argc, char *argv[])
{
	static const struct option known[] = {
		{"netns", required_argument, NULL, 'n'},
		{"redis", required_argument, NULL, 'r'},
		{"stamps", required_argument, NULL, 's'},
		{"database", required_argument, NULL, 'd'},
		{NULL, 0, NULL, 0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (option == 'n')
			opt->netns = optarg;
		else if (option == 'r')
			opt->redis = optarg;
		else if (option == 's')
			opt->stamps = optarg;
		else if (option == 'd')
			opt->database = parse_number("database", optarg, 0, 1000);
		else
			usage();
	}
	if (!opt->redis || !opt->stamps || optind != argc)
		usage();
}

int main(int argc, char *argv[])
{
	static struct probe probe;
	struct options opt = {.database = 6};

	read_options(&opt, argc, argv);
	probe.redis = connect_redis(opt.redis);
	wake_now_and_then(probe.redis);
	subscribe(&probe, opt.database);
	probe.requests = map_stamps(opt.stamps);
	enter_netns(opt.netns);
	find_ports(&probe);
	probe.messages = kstamps_open();
	catch_stop();
	say_ready();
	follow(&probe);
	(void)printf("{\"writes\": %" PRIu64 ", \"unwritten\": %u, \"cpu_seconds\": %.6f, \"from_request_usec\": ",
		     probe.from_message.count, pending(&probe), cpu_seconds());
	hist_print(&probe.from_request, stdout);
	(void)printf(", \"from_message_usec\": ");
	hist_print(&probe.from_message, stdout);
	(void)printf(", \"request_to_message_usec\": ");
	hist_print(&probe.to_message, stdout);
	(void)puts("}");
	close_fd(&probe.redis);
	return 0;
}
