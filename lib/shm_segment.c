// SPDX-License-Identifier: MIT OR LGPL-2.1
/*
 * shm_segment.c - segments come and go on plain shared memory.
 *
 * One at a time: hints->remover says who is at it, and hints->removing at which.  A
 * record lock, which goes with its process, lets others see quickly that there is
 * somebody; it proves nothing, because a program that closes its descriptors loses it in
 * the middle.  What a dead one left is put in order by whoever is next, or by the first
 * who sees that he died.
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

/* --- who is at it ---------------------------------------------------------------------- */

static u64 zc_remover_me(const struct zc_pool *pool)
{
	return (u64)zc_life_incarnation(pool->life) << 32 | (pool->member + 1);
}

/* Is that one there no more, or was there nobody?  @prove: or can that be proven now? */
static bool zc_remover_gone(struct zc_pool *pool, u64 who, bool prove)
{
	u32 m = (u32)who - 1;
	u64 life;

	if (!who || m >= ZC_MAX_MEMBERS)
		return true;
	life = zc_load_acquire(&pool->view.members[m].life);
	return zc_life_state(life) != ZC_LIFE_LIVE ||
	       zc_life_incarnation(life) != who >> 32 ||
	       (prove && zc_live_proven_dead(pool, m, life));
}

/* Peers that took us for dead may have let another one go on. */
static bool zc_remover_is_me(const struct zc_pool *pool)
{
	return zc_load_relaxed(&pool->view.hints->remover) == zc_remover_me(pool);
}

static void zc_segments_done(struct zc_pool *pool)
{
	const struct zc_view *v = &pool->view;

	zc_segments_count(v);
	zc_store_relaxed(&v->hints->removing, 0);
}

/* READY, with memory: its granules are everybody's. */
static zc_result_t zc_segment_open_up(struct zc_pool *pool, u32 s)
{
	/* What was not seen is looked for by whoever is next. */
	return zc_segment_give(&pool->view, s) ? ZC_OK :
		zc_fail(ZC_ERROR_CORRUPT_POOL, "segment %u of pool %s cannot be walked "
			"through: see `zerocore pool check %s`", s, pool->name,
			pool->name);
}

/* Who was at it before may have died at it. */
static zc_result_t zc_segments_repair(struct zc_pool *pool, const char *dir)
{
	const struct zc_view *v = &pool->view;
	u32 broken = zc_load_relaxed(&v->hints->removing), nr = zc_segments(v), s;
	zc_result_t result = ZC_OK;

	if (!broken)
		return ZC_OK;
	/* One that never came. */
	if (broken - 1 == nr && broken <= v->max_segments)
		zc_shm_segment_unmake(pool, dir, broken - 1);
	for (s = 0; s < nr && result == ZC_OK; s++) {
		switch (zc_segment_state(v, s)) {
		case ZC_SEGMENT_READY:
			if (s == broken - 1)
				result = zc_segment_open_up(pool, s);
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

static void zc_segments_leave(struct zc_pool *pool)
{
	u64 me = zc_remover_me(pool);

	/* [G3] all that was done before somebody else may be at it. */
	zc_cas64(&pool->view.hints->remover, &me, 0);
	ZC_KILLPOINT(remover_left);
	zc_live_unlock(pool, ZC_LOCK_SEGMENTS, 0);
	pthread_mutex_unlock(&pool->segment_lock);
}

/* Returns ZC_OK: nobody else is at it, and everything is in order. */
static zc_result_t zc_segments_enter(struct zc_pool *pool, char dir[ZC_PATH_BYTES],
				     bool wait)
{
	u64 *remover = &pool->view.hints->remover, who;
	zc_result_t result = zc_shm_data_dir(pool, dir);

	if (result != ZC_OK)
		return result;
	if (!wait && pthread_mutex_trylock(&pool->segment_lock))
		return ZC_ERROR_BUSY;
	if (wait)
		pthread_mutex_lock(&pool->segment_lock);
	result = zc_fail(ZC_ERROR_BUSY, "somebody else is growing or shrinking pool %s",
			 pool->name);
	if (!zc_live_lock(pool, ZC_LOCK_SEGMENTS, 0)) {
		/* Who waits for somebody else would wait for ever. */
		if (errno != EAGAIN && errno != EACCES)
			result = zc_fail_errno("cannot lock the segments of pool %s",
					       pool->name);
		goto out_mutex;
	}
	who = zc_load_acquire(remover);
	/* [G3] after all that the last one did. */
	if ((who != zc_remover_me(pool) && !zc_remover_gone(pool, who, true)) ||
	    !zc_cas64(remover, &who, zc_remover_me(pool)))
		goto out_lock;
	ZC_KILLPOINT(remover_came);
	result = zc_segments_repair(pool, dir);
	if (result != ZC_OK)
		zc_segments_leave(pool);
	return result;

out_lock:
	zc_live_unlock(pool, ZC_LOCK_SEGMENTS, 0);
out_mutex:
	pthread_mutex_unlock(&pool->segment_lock);
	return result;
}

static void zc_segment_tell(struct zc_pool *pool, u32 type)
{
	zc_event_emit(pool, type, pool->member, 0, ~0U, ~0U, 0, zc_segment_bytes(pool));
	zc_epoch_bump(pool);
}

/* --- coming ---------------------------------------------------------------------------- */

static zc_result_t zc_remover_lost(struct zc_pool *pool)
{
	return zc_fail(ZC_ERROR_EVICTED, "the others took this process for dead while it "
		       "grew or shrank pool %s: close it and open it again", pool->name);
}

/* Else nobody would delete the file of a new segment. */
static zc_result_t zc_segment_wanted(const struct zc_pool *pool)
{
	errno = 0;
	if (zc_shm_still_named(pool))
		return ZC_OK;
	if (errno && errno != ENOENT)
		return zc_fail_errno("cannot see whether pool %s was removed", pool->name);
	return zc_fail(ZC_ERROR_NOT_FOUND, "pool %s was removed: what it has it keeps, but "
		       "it does not grow any more", pool->name);
}

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
	zc_store_relaxed(&v->hints->removing, n + 1);
	result = zc_shm_segment_make(pool, dir, n);
	ZC_KILLPOINT(grow_made);
	if (result == ZC_OK)
		result = zc_shm_control_allocate(
			pool, (u64)((char *)zc_desc(v, n << v->segment_shift) -
				    (char *)pool->control), descs);
	if (result == ZC_OK && !zc_remover_is_me(pool))
		return zc_remover_lost(pool);
	/* Who removes the pool takes its name first: he sees the file, or we see that. */
	if (result == ZC_OK)
		result = zc_segment_wanted(pool);
	if (result != ZC_OK) {
		zc_shm_segment_unmake(pool, dir, n);
		zc_segments_done(pool);
		return result;
	}
	zc_segment_format(v, n);
	ZC_KILLPOINT(grow_formatted);
	/* [G1] all of the segment before the number that says so; pairs with [G1] in
	 * zc_segments(). */
	zc_store_release(&v->header->segments, n + 1);
	ZC_KILLPOINT(grow_published);
	zc_segments_done(pool);
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
	if (!zc_remover_is_me(pool))
		return zc_remover_lost(pool);
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
	result = zc_segment_open_up(pool, s);
	if (result == ZC_OK)
		zc_segments_done(pool);
	ZC_KILLPOINT(revive_done);
	return result;
}

zc_result_t zc_shm_grow(struct zc_pool *pool)
{
	const struct zc_view *v = &pool->view;
	char dir[ZC_PATH_BYTES];
	zc_result_t result;
	u32 s, nr;

	/* Its files would be another user's: nobody could remove them. */
	if (geteuid() != pool->rights.uid)
		return zc_fail(ZC_ERROR_PERMISSION,
			       "pool %s: on plain shared memory only its owner's "
			       "processes can add segments", pool->name);
	result = zc_segment_wanted(pool);
	if (result == ZC_OK)
		result = zc_segments_enter(pool, dir, true);
	if (result != ZC_OK)
		return result;
	nr = zc_segments(v);
	for (s = 0; s < nr; s++)
		if (zc_segment_state(v, s) == ZC_SEGMENT_RETIRED)
			break;
	if (s < nr)
		result = zc_segment_revive(pool, dir, s);
	else
		result = zc_segment_append(pool, dir);
	if (result == ZC_OK)
		zc_segment_tell(pool, ZC_EVENT_SEGMENT_ADDED);
	zc_segments_leave(pool);
	return result;
}

/* --- going ----------------------------------------------------------------------------- */

/* It could not be emptied: it keeps its memory, and is used again. */
static void zc_segment_stays(struct zc_pool *pool, const char *dir, u32 s,
			     zc_result_t why)
{
	const struct zc_view *v = &pool->view;
	zc_result_t filled = zc_shm_segment_fill(pool, dir, s);

	/* Some of it may have gone.  No such file (any more): all that is mapped is. */
	if (filled != ZC_OK && why != ZC_ERROR_NOT_FOUND)
		return;
	zc_segment_set(v, s, ZC_SEGMENT_READY);
	if (zc_segment_open_up(pool, s) == ZC_OK)
		zc_segments_done(pool);
}

static zc_result_t zc_segment_go(struct zc_pool *pool, const char *dir, u32 s)
{
	const struct zc_view *v = &pool->view;
	zc_result_t result;

	if (zc_segment_state(v, s) == ZC_SEGMENT_READY && zc_segments_ready(v) <= 1)
		return zc_fail(ZC_ERROR_BUSY, "segment %u is the last one of pool %s that "
			       "has memory", s, pool->name);
	zc_store_relaxed(&v->hints->removing, s + 1);
	if (zc_segment_state(v, s) != ZC_SEGMENT_READY || !zc_segment_take(v, s)) {
		zc_segments_done(pool);
		return zc_fail(ZC_ERROR_BUSY, "somebody has blocks in segment %u of "
			       "pool %s", s, pool->name);
	}
	ZC_KILLPOINT(shrink_taken);
	if (!zc_remover_is_me(pool))
		return zc_remover_lost(pool);
	zc_segment_set(v, s, ZC_SEGMENT_RETIRING);
	ZC_KILLPOINT(shrink_marked);
	result = zc_shm_segment_empty(pool, dir, s);
	if (result != ZC_OK) {
		zc_segment_stays(pool, dir, s, result);
		return result;
	}
	ZC_KILLPOINT(shrink_emptied);
	zc_segment_set(v, s, ZC_SEGMENT_RETIRED);
	zc_segments_done(pool);
	ZC_KILLPOINT(shrink_done);
	zc_segment_tell(pool, ZC_EVENT_SEGMENT_REMOVED);
	return ZC_OK;
}

zc_result_t zc_shm_shrink(struct zc_pool *pool, u32 s)
{
	char dir[ZC_PATH_BYTES];
	zc_result_t result = zc_segments_enter(pool, dir, true);

	if (result != ZC_OK)
		return result;
	result = zc_segment_go(pool, dir, s);
	zc_segments_leave(pool);
	return result;
}

void zc_shm_segments_bury(struct zc_pool *pool)
{
	u64 who = zc_load_relaxed(&pool->view.hints->remover);
	char dir[ZC_PATH_BYTES];
	struct zc_said said;

	/* Who leaves takes his name away, unless he died. */
	if (!who || !pool->may_write || !zc_remover_gone(pool, who, false))
		return;
	/* Whoever else is at it does as well: it is nobody's failure. */
	zc_said_keep(&said);
	if (zc_segments_enter(pool, dir, false) == ZC_OK)
		zc_segments_leave(pool);
	zc_said_again(&said);
}
