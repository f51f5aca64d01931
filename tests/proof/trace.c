/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A run of the real code under fuzz_model, as the flight recorder has it, in the terms of the models in proof/: one
 * entry a line, kind, port, argument (proof/trace.pml). The run is random but for its seed, and made of what the models
 * know: two ports, links that come, go and change, lost events, a Redis with all its faults, others who write.
 */
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "kernel/linkmsg.h"
#include "recorder/recorder.h"

#define STEPS 70
#define RING (16U << 20)
#define RUNNING 0x40U
#define UNREAD 24 /* messages: a turn reads 16 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* As in proof/trace.pml. */
enum kind {
	EVENT_NEW = 1,
	EVENT_GONE,
	LOST,
	STATE,
	ROW,
	ROW_INTERRUPTED,
	DONE,
	DONE_INTERRUPTED,
	OWED,
	SENT_SET,
	SENT_DEL,
	ACKED,
	REFUSED,
	CONNECTION_LOST,
	ROWS_READ,
	DUMP_FAILED,
	DRIFT,
};

/* --- the input --- */

struct input {
	uint8_t bytes[8 * STEPS];
	size_t n;
	uint32_t seed;
};

static unsigned chance(struct input *in, unsigned n)
{
	in->seed = in->seed * 1664525U + 1013904223U;
	return (in->seed >> 8) % n;
}

static void put(struct input *in, unsigned byte)
{
	in->bytes[in->n++] = (uint8_t)byte;
}

static void step(struct input *in, unsigned number, unsigned first)
{
	put(in, number);
	put(in, first);
}

static void step2(struct input *in, unsigned number, unsigned first, unsigned second)
{
	step(in, number, first);
	put(in, second);
}

/* The numbers are those of steps[] in fuzz_model.c. */
static void random_step(struct input *in)
{
	unsigned port = chance(in, 2), index = port * 2 + chance(in, 2), running = 1 | chance(in, 2) << 1;

	switch (chance(in, 16)) {
	case 0:
	case 1:
		step2(in, 0, port << 4 | index, running);
		break;
	case 2:
		step(in, 2, index);
		break;
	case 3:
	case 4:
	case 5:
		step2(in, 3, chance(in, 2) << 4 | index, running);
		break;
	case 6:
		step(in, 6, 128 | index);
		break;
	case 7:
		if (chance(in, 2))
			put(in, 7);
		else
			step(in, 8, 1);
		break;
	case 8:
		step(in, 9, chance(in, 5) | (chance(in, 12) == 0 ? 128 : 0));
		break;
	case 9:
	case 10:
		step(in, 11, chance(in, 256));
		break;
	case 11:
		step(in, 13, chance(in, 7));
		break;
	case 12:
		step(in, 14, chance(in, 64));
		break;
	case 13:
		step(in, 15, chance(in, 3) ? 64 : chance(in, 4));
		break;
	case 14:
		step(in, 16, chance(in, 3));
		break;
	default:
		if (chance(in, 2))
			step(in, 21, 0);
		else
			step2(in, 17, port, chance(in, 2) ? 3 : 4 | chance(in, 2) << 5);
		break;
	}
}

/* A dump is complete while more messages wait than a turn reads, so rows wait to be written until those are read. */
static void settle_slowly(struct input *in)
{
	put(in, 22);        /* all comes to rest */
	step(in, 13, 6);    /* for a while, so that the next loss is the first */
	step(in, 2, 1);     /* Ethernet0 has this link only */
	step2(in, 0, 0, 1); /* or it is created */
	put(in, 7);         /* messages were lost */
	step(in, 11, 7);    /* eight turns: the dump begins */
	step(in, 14, 63);   /* Redis has written the row */
	step(in, 9, 15);    /* it is there, and whatever comes now is newer */
	for (unsigned i = 0; i < UNREAD; i++)
		step2(in, 3, 0, 1 | (i & 1) << 1);
	step(in, 11, 1 << 3); /* of the two sockets the second is read, that of the dump */
	for (unsigned i = 0; i < 4; i++)
		step(in, 11, 7);
}

static void make_input(struct input *in)
{
	bool slow = in->seed % 4 == 0;

	put(in, 4 | 32);      /* notifications; one datagram a read */
	step(in, 18, 32);     /* Ethernet0 is configured */
	step(in, 18, 32 | 1); /* and Ethernet4 */
	put(in, 22);          /* all comes to rest, rows may be written from now on */
	for (unsigned i = 0; i < STEPS; i++)
		random_step(in);
	if (slow)
		settle_slowly(in);
}

/* --- the recording --- */

static void line(enum kind kind, unsigned port, unsigned arg)
{
	(void)printf("%d %u %u\n", kind, port, arg);
}

static unsigned image(const struct link_msg *msg)
{
	return 8U | (msg->master ? 4U : 0) | (msg->flags & RUNNING ? 2U : 0) | ((unsigned)msg->ifindex - 1) % 2;
}

static unsigned port_of(const struct link_msg *msg)
{
	return ((unsigned)msg->ifindex - 1) / 2;
}

static void datagram(const struct recorder_entry *entry)
{
	const struct nlmsghdr *nlh = (const void *)entry->data;
	bool interrupted = nlh->nlmsg_flags & NLM_F_DUMP_INTR;
	struct link_msg msg;

	if (entry->detail == RECORDER_ANSWER)
		return; /* the models' kernel does nothing without a message */
	if (nlh->nlmsg_type == NLMSG_DONE)
		line(interrupted ? DONE_INTERRUPTED : DONE, 0, 0);
	if (nlh->nlmsg_type == NLMSG_DONE || linkmsg_parse(nlh, &msg) < 0)
		return;
	if (entry->detail == RECORDER_EVENTS)
		line(msg.type == RTM_NEWLINK ? EVENT_NEW : EVENT_GONE, port_of(&msg), image(&msg));
	else
		line(interrupted ? ROW_INTERRUPTED : ROW, port_of(&msg), image(&msg));
}

/* state, oper and "unknown": the models have no others. */
static unsigned fields_of(uint64_t fields)
{
	return (unsigned)(fields & 3) | (fields & 16 ? 4U : 0) | (fields & RECORDER_DELETION ? 8U : 0);
}

static unsigned name_port(const char *name)
{
	return strcmp(name, "Ethernet4") == 0;
}

static void decision(const struct recorder_entry *entry)
{
	const struct recorder_decision *d = (const void *)entry->data;
	unsigned port = name_port(d->port), fields = fields_of(d->fields);

	if (entry->kind == RECORDER_ENTRY_REFUSED)
		line(REFUSED, port, fields == 8);
	else if (entry->detail == RECORDER_OWED)
		line(OWED, port, fields);
	else if (entry->detail == RECORDER_ACKED)
		line(ACKED, port, fields == 8);
	else if (fields == 8)
		line(SENT_DEL, port, 0);
	else
		line(SENT_SET, port, fields << 3 | (d->row.state == 1) | (d->row.oper ? 4U : 2U));
}

static void note(const char *text)
{
	if (strncmp(text, "what STATE_DB holds", 19) == 0)
		line(CONNECTION_LOST, 0, 0);
	else if (strncmp(text, "the rows of STATE_DB", 20) == 0)
		line(ROWS_READ, 0, 0);
	else if (strncmp(text, "a dump failed", 13) == 0)
		line(DUMP_FAILED, 0, 0);
	else if (strstr(text, "was changed by somebody else"))
		line(DRIFT, strstr(text, "Ethernet4") != NULL, 0);
}

static void show(const struct recorder_entry *entry)
{
	switch (entry->kind) {
	case RECORDER_ENTRY_DATAGRAM:
		datagram(entry);
		break;
	case RECORDER_ENTRY_LOST:
		line(LOST, 0, 0);
		break;
	case RECORDER_ENTRY_STATE:
		line(STATE, 0, entry->detail);
		break;
	case RECORDER_ENTRY_DECISION:
	case RECORDER_ENTRY_REFUSED:
		decision(entry);
		break;
	case RECORDER_ENTRY_NOTE:
		note((const char *)entry->data);
		break;
	default:
		break;
	}
}

/* What fuzz_model itself notices ends the run, and the recording is told up to there. */
static jmp_buf noticed;

void __wrap_abort(void);

void __wrap_abort(void)
{
	longjmp(noticed, 1);
}

/* 3: fuzz_model noticed something. */
int main(int argc, char **argv)
{
	static struct input in;
	volatile int status = 0;
	struct recorder_copy copy;
	const struct recorder_entry *entry;

	if (argc != 2) {
		(void)fprintf(stderr, "usage: proof_trace SEED\n");
		return 2;
	}
	in.seed = (uint32_t)strtoul(argv[1], NULL, 10);
	make_input(&in);
	if (recorder_start(RING) < 0)
		return 1;
	if (setjmp(noticed) == 0)
		(void)LLVMFuzzerTestOneInput(in.bytes, in.n);
	else
		status = 3;
	recorder_publish();
	if (recorder_copy(&copy) < 0)
		return 1;
	while ((entry = recorder_next(&copy)))
		show(entry);
	recorder_copy_free(&copy);
	recorder_stop();
	return status;
}
