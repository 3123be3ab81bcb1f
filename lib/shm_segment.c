// SPDX-License-Identifier: MIT OR LGPL-2.1
/*
 * shm_segment.c - segments come and go on plain shared memory.
 *
 * One at a time: who does it holds a record lock, which goes with him.  What a killed
 * one left is put in order by whoever holds the lock next.
 *
 * A new segment nobody looks at until the number of segments says that it is there.
 * One that goes is claimed as a whole first, and marked; then its memory goes, by a hole
 * in its file, under everybody's mappings.  One that comes back gets its memory first,
 * then its mark, then its granules are free.  So there is memory wherever a granule is
 * anybody's but the remover's.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <unistd.h>

#include "core/geometry.h"
#include "core/killpoint.h"
#include "core/segment.h"
#include "shm.h"

/* A record lock is the process's: its threads need another. */
static pthread_mutex_t zc_segment_lock = PTHREAD_MUTEX_INITIALIZER;

static void zc_segments_done(struct zc_pool *pool)
{
	const struct zc_view *v = &pool->view;

	zc_segments_count(v);
	zc_store_relaxed(&v->hints->removing, 0);
}

/* Who held the lock before may have been killed at it. */
static zc_result_t zc_segments_repair(struct zc_pool *pool, const char *dir)
{
	const struct zc_view *v = &pool->view;
	u32 broken = zc_load_relaxed(&v->hints->removing), s;
	zc_result_t result = ZC_OK;

	if (!broken)
		return ZC_OK;
	for (s = 0; s < zc_segments(v) && result == ZC_OK; s++) {
		switch (zc_segment_state(v, s)) {
		case ZC_SEGMENT_READY:
			if (s == broken - 1)
				zc_segment_give(v, s);
			break;
		case ZC_SEGMENT_RETIRING:
			/* Whether it was going or coming: nobody saw it come. */
			result = zc_shm_segment_empty(pool, dir, s);
			if (result == ZC_OK)
				zc_segment_set(v, s, ZC_SEGMENT_RETIRED);
		}
	}
	if (result == ZC_OK)
		zc_segments_done(pool);
	return result;
}

/* Returns true with the lock held, and everything in order. */
static zc_result_t zc_segments_enter(struct zc_pool *pool, char dir[ZC_PATH_BYTES])
{
	zc_result_t result = zc_shm_data_dir(pool, dir);

	if (result != ZC_OK)
		return result;
	pthread_mutex_lock(&zc_segment_lock);
	if (zc_live_lock(pool, ZC_LOCK_SEGMENTS, 0)) {
		result = zc_segments_repair(pool, dir);
		if (result == ZC_OK)
			return ZC_OK;
		zc_live_unlock(pool, ZC_LOCK_SEGMENTS, 0);
	} else {
		result = zc_fail(ZC_ERROR_BUSY, "somebody else is growing or shrinking "
				 "pool %s", pool->name);
	}
	pthread_mutex_unlock(&zc_segment_lock);
	return result;
}

static void zc_segments_leave(struct zc_pool *pool)
{
	zc_live_unlock(pool, ZC_LOCK_SEGMENTS, 0);
	pthread_mutex_unlock(&zc_segment_lock);
}

static void zc_segment_tell(struct zc_pool *pool, u32 type)
{
	zc_event_emit(pool, type, pool->member, 0, ~0U, ~0U, 0, zc_segment_bytes(pool));
	zc_epoch_bump(pool);
}

/* --- coming ---------------------------------------------------------------------------- */

/* A number that was never used. */
static zc_result_t zc_segment_append(struct zc_pool *pool, const char *dir)
{
	struct zc_view *v = &pool->view;
	u64 descs = (u64)v->segment_granules * sizeof(struct zc_block_desc);
	u32 n = zc_segments(v);
	zc_result_t result;

	if (n >= v->max_segments)
		return zc_fail(ZC_ERROR_BUSY, "somebody else grew pool %s just now",
			       pool->name);
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
	return ZC_OK;
}

/* One whose memory went before. */
static zc_result_t zc_segment_revive(struct zc_pool *pool, const char *dir, u32 s)
{
	const struct zc_view *v = &pool->view;
	zc_result_t result;

	zc_store_relaxed(&v->hints->removing, s + 1);
	zc_segment_set(v, s, ZC_SEGMENT_RETIRING);
	ZC_KILLPOINT(revive_begun);
	result = zc_shm_segment_fill(pool, dir, s);
	if (result != ZC_OK) {
		if (zc_shm_segment_empty(pool, dir, s) == ZC_OK) {
			zc_segment_set(v, s, ZC_SEGMENT_RETIRED);
			zc_segments_done(pool);
		}
		return result;
	}
	ZC_KILLPOINT(revive_filled);
	zc_store_relaxed(&v->segments[s].lives,
			 zc_load_relaxed(&v->segments[s].lives) + 1);
	/* [G2] memory and mark before any granule is free; pairs with [G2] in
	 * zc_writer_take(). */
	zc_segment_set(v, s, ZC_SEGMENT_READY);
	ZC_KILLPOINT(revive_ready);
	zc_segment_give(v, s);
	zc_segments_done(pool);
	ZC_KILLPOINT(revive_done);
	return ZC_OK;
}

zc_result_t zc_shm_grow(struct zc_pool *pool)
{
	const struct zc_view *v = &pool->view;
	char dir[ZC_PATH_BYTES];
	zc_result_t result;
	u32 s;

	/* Its files would be another user's: nobody could remove them. */
	if (geteuid() != zc_load_relaxed(&v->header->creator_uid))
		return zc_fail(ZC_ERROR_PERMISSION,
			       "pool %s: on plain shared memory only its owner's "
			       "processes can add segments", pool->name);
	result = zc_segments_enter(pool, dir);
	if (result != ZC_OK)
		return result;
	for (s = 0; s < zc_segments(v); s++)
		if (zc_segment_state(v, s) == ZC_SEGMENT_RETIRED)
			break;
	if (s < zc_segments(v))
		result = zc_segment_revive(pool, dir, s);
	else
		result = zc_segment_append(pool, dir);
	if (result == ZC_OK)
		zc_segment_tell(pool, ZC_EVENT_SEGMENT_ADDED);
	zc_segments_leave(pool);
	return result;
}

/* --- going ----------------------------------------------------------------------------- */

zc_result_t zc_shm_shrink(struct zc_pool *pool, u32 s)
{
	const struct zc_view *v = &pool->view;
	char dir[ZC_PATH_BYTES];
	zc_result_t result;

	result = zc_segments_enter(pool, dir);
	if (result != ZC_OK)
		return result;
	zc_store_relaxed(&v->hints->removing, s + 1);
	if (zc_segment_state(v, s) != ZC_SEGMENT_READY || !zc_segment_take(v, s)) {
		zc_segments_done(pool);
		zc_segments_leave(pool);
		return zc_fail(ZC_ERROR_BUSY, "somebody has blocks in segment %u of "
			       "pool %s", s, pool->name);
	}
	ZC_KILLPOINT(shrink_taken);
	zc_segment_set(v, s, ZC_SEGMENT_RETIRING);
	ZC_KILLPOINT(shrink_marked);
	result = zc_shm_segment_empty(pool, dir, s);
	if (result == ZC_OK) {
		ZC_KILLPOINT(shrink_emptied);
		zc_segment_set(v, s, ZC_SEGMENT_RETIRED);
		zc_segments_done(pool);
		ZC_KILLPOINT(shrink_done);
		zc_segment_tell(pool, ZC_EVENT_SEGMENT_REMOVED);
	} else {
		/* It keeps its memory, and is used again. */
		zc_segment_set(v, s, ZC_SEGMENT_READY);
		zc_segment_give(v, s);
		zc_segments_done(pool);
	}
	zc_segments_leave(pool);
	return result;
}

void zc_shm_segments_bury(struct zc_pool *pool)
{
	char dir[ZC_PATH_BYTES];

	if (!pool->may_write || !zc_load_relaxed(&pool->view.hints->removing))
		return;
	/* Who is at it and alive holds the lock. */
	if (zc_segments_enter(pool, dir) == ZC_OK)
		zc_segments_leave(pool);
}
