/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * reference_acquire.pml - who owns a free block?
 *
 * Stands for: lib/writer_acquire.c, zc_writer_acquire_block() (the claim of one
 * candidate), and for the references' acquire that it replaces.
 *
 * The references claim by "writer_ref[me] = true; CAS state FREE->FREE; check
 * that the lower ids are clear". The check is not part of the CAS, so the lower
 * id can pass its own check before the higher id sets its flag, and both own the
 * block. ZeroCore claims with one CAS on a word that has the owner in it.
 *
 * Any writer may stop for ever after any step (it never blocks the others).
 *
 * @variant base            quick pass
 * @variant references      quick fail:owners<=1 -DREFERENCES
 * @variant three_writers   quick pass           -DNW=3
 */
#ifndef NW
#define NW	2
#endif
#define ROUNDS	2
#define NONE	0

byte owners = 0;		/* ghost: writers that believe they own the block */

#ifdef REFERENCES

bool ref[NW];			/* the references' writer_ref[]; the state is always FREE */

proctype Writer(byte me)
{
	byte i = 0;

	do
	:: i < NW -> if :: ref[i] -> goto done :: else fi; i++
	:: else -> break
	od;
	ref[me] = true;
	skip;			/* CAS FREE->FREE: succeeds */
	i = 0;
	do
	:: i < me -> if :: ref[i] -> ref[me] = false; goto done :: else fi; i++
	:: else -> break
	od;
	owners++;
	assert(owners <= 1);
done:	skip
}

#else

byte owner = NONE, gen = 0;	/* one atomic word */

proctype Writer(byte me)
{
	byte o, g, n = 0;
	bool mine;

	do
	:: n < ROUNDS ->
		atomic { o = owner; g = gen };
		mine = false;
		if
		:: o == NONE ->
			atomic {	/* the CAS */
				if
				:: owner == o && gen == g -> owner = me + 1; gen++; mine = true
				:: else
				fi
			}
		:: else
		fi;
		if
		:: mine ->
			owners++;
			assert(owners <= 1);
			if :: true -> goto stopped :: true fi;
			owners--;
			atomic { owner = NONE; gen++ }
		:: else
		fi;
		n++
	:: else -> break
	od;
stopped: skip
}

#endif

init {
	byte i = 0;

	atomic {
		do :: i < NW -> run Writer(i); i++ :: else -> break od
	}
}
