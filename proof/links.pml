/* SPDX-License-Identifier: Apache-2.0 */
/* src/ports/links.c: the daemon's copy of the links, and what it owes to consumers. */
byte link[PORTS];     /* as in kernel[] */
byte owed[PORTS];     /* fields, and DOUBT */
bit owed_del[PORTS];
byte dirty[PORTS];    /* place in the queue, from 1; 0: not in it */
byte n_dirty;

/* In doubt all fields are written: what else is owed does not matter. */
#ifdef RECORDED
#define TOGETHER(a, b) ((a) | (b))
#else
#define TOGETHER(a, b) (((a) | (b)) & DOUBT -> DOUBT : (a) | (b))
#endif

inline mark_dirty(n)
{
	if
	:: !dirty[n] -> n_dirty++; dirty[n] = n_dirty
	:: else
	fi
}

/* To q */
inline pop_dirty()
{
	q = 0;
	do
	:: dirty[q] == 1 -> break
	:: else -> q++
	od;
	n_dirty--;
	for (k : 0 .. LAST) {
		dirty[k] = (dirty[k] -> dirty[k] - 1 : 0)
	}
}

inline detach(n)
{
	expect(OWED, n, 8);
	link[n] = 0;
	owed[n] = 0;
#ifndef MUT_MERGED_DELETION
	owed_del[n] = 1;
#endif
	mark_dirty(n)
}

inline attach(n, new)
{
	expect(OWED, n, DOUBT);
	link[n] = new;
	owed[n] = DOUBT;
	mark_dirty(n)
}

inline owe(n, which)
{
	if
	:: (which) != 0 ->
		expect(OWED, n, which);
#ifndef MUT_LEVELS_ONLY
		owed[n] = TOGETHER(owed[n], which);
#endif
		mark_dirty(n)
	:: else
#ifdef MUT_WRITES_UNCHANGED
		-> owed[n] = TOGETHER(owed[n], FIELDS); mark_dirty(n)
#endif
	fi
}

#ifdef MUT_MASTER_IGNORED
#define MASTER_OWES(a, b) 0
#else
#define MASTER_OWES(a, b) (MASTER(a) != MASTER(b) -> STATE : 0)
#endif

/* A message, a row of a dump or an answer says that there is this link. */
inline links_present(n, new)
{
	if
	:: link[n] && INDEX(link[n]) != INDEX(new) -> detach(n)
	:: else
	fi;
	if
	:: !link[n] -> attach(n, new)
	:: else ->
		owe(n, (VALUE(link[n]) != VALUE(new) -> OPER : 0) | MASTER_OWES(link[n], new));
		link[n] = new
	fi
}

#ifdef MUT_MASTER_HIDES_END
#define HIDDEN_END(x) MASTER(x)
#else
#define HIDDEN_END(x) 0
#endif

inline links_gone(n, old)
{
	if
	:: link[n] && INDEX(link[n]) == INDEX(old) && !HIDDEN_END(old) -> detach(n)
	:: else
	fi
}

inline links_doubt()
{
	for (k : 0 .. LAST) {
		if
		:: link[k] -> owed[k] = TOGETHER(owed[k], DOUBT); mark_dirty(k)
		:: else
		fi
	}
}
