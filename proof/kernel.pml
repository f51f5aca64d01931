/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel: links that change, a queue of events that overruns, and a dump that takes its time. */
#ifndef QUEUE
#define QUEUE 2
#endif
#ifndef DUMP_QUEUE
#define DUMP_QUEUE 1
#endif

#define NEW 0
#define GONE 1
#define BAD 2 /* truncated or malformed: the daemon only learns that something was there */
chan events = [QUEUE] of { byte, byte, byte }; /* kind, port, link */
bit overrun;   /* ENOBUFS is to be reported */
bit congested; /* nothing is queued until the queue was empty */

#define DUMP_DONE 255
chan dump = [DUMP_QUEUE] of { byte, byte, bit }; /* port or DUMP_DONE, link, NLM_F_DUMP_INTR */
bit dumping;
byte cursor;
bit interrupted; /* links came or went since it began: rows may be missing, and each message says so */

inline emit(kind, n, what)
{
	if
	:: congested
	:: !congested && len(events) == QUEUE -> overrun = 1; congested = 1
	:: !congested && len(events) < QUEUE -> events!kind, n, what
	fi
}

/* An ifindex is not given to another link while the daemon has not heard of its end. */
#define MAY_CHANGE (calm == STORM && ((FAULTS & OVERRUNS) || !congested && len(events) < QUEUE))
#define MAY_CREATE(n, index) (!link[n] || INDEX(link[n]) != (index))

#define KERNEL_DUMPS (dumping && len(dump) < DUMP_QUEUE)

active proctype kernel_dumps()
{
	do
	:: atomic {
		KERNEL_DUMPS ->
		do
		:: cursor < 2 * PORTS && (!kernel[cursor / 2] || INDEX(kernel[cursor / 2]) != cursor % 2) -> cursor++
		:: cursor < 2 * PORTS && interrupted -> cursor++
		:: cursor < 2 * PORTS && kernel[cursor / 2] && INDEX(kernel[cursor / 2]) == cursor % 2 ->
			dump!cursor / 2, kernel[cursor / 2], interrupted;
			cursor++;
			break
		:: cursor == 2 * PORTS ->
			dump!DUMP_DONE, 0, interrupted;
			dumping = 0;
			cursor = 0;
			interrupted = 0;
			break
		od
	}
	od
}
