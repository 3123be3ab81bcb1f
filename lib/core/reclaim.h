/* SPDX-License-Identifier: GPL-2.0 OR MIT OR LGPL-2.1 */
/*
 * reclaim.h - when may a published block be taken back?
 */
#ifndef ZC_CORE_RECLAIM_H
#define ZC_CORE_RECLAIM_H

#include "view.h"
#include "word.h"

/* What the readers of one writer require, at one moment. */
struct zc_snapshot {
	u32 active;		/* readers that take part */
	u32 unfenced;		/* whose floor was raised, not fenced by us */
	u64 limit;		/* no required reader needs anything below */
	u64 lag_from;		/* where the slowest is, counted from its join; ~0: none */
	u32 slowest;		/* reader that sets @limit, or ~0 */
};

/**
 * zc_snapshot_take() - steps 1 and 2 of reclaim, but for the holds
 * @v: the pool
 * @w: writer slot
 * @head: sequences below count as published
 * @fenced: for each reader the decisions that the caller knows to be fenced
 *	(membarrier called since they were made); NULL: none
 * @snap: the result
 *
 * If snap->unfenced is not 0 the limit relies on floors that a reader in the
 * middle of its poll may not have seen: the caller calls membarrier before it
 * gathers holds, or leaves the blocks alone.
 */
void zc_snapshot_take(const struct zc_view *v, u32 w, u64 head,
		      const struct zc_floor *fenced, struct zc_snapshot *snap);

#define ZC_HOLDS_SPAN 256U

/* Which of the sequences base .. base + ZC_HOLDS_SPAN - 1 are held. */
struct zc_holds {
	u64 base;
	u64 bits[ZC_HOLDS_SPAN / 64];
};

/* Hold words of a reader that may be in use. */
u32 zc_holds_nr(const struct zc_view *v, const struct zc_reader_area *ra);

/* Gathers the holds of the readers in @mask; after the snapshot.  Return: any? */
bool zc_holds_gather(const struct zc_view *v, u32 w, u32 mask, u64 base,
		     struct zc_holds *holds);

static inline bool zc_holds_test(const struct zc_holds *holds, u64 sequence)
{
	u64 i = sequence - holds->base;

	return i < ZC_HOLDS_SPAN && (holds->bits[i / 64] >> i % 64 & 1);
}

/* Does any active reader of @w hold this one sequence? */
bool zc_sequence_held(const struct zc_view *v, u32 w, u64 sequence);

/*
 * Readers that look at blocks that nobody keeps for them; after a full fence.  A
 * joiner sets its hazard bit before its active bit, a leaver clears it after.
 */
static inline u32 zc_hazard_readers(const struct zc_writer_slot *slot)
{
	return zc_mask_bits(zc_load_acquire(&slot->hazard));
}

/**
 * zc_block_reclaim() - step 3: USING of @w to CLEAN of @owner
 * @v: the pool
 * @w: writer slot that committed it
 * @granule: from a ring or deferred entry, not validated yet
 * @generation: likewise
 * @sequence: likewise
 * @owner: the caller
 * @word: gets the new word
 * Return: 1: it is CLEAN and the caller's; 0: it is not this block any more.
 */
bool zc_block_reclaim(const struct zc_view *v, u32 w, u64 granule,
		      u32 generation, u64 sequence, u32 owner, u64 *word);

/* Is (granule, generation, sequence) still a published block of @w? */
bool zc_block_is(const struct zc_view *v, u32 w, u64 granule, u32 generation,
		 u64 sequence, u64 *word);

/**
 * zc_slot_reclaim() - take back what the readers of somebody else's topic are done with
 * @v: the pool
 * @w: the slot, with or without a writer; a writer that is idle, or stopped,
 *	must not pin what everybody has read
 * @owner: the caller, who is alive, or ZC_OWNER_ORPHAN for one without a role, who gets
 *	nothing from a live writer
 * @may_fence: calls membarrier; NULL: not available
 * @budget: ring and deferred entries to look at
 * @cursor: private position, kept between calls
 * Return: granules that came back.
 */
u64 zc_slot_reclaim(const struct zc_view *v, u32 w, u32 owner,
		    bool (*may_fence)(void), u32 budget, u64 *cursor);

/* The mask that has the bit of @owner, a role. */
static inline u64 *zc_taking(const struct zc_view *v, u32 owner, u32 *bit)
{
	*bit = (owner - 1) % 32;
	return &v->hints->taking[(owner - 1) / 32 % 2];
}

/* Is anybody taking back what live writers published? */
static inline bool zc_anybody_takes(const struct zc_view *v)
{
	return zc_mask_bits(zc_load_acquire(&v->hints->taking[0])) |
	       zc_mask_bits(zc_load_acquire(&v->hints->taking[1]));
}

/*
 * Is its writer taking back @sequence without a look at holds?  A dead one is not, and left
 * the rest of its batch.
 */
static inline bool zc_writer_takes(const struct zc_view *v, u32 w, u64 sequence)
{
	/* [R5] the bit of the hazard mask, and the hold, before own_below. */
	return sequence < zc_load_acquire(&zc_writer_area(v, w)->own_below) &&
	       zc_life_state(zc_load_acquire(&v->writer_slots[w].life)) == ZC_LIFE_LIVE;
}

/* Ring and deferred array hold nothing any more: the slot may change service. */
bool zc_slot_empty(const struct zc_view *v, u32 w);

/* At most so many entries are looked at for that, and to take back all that can be. */
u64 zc_slot_looks(const struct zc_view *v, u32 w);

/* A (CLEAN, ORPHAN) block: free it if nobody holds it any more. */
bool zc_orphan_finish(const struct zc_view *v, u32 granule, u64 word);

/*
 * The same, for who knows that I/O in it is over.  Changes nothing but the word, and only
 * that word: whoever has the block by now has its flags, too, and begins with new ones.
 */
bool zc_orphan_end(const struct zc_view *v, u32 granule, u64 word);

/* The same, for who knows that nobody holds it, too: of zc_batch_look(). */
bool zc_orphan_free(const struct zc_view *v, u32 granule, u64 word);

#endif /* ZC_CORE_RECLAIM_H */
