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
 * touches it all the same gets memory there, which is why it stays charged.  Of
 * hugetlb pages there may be none any more: SIGBUS, for a reader whom a hostile writer
 * led there.  So segments of those stay.
 *
 * What takes long is done under pool->segment_lock alone: a segment of 2^24 granules
 * may be as many runs, and its descriptors 1 GiB.  To the members the remover is one
 * more owner, whom nobody waits for.  Only who holds an orphan is looked up under
 * pool->lock, because a reader that leaves takes its region along.
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

/*
 * Says which segment is between its states, so that whoever inspects a pool does not take
 * the remover's granules there for lost.  Written only: it is shared memory.
 */
static void zc_segment_moves(struct zc_pool *pool, u32 segment)
{
	WRITE_ONCE(pool->view.hints->removing, segment + 1);
}

static void zc_segment_rests(struct zc_pool *pool)
{
	/* All that was done there, before nobody is at it. */
	smp_store_release(&pool->view.hints->removing, 0);
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

/* A number that was never used. (under pool->segment_lock) */
static int zc_segment_append(struct zc_pool *pool, u32 *segment, u32 *page_kind)
{
	const struct zc_geometry *g = &pool->geometry;
	u64 descs = zc_pool_descs_bytes(pool);
	struct zc_view *v = &pool->view;
	struct zc_segment made = { 0 };
	u64 cost = g->segment_bytes + descs;
	u32 n = READ_ONCE(pool->segments);
	int err;

	if (n >= g->max_segments)
		return -ENOSPC;
	err = zc_pool_charge(pool, cost);
	if (err)
		return err;
	err = zc_segment_make(&made, g->segment_bytes, pool->page_wish);
	if (err)
		goto out_charge;

	err = zc_pages_get(&made.descs, pool->writers,
			   g->off_descs - g->off_hints + n * descs, descs);
	if (err)
		goto out_descs;
	mutex_lock(&pool->lock);
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

out_descs:
	/* Nobody else wants them, and nobody pays for what stays. */
	zc_pages_drop(pool->writers, g->off_descs - g->off_hints + n * descs, descs);
	zc_segment_free(&made);
out_charge:
	zc_pool_uncharge(pool, cost);
	return err;
}

/*
 * One whose memory went before; -ENOENT: there is none. (under pool->segment_lock)
 */
static int zc_segment_revive(struct zc_pool *pool, u32 *segment, u32 *page_kind)
{
	struct zc_view *v = &pool->view;
	struct zc_segment *s;
	u32 n;
	int err;

	for (n = 0; n < READ_ONCE(pool->segments); n++)
		if (pool->segment[n].retired)
			break;
	if (n == READ_ONCE(pool->segments))
		return -ENOENT;
	s = &pool->segment[n];
	err = zc_segment_fill(s, pool->geometry.segment_bytes);
	if (err) {
		zc_segment_empty(s, pool->geometry.segment_bytes);
		return err;
	}

	zc_segment_moves(pool, n);
	mutex_lock(&pool->lock);
	s->retired = false;
	WRITE_ONCE(v->segments[n].lives, v->segments[n].lives + 1);
	/* [G2] memory and mark before any granule is free. */
	zc_segment_set(v, n, ZC_SEGMENT_READY);
	mutex_unlock(&pool->lock);
	/* Not all: then somebody wrote nonsense there, and has less. */
	zc_segment_give(v, n);
	mutex_lock(&pool->lock);
	zc_segments_count(v);
	zc_segment_added(pool, n, page_kind);
	mutex_unlock(&pool->lock);
	zc_segment_rests(pool);
	*segment = n;
	return 0;
}

int zc_segment_add(struct zc_pool *pool, u32 *segment, u32 *page_kind)
{
	int err;

	if (mutex_lock_killable(&pool->segment_lock))
		return -EINTR;
	err = zc_segment_revive(pool, segment, page_kind);
	if (err == -ENOENT)
		err = zc_segment_append(pool, segment, page_kind);
	mutex_unlock(&pool->segment_lock);
	return err;
}

/* (under pool->segment_lock) */
static int zc_segment_retire(struct zc_pool *pool, u32 segment)
{
	struct zc_view *v = &pool->view;
	struct zc_segment *s;

	if (segment >= READ_ONCE(pool->segments))
		return -EINVAL;
	s = &pool->segment[segment];
	if (s->retired)
		return -ENXIO;
	if (s->page_kind == ZC_PAGES_HUGETLB)
		return -EOPNOTSUPP;
	if (zc_segments_ready(v) <= 1)
		return -EBUSY;
	zc_segment_moves(pool, segment);
	if (!zc_segment_take(v, segment)) {
		zc_segment_rests(pool);
		return -EBUSY;
	}

	mutex_lock(&pool->lock);
	s->retired = true;
	zc_segment_set(v, segment, ZC_SEGMENT_RETIRED);
	zc_segments_count(v);
	zc_segment_event(pool, ZC_DEVICE_EVENT_SEGMENT_REMOVED, segment);
	trace_zerocore_segment(pool->name, segment, s->page_kind, false);
	mutex_unlock(&pool->lock);
	zc_segment_empty(s, pool->geometry.segment_bytes);
	zc_segment_rests(pool);
	return 0;
}

int zc_segment_remove(struct zc_pool *pool, u32 segment)
{
	int err;

	if (mutex_lock_killable(&pool->segment_lock))
		return -EINTR;
	err = zc_segment_retire(pool, segment);
	mutex_unlock(&pool->segment_lock);
	return err;
}
