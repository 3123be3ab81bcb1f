// SPDX-License-Identifier: GPL-2.0
/*
 * segment.c - a pool that grows and shrinks by segments.
 *
 * A segment's descriptors have their place in the writers' file from the beginning
 * and are allocated before the segment is published.  A removed one keeps them,
 * marked retired; only its data goes.  Numbers are never used again.
 */
#include <linux/slab.h>

#include "zerocore.h"
#include "moves.h"
#include "run.h"
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

int zc_segment_add(struct zc_pool *pool, u32 *segment, u32 *page_kind)
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
	v->segments[n].page_kind = made.page_kind;
	zc_segment_format(v, n);
	WRITE_ONCE(pool->segments, n + 1);
	if (made.page_kind < v->header->page_kind)
		WRITE_ONCE(v->header->page_kind, made.page_kind);
	/* Descriptors and data before the number that says so. */
	smp_store_release(&v->header->segments, n + 1);
	zc_segment_event(pool, ZC_DEVICE_EVENT_SEGMENT_ADDED, n);
	trace_zerocore_segment(pool->name, n, made.page_kind, true);
	mutex_unlock(&pool->lock);
	*segment = n;
	*page_kind = made.page_kind;
	return 0;

out_unlock:
	mutex_unlock(&pool->lock);
	zc_segment_free(&made);
out_charge:
	zc_pool_uncharge(pool, cost);
	return err;
}

/*
 * Claims every free run of the segment for the remover.  Returns false, and gives
 * back what it claimed, if somebody has something in there.
 */
static bool zc_segment_claim(const struct zc_view *v, u32 segment)
{
	u32 first = segment << v->segment_shift;
	u32 end = first + v->segment_granules, g, n;
	u64 word;

	for (g = first; g < end; g += n) {
		zc_relax();
		word = zc_load_acquire(&zc_desc(v, g)->word);
		n = zc_word_length(word);
		if (!n || n > end - g || !zc_run_claim(v, g, &word, ZC_OWNER_REMOVER))
			break;
	}
	if (g == end)
		return true;
	/* A length of 0 or too much: somebody writes nonsense there. */
	end = g;
	for (g = first; g < end; g += n) {
		zc_relax();
		n = zc_word_length(zc_load_relaxed(&zc_desc(v, g)->word));
		if (!n || n > end - g)
			break;
		zc_run_free(v, g, ZC_OWNER_REMOVER);
	}
	return false;
}

int zc_segment_remove(struct zc_pool *pool, u32 segment)
{
	struct zc_view *v = &pool->view;
	int err = -EBUSY;

	mutex_lock(&pool->lock);
	if (segment >= pool->segments) {
		err = -EINVAL;
		goto out;
	}
	if (!pool->segment[segment].file) {
		err = -ENXIO;
		goto out;
	}
	if (!zc_segment_claim(v, segment))
		goto out;
	WRITE_ONCE(v->segments[segment].state, ZC_SEGMENT_RETIRED);
	/* Its data is counted until the last member has unmapped it. */
	pool->segment[segment].gone = pool->segment[segment].file;
	pool->segment[segment].file = NULL;
	pool->segments_gone++;
	zc_segment_event(pool, ZC_DEVICE_EVENT_SEGMENT_REMOVED, segment);
	trace_zerocore_segment(pool->name, segment,
			       pool->segment[segment].page_kind, false);
	mutex_unlock(&pool->lock);
	zc_segments_sweep(pool);
	return 0;
out:
	mutex_unlock(&pool->lock);
	return err;
}

void zc_segments_sweep(struct zc_pool *pool)
{
	u64 bytes = 0;
	u32 i;

	mutex_lock(&pool->lock);
	for (i = 0; pool->segments_gone && i < pool->segments; i++) {
		struct zc_segment *s = &pool->segment[i];

		if (!s->gone || zc_file_in_use(s->gone))
			continue;
		fput(s->gone);
		s->gone = NULL;
		pool->segments_gone--;
		bytes += pool->geometry.segment_bytes;
	}
	mutex_unlock(&pool->lock);
	if (bytes)
		zc_pool_uncharge(pool, bytes);
}
