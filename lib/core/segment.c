// SPDX-License-Identifier: GPL-2.0 OR MIT OR LGPL-2.1
/*
 * segment.c - all granules of a segment at once.
 *
 * The remover is an owner like a cleaner: it claims the first run, which grows over
 * everything to the right of it, up to the end of the segment or to what somebody has.
 */
#include "killpoint.h"
#include "reclaim.h"
#include "run.h"
#include "segment.h"

/* Runs of one granule each, in a segment of 2^24: a slice is some 100 us. */
#define ZC_TAKE_GRANULES	4096U
/* Walks of one that gives back: each may lose its way where others merge. */
#define ZC_GIVE_TRIES		8

/* An orphan that nobody holds any more: in a pool at rest nobody else comes by. */
static bool zc_segment_orphan(const struct zc_view *v, u32 granule)
{
	u64 word = zc_load_acquire(&zc_desc(v, granule)->word);
	bool finished;

	if (zc_word_state(word) != ZC_STATE_CLEAN ||
	    zc_word_owner(word) != ZC_OWNER_ORPHAN)
		return false;
	/* One orphan at a time: the rest of the pool goes on in between. */
	zc_readers_lock(v);
	finished = zc_orphan_finish(v, granule, word);
	zc_readers_unlock(v);
	return finished;
}

/* Up to what somebody has.  Return: granules. */
static u32 zc_segment_grow(const struct zc_view *v, u32 first, u32 length)
{
	u32 want;

	do {
		zc_relax();
		want = length + ZC_TAKE_GRANULES;
		if (want > v->segment_granules)
			want = v->segment_granules;
		length = zc_run_grow(v, first, want, ZC_OWNER_REMOVER);
	} while (length >= want && length < v->segment_granules && !zc_killed());
	return length;
}

bool zc_segment_take(const struct zc_view *v, u32 segment)
{
	u32 first = segment << v->segment_shift, length, more;
	u64 word;

	zc_segment_orphan(v, first);
	word = zc_load_acquire(&zc_desc(v, first)->word);
	if (!zc_run_claim(v, first, &word, ZC_OWNER_REMOVER))
		return false;
	ZC_KILLPOINT(segment_claimed);
	more = zc_segment_grow(v, first, zc_word_length(word));
	/* Each time it is longer, or this ends: whatever somebody writes there. */
	for (length = 0; more > length && more < v->segment_granules && !zc_killed();) {
		length = more;
		if (zc_segment_orphan(v, first + length))
			more = zc_segment_grow(v, first, length);
	}
	if (more == v->segment_granules)
		return true;
	zc_run_free(v, first, ZC_OWNER_REMOVER);
	return false;
}

static bool zc_segment_give_once(const struct zc_view *v, u32 segment)
{
	struct zc_walk walk = { .segment = segment };
	u32 granule;
	u64 word;

	while (zc_walk_segment(v, &walk, &granule, &word)) {
		zc_relax();
		if (zc_word_state(word) != ZC_STATE_FREE ||
		    zc_word_owner(word) != ZC_OWNER_REMOVER)
			continue;
		/* Whoever claimed it may have died in the middle of that. */
		zc_run_normalise(v, granule, word);
		zc_run_free(v, granule, ZC_OWNER_REMOVER);
		ZC_KILLPOINT(segment_given);
	}
	return !walk.skipped;
}

bool zc_segment_give(const struct zc_view *v, u32 segment)
{
	u32 tries = ZC_GIVE_TRIES;

	while (tries--)
		if (zc_segment_give_once(v, segment))
			return true;
	return false;
}

u32 zc_segments_ready(const struct zc_view *v)
{
	u32 s, n = 0;

	for (s = 0; s < zc_segments(v); s++)
		n += zc_segment_state(v, s) == ZC_SEGMENT_READY;
	return n;
}

void zc_segments_count(const struct zc_view *v)
{
	zc_store_relaxed(&v->header->retired_segments,
			 zc_segments(v) - zc_segments_ready(v));
}
