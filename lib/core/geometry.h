/* SPDX-License-Identifier: GPL-2.0 OR MIT OR LGPL-2.1 */
/*
 * geometry.h - from options to places, and back: is this geometry sane?
 */
#ifndef ZC_CORE_GEOMETRY_H
#define ZC_CORE_GEOMETRY_H

#include "view.h"
#include <linux/zerocore_layout.h>

/* What a creator asks for; zero fields get a default. */
struct zc_geometry_request {
	u64 bytes;
	u64 segment_bytes;
	u32 granule_bytes;
	u32 ring_entries;
	u32 max_holds;
	u32 max_segments;	/* 0: as many as @bytes needs, or @max_bytes */
	u64 max_bytes;		/* that it may grow to; 0: it does not */
};

/**
 * zc_geometry_compute() - lay a pool out
 * @g: gets the geometry
 * @segments: gets the number of segments that @req.bytes needs
 * @req: what is wanted
 * Return: NULL, or a sentence that says which wish cannot be met.
 */
const char *zc_geometry_compute(struct zc_geometry *g, u32 *segments,
				const struct zc_geometry_request *req);

/**
 * zc_geometry_check() - validate a geometry read from a file
 * @g: a private copy
 * @file_bytes: size of the control file
 * Return: NULL, or a sentence that says what is wrong.
 *
 * After this, every offset and index computed from @g stays in the file.
 */
const char *zc_geometry_check(const struct zc_geometry *g, u64 file_bytes);

/**
 * zc_pool_format() - write header and descriptors of a new, zeroed pool
 * @v: the pool, placed
 * @g: its geometry
 * @segments: how many segments are ready
 *
 * Everything but magic, name, ids: the caller fills those in, magic last.
 */
void zc_pool_format(const struct zc_view *v, const struct zc_geometry *g,
		    u32 segments);

/* The descriptors of one new segment, zeroed: all of it is free. */
void zc_segment_format(const struct zc_view *v, u32 segment);

#endif /* ZC_CORE_GEOMETRY_H */
