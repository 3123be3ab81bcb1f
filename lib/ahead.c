// SPDX-License-Identifier: MIT OR LGPL-2.1
/*
 * ahead.c - a reader that waits: which block comes next, as far as those that came tell?
 */
#include "ahead.h"

/* Where it is kept what came after the block at @granule.  A few blocks share a place. */
static u32 *zc_guess_after(struct zc_guess *g, u32 granule)
{
	return &g->after[granule * 0x9e3779b1U >> (32 - __builtin_ctz(ZC_GUESSES))];
}

/*
 * The block at @granule came.  Was it the one that seemed to be the next?  Where it is not
 * the one that came after the last one before, they may lie side by side.
 */
static bool zc_guess_came(struct zc_guess *g, u32 granule)
{
	u32 *after = zc_guess_after(g, g->last), step = granule - g->last;
	bool beside = *after != granule && step == g->step;
	bool right = g->next == granule;

	*after = granule;
	g->next = beside ? granule + step : *zc_guess_after(g, granule);
	g->step = step;
	g->last = granule;
	return right;
}

/*
 * Of many that came since it was last asked, the latest are enough.  The next one is as
 * long as the last; where the last was not the one that it seemed to be, nothing is known.
 */
void zc_guess_learn(struct zc_reader *r)
{
	struct zc_guess *g = &r->guess;
	u64 s = r->cursor - g->seen > ZC_AHEAD ? r->cursor - ZC_AHEAD : g->seen;
	bool right = false;
	u64 bytes = 0;

	for (; s != r->cursor; s++) {
		const struct zc_ring_entry *e = &r->ring[s & r->ring_mask];
		u64 place = zc_load_relaxed(&e->place);

		if (zc_entry_ahead(place, s))
			continue;
		right = zc_guess_came(g, place >> 32);
		bytes = zc_load_relaxed(&e->run) >> 32;
	}
	if (g->seen != s) {
		g->seen = s;
		g->begin = right ? r->data + ((u64)g->next << r->granule_shift) : NULL;
		g->end = right ? g->begin + bytes - 1 : NULL;
	}
}

zc_result_t zc_poll_nothing(struct zc_reader *r)
{
	struct zc_guess *g = &r->guess;

	if (r->streak) {
		r->streak = 0;
		g->empty = 0;
	}
	if (g->empty == ZC_AT_HEELS)
		zc_fetch_guess(r);
	else if (++g->empty == ZC_AT_HEELS)
		zc_guess_learn(r);
	return ZC_ERROR_TIMEOUT;
}
