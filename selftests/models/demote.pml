/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * demote.pml - a slow required reader loses its claim in the middle of a poll
 *
 * Stands for: zc_reader_poll_block() in lib/reader_poll.c, and the writer that raises
 * floor[r] for on_slow = drop the oldest in lib/core/reclaim.c.
 *
 * The reader's hold sits in its store buffer. The demoter raises floor, calls
 * membarrier (every buffer of a live reader drains), then looks at the holds; the
 * reader stores its hold and then loads floor (a compiler barrier between them).
 * Where membarrier fails the demoter waits instead until what was in the buffer when it
 * raised the floor has left it (zc_store_buffers_drained() in lib/writer_reclaim.c);
 * it raises the floor twice.
 *
 * @variant base          quick pass
 * @variant timed         quick pass -DTIMED
 * @variant plain_poll    quick fail:freed -DMUT_PLAIN_POLL
 * @variant no_membarrier quick fail:freed -DMUT_NO_MEMBARRIER
 * @variant old_time      quick fail:freed -DTIMED -DMUT_OLD_TIME
 */
#define LAST 2			/* sequences 1 and 2 */

mtype = { HOLD, CUR };

byte hold = 0, cur = 1, floor = 1;
bool freed[LAST + 1];		/* their blocks */
chan buf = [4] of { mtype, byte };	/* the reader's store buffer */
byte old = 0;			/* stores in it of before the floor was raised */

active proctype Buffer()
{
	mtype k = HOLD;
	byte v;
end:
	do
	:: atomic {
		buf?k, v;
		if :: k == HOLD -> hold = v :: else -> cur = v fi;
		if :: old -> old-- :: else fi;
		k = HOLD; v = 0
	}
	od
}

active proctype Reader()
{
	byte s = 1;

	do
	:: s > LAST -> break
	:: else ->
		buf!HOLD(s);		/* the entry of sequence s is there */
#ifndef MUT_PLAIN_POLL
		if
		:: floor > s -> buf!HOLD(0); buf!CUR(s + 1); goto next
		:: else
		fi;
#endif
		buf!CUR(s + 1);
		assert(!freed[s]);
		assert(!freed[s]);
		buf!HOLD(0);
next:		s++
	od
}

active proctype Demoter()
{
	byte s = 1;

	do
	:: s > LAST -> break
	:: else ->
		floor = s + 1;		/* sequence s is not required any more */
#ifdef TIMED
#ifdef MUT_OLD_TIME
		if :: s == 1 -> old = len(buf) :: else fi;
#else
		old = len(buf);
#endif
		old == 0;
#else
#ifndef MUT_NO_MEMBARRIER
		empty(buf);
#endif
#endif
		/* CLEAN; fence; holds */
		if :: hold == s -> skip :: else -> freed[s] = true fi;
		s++
	od
}
