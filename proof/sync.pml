/* SPDX-License-Identifier: Apache-2.0 */
/* The way from the kernel's links to the rows, under a Redis without faults. */
#include "world.pml"
#include "links.pml"
#include "instant.pml"
#include "kernel.pml"
#include "watch.pml"

/* The two values are alike, and so the kernel's is always 0: if it changes, all copies of the other one do instead. */
#define FLIPPED_LINK(x) ((x) -> (x) ^ 2 : 0)

inline flip(n)
{
	row[n] = FLIPPED(row[n]);
	link[n] = FLIPPED_LINK(link[n]);
	for (y : 1 .. len(events)) {
		events?k, p, x;
		events!k, p, (k == NEW && p == n -> x ^ 2 : x)
	}
	for (y : 1 .. len(dump)) {
		dump?p, x, good;
		dump!p, (p == n -> x ^ 2 : x), good
	}
	for (k : 2 * (n) .. 2 * (n) + 1) {
		staged[k] = FLIPPED_LINK(staged[k]);
#ifdef REREAD
		answer[k] = FLIPPED_LINK(answer[k])
#endif
	}
}

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
	:: !news && x -> y = LINK(INDEX(x), 0, 1 - MASTER(x))
#endif
	:: !news && x -> y = x
	:: !news && x -> y = 0
	:: !x && MAY_CREATE(n, 0) -> y = LINK(0, 0, 0)
	:: !x && MAY_CREATE(n, 1) -> y = LINK(1, 0, 0)
	fi;
	news = news || (x != y);
	if
	:: news -> kernel_becomes(n, y)
	:: else
	fi;
	if
	:: dumping && (!x || !y) ->
		interrupted = 1;
		if
		:: MAY_DOOM -> doom()
		:: else
		fi
	:: else
	fi;
	if
	:: y -> emit(NEW, n, y)
	:: !y -> emit(GONE, n, LINK(INDEX(x), 0, 0))
	:: MAY(CUTS) -> emit(BAD, 0, 0)
	fi
}

active proctype kernel_changes()
{
	do
	:: atomic { MAY_CHANGE -> q = 0; change(q) }
#if PORTS > 1
	:: atomic { MAY_CHANGE -> q = 1; change(q) }
#endif
#ifdef SILENT
	:: atomic { calm == STORM && kernel[0] -> flip(0); silent[0] = SEEN(0); meddled[0] = SEEN(0) }
#endif
	od
}

/* Nothing can come but changes and faults. */
#define QUIET ((!dumping || len(dump) == DUMP_QUEUE) && WATCHER_RESTS && ASKER_RESTS)
#define AT_REST (watch == SYNCED && empty(events) && !overrun)
#ifdef REREAD
#define RECONCILE reread_all()
#else
#define RECONCILE skip
#endif
#include "judge.pml"
