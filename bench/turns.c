/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Controls a daemon's time, so that the cost of its turns can be counted with the same result each time: a library for
 * LD_PRELOAD. Kernel, links and Redis are real, time is not: when the loop would sleep, time jumps to the next event,
 * which is a timer of the daemon, the end of its sleep, or a change of a link, made here at the given rate. Redis has
 * always answered by then.
 *
 * The file that TURNS_FILE names has the orders; TURNS_REDIS is the socket of Redis. Time is real until the first
 * order. Under callgrind an order's costs are counted and dumped; all system calls made here go through syscall(2),
 * which the daemon does not use, so that they can be left out.
 */
#include <err.h>
#include <errno.h>
#include <net/if.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include <valgrind/callgrind.h>

#include "sharedpage.h"

#define NSEC UINT64_C(1000000000)
#define NEVER UINT64_MAX
#define ANSWER_NSEC UINT64_C(50000) /* of Redis */
#define TIMERS 8
#define PLAYED_PORTS_MAX 512
#define MTU_FIRST 1500
#define MTU_COUNT 7500
#define LOOK_MSEC 20 /* for the next order */

/* Written by bench/instructions.py, but for the counts. */
struct page {
	_Atomic uint64_t ordered, done; /* orders */
	_Atomic uint64_t rate, events, ports;
	_Atomic uint64_t waits, sleeps, settimes; /* of the last order: calls of epoll_wait(); those that slept */
};

struct timer {
	int fd;
	uint64_t due; /* CLOCK_MONOTONIC; NEVER: it is off */
};

static struct page *page;
static bool playing;
static uint64_t now, realtime_ahead, boottime_ahead;
static struct timer timers[TIMERS];
static uint64_t begun, made; /* the order's changes */
static struct ifreq requests[PLAYED_PORTS_MAX];
static int links = -1, redis = -1;

static uint64_t nsec_of(const struct timespec *ts)
{
	return (uint64_t)ts->tv_sec * NSEC + (uint64_t)ts->tv_nsec;
}

static uint64_t real_time(clockid_t clock)
{
	struct timespec ts;

	(void)syscall(SYS_clock_gettime, clock, &ts);
	return nsec_of(&ts);
}

/* --- what is interposed, but the sleep --- */

int clock_gettime(clockid_t clock_id, struct timespec *tp)
{
	uint64_t time = now;

	if (!playing || (clock_id != CLOCK_MONOTONIC && clock_id != CLOCK_REALTIME && clock_id != CLOCK_BOOTTIME))
		return (int)syscall(SYS_clock_gettime, clock_id, tp);
	if (clock_id == CLOCK_REALTIME)
		time += realtime_ahead;
	if (clock_id == CLOCK_BOOTTIME)
		time += boottime_ahead;
	*tp = (struct timespec){.tv_sec = (time_t)(time / NSEC), .tv_nsec = (long)(time % NSEC)};
	return 0;
}

static void set_really(int fd, int flags, uint64_t nsec)
{
	const struct itimerspec value = {.it_value = {.tv_sec = (time_t)(nsec / NSEC), .tv_nsec = (long)(nsec % NSEC)}};

	(void)syscall(SYS_timerfd_settime, fd, flags, &value, NULL);
}

static void note_timer(int fd, uint64_t due)
{
	for (size_t i = 0; i < TIMERS; i++) {
		if (timers[i].fd != fd && timers[i].fd != 0)
			continue;
		timers[i] = (struct timer){.fd = fd, .due = due};
		return;
	}
	errx(1, "turns: more timers than expected");
}

int timerfd_settime(int ufd, int flags, const struct itimerspec *utmr, struct itimerspec *otmr)
{
	uint64_t due = nsec_of(&utmr->it_value);

	note_timer(ufd, due == 0 ? NEVER : due);
	if (!playing)
		return (int)syscall(SYS_timerfd_settime, ufd, flags, utmr, otmr);
	page->settimes++;
	set_really(ufd, 0, 0);
	return 0;
}

/* --- Redis, links --- */

static void open_redis(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", getenv("TURNS_REDIS"));
	redis = (int)syscall(SYS_socket, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (syscall(SYS_connect, redis, &address, sizeof(address)) < 0)
		err(1, "turns: %s", address.sun_path);
}

static void ping(void)
{
	static const char command[] = "PING\r\n", answer[] = "+PONG\r\n";
	char got[sizeof(answer)];

	(void)syscall(SYS_write, redis, command, sizeof(command) - 1);
	for (size_t have = 0; have < sizeof(answer) - 1;) {
		long n = syscall(SYS_read, redis, got, sizeof(answer) - 1 - have);

		if (n <= 0)
			errx(1, "turns: no answer of Redis");
		have += (size_t)n;
	}
}

/* Redis answers round by round: after the second round it has answered everything sent before the first. */
static void let_redis_answer(void)
{
	ping();
	ping();
	now += ANSWER_NSEC;
}

/* As below, without functions of libc, which would be counted. */
static void change_link(void)
{
	struct ifreq *request = &requests[made % page->ports];

	request->ifr_mtu = (int)(MTU_FIRST + made / page->ports % MTU_COUNT);
	if (syscall(SYS_ioctl, links, SIOCSIFMTU, request) < 0)
		err(1, "turns: %s", request->ifr_name);
	made++;
}

static void find_ports(void)
{
	links = (int)syscall(SYS_socket, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	for (unsigned i = 0; i < PLAYED_PORTS_MAX; i++)
		(void)snprintf(requests[i].ifr_name, sizeof(requests[i].ifr_name), "Ethernet%u", 4 * i);
}

/* --- time --- */

static uint64_t next_change(void)
{
	return made < page->events ? begun + made * NSEC / page->rate : NEVER;
}

static uint64_t next_timer(void)
{
	uint64_t next = NEVER;

	for (size_t i = 0; i < TIMERS; i++)
		if (timers[i].fd && timers[i].due < next)
			next = timers[i].due;
	return next;
}

static void ring_timers(void)
{
	for (size_t i = 0; i < TIMERS; i++) {
		if (!timers[i].fd || timers[i].due > now)
			continue;
		timers[i].due = NEVER;
		set_really(timers[i].fd, TFD_TIMER_ABSTIME, 1);
	}
}

static void start_playing(void)
{
	now = real_time(CLOCK_MONOTONIC);
	realtime_ahead = real_time(CLOCK_REALTIME) - now;
	boottime_ahead = real_time(CLOCK_BOOTTIME) - now;
	playing = true;
	for (size_t i = 0; i < TIMERS; i++)
		if (timers[i].fd)
			set_really(timers[i].fd, 0, 0);
	open_redis();
	find_ports();
}

static bool is_ordered(void)
{
	return page->ordered > page->done;
}

static void begin_order(void)
{
	if (!playing)
		start_playing();
	begun = now;
	made = 0;
	page->waits = page->sleeps = page->settimes = 0;
	CALLGRIND_START_INSTRUMENTATION;
	CALLGRIND_ZERO_STATS;
}

static void end_order(void)
{
	CALLGRIND_DUMP_STATS;
	CALLGRIND_STOP_INSTRUMENTATION;
	page->done++;
}

/* --- the sleep --- */

static int wait_really(int epfd, struct epoll_event *events, int max, int msec)
{
	return (int)syscall(SYS_epoll_pwait, epfd, events, max, msec, NULL, 0);
}

/* What the loop waited for; 0: it slept until the deadline. */
static int play(int epfd, struct epoll_event *events, int max, uint64_t deadline)
{
	int n = 0;

	page->sleeps++;
	while (n == 0) {
		uint64_t timer = next_timer(), change = next_change();
		uint64_t next = timer < change ? timer : change;

		next = next < deadline ? next : deadline;
		now = next > now ? next : now;
		ring_timers();
		if (change <= now)
			change_link();
		n = wait_really(epfd, events, max, 0);
		if (n == 0 && now >= deadline)
			return 0;
	}
	return n;
}

static int sleep_until(int epfd, struct epoll_event *events, int max, uint64_t deadline)
{
	static bool under_way;
	int n;

	if (!under_way && is_ordered()) {
		begin_order();
		under_way = true;
	}
	page->waits++;
	let_redis_answer();
	n = wait_really(epfd, events, max, 0);
	if (n != 0 || deadline <= now)
		return n;
	if (under_way && next_change() != NEVER)
		return play(epfd, events, max, deadline);
	if (under_way)
		end_order();
	under_way = false;
	while (n == 0 && !is_ordered())
		n = wait_really(epfd, events, max, LOOK_MSEC);
	return n;
}

static bool is_played(void)
{
	return page && syscall(SYS_gettid) == syscall(SYS_getpid) && (playing || is_ordered());
}

int epoll_wait(int epfd, struct epoll_event *events, int maxevents, int timeout)
{
	if (!is_played())
		return wait_really(epfd, events, maxevents, timeout);
	return sleep_until(epfd, events, maxevents, timeout < 0 ? NEVER : now + (uint64_t)timeout * (NSEC / 1000));
}

int epoll_pwait2(int epfd, struct epoll_event *events, int maxevents, const struct timespec *timeout,
		 const sigset_t *ss)
{
	if (!is_played())
		return (int)syscall(SYS_epoll_pwait2, epfd, events, maxevents, timeout, ss, 8);
	return sleep_until(epfd, events, maxevents, timeout ? now + nsec_of(timeout) : NEVER);
}

__attribute__((constructor)) static void map_orders(void)
{
	page = sharedpage_map("TURNS_FILE", sizeof(*page));
}
