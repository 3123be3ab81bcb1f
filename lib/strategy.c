// SPDX-License-Identifier: MIT OR LGPL-2.1
/*
 * strategy.c - tables of functions of a program, and the library's own.
 *
 * An answer is never believed: it is put within its limits before it is used, and
 * nothing that keeps the pool sound depends on it.
 */
#include "strategy.h"

#include "role.h"

#define ZC_UP_PERCENT		85
#define ZC_DOWN_PERCENT		40
#define ZC_TEAM_MAX		4
#define ZC_PERCENT_MAX		1000U

/* --- setting ------------------------------------------------------------------------ */

/* What was copied to @to of a table of @size bytes. */
static zc_result_t zc_strategy_copy(struct zc_pool *pool, void *to, size_t size,
				    const void *from, const char *what)
{
	zc_result_t result;

	if (!pool)
		return zc_fail(ZC_ERROR_INVALID, "pool is NULL");
	result = zc_pool_usable(pool);
	if (result == ZC_OK && from)
		result = zc_options_copy(to, size, from, *(const size_t *)from,
					 what);
	return result;
}

static zc_result_t zc_strategy_set(struct zc_pool *pool, void *to, const void *from,
				   size_t size)
{
	pthread_mutex_lock(&pool->lock);
	memcpy(to, from, size);
	zc_store_release(&pool->strategies.version, pool->strategies.version + 1);
	pthread_mutex_unlock(&pool->lock);
	return ZC_OK;
}

zc_result_t zc_set_alloc_strategy(zc_pool_t *pool,
				  const zc_alloc_strategy_t *strategy)
{
	zc_alloc_strategy_t s = ZC_ALLOC_STRATEGY_INIT;
	zc_result_t result = zc_strategy_copy(pool, &s, sizeof(s), strategy,
					      "zc_alloc_strategy_t");

	return result == ZC_OK ? zc_strategy_set(pool, &pool->strategies.alloc, &s,
						 sizeof(s)) : result;
}

zc_result_t zc_set_backpressure_strategy(zc_pool_t *pool,
					 const zc_backpressure_strategy_t *strategy)
{
	zc_backpressure_strategy_t s = ZC_BACKPRESSURE_STRATEGY_INIT;
	zc_result_t result = zc_strategy_copy(pool, &s, sizeof(s), strategy,
					      "zc_backpressure_strategy_t");

	return result == ZC_OK ? zc_strategy_set(pool,
						 &pool->strategies.backpressure, &s,
						 sizeof(s)) : result;
}

zc_result_t zc_set_clean_strategy(zc_pool_t *pool,
				  const zc_clean_strategy_t *strategy)
{
	zc_clean_strategy_t s = ZC_CLEAN_STRATEGY_INIT;
	zc_result_t result = zc_strategy_copy(pool, &s, sizeof(s), strategy,
					      "zc_clean_strategy_t");

	return result == ZC_OK ? zc_strategy_set(pool, &pool->strategies.clean, &s,
						 sizeof(s)) : result;
}

void zc_strategies_fetch(struct zc_pool *pool, struct zc_strategies *s)
{
	pthread_mutex_lock(&pool->lock);
	*s = pool->strategies;
	pthread_mutex_unlock(&pool->lock);
}

/* --- allocation and cleaning ---------------------------------------------------------- */

static u64 zc_within(u64 value, u64 least, u64 most)
{
	return value < least ? least : value > most ? most : value;
}

u32 zc_ask_candidates(const struct zc_strategies *s, const zc_alloc_stats_t *stats)
{
	if (!s->alloc.candidates)
		return (u32)stats->usual;
	return (u32)zc_within(s->alloc.candidates(stats, s->alloc.ctx),
			      ZC_CANDIDATES_MIN, ZC_CANDIDATES_MAX);
}

u64 zc_ask_keep_run(const struct zc_strategies *s, const zc_alloc_stats_t *stats)
{
	if (!s->alloc.keep_run_bytes)
		return stats->usual;
	return zc_within(s->alloc.keep_run_bytes(stats, s->alloc.ctx), 0,
			 stats->total_bytes / 16);
}

u64 zc_ask_footprint(const struct zc_strategies *s, const zc_alloc_stats_t *stats)
{
	if (!s->alloc.footprint_bytes)
		return stats->usual;
	return zc_within(s->alloc.footprint_bytes(stats, s->alloc.ctx), 0,
			 stats->total_bytes / 2);
}

bool zc_ask_reclaim(const struct zc_strategies *s, const zc_topic_stats_t *stats)
{
	return s->clean.should_reclaim ?
		       s->clean.should_reclaim(stats, s->clean.ctx) : stats->usual;
}

bool zc_ask_scan(const struct zc_strategies *s, const zc_clean_stats_t *stats)
{
	return s->clean.should_scan ? s->clean.should_scan(stats, s->clean.ctx) :
				      stats->usual != 0;
}

u32 zc_ask_slice(const struct zc_strategies *s, const zc_clean_stats_t *stats)
{
	if (!s->clean.slice)
		return (u32)stats->usual;
	return (u32)zc_within(s->clean.slice(stats, s->clean.ctx), ZC_SLICE_MIN,
			      ZC_SLICE_MAX);
}

u64 zc_ask_pause(const struct zc_strategies *s, const zc_clean_stats_t *stats)
{
	if (!s->clean.pause_ns)
		return stats->usual;
	return zc_within(s->clean.pause_ns(stats, s->clean.ctx), ZC_PAUSE_MIN_NS,
			 ZC_PAUSE_MAX_NS);
}

/* --- backpressure ------------------------------------------------------------------------ */

/* So much of the pool, in 32nds, is free below each level; it is left at one more. */
static const u32 zc_level_below[] = {
	[ZC_PRESSURE_LOW] = 8,
	[ZC_PRESSURE_HIGH] = 4,
	[ZC_PRESSURE_CRITICAL] = 1,
};

static zc_pressure_t zc_usual_level(u64 total, u64 free, u32 waiting,
				    zc_pressure_t before)
{
	u32 level = ZC_PRESSURE_CRITICAL;

	if (waiting)
		return ZC_PRESSURE_CRITICAL;
	for (; level > ZC_PRESSURE_NONE; level--)
		if (free < total / 32 * (zc_level_below[level] +
					 (level <= (u32)before)))
			break;
	return (zc_pressure_t)level;
}

zc_pressure_t zc_ask_level(const struct zc_strategies *s, const struct zc_view *v,
			   u64 free, u32 waiting, zc_pressure_t before)
{
	u64 total = zc_granules_live(v);
	zc_pressure_stats_t stats = {
		.sz = sizeof(stats),
		.total_bytes = total << v->granule_shift,
		.free_bytes = (free < total ? free : total) << v->granule_shift,
		.waiting_writers = waiting,
		.before = before,
		.usual = zc_usual_level(total, free, waiting, before),
	};
	zc_pressure_t level = stats.usual;

	if (s->backpressure.level)
		level = s->backpressure.level(&stats, s->backpressure.ctx);
	return (u32)level <= ZC_PRESSURE_CRITICAL ? level : stats.usual;
}

zc_pressure_t zc_level_now(const struct zc_strategies *s, const struct zc_view *v,
			   zc_pressure_t before)
{
	return zc_ask_level(s, v, zc_room_now(v).free,
			    (u32)zc_load_relaxed(&v->hints->waiting_writers),
			    before);
}

u32 zc_ask_relief(const struct zc_strategies *s, zc_pressure_t level)
{
	static const u32 usual[] = {
		[ZC_PRESSURE_NONE] = ZC_RELIEF_HOOK | ZC_RELIEF_TELL,
		[ZC_PRESSURE_LOW] = ZC_RELIEF_HOOK | ZC_RELIEF_TELL |
				    ZC_RELIEF_RECLAIM,
		[ZC_PRESSURE_HIGH] = ZC_RELIEF_HOOK | ZC_RELIEF_TELL |
				     ZC_RELIEF_RECLAIM,
		[ZC_PRESSURE_CRITICAL] = ZC_RELIEF_HOOK | ZC_RELIEF_TELL |
					 ZC_RELIEF_RECLAIM | ZC_RELIEF_PUSH |
					 ZC_RELIEF_RESERVE,
	};

	if (!s->backpressure.relief)
		return usual[level];
	return s->backpressure.relief(level, usual[level], s->backpressure.ctx);
}

/* --- the scaling policy ------------------------------------------------------------------ */

static zc_result_t zc_scaling_check(const zc_scaling_policy_t *p)
{
	if (p->max_cleaners < 0 || p->max_cleaners > (int)ZC_MAX_CLEANERS)
		return zc_fail(ZC_ERROR_INVALID,
			       "max_cleaners is %d: a pool has up to %u",
			       p->max_cleaners, ZC_MAX_CLEANERS);
	if (p->up_percent > ZC_PERCENT_MAX || p->down_percent > ZC_PERCENT_MAX ||
	    p->grow_percent > 100 || p->shrink_percent > 100)
		return zc_fail(ZC_ERROR_INVALID,
			       "up_percent %u, down_percent %u: up to %u; grow_percent %u, shrink_percent %u: up to 100",
			       p->up_percent, p->down_percent, ZC_PERCENT_MAX,
			       p->grow_percent, p->shrink_percent);
	return ZC_OK;
}

static void zc_scaling_fill(zc_scaling_policy_t *p)
{
	if (!p->max_cleaners)
		p->max_cleaners = ZC_TEAM_MAX;
	if (!p->up_percent)
		p->up_percent = ZC_UP_PERCENT;
	if (!p->down_percent)
		p->down_percent = ZC_DOWN_PERCENT;
	if (!p->grow_percent)
		p->grow_percent = ZC_UP_PERCENT;
	if (!p->shrink_percent)
		p->shrink_percent = ZC_DOWN_PERCENT;
}

zc_result_t zc_set_scaling_policy(zc_pool_t *pool,
				  const zc_scaling_policy_t *policy)
{
	zc_scaling_policy_t p = ZC_SCALING_POLICY_INIT, full;
	zc_result_t result = zc_strategy_copy(pool, &p, sizeof(p), policy,
					      "zc_scaling_policy_t");

	if (result == ZC_OK)
		result = zc_scaling_check(&p);
	if (result != ZC_OK)
		return result;
	full = p;
	zc_scaling_fill(&full);
	if (full.down_percent >= full.up_percent ||
	    full.shrink_percent >= full.grow_percent)
		return zc_fail(ZC_ERROR_INVALID,
			       "one more above %u and one less below %u percent: the first must be the larger",
			       full.down_percent >= full.up_percent ?
				       full.up_percent : full.grow_percent,
			       full.down_percent >= full.up_percent ?
				       full.down_percent : full.shrink_percent);
	pthread_mutex_lock(&pool->lock);
	pool->scaling = p;
	pthread_mutex_unlock(&pool->lock);
	return ZC_OK;
}

zc_scaling_policy_t zc_scaling(struct zc_pool *pool)
{
	zc_scaling_policy_t p;

	pthread_mutex_lock(&pool->lock);
	p = pool->scaling;
	pthread_mutex_unlock(&pool->lock);
	zc_scaling_fill(&p);
	return p;
}

bool zc_ask_up(const zc_scaling_policy_t *p, const zc_stats_t *s, u32 cleaners)
{
	return p->should_scale_up ?
		       p->should_scale_up(s, (int)cleaners, p->ctx) :
		       s->scan_ns > s->scan_goal_ns / 100 * p->up_percent;
}

bool zc_ask_down(const zc_scaling_policy_t *p, const zc_stats_t *s, u32 cleaners)
{
	return p->should_scale_down ?
		       p->should_scale_down(s, (int)cleaners, p->ctx) :
		       s->scan_ns < s->scan_goal_ns / 100 * p->down_percent;
}

bool zc_ask_grow(const zc_scaling_policy_t *p, const zc_stats_t *s)
{
	if (p->should_grow)
		return p->should_grow(s, (int)s->segments, p->ctx);
	return s->waiting_writers ||
	       s->total_bytes - s->used_bytes <=
		       s->total_bytes / 100 * (100 - p->grow_percent);
}

bool zc_ask_shrink(const zc_scaling_policy_t *p, const zc_stats_t *s)
{
	if (p->should_shrink)
		return p->should_shrink(s, (int)s->segments, p->ctx);
	/* Of what would stay 12 of 17 parts of what it grows at, 60 % of 85: a pool that
	 * shrinks is not to grow again at once. */
	return !s->waiting_writers &&
	       s->used_bytes < s->total_bytes / 100 * p->shrink_percent &&
	       s->used_bytes < (s->total_bytes - s->segment_bytes) / 1700 * 12 *
				       p->grow_percent;
}
