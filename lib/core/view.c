// SPDX-License-Identifier: GPL-2.0 OR MIT OR LGPL-2.1
#include "view.h"

static u32 zc_log2(u32 n)
{
	u32 k = 0;

	while (n >>= 1)
		k++;
	return k;
}

void zc_view_place(struct zc_view *v, void *kernel_region, void *hints,
		   const struct zc_geometry *g)
{
	char *base = kernel_region;

	v->header = kernel_region;
	v->members = (void *)(base + g->off_members);
	v->writer_slots = (void *)(base + g->off_writer_slots);
	v->reader_slots = (void *)(base + g->off_reader_slots);
	v->cleaner_slots = (void *)(base + g->off_cleaner_slots);
	v->segments = (void *)(base + g->off_segments);
	v->events = (void *)(base + g->off_events);
	v->hints = hints;
	v->free_hint = (void *)(v->hints + 1);
	v->granule_shift = g->granule_shift;
	v->segment_granules = g->segment_granules;
	v->segment_mask = g->segment_granules - 1;
	v->segment_shift = zc_log2(g->segment_granules);
	v->stripe_granules = g->segment_granules / ZC_STRIPES;
	v->max_segments = g->max_segments;
	v->ring_mask = g->ring_entries - 1;
	v->max_holds = g->max_holds;
	v->deferred_entries = g->deferred_entries;
	v->writer_area_bytes = g->writer_area_bytes;
	v->reader_area_bytes = g->reader_area_bytes;
	v->node_area_bytes = g->node_area_bytes;
	v->segments_mapped = g->max_segments;
}

#ifndef __KERNEL__
void zc_view_init(struct zc_view *v, void *control, const struct zc_geometry *g)
{
	char *base = control;

	zc_view_place(v, control, base + g->off_hints, g);
	v->writer_areas = base + g->off_writer_areas;
	v->reader_areas = base + g->off_reader_areas;
	v->nodes = base + g->off_nodes;
	v->descs = (void *)(base + g->off_descs);
}
#endif

/*
 * [M1] A mask word carries a version, so that a reaper that was stopped between
 * its load and its CAS cannot clear the bit of a reader that joined since.
 */
static void zc_mask_change(u64 *mask, u32 set, u32 clear)
{
	u64 old = zc_load_relaxed(mask);
	u64 new;

	do {
		new = ((old >> 32) + 1) << 32 | (((u32)old & ~clear) | set);
	} while (!zc_cas64(mask, &old, new));
}

void zc_mask_set(u64 *mask, u32 bit)
{
	zc_mask_change(mask, 1u << bit, 0);
}

void zc_mask_clear(u64 *mask, u32 bit)
{
	zc_mask_change(mask, 0, 1u << bit);
}
