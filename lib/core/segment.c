// SPDX-License-Identifier: GPL-2.0 OR MIT OR LGPL-2.1
/*
 * segment.c - all granules of a segment at once.
 *
 * The remover is an owner like a cleaner: it claims the first run, which grows over
 * everything to the right of it, up to the end of the segment or to what somebody has.
 */
#include "killpoint.h"
#include "run.h"
#include "segment.h"

bool zc_segment_take(const struct zc_view *v, u32 segment)
{
	u32 first = segment << v->segment_shift, length, want;
	u64 word = zc_load_acquire(&zc_desc(v, first)->word);

	if (!zc_run_claim(v, first, &word, ZC_OWNER_REMOVER))
		return false;
	ZC_KILLPOINT(segment_claimed);
	length = zc_word_length(word);
	do {
		zc_relax();
		want = length + v->stripe_granules;
		if (want > v->segment_granules)
			want = v->segment_granules;
		length = zc_run_grow(v, first, want, ZC_OWNER_REMOVER);
	} while (length >= want && length < v->segment_granules);
	if (length == v->segment_granules)
		return true;
	zc_segment_give(v, segment);
	return false;
}

void zc_segment_give(const struct zc_view *v, u32 segment)
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
}

void zc_segments_count(const struct zc_view *v)
{
	u32 s, retired = 0;

	for (s = 0; s < zc_segments(v); s++)
		retired += zc_segment_state(v, s) != ZC_SEGMENT_READY;
	zc_store_relaxed(&v->header->retired_segments, retired);
}
