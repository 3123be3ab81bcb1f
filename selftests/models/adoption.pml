/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * adoption.pml - a slot is used again while a reaper of its past stands still
 *
 * Stands for: lib/core/reaper.c (the step for one word, the completion of a pass),
 * lib/core/moves.h (claim, cancel), the adopter in lib/writer.c.
 *
 * The slot's word goes (LIVE, i) -> (REAPING, i) -> (IDLE, i) -> (LIVE, i + 1).
 * Each incarnation claims a block, may cancel and claim again, and dies after any
 * step. Two reapers: load a block's word; then check that the slot is still
 * (REAPING, i); then CAS exactly that word; after a whole pass CAS the slot to IDLE.
 * Either may be stopped at any step for any time.
 *
 * Asserted: no block of a live incarnation is freed (live); when a pass completes,
 * the dead incarnation owns nothing (leak).
 *
 * bump_on_free_only, bump_on_claim_only: the generation has to grow once between
 * two claims by one slot, no matter at which of the two writes. Both pass; both
 * writes do it all the same.
 *
 * @variant base               quick pass opt=2
 * @variant bump_on_free_only  quick pass -DNO_BUMP_CLAIM opt=2
 * @variant bump_on_claim_only quick pass -DNO_BUMP_FREE opt=2
 * @variant no_generation      quick fail:live -DNO_BUMP_CLAIM -DNO_BUMP_FREE
 * @variant check_before_load  quick fail:live -DMUT_CHECK_BEFORE_LOAD
 * @variant check_dead_only    quick fail:live -DMUT_CHECK_DEAD_ONLY
 * @variant plain_complete     quick fail:leak -DMUT_PLAIN_COMPLETE
 * @variant three_lives        long  pass -DLIVES=3 opt=2 hash=24 mem=8000
 */
#ifndef LIVES
#define LIVES	2
#endif
#define NB	2

#define NONE	0
#define WR	1

#define LIVE	0
#define REAPING	1
#define IDLE	2

byte own[NB], gen[NB];		/* words; the state is always FREE */
byte slot = LIVE, inc = 0;	/* one word */
bool mine[NB];			/* ghost: claimed by the incarnation that lives */
bool live, leak;		/* ghosts: names for pan's message */

#ifdef NO_BUMP_CLAIM
#define BUMP_CLAIM(b)	skip
#else
#define BUMP_CLAIM(b)	gen[b]++
#endif
#ifdef NO_BUMP_FREE
#define BUMP_FREE(b)	skip
#else
#define BUMP_FREE(b)	gen[b]++
#endif

#define DIE	if :: true -> goto died :: true fi

/* all the incarnations of one slot, one after the other */
active proctype Writer()
{
	byte b, life = 0, n;

	do
	:: life < LIVES ->
		if
		:: life > 0 -> atomic { (slot == IDLE) -> slot = LIVE; inc++ }
		:: else
		fi;
		n = 0;
		do
		:: n < 2 ->
			b = 0;
			do
			:: b < NB ->
				atomic {
					if
					:: own[b] == NONE -> own[b] = WR; BUMP_CLAIM(b); mine[b] = true; break
					:: else -> b++
					fi
				}
			:: else -> break
			od;
			DIE;
			if
			:: b < NB && n == 0 ->
				atomic { own[b] = NONE; BUMP_FREE(b); mine[b] = false };	/* cancel */
				DIE
			:: else
			fi;
			n++
		:: else -> break
		od;
		DIE;
died:		atomic {
			slot = REAPING;
			b = 0; n = 0;
			mine[0] = false; mine[1] = false;
			life++
		}
	:: else -> break
	od
}

proctype Reaper()
{
	byte b, x, O, G;
	bool dead;
end:
	do
	:: atomic { slot == REAPING -> x = inc };
		b = 0;
		do
		:: b < NB ->
#ifdef MUT_CHECK_BEFORE_LOAD
			dead = (slot == REAPING && inc == x);
			atomic { O = own[b]; G = gen[b] };
#else
			atomic { O = own[b]; G = gen[b] };
#ifdef MUT_CHECK_DEAD_ONLY
			dead = true;	/* known once, at the start */
#else
			dead = (slot == REAPING && inc == x);
#endif
#endif
			if
			:: O == WR && dead ->
				atomic {
					if
					:: own[b] == O && gen[b] == G ->
						live = mine[b];
						assert(!live);
						own[b] = NONE; BUMP_FREE(b)
					:: else
					fi
				}
			:: else
			fi;
			b++
		:: else -> break
		od;
		atomic {		/* the pass is complete */
			if
#ifdef MUT_PLAIN_COMPLETE
			:: true ->
#else
			:: slot == REAPING && inc == x ->
#endif
				leak = (own[0] == WR || own[1] == WR);
				assert(!leak);
				slot = IDLE
			:: else
			fi;
			b = 0; x = 0; O = 0; G = 0; dead = false
		}
	:: atomic { slot == IDLE && inc == LIVES - 1 } -> break
	od
}

init {
	atomic { run Reaper(); run Reaper() }
}
