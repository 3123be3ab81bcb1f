/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * patrol.pml - whoever verifies a block that he does not hold raises no false alarm
 *
 * Stands for: zc_guard_peek() in lib/guard.c, beside commit, reclaim and reuse.
 *
 * A writer fills a block, sets its trailer, commits it, takes it back, fills it again.
 * A cleaner loads the word, then record, payload and trailer in any order, then the word
 * again: what it found counts only if that is the same. Whoever damages a committed block
 * may be one of the two halves' stores (DAMAGE): then a round that ends while the block
 * stays committed must find it.
 *
 * BULK: it is taken back by a plain store (bulk.pml), which must not be overtaken either:
 * fill_before_free is a machine, or a compiler, that lets it be.
 *
 * Asserted: no alarm for a block that nobody damaged; and one for a damaged block that
 * stays as it is.
 *
 * @variant base             quick pass
 * @variant damaged          quick pass           -DDAMAGE
 * @variant no_second_look   quick fail:alarm     -DMUT_NO_SECOND_LOOK
 * @variant state_only       quick fail:alarm     -DMUT_STATE_ONLY
 * @variant no_generation    quick fail:alarm     -DMUT_NO_GENERATION
 * @variant look_early       quick fail:alarm     -DMUT_LOOK_EARLY
 * @variant fill_before_clean quick fail:alarm    -DMUT_FILL_BEFORE_CLEAN
 * @variant bulk             quick pass           -DBULK
 * @variant fill_before_free quick fail:alarm     -DBULK -DMUT_FILL_BEFORE_CLEAN
 * @variant trailer_late     quick fail:alarm     -DMUT_TRAILER_LATE
 */
#define MESSAGES	3
#define ROUNDS		2

mtype = { FREE, USING, CLEAN };

mtype state = FREE;
byte gen = 0;
byte half[2], trailer;		/* each says of which message it is */
bool resting = false;		/* the writer is done: its last message stays */
bool broken = false;

active proctype Writer()
{
	byte m = 1;

	do
	:: m <= MESSAGES ->
		half[0] = m;
		half[1] = m;
#ifdef MUT_TRAILER_LATE
		state = USING;
		trailer = m;
#else
		trailer = m;
		state = USING;
#endif
		m++;
		if
		:: m <= MESSAGES ->
#ifdef MUT_FILL_BEFORE_CLEAN
			half[0] = m;
#endif
#ifndef BULK
			state = CLEAN;		/* CAS, full fence: [R4] */
#endif
#ifdef MUT_NO_GENERATION
			state = FREE
#else
			atomic { state = FREE; gen++ }
#endif
		:: else
		fi
	:: else -> break
	od;
#ifdef DAMAGE
	if :: half[0] = 99 :: half[1] = 99 :: trailer = 99 fi;
	broken = true;
#endif
	resting = true
}

active proctype Patrol()
{
	mtype s, again;
	byte g, a, b, t, round = 0, g2;
	byte left;
	bool alarm, rested;

	do
	:: round < ROUNDS ->
		round++;
		alarm = false;
		left = 7;
		rested = resting;
		atomic { s = state; g = gen };
#ifdef MUT_LOOK_EARLY
		atomic { again = state; g2 = gen };
#endif
		if
		:: s != USING -> skip
		:: else ->
			/* In any order: loads need not wait for each other. */
			do
			:: left & 1 -> a = half[0]; left = left - 1
			:: left & 2 -> b = half[1]; left = left - 2
			:: left & 4 -> t = trailer; left = left - 4
			:: !left -> break
			od;
			/* [Y1] all of it before the second look. */
#ifndef MUT_LOOK_EARLY
			atomic { again = state; g2 = gen };
#endif
			alarm = (a != b || b != t);
#ifdef MUT_NO_SECOND_LOOK
#elif defined(MUT_STATE_ONLY)
			alarm = alarm && again == s;
#else
			alarm = alarm && again == s && g2 == g;
#endif
#ifdef DAMAGE
			assert(!alarm || half[0] == 99 || half[1] == 99 || trailer == 99);
			assert(alarm || !rested);
#else
			assert(!alarm)
#endif
		fi
	:: else -> break
	od
}
