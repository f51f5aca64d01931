/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What all models share: how links and rows are written down, and what an observer remembers in order to judge.
 * Temporaries are hidden: they mean something within one step only.
 */
#ifndef PORTS
#define PORTS 1
#endif
#define LAST (PORTS - 1)

/* A link is a byte, 0: there is none. A port's links differ by the ifindex, of which one bit matters. The value stands
 * for admin, oper and MTU: what the row says of the link. */
#define LINK(index, value, master) (8 | ((master) << 2) | ((value) << 1) | (index))
#define INDEX(x) ((x) & 1)
#define VALUE(x) (((x) >> 1) & 1)
#define MASTER(x) (((x) >> 2) & 1)

/* A row: bit 0 is the field that never changes (state), bits 1 and 2 the one that does: 0 missing, 1 or 2. */
#define STATE 1
#define OPER 2
#define DOUBT 4 /* nobody knows what changed */
#define FIELDS 3
#define DESIRED(x) (1 | ((VALUE(x) + 1) << 1))
#define ROW_OPER(row) ((row) >> 1)
#define DIFF(a, b) ((((a) ^ (b)) & 1) | (ROW_OPER(a) != ROW_OPER(b) -> OPER : 0))
#define FLIPPED(row) (ROW_OPER(row) -> (row) ^ 6 : (row))
#define MERGED(row, want, fields) \
	(((fields) & STATE -> 1 : (row) & 1) | ((fields) & OPER -> (want) & 6 : (row) & 6))

byte kernel[PORTS]; /* the links that there are */
byte row[PORTS];    /* STATE_DB */

/*
 * Faults come and go. In a calm none comes until the daemon is at rest; then it reconciles, and comes to rest again:
 * now everything must be as it should be. Then the faults go on. So "infinitely often calm" is fairness of the faults.
 */
#define STORM 0
#define CALM 1
#define RECONCILED 2
byte calm = STORM;
/* FAULTS: the sum of the kinds that come, for a look at a part of what can happen. Of Redis: */
#define REFUSES 1
#define LOSES 2    /* the connection */
#define RESTARTS 4 /* without its rows */
#define MEDDLES 8  /* others write */
/* Of the kernel and of the reading of it: */
#define OVERRUNS 1
#define CUTS 2       /* a message is truncated or malformed */
#define RUNS_SHORT 4 /* of memory, amid a dump */
#define TIMES_OUT 8  /* a dump */
#ifndef FAULTS
#define FAULTS 255
#endif
#define MAY(fault) (calm == STORM && (FAULTS & (fault)))
bit checked; /* the last step was such a judgement: for the liveness property */

/* The observer's. One that looks at one port only has fewer states, and no assertion is about two. */
#ifdef JUDGED
#define SEEN(n) ((n) == JUDGED)
#else
#define SEEN(n) 1
#endif
bit unheard[PORTS]; /* a change, or a gap, after which no event had the truth in its row */
bit cause[PORTS];   /* something that a write may answer to */
bit meddled[PORTS]; /* others changed the row since the last judgement */
bit silent[PORTS];  /* the link changed without a message since the last judgement */
bit ended[PORTS];   /* a link whose row was in STATE_DB is gone, and no DEL of the row came */

#ifndef RECORDED
#define expect(kind, n, is) skip /* only a recording says what comes next */
#endif

hidden byte p, q, k, f, x, y, want, fields;
hidden byte news, good;

#define EQUAL(n) (kernel[n] -> row[n] == DESIRED(kernel[n]) : ROW_OPER(row[n]) == 0)

/* A consumer that reads the row at this event finds this. */
inline heard(n)
{
	if
	:: kernel[n] && (row[n] == DESIRED(kernel[n]) || silent[n]) -> unheard[n] = 0
	:: else
	fi
}

inline redis_sets(n, set, which)
{
	row[n] = MERGED(row[n], set, which);
	heard(n)
}

inline redis_deletes(n)
{
	row[n] = 0;
	ended[n] = 0;
	heard(n)
}

inline kernel_becomes(n, new)
{
	if
	:: kernel[n] && (!(new) || INDEX(kernel[n]) != INDEX(new)) && ROW_OPER(row[n]) -> ended[n] = SEEN(n)
	:: else
	fi;
	kernel[n] = new;
	/* A silent change that ends where the daemon's copy stands has no event. */
	unheard[n] = ((new) && !silent[n] -> SEEN(n) : (new -> unheard[n] : 0)) /* the end of a link is heard by the DEL */
}
