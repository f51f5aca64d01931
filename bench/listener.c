/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ceiling of receiving: takes every link message of the kernel and does nothing with it. Says "ready", and prints
 * one line of JSON on SIGTERM. If changes come in bursts, a span lasts from a burst's first message to its last.
 */
#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/util.h"
#include "common.h"

#define BATCH 64
#define DATAGRAM (8U * 1024)
#define PAUSE_NSEC (20 * NSEC_PER_MSEC) /* after it another burst begins */

struct batch {
	struct mmsghdr headers[BATCH];
	struct iovec iov[BATCH];
	unsigned char pool[BATCH][DATAGRAM];
};

struct tally {
	uint64_t events, overruns;
	uint64_t first_nsec, last_nsec; /* when the first and the last batch came */
	uint64_t burst_nsec;            /* when the present burst began */
	struct hist spans;
};

static void make_batch(struct batch *b)
{
	for (unsigned i = 0; i < BATCH; i++) {
		b->iov[i] = (struct iovec){.iov_base = b->pool[i], .iov_len = DATAGRAM};
		b->headers[i].msg_hdr = (struct msghdr){.msg_iov = &b->iov[i], .msg_iovlen = 1};
	}
}

static void end_burst(struct tally *t)
{
	if (t->burst_nsec)
		hist_add(&t->spans, t->last_nsec - t->burst_nsec);
}

static void count(struct tally *t, unsigned n)
{
	uint64_t now = now_nsec();

	if (!t->events)
		t->first_nsec = now;
	if (now - t->last_nsec > PAUSE_NSEC) {
		end_burst(t);
		t->burst_nsec = now;
	}
	t->last_nsec = now;
	t->events += n;
}

static void follow(int fd, struct batch *b, struct tally *t)
{
	while (!atomic_load(&stopping)) {
		int n = recvmmsg(fd, b->headers, BATCH, MSG_WAITFORONE, NULL);

		if (n > 0)
			count(t, (unsigned)n);
		else if (errno == ENOBUFS)
			t->overruns++;
		else if (errno != EINTR && errno != EAGAIN)
			err(1, "recvmmsg");
	}
}

int main(int argc, char *argv[])
{
	static struct batch batch;
	static struct tally tally;
	int fd;

	if (argc > 1 && (argc != 3 || strcmp(argv[1], "--netns") != 0))
		errx(2, "usage: listener [--netns NAME]");
	enter_netns(argc > 1 ? argv[2] : NULL);
	fd = open_links();
	wake_now_and_then(fd);
	make_batch(&batch);
	catch_stop();
	say_ready();
	follow(fd, &batch, &tally);
	end_burst(&tally);
	(void)printf("{\"events\": %" PRIu64 ", \"overruns\": %" PRIu64 ", \"dropped\": %" PRIu64
		     ", \"seconds\": %.6f, \"cpu_seconds\": %.6f, \"spans_usec\": ",
		     tally.events, tally.overruns, socket_drops(fd),
		     (double)(tally.last_nsec - tally.first_nsec) / (double)NSEC_PER_SEC, cpu_seconds());
	hist_print(&tally.spans, stdout);
	(void)puts("}");
	close_fd(&fd);
	return 0;
}
