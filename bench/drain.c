/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The highest rate at which events leave a socket: says "ready", lets the kernel fill the receive buffer until
 * SIGTERM, then reads everything with recvmmsg() into buffers of the daemon's default size and number, without parsing.
 * Prints one line of JSON.
 */
#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/util.h"
#include "common.h"

#define BATCH 64
#define DATAGRAM (32U * 1024)

static uint64_t drain(int fd)
{
	static unsigned char pool[BATCH][DATAGRAM];
	static struct iovec iov[BATCH];
	static struct mmsghdr headers[BATCH];
	uint64_t events = 0;
	int n;

	for (unsigned i = 0; i < BATCH; i++) {
		iov[i] = (struct iovec){.iov_base = pool[i], .iov_len = sizeof(pool[i])};
		headers[i].msg_hdr = (struct msghdr){.msg_iov = &iov[i], .msg_iovlen = 1};
	}
	while ((n = recvmmsg(fd, headers, BATCH, MSG_DONTWAIT, NULL)) > 0)
		events += (uint64_t)n;
	if (errno != EAGAIN)
		err(1, "recvmmsg");
	return events;
}

int main(int argc, char *argv[])
{
	uint64_t begin_nsec, end_nsec, events;
	double cpu;
	int fd;

	if (argc != 3 || strcmp(argv[1], "--netns") != 0)
		errx(2, "usage: drain --netns NAME");
	enter_netns(argv[2]);
	fd = open_links();
	hold_stop();
	say_ready();
	await_stop();
	cpu = cpu_seconds();
	begin_nsec = now_nsec();
	events = drain(fd);
	end_nsec = now_nsec();
	(void)printf("{\"events\": %" PRIu64 ", \"dropped\": %" PRIu64 ", \"seconds\": %.6f, \"cpu_seconds\": %.6f}\n",
		     events, socket_drops(fd), (double)(end_nsec - begin_nsec) / (double)NSEC_PER_SEC,
		     cpu_seconds() - cpu);
	close_fd(&fd);
	return 0;
}
