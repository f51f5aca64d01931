/* SPDX-License-Identifier: Apache-2.0 */
/* src/sonic/publish.c, readback.c, rowcmd.c, and of src/redis/conn.c what they see of it. */
#ifndef PIPELINE
#define PIPELINE 3
#endif

#define SET 1
#define DEL 2
#define READ 3
#define SCAN 4

chan commands = [PIPELINE] of { byte, byte, byte, byte }; /* what, port, fields, row: sent, not carried out */
chan answers = [PIPELINE] of { byte, byte, bit, byte };   /* what, port, not refused, row: carried out, not read */
bit connected;
#define CAPACITY (connected -> PIPELINE - len(commands) - len(answers) : 0)

bit known[PORTS];      /* acked is what Redis holds, once all that was sent is answered */
byte acked[PORTS];
byte announced[PORTS]; /* owed again unless the write under way is acknowledged */
bit mine[PORTS];
bit again[PORTS];
byte writing[PORTS];
byte retry[PORTS]; /* 1: the back-off lasts, 2: it is over */
bit live, held;

/* Reading back */
#define IDLE 0
#define SCANNING 1
#define READING 2
byte reading;
byte next_read, reads;
bit read_failed, read_later;
bit asked[PORTS];   /* a row is being read */
bit crossed[PORTS]; /* a write overtook the read that is under way (generation) */

#ifdef MUT_ABANDONED_WRITE_LANDS
bit late;
byte late_port, late_fields, late_row;
#define LATE late
#else
#define LATE 0
#endif

/* What nobody will read any more has one value only, so that there are fewer states. */
inline unknown(n)
{
	known[n] = 0;
	acked[n] = 0
}

inline not_done(what, n)
{
#ifndef MUT_SENT_COUNTS_AS_DONE
	unknown(n);
#endif
	if
	:: what == DEL -> mine[n] = 1; owed_del[n] = 1
	:: else ->
#ifndef MUT_SENT_COUNTS_AS_DONE
		owed[n] = (link[n] -> TOGETHER(owed[n], announced[n]) : 0);
#endif
		announced[n] = 0
	fi
}

inline send_write(what, n, which, set)
{
#ifdef THEIRS
	assert(n != THEIRS); /* a row that is not ours is never written */
#endif
	assert(CAPACITY > 0);
	commands!what, n, which, set;
	crossed[n] = asked[n];
	writing[n]++;
	assert(writing[n] <= 2); /* a DEL and a SET */
	known[n] = 1
}

inline send_delete(n)
{
	expect(SENT_DEL, n, 0);
	acked[n] = 0;
	mine[n] = 0;
	send_write(DEL, n, 0, 0)
}

inline send_set(n, differing)
{
	assert(!SEEN(n) || cause[n] || meddled[n]); /* what did not change is not written */
	cause[n] = 0;
	acked[n] = want;
	mine[n] = 1;
	announced[n] = TOGETHER(differing, owed[n]);
	owed[n] = 0;
	expect(SENT_SET, n, (announced[n] << 3) | want);
	send_write(SET, n, fields, want)
}

inline write_row(n)
{
	want = DESIRED(link[n]);
	f = owed_del[n] && mine[n];
	owed_del[n] = 0;
	if
	:: f -> send_delete(n)
	:: else
	fi;
	f = DIFF((known[n] -> acked[n] : 0), want);
	fields = (owed[n] & DOUBT -> FIELDS : f | owed[n]);
	if
	:: fields -> send_set(n, f)
	:: else
	fi
}

#ifdef MUT_DELETES_THEIRS
#define OURS(n) row[n]
#else
#define OURS(n) mine[n]
#endif

inline publish_port(n)
{
	if
#ifdef MUT_NOTHING_IS_WRITTEN
	:: 1 -> owed[n] = 0; owed_del[n] = 0
#endif
	:: writing[n] ->
#ifndef MUT_FORGETS_WHILE_WRITING
		again[n] = 1
#endif
	:: else ->
		if
		:: retry[n] != 1 ->
			retry[n] = 0;
			if
			:: link[n] -> write_row(n)
			:: else ->
				owed_del[n] = 0;
				if
				:: OURS(n) -> send_delete(n)
				:: else
				fi
			fi
		:: else
		fi
	fi
}

/* The end of each turn. */
inline flush()
{
	do
	:: n_dirty && live && !held && CAPACITY >= 2 -> pop_dirty(); publish_port(q)
	:: else -> break
	od
}

inline start_readback()
{
	if
	:: connected && reading == IDLE && CAPACITY -> commands!SCAN, 0, 0, 0; reading = SCANNING; read_failed = 0
	:: connected && reading == IDLE && !CAPACITY -> read_later = 1
	:: else
	fi
}

inline finish_readback()
{
	reading = IDLE;
	next_read = 0;
	if
	:: connected && read_failed -> read_later = 1
	:: connected && !read_failed -> live = 1
	:: else
	fi;
	read_failed = 0
}

inline pump()
{
	do
	:: !read_failed && next_read < PORTS && CAPACITY ->
		commands!READ, next_read, 0, 0;
		asked[next_read] = 1;
		next_read++;
		reads++
	:: else -> break
	od;
	if
	:: next_read < PORTS && reads == 0 -> read_failed = 1
	:: else
	fi;
	if
	:: reads == 0 -> finish_readback()
	:: else
	fi
}

#ifdef MUT_READ_BEHIND_WRITE
#define CROSSED(n) 0
#else
#define CROSSED(n) crossed[n]
#endif

inline take_row(n, found)
{
	if
	:: CROSSED(n) || (known[n] && acked[n] == found) -> skip
	:: else ->
		acked[n] = found;
		known[n] = 1;
#ifdef MUT_LEFT_ROW_STAYS
		mine[n] = 0;
#else
		mine[n] = ROW_OPER(found) != 0;
#endif
		mark_dirty(n)
	fi
}

inline on_written(what, n, ok)
{
	writing[n]--;
	if
	:: ok && what == SET -> announced[n] = 0
	:: ok && what == DEL -> skip
	:: !ok ->
		not_done(what, n);
		crossed[n] = asked[n];
		cause[n] = SEEN(n) && link[n];
#ifndef MUT_REFUSED_FOR_GOOD
		retry[n] = (retry[n] -> retry[n] : 1)
#endif
	fi;
	if
	:: again[n] && writing[n] == 0 -> again[n] = 0; mark_dirty(n)
	:: else
	fi
}

/* One answer; a turn reads as many as it likes. */
inline take_answer()
{
	answers?k, p, good, x;
	if
	:: k == SET || k == DEL -> on_written(k, p, good)
	:: k == SCAN ->
		reading = READING;
		next_read = 0;
		read_failed = !good;
		pump()
	:: k == READ ->
		reads--;
		if
		:: good -> take_row(p, x)
		:: else -> mark_dirty(p)
		fi;
		asked[p] = 0;
		crossed[p] = 0;
		pump()
	fi;
	assert(len(commands) + len(answers) <= PIPELINE)
}

inline drop_command(what, n)
{
	if
	:: what == SET || what == DEL ->
		writing[n]--;
		not_done(what, n);
		if
		:: again[n] && writing[n] == 0 -> again[n] = 0; mark_dirty(n)
		:: else
		fi
	:: else
	fi
}

/* All answers under way, and whatever was carried out without one, are unknown. */
inline lose_connection()
{
	connected = 0;
	do
	:: nempty(answers) -> answers?k, p, good, x; drop_command(k, p)
	:: empty(answers) -> break
	od;
	do
	:: nempty(commands) ->
		commands?k, p, f, x;
#ifdef MUT_ABANDONED_WRITE_LANDS
		if
		:: k == SET && !late -> late = 1; late_port = p; late_fields = f; late_row = x
		:: else
		fi;
#endif
		drop_command(k, p)
	:: empty(commands) -> break
	od;
	reading = IDLE;
	next_read = 0;
	reads = 0;
	read_failed = 0;
#ifndef MUT_TRUSTS_OLD_ROWS
	live = 0;
#endif
	for (q : 0 .. LAST) {
#ifndef MUT_TRUSTS_OLD_ROWS
		unknown(q);
#endif
		retry[q] = 0;
		asked[q] = 0;
		crossed[q] = 0;
		cause[q] = SEEN(q) && link[q];
		/* Consumers may have lost their connections too. */
		unheard[q] = (kernel[q] -> SEEN(q) : 0)
	}
#ifndef MUT_NO_EVENT_AFTER_OUTAGE
	links_doubt()
#endif
}
