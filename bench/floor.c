/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The physical floor: the smallest program that could do the daemon's job. Receives one link message, sends one HSET of
 * the port's MTU, waits for Redis' answer; a histogram gets the time between. Says "ready", and prints one line of JSON
 * on SIGTERM.
 */
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <linux/netlink.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/hist.h"
#include "base/util.h"
#include "common.h"
#include "portmsg.h"

/* One command, one answer. */
static void ask(int fd, const char *command, size_t len)
{
	char answer[64];
	size_t have = 0;

	if (write_all(fd, command, len) < 0)
		errx(1, "Redis takes no command");
	do {
		ssize_t n = recv(fd, answer + have, sizeof(answer) - have, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			errx(1, "Redis does not answer");
		have += (size_t)n;
	} while (have < sizeof(answer) && (!have || answer[have - 1] != '\n'));
	if (answer[0] == '-')
		errx(1, "Redis: %.*s", (int)have, answer);
}

static void select_database(int fd, unsigned long number)
{
	char command[64];
	int len = snprintf(command, sizeof(command), "SELECT %lu\r\n", number);

	ask(fd, command, (size_t)len);
}

/* The answer to this command is left for the next one: one wake-up less. */
static void tell(int fd, const char *command, size_t len)
{
	char answers[4096];
	ssize_t n = recv(fd, answers, sizeof(answers), MSG_DONTWAIT);

	if (n == 0 || (n > 0 && memchr(answers, '-', (size_t)n)))
		errx(1, "Redis refuses, or has gone");
	if (write_all(fd, command, len) < 0)
		errx(1, "Redis takes no command");
}

static void write_port(int fd, const struct portmsg *port, void (*say)(int fd, const char *command, size_t len))
{
	char command[256], mtu[16];
	int mtu_len = snprintf(mtu, sizeof(mtu), "%" PRIu32, port->mtu);
	int len = snprintf(command, sizeof(command),
			   "*4\r\n$4\r\nHSET\r\n$%zu\r\nPORT_TABLE|%s\r\n$3\r\nmtu\r\n$%d\r\n%s\r\n",
			   strlen("PORT_TABLE|") + strlen(port->name), port->name, mtu_len, mtu);

	say(fd, command, (size_t)len);
}

static void follow(int links, int redis, bool frugal, struct hist *latency)
{
	static _Alignas(struct nlmsghdr) unsigned char datagram[PORTMSG_DATAGRAM];

	while (!atomic_load(&stopping)) {
		ssize_t n = recv(links, datagram, sizeof(datagram), 0);
		uint64_t received = now_nsec();
		struct portmsg port;

		if (n < 0 && errno != EINTR && errno != EAGAIN && errno != ENOBUFS)
			err(1, "recv");
		if (n <= 0 || !portmsg_parse(datagram, (size_t)n, &port))
			continue;
		write_port(redis, &port, frugal ? tell : ask);
		hist_add(latency, now_nsec() - received);
	}
}

struct options {
	const char *netns, *redis;
	unsigned long database;
	bool frugal; /* does not wait for answers: the least CPU time, no latency */
};

static _Noreturn void usage(void)
{
	errx(2, "usage: floor --redis SOCKET [--database N] [--netns NAME] [--frugal]");
}

static void read_options(struct options *opt, int argc, char *argv[])
{
	static const struct option known[] = {
		{"netns", required_argument, NULL, 'n'},
		{"redis", required_argument, NULL, 'r'},
		{"database", required_argument, NULL, 'd'},
		{"frugal", no_argument, NULL, 'f'},
		{NULL, 0, NULL, 0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (option == 'n')
			opt->netns = optarg;
		else if (option == 'r')
			opt->redis = optarg;
		else if (option == 'd')
			opt->database = parse_number("database", optarg, 0, 1000);
		else if (option == 'f')
			opt->frugal = true;
		else
			usage();
	}
	if (!opt->redis || optind != argc)
		usage();
}

int main(int argc, char *argv[])
{
	static struct hist latency;
	struct options opt = {.database = 6};
	int links, redis;

	read_options(&opt, argc, argv);
	redis = connect_redis(opt.redis);
	select_database(redis, opt.database);
	enter_netns(opt.netns);
	links = open_links();
	wake_now_and_then(links);
	catch_stop();
	say_ready();
	follow(links, redis, opt.frugal, &latency);
	(void)printf("{\"events\": %" PRIu64 ", \"dropped\": %" PRIu64 ", \"cpu_seconds\": %.6f, \"latency_usec\": ",
		     latency.count, socket_drops(links), cpu_seconds());
	hist_print(&latency, stdout);
	(void)puts("}");
	close_fd(&links);
	close_fd(&redis);
	return 0;
}
