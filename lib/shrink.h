/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * shrink.h - how a segment is emptied, step by step.
 */
#ifndef ZC_LIB_SHRINK_H
#define ZC_LIB_SHRINK_H

#include "backend.h"

/* All zero: begins with the emptiest segment. */
struct zc_drain {
	u64 turn_ns;		/* how often its owner makes a step, at least */
	u32 segment;		/* + 1; 0: none */
	u32 mark;		/* hints->draining as this one has set it */
	u64 lease_ns;
	u64 begun_ns;
	u64 tried_ns;
	zc_result_t failed;	/* why the last one stayed, if not because it was in use */
	u64 refused[ZC_MAX_SEGMENTS / 64];
};

enum zc_drained {
	ZC_DRAINED_NOT_YET,
	ZC_DRAINED_ONE,
	ZC_DRAINED_ALL_TRIED,
};

enum zc_drained zc_drain_step(struct zc_pool *pool, struct zc_drain *d, u64 now_ns);
/* Writers may use it again. */
void zc_drain_end(struct zc_pool *pool, struct zc_drain *d);

#endif /* ZC_LIB_SHRINK_H */
