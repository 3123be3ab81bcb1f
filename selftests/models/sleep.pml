/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * sleep.pml - no wake is lost: ticket, membarrier, futex
 *
 * Stands for: lib/sleep.c (the sleeper and the writer's compare), called from
 * zc_writer_commit_block() in lib/writer_commit.c, and the reaper's wake in
 * lib/core/reaper.c.
 *
 * The writer's stores (ring entry, head) sit in a store buffer that drains in order
 * at any time; its load of the ticket does not wait for them. The reader's
 * membarrier returns at a moment when that buffer is empty. FUTEX_WAKE is a full
 * barrier before it looks for waiters (smp_mb() in futex_hb_waiters_pending()): the
 * protocol needs that, see wake_no_barrier. The futex word is head, and the reader
 * expects what it loaded of it after the membarrier and before the look (its own
 * cursor would do, too: EXPECT_CURSOR; but a writer that is stopped between entry
 * and head leaves head behind the cursor, and then nobody would sleep). A sleep may
 * end by itself (at most SPURIOUS times: a signal, a slice). Slices are not
 * modelled otherwise: a wake that is lost is lost for ever.
 *
 * The rule: the ticket is the sequence waited for; on return it is 0; each return
 * to sleep stores it, calls membarrier and looks again. The writer wakes, and burns
 * the ticket, when ticket <= the committed sequence and it is not the burned one.
 *
 * DEATH: the writer dies after any step (its buffer drains: the kernel's exit is a
 * barrier); a reaper advances head over what is in the ring, then wakes.
 *
 * FENCED: the writer begins with a fence at each commit, goes without at any time,
 * after which it says so and fences once, and fences again from the commit on that
 * wakes somebody. The reader calls membarrier only where it says so.
 *
 * WORD: who waits for several sleeps on another word, which a waker changes; and a
 * ticket stays as it is, and is stored only when the cursor has moved.
 *
 * no_look_cursor passes: after the membarrier the futex's own comparison of head
 * with the cursor is the second look. Who expects a loaded head needs the look.
 *
 * Asserted: when nothing can move any more, nobody sleeps beside a message.
 *
 * @variant base            quick pass
 * @variant spurious        quick pass      -DSPURIOUS=2
 * @variant expect_head     quick fail:lost -DMUT_EXPECT_HEAD
 * @variant ticket_kept     quick fail:lost -DSPURIOUS=2 -DMUT_NOT_RESTORED
 * @variant no_membarrier   quick fail:lost -DMUT_NO_MEMBARRIER
 * @variant expect_cursor   quick pass      -DSPURIOUS=2 -DDEATH -DEXPECT_CURSOR
 * @variant no_look_cursor  quick pass      -DSPURIOUS=2 -DDEATH -DEXPECT_CURSOR -DMUT_NO_SECOND_LOOK
 * @variant no_second_look  quick fail:lost -DMUT_NO_SECOND_LOOK
 * @variant burn_any        quick fail:lost -DMUT_BURN_ANY
 * @variant wake_no_barrier quick fail:lost -DMUT_WAKE_NO_BARRIER
 * @variant death           quick pass      -DSPURIOUS=2 -DDEATH
 * @variant reaper_no_wake  quick fail:lost -DDEATH -DMUT_REAPER_NO_WAKE
 * @variant fenced          quick pass      -DFENCED -DSPURIOUS=1
 * @variant fenced_death    quick pass      -DFENCED -DDEATH
 * @variant unfence_late    quick fail:lost -DFENCED -DMUT_UNFENCE_LATE
 * @variant fence_early     quick fail:lost -DFENCED -DMUT_FENCE_EARLY
 * @variant word            quick pass      -DWORD -DFENCED -DSPURIOUS=1
 * @variant word_death      quick pass      -DWORD -DDEATH -DSPURIOUS=1
 * @variant word_late       quick fail:lost -DWORD -DMUT_WORD_LATE
 * @variant word_same       quick fail:lost -DWORD -DMUT_WORD_SAME
 */
#ifndef NM
#define NM	3		/* messages */
#endif
#ifndef SPURIOUS
#define SPURIOUS	0	/* how many sleeps may end by themselves */
#endif

mtype = { ENTRY, HEAD, UNFENCED };

byte entry = 0;			/* the highest sequence in the ring */
byte head = 1;			/* the next sequence; the futex word */
byte ticket = 0;		/* in the reader's region */
byte unfenced = 1;		/* said: commits have no fence */
byte word = 0;			/* the futex word of WORD */
bool asleep = false;		/* the reader is in the futex queue */
bool writer_ended = false, reaper_ended = false;
byte cursor = 1;
chan buf = [4] of { mtype, byte };	/* the writer's store buffer */

#ifdef MUT_BURN_ANY
#define COVERED(t, s)	true
#else
#define COVERED(t, s)	((t) <= (s))
#endif

#ifdef DEATH
#define DIE	if :: true -> goto died :: true fi
#else
#define DIE	skip
#endif

active proctype Buffer()
{
	mtype k = ENTRY;
	byte v;
end:
	do
	:: atomic {
		buf?k, v;
		if
		:: k == ENTRY -> entry = v
		:: k == HEAD -> head = v
		:: else -> unfenced = v
		fi;
		k = ENTRY; v = 0
	}
	od
}

active proctype Writer()
{
	byte n = 1, seen = 0, t;
	bool fence = false;

#ifdef FENCED
	fence = true;
	unfenced = 0;
#endif

	do
	:: n <= NM ->
		buf!ENTRY(n);
		DIE;
		buf!HEAD(n + 1);
		DIE;
		if :: fence -> empty(buf) :: else fi;
		t = ticket;
		DIE;
		if
		:: t != 0 && t != seen && COVERED(t, n) ->
			seen = t;
#ifdef FENCED
			if
#ifdef MUT_FENCE_EARLY
			:: !fence && n < NM ->	/* said, but done from the next but one on */
				buf!UNFENCED(0)
#else
			:: !fence -> fence = true; buf!UNFENCED(0)
#endif
			:: else
			fi;
#endif
#ifndef MUT_WAKE_NO_BARRIER
			empty(buf);
#endif
#if defined(WORD) && !defined(MUT_WORD_SAME)
			word++;
			DIE;
#endif
			asleep = false		/* FUTEX_WAKE */
		:: else ->
#ifdef FENCED
			if
			:: fence ->
				fence = false;
				buf!UNFENCED(1);
#ifndef MUT_UNFENCE_LATE
				empty(buf)
#endif
			:: true
			fi
#else
			skip
#endif
		fi;
		t = 0;
		n++
	:: else -> break
	od;
died:	empty(buf);
	writer_ended = true
}

#ifdef DEATH
active proctype Reaper()
{
	byte h;

	writer_ended;
	h = head;
	do
	:: entry >= h ->
		atomic { if :: head == h -> head = h + 1 :: else fi };
		h = head
	:: else -> break
	od;
#ifndef MUT_REAPER_NO_WAKE
#ifdef WORD
	word++;
#endif
	if :: ticket != 0 -> asleep = false :: else fi;
#endif
	reaper_ended = true
}
#endif

active proctype Reader()
{
	byte expect, spurious = 0;
	bool stored = false;

	do
	:: cursor <= NM ->
		if
		:: entry >= cursor -> atomic { cursor++; stored = false }
		:: else ->
#ifdef MUT_NOT_RESTORED
			if :: !stored -> ticket = cursor; stored = true :: else fi;
#else
			if :: ticket != cursor -> ticket = cursor :: else fi;
#endif
#ifndef MUT_NO_MEMBARRIER
			if :: unfenced -> empty(buf) :: else fi;
#endif
#ifdef WORD
			expect = word;		/* before the look */
#elif !defined(EXPECT_CURSOR)
			expect = head;		/* before the look */
#endif
			if
#ifndef MUT_NO_SECOND_LOOK
			:: head > cursor -> skip
			:: else ->
#else
			:: true ->
#endif
#ifdef MUT_EXPECT_HEAD
				expect = head;		/* after the look */
#endif
#ifdef EXPECT_CURSOR
				expect = cursor;
#endif
#ifdef MUT_WORD_LATE
				expect = word;		/* after the look */
#endif
				/* futex wait: compare and queue are one step */
#ifdef WORD
				atomic { if :: word == expect -> asleep = true :: else fi; expect = 0 };
#else
				atomic { if :: head == expect -> asleep = true :: else fi; expect = 0 };
#endif
end:
				if
				:: !asleep
				:: atomic { asleep && spurious < SPURIOUS -> asleep = false; spurious++ }
				fi
			fi;
#ifdef WORD
			skip
#else
			ticket = 0
#endif
		fi
	:: else -> break
	od
}

/* when nothing else can move */
active proctype Monitor()
{
	bool lost;

	timeout;
	lost = asleep && entry >= cursor;
	assert(!lost)
}
