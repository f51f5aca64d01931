/* SPDX-License-Identifier: Apache-2.0 */
#include "common.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/util.h"

#define RCVBUF (256 << 20) /* the kernel doubles it: enough for some 220,000 link messages */

atomic_bool stopping;

static double seconds_of(const struct timeval *tv)
{
	return (double)tv->tv_sec + (double)tv->tv_usec / 1e6;
}

double cpu_seconds(void)
{
	struct rusage used;

	if (getrusage(RUSAGE_SELF, &used) < 0)
		err(1, "getrusage");
	return seconds_of(&used.ru_utime) + seconds_of(&used.ru_stime);
}

unsigned long parse_number(const char *option, const char *text, unsigned long min, unsigned long max)
{
	char *end;
	unsigned long value;

	errno = 0;
	value = strtoul(text, &end, 10);
	if (errno || end == text || *end || value < min || value > max)
		errx(2, "--%s %s: allowed: %lu..%lu", option, text, min, max);
	return value;
}

void enter_netns(const char *name)
{
	char path[PATH_MAX];
	int fd;

	if (!name)
		return;
	(void)snprintf(path, sizeof(path), "/run/netns/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET) < 0)
		err(1, "%s", path);
	(void)close(fd);
}

int open_links(void)
{
	const struct sockaddr_nl any = {.nl_family = AF_NETLINK};
	const int rcvbuf = RCVBUF, group = RTNLGRP_LINK;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	if (fd < 0)
		err(1, "netlink socket");
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &rcvbuf, sizeof(rcvbuf)) < 0)
		err(1, "SO_RCVBUFFORCE");
	if (bind(fd, (const struct sockaddr *)&any, sizeof(any)) < 0)
		err(1, "bind");
	if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0)
		err(1, "RTNLGRP_LINK");
	return fd;
}

uint64_t socket_drops(int fd)
{
	uint32_t info[SK_MEMINFO_VARS] = {0};
	socklen_t len = sizeof(info);

	if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &len) < 0)
		err(1, "SO_MEMINFO");
	return info[SK_MEMINFO_DROPS];
}

int connect_redis(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(address.sun_path))
		errx(2, "%s: too long", path);
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		err(1, "%s", path);
	return fd;
}

void wake_now_and_then(int fd)
{
	const struct timeval timeout = {.tv_usec = 200000};

	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0)
		err(1, "SO_RCVTIMEO");
}

bool port_number(const char *name, unsigned *number)
{
	const char *digits = name + strlen("Ethernet");
	unsigned long lane;
	char *end;

	if (strncmp(name, "Ethernet", strlen("Ethernet")) != 0)
		return false;
	lane = strtoul(digits, &end, 10);
	if (end == digits || *end || lane % 4 || lane / 4 >= PORTS_MAX)
		return false;
	*number = (unsigned)(lane / 4);
	return true;
}

unsigned link_mtu(int fd, const char *name)
{
	struct ifreq request = {0};

	(void)snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	if (ioctl(fd, SIOCGIFMTU, &request) < 0)
		err(1, "%s", name);
	return (unsigned)request.ifr_mtu;
}

static void on_stop(int number)
{
	(void)number;
	atomic_store(&stopping, true);
}

void catch_stop(void)
{
	const struct sigaction action = {.sa_handler = on_stop};

	if (sigaction(SIGTERM, &action, NULL) < 0 || sigaction(SIGINT, &action, NULL) < 0)
		err(1, "sigaction");
}

static sigset_t stops(void)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	return set;
}

void hold_stop(void)
{
	sigset_t set = stops();

	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		err(1, "sigprocmask");
}

void await_stop(void)
{
	sigset_t set = stops();

	if (sigwaitinfo(&set, NULL) < 0)
		err(1, "sigwaitinfo");
}

void say_ready(void)
{
	(void)puts("ready");
	(void)fflush(stdout);
}

void hist_print(const struct hist *h, FILE *out)
{
	static const struct {
		const char *name;
		double share;
	} quantiles[] = {{"p50", 0.5}, {"p95", 0.95}, {"p99", 0.99}, {"p999", 0.999}};

	(void)fprintf(out, "{\"n\": %" PRIu64 ", ", h->count);
	for (size_t i = 0; i < ARRAY_SIZE(quantiles); i++)
		(void)fprintf(out, "\"%s\": %.1f, ", quantiles[i].name,
			      (double)hist_quantile(h, quantiles[i].share) / 1e3);
	(void)fprintf(out, "\"max\": %.1f}", (double)h->max / 1e3);
}
