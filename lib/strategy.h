/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * strategy.h - what tables of a program say, or the library's own, within limits.
 *
 * Whoever asks has a copy of the tables, and looks whether they were changed; the
 * functions are called without a lock.
 */
#ifndef ZC_LIB_STRATEGY_H
#define ZC_LIB_STRATEGY_H

#include <zerocore/zerocore.h>

#include "core/view.h"

struct zc_pool;

struct zc_strategies {
	u32 version;		/* grows with each change */
	zc_alloc_strategy_t alloc;
	zc_backpressure_strategy_t backpressure;
	zc_clean_strategy_t clean;
};

void zc_strategies_fetch(struct zc_pool *pool, struct zc_strategies *s);

/* Each asks the program's function, or says @stats->usual. */
u32 zc_ask_candidates(const struct zc_strategies *s, const zc_alloc_stats_t *stats);
u64 zc_ask_keep_run(const struct zc_strategies *s, const zc_alloc_stats_t *stats);
u64 zc_ask_footprint(const struct zc_strategies *s, const zc_alloc_stats_t *stats);
bool zc_ask_reclaim(const struct zc_strategies *s, const zc_topic_stats_t *stats);
bool zc_ask_scan(const struct zc_strategies *s, const zc_clean_stats_t *stats);
u32 zc_ask_slice(const struct zc_strategies *s, const zc_clean_stats_t *stats);
u64 zc_ask_pause(const struct zc_strategies *s, const zc_clean_stats_t *stats);

/* The level with @free of @total granules; @usual is worked out here. */
zc_pressure_t zc_ask_level(const struct zc_strategies *s, const struct zc_view *v,
			   u64 free, u32 waiting, zc_pressure_t before);
/* The same of the pool as it is. */
zc_pressure_t zc_level_now(const struct zc_strategies *s, const struct zc_view *v,
			   zc_pressure_t before);
/* ZC_RELIEF_* of it. */
u32 zc_ask_relief(const struct zc_strategies *s, zc_pressure_t level);

/* --- the scaling policy -------------------------------------------------------- */

/* The pool's, with the default's numbers where it has none. */
zc_scaling_policy_t zc_scaling(struct zc_pool *pool);
bool zc_ask_up(const zc_scaling_policy_t *p, const zc_stats_t *stats, u32 cleaners);
bool zc_ask_down(const zc_scaling_policy_t *p, const zc_stats_t *stats, u32 cleaners);
bool zc_ask_grow(const zc_scaling_policy_t *p, const zc_stats_t *stats);
bool zc_ask_shrink(const zc_scaling_policy_t *p, const zc_stats_t *stats);

#endif /* ZC_LIB_STRATEGY_H */
