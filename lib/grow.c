// SPDX-License-Identifier: MIT OR LGPL-2.1
/*
 * grow.c - pools that grow by segments, and members that meet them.
 *
 * Descriptors of all segments that may ever be are mapped from the beginning; the data
 * of a new one is mapped by whoever needs it.
 */
#include "backend.h"
#include "role.h"

zc_result_t zc_pool_meet(struct zc_pool *pool, u64 granule)
{
	const struct zc_view *v = &pool->view;
	u32 segment = (u32)(granule >> v->segment_shift);
	zc_result_t result = ZC_OK;

	if (segment >= zc_load_acquire(&v->segments_mapped))
		result = pool->backend->map_more(pool);
	if (result == ZC_OK && segment >= zc_load_acquire(&v->segments_mapped))
		result = zc_fail(ZC_ERROR_CORRUPT_BLOCK,
				 "granule %llu is past the end of pool %s",
				 (unsigned long long)granule, pool->name);
	return result;
}

/*
 * Who removes the pool takes away the names of its files: as long as they are there, what
 * it grew by is mapped, whoever may need it.
 */
void zc_pool_meet_new(struct zc_pool *pool)
{
	const struct zc_view *v = &pool->view;

	if (zc_segments(v) > zc_load_acquire(&v->segments_mapped))
		pool->backend->map_more(pool);
}

/* Those who wait for memory are told of what is new, which is where all is free. */
static void zc_grow_offer(struct zc_pool *pool)
{
	const struct zc_view *v = &pool->view;
	u32 stripe, stripes = zc_segments(v) * ZC_STRIPES, offered = 0;

	for (stripe = stripes; stripe-- && offered < ZC_STRIPES;)
		if (zc_load_relaxed(&v->free_hint[stripe]) >= v->stripe_granules) {
			zc_offer(pool, stripe * v->stripe_granules, v->stripe_granules);
			offered++;
		}
}

/* As the pool was created, or else near the writer that is to be served first. */
static zc_pool_options_t zc_grow_place(const struct zc_view *v)
{
	u64 waiting = zc_load_relaxed(&v->hints->waiting_writers);
	u32 placement = zc_load_relaxed(&v->hints->placement);
	zc_pool_options_t place = ZC_POOL_OPTIONS_INIT;
	u32 w = waiting ? (u32)__builtin_ctzll(waiting) : ZC_MAX_WRITERS;

	if ((placement & 0xff) == ZC_NUMA_NODE ||
	    (placement & 0xff) == ZC_NUMA_INTERLEAVE) {
		place.numa = (zc_numa_t)(placement & 0xff);
		place.numa_node = placement >> 8;
	} else if (w < ZC_MAX_WRITERS) {
		place.numa = ZC_NUMA_NODE;
		place.numa_node = zc_load_relaxed(&zc_writer_area(v, w)->wait_node);
	}
	return place;
}

static zc_result_t zc_grow_one(struct zc_pool *pool)
{
	zc_pool_options_t place = zc_grow_place(&pool->view);
	struct zc_numa_saved saved;
	zc_result_t result;

	/* No such node: anywhere. */
	if (zc_numa_begin(&saved, &place, false) != ZC_OK)
		saved.changed = false;
	result = pool->backend->grow(pool);
	zc_numa_end(&saved);
	if (result == ZC_OK)
		zc_grow_offer(pool);
	return result;
}

zc_result_t zc_pool_grow(zc_pool_t *pool, uint32_t segments)
{
	const struct zc_view *v;
	struct zc_said said;
	zc_result_t result;

	if (!pool)
		return zc_fail(ZC_ERROR_INVALID, "pool is NULL");
	zc_said_keep(&said);
	result = zc_pool_usable(pool);
	if (result != ZC_OK)
		return result;
	if (!pool->may_write)
		return zc_fail(ZC_ERROR_PERMISSION,
			       "pool %s was opened without write permission",
			       pool->name);
	v = &pool->view;
	while (segments-- && result == ZC_OK) {
		if (zc_segments_live(v) >= v->max_segments)
			return zc_fail(ZC_ERROR_NO_MEMORY,
				       "pool %s has all the %u segments that it may have: "
				       "create it with a larger max_bytes (--max)",
				       pool->name, v->max_segments);
		result = zc_grow_one(pool);
	}
	if (result == ZC_OK)
		result = pool->backend->map_more(pool);
	return zc_said_of(&said, result);
}
