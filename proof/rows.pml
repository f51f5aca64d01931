/* SPDX-License-Identifier: Apache-2.0 */
/* Rows under a Redis with all its faults. The kernel reports each change at once, so links.c knows the truth. */
#include "world.pml"
#include "links.pml"
#include "publish.pml"

/* The message reaches the daemon within the step. is_news: it says something new. */
inline message(n, new, old, is_news)
{
	cause[n] = cause[n] | (is_news);
	if
	:: new -> links_present(n, new)
	:: else -> links_gone(n, old)
	fi;
	flush()
}

inline change(n)
{
	x = kernel[n];
	if
	:: x -> y = LINK(INDEX(x), 1 - VALUE(x), MASTER(x))
#ifdef MASTERS
	:: x -> y = LINK(INDEX(x), VALUE(x), 1 - MASTER(x))
#endif
	:: x -> y = x /* a message that changes nothing */
	:: x -> y = 0
	:: !x -> y = LINK(0, 0, 0)
	:: !x -> y = LINK(1, 0, 0)
	fi;
	news = (x != y);
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
#define AT_REST (connected && live && empty(commands) && empty(answers))
#define RECONCILE start_readback(); flush()
#include "judge.pml"
