/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long Redis takes, one write at a time: from before the write to the answer to the last command in it. Answers
 * that wait on purpose say nothing about Redis: the caller then forgets the write.
 */
#ifndef PORTSYNCD_RTT_H
#define PORTSYNCD_RTT_H

#include <stdint.h>

#include "base/hist.h"

struct rtt {
	uint64_t command;   /* the answer to the command of this number, counted from 1, is timed; 0: none is */
	uint64_t sent_nsec; /* CLOCK_MONOTONIC */
	struct hist hist;
};

/* All commands up to this number were written, by a call that began then. Nothing while another write is timed. */
void rtt_sent(struct rtt *r, uint64_t command, uint64_t sent_nsec);
/* So many commands have their answers now. */
void rtt_answered(struct rtt *r, uint64_t answered);
void rtt_forget(struct rtt *r);

#endif
