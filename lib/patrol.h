/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * patrol.h - a cleaner verifies committed blocks in passing.
 */
#ifndef ZC_LIB_PATROL_H
#define ZC_LIB_PATROL_H

#include "core/run.h"

struct zc_handlers;

struct zc_pool;

/* Corrupt blocks that a cleaner remembers to have told of. */
#define ZC_PATROL_TOLD 64U

/* Where a cleaner is, and what it has seen; its thread's alone. */
struct zc_patrol {
	struct zc_walk walk;
	u64 verified;		/* blocks, ever */
	u64 corrupt;		/* of these */
	u64 rounds;		/* times round the pool */
	struct {
		u32 granule;
		u32 generation;
	} told[ZC_PATROL_TOLD];
	u32 told_nr;		/* ever */
};

/* A bounded number of blocks, and one at least. */
void zc_patrol_slice(struct zc_pool *pool, struct zc_handlers *whose,
		     struct zc_patrol *p);

#endif /* ZC_LIB_PATROL_H */
