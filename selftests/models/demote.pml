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
 *
 * @variant base          quick pass
 * @variant plain_poll    quick fail:freed -DMUT_PLAIN_POLL
 * @variant no_membarrier quick fail:freed -DMUT_NO_MEMBARRIER
 */
mtype = { HOLD, CUR };

byte hold = 0, cur = 1, floor = 1;
bool freed = false;		/* sequence 1's block */
chan buf = [4] of { mtype, byte };	/* the reader's store buffer */

active proctype Buffer()
{
	mtype k = HOLD;
	byte v;
end:
	do
	:: atomic {
		buf?k, v;
		if :: k == HOLD -> hold = v :: else -> cur = v fi;
		k = HOLD; v = 0
	}
	od
}

active proctype Reader()
{
	buf!HOLD(1);		/* the entry of sequence 1 is there */
#ifndef MUT_PLAIN_POLL
	if
	:: floor > 1 -> buf!HOLD(0); buf!CUR(2); goto lost
	:: else
	fi;
#endif
	buf!CUR(2);
	assert(!freed);
	assert(!freed);
	buf!HOLD(0);
lost:	skip
}

active proctype Demoter()
{
	floor = 2;		/* sequence 1 is not required any more */
#ifndef MUT_NO_MEMBARRIER
	empty(buf);
#endif
	/* CLEAN; fence; holds */
	if :: hold == 1 -> skip :: else -> freed = true fi
}
