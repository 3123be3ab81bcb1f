/* SPDX-License-Identifier: GPL-2.0 OR MIT OR LGPL-2.1 */
/*
 * ring.h - entries of the commit ring: {granule, sequence} {bytes, generation}.
 *
 * Two words, each stored and loaded as a whole.  An entry may be torn between
 * them (a reader that nobody waits for), so that whoever acts on one asks the
 * block's own word and descriptor.
 */
#ifndef ZC_CORE_RING_H
#define ZC_CORE_RING_H

#include "atomic.h"
#include <linux/zerocore_layout.h>

/* A private copy. */
struct zc_entry {
	u32 granule;
	u32 generation;
	u32 bytes;		/* ZC_ENTRY_BYTES_MAX: the descriptor knows */
};

static inline u64 zc_entry_place(u64 sequence, u32 granule)
{
	return (u64)granule << 32 | (u32)sequence;
}

static inline u64 zc_entry_run(u32 generation, u64 bytes)
{
	u64 most = ZC_ENTRY_BYTES_MAX;

	return (bytes < most ? bytes : most) << 32 | generation;
}

/*
 * How far the entry is from @sequence: 0: carries it; negative: not stored yet,
 * positive: overwritten by a later one.  Right up to 2^31 messages.
 */
static inline __s32 zc_entry_ahead(u64 place, u64 sequence)
{
	return (__s32)((u32)place - (u32)sequence);
}

static inline void zc_entry_rest(const struct zc_ring_entry *e, u64 place,
				 struct zc_entry *out)
{
	u64 run = zc_load_relaxed(&e->run);

	out->granule = place >> 32;
	out->generation = (u32)run;
	out->bytes = run >> 32;
}

/* Does the entry carry @sequence?  Then it is in *out. */
static inline bool zc_entry_load(const struct zc_ring_entry *e, u64 sequence,
				 struct zc_entry *out)
{
	/* [C3] pairs with zc_commit() */
	u64 place = zc_load_acquire(&e->place);

	if (zc_entry_ahead(place, sequence))
		return false;
	zc_entry_rest(e, place, out);
	return true;
}

#endif /* ZC_CORE_RING_H */
