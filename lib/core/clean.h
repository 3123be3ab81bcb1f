/* SPDX-License-Identifier: GPL-2.0 OR MIT OR LGPL-2.1 */
/*
 * clean.h - what a cleaner does with a pool, a slice at a time.
 */
#ifndef ZC_CORE_CLEAN_H
#define ZC_CORE_CLEAN_H

#include "run.h"
#include "view.h"

/*
 * Neighbours that one claim merges.  While a cleaner has a run nobody else can take
 * it: so it never has one for long.
 */
#define ZC_CLEAN_BATCH 32U

/* What one pass over all segments found. */
struct zc_clean_pass {
	u64 runs;
	u64 free;		/* granules, of each state */
	u64 claimed;
	u64 committed;
	u64 cleaning;
	u64 largest_free;	/* granules of the longest free run */
	u64 merged;		/* runs that became part of another */
	u64 merged_granules;	/* of these */
	u64 adopted;		/* orphans that nobody holds any more */
};

/* A pass, resumable; private to its cleaner. */
struct zc_clean {
	u32 owner;		/* ZC_OWNER_CLEANER */
	u32 first;		/* segment where its passes begin */
	u32 segments;		/* that are left of this pass */
	struct zc_walk walk;
	struct zc_clean_pass now;	/* the one that is under way */
	struct zc_clean_pass last;	/* the last whole one */
	/* Somebody may be short of memory: this run is free now. */
	void (*offer)(void *ctx, u32 granule, u32 granules);
	void *ctx;
};

/**
 * zc_clean_begin() - a new pass
 * @v: the pool
 * @c: private state
 */
void zc_clean_begin(const struct zc_view *v, struct zc_clean *c);

/**
 * zc_clean_slice() - go on with a pass
 * @v: the pool
 * @c: private state, after zc_clean_begin()
 * @budget: runs to look at
 *
 * Merges free neighbours within their stripe, ends orphans that nobody holds.
 * Return: true: the pass is over, and @c->last says what it found.
 */
bool zc_clean_slice(const struct zc_view *v, struct zc_clean *c, u32 budget);

#endif /* ZC_CORE_CLEAN_H */
