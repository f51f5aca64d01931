/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accepts a recording of the real code, or does not: what came in (messages, losses, rows of dumps, answers) is given to
 * the models' steps, and what they decide has to be what was recorded, in that order. recording.pml has it, made by
 * proof/conform of what tests/proof/trace.c prints. What the recorder does not say is tried in all ways: when a turn
 * ended, when a back-off was over, and what a row held that was read back.
 *
 * The end is reached, and nothing is owed there: that is the assertion, so its violation is the acceptance.
 */
#define PORTS 2
#define PIPELINE 12
#define RECORDED 1

#define EVENT_NEW 1
#define EVENT_GONE 2
#define LOST 3
#define STATE_IS 4
#define ROW_READ 5
#define ROW_INTERRUPTED 6
#define DONE 7
#define DONE_INTERRUPTED 8
#define OWED 9
#define SENT_SET 10
#define SENT_DEL 11
#define ACKED 12
#define REFUSED 13
#define CONNECTION_LOST 14
#define ROWS_READ 15
#define DUMP_FAILED 16
#define DRIFT 17

#include "recording.pml"

short at; /* the next entry */
bit ready;
bit stuck;
#define KIND c_expr { kinds[now.at] }
#define NEXT(kind) (at < ENTRIES && KIND == kind)

inline expect(kind, n, is)
{
	if
	:: NEXT(kind) && c_expr { ports[now.at] } == n && c_expr { values[now.at] } == (is) -> at++
	:: else -> stuck = 1
	fi
}

#include "world.pml"
#include "links.pml"
#include "publish.pml"
#define DUMP_QUEUE 1
chan dump = [1] of { byte, byte, bit };
chan events = [1] of { byte, byte, byte };
bit overrun, congested, dumping, interrupted;
byte cursor;
#define DUMP_DONE 255
#define NEW 0
#define GONE 1
#define BAD 2
#include "watch.pml"

/* The next entry is a row or the end of a dump. All that came with an interrupted one was recorded before it failed. */
inline take_dump()
{
	f = c_expr { kinds[now.at] };
	p = c_expr { ports[now.at] };
	x = c_expr { values[now.at] };
	y = (f == ROW_INTERRUPTED || f == DONE_INTERRUPTED);
	at++;
	if
	:: y ->
		do
		:: NEXT(ROW_READ) || NEXT(ROW_INTERRUPTED) || NEXT(DONE) || NEXT(DONE_INTERRUPTED) -> at++
		:: else -> break
		od
	:: else
	fi;
	p = (f == DONE || f == DONE_INTERRUPTED -> DUMP_DONE : p);
	dump!p, x, y;
	read_dump()
}

inline leave_queue(n)
{
	for (k : 0 .. LAST) {
		dirty[k] = (dirty[k] > dirty[n] -> dirty[k] - 1 : dirty[k])
	}
	dirty[n] = 0;
	n_dirty--
}

inline guess_row(n)
{
	if
	:: x = 0
	:: x = 1
	:: x = 2
	:: x = 3
	:: x = 4
	:: x = 5
	fi;
	take_row(n, x)
}

#define ALL_WRITTEN (!OWES(0) && !OWES(1))
#define OWES(n) (writing[n] || owed_del[n] && mine[n] || \
	(link[n] -> !known[n] || owed[n] || acked[n] != DESIRED(link[n]) : mine[n]))

active proctype acceptor()
{
	d_step { c_code { read_recording(); }; connected = 1; meddled[0] = 1; meddled[1] = 1; calm = CALM };
	do
	:: stuck -> break
	:: atomic {
		!stuck && (NEXT(EVENT_NEW) || NEXT(EVENT_GONE)) ->
		k = (c_expr { kinds[now.at] } == EVENT_NEW -> NEW : GONE);
		p = c_expr { ports[now.at] };
		x = c_expr { values[now.at] };
		at++;
		on_event()
	}
	:: atomic { !stuck && NEXT(LOST) -> at++; restart() }
	:: atomic { !stuck && NEXT(STATE_IS) && c_expr { values[now.at] } == DUMPING && watch == UNSYNCED -> start_dump() }
	:: atomic { !stuck && NEXT(STATE_IS) && c_expr { values[now.at] } == SYNCED && watch == SETTLING -> enter(SYNCED) }
	/* The first state is recorded as well. */
	:: atomic {
		!stuck && watch == DUMPING &&
		(NEXT(ROW_READ) || NEXT(ROW_INTERRUPTED) || NEXT(DONE) || NEXT(DONE_INTERRUPTED)) ->
		take_dump()
	}
	:: atomic { !stuck && NEXT(DUMP_FAILED) && watch == DUMPING -> dump_failed() }
	:: atomic {
		!stuck && (NEXT(SENT_SET) || NEXT(SENT_DEL)) && live && !held ->
		q = c_expr { ports[now.at] };
		/* Read back, with nothing to remark. */
		if
		:: skip
		:: !writing[q] && !(known[q] && mine[q]) -> guess_row(q)
		:: retry[q] == 1 -> retry[q] = 2; mark_dirty(q)
		fi;
		if
		:: dirty[q] && !writing[q] -> leave_queue(q); publish_port(q)
		:: else -> stuck = 1
		fi
	}
	/* A turn ended, and there was nothing to write. */
	:: atomic { !stuck && live && !held && dirty[0] && !link[0] && !mine[0] && !writing[0] -> leave_queue(0); publish_port(0) }
	:: atomic { !stuck && live && !held && dirty[1] && !link[1] && !mine[1] && !writing[1] -> leave_queue(1); publish_port(1) }
	:: atomic {
		!stuck && (NEXT(ACKED) || NEXT(REFUSED)) && nempty(commands) ->
		y = c_expr { kinds[now.at] };
		commands?k, p, f, x;
		if
		:: c_expr { ports[now.at] } == p && c_expr { values[now.at] } == (k == DEL) -> at++; good = (y == ACKED); on_written(k, p, good)
		:: else -> stuck = 1
		fi
	}
	:: atomic { !stuck && NEXT(CONNECTION_LOST) -> at++; lose_connection() }
	:: atomic {
		!stuck && NEXT(ROWS_READ) ->
		at++;
		connected = 1;
		if
		:: skip
		:: guess_row(0)
		fi;
		if
		:: skip
		:: guess_row(1)
		fi;
		live = 1
	}
	:: atomic {
		!stuck && NEXT(DRIFT) ->
		p = c_expr { ports[now.at] };
		at++;
		/* Redis answers in order: what is read while a write is under way was asked before it, and does not count. */
		if
		:: known[p] && mine[p] && !writing[p] -> guess_row(p)
		:: else -> stuck = 1
		fi
	}
	:: !stuck && at == ENTRIES -> break
	od;
	if
	:: !stuck && ALL_WRITTEN && watch == SYNCED -> assert(false) /* accepted */
	:: else
	fi
}
