/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the flight recorder's stores cost on this machine at the moment. Datagrams of a link's length are received in
 * batches, i.e. copied into a pool like the daemon's, and parsed; then the same with plain stores of each datagram and
 * of its decisions' lines into a ring, and then with the recorder. All by turns; the least disturbed tenth of the
 * rounds counts. Prints one line of JSON, in nanoseconds per event; the last two are the additional costs.
 */
#include <err.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/util.h"
#include "kernel/linkmsg.h"
#include "recorder/recorder.h"

#define DATAGRAM 1400
#define BATCH 20
#define ROUND 2000 /* events */
#define ROUNDS 400
#define BEST 40 /* a tenth of them */
#define LINE 64
#define LINES ((DATAGRAM + LINE - 1) / LINE)
#define DECISIONS (BATCH / 2 + BATCH / 3 + 1) /* their lines */
#define POOL_STRIDE (32U << 10)               /* the daemon's netlink.datagram_bytes */
#define RING (8U << 20)
#define HUGE_PAGE (2U << 20)
#define ATTRIBUTE 24

enum way { WAY_NONE, WAY_STORES, WAY_RECORDER, WAYS };

static _Alignas(struct nlmsghdr) unsigned char message[DATAGRAM];
static unsigned char *pool, *ring;
static const char port[16] = "Ethernet0";
static size_t ring_at;

static void make_message(void)
{
	struct nlmsghdr *nlh = (void *)message;
	struct ifinfomsg *info = NLMSG_DATA(nlh);

	*nlh = (struct nlmsghdr){.nlmsg_len = DATAGRAM, .nlmsg_type = RTM_NEWLINK};
	info->ifi_index = 1;
	for (size_t at = NLMSG_LENGTH(sizeof(*info)); at < DATAGRAM; at += ATTRIBUTE) {
		struct rtattr *attribute = (void *)(message + at);

		*attribute = (struct rtattr){(unsigned short)MIN(DATAGRAM - at, (size_t)ATTRIBUTE), IFLA_MAP};
	}
}

static void *map(size_t size)
{
	unsigned char *all = mmap(NULL, size + HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (all == MAP_FAILED)
		err(1, "mmap");
	all += HUGE_PAGE - (uintptr_t)all % HUGE_PAGE;
	(void)madvise(all, size, MADV_HUGEPAGE);
	memset(all, 1, size);
	return all;
}

static void store_line(unsigned char *to, const unsigned char *from)
{
#ifdef __SSE2__
	for (size_t i = 0; i < LINE; i += sizeof(__m128i))
		_mm_stream_si128((__m128i *)(void *)(to + i), _mm_loadu_si128((const void *)(from + i)));
#else
	memcpy(to, from, LINE);
#endif
}

static void store_lines(const unsigned char *from, size_t lines)
{
	if (RING - ring_at < lines * LINE)
		ring_at = 0;
	for (size_t i = 0; i < lines; i++, ring_at += LINE)
		store_line(ring + ring_at, from + i * LINE);
}

static void record(const unsigned char *datagram)
{
	recorder_datagram(RECORDER_EVENTS, datagram, DATAGRAM);
	recorder_owed(port, 1);
}

/* Of a batch, each decision as often as it has datagrams. */
static void decide(enum way way)
{
	if (way == WAY_STORES)
		store_lines(pool, DECISIONS);
	if (way != WAY_RECORDER)
		return;
	for (size_t i = 0; i < BATCH; i++)
		recorder_sent(port, 1, RECORDER_NO_ROW);
	for (size_t i = 0; i < BATCH; i++)
		recorder_acked(port, 1);
	recorder_turn_ends();
	recorder_publish();
}

static void take(enum way way, const unsigned char *datagram)
{
	struct link_msg msg;

	if (way == WAY_STORES)
		store_lines(datagram, LINES);
	else if (way == WAY_RECORDER)
		record(datagram);
	if (linkmsg_parse((const void *)datagram, &msg) < 0)
		errx(1, "the message cannot be read");
}

static void batch(enum way way)
{
	for (size_t i = 0; i < BATCH; i++)
		memcpy(pool + i * POOL_STRIDE, message, DATAGRAM);
	for (size_t i = 0; i < BATCH; i++)
		take(way, pool + i * POOL_STRIDE);
	decide(way);
}

static double one_round(enum way way)
{
	uint64_t begun = now_nsec();

	for (unsigned i = 0; i < ROUND / BATCH; i++)
		batch(way);
	return (double)(now_nsec() - begun) / ROUND;
}

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static double best(double found[ROUNDS])
{
	double sum = 0;

	qsort(found, ROUNDS, sizeof(*found), compare);
	for (size_t i = 0; i < BEST; i++)
		sum += found[i];
	return sum / BEST;
}

int main(void)
{
	static double found[WAYS][ROUNDS];
	double none;

	make_message();
	pool = map(BATCH * POOL_STRIDE);
	ring = map(RING);
	if (recorder_start(RING) < 0)
		errx(1, "no memory for the recorder");
	recorder_settle();
	for (size_t i = 0; i < ROUNDS; i++)
		for (enum way way = 0; way < WAYS; way++)
			found[way][i] = one_round(way);
	recorder_stop();
	none = best(found[WAY_NONE]);
	(void)printf("{\"none\": %.1f, \"stores\": %.1f, \"recorder\": %.1f}\n", none, best(found[WAY_STORES]) - none,
		     best(found[WAY_RECORDER]) - none);
	return 0;
}
