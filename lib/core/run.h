/* SPDX-License-Identifier: GPL-2.0 OR MIT OR LGPL-2.1 */
/*
 * run.h - runs of granules: walk, claim, split, merge, give back.
 */
#ifndef ZC_CORE_RUN_H
#define ZC_CORE_RUN_H

#include "view.h"
#include "word.h"

/* A position in a walk over all segments from head to head. */
struct zc_walk {
	u32 segment;
	u32 pos;		/* granule within the segment */
	u32 lost;		/* times that the way was lost, in this segment */
	u32 skipped;		/* segments that were given up */
};

/* How often a walk may lose its way in one segment before it gives that up. */
#ifdef __KERNEL__
#define ZC_WALK_LOST_MAX 256
#else
#define ZC_WALK_LOST_MAX 4096
#endif

/**
 * zc_walk_step() - the next run
 * @v: the pool
 * @walk: position; all zero: the first granule of the first segment
 * @granule: its first granule, over all segments
 * @word: its word as loaded (acquire)
 *
 * Steps from head to head by run length, never trusts a word that says INSIDE.
 * When the way is lost it starts over at the nearest stripe head, so that a run
 * may be seen twice: visitors must not mind.
 * Return: false at the end.
 */
bool zc_walk_step(const struct zc_view *v, struct zc_walk *walk, u32 *granule,
		  u64 *word);

/* The same for the segment that @walk is in; false: at its end. */
bool zc_walk_segment(const struct zc_view *v, struct zc_walk *walk,
		     u32 *granule, u64 *word);

/**
 * zc_run_claim() - FREE without owner becomes FREE of @owner
 * Return: true if this call did it; *word is then the new word.
 */
bool zc_run_claim(const struct zc_view *v, u32 granule, u64 *word, u32 owner);

/**
 * zc_run_split() - shorten an owned run
 * @v: the pool
 * @granule: head of a run FREE of @owner
 * @granules: what is to stay
 * @owner: the caller
 *
 * The remainder is born owned by the caller, then the head is shortened.
 * Return: first granule of the remainder.
 */
u32 zc_run_split(const struct zc_view *v, u32 granule, u32 granules, u32 owner);

/**
 * zc_run_grow() - absorb free right neighbours
 * @v: the pool
 * @granule: head of a run FREE of @owner
 * @want: granules wanted
 * @owner: the caller
 *
 * Stays within the stripe unless the run starts on one.
 * Return: granules of the run afterwards; 0: its word is nonsense.
 */
u32 zc_run_grow(const struct zc_view *v, u32 granule, u32 want, u32 owner);

/**
 * zc_run_free() - give an owned run back to everybody
 * @v: the pool
 * @granule: head of a run FREE of @owner, or CLEAN of it and not held
 * @owner: the caller
 *
 * Longer than a stripe: in pieces, so that no claim takes too much.
 */
void zc_run_free(const struct zc_view *v, u32 granule, u32 owner);

/*
 * Granules from here to the end of the stripe: a free run that nobody owns ends
 * there, unless a reaper freed it as it was.
 */
static inline u32 zc_run_room(const struct zc_view *v, u32 granule)
{
	return v->stripe_granules - granule % v->stripe_granules;
}

/**
 * zc_run_normalise() - no stripe head inside a dead owner's run looks like a head
 *
 * By a reaper, before it frees the run whose word is @word; see the top of
 * run.c.
 */
void zc_run_normalise(const struct zc_view *v, u32 granule, u64 word);

/* A length that stays inside the segment: to be asked of every word loaded. */
static inline bool zc_run_sane(const struct zc_view *v, u32 granule, u64 word)
{
	u32 pos = granule & (v->segment_granules - 1);

	return zc_word_length(word) <= v->segment_granules - pos;
}

/* Bookkeeping of what is free: hints, nothing more. */
void zc_hint_add(const struct zc_view *v, u32 granule, u32 granules);
void zc_hint_sub(const struct zc_view *v, u32 granule, u32 granules);
/* The sum of what the stripes have; sets the pool's own count right. */
u64 zc_hint_sum(const struct zc_view *v);
/*
 * A stripe was counted: hints drift when somebody dies between move and count.  @old is
 * the hint from before counting: if it changed since, the count is stale.
 */
void zc_hint_set(const struct zc_view *v, u32 stripe, u32 old, u32 free);

#endif /* ZC_CORE_RUN_H */
