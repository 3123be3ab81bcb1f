/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * service_registry.pml - a name exists at most once
 *
 * Stands for: lib/core/service.c (insert, and the reaper's step for one entry).
 *
 * A table of E entries; the word of an entry (state, claimant, version, name hash)
 * is one atomic; the name's bytes are not. The version grows with every claim.
 * insert(h):
 *   a. CAS an EMPTY entry to CLAIMING(h, me); write the name
 *   b. scan all other entries: READY(h), of my name: CAS mine CLAIMING->EMPTY, use that one;
 *      CLAIMING(h): CAS *that* one to ABORTED, look again if the CAS fails
 *   c. CAS mine CLAIMING->READY
 * Whoever finds its entry ABORTED moves it to EMPTY itself (or a reaper does, when
 * it is dead) and tries again, TRIES times.
 *
 * Each process may stop for ever, or die, after any step. RESTART: the slot of
 * process 1 is used again by a new incarnation once a reaper has passed, while a
 * second reaper may be stale.
 *
 * Asserted: never two READY entries with one name (once); nobody writes name bytes
 * into an entry that is not its own claim (mine; WEAK asks only that it is not
 * somebody else's: others);
 * SOLO: when all others have stopped before it starts, the first try succeeds
 * (blocked); at the end no entry of a dead process is left (left).
 *
 * not_lock_free: nobody dies or stops, and yet all may fail in every try, because two
 * rivals can abort each other for ever. The protocol is obstruction-free and no more:
 * a retry must back off for a random time, and insert may return busy.
 * LAST: one process dies, and is reaped by one pass, beside those that go on.
 * NAMES: the processes have that many names in turn, all of one hash. The name is not in
 * the word, and a READY entry of another name is as one of another hash. Who may only read
 * a pool could else choose a name by its hash, and its writer had no service
 * (hash_is_name). The name has to be there before READY (name_late).
 * no_version: without the version a stale reaper empties the entry of a
 * new incarnation, and another process claims it.
 *
 * @variant base               quick pass -DP=2 -DE=2 -DTRIES=2 opt=2
 * @variant three              quick pass -DP=3 -DE=3 -DTRIES=1 -DNODIE opt=2
 * @variant small_table        quick pass -DP=3 -DE=2 -DTRIES=1 opt=2
 * @variant solo               quick pass -DP=3 -DE=3 -DTRIES=1 -DSOLO opt=2
 * @variant restart            quick pass -DP=2 -DE=2 -DTRIES=1 -DRESTART opt=2
 * @variant last               quick pass -DP=2 -DE=2 -DTRIES=1 -DLAST opt=2
 * @variant no_scan            quick fail:once -DP=2 -DE=2 -DTRIES=2 -DMUT_NO_SCAN
 * @variant abort_to_empty     quick fail:others -DWEAK -DP=3 -DE=2 -DTRIES=1 -DMUT_ABORT_TO_EMPTY
 * @variant store_confirm      quick fail:once -DP=2 -DE=2 -DTRIES=2 -DMUT_STORE_CONFIRM
 * @variant wait_for_rival     quick fail:blocked -DP=2 -DE=2 -DTRIES=1 -DSOLO -DMUT_WAIT_FOR_RIVAL
 * @variant not_lock_free      quick fail:nobody -DP=2 -DE=2 -DTRIES=3 -DNODIE -DASK_LOCK_FREE
 * @variant no_version         quick fail:others -DWEAK -DP=2 -DE=2 -DTRIES=1 -DRESTART -DMUT_NO_VERSION
 * @variant one_try            quick fail:left -DP=2 -DE=2 -DTRIES=1 -DLAST -DMUT_ONE_TRY
 * @variant names              quick pass -DP=3 -DE=3 -DTRIES=1 -DNAMES=2 -DNODIE opt=2
 * @variant names_small        quick pass -DP=3 -DE=2 -DTRIES=1 -DNAMES=2 opt=2
 * @variant names_solo         quick pass -DP=3 -DE=3 -DTRIES=1 -DSOLO -DNAMES=2 opt=2
 * @variant hash_is_name       quick fail:blocked -DP=3 -DE=3 -DTRIES=1 -DSOLO -DNAMES=2 -DMUT_HASH_IS_NAME
 * @variant name_late          quick fail:once -DP=3 -DE=3 -DTRIES=1 -DNAMES=2 -DNODIE -DMUT_NAME_LATE
 * @variant three_tries        long  pass -DP=2 -DE=3 -DTRIES=3 opt=2 hash=24 mem=8000
 * @variant three_full         long  pass -DP=3 -DE=3 -DTRIES=1 opt=2 hash=26 mem=8000 collapse=1
 */
#ifndef P
#define P	2		/* processes, ids 1 .. P, all with the same hash */
#endif
#ifndef E
#define E	2		/* entries */
#endif
#ifndef TRIES
#define TRIES	2
#endif

#define EMPTY		0
#define CLAIMING	1
#define READY		2
#define ABORTED		3

byte st[E], cl[E], ver[E];	/* the word: state, claimant, version */
bool dead[P + 1];		/* the incarnation that runs now is dead */
byte inc1 = 0;			/* incarnation of process 1's slot */
#ifdef NAMES
#define MINE	(1 + me % NAMES)
byte nm[E];			/* the name, 0: none; what was there stays */
byte nready[NAMES + 1];		/* ghost */
#else
#define MINE	0
byte nready[1];			/* ghost */
#endif
byte gen_inc[E];		/* ghost: incarnation of the claimant */
byte gone = 0;			/* ghost: processes that ended, stopped or died */

#ifdef NAMES
#define NAMED(i)	(nm[i] == MINE)
#define NAME(i)		nm[i] = MINE
#else
#define NAMED(i)	true
#define NAME(i)		skip
#endif
#ifdef MUT_HASH_IS_NAME
#define HAS_IT(i)	true
#else
#define HAS_IT(i)	NAMED(i)
#endif

#define SAME(i)	(st[i] == s && cl[i] == c && ver[i] == v)

#ifdef MUT_NO_VERSION
#define BUMP(i)	skip
#else
#define BUMP(i)	ver[i]++
#endif

/* after a step: go on, stop for ever, or die */
#ifdef NODIE
#define STEP	skip
#else
#define STEP	if :: true :: MAYSTOP -> goto out :: MAYDIE -> dead[me] = true; goto out fi
#endif

#ifdef SOLO
#define MAYSTOP	(me != P)
#define MAYDIE	false
#else
#if defined(RESTART) || defined(LAST)
#define MAYSTOP	false
#define MAYDIE	(me == 1 && inc == 0)
#else
#define MAYSTOP	true
#define MAYDIE	true
#endif
#endif

inline write_name()
{
	atomic {
		others = (st[e] != EMPTY && (cl[e] != me || ver[e] != mv || gen_inc[e] != inc));
		assert(!others);
		mine = (cl[e] == me && ver[e] == mv && gen_inc[e] == inc &&
			(st[e] == CLAIMING || st[e] == ABORTED));
#ifndef WEAK
		assert(mine);
#endif
		mine = false
	}
}

/* my entry was aborted: only I may empty it */
inline give_back()
{
	atomic {
		mine = (st[e] == ABORTED && cl[e] == me && ver[e] == mv);
#ifndef WEAK
		assert(mine);
		st[e] = EMPTY; cl[e] = 0;
#else
		if :: mine -> st[e] = EMPTY; cl[e] = 0 :: else fi;
#endif
		mine = false
	}
}

proctype Process(byte me; byte inc)
{
	byte e, i, s, c, v, mv, tries = 0;
	bool ok, mine, others, blocked, once;

#ifdef SOLO
	if
	:: me == P -> (gone == P - 1)
	:: else
	fi;
#endif
again:
	if
	:: tries == TRIES ->
#ifdef SOLO
		blocked = (me == P);
		assert(!blocked);
#endif
		goto gave_up
	:: else -> tries++
	fi;
	e = 0;
	do
	:: e < E ->
		atomic {
			if
			:: st[e] == EMPTY ->
				st[e] = CLAIMING; cl[e] = me; BUMP(e); mv = ver[e];
				gen_inc[e] = inc;
				break
			:: else -> e++
			fi
		}
	:: else -> goto again
	od;
	STEP;
	write_name();
#ifndef MUT_NAME_LATE
	NAME(e);
#endif
	STEP;
#ifndef MUT_NO_SCAN
	i = 0;
	do
	:: i < E ->
		atomic { s = st[i]; c = cl[i]; v = ver[i] };
		if
		:: i != e && s == READY && HAS_IT(i) ->
			atomic {
				ok = (st[e] == CLAIMING && cl[e] == me && ver[e] == mv);
				if :: ok -> st[e] = EMPTY; cl[e] = 0 :: else fi
			};
			if :: !ok -> STEP; give_back() :: else fi;
			if
			:: NAMED(i) -> goto used
			:: else -> goto again
			fi
		:: i != e && s == CLAIMING ->
			STEP;
#ifdef MUT_WAIT_FOR_RIVAL
			/* give way instead of aborting the rival */
			atomic {
				ok = (st[e] == CLAIMING && cl[e] == me && ver[e] == mv);
				if :: ok -> st[e] = EMPTY; cl[e] = 0 :: else fi
			};
			goto again;
#else
			atomic {
				if
				:: SAME(i) ->
#ifdef MUT_ABORT_TO_EMPTY
					st[i] = EMPTY; cl[i] = 0;
#else
					st[i] = ABORTED;
#endif
					i++
				:: else		/* look again */
				fi
			}
#endif
		:: else -> i++
		fi
	:: else -> break
	od;
#endif
	atomic { i = 0; s = 0; c = 0; v = 0 };
	STEP;
	write_name();			/* the name's last bytes */
	STEP;
	atomic {
#ifdef MUT_STORE_CONFIRM
		ok = true;
#else
		ok = (st[e] == CLAIMING && cl[e] == me && ver[e] == mv);
#endif
		if
		:: ok ->
			st[e] = READY;
			nready[MINE]++;
			once = (nready[MINE] <= 1);
			assert(once)
		:: else
		fi
	};
	if
	:: !ok ->
		STEP;
		give_back();
		STEP;
		goto again
	:: else
	fi;
#ifdef MUT_NAME_LATE
	NAME(e);
#endif
used:
gave_up:
out:	gone++
}

/* may be stale: loads the word, then looks whether its claimant is dead, then CASes */
proctype Reaper()
{
	byte i = 0, s, c, v, x;
	bool d;

	(dead[1] || gone >= P);
	x = inc1;			/* the incarnation that it knows to be dead */
	do
	:: i < E ->
		atomic { s = st[i]; c = cl[i]; v = ver[i] };
		if
		:: s == CLAIMING || s == ABORTED ->
			d = dead[c] && (c != 1 || inc1 == x);
			if
			:: d ->
				atomic {
					if
					:: SAME(i) -> st[i] = EMPTY; cl[i] = 0; i++
#ifdef MUT_ONE_TRY
					:: else -> i++
#else
					:: else		/* look again */
#endif
					fi
				}
			:: else -> i++
			fi
		:: else -> i++
		fi
	:: else -> break
	od;
#ifdef RESTART
	atomic {		/* the pass is complete: the slot may be reused */
		if
		:: dead[1] && inc1 == x && inc1 == 0 ->
			inc1 = 1; dead[1] = false;
			run Process(1, 1)
		:: else
		fi
	}
#endif
}

init {
	byte i;
	bool left, nobody;

	atomic {
		i = 1;
		do :: i <= P -> run Process(i, 0); i++ :: else -> break od;
#ifdef RESTART
		run Reaper();
#endif
#ifndef SOLO
		run Reaper()
#endif
	};
	(_nr_pr == 1);
#ifdef ASK_LOCK_FREE
	nobody = (nready[0] == 0);
	assert(!nobody);
#endif
#ifndef LAST
	run Reaper();
	(_nr_pr == 1);
#endif
	i = 0;
	do
	:: i < E ->
		left = (st[i] == CLAIMING || st[i] == ABORTED) && dead[cl[i]];
		assert(!left);
		i++
	:: else -> break
	od
}
