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

/* Those who wait for memory are told of what is new. */
static void zc_grow_offer(struct zc_pool *pool, u32 segment)
{
	const struct zc_view *v = &pool->view;
	u32 i;

	for (i = 0; i < ZC_STRIPES; i++)
		zc_offer(pool, (segment << v->segment_shift) + i * v->stripe_granules,
			 v->stripe_granules);
}

zc_result_t zc_pool_grow(zc_pool_t *pool, uint32_t segments)
{
	const struct zc_view *v;
	zc_result_t result;
	u32 before;

	if (!pool)
		return zc_fail(ZC_ERROR_INVALID, "pool is NULL");
	result = zc_pool_usable(pool);
	if (result != ZC_OK)
		return result;
	if (!pool->may_write)
		return zc_fail(ZC_ERROR_PERMISSION,
			       "pool %s was opened without write permission",
			       pool->name);
	v = &pool->view;
	while (segments-- && result == ZC_OK) {
		before = zc_segments(v);
		if (before >= v->max_segments)
			return zc_fail(ZC_ERROR_NO_MEMORY,
				       "pool %s has all the %u segments that it may have: "
				       "create it with a larger max_bytes (--max)",
				       pool->name, v->max_segments);
		result = pool->backend->grow(pool);
		if (result == ZC_OK)
			zc_grow_offer(pool, before);
	}
	if (result == ZC_OK)
		result = pool->backend->map_more(pool);
	return result;
}
