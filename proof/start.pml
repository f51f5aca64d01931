/* SPDX-License-Identifier: Apache-2.0 */
/*
 * src/sonic/startup.c with portrows, warm and oldlinks, an APPL_DB that refuses, loses connections and is emptied, and a
 * stand-in for orchagent: it takes what the producer left, in any order, deletes old links, creates the ports once
 * PortConfigDone is there, and writes admin_status into their rows. publish.c is a step here: rows.pml has it whole.
 */
#ifndef PORTS
#define PORTS 2
#endif
#define LAST (PORTS - 1)

#define AWAITS_KERNEL 0
#define AWAITS_REDIS 1
#define READING_ROWS 2
#define CONFIG_DONE_DUE 3
#define CONFIG_DONE_SENT 4
#define ROWS_UNPROVED 5
#define PROVING_ROWS 6
#define AWAITS_LINKS 7
#define INIT_DONE_SENT 8
#define DONE 9
byte state;

#define UNDECIDED 0
#define COLD 1
#define WARM 2
byte kind;

/* APPL_DB: 0 not there, 1 left by the producer, 2 taken by its consumer */
byte row[PORTS], config_done, init_done;
bit row_admin[PORTS]; /* the row has admin_status */
bit state_row[PORTS]; /* STATE_DB */
bit is_warm;          /* what the tables of warm restart say */
bit emptied;          /* somebody emptied APPL_DB; the daemon may not know yet */

/* Host interfaces */
#define NONE 0
#define OLD 1 /* of the switch process before this cold start */
#define CREATED 2
byte link[PORTS];
#define NOBODY 9

/* The daemon's */
bit begun; /* what was there before is settled */
bit connected, decided;
bit checked; /* the last step was a judgement: for the liveness property */
bit old[PORTS];       /* ignored until it is deleted */
bit expected[PORTS];  /* holds back PortInitDone */
bit published[PORTS];
bit configured[PORTS];
byte admin[PORTS];    /* 0 unknown, 1 asked, 2 absent, 3 present: before our first push */
bit pushed[PORTS]; /* or, on a warm start, known to be there */
bit missing[PORTS]; /* on a warm start, so that it is pushed */
byte next, under_way;
bit refused, held, check_due;
byte first = NOBODY; /* whose row was accepted first: if APPL_DB is emptied after it, that one is gone */

#define ASK 1
#define PUSH 2
#define PUSH_CONFIG_DONE 3
#define COUNT_FIRST_ROW 4
#define PUSH_INIT_DONE 5
#define COUNT_CONFIG_DONE 6
#define COUNT_INIT_DONE 7
#define COUNT_ROW 8
#ifndef PIPELINE
#define PIPELINE 3
#endif
#ifdef MUT_REFUSED_QUESTION_COUNTS
#define REFUSED 3 /* not the value of any answer */
#else
#define REFUSED 2
#endif
chan commands = [PIPELINE] of { byte, byte };
chan answers = [PIPELINE] of { byte, byte, byte }; /* 2: refused, else 0 or 1 */
#define CAPACITY (PIPELINE - len(commands) - len(answers))

#define STORM 0
#define CALM 1
#define RECONCILED 2
byte calm;

hidden byte q, k, x, n;

inline read_rows()
{
	state = READING_ROWS;
	next = 0;
	refused = 0;
	first = NOBODY;
	for (q : 0 .. LAST) {
		pushed[q] = 0;
		missing[q] = 0
	}
}

inline push_all_again()
{
	kind = COLD;
	held = 0;
	for (q : 0 .. LAST) {
		admin[q] = (admin[q] == 1 -> 1 : 0)
	}
	read_rows()
}

/* All rows are pushed, or APPL_DB has them. */
inline rows_done()
{
	for (q : 0 .. LAST) {
		if
#ifdef MUT_OLD_LINKS_COUNT
		:: link[q] == OLD -> skip
#endif
		:: else ->
			if
			:: (kind == WARM || admin[q] != 3) && !(published[q] && configured[q] && link[q] && !old[q]) -> expected[q] = 1
			:: else
			fi
		fi
	}
	if
	:: kind == WARM -> state = AWAITS_LINKS; decided = 1
	:: else -> state = CONFIG_DONE_DUE
	fi
}

inline end_reading()
{
	if
	:: state == READING_ROWS && next == PORTS && under_way == 0 && refused -> refused = 0; held = 1
	:: state == READING_ROWS && next == PORTS && under_way == 0 && !refused -> rows_done()
	:: else
	fi
}

/* A turn of the loop. Rows first, one after the other as there is capacity; then the markers. */
inline go_on()
{
	if
	:: state == READING_ROWS && kind == WARM && next < PORTS && CAPACITY >= 2 ->
		if
#ifdef MUT_WARM_ROWS_TRUSTED
		:: !pushed[next] -> pushed[next] = 1
#else
		:: !pushed[next] && configured[next] -> pushed[next] = 1
		:: !pushed[next] && !configured[next] && !missing[next] -> commands!COUNT_ROW, next; under_way++
		:: !pushed[next] && !configured[next] && missing[next] -> commands!PUSH, next; under_way++
#endif
		:: else
		fi;
		next++;
		end_reading()
	:: state == READING_ROWS && kind == COLD && next < PORTS && CAPACITY >= 2 ->
		if
		:: !pushed[next] ->
#ifdef MUT_ASKS_AFTER_PUSH
			commands!PUSH, next;
			under_way++;
#endif
			if
			:: admin[next] == 0 -> commands!ASK, next; admin[next] = 1; under_way++
			:: else
			fi;
#ifndef MUT_ASKS_AFTER_PUSH
			commands!PUSH, next;
			under_way++
#endif
		:: else
		fi;
		next++;
		end_reading()
#ifdef MUT_FULL_IS_FORGOTTEN
	:: state == READING_ROWS && kind == COLD && next < PORTS && CAPACITY < 2 -> next++; end_reading()
#endif
	:: state == CONFIG_DONE_DUE && CAPACITY -> commands!PUSH_CONFIG_DONE, 0; state = CONFIG_DONE_SENT
	:: state == ROWS_UNPROVED && CAPACITY -> commands!COUNT_FIRST_ROW, first; state = PROVING_ROWS
	:: state == AWAITS_LINKS && CAPACITY && (expected[0] + expected[LAST] == 0) ->
		commands!PUSH_INIT_DONE, 0;
		state = INIT_DONE_SENT
	fi
}
#ifdef MUT_FULL_IS_FORGOTTEN
#define ROOM 1
#else
#define ROOM (CAPACITY >= 2)
#endif
#define CAN_GO_ON (state == READING_ROWS && next < PORTS && ROOM || \
	(state == CONFIG_DONE_DUE || state == ROWS_UNPROVED) && CAPACITY || \
	state == AWAITS_LINKS && CAPACITY && (expected[0] + expected[LAST] == 0))

inline ask_for_markers()
{
	check_due = 1
}

inline take_answer()
{
	answers?k, n, x;
	if
	:: k == ASK ->
		under_way--;
		admin[n] = (x == 1 -> 3 : 2);
		end_reading()
	:: k == PUSH ->
		under_way--;
		if
		:: x == 2 -> refused = 1
		:: else -> pushed[n] = 1; first = (first == NOBODY -> n : first)
		fi;
		end_reading()
	:: k == COUNT_ROW ->
		under_way--;
		if
		:: x == REFUSED -> refused = 1
		:: x == 0 -> missing[n] = 1; commands!PUSH, n; under_way++
		:: else -> pushed[n] = 1
		fi;
		end_reading()
	:: k == PUSH_CONFIG_DONE && state == CONFIG_DONE_SENT ->
		if
		:: x == 2 -> state = CONFIG_DONE_DUE; held = 1
		:: x != 2 && first == NOBODY -> state = AWAITS_LINKS
		:: x != 2 && first != NOBODY && CAPACITY -> commands!COUNT_FIRST_ROW, first; state = PROVING_ROWS
		:: x != 2 && first != NOBODY && !CAPACITY -> state = ROWS_UNPROVED; held = 1
		fi
	:: k == COUNT_FIRST_ROW && state == PROVING_ROWS ->
#ifdef MUT_ROWS_NOT_PROVED
		state = AWAITS_LINKS
#else
		if
		:: x == 0 -> push_all_again()
		:: x == REFUSED -> state = ROWS_UNPROVED; held = 1
		:: else -> state = AWAITS_LINKS
		fi
#endif
	:: k == PUSH_INIT_DONE && state == INIT_DONE_SENT ->
		if
		:: x == 2 -> state = AWAITS_LINKS; held = 1
		:: else -> state = DONE
		fi
	:: k == COUNT_CONFIG_DONE && x == 0 && (state == AWAITS_LINKS || state == DONE) -> push_all_again()
#ifndef MUT_LOST_MARKER_IGNORED
	:: k == COUNT_INIT_DONE && x == 0 && state == DONE -> state = AWAITS_LINKS
#endif
	:: else
	fi
}

/* Redis may have carried out both question and push: a question from now on may find our own row. */
#ifdef MUT_LOST_PUSH_FORGOTTEN
#define PUSH_LOST(n) admin[n]
#else
#define PUSH_LOST(n) (admin[n] == 0 -> 2 : admin[n])
#endif
#define LOST_IS(k, n) (k == ASK -> 0 : (k == PUSH -> PUSH_LOST(n) : admin[n]))

inline lose_connection()
{
	connected = 0;
	do
	:: nempty(answers) -> answers?k, n, x; admin[n] = LOST_IS(k, n)
	:: empty(answers) -> break
	od;
	do
	:: nempty(commands) -> commands?k, n; admin[n] = LOST_IS(k, n)
	:: empty(commands) -> break
	od;
	under_way = 0;
	refused = 0;
	held = 0;
	check_due = 0;
	next = 0;
	state = (state >= READING_ROWS && state <= PROVING_ROWS -> AWAITS_REDIS :
		(state == INIT_DONE_SENT -> AWAITS_LINKS : state))
}

#define APPL_HAS(what) (what != 0)

active proctype appl_db()
{
	do
	:: atomic {
		connected && nempty(commands) ->
		commands?k, n;
		x = 1;
		if
		:: calm == STORM -> x = 2
		:: x = 1
		fi;
		if
		:: x == 2
		:: x != 2 && k == ASK -> x = (row[n] == 2 && row_admin[n])
		:: x != 2 && k == PUSH ->
			assert(kind != WARM || missing[n]); /* a warm start pushes only what was missing */
#ifndef MUT_ROWS_ELSEWHERE
			row[n] = (row[n] == 2 -> 2 : 1)
#endif
		:: x != 2 && k == PUSH_CONFIG_DONE ->
			/* All rows precede it, unless others took them away. */
			assert(emptied || row[0] && row[LAST]);
			config_done = (config_done == 2 -> 2 : 1)
		:: x != 2 && (k == COUNT_FIRST_ROW || k == COUNT_ROW) -> x = APPL_HAS(row[n])
		:: x != 2 && k == PUSH_INIT_DONE ->
			assert(emptied || config_done);
			/* Each port has its link of this start, and that its row in STATE_DB. */
			assert(emptied || link[0] == CREATED && link[LAST] == CREATED && state_row[0] && state_row[LAST]);
			init_done = (init_done == 2 -> 2 : 1)
		:: x != 2 && k == COUNT_CONFIG_DONE -> x = APPL_HAS(config_done)
		:: x != 2 && k == COUNT_INIT_DONE -> x = APPL_HAS(init_done)
		fi;
		answers!k, n, x
	}
	:: atomic { connected && calm == STORM -> lose_connection() }
	/* Others empty it, or delete the last marker. */
	:: atomic {
		calm == STORM && config_done && (is_warm || decided) ->
		emptied = 1;
		config_done = 0;
		init_done = 0;
		for (q : 0 .. LAST) {
			row[q] = 0;
			row_admin[q] = 0
		}
	}
	:: atomic { calm == STORM && init_done && state == DONE -> init_done = 0 }
	od
}

/* Notifications tell the daemon of a row at once. */
#define TAKE(n) \
	:: atomic { row[n] == 1 -> row[n] = 2 } \
	:: atomic { row[n] == 1 -> row[n] = 2; row_admin[n] = 1 /* CONFIG_DB's row has it */ } \
	:: atomic { row[n] == 2 && !row_admin[n] && (link[n] == CREATED || config_done == 2) -> row_admin[n] = 1 } \
	:: atomic { link[n] == OLD && !is_warm -> link[n] = NONE; END_OLD(n); state_row[n] = 0; published[n] = 0 } \
	:: atomic { \
		link[n] == NONE && row[n] == 2 && config_done == 2 -> \
		link[n] = CREATED; \
		FORGET_LINK(n) \
	} \
	:: atomic { configured[n] != (row[n] == 2) -> configured[n] = (row[n] == 2) }

#ifdef MUT_OLD_FOR_EVER
#define END_OLD(n) skip
#else
#define END_OLD(n) old[n] = 0
#endif

#ifdef MUT_LINK_BEFORE_ROW_FORGOTTEN
bit forgotten[PORTS];
#define FORGET_LINK(n) forgotten[n] = !configured[n]
#define FORGOTTEN(n) forgotten[n]
#else
#define FORGET_LINK(n) skip
#define FORGOTTEN(n) 0
#endif

active proctype orchagent()
{
	do
	TAKE(0)
#if PORTS > 1
	TAKE(1)
#endif
	:: atomic { config_done == 1 -> config_done = 2 }
	:: atomic { init_done == 1 -> init_done = 2 }
	od
}

#ifdef MUT_OLD_LINKS_COUNT
#define COUNTS(n) link[n]
#else
#define COUNTS(n) (link[n] && !old[n])
#endif

#ifdef MUT_EXPECTED_FOR_EVER
#define MAY_CLEAR 0
#else
#define MAY_CLEAR 1
#endif

#define PUBLISH(n) \
	:: atomic { decided && COUNTS(n) && configured[n] && !published[n] && !FORGOTTEN(n) -> state_row[n] = 1; published[n] = 1 } \
	:: atomic { MAY_CLEAR && expected[n] && configured[n] && COUNTS(n) && READY(n) -> expected[n] = 0 }
#ifdef MUT_LINK_COUNTS_BEFORE_ROW
#define READY(n) 1
#else
#define READY(n) published[n]
#endif

/* APPL_DB has PortInitDone: only the daemon was restarted, and nobody will delete the links. */
#ifdef MUT_KEPT_LINKS_ARE_OLD
#define KEPT 0
#else
#define KEPT init_done
#endif

active proctype daemon()
{
	do
	:: atomic { state == AWAITS_KERNEL && begun -> state = AWAITS_REDIS }
	:: atomic { begun && !connected -> connected = 1; ask_for_markers() }
	/* What kind of start this is. At a cold one the links that are there are old. */
	:: atomic {
		connected && state == AWAITS_REDIS ->
		if
		:: kind == UNDECIDED && is_warm -> kind = WARM
		:: kind == UNDECIDED && !is_warm ->
			kind = COLD;
			decided = 1;
			for (q : 0 .. LAST) {
				old[q] = (link[q] != NONE && !KEPT)
			}
		:: else
		fi;
		read_rows()
	}
	:: atomic { connected && !held && CAN_GO_ON -> go_on() }
	:: atomic { held && connected -> held = 0; next = (state == READING_ROWS -> 0 : next) }
	:: atomic {
		connected && check_due && CAPACITY >= 2 ->
		check_due = 0;
		if
		:: state == AWAITS_LINKS || state == DONE -> commands!COUNT_CONFIG_DONE, 0; commands!COUNT_INIT_DONE, 0
		:: else
		fi
	}
	:: atomic { connected && nempty(answers) -> take_answer() }
	PUBLISH(0)
#if PORTS > 1
	PUBLISH(1)
#endif
	od
}

active proctype weather()
{
	atomic {
		if
		:: if
			:: is_warm = 1
			:: skip /* the daemon alone is restarted */
			fi;
			config_done = 2;
			init_done = 2;
			for (q : 0 .. LAST) {
				row[q] = 2;
				row_admin[q] = 1;
				link[q] = CREATED;
				state_row[q] = 1
			}
		:: /* An emptied APPL_DB got the marker all the same, and the daemon was killed before it noticed. */
			is_warm = 1;
			config_done = 1;
			row[LAST] = 1;
			if
			:: row[0] = 0
			:: row[0] = 1
			fi
		:: for (q : 0 .. LAST) {
				if
				:: link[q] = OLD
				:: link[q] = NONE
				fi
			}
		fi;
		begun = 1
	};
	do
	:: atomic { calm == STORM -> calm = CALM; checked = 0 }
	:: atomic { calm == CALM && timeout -> calm = RECONCILED; ask_for_markers() }
	:: atomic {
		calm == RECONCILED && timeout ->
		assert(state == DONE && config_done && init_done && row[0] && row[LAST]);
		assert(state_row[0] && state_row[LAST] && link[0] == CREATED && link[LAST] == CREATED);
		emptied = 0;
		checked = 1;
		calm = STORM
	}
	od
}

#ifdef LIVENESS
ltl converges { [] ((calm == CALM) -> <> checked) }
#endif
