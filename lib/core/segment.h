/* SPDX-License-Identifier: GPL-2.0 OR MIT OR LGPL-2.1 */
/*
 * segment.h - all granules of a segment at once: taken, so that its memory can go, and
 * given back.
 *
 * One at a time: the caller holds the lock of the pool's segments, and in the kernel
 * not that of the readers' regions, which zc_segment_take() takes when it meets an
 * orphan.  All others go on meanwhile.
 */
#ifndef ZC_CORE_SEGMENT_H
#define ZC_CORE_SEGMENT_H

#include "view.h"

static inline u32 zc_segment_state(const struct zc_view *v, u32 segment)
{
	return zc_load_acquire(&v->segments[segment].state);
}

static inline void zc_segment_set(const struct zc_view *v, u32 segment, u32 state)
{
	zc_store_release(&v->segments[segment].state, state);
}

/**
 * zc_segment_take() - claim a whole segment for the remover
 * @v: the pool
 * @segment: READY
 *
 * All or nothing: who dies on the way leaves runs of ZC_OWNER_REMOVER, which
 * zc_segment_give() frees.  Ends orphans that nobody holds.
 * Return: true: nobody else has anything there, and nobody will.  In the kernel also
 * false when the caller is being killed.
 */
bool zc_segment_take(const struct zc_view *v, u32 segment);

/**
 * zc_segment_give() - free what the remover has in a segment
 * @v: the pool
 * @segment: READY: there is memory
 *
 * Return: false: not all of it was seen, because others split and join there; or
 * because somebody wrote nonsense there.
 */
bool zc_segment_give(const struct zc_view *v, u32 segment);

/* Segments that have memory, counted: one must stay. */
u32 zc_segments_ready(const struct zc_view *v);

/* Counts the segments without memory, for zc_granules_live(). */
void zc_segments_count(const struct zc_view *v);

#endif /* ZC_CORE_SEGMENT_H */
