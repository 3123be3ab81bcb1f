/* SPDX-License-Identifier: GPL-2.0 OR MIT OR LGPL-2.1 */
/*
 * batch.h - CLEAN blocks of whom nobody is there to free them, looked at together.
 *
 * Whether somebody holds a block is to be seen in every hold of every reader, and of
 * those there may be millions: so they are looked at once for many blocks.
 */
#ifndef ZC_CORE_BATCH_H
#define ZC_CORE_BATCH_H

#include "view.h"
#include "word.h"

#define ZC_BATCH_BLOCKS 128U

struct zc_batch_block {
	u64 word;		/* as it was loaded, CLEAN */
	u64 sequence;
	u32 granule;
	u32 writer;		/* whose readers may hold it; ZC_MAX_WRITERS: nobody */
	bool held;
};

/* Private; all zero: empty. */
struct zc_batch {
	u32 nr;
	u32 looked;		/* blocks whose holds were looked at, from the first on */
	bool closed;		/* the holds are being looked at: no block is added */
	struct zc_batch_block block[ZC_BATCH_BLOCKS];	/* by writer and sequence */
};

static inline bool zc_batch_full(const struct zc_batch *batch)
{
	return batch->closed || batch->nr == ZC_BATCH_BLOCKS;
}

/**
 * zc_batch_add() - one more block
 * @v: the pool
 * @batch: not full
 * @granule: its first granule
 * @word: its word, loaded (acquire) or stored by the caller: CLEAN, of an owner who
 *	does nothing with it any more
 */
void zc_batch_add(const struct zc_view *v, struct zc_batch *batch, u32 granule,
		  u64 word);

/**
 * zc_batch_look() - which blocks are held?  Those of one writer at a time.
 * @v: the pool
 * @batch: what was added; empty again when nothing is left to look at
 * @first: gets the first block that was looked at: its @held is right now
 * @looks: grows by the holds that were looked at
 *
 * A block that is not held then is never held again: whoever stores a hold looks at
 * the word afterwards.  The caller frees it by CAS of exactly its word.
 * Return: blocks that were looked at, 0: there are none left.
 */
u32 zc_batch_look(const struct zc_view *v, struct zc_batch *batch, u32 *first,
		  u64 *looks);

#endif /* ZC_CORE_BATCH_H */
