/* SPDX-License-Identifier: Apache-2.0 */
/* src/kernel/watch.c, ports/stage.c, ports/mirror.c and, with REREAD, kernel/reread.c. */
#define UNSYNCED 0
#define DUMPING 1
#define SETTLING 2
#define SYNCED 3
byte watch;
hidden byte drained, some;

/* By ifindex, of which a port has two */
#define PLACE(n, x) (2 * (n) + INDEX(x))
byte staged[2 * PORTS];    /* rows of the dump; 0: none */
bit overtaken[2 * PORTS];  /* an event named the link since the dump began */
bit incomplete;            /* memory ran out */
#ifdef MUT_ROW_BEATS_EVENT
#define OVERTAKEN(k) 0
#else
#define OVERTAKEN(k) overtaken[k]
#endif
#ifdef MUT_SHORT_OF_MEMORY_COUNTS
#define INCOMPLETE 0
#else
#define INCOMPLETE incomplete
#endif
/* An interrupted dump, or one for which memory ran short, will fail, and nothing else of it matters any more. */
#if defined(REREAD) || defined(RECORDED) || defined(MUT_INTERRUPTED_COUNTS) || defined(MUT_SHORT_OF_MEMORY_COUNTS) || \
	defined(MUT_ABANDONED_ROWS_ARRIVE)
#define MAY_DOOM 0
#define DOOMED 0
#else
#define MAY_DOOM 1
#define DOOMED (dump?[DUMP_DONE, 0, 1])
#endif

#ifdef REREAD
#define RETRY_BOUND 2
byte failures;
bit partial;             /* an interrupted dump that counts, as the ones before were interrupted too */
bit waiting[2 * PORTS];  /* questions to be asked */
bit asked[2 * PORTS];
bit void_answer[2 * PORTS];
byte answer[2 * PORTS];

inline reread_link(n, x)
{
	waiting[PLACE(n, x)] = 1
}

/* The reading of all is only a hint: whatever differs is asked for alone. */
inline reread_all()
{
	if
	:: watch == SYNCED ->
		for (k : 0 .. LAST) {
			if
			:: link[k] && link[k] != kernel[k] -> reread_link(k, link[k])
			:: else
			fi;
			if
			:: kernel[k] && link[k] != kernel[k] -> reread_link(k, kernel[k])
			:: else
			fi
		}
	:: else
	fi
}

inline reread_stop()
{
	for (k : 0 .. 2 * PORTS - 1) {
		waiting[k] = 0;
		asked[k] = 0;
		void_answer[k] = 0;
		answer[k] = 0
	}
}
#endif

inline forget_rows()
{
	for (k : 0 .. 2 * PORTS - 1) {
		staged[k] = 0;
		overtaken[k] = 0
	}
}

inline clear_stage()
{
	forget_rows();
	incomplete = 0
}

/* Closing the socket ends the dump in the kernel. */
inline end_dump()
{
	dumping = 0;
	cursor = 0;
	interrupted = 0;
	do
	:: nempty(dump) -> dump?_, _, _
	:: empty(dump) -> break
	od
}

inline abort_dump()
{
#ifndef MUT_ABANDONED_ROWS_ARRIVE
	end_dump();
#endif
	clear_stage()
}

inline doom()
{
	end_dump();
	clear_stage();
	dump!DUMP_DONE, 0, 1
}

inline enter(state)
{
	expect(STATE_IS, 0, state);
	watch = state;
	held = (watch == SETTLING);
#ifdef REREAD
	if
	:: watch != SYNCED -> reread_stop()
	:: watch == SYNCED && partial -> partial = 0; reread_all()
	:: else
	fi
#endif
}

inline start_dump()
{
#ifdef MUT_NO_DUMP
	enter(SYNCED)
#else
	dumping = 1;
	enter(DUMPING)
#endif
}

inline restart()
{
	if
	:: watch == DUMPING -> abort_dump()
	:: else
	fi;
	if
	:: watch != UNSYNCED -> enter(UNSYNCED)
	:: else
	fi
}

inline dump_failed()
{
	expect(DUMP_FAILED, 0, 0);
	abort_dump();
#ifdef REREAD
	failures = (failures < RETRY_BOUND -> failures + 1 : failures);
#endif
	enter(UNSYNCED)
}

/* The event k about port p */
inline on_event()
{
	cause[p] = SEEN(p) && (cause[p] || (k == NEW -> link[p] != x : link[p]));
	if
	:: watch == DUMPING && !INCOMPLETE && !DOOMED ->
		overtaken[PLACE(p, x)] = 1;
		staged[PLACE(p, x)] = (OVERTAKEN(PLACE(p, x)) -> 0 : staged[PLACE(p, x)])
	:: else
	fi;
#ifdef REREAD
	void_answer[PLACE(p, x)] = asked[PLACE(p, x)];
	if
	:: k == NEW && link[p] && INDEX(link[p]) == INDEX(x) && MASTER(link[p]) != MASTER(x) && watch == SYNCED ->
		reread_link(p, x)
	:: else
	fi;
#endif
	if
	:: k == NEW -> links_present(p, x)
	:: k == GONE -> links_gone(p, x)
	fi
}

/* As many as a batch has. What waited for an empty socket is done when it is empty, also the dump that is due. It never
 * has to be due at once: if it is in the next turn, nothing was there to read in between. */
inline read_events(due)
{
	drained = 0;
	some = 0;
	do
	:: overrun ->
		overrun = 0;
#ifndef MUT_OVERRUN_IGNORED
		restart();
#endif
#ifdef MUT_DUMP_BEFORE_DRAINED
		if
		:: watch == UNSYNCED && due -> start_dump()
		:: else
		fi
#endif
	:: !overrun && nempty(events) ->
		events?k, p, x;
		some = 1;
#ifdef MUT_ONE_MESSAGE_A_READ
		if
		:: nempty(events) -> events?_, _, _ /* it was in the same datagram */
		:: else
		fi;
#endif
		if
		:: k == BAD ->
#ifndef MUT_BAD_MESSAGE_IGNORED
			restart()
#endif
		:: else -> on_event()
		fi
	:: !overrun && empty(events) -> congested = 0; drained = 1; break
	:: nempty(events) && !overrun && some -> break
	od;
	if
	:: drained && watch == UNSYNCED && due -> start_dump()
	:: drained && watch == SETTLING -> enter(SYNCED)
	:: else
	fi
}

inline commit(whole)
{
#ifndef MUT_NO_SWEEP
	for (q : 0 .. LAST) {
		if
		:: (whole) && link[q] && !staged[PLACE(q, link[q])] && !overtaken[PLACE(q, link[q])] -> detach(q)
		:: else
		fi
	}
#endif
	for (f : 0 .. 2 * PORTS - 1) {
		if
		:: staged[f] && !OVERTAKEN(f) -> links_present(f / 2, staged[f])
		:: else
		fi
	}
	for (q : 0 .. LAST) {
		cause[q] = SEEN(q)
	}
#ifndef MUT_NO_EVENT_AFTER_DUMP
	links_doubt()
#endif
}

inline complete_dump()
{
#ifdef REREAD
	failures = 0;
	partial = y;
	commit(!partial);
#else
	commit(1);
#endif
	clear_stage();
	enter(SETTLING)
#ifndef RECORDED
	;
	read_events(0)
#endif
}

#ifdef MUT_INTERRUPTED_COUNTS
#define INTERRUPTED 0
#elif defined(REREAD)
#define INTERRUPTED (y && failures < RETRY_BOUND)
#else
#define INTERRUPTED y
#endif

inline read_dump()
{
	dump?q, x, y;
#ifdef MUT_FIRST_ROW_ENDS_DUMP
	if
	:: q != DUMP_DONE -> staged[PLACE(q, x)] = x; q = DUMP_DONE; end_dump()
	:: else
	fi;
#endif
	if
	:: INTERRUPTED || (q == DUMP_DONE && INCOMPLETE) -> dump_failed()
	:: !INTERRUPTED && q == DUMP_DONE && !INCOMPLETE -> complete_dump()
	:: else ->
		if
		:: staged[PLACE(q, x)] = (OVERTAKEN(PLACE(q, x)) || INCOMPLETE -> 0 : x)
		:: MAY(RUNS_SHORT) ->
			incomplete = 1;
			if
			:: MAY_DOOM -> doom()
			:: !MAY_DOOM && INCOMPLETE -> forget_rows()
			:: else
			fi
		fi
	fi
}

#ifdef MUT_KERNEL_IS_NOT_READ
#define RUNS 0
#else
#define RUNS 1
#endif
#define EVENT_CAME (RUNS && (overrun || nempty(events)))
#define ROW_CAME (RUNS && watch == DUMPING && nempty(dump))
#define WATCHER_RESTS \
	(!RUNS || !overrun && empty(events) && (watch == SYNCED || watch == DUMPING && empty(dump)))

#ifndef RECORDED
active proctype watcher()
{
	do
	:: atomic { EVENT_CAME -> read_events(0); flush() }
	:: atomic { ROW_CAME -> read_dump(); flush() }
	/* Timers */
	:: atomic { RUNS && watch == UNSYNCED -> read_events(1); flush() }
	:: atomic { RUNS && watch == SETTLING -> enter(SYNCED); flush() }
	:: atomic { watch == DUMPING && MAY(TIMES_OUT) -> dump_failed(); flush() }
	od
}

#endif

#ifdef REREAD
#define ASKER_RESTS (!ANY(waiting) && !ANY(asked))
#define ANY(a) (a[0] || a[1] || a[2 * LAST] || a[2 * LAST + 1])

active proctype asker()
{
	do
	:: atomic {
		ANY(waiting) && !ANY(asked) ->
		for (k : 0 .. 2 * PORTS - 1) {
			asked[k] = waiting[k];
			waiting[k] = 0;
			answer[k] = (asked[k] && kernel[k / 2] && INDEX(kernel[k / 2]) == k % 2 -> kernel[k / 2] : 0)
		}
	}
	:: atomic {
		ANY(asked) ->
		read_events(0);
		if
		:: drained && watch == SYNCED ->
			for (q : 0 .. 2 * PORTS - 1) {
				if
				:: asked[q] && !void_answer[q] && answer[q] ->
					cause[q / 2] = SEEN(q / 2);
					links_present(q / 2, answer[q])
				:: asked[q] && !void_answer[q] && !answer[q] -> links_gone(q / 2, q % 2)
				:: asked[q] && void_answer[q] -> waiting[q] = 1
				:: else
				fi;
				asked[q] = 0;
				void_answer[q] = 0;
				answer[q] = 0
			}
		:: else
		fi;
		flush()
	}
	od
}
#else
#define ASKER_RESTS 1
#endif
