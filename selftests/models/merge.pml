/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * merge.pml - claim, split, merge and the reaper's walk over one segment
 *
 * Stands for: lib/core/run.c (merge, split, the walk from head to head),
 * lib/core/moves.h (claim, cancel), lib/core/reaper.c (the walk of a reaper and
 * the completion of a pass).
 *
 * N granules, all words FREE and of length 1 at the start. Writers claim the first
 * free run, split it, give it back; a cleaner merges; each may die after any
 * step. Two reapers walk as soon as a death is known; a last one when all has
 * ended. Each word (state, owner, length, generation) is one atomic.
 *
 * Asserted: no granule is claimed by two writers (I1); at the end of a pass nothing
 * is owned by a member that was dead when it started (else its slot would be
 * reused over a leak); at every pass end, and at the end, the heads tile the
 * segment exactly (I4).
 *
 * mark_before_extend: the absorbed word becomes INSIDE while the head is still
 * short. shorten_first: the head is shortened before the remainder has a word.
 * Both leave a hole for ever when death falls between (LATE: looked for at the
 * very end only, for without a death the heads do not tile for a moment, either).
 * remainder_free: the remainder is born unowned while the head still covers it.
 * walk_mid_segment: the walk starts at granule 1. walk_too_early: the walk starts
 * before the death is known.
 *
 * @variant base               quick pass -DN=3 -DROUNDS=1 opt=2
 * @variant mark_before_extend quick fail:(tiles|inside) -DN=3 -DROUNDS=1 -DLATE -DMUT_MARK_BEFORE_EXTEND
 * @variant shorten_first      quick fail:(tiles|inside) -DN=3 -DROUNDS=1 -DLATE -DMUT_SHORTEN_FIRST
 * @variant remainder_free     quick fail:claims -DN=3 -DROUNDS=1 -DNW=2 -DMUT_REMAINDER_FREE depth=80
 * @variant walk_mid_segment   quick fail:owned_by_the_dead -DN=3 -DROUNDS=1 -DMUT_WALK_MID_SEGMENT
 * @variant walk_too_early     quick fail:owned_by_the_dead -DN=3 -DROUNDS=1 -DMUT_WALK_TOO_EARLY
 * @variant two_rounds         long  pass -DN=3 -DROUNDS=2 opt=2 hash=24 mem=8000
 * @variant two_writers        long  pass -DN=3 -DROUNDS=1 -DNW=2 opt=2 hash=24 mem=8000
 * @variant four_granules      long  pass -DN=4 -DROUNDS=2 opt=2 hash=24 mem=8000
 */
#ifndef N
#define N	3		/* granules */
#endif
#ifndef ROUNDS
#define ROUNDS	1
#endif
#ifndef NW
#define NW	1		/* writers: owners 1 .. NW */
#endif
#define CL	(NW + 1)	/* the cleaner's owner id */

#define FREE	0
#define CLEAN	2
#define INSIDE	3
#define NONE	0

byte st[N], own[N], ln[N], gen[N];	/* one atomic word a granule */
bool dead[NW + 2], ended[NW + 2];
byte claims[N];			/* ghost: live writers that believe they own it */

#define DIE(m)	if :: true -> goto died :: true fi

#define LOAD(p)	atomic { S = st[p]; O = own[p]; L = ln[p]; G = gen[p] }
#define SAME(p)	(st[p] == S && own[p] == O && ln[p] == L && gen[p] == G)

/*
 * ghost: do the heads tile the segment, and is nothing owned by m (0: not asked)?
 * Runs inside an atomic.
 */
inline check(one, two, cleaner)
{
	k = 0;
	do
	:: k < N ->
		inside = (st[k] == INSIDE || ln[k] == 0);
		assert(!inside);
		owned_by_the_dead = ((own[k] == CL && cleaner) || (own[k] == 1 && one) ||
			(NW == 2 && own[k] == 2 && two));
		assert(!owned_by_the_dead);
		k = k + ln[k]
	:: else -> break
	od;
	tiles = (k == N);
	assert(tiles);
	k = 0; inside = false; owned_by_the_dead = false; tiles = false
}

/* ghost: the writer lets go of the remainder */
inline unclaim()
{
	i = p + 1;
	do :: i < p + L -> claims[i]--; i++ :: else -> i = 0; break od
}

proctype Writer(byte me)
{
	byte p, n, i, S, O, L, G, rounds = 0;
	bool ok;

	do
	:: rounds < ROUNDS ->
		p = 0; n = 0; ok = false;
		do		/* the walk: claim the first free run */
		:: p < N && n <= N ->
			LOAD(p);
			if
			:: S == INSIDE -> break
			:: S == FREE && O == NONE ->
				atomic {
					if
					:: SAME(p) ->
						own[p] = me; gen[p]++; ok = true;
						i = p;
						do
						:: i < p + L -> claims[i]++; assert(claims[i] <= 1); i++
						:: else -> i = 0; break
						od
					:: else
					fi
				};
				if :: ok -> break :: else -> p = p + L fi
			:: else -> p = p + L
			fi;
			n++
		:: else -> break
		od;
		if
		:: ok ->
			DIE(me);
			if
			:: L > 1 ->
#ifdef MUT_SHORTEN_FIRST
				atomic { ln[p] = 1; gen[p]++ };
				DIE(me);
				atomic { st[p + 1] = FREE; own[p + 1] = me; ln[p + 1] = L - 1; gen[p + 1]++ };
#else
#ifdef MUT_REMAINDER_FREE
				atomic {
					st[p + 1] = FREE; own[p + 1] = NONE; ln[p + 1] = L - 1; gen[p + 1]++
				};
#else
				atomic { st[p + 1] = FREE; own[p + 1] = me; ln[p + 1] = L - 1; gen[p + 1]++ };
#endif
				DIE(me);
				atomic {
					ln[p] = 1; gen[p]++;
#ifdef MUT_REMAINDER_FREE
					unclaim()
#endif
				};
#endif
				DIE(me);
#ifndef MUT_REMAINDER_FREE
				atomic { unclaim(); own[p + 1] = NONE; gen[p + 1]++ };
				DIE(me)
#endif
			:: else
			fi;
			atomic { claims[p]--; own[p] = NONE; gen[p]++ }	/* cancel */
		:: else
		fi;
		atomic { rounds++; p = 0; n = 0; S = 0; O = 0; L = 0; G = 0 }
	:: else -> break
	od;
	ended[me] = true;
	goto out;
died:	/* its claims end when the reaper frees them */
	atomic { p = 0; n = 0; S = 0; O = 0; L = 0; G = 0; dead[me] = true };
out:	skip
}

proctype Cleaner()
{
	byte p, q, n, S, O, L, G, L2, rounds = 0;
	bool ok;

	do
	:: rounds < ROUNDS ->
		p = 0; n = 0;
		do
		:: p < N && n <= N ->
			LOAD(p);
			if
			:: S == INSIDE -> break
			:: S == FREE && O == NONE ->
				atomic { ok = SAME(p); if :: ok -> st[p] = CLEAN; own[p] = CL; gen[p]++ :: else fi };
				if
				:: ok ->
					DIE(CL);
					q = p + L;
					do
					:: q < N ->
						atomic {
							ok = (st[q] == FREE && own[q] == NONE);
							if :: ok -> st[q] = CLEAN; own[q] = CL; gen[q]++; L2 = ln[q] :: else fi
						};
						if
						:: ok ->
							DIE(CL);
#ifdef MUT_MARK_BEFORE_EXTEND
							atomic { st[q] = INSIDE; own[q] = NONE; gen[q]++ };
							DIE(CL);
							atomic { ln[p] = ln[p] + L2; gen[p]++ };
#else
							atomic { ln[p] = ln[p] + L2; gen[p]++ };
							DIE(CL);
							atomic { st[q] = INSIDE; own[q] = NONE; gen[q]++ };
#endif
							DIE(CL);
							q = q + L2
						:: else -> break
						fi
					:: else -> break
					od;
					atomic { L = ln[p]; st[p] = FREE; own[p] = NONE; gen[p]++; q = 0; L2 = 0 }
				:: else
				fi;
				p = p + L
			:: else -> p = p + L
			fi;
			n++
		:: else -> break
		od;
		atomic { rounds++; p = 0; n = 0; S = 0; O = 0; L = 0; G = 0; ok = false }
	:: else -> break
	od;
	ended[CL] = true;
	goto out;
died:	atomic { p = 0; q = 0; n = 0; S = 0; O = 0; L = 0; G = 0; L2 = 0; ok = false; dead[CL] = true };
out:	skip
}

/* the walk: acts on the members that were dead when it started */
#ifdef MUT_WALK_TOO_EARLY
#define KNOWN(m)	dead[m]
#else
#define KNOWN(m)	(m == CL && dc || m == 1 && d1 || NW == 2 && m == 2 && d2)
#endif

proctype Reaper()
{
	byte p, n, k, S, O, L, G;
	bool dc, d1, d2, inside, owned_by_the_dead, tiles;

#ifndef MUT_WALK_TOO_EARLY
	(dead[1] || dead[CL] || dead[NW] || (ended[1] && ended[CL] && ended[NW]));
#endif
	atomic {
		dc = dead[CL]; d1 = dead[1]; d2 = dead[NW];
#ifdef MUT_WALK_MID_SEGMENT
		p = 1
#endif
	};
	do
	:: p < N && n <= 2 * N ->
		LOAD(p);
		if
		:: S == INSIDE -> p = 0; n++		/* lost its way: start over */
		:: S != INSIDE && O != NONE && KNOWN(O) ->
			atomic {
				if
				:: SAME(p) ->
					if
					:: O != CL ->
						k = p;
						do
						:: k < p + L -> if :: claims[k] > 0 -> claims[k]-- :: else fi; k++
						:: else -> k = 0; break
						od
					:: else
					fi;
					own[p] = NONE; st[p] = FREE; gen[p]++
				:: else
				fi
			}
		:: else -> p = p + L; n++
		fi
	:: else -> break
	od;
	atomic {
		if
		:: p == N ->		/* the pass is complete */
#ifdef MUT_WALK_TOO_EARLY
			dc = dead[CL]; d1 = dead[1]; d2 = dead[NW];
#endif
#ifndef LATE
			check(d1, d2, dc)
#endif
		:: else
		fi
	}
}

init {
	byte i = 0, k;
	bool inside, owned_by_the_dead, tiles;

	atomic {
		do :: i < N -> st[i] = FREE; ln[i] = 1; i++ :: else -> break od;
		i = 1;
		do :: i <= NW -> run Writer(i); i++ :: else -> i = 0; break od;
		run Cleaner();
		run Reaper();
		run Reaper()
	};
	(_nr_pr == 1);
	atomic { run Reaper() };
	(_nr_pr == 1);
	atomic {
		check(true, true, true)
	}
}
