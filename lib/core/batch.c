// SPDX-License-Identifier: GPL-2.0 OR MIT OR LGPL-2.1
/*
 * batch.c - CLEAN blocks of whom nobody is there to free them, looked at together.
 */
#include "batch.h"
#include "reclaim.h"

static bool zc_batch_after(const struct zc_batch_block *a,
			   const struct zc_batch_block *b)
{
	return a->writer > b->writer ||
	       (a->writer == b->writer && a->sequence > b->sequence);
}

void zc_batch_add(const struct zc_view *v, struct zc_batch *batch, u32 granule,
		  u64 word)
{
	const struct zc_block_desc *d = zc_desc(v, granule);
	struct zc_batch_block new = {
		.word = word,
		.sequence = zc_load_relaxed(&d->sequence),
		.granule = granule,
		.writer = zc_load_relaxed(&d->writer),
	};
	u32 i;

	/* Never published: 0 is a hold of nothing. */
	if (new.writer >= ZC_MAX_WRITERS || !new.sequence)
		new.writer = ZC_MAX_WRITERS;
	for (i = batch->nr++; i && zc_batch_after(&batch->block[i - 1], &new); i--)
		batch->block[i] = batch->block[i - 1];
	batch->block[i] = new;
}

/* One hold, among blocks of its writer.  Garbage may have a sequence twice. */
static void zc_batch_mark(struct zc_batch_block *block, u32 nr, u64 sequence)
{
	u32 low = 0, high = nr;

	while (low < high) {
		u32 mid = (low + high) / 2;

		if (block[mid].sequence < sequence)
			low = mid + 1;
		else
			high = mid;
	}
	for (; low < nr && block[low].sequence == sequence && !block[low].held; low++)
		block[low].held = true;
}

static void zc_batch_mark_all(struct zc_batch_block *block, u32 nr)
{
	while (nr--)
		block[nr].held = true;
}

/* Blocks of writer @w, and all that its readers hold.  Return: holds looked at. */
static u64 zc_batch_holds(const struct zc_view *v, u32 w,
			  struct zc_batch_block *block, u32 nr)
{
	u32 mask = zc_mask_bits(zc_load_acquire(&v->writer_slots[w].active));
	u64 base = block[0].sequence, span = block[nr - 1].sequence - base;
	u64 looks = 0;

	while (mask) {
		u32 r = __builtin_ctz(mask);
		struct zc_reader_area *ra = zc_reader_area(v, w, r);
		u32 n = zc_holds_nr(v, ra), i;

		mask &= mask - 1;
		zc_relax();
		if (zc_unlikely(!zc_reader_seen(v, w, r))) {
			zc_batch_mark_all(block, nr);
			break;
		}
		for (i = 0; i < n; i++) {
			u64 sequence = zc_load_acquire(zc_hold_slot(ra, i));

			if (sequence - base <= span)
				zc_batch_mark(block, nr, sequence);
		}
		looks += n;
	}
	return looks;
}

u32 zc_batch_look(const struct zc_view *v, struct zc_batch *batch, u32 *first,
		  u64 *looks)
{
	struct zc_batch_block *block = batch->block;
	u32 from = batch->looked, to = from;

	if (from == batch->nr) {
		batch->nr = 0;
		batch->looked = 0;
		batch->closed = false;
		return 0;
	}
	if (!batch->closed) {
		batch->closed = true;
		zc_fence_full();	/* [R4] CLEAN before the holds */
	}
	while (to < batch->nr && block[to].writer == block[from].writer)
		to++;
	if (block[from].writer < ZC_MAX_WRITERS)
		*looks += zc_batch_holds(v, block[from].writer, block + from,
					 to - from);
	batch->looked = to;
	*first = from;
	return to - from;
}
