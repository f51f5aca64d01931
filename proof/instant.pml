/* SPDX-License-Identifier: Apache-2.0 */
/* A Redis without faults that carries out a write as soon as it is sent. So what publish.pml does becomes as short. */
bit held;

inline publish_at_once(n)
{
	if
	:: (owed_del[n] || !link[n]) && row[n] -> redis_deletes(n)
	:: else
	fi;
	owed_del[n] = 0;
	if
	:: link[n] ->
		want = DESIRED(link[n]);
		fields = (owed[n] & DOUBT -> FIELDS : DIFF(row[n], want) | owed[n]);
		owed[n] = 0;
		if
		:: fields ->
			assert(!SEEN(n) || cause[n] || meddled[n]); /* what did not change is not written */
			cause[n] = 0;
			redis_sets(n, want, fields)
		:: else
		fi
	:: else -> cause[n] = 0
	fi
}

inline flush()
{
	do
	:: n_dirty && !held -> pop_dirty(); publish_at_once(q)
	:: else -> break
	od
}

#define OWES(n) (dirty[n] || owed[n])
