/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * aba.pml - a stopped reaper wakes up after the slot and the block are in use again
 *
 * Stands for: lib/core/reaper.c (the step for one word), lib/core/moves.h (claim).
 *
 * The block is claimed by slot 1, incarnation 0, which is dead. Two reapers load
 * the word, check the incarnation, CAS exactly that word. One of them stops before
 * its CAS while the other completes the pass and a new writer takes slot and block.
 * adoption.pml is the same question with the slot's whole life.
 *
 * @variant base   quick pass      -DBUMP=1
 * @variant no_gen quick fail:live -DBUMP=0
 */
#ifndef BUMP
#define BUMP	1		/* how far the generation grows at each write of the word */
#endif
byte owner = 1, gen = 0;	/* one atomic word: FREE, claimed */
byte inc = 0;			/* the slot's incarnation ... */
bool dead = true;		/* ... and whether it is dead: one atomic word */
bool live_owns = false;		/* ghost */

proctype Reaper()
{
	byte o, g;

	atomic { o = owner; g = gen };
	if
	:: o == 1 ->
		if
		:: inc == 0 && dead ->
			atomic {
				if
				:: owner == o && gen == g -> assert(!live_owns); owner = 0; gen = gen + BUMP
				:: else
				fi
			}
		:: else
		fi
	:: else
	fi;
	atomic { if :: dead && inc == 0 && owner == 0 -> inc = 1; dead = false :: else fi }
}

proctype NewWriter()
{
	(inc == 1 && !dead);
	atomic { if :: owner == 0 -> owner = 1; gen = gen + BUMP; live_owns = true :: else fi }
}

init {
	atomic { run Reaper(); run Reaper(); run NewWriter() }
}
