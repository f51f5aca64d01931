/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The latency of any program that writes the rows, from outside: when does a subscriber of Redis' keyspace
 * notifications see a change of a port's MTU? By two clocks, both CLOCK_MONOTONIC: since linkstorm requested the
 * change, and since the kernel reported it (stamps.h).
 *
 * A change is seen when the recv() with the notification of the port's row returns. If several changes of the port are
 * under way, the notification does not say which one it is for: then the row is read, and the change that it shows, and
 * all before it, count as seen when the answer comes. From then on that port's row is always read, since a notification
 * may be for a change that was counted already. At moderate rates no row is read, so that the probe costs Redis little.
 *
 * Says "ready", and prints one line of JSON on SIGTERM. --values: a file with a value for every change, in the order in
 * which they were seen.
 */
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/hist.h"
#include "base/util.h"
#include "common.h"
#include "stamps.h"

#define MTU_UNKNOWN 0U
#define VALUES_BUFFER (1U << 20) /* of 65,536 changes: hardly anything is written before the end */

struct port {
	unsigned mtu; /* of the oldest change that was not seen yet, or of the next one */
	bool read;    /* its row is always read */
	bool wanted;  /* its row is to be read now */
};

/* In --values, as outside.py reads it. */
struct value {
	uint64_t message_nsec, took_nsec; /* when the kernel reported, and how long after that it was seen */
};

struct probe {
	int events, rows; /* connections to Redis */
	unsigned long database;
	unsigned n_ports;
	struct port port[STAMPS_PORTS_MAX];
	unsigned wanted[STAMPS_PORTS_MAX], n_wanted;
	struct stamps *shared;
	_Atomic uint64_t *kernel;
	struct hist from_request, from_message, to_message;
	FILE *values;              /* NULL: not wanted */
	uint64_t reads, last_nsec; /* last: when a change was seen */
	char prefix[64];           /* of a port's channel */
	char line[256];            /* of Redis' answers, the part that has arrived */
	size_t len;
};

/* --- what was seen --- */

/* 0: the kernel has not reported it. */
static uint64_t told(const struct probe *p, unsigned port, unsigned mtu)
{
	return atomic_load(&p->kernel[stamps_at(port, mtu)]);
}

static void keep_value(struct probe *p, uint64_t message, uint64_t now)
{
	const struct value value = {.message_nsec = message, .took_nsec = now - message};

	if (p->values && fwrite(&value, sizeof(value), 1, p->values) != 1)
		err(1, "values");
}

static void seen(struct probe *p, unsigned number, uint64_t now)
{
	struct port *port = &p->port[number];
	size_t at = stamps_at(number, port->mtu);
	uint64_t request = atomic_exchange(&p->shared->request[at], 0), message = atomic_exchange(&p->kernel[at], 0);

	hist_add(&p->from_request, now - request);
	hist_add(&p->from_message, now - message);
	hist_add(&p->to_message, message - request);
	keep_value(p, message, now);
	port->mtu = stamps_next_mtu(port->mtu);
	p->last_nsec = now;
	atomic_fetch_add(&p->shared->visible, 1);
}

/* The row shows this MTU. */
static void seen_up_to(struct probe *p, unsigned number, unsigned mtu, uint64_t now)
{
	bool last = mtu < STAMPS_MTU_FIRST || mtu > STAMPS_MTU_LAST || !told(p, number, mtu);

	while (!last) {
		last = p->port[number].mtu == mtu;
		seen(p, number, now);
	}
}

static void on_notification(struct probe *p, const char *name, uint64_t now)
{
	struct port *port;
	unsigned number;

	if (!port_number(name, &number) || number >= p->n_ports)
		return;
	port = &p->port[number];
	if (!told(p, number, port->mtu) || told(p, number, port->mtu) > now)
		return;
	port->read = port->read || told(p, number, stamps_next_mtu(port->mtu));
	if (!port->read) {
		seen(p, number, now);
	} else if (!port->wanted) {
		port->wanted = true;
		p->wanted[p->n_wanted++] = number;
	}
}

/* --- the notifications --- */

/* Only a notification's line with the channel matters; the line with the pattern ends in an asterisk. */
static void take_byte(struct probe *p, char byte, uint64_t now)
{
	if (byte != '\n') {
		if (p->len < sizeof(p->line) - 1 && byte != '\r')
			p->line[p->len++] = byte;
		return;
	}
	p->line[p->len] = '\0';
	if (strncmp(p->line, p->prefix, strlen(p->prefix)) == 0)
		on_notification(p, p->line + strlen(p->prefix), now);
	p->len = 0;
}

/* --- the rows --- */

static void ask_rows(const struct probe *p)
{
	static char commands[STAMPS_PORTS_MAX * 64];
	size_t len = 0;

	for (unsigned i = 0; i < p->n_wanted; i++)
		len += (size_t)snprintf(commands + len, sizeof(commands) - len, "HGET PORT_TABLE|Ethernet%u mtu\r\n",
					4 * p->wanted[i]);
	if (write_all(p->rows, commands, len) < 0)
		errx(1, "Redis takes no command");
}

/* An answer is a line with the length and a line with the text, or the line "$-1". */
static unsigned read_mtu(FILE *rows)
{
	char line[64];

	if (!fgets(line, sizeof(line), rows) || line[0] != '$')
		errx(1, "Redis does not answer");
	if (line[1] == '-')
		return MTU_UNKNOWN;
	if (!fgets(line, sizeof(line), rows))
		errx(1, "Redis does not answer");
	return (unsigned)strtoul(line, NULL, 10);
}

static void read_rows(struct probe *p, FILE *rows)
{
	static unsigned mtu[STAMPS_PORTS_MAX];
	uint64_t now;

	if (!p->n_wanted)
		return;
	ask_rows(p);
	for (unsigned i = 0; i < p->n_wanted; i++)
		mtu[i] = read_mtu(rows);
	now = now_nsec();
	for (unsigned i = 0; i < p->n_wanted; i++) {
		seen_up_to(p, p->wanted[i], mtu[i], now);
		p->port[p->wanted[i]].wanted = false;
	}
	p->reads += p->n_wanted;
	p->n_wanted = 0;
}

/* --- */

static void follow(struct probe *p, FILE *rows)
{
	static char bytes[65536];

	while (!atomic_load(&stopping)) {
		ssize_t n = recv(p->events, bytes, sizeof(bytes), 0);
		uint64_t now = now_nsec();

		if (n < 0 && errno != EINTR && errno != EAGAIN)
			err(1, "recv");
		if (n == 0)
			errx(1, "Redis has gone");
		for (ssize_t i = 0; i < n; i++)
			take_byte(p, bytes[i], now);
		read_rows(p, rows);
	}
}

static void command(int fd, const char *text, char expected)
{
	char answer[128];

	if (write_all(fd, text, strlen(text)) < 0)
		errx(1, "Redis takes no command");
	if (recv(fd, answer, sizeof(answer), 0) <= 0 || answer[0] != expected)
		errx(1, "%s is refused", text);
}

static FILE *open_redis(struct probe *p, const char *path)
{
	char text[128];
	FILE *rows;

	p->events = connect_redis(path);
	p->rows = connect_redis(path);
	rows = fdopen(p->rows, "r");
	if (!rows)
		err(1, "fdopen");
	(void)snprintf(text, sizeof(text), "SELECT %lu\r\n", p->database);
	command(p->rows, text, '+');
	(void)snprintf(p->prefix, sizeof(p->prefix), "__keyspace@%lu__:PORT_TABLE|", p->database);
	(void)snprintf(text, sizeof(text), "PSUBSCRIBE %s*\r\n", p->prefix);
	command(p->events, text, '*');
	wake_now_and_then(p->events);
	return rows;
}

static void find_ports(struct probe *p)
{
	static struct stamps_port found[STAMPS_PORTS_MAX];
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char name[IFNAMSIZ];

	for (unsigned i = 0; i < p->n_ports; i++) {
		(void)snprintf(name, sizeof(name), "Ethernet%u", 4 * i);
		found[i] = (struct stamps_port){.ifindex = if_nametoindex(name), .mtu = link_mtu(fd, name)};
		p->port[i].mtu = stamps_next_mtu(found[i].mtu);
	}
	close_fd(&fd);
	p->kernel = stamps_of_kernel(found, p->n_ports);
}

static FILE *open_values(const char *path)
{
	FILE *values = path ? fopen(path, "wb") : NULL;
	char *buffer = values ? malloc(VALUES_BUFFER) : NULL;

	if (path && (!buffer || setvbuf(values, buffer, _IOFBF, VALUES_BUFFER) != 0))
		err(1, "%s", path);
	/* Otherwise the first touch of a page would count as latency. */
	if (buffer)
		memset(buffer, 0, VALUES_BUFFER);
	return values;
}

struct options {
	const char *netns, *redis, *stamps, *values;
	unsigned long database, ports;
};

static _Noreturn void usage(void)
{
	errx(2, "usage: latency --redis SOCKET --stamps FILE [--database N] [--ports N] [--netns NAME] "
		"[--values FILE]");
}

static void read_options(struct options *opt, int argc, char *argv[])
{
	static const struct option known[] = {
		{"netns", required_argument, NULL, 'n'},
		{"redis", required_argument, NULL, 'r'},
		{"stamps", required_argument, NULL, 's'},
		{"database", required_argument, NULL, 'd'},
		{"ports", required_argument, NULL, 'p'},
		{"values", required_argument, NULL, 'v'},
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
		else if (option == 'v')
			opt->values = optarg;
		else if (option == 'd')
			opt->database = parse_number("database", optarg, 0, 1000);
		else if (option == 'p')
			opt->ports = parse_number("ports", optarg, 1, STAMPS_PORTS_MAX);
		else
			usage();
	}
	if (!opt->redis || !opt->stamps || optind != argc)
		usage();
}

static void print(const struct probe *p)
{
	(void)printf("{\"unseen\": %" PRIu64 ", \"rows_read\": %" PRIu64 ", \"cpu_seconds\": %.6f, \"last_seen\": %.6f",
		     atomic_load(&p->shared->requested) - atomic_load(&p->shared->visible), p->reads, cpu_seconds(),
		     (double)p->last_nsec / (double)NSEC_PER_SEC);
	(void)printf(", \"from_request_usec\": ");
	hist_print(&p->from_request, stdout);
	(void)printf(", \"from_message_usec\": ");
	hist_print(&p->from_message, stdout);
	(void)printf(", \"request_to_message_usec\": ");
	hist_print(&p->to_message, stdout);
	(void)puts("}");
}

int main(int argc, char *argv[])
{
	static struct probe probe;
	struct options opt = {.database = 6, .ports = 64};
	FILE *rows;

	read_options(&opt, argc, argv);
	probe.database = opt.database;
	probe.n_ports = (unsigned)opt.ports;
	rows = open_redis(&probe, opt.redis);
	probe.shared = stamps_map(opt.stamps, probe.n_ports);
	probe.values = open_values(opt.values);
	enter_netns(opt.netns);
	find_ports(&probe);
	catch_stop();
	say_ready();
	follow(&probe, rows);
	if (probe.values && fclose(probe.values) != 0)
		err(1, "%s", opt.values);
	print(&probe);
	(void)fclose(rows);
	close_fd(&probe.events);
	return 0;
}
