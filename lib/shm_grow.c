// SPDX-License-Identifier: MIT OR LGPL-2.1
/*
 * shm_grow.c - one segment more on plain shared memory.
 *
 * One at a time: who does it holds a record lock, which goes with him.  Until the
 * number of segments says so, nobody looks there: what a killed one left is made anew.
 */
#include <errno.h>
#include <unistd.h>

#include "core/geometry.h"
#include "core/killpoint.h"
#include "shm.h"

/* A record lock is the process's: its threads need another. */
static pthread_mutex_t zc_grow_lock = PTHREAD_MUTEX_INITIALIZER;

static zc_result_t zc_shm_grow_locked(struct zc_pool *pool)
{
	struct zc_view *v = &pool->view;
	u64 descs = (u64)v->segment_granules * sizeof(struct zc_block_desc);
	u32 n = zc_segments(v);
	char dir[ZC_PATH_BYTES];
	zc_result_t result;

	if (n >= v->max_segments)
		return zc_fail(ZC_ERROR_BUSY, "somebody else grew pool %s just now",
			       pool->name);
	result = zc_shm_data_dir(pool, dir);
	if (result == ZC_OK)
		result = zc_shm_segment_make(pool, dir, n);
	if (result != ZC_OK)
		return result;
	ZC_KILLPOINT(grow_made);
	result = zc_shm_control_allocate(
		pool, (u64)((char *)zc_desc(v, n << v->segment_shift) -
			    (char *)pool->control), descs);
	if (result != ZC_OK)
		return result;
	zc_segment_format(v, n);
	ZC_KILLPOINT(grow_formatted);
	/* [G1] all of the segment before the number that says so; pairs with [G1] in
	 * zc_segments(). */
	zc_store_release(&v->header->segments, n + 1);
	ZC_KILLPOINT(grow_published);
	zc_event_emit(pool, ZC_EVENT_SEGMENT_ADDED, pool->member, 0, ~0U, ~0U, 0,
		      zc_segment_bytes(pool));
	zc_epoch_bump(pool);
	return ZC_OK;
}

zc_result_t zc_shm_grow(struct zc_pool *pool)
{
	zc_result_t result;

	/* Its files would be another user's: nobody could remove them. */
	if (geteuid() != zc_load_relaxed(&pool->view.header->creator_uid))
		return zc_fail(ZC_ERROR_PERMISSION,
			       "pool %s: on plain shared memory only its owner's "
			       "processes can add segments", pool->name);
	pthread_mutex_lock(&zc_grow_lock);
	if (zc_live_lock(pool, ZC_LOCK_GROW, 0)) {
		result = zc_shm_grow_locked(pool);
		zc_live_unlock(pool, ZC_LOCK_GROW, 0);
	} else {
		result = zc_fail(ZC_ERROR_BUSY, "somebody else is growing pool %s",
				 pool->name);
	}
	pthread_mutex_unlock(&zc_grow_lock);
	return result;
}
