/* SPDX-License-Identifier: GPL-2.0 OR MIT OR LGPL-2.1 */
/*
 * view.h - a pool as one process (or the kernel) has it mapped.
 *
 * The numbers are private copies, validated once at attach; nothing here is
 * read from shared memory again.
 */
#ifndef ZC_CORE_VIEW_H
#define ZC_CORE_VIEW_H

#include "atomic.h"
#include <linux/zerocore_layout.h>
#ifdef __KERNEL__
#include <linux/lockdep.h>
#include <linux/mutex.h>
#endif

struct zc_view {
	struct zc_pool_header *header;
	struct zc_member_record *members;
	struct zc_writer_slot *writer_slots;
	struct zc_reader_slot *reader_slots;
	struct zc_cleaner_slot *cleaner_slots;
	struct zc_segment_record *segments;
	struct zc_event_record *events;
	struct zc_hints *hints;
	u32 *free_hint;		/* of each stripe */
#ifdef __KERNEL__
	/* Each has a mapping of its own; none is NULL. */
	struct zc_writer_area **writer_area;
	struct zc_reader_area **reader_area;
	struct zc_block_desc **segment_descs;
	/* Under which the readers' regions come and go; NULL: they stay. */
	struct mutex *readers_lock;
#else
	char *writer_areas;
	char *reader_areas;
	char *nodes;
	struct zc_block_desc *descs;
	/*
	 * Incarnations of the reader regions that are mapped here; NULL: all are,
	 * in one file.  What is not mapped reads as zeros.
	 */
	u32 *reader_mapped;
#endif

	u32 granule_shift;
	u32 segment_shift;	/* log2 of segment_granules */
	u32 segment_granules;
	u32 stripe_granules;
	u32 max_segments;
	u32 ring_mask;
	u32 max_holds;
	u32 deferred_entries;
	u64 writer_area_bytes;
	u64 reader_area_bytes;
	u64 node_area_bytes;
	u32 segment_mask;	/* segment_granules - 1 */
	/* Segments whose data is mapped here; the library maps more when it meets one. */
	u32 segments_mapped;
};

/*
 * Fills numbers and pointers in, from a geometry that was validated, but for
 * regions of roles and descriptors.  @hints is what is at g->off_hints.
 */
void zc_view_place(struct zc_view *v, void *kernel_region, void *hints,
		   const struct zc_geometry *g);
#ifndef __KERNEL__
/* All of it, from one range of addresses. */
void zc_view_init(struct zc_view *v, void *control,
		  const struct zc_geometry *g);
#endif

static inline struct zc_writer_area *zc_writer_area(const struct zc_view *v,
						    u32 w)
{
#ifdef __KERNEL__
	return v->writer_area[w];
#else
	return (void *)(v->writer_areas + w * v->writer_area_bytes);
#endif
}

static inline struct zc_ring_entry *zc_ring(const struct zc_view *v, u32 w)
{
	return (void *)(zc_writer_area(v, w) + 1);
}

static inline struct zc_deferred_entry *zc_deferred(const struct zc_view *v,
						    u32 w)
{
	return (void *)((char *)zc_ring(v, w) +
			(u64)(v->ring_mask + 1) * sizeof(struct zc_ring_entry));
}

static inline struct zc_reader_slot *zc_reader_slot(const struct zc_view *v,
						    u32 w, u32 r)
{
	return &v->reader_slots[w * ZC_MAX_READERS_PER + r];
}

#ifdef __KERNEL__
/* For who looks at readers' regions and has not got their lock anyway. */
static inline void zc_readers_lock(const struct zc_view *v)
{
	if (v->readers_lock)
		mutex_lock(v->readers_lock);
}

static inline void zc_readers_unlock(const struct zc_view *v)
{
	if (v->readers_lock)
		mutex_unlock(v->readers_lock);
}

/* Its mapping goes when the reader leaves: (under v->readers_lock). */
static inline struct zc_reader_area *zc_reader_area(const struct zc_view *v,
						    u32 w, u32 r)
{
	lockdep_assert(!v->readers_lock || lockdep_is_held(v->readers_lock));
	return v->reader_area[w * ZC_MAX_READERS_PER + r];
}

/* The kernel changes both together, under that lock. */
static inline bool zc_reader_seen(const struct zc_view *v, u32 w, u32 r)
{
	return true;
}

static inline struct zc_block_desc *zc_desc(const struct zc_view *v,
					    u32 granule)
{
	return &v->segment_descs[granule >> v->segment_shift]
				[granule & v->segment_mask];
}
#else
/* What is mapped here stays mapped. */
static inline void zc_readers_lock(const struct zc_view *v)
{
	(void)v;
}

static inline void zc_readers_unlock(const struct zc_view *v)
{
	(void)v;
}

static inline struct zc_reader_area *zc_reader_area(const struct zc_view *v,
						    u32 w, u32 r)
{
	return (void *)(v->reader_areas +
			(u64)(w * ZC_MAX_READERS_PER + r) *
				v->reader_area_bytes);
}

/*
 * Is the region that is mapped here the one of the reader that is there now?
 * Until it is, that reader counts as one that has read nothing and holds all.
 */
static inline bool zc_reader_seen(const struct zc_view *v, u32 w, u32 r)
{
	return !v->reader_mapped ||
	       zc_load_acquire(&v->reader_mapped[w * ZC_MAX_READERS_PER + r]) ==
		       zc_load_acquire(&zc_reader_slot(v, w, r)->life) >> 32;
}

static inline struct zc_block_desc *zc_desc(const struct zc_view *v,
					    u32 granule)
{
	return &v->descs[granule];
}
#endif

#ifndef __KERNEL__
static inline struct zc_node_area *zc_node_area(const struct zc_view *v, u32 c)
{
	return (void *)(v->nodes + c * v->node_area_bytes);
}

/* Messages are at the end of a region. */
static inline struct zc_writer_mail *zc_writer_mail(const struct zc_view *v, u32 w)
{
	return (void *)((char *)zc_writer_area(v, w) + v->writer_area_bytes -
			sizeof(struct zc_writer_mail));
}

static inline struct zc_reader_mail *zc_reader_mail(const struct zc_view *v,
						    u32 w, u32 r)
{
	return (void *)((char *)zc_reader_area(v, w, r) + v->reader_area_bytes -
			sizeof(struct zc_reader_mail));
}

/* In front of that: what the role means its messages to be. */
static inline struct zc_type_record *zc_writer_type(const struct zc_view *v, u32 w)
{
	return (struct zc_type_record *)zc_writer_mail(v, w) - 1;
}

static inline struct zc_type_record *zc_reader_type(const struct zc_view *v, u32 w,
						    u32 r)
{
	return (struct zc_type_record *)zc_reader_mail(v, w, r) - 1;
}
#endif

/* Where hold number @idx of a reader lives. */
static inline u64 *zc_hold_slot(struct zc_reader_area *a, u32 idx)
{
	if (idx < ZC_FAST_HOLDS)
		return &a->hold[idx];
	return (u64 *)((char *)a + ZC_READER_OVERFLOW_OFF) +
	       (idx - ZC_FAST_HOLDS);
}

/* Segments that have been published: their descriptors are there. */
static inline u32 zc_segments(const struct zc_view *v)
{
	/* [G1] the number before what is in the segment. */
	u32 n = zc_load_acquire(&v->header->segments);

	return n < v->max_segments ? n : v->max_segments;
}

/* Granules of all published segments: every valid granule is below. */
static inline u64 zc_granules(const struct zc_view *v)
{
	return (u64)zc_segments(v) << v->segment_shift;
}

/* Segments that have memory, as far as one knows; never none. */
static inline u32 zc_segments_live(const struct zc_view *v)
{
	u32 all = zc_segments(v);
	u32 retired = zc_load_relaxed(&v->header->retired_segments);

	return retired < all ? all - retired : 1;
}

/* Granules that have memory: what there is to be shared out. */
static inline u64 zc_granules_live(const struct zc_view *v)
{
	return (u64)zc_segments_live(v) << v->segment_shift;
}

static inline u32 zc_granules_for(const struct zc_view *v, u64 bytes)
{
	return (u32)((bytes + (1ULL << v->granule_shift) - 1) >>
		     v->granule_shift);
}

/* Life words. */
static inline u64 zc_life(u32 incarnation, u32 member, u32 state)
{
	return (u64)incarnation << 32 | (u64)(member & 0xffff) << 16 |
	       (state & 0xffff);
}

static inline u32 zc_life_state(u64 life)
{
	return life & 0xffff;
}

static inline u32 zc_life_member(u64 life)
{
	return life >> 16 & 0xffff;
}

static inline u32 zc_life_incarnation(u64 life)
{
	return life >> 32;
}

/* Masks with a version: changed by CAS only, the version at each change. */
static inline u32 zc_mask_bits(u64 mask)
{
	return (u32)mask;
}

void zc_mask_set(u64 *mask, u32 bit);
void zc_mask_clear(u64 *mask, u32 bit);

#endif /* ZC_CORE_VIEW_H */
