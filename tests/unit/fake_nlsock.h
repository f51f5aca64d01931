/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stands in for kernel/nlsock: one event socket and any number of dump sockets that read from scripts. Its file
 * descriptors are eventfds, readable exactly while the script has something left, as epoll sees a netlink socket.
 */
#ifndef PORTSYNCD_FAKE_NLSOCK_H
#define PORTSYNCD_FAKE_NLSOCK_H

#include "kernel/nlsock.h"

#define FAKE_DUMPS 64
#define FAKE_BATCH 64 /* datagrams that one receive takes */
#define FAKE_RCVBUF 4242

/* Messages in a dump's script with this nlmsg_seq get the sequence number that was asked for. */
#define FAKE_SEQ 0

struct fake_question {
	int ifindex;
	uint32_t seq;
};

extern struct fake {
	/* Set by the test. */
	bool endless; /* the event socket never becomes empty */
	/* Given instead of success. */
	int open_dump_error, request_error, question_error;

	/* Seen by the test. */
	struct nlsock_options options; /* of the last socket that was opened */
	int open_sockets;
	unsigned opened; /* dump sockets */
	unsigned requests;
	size_t pending_at_request; /* steps left on the event socket when the last dump was asked for */
	uint64_t request_at[FAKE_DUMPS];
	uint32_t dump_seq;  /* of the last dump */
	unsigned questions; /* about single links */
	struct fake_question asked[FAKE_DUMPS];
} fake;

void fake_reset(void);

/* The next datagram on the event socket, or an outcome other than DATA and AGAIN. */
void fake_event_data(const void *bytes, size_t len);
void fake_event_outcome(enum nlsock_outcome outcome, int error);
void fake_event_spoofed(void);
size_t fake_events_left(void);

/* The same for the socket of questions; the test must give answers the right sequence number. */
void fake_answer_data(const void *bytes, size_t len);

/* The same for the n-th dump socket (from 0); what its script does not have never comes. */
void fake_dump_data(unsigned n, const void *bytes, size_t len);
void fake_dump_outcome(unsigned n, enum nlsock_outcome outcome, int error);
void fake_dump_spoofed(unsigned n);

#endif
