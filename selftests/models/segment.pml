/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * segment.pml - the memory of a segment goes and comes back
 *
 * Stands for: lib/core/segment.c, lib/shm_segment.c (shrink, revive, repair), and the
 * look at the segment's state in lib/writer_pool.c (zc_writer_take).
 *
 * A segment of G runs, each FREE of nobody, of a writer or of the remover. Wardens, who
 * hold the lock, which goes with them when they die, and which one may lose in the middle
 * (LOSE); whoever has it looks who the remover is, gives up if that one is alive, and is
 * the remover himself till he is done:
 * shrink:
 *   a. removing = 1; claim run after run; not all: give back what was claimed, be done
 *   b. state = RETIRING; punch; state = RETIRED; removing = 0
 * revive:
 *   a. removing = 1; state = RETIRING; allocate; state = READY
 *   b. give run after run; removing = 0
 * Before either, if removing is set (repair): RETIRING: punch, RETIRED; READY: give
 * whatever is the remover's; removing = 0.
 * A writer claims a free run, looks at the state, uses the memory, gives the run back.
 *
 * Each warden may die after any step; one comes after the last, repairs, and looks around.
 *
 * Asserted: a writer finds memory where it has a run (memory), and the segment ready
 * (ready); the memory does not go while a writer has a run (taken); at the end all is
 * accounted for: READY with memory and nothing of the remover's, or RETIRED without
 * memory and all of it the remover's (left).
 *
 * @variant base               quick pass
 * @variant lose               quick pass -DLOSE opt=2
 * @variant lock_only          quick fail:left -DLOSE -DMUT_LOCK_ONLY
 * @variant never_taken_over   quick fail:left -DMUT_NEVER_TAKEN_OVER
 * @variant three_wardens      quick pass -DK=3 opt=2
 * @variant two_writers        quick pass -DWRITERS=2 opt=2
 * @variant punch_early        quick fail:left -DMUT_PUNCH_EARLY
 * @variant some_is_enough     quick fail:taken -DMUT_SOME_IS_ENOUGH
 * @variant ready_first        quick fail:memory -DMUT_READY_FIRST
 * @variant give_first         quick fail:ready -DMUT_GIVE_FIRST
 * @variant repair_gives       quick fail:left -DMUT_REPAIR_GIVES
 * @variant repair_unlocked    quick fail:ready -DMUT_REPAIR_UNLOCKED
 * @variant not_said           quick fail:left -DMUT_NOT_SAID
 * @variant said_too_late      quick fail:left -DMUT_SAID_TOO_LATE
 * @variant more               long  pass -DK=3 -DWRITERS=2 -DG=3 opt=2 hash=24 mem=8000
 */
#ifndef K
#define K	2		/* wardens, of whom each may die */
#endif
#ifndef WRITERS
#define WRITERS	1
#endif
#ifndef G
#define G	2		/* runs */
#endif

#define NOBODY		0
#define REMOVER		1
#define WRITER		2	/* and above */

#define READY		1
#define RETIRED		2
#define RETIRING	3

byte own[G];
byte state = READY;
bool has_memory = true;
bool removing = false;
byte lock = 0;			/* 0: nobody holds it */
byte remover = 0;		/* who is at it; he may be dead */
bool dead[K + 2];		/* what /proc says */
bool lost = false;		/* ghost: a lock was lost once */
byte ended = 0;			/* ghost: wardens that are no more */

#define MAYDIE(k)						\
	if							\
	:: true							\
	:: k <= K ->						\
		atomic { if :: lock == k -> lock = 0 :: else fi;		\
			 dead[k] = true; goto out }				\
	:: MAYLOSE(k)								\
	fi

#ifdef LOSE
#define MAYLOSE(k) atomic { lock == k && !lost -> lost = true; lock = 0 }
#else
#define MAYLOSE(k) false
#endif

inline punch()
{
	atomic {
		i = 0;
		do
		:: i < G -> taken = (own[i] < WRITER); assert(taken); i++
		:: else -> break
		od;
		i = 0;
		has_memory = false
	}
}

/* whatever is the remover's becomes nobody's, one after the other */
inline give(k)
{
	i = 0;
	do
	:: i < G ->
		atomic { if :: own[i] == REMOVER -> own[i] = NOBODY :: else fi; i++ };
		MAYDIE(k)
	:: else -> break
	od
}

inline repair(k)
{
	if
	:: removing ->
		if
		:: state == RETIRING ->
#ifdef MUT_REPAIR_GIVES
			state = READY;
			MAYDIE(k);
			give(k);
#else
			punch();
			MAYDIE(k);
			state = RETIRED;
			MAYDIE(k);
#endif
		:: state == READY -> give(k)
		:: else
		fi;
		removing = false;
		MAYDIE(k)
	:: else
	fi
}

proctype Warden(byte k)
{
	byte i;
	bool taken, all, left;

#ifdef MUT_REPAIR_UNLOCKED
	if :: k <= K -> repair(k) :: else fi;
#endif
	atomic { lock == 0 -> lock = k };
	MAYDIE(k);
#ifndef MUT_LOCK_ONLY
	atomic {
		if
#ifdef MUT_NEVER_TAKEN_OVER
		:: remover == 0 -> remover = k
#else
		:: remover == 0 || dead[remover] -> remover = k
#endif
		:: else -> goto unlock
		fi
	};
	MAYDIE(k);
#endif
	repair(k);
	if
	:: k > K -> goto look
	:: k <= K && state == READY ->
#if !defined(MUT_NOT_SAID) && !defined(MUT_SAID_TOO_LATE)
		removing = true;
		MAYDIE(k);
#endif
#ifdef MUT_PUNCH_EARLY
		punch();
		MAYDIE(k);
#endif
		all = true;
		i = 0;
		do
		:: i < G ->
			atomic {
				if
				:: own[i] == NOBODY -> own[i] = REMOVER; i++
				:: else -> all = false; break
				fi
			};
#ifdef MUT_SAID_TOO_LATE
			MAYDIE(k);
			removing = true;
#endif
			MAYDIE(k)
		:: else -> break
		od;
#ifdef MUT_SOME_IS_ENOUGH
		all = true;
#endif
		if
		:: !all -> give(k)
		:: else ->
			state = RETIRING;
			MAYDIE(k);
			punch();
			MAYDIE(k);
			state = RETIRED;
			MAYDIE(k)
		fi;
		removing = false
	:: k <= K && state == RETIRED ->
#ifndef MUT_NOT_SAID
		removing = true;
		MAYDIE(k);
#endif
#ifdef MUT_READY_FIRST
		state = READY;
		MAYDIE(k);
		give(k);
		has_memory = true;
#else
		state = RETIRING;
		MAYDIE(k);
		has_memory = true;
		MAYDIE(k);
#ifdef MUT_GIVE_FIRST
		give(k);
		state = READY;
#else
		state = READY;
		MAYDIE(k);
		give(k);
#endif
#endif
		removing = false
	fi;
	MAYDIE(k);
	atomic { if :: remover == k -> remover = 0 :: else fi };
	MAYDIE(k);
unlock:
	atomic {
		/* it is the last one's: he found somebody where nobody can be */
		left = (k <= K);
		assert(left);
		if :: lock == k -> lock = 0 :: else fi
	};
	goto out;
look:
	/* nobody is left who could be at it: but writers are */
	atomic {
		left = (!removing && (state == READY || state == RETIRED) &&
			(state == READY) == has_memory);
		i = 0;
		do
		:: i < G ->
			left = left && ((own[i] == REMOVER) == (state == RETIRED));
			i++
		:: else -> break
		od;
		assert(left)
	};
	lock = 0;
out:
	skip;
	ended++
}

proctype Writer(byte me)
{
	byte r = 0;
	bool memory, ready;

	do
	:: r < G ->
		atomic {
			if
			:: own[r] == NOBODY -> own[r] = me
			:: else -> r++; goto next
			fi
		};
		atomic { ready = (state == READY); assert(ready) };
		atomic { memory = has_memory; assert(memory) };
		own[r] = NOBODY;
		r++;
next:		skip
	:: else -> break
	od
}

init {
	byte k;

	atomic {
		for (k : 1 .. WRITERS) { run Writer(WRITER + k - 1) };
		for (k : 1 .. K) { run Warden(k) }
	};
	ended == K -> run Warden(K + 1)
}
