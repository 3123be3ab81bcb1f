/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * torn_reclaim.pml - a cleaner reads a ring entry while the writer reuses its slot
 *
 * Stands for: lib/core/reclaim.c, step 3 (owner, generation *and* sequence).
 *
 * A ring of one slot. The cleaner decides by sequence 1, which every required
 * reader has read, then loads granule and generation of sequence 2, which nobody
 * has read. Without the check of descriptor.sequence it frees an unread block.
 *
 * @variant base         quick pass
 * @variant no_seq_check quick fail:freed -DMUT_NO_SEQ_CHECK
 */
bool using[2], freed[2];
byte gen[2] = 1, dseq[2];
byte e_seq = 0, e_b = 0, e_g = 1;
byte head = 1, cur = 1, hold = 0;

active proctype Writer()
{
	dseq[0] = 1;
	using[0] = true;
	e_b = 0; e_g = 1;
	e_seq = 1;
	head = 2;
	(cur > 1);			/* a slot is reused when every required cursor is above */
	dseq[1] = 2;
	using[1] = true;
	e_b = 1;
	e_g = 1;
	e_seq = 2;
	head = 3
}

active proctype Reader()
{
	byte b;

	(e_seq == 1);
	hold = 1;
	cur = 2;
	hold = 0;
	(e_seq == 2);
	b = e_b;
	hold = 2;
	cur = 3;
	assert(!freed[b]);
	assert(!freed[b]);
	hold = 0
}

active proctype Cleaner()
{
	byte h, q, b, g;
	bool ok;

	h = head;
	q = e_seq;
	if
	:: q > 0 && q < h ->
		b = e_b;
		g = e_g;
		ok = (cur > q);
		if :: ok -> ok = (hold != q) :: else fi;
		/* load the word (acquire), then the descriptor, then CAS that word */
		if :: ok -> ok = (using[b] && gen[b] == g) :: else fi;
#ifndef MUT_NO_SEQ_CHECK
		if :: ok -> ok = (dseq[b] == q) :: else fi;
#endif
		if
		:: ok -> atomic { if :: using[b] && gen[b] == g -> using[b] = false; freed[b] = true; gen[b]++ :: else fi }
		:: else
		fi
	:: else
	fi
}
