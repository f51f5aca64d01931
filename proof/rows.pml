/* SPDX-License-Identifier: Apache-2.0 */
/* Rows under a Redis with all its faults. The kernel reports each change at once, so links.c knows the truth. */
#include "world.pml"
#include "links.pml"
#include "publish.pml"

/* The message reaches the daemon within the step. is_news: it says something new. */
inline message(n, new, old, is_news)
{
	if
	:: new ->
		cause[n] = cause[n] | (is_news) && SEEN(n);
		links_present(n, new)
	:: else ->
		links_gone(n, old);
		/* What nobody will read any more: the next link is news, and all its fields are in doubt. */
		cause[n] = 0;
		announced[n] = 0
	fi;
	flush()
}

/* The two values are alike, and so the kernel's is always 0: if it changes, all copies of the other one do instead. */
inline flip(n)
{
	row[n] = FLIPPED(row[n]);
	acked[n] = FLIPPED(acked[n]);
	for (y : 1 .. len(commands)) {
		commands?k, p, f, x;
		commands!k, p, f, (p == n -> FLIPPED(x) : x)
	}
	for (y : 1 .. len(answers)) {
		answers?k, p, good, x;
		answers!k, p, good, (p == n -> FLIPPED(x) : x)
	}
#ifdef MUT_ABANDONED_WRITE_LANDS
	late_row = (late_port == n -> FLIPPED(late_row) : late_row);
#endif
	if
	:: link[n] -> link[n] = link[n] ^ 2
	:: else
	fi
}

/* No link takes another's place before its end is told, so the ifindex does not matter. */
inline change(n)
{
	news = 0;
	if
	:: flip(n); news = 1
	:: skip
	fi;
	x = kernel[n];
	if
	:: news && x -> y = x
#ifdef MASTERS
	:: !news && x -> y = LINK(0, 0, 1 - MASTER(x))
#endif
	:: !news && x -> y = x /* a message that changes nothing */
	:: !news && x -> y = 0
	:: !x -> y = LINK(0, 0, 0)
	fi;
	news = news || (x != y);
	if
	:: news -> kernel_becomes(n, y)
	:: else
	fi;
	message(n, y, x, news)
}

active proctype kernel_changes()
{
	do
	:: atomic { calm == STORM -> q = 0; change(q) }
#if PORTS > 1 && !defined(THEIRS)
	:: atomic { calm == STORM -> q = 1; change(q) }
#endif
	od
}

#include "redis.pml"
/* Nothing can come but changes and faults. */
#define QUIET (connected && empty(commands) && empty(answers) && !read_later && retry[0] != 1 && retry[LAST] != 1 && !LATE)
#define AT_REST (connected && live && empty(commands) && empty(answers))
#define RECONCILE start_readback(); flush()
#include "judge.pml"
