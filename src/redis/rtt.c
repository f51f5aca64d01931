/* SPDX-License-Identifier: Apache-2.0 */
#include "redis/rtt.h"

#include "base/util.h"

void rtt_sent(struct rtt *r, uint64_t command, uint64_t sent_nsec)
{
	if (r->command)
		return;
	r->command = command;
	r->sent_nsec = sent_nsec;
}

void rtt_answered(struct rtt *r, uint64_t answered)
{
	if (r->command == 0 || answered < r->command)
		return;
	hist_add(&r->hist, now_nsec() - r->sent_nsec);
	r->command = 0;
}

void rtt_forget(struct rtt *r)
{
	r->command = 0;
}
