/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * tso.pml - the full fences, on a machine with store buffers (x86-TSO)
 *
 * Stands for: lib/core/reclaim.c (head; full fence; active mask), the join and
 * the hazard read in lib/reader_poll.c.
 *
 * Each side has a store buffer that drains by itself in order, at any time. A
 * locked operation or a full fence waits for its own buffer to be empty. Own
 * loads forward from the buffer (the writer knows its own head).
 *
 * JOIN: the writer commits sequence 1 and reclaims it at once; a reader joins in
 * between. Either the reader's head is above 1, or reclaim sees it as active.
 * HAZARD: a reader stores a hold, fences, loads the word; a cleaner moves the
 * word to CLEAN by a CAS (which drains on x86), then looks at the holds.
 *
 * @variant base              quick pass
 * @variant no_reclaim_fence  quick fail:freed -DMUT_NO_RECLAIM_FENCE
 * @variant no_join_fence     quick fail:freed -DMUT_NO_JOIN_FENCE
 * @variant hazard            quick pass       -DHAZARD
 * @variant no_hazard_fence   quick fail:freed -DHAZARD -DMUT_NO_HAZARD_FENCE
 */
mtype = { HEAD, ACT, CUR, JOIN, HOLD };

byte head = 1, cur = 0, join_ = 0, hold = 0;
bool act = false;
bool using = true;		/* the block's word: USING, or CLEAN and on */
bool freed = false;

chan bw = [2] of { mtype, byte };	/* store buffer of the writer */
chan br = [4] of { mtype, byte };	/* store buffer of the reader */

inline drain(buf)
{
	atomic {
		buf?k, v;
		if
		:: k == HEAD -> head = v
		:: k == ACT -> act = v
		:: k == CUR -> cur = v
		:: k == JOIN -> join_ = v
		:: k == HOLD -> hold = v
		fi;
		k = HEAD; v = 0
	}
}

active proctype Buffers()
{
	mtype k = HEAD;
	byte v;
end:
	do
	:: drain(bw)
	:: drain(br)
	od
}

#ifdef HAZARD

active proctype Cleaner()
{
	using = false;			/* CAS USING->CLEAN */
	if :: hold == 1 -> skip :: else -> freed = true fi
}

active proctype Reader()
{
	br!HOLD(1);
#ifndef MUT_NO_HAZARD_FENCE
	empty(br);
#endif
	if
	:: using -> assert(!freed); assert(!freed)
	:: else
	fi;
	br!HOLD(0)
}

#else

active proctype Writer()
{
	bool ok = true;

	bw!HEAD(2);			/* commit of sequence 1 */
#ifndef MUT_NO_RECLAIM_FENCE
	empty(bw);
#endif
	/* 1 < own head (forwarded): published */
	if
	:: act -> if :: 1 >= join_ -> if :: cur <= 1 -> ok = false :: else fi :: else fi
	:: else
	fi;
	empty(bw);			/* the CAS to CLEAN drains, but the check is past */
	if :: ok -> freed = true :: else fi
}

active proctype Reader()
{
	byte c;

	br!ACT(1);
#ifndef MUT_NO_JOIN_FENCE
	empty(br);
#endif
	c = head;
	br!CUR(c);
	br!JOIN(c);
	if
	:: c == 1 -> (head > 1); assert(!freed)	/* required: must still be there */
	:: else
	fi
}

#endif
