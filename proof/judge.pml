/* SPDX-License-Identifier: Apache-2.0 */
/* Calms, and what must be true at their ends. RECONCILE is the configuration's. */
#ifndef OWES
/* publish_owes() */
#define OWES(n) (writing[n] || owed_del[n] && mine[n] || \
	(link[n] -> !known[n] || owed[n] || acked[n] != DESIRED(link[n]) : mine[n]))
#endif

/* Only what others did, and a row that Redis refused to show and that has no link any more, waits for the
 * reconciliation. */
inline judge_before(n)
{
	assert(!SEEN(n) || !kernel[n] || meddled[n] || EQUAL(n) && !unheard[n] && !OWES(n))
}

inline judge(n)
{
	if
	:: SEEN(n) ->
		assert(EQUAL(n));    /* STATE_DB is what the kernel says */
		assert(!unheard[n]); /* each change had an event, and from it on the row was the truth */
		assert(!ended[n]);   /* each end of a link was a DEL */
		assert(!dirty[n] && !OWES(n))
	:: else
	fi;
	silent[n] = 0;
	meddled[n] = 0
}

active proctype weather()
{
	do
#ifdef LIVENESS
	:: atomic { calm == STORM -> calm = CALM; checked = 0 }
	:: atomic {
		calm == CALM && timeout ->
#else
	/* A calm takes no step that a storm could not, so these are the ends of all of them. */
	:: atomic {
		calm == STORM && QUIET ->
#endif
		for (q : 0 .. LAST) {
			judge_before(q)
		}
		calm = RECONCILED;
		RECONCILE
	}
	:: atomic {
		calm == RECONCILED && timeout ->
		assert(AT_REST);
		for (q : 0 .. LAST) {
			judge(q)
		}
#ifdef LIVENESS
		checked = 1;
#endif
		calm = STORM
	}
	od
}

/* Whenever the faults cease, everything comes to rest, and then it is as it should be. */
#ifdef LIVENESS
ltl converges { [] ((calm == CALM) -> <> checked) }
#endif
