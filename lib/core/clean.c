// SPDX-License-Identifier: GPL-2.0 OR MIT OR LGPL-2.1
/*
 * clean.c - what a cleaner does with a pool, a slice at a time.
 *
 * A cleaner is an owner like a writer: it claims a free run, grows it over its free
 * neighbours to the right, and gives it back.  It needs no rule of its own: dying on
 * the way it leaves a FREE run of a dead owner, which is reaped.
 */
#include "clean.h"
#include "killpoint.h"
#include "reclaim.h"

void zc_clean_begin(const struct zc_view *v, struct zc_clean *c)
{
	u32 segments = zc_segments(v);

	c->walk = (struct zc_walk){ 0 };
	c->walk.segment = c->first < segments ? c->first : 0;
	c->segments = segments;
	c->now = (struct zc_clean_pass){ 0 };
}

static bool zc_free_for_all(const struct zc_view *v, u32 granule, u64 word)
{
	return zc_word_state(word) == ZC_STATE_FREE &&
	       zc_word_owner(word) == ZC_OWNER_NONE &&
	       zc_run_sane(v, granule, word);
}

/* Granules of the run that came of it, 0: nothing was done. */
static u32 zc_clean_merge(const struct zc_view *v, struct zc_clean *c,
			  u32 granule, u64 word)
{
	u32 length = zc_word_length(word), room = zc_run_room(v, granule);
	u32 next = granule + length, merged, grown;

	/* Runs that nobody owns do not cross a stripe. */
	if (length >= room ||
	    !zc_free_for_all(v, next, zc_load_acquire(&zc_desc(v, next)->word)))
		return 0;
	if (!zc_run_claim(v, granule, &word, c->owner))
		return 0;
	ZC_KILLPOINT(clean_claimed);
	for (merged = 0; merged < ZC_CLEAN_BATCH && length < room; merged++) {
		grown = zc_run_grow(v, granule, length + 1, c->owner);
		/* A neighbour from before, which crosses the stripe, stays. */
		if (grown == length)
			break;
		c->now.merged_granules += grown - length;
		length = grown;
	}
	c->now.merged += merged;
	zc_run_free(v, granule, c->owner);
	ZC_KILLPOINT(clean_freed);
	if (c->offer)
		c->offer(c->ctx, granule, length < room ? length : room);
	return length;
}

static void zc_clean_count(struct zc_clean *c, u64 word)
{
	u32 n = zc_word_length(word);

	c->now.runs++;
	switch (zc_word_state(word)) {
	case ZC_STATE_FREE:
		/* There is no memory, or not for long. */
		if (zc_word_owner(word) == ZC_OWNER_REMOVER)
			break;
		if (zc_word_owner(word) != ZC_OWNER_NONE) {
			c->now.claimed += n;
			break;
		}
		c->now.free += n;
		if (n > c->now.largest_free)
			c->now.largest_free = n;
		break;
	case ZC_STATE_USING:
		c->now.committed += n;
		break;
	default:
		c->now.cleaning += n;
	}
}

static void zc_clean_run(const struct zc_view *v, struct zc_clean *c,
			 u32 granule, u64 word)
{
	if (zc_free_for_all(v, granule, word)) {
		u32 length = zc_clean_merge(v, c, granule, word);

		/* The walk goes on behind what is one run now. */
		if (length) {
			c->walk.pos = (granule & v->segment_mask) + length;
			word = zc_word(0, length, ZC_OWNER_NONE, ZC_STATE_FREE);
		}
	} else if (zc_word_state(word) == ZC_STATE_CLEAN &&
		   zc_word_owner(word) == ZC_OWNER_ORPHAN &&
		   zc_orphan_finish(v, granule, word)) {
		c->now.adopted++;
		word = zc_word(0, zc_word_length(word), ZC_OWNER_NONE,
			       ZC_STATE_FREE);
	}
	zc_clean_count(c, word);
}

bool zc_clean_slice(const struct zc_view *v, struct zc_clean *c, u32 budget)
{
	u32 granule, segment;
	u64 word;

	while (c->segments && budget--) {
		segment = c->walk.segment;
		/* Each segment is a walk: they begin anywhere and go round. */
		if (!zc_walk_segment(v, &c->walk, &granule, &word)) {
			c->segments--;
			c->walk = (struct zc_walk){ 0 };
			c->walk.segment = segment + 1 < zc_segments(v) ?
						  segment + 1 : 0;
			continue;
		}
		zc_clean_run(v, c, granule, word);
	}
	if (c->segments)
		return false;
	c->last = c->now;
	return true;
}
