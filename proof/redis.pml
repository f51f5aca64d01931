/* SPDX-License-Identifier: Apache-2.0 */
/* Redis and the connection to it: carries out, refuses, hangs (until the connection is given up), restarts empty. */
active proctype redis()
{
	do
	:: atomic {
		connected && nempty(commands) ->
		commands?k, p, f, x;
		if
		:: MAY(REFUSES) -> good = 0
		:: good = 1
		fi;
		if
		:: !good
		:: good && k == SET -> redis_sets(p, x, f)
		:: good && k == DEL -> redis_deletes(p)
		:: good && (k == READ || k == SCAN)
		fi;
		x = (good && k == READ && !CROSSED(p) -> row[p] : 0);
		answers!k, p, good, x
	}
#ifdef MUT_ABANDONED_WRITE_LANDS
	:: atomic { late -> late = 0; redis_sets(late_port, late_row, late_fields) }
#endif
	od
}

active proctype connection()
{
	do
	:: atomic { !connected -> connected = 1; start_readback(); flush() }
	:: atomic { connected && MAY(LOSES) -> lose_connection() }
	:: atomic {
		/* It restarts without its rows. */
		connected && MAY(RESTARTS) ->
		lose_connection();
		for (q : 0 .. LAST) {
			row[q] = 0;
			ended[q] = 0
		}
	}
	od
}

/* Others delete a row, change a field of ours, or own a row that is not ours. */
#define OTHERS_MEDDLE(n) \
	:: atomic { MAY(MEDDLES) && row[n] -> row[n] = 0; ended[n] = 0; meddled[n] = SEEN(n); heard(n) } \
	:: atomic { MAY(MEDDLES) && ROW_OPER(row[n]) -> row[n] = row[n] ^ 6; meddled[n] = SEEN(n); heard(n) }

active proctype others()
{
	do
	OTHERS_MEDDLE(0)
#ifdef THEIRS
	:: atomic { MAY(MEDDLES) -> row[THEIRS] = STATE - row[THEIRS] }
#elif PORTS > 1
	OTHERS_MEDDLE(1)
#endif
	od
}

/* The loop's turns that Redis and its timers bring about. */
active proctype publisher()
{
	do
	:: atomic {
		connected && nempty(answers) ->
		do
		:: nempty(answers) ->
			take_answer();
			if
			:: skip
			:: break
			fi
		:: empty(answers) -> break
		od;
		flush()
	}
	:: atomic { read_later -> read_later = 0; start_readback(); flush() }
	:: atomic { retry[0] == 1 -> retry[0] = 2; mark_dirty(0); flush() }
#if PORTS > 1
	:: atomic { retry[1] == 1 -> retry[1] = 2; mark_dirty(1); flush() }
#endif
	od
}
