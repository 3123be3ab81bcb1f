// SPDX-License-Identifier: GPL-2.0
/*
 * segment.c - a pool that grows and shrinks by segments.
 *
 * A segment's descriptors have their place in the writers' file from the beginning
 * and are allocated before the segment is published.  A removed one keeps them, and
 * its file and everybody's mappings of it; what goes is the memory in the file.  It is
 * the first that comes back when the pool grows.
 *
 * All its granules belong to the remover while there is no memory.  A member that
 * touches it all the same gets memory there, which is why it stays charged.
 */
#include <linux/slab.h>

#include "zerocore.h"
#include "segment.h"
#include "trace.h"

static void zc_segment_event(struct zc_pool *pool, u32 type, u32 segment)
{
	struct zc_device_event event = {
		.type = type,
		.member = ~0U,
		.service = ~0U,
		.reader = ~0U,
		.segment = segment,
	};

	zc_event_tell(pool, &event);
}

/* (under pool->lock) */
static void zc_segment_added(struct zc_pool *pool, u32 segment, u32 *page_kind)
{
	struct zc_view *v = &pool->view;

	*page_kind = pool->segment[segment].page_kind;
	WRITE_ONCE(v->segments[segment].page_kind, *page_kind);
	if (*page_kind < v->header->page_kind)
		WRITE_ONCE(v->header->page_kind, *page_kind);
	zc_segment_event(pool, ZC_DEVICE_EVENT_SEGMENT_ADDED, segment);
	trace_zerocore_segment(pool->name, segment, *page_kind, true);
}

/* A number that was never used. */
static int zc_segment_append(struct zc_pool *pool, u32 *segment, u32 *page_kind)
{
	const struct zc_geometry *g = &pool->geometry;
	u64 descs = zc_pool_descs_bytes(pool);
	struct zc_view *v = &pool->view;
	struct zc_segment made = { 0 };
	u64 cost = g->segment_bytes + descs;
	u32 n;
	int err;

	/* Not after so much work; it is looked at again below. */
	if (READ_ONCE(pool->segments) >= g->max_segments)
		return -ENOSPC;
	err = zc_pool_charge(pool, cost);
	if (err)
		return err;
	err = zc_segment_make(&made, g->segment_bytes, pool->page_wish);
	if (err)
		goto out_charge;

	mutex_lock(&pool->lock);
	n = pool->segments;
	err = -ENOSPC;
	if (n >= g->max_segments)
		goto out_unlock;
	err = zc_pages_get(&made.descs, pool->writers,
			   g->off_descs - g->off_hints + n * descs, descs);
	if (err)
		goto out_unlock;
	pool->segment[n] = made;
	v->segment_descs[n] = made.descs.addr;
	zc_segment_format(v, n);
	WRITE_ONCE(pool->segments, n + 1);
	/* [G1] descriptors and data before the number that says so. */
	smp_store_release(&v->header->segments, n + 1);
	zc_segment_added(pool, n, page_kind);
	mutex_unlock(&pool->lock);
	*segment = n;
	return 0;

out_unlock:
	mutex_unlock(&pool->lock);
	zc_segment_free(&made);
out_charge:
	zc_pool_uncharge(pool, cost);
	return err;
}

/* One whose memory went before; -ENOENT: there is none. */
static int zc_segment_revive(struct zc_pool *pool, u32 *segment, u32 *page_kind)
{
	struct zc_view *v = &pool->view;
	struct zc_segment *s;
	u32 n;
	int err;

	mutex_lock(&pool->lock);
	for (n = 0; n < pool->segments; n++)
		if (pool->segment[n].retired && !pool->segment[n].busy)
			break;
	if (n == pool->segments) {
		mutex_unlock(&pool->lock);
		return -ENOENT;
	}
	s = &pool->segment[n];
	s->busy = true;
	mutex_unlock(&pool->lock);

	err = zc_segment_fill(s, pool->geometry.segment_bytes);
	if (err)
		zc_segment_empty(s, pool->geometry.segment_bytes);

	mutex_lock(&pool->lock);
	s->busy = false;
	if (err) {
		mutex_unlock(&pool->lock);
		return err;
	}
	s->retired = false;
	WRITE_ONCE(v->segments[n].lives, v->segments[n].lives + 1);
	/* [G2] memory and mark before any granule is free. */
	zc_segment_set(v, n, ZC_SEGMENT_READY);
	zc_segment_give(v, n);
	zc_segments_count(v);
	zc_segment_added(pool, n, page_kind);
	mutex_unlock(&pool->lock);
	*segment = n;
	return 0;
}

int zc_segment_add(struct zc_pool *pool, u32 *segment, u32 *page_kind)
{
	int err = zc_segment_revive(pool, segment, page_kind);

	return err == -ENOENT ? zc_segment_append(pool, segment, page_kind) : err;
}

int zc_segment_remove(struct zc_pool *pool, u32 segment)
{
	struct zc_view *v = &pool->view;
	struct zc_segment *s;
	int err = 0;

	mutex_lock(&pool->lock);
	if (segment >= pool->segments)
		err = -EINVAL;
	else if (pool->segment[segment].retired)
		err = -ENXIO;
	else if (!zc_segment_take(v, segment))
		err = -EBUSY;
	if (err) {
		mutex_unlock(&pool->lock);
		return err;
	}
	s = &pool->segment[segment];
	s->retired = true;
	s->busy = true;
	zc_segment_set(v, segment, ZC_SEGMENT_RETIRED);
	zc_segments_count(v);
	zc_segment_event(pool, ZC_DEVICE_EVENT_SEGMENT_REMOVED, segment);
	trace_zerocore_segment(pool->name, segment, s->page_kind, false);
	mutex_unlock(&pool->lock);

	err = zc_segment_empty(s, pool->geometry.segment_bytes);

	mutex_lock(&pool->lock);
	s->busy = false;
	mutex_unlock(&pool->lock);
	return err;
}
