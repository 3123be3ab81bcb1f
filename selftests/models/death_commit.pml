/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * death_commit.pml - a writer dies inside commit; who frees what
 *
 * Stands for: lib/writer_commit.c zc_writer_commit_block() (the order of its
 * stores), lib/core/reaper.c (what a reaper does with a dead writer's commit, and
 * the completion of its pass), the adopter in lib/writer.c.
 *
 * The writer commits NS messages and dies after any step: descriptor.sequence; word
 * USING; ring entry; head. A required reader polls the ring and may be past head.
 * Two reapers, each may die after any step, then a third that does not:
 *   a. while ring[head] carries head's sequence: CAS head h -> h + 1
 *   b. each word of the slot (load word, then check the slot, then CAS that word):
 *      FREE: back to nobody. USING with sequence >= head: CLEAN, then FREE, or
 *      (CLEAN, ORPHAN) while somebody holds it. CLEAN: finish.
 *      A CAS that fails looks at the same word again, but when that was CLEAN: whoever
 *      was faster has ended it. (The code finishes many CLEAN words at a time, after one
 *      look at the holds: the same steps of each, the CAS later.)
 *   c. CAS the slot (REAPING, 0) -> (ADOPTABLE, 0)
 * ADOPT: a new incarnation takes the slot and commits one more message at head,
 * while a reaper may still be on its way.
 *
 * Asserted: a message in the ring is not freed before the required reader has read
 * it and let it go (unread, held); head only grows (back); at the end head is
 * behind the last message, the reader has seen each of them once and in order,
 * and no block is left with a dead owner, nor USING at or above head (leak).
 *
 * free_first: (b) before (a). no_advance: no (a). no_free: no (b). check_first: the
 * slot is checked before the word is loaded. entry_first: the ring entry before the
 * word is USING, so that a reader holds what looks like a mere claim.
 *
 * @variant base           quick pass -DNS=2 opt=2
 * @variant adopt          quick pass -DNS=1 -DADOPT opt=2
 * @variant free_first     quick fail:(unread|held) -DNS=1 -DMUT_FREE_FIRST
 * @variant plain_store    quick fail:back -DNS=1 -DADOPT -DMUT_PLAIN_STORE
 * @variant plain_inc      quick fail:behind -DNS=1 -DMUT_PLAIN_INC
 * @variant no_advance     quick fail:(unread|held|behind) -DNS=1 -DMUT_NO_ADVANCE
 * @variant no_second_look quick fail:leak -DNS=1 -DMUT_NO_SECOND_LOOK
 * @variant no_free        quick fail:leak -DNS=1 -DMUT_NO_FREE
 * @variant check_first    quick fail:(unread|held|live) -DNS=1 -DADOPT -DMUT_CHECK_FIRST
 * @variant entry_first    quick fail:(unread|held) -DNS=1 -DMUT_ENTRY_FIRST
 * @variant adopt2         long  pass -DNS=2 -DADOPT opt=2 hash=24 mem=8000
 */
#ifndef NS
#define NS	2
#endif
#define NB	3		/* blocks */
#define TOP	(NS + 3)	/* ring slots used: 1 .. NS + 1 */

#define FREE	0
#define USING	1
#define CLEAN	2

#define NONE	0
#define WR	1
#define ORPHAN	2

#define LIVE		0
#define REAPING		1
#define ADOPTABLE	2

byte st[NB], own[NB], gen[NB];	/* words */
byte dseq[NB];			/* descriptor.sequence */
byte data[NB];
byte re_s[TOP], re_b[TOP];	/* the ring; does not wrap */
byte head = 1;
byte slot = LIVE, inc = 0;	/* one word */
byte cur = 1, hold = 0;		/* the reader's region */
bool all_done = false;
byte live_inc[NB];		/* ghost: incarnation of the claimer */
bool unread, held_, back, live, behind, leak;	/* ghosts: names for pan's message */

#define DIE	if :: true :: mortal -> goto died fi

inline claim_and_commit(n)
{
	b = 0;
	do
	:: atomic {
		if
		:: st[b] == FREE && own[b] == NONE ->
			own[b] = WR; gen[b]++; live_inc[b] = me; break
		:: else -> b++; assert(b < NB)
		fi
	}
	od;
	DIE;
	data[b] = n;
	dseq[b] = n;
	DIE;
#ifdef MUT_ENTRY_FIRST
	re_b[n] = b;
	re_s[n] = n;
	DIE;
	st[b] = USING;
#else
	st[b] = USING;
	DIE;
	re_b[n] = b;
	re_s[n] = n;
#endif
	DIE;
	atomic { back = (head > n + 1); assert(!back); head = n + 1; back = false };
	DIE
}

proctype Writer()
{
	byte b, n = 1, me = 0;
	bool mortal = true;

	do
	:: n <= NS -> claim_and_commit(n); n++
	:: else -> break
	od;
died:	atomic { b = 0; n = 0; slot = REAPING }	/* the kernel sees the exit */
}

#ifdef ADOPT
proctype Adopter()
{
	byte b, n, me = 1;
	bool mortal = false;

	atomic { (slot == ADOPTABLE) -> slot = LIVE; inc = 1 };
	n = head;
	claim_and_commit(n);
died:	skip
}
#endif

/* ghosts at the moment a block of sequence q is freed */
inline freed()
{
	atomic {
		unread = (q != 0 && re_s[q] == q && re_b[q] == b && cur <= q);
		assert(!unread);
		held_ = (q != 0 && hold == q && re_b[q] == b);
		assert(!held_);
		unread = false; held_ = false
	}
}

/* CLEAN->FREE of the word (CLEAN, WR, G) */
inline finish()
{
	q = dseq[b];
	if
	:: hold == q ->
		atomic {
			if
			:: st[b] == CLEAN && own[b] == WR && gen[b] == G -> own[b] = ORPHAN; gen[b]++
			:: else
			fi
		}
	:: else ->
		DIE;
		atomic {
			if
			:: st[b] == CLEAN && own[b] == WR && gen[b] == G ->
				freed();
				st[b] = FREE; own[b] = NONE; gen[b]++
			:: else
			fi
		}
	fi
}

inline advance()
{
	h = head;
	do
	:: re_s[h] == h ->
		DIE;
#if defined(MUT_PLAIN_STORE)
		atomic { back = (head > h + 1); assert(!back); head = h + 1 };
#elif defined(MUT_PLAIN_INC)
		head++;
#else
		atomic { if :: head == h -> head = h + 1 :: else fi };
#endif
		h = head
	:: else -> break
	od
}

proctype Reaper(bool mortal)
{
	byte b, h, q, S, O, G;
	bool mine, again;

	(slot != LIVE || inc != 0);
	if :: slot != REAPING || inc != 0 -> goto died :: else fi;
	DIE;
#ifdef MUT_NO_ADVANCE
	h = head;
#elif defined(MUT_FREE_FIRST)
	h = head;
#else
	advance();
#endif
	DIE;
	b = 0;
	do
	:: b < NB ->
#ifdef MUT_CHECK_FIRST
		mine = (slot == REAPING && inc == 0);
		atomic { S = st[b]; O = own[b]; G = gen[b] };
#else
		atomic { S = st[b]; O = own[b]; G = gen[b] };
		mine = (slot == REAPING && inc == 0);
#endif
		if
		:: !mine -> goto died
		:: mine && O == WR && S == FREE ->
			DIE;
			atomic {
				if
				:: st[b] == S && own[b] == O && gen[b] == G ->
					live = (live_inc[b] != 0);
					assert(!live);
					q = dseq[b];
					freed();
					own[b] = NONE; gen[b]++
				:: else -> again = true
				fi
			}
#ifndef MUT_NO_FREE
		:: mine && O == WR && S == USING ->
			q = dseq[b];
			if
			:: q >= h ->
				DIE;
				atomic {
					if
					:: st[b] == S && own[b] == O && gen[b] == G ->
						live = (live_inc[b] != 0);
						assert(!live);
						st[b] = CLEAN; mine = true
					:: else -> mine = false; again = true
					fi
				};
				DIE;
				if :: mine -> finish() :: else fi
			:: else
			fi
#endif
		:: mine && O == WR && S == CLEAN ->
			finish()
		:: else
		fi;
		atomic {
#ifndef MUT_NO_SECOND_LOOK
			if :: !again -> b++ :: else fi;
#else
			b++;
#endif
			again = false; q = 0; S = 0; O = 0; G = 0; mine = false
		}
	:: else -> break
	od;
#ifdef MUT_FREE_FIRST
	advance();
#endif
	DIE;
	atomic { if :: slot == REAPING && inc == 0 -> slot = ADOPTABLE :: else fi };
died:	atomic { again = false; b = 0; h = 0; q = 0; S = 0; O = 0; G = 0; mine = false }
}

proctype Reader()
{
	byte b, c = 1;
	bool payload;

	do
	:: re_s[c] == c ->
		b = re_b[c];
		hold = c;
		cur = c + 1;
		payload = (data[b] == c);
		assert(payload);
		payload = (data[b] == c);
		assert(payload);
		atomic { payload = false; b = 0 };
		hold = 0;
		c++
	:: atomic { all_done && re_s[c] != c } -> break
	od;
	behind = (head != c);
	assert(!behind)
}

init {
	byte b;

	atomic {
		run Reader();
		run Writer();
		run Reaper(true);
		run Reaper(true)
	};
#ifndef ADOPT
	(_nr_pr == 2);			/* the reader and I */
	run Reaper(false);
	(_nr_pr == 2);
	all_done = true;
#else
	/* the third reaper may meet the others; the adopter follows whoever completes */
	run Adopter();
	run Reaper(false);
	(_nr_pr == 2);
	all_done = true;
#endif
	(_nr_pr == 1);
	b = 0;
	do
	:: b < NB ->
		leak = (st[b] == FREE && own[b] != NONE) || st[b] == CLEAN ||
			(st[b] == USING && dseq[b] >= head);
		assert(!leak);
		b++
	:: else -> break
	od
}
