// SPDX-License-Identifier: MIT OR LGPL-2.1
/*
 * patrol.c - a cleaner verifies committed blocks in passing.
 *
 * It holds nothing: its writer may take a block back and fill it while it is verified.
 * So a finding counts only if the block's word is the same before and after, generation
 * and all; see guard.c, and selftests/models/patrol.pml.
 */
#include "guard.h"
#include "patrol.h"

/* Of one slice, at most one a millisecond: some percent of a processor. */
#define ZC_PATROL_RUNS 256U
#define ZC_PATROL_BYTES (256U << 10)

static bool zc_patrol_told(struct zc_patrol *p, u32 granule, u32 generation)
{
	u32 i;

	for (i = 0; i < ZC_PATROL_TOLD && i < p->told_nr; i++)
		if (p->told[i].granule == granule && p->told[i].generation == generation)
			return true;
	i = p->told_nr++ % ZC_PATROL_TOLD;
	p->told[i].granule = granule;
	p->told[i].generation = generation;
	return false;
}

/* Returns the bytes that were looked at. */
static u64 zc_patrol_one(struct zc_pool *pool, struct zc_handlers *whose,
			 struct zc_patrol *p, struct zc_peek *peek, u32 granule, u64 word)
{
	const struct zc_view *v = &pool->view;
	const struct zc_block_desc *d = &v->descs[granule];
	u64 sequence = zc_load_relaxed(&d->sequence);
	u32 segment = granule >> v->segment_shift, mode, fault;

	/* Its memory may be going: no use.  It may also go from here on: see peek.h. */
	if ((zc_load_relaxed(&v->hints->draining) & ZC_DRAINING_SEGMENT) == segment + 1 ||
	    zc_load_relaxed(&v->hints->removing) == segment + 1 ||
	    zc_pool_meet(pool, granule) != ZC_OK)
		return 0;
	fault = zc_guard_peek(peek, granule, word, &mode);
	if (mode == ZC_MODE_OFF)
		return 0;
	p->verified++;
	if (fault && !zc_patrol_told(p, granule, zc_word_generation(word))) {
		p->corrupt++;
		zc_guard_tell(pool, whose, zc_word_owner(word) - ZC_OWNER_WRITER(0), sequence,
			      granule, fault);
	}
	return mode == ZC_MODE_FULL ? (u64)zc_word_length(word) << v->granule_shift :
				      ZC_CACHE_LINE;
}

void zc_patrol_slice(struct zc_pool *pool, struct zc_handlers *whose,
		     struct zc_patrol *p)
{
	struct zc_peek peek = zc_peek_begin(pool);
	u32 runs, granule;
	u64 bytes = 0, word;

	if (!zc_guard_anywhere(&pool->view))
		return;
	for (runs = 0; runs < ZC_PATROL_RUNS && bytes < ZC_PATROL_BYTES; runs++) {
		if (!zc_walk_step(&pool->view, &p->walk, &granule, &word)) {
			p->walk = (struct zc_walk){ 0 };
			p->rounds++;
			break;
		}
		if (zc_word_state(word) == ZC_STATE_USING)
			bytes += zc_patrol_one(pool, whose, p, &peek, granule, word);
	}
	zc_peek_end(&peek);
}
