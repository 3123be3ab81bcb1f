/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * torn.pml - a hazard reader takes a ring entry of two halves for a whole one
 *
 * Stands for: the hazard read in lib/reader_poll.c; zc_writer_commit_block() in
 * lib/writer_commit.c at ring wrap.
 *
 * A ring of one slot. Block 0 is sequence 1, block 1 is sequence 2, both USING
 * with the generation the entry names. The reader loads the sequence first, then
 * granule and generation, while the writer reuses the slot. Word and generation
 * of the block are right for the *other* message: only the descriptor's sequence
 * tells.
 *
 * @variant base         quick pass
 * @variant no_seq_check quick fail:dseq -DMUT_NO_SEQ_CHECK
 */
bool using[2];
byte gen[2], dseq[2];
byte e_seq = 1, e_b = 0, e_g = 1;	/* the ring entry: three words */
byte hold = 0;

proctype Writer()
{
	dseq[1] = 2;
	using[1] = true;
	e_b = 1;
	e_g = 2;
	e_seq = 2
}

proctype Hazard()
{
	byte q, b, g;
	bool ok;

	q = e_seq;
	b = e_b;
	g = e_g;
	hold = q;
	ok = (using[b] && gen[b] == g);
#ifndef MUT_NO_SEQ_CHECK
	if :: ok -> ok = (dseq[b] == q) :: else fi;
#endif
	if :: ok -> assert(dseq[b] == q) :: else fi;
	hold = 0
}

init {
	atomic {
		using[0] = true; gen[0] = 1; dseq[0] = 1;
		gen[1] = 2;
		run Writer();
		run Hazard()
	}
}
