// SPDX-License-Identifier: MIT OR LGPL-2.1
/*
 * writer_pool.c - where a writer's memory comes from, and goes.
 *
 * Kept blocks: reclaimed, still owned, by size class, first in first out, so
 * that memory goes round.  The cached run: what was left of the last run that
 * was claimed.  Both are FREE with owner, so that a reaper returns them.
 * Everything else is found by stripe hints, guides and bounded walks: the cost
 * does not grow with the pool.
 */
#include <stdlib.h>

#include "core/moves.h"
#include "core/segment.h"
#include "writer_search.h"

u32 zc_size_class_large(const struct zc_view *v, u32 n, u32 *bin)
{
	/* Eight steps an octave: at most an eighth is rounded away. */
	u32 e = 31 - __builtin_clz(n);
	u32 step = 1u << (e - 3);

	n = (n + step - 1) & ~(step - 1);
	if (n > v->segment_granules)
		n = v->segment_granules;
	e = 31 - __builtin_clz(n);
	*bin = 16 + (e - 4) * 8 + ((n >> (e - 3)) & 7);
	return n;
}

void zc_writer_give_back(struct zc_writer *w, u32 granule)
{
	struct zc_view *v = &w->pool->view;
	u32 n = zc_word_length(zc_load_relaxed(&v->descs[granule].word));

	zc_run_free(v, granule, ZC_OWNER_WRITER(w->id));
	zc_offer(w->pool, granule, n);
}

bool zc_bin_grow(struct zc_bin *b)
{
	u32 cap = b->cap ? b->cap * 2 : 16;
	struct zc_kept *k = malloc(cap * sizeof(*k));
	u32 i;

	if (!k)
		return false;
	for (i = 0; i < b->nr; i++)
		k[i] = b->kept[(b->first + i) & (b->cap - 1)];
	free(b->kept);
	b->kept = k;
	b->first = 0;
	b->cap = cap;
	return true;
}

void zc_kept_spill(struct zc_writer *w)
{
	for (; w->keep_pos != w->tail; w->keep_pos++) {
		struct zc_sent *s = &w->sent[w->keep_pos & w->ring_mask];
		u32 n = zc_word_length(s->word);

		if (!s->word || (zc_kept_fits(w, n) &&
				 zc_kept_push(w, s->granule, s->word)))
			continue;
		zc_discharge(w, n);
		zc_writer_give_back(w, s->granule);
	}
}

bool zc_reuse_slow(struct zc_writer *w, u32 bin, u32 granules,
		   struct zc_claim *c)
{
	while (w->keep_pos != w->tail &&
	       !w->sent[w->keep_pos & w->ring_mask].word)
		w->keep_pos++;
	if (w->keep_pos != w->tail &&
	    zc_word_length(w->sent[w->keep_pos & w->ring_mask].word) == granules)
		return zc_reuse(w, bin, granules, c);
	zc_kept_spill(w);
	return zc_kept_pop(w, bin, granules, c);
}

void zc_kept_flush(struct zc_writer *w)
{
	struct zc_claim c;
	u32 bin;

	zc_kept_spill(w);
	if (!w->kept_granules)
		return;
	for (bin = 0; bin < ZC_BINS; bin++) {
		struct zc_bin *b = &w->bins[bin];

		while (b->nr) {
			u32 n = zc_word_length(
				b->kept[b->first & (b->cap - 1)].word);

			zc_kept_pop(w, bin, n, &c);
			zc_discharge(w, n);
			zc_writer_give_back(w, c.granule);
		}
	}
}

void zc_cached_return(struct zc_writer *w)
{
	if (w->cached) {
		u32 granule = w->cached - 1;

		w->cached = 0;
		zc_writer_give_back(w, granule);
	}
}

void zc_drain_leave(struct zc_writer *w)
{
	const struct zc_view *v = &w->pool->view;
	u32 draining;

	w->drained = zc_load_relaxed(&v->hints->draining);
	draining = zc_draining(v);
	if (!draining)
		return;
	zc_kept_flush(w);
	if (w->cached && (w->cached - 1) >> v->segment_shift == draining - 1)
		zc_cached_return(w);
}

/*
 * A reader's processor prefetches past the end of what it reads.  So that this is
 * not what the writer is writing just now, blocks of a page and more are taken one
 * below the other.  A run that is longer than a stripe must start on one.
 */
static bool zc_from_the_end(const struct zc_writer *w, u32 granule, u32 length,
			    u32 n)
{
	const struct zc_view *v = &w->pool->view;

	return zc_is_paged(w, n) &&
	       granule % v->stripe_granules + length <= v->stripe_granules;
}

zc_alloc_stats_t zc_alloc_stats(const struct zc_writer *w, u32 n, u32 run, u64 usual)
{
	const struct zc_view *v = &w->pool->view;
	struct zc_room room = zc_room_now(v);
	u32 shift = w->granule_shift;

	return (zc_alloc_stats_t){
		.sz = sizeof(zc_alloc_stats_t),
		.total_bytes = room.granules << shift,
		.free_bytes = room.free << shift,
		.waiting_writers = (u32)zc_load_relaxed(&v->hints->waiting_writers),
		.writer = w->id,
		.block_bytes = (u64)n << shift,
		.used_bytes = w->used_granules << shift,
		.kept_bytes = w->kept_granules << shift,
		.run_bytes = (u64)run << shift,
		.usual = usual,
	};
}

/* Granules of the @run left behind a block of @n that are to be its writer's. */
static u64 zc_keep_of_run(const struct zc_writer *w, u32 n, u32 run)
{
	u64 most = zc_granules_live(&w->pool->view) / 256, keep = 128ULL * n;
	zc_alloc_stats_t stats;

	if (keep < 65536U >> w->granule_shift)
		keep = 65536U >> w->granule_shift;
	if (keep > most)
		keep = most;
	if (zc_likely(!w->strategies.alloc.keep_run_bytes))
		return keep;
	stats = zc_alloc_stats(w, n, run, keep << w->granule_shift);
	return zc_ask_keep_run(&w->strategies, &stats) >> w->granule_shift;
}

/*
 * Of a run that was claimed at @granule, @n granules for a block, where is said,
 * some to be cached if there are to be more of its kind, and the rest goes back.
 */
u32 zc_run_share(struct zc_writer *w, u32 granule, u32 n)
{
	struct zc_view *v = &w->pool->view;
	u32 owner = ZC_OWNER_WRITER(w->id);
	u64 word = zc_load_relaxed(&v->descs[granule].word);
	u32 length = zc_word_length(word);
	u32 cap, rest = granule + n;
	u64 keep, total = zc_granules_live(v);

	/* So much was there when it was claimed, whatever somebody wrote since. */
	if (length <= n || !zc_run_sane(v, granule, word))
		return granule;
	/* At its beginning: what is left may have free neighbours to grow with. */
	if (!zc_is_chunked(w, n)) {
		zc_writer_give_back(w, zc_run_split(v, granule, n, owner));
		return granule;
	}
	length -= n;
	keep = zc_keep_of_run(w, n, length);
	cap = zc_run_room(v, rest);
	if (cap > length)
		cap = length;
	if (cap > keep)
		cap = (u32)keep;
	/* What is left below the last block has nobody to grow with. */
	if (zc_is_paged(w, n))
		cap -= cap % n;
	if (w->cached || !cap ||
	    zc_load_relaxed(&v->hints->free_granules) < total / 16) {
		zc_writer_give_back(w, zc_run_split(v, granule, n, owner));
		return granule;
	}
	if (length > cap)
		zc_writer_give_back(w, zc_run_split(v, granule, n + cap, owner));
	if (zc_from_the_end(w, granule, n + cap, n)) {
		w->cached = granule + 1;
		return zc_run_split(v, granule, cap, owner);
	}
	w->cached = zc_run_split(v, granule, n, owner) + 1;
	return granule;
}

static bool zc_writer_find(struct zc_writer *w, u32 n, bool deep, u32 *granule)
{
	struct zc_view *v = &w->pool->view;
	u32 owner = ZC_OWNER_WRITER(w->id);
	u32 i;

	if (w->cached && (deep || zc_is_chunked(w, n))) {
		u32 g = w->cached - 1;
		u64 word = zc_load_relaxed(&v->descs[g].word);
		u32 length = zc_run_sane(v, g, word) ? zc_word_length(word) : 0;

		if (length < n && n <= v->stripe_granules)
			length = zc_run_grow(v, g, n, owner);
		if (length >= n) {
			*granule = g;
			if (length == n)
				w->cached = 0;
			else if (zc_from_the_end(w, g, length, n))
				*granule = zc_run_split(v, g, length - n, owner);
			else
				w->cached = zc_run_split(v, g, n, owner) + 1;
			return true;
		}
		zc_cached_return(w);
	}
	for (i = 0; i < ZC_GUIDES; i++) {
		u64 g = zc_load_relaxed(&w->area->guide[i]);

		if (!g)
			continue;
		g = zc_exchange64(&w->area->guide[i], 0);
		*granule = (u32)(g - 1);
		if (g && g - 1 < zc_granules(v) && zc_try_run(w, granule, n))
			return true;
	}
	if (zc_search(w, n, granule))
		return true;
	return deep && zc_search_deep(w, n, granule);
}

/* It looks elsewhere where that fails. */
static ZC_SLOW bool zc_writer_meet(struct zc_writer *w, u32 granule)
{
	struct zc_said said;
	bool met;

	zc_said_keep(&said);
	met = zc_pool_meet(w->pool, granule) == ZC_OK;
	zc_said_again(&said);
	return met;
}

bool zc_writer_take(struct zc_writer *w, u32 n, bool deep, u32 *granule)
{
	const struct zc_view *v = &w->pool->view;
	u32 segment;

	if (!zc_writer_find(w, n, deep, granule))
		return false;
	segment = *granule >> v->segment_shift;
	/* [G2] Without memory only where somebody wrote nonsense: it stays mine, so
	 * that it leads nobody else there. */
	if (zc_unlikely(zc_segment_state(v, segment) != ZC_SEGMENT_READY))
		return false;
	if (zc_likely(segment < zc_load_acquire(&v->segments_mapped)) ||
	    zc_writer_meet(w, *granule))
		return true;
	/* No addresses, or no permission any more: somebody else may have it. */
	zc_writer_give_back(w, *granule);
	return false;
}

/*
 * A run is offered to the lowest id for whom it suffices; others see it by and by.  Who
 * waits for more than a stripe looks for a row of them by itself: a whole one may have
 * been the last that was missing.
 */
void zc_offer(struct zc_pool *pool, u32 granule, u32 granules)
{
	struct zc_view *v = &pool->view;
	u64 waiting = zc_load_relaxed(&v->hints->waiting_writers);
	u32 i;

	if (zc_likely(!waiting))
		return;
	while (waiting) {
		u32 w = __builtin_ctzll(waiting);
		struct zc_writer_area *area;
		bool enough;
		u32 wanted;

		waiting &= waiting - 1;
		if (w >= ZC_MAX_WRITERS)
			return;
		area = zc_writer_area(v, w);
		wanted = zc_load_relaxed(&area->wanted_granules);
		if (!wanted)
			continue;
		enough = granules >= wanted ||
			 zc_run_reach(v, granule, wanted) >= wanted;
		if (!enough && (wanted <= v->stripe_granules ||
				granules < v->stripe_granules))
			continue;
		for (i = 0; enough && i < ZC_GUIDES; i++) {
			u64 none = 0;

			if (zc_cas64(&area->guide[i], &none, granule + 1ULL))
				break;
		}
		zc_fetch_add32(&area->wait_word, 1);
		zc_futex_wake(&area->wait_word);
		if (enough)
			return;
	}
}
