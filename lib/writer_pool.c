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
#include "role.h"

/* Heads looked at in one search. */
#define ZC_SEARCH_BUDGET 16384U
/* Long runs tried in one search: each may join and part many pieces. */
#define ZC_LARGE_TRIES 64U

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
		w->used_granules -= n;
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
			w->used_granules -= n;
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
	u32 draining = zc_draining(v);

	w->drained = zc_load_relaxed(&v->hints->draining);
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

/*
 * Of a run that was claimed at @granule, @n granules for a block, where is said,
 * some to be cached, and the rest goes back.
 */
static u32 zc_run_share(struct zc_writer *w, u32 granule, u32 n)
{
	struct zc_view *v = &w->pool->view;
	u32 owner = ZC_OWNER_WRITER(w->id);
	u64 word = zc_load_relaxed(&v->descs[granule].word);
	u32 length = zc_word_length(word);
	u32 cap = 128 * n, rest = granule + n;
	u64 total = zc_granules_live(v);

	/* So much was there when it was claimed, whatever somebody wrote since. */
	if (length <= n || !zc_run_sane(v, granule, word))
		return granule;
	length -= n;
	if (cap < 65536U >> w->granule_shift)
		cap = 65536U >> w->granule_shift;
	if (cap > zc_run_room(v, rest))
		cap = zc_run_room(v, rest);
	if (cap > total / 256)
		cap = (u32)(total / 256);
	if (cap > length)
		cap = length;
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

/* Tries the run whose head may be at *@at; there is the block then. */
static bool zc_try_run(struct zc_writer *w, u32 *at, u32 n)
{
	u32 granule = *at;
	struct zc_view *v = &w->pool->view;
	u32 owner = ZC_OWNER_WRITER(w->id);
	u64 word = zc_load_acquire(&v->descs[granule].word);
	u32 length;

	/* A run that does not start on a stripe ends with it. */
	if (granule % v->stripe_granules && zc_run_room(v, granule) < n)
		return false;
	if (!zc_run_claim(v, granule, &word, owner))
		return false;
	length = zc_word_length(word);
	if (length < n)
		length = zc_run_grow(v, granule, n, owner);
	if (length < n) {
		zc_run_free(v, granule, owner);
		return false;
	}
	*at = zc_run_share(w, granule, n);
	return true;
}

static u32 zc_stripe_hint(const struct zc_view *v, u32 stripe)
{
	return zc_load_relaxed(&v->free_hint[stripe]);
}

/* The first head at or after a stripe's start: a long run may reach into it. */
static u32 zc_first_head(const struct zc_view *v, u32 begin)
{
	u32 g = begin;
	u32 back;

	for (back = 0; back < ZC_STRIPES; back++) {
		u64 word = zc_load_acquire(&v->descs[g].word);

		if (zc_word_state(word) != ZC_STATE_INSIDE)
			return g < begin ? g + zc_word_length(word) : g;
		if (!(g & (v->segment_granules - 1)))
			break;
		g -= v->stripe_granules;
	}
	return begin + v->stripe_granules;
}

/* Searches one stripe; *heads is the budget. Corrects the hint. */
static bool zc_search_stripe(struct zc_writer *w, u32 stripe, u32 n, u32 *heads,
			     u32 *granule)
{
	struct zc_view *v = &w->pool->view;
	u32 begin = stripe * v->stripe_granules;
	u32 end = begin + v->stripe_granules;
	u32 hint = zc_stripe_hint(v, stripe);
	u32 g = zc_first_head(v, begin), free = 0;

	while (g < end && *heads) {
		u64 word = zc_load_acquire(&v->descs[g].word);

		(*heads)--;
		if (zc_word_state(word) == ZC_STATE_INSIDE)
			return false;	/* lost, or inside a long run */
		if (zc_word_state(word) == ZC_STATE_FREE &&
		    zc_word_owner(word) == ZC_OWNER_NONE) {
			*granule = g;
			if (zc_try_run(w, granule, n))
				return true;
			/* It may have grown: look again. */
			word = zc_load_acquire(&v->descs[g].word);
			if (zc_word_state(word) == ZC_STATE_INSIDE)
				return false;
			free += zc_word_length(word);
		} else if (zc_word_state(word) == ZC_STATE_CLEAN &&
			   zc_word_owner(word) == ZC_OWNER_ORPHAN &&
			   zc_orphan_finish(v, g, word)) {
			continue;
		}
		g += zc_word_length(word);
	}
	if (g >= end)
		zc_hint_set(v, stripe, hint, free);
	return false;
}

void zc_recount(struct zc_writer *w)
{
	struct zc_view *v = &w->pool->view;
	u32 stripes = zc_segments(v) * ZC_STRIPES;
	/* Somebody may have written that there are none. */
	u32 stripe = stripes ? w->recount++ % stripes : 0;
	u32 begin = stripe * v->stripe_granules;
	u32 end = begin + v->stripe_granules;
	u32 hint = zc_stripe_hint(v, stripe);
	u32 g = zc_first_head(v, begin), free = 0;

	while (g < end) {
		u64 word = zc_load_acquire(&v->descs[g].word);

		if (zc_word_state(word) == ZC_STATE_INSIDE)
			return;
		if (zc_word_state(word) == ZC_STATE_FREE &&
		    zc_word_owner(word) == ZC_OWNER_NONE)
			free += zc_word_length(word);
		g += zc_word_length(word);
	}
	zc_hint_set(v, stripe, hint, free);
}

/* A segment that is to become empty is the last that anything is taken from. */
static bool zc_search_small(struct zc_writer *w, u32 n, u32 *granule)
{
	struct zc_view *v = &w->pool->view;
	u32 stripes = zc_segments(v) * ZC_STRIPES;
	u32 heads = ZC_SEARCH_BUDGET;
	u32 avoid = zc_draining(v);
	u32 i;

	for (i = 0; i < stripes && heads; i++) {
		u32 s = w->rotor < stripes ? w->rotor : 0;

		w->rotor = s;
		if (zc_stripe_hint(v, s) >= n && s / ZC_STRIPES + 1 != avoid &&
		    zc_search_stripe(w, s, n, &heads, granule))
			return true;
		w->rotor = s + 1;
	}
	return false;
}

/*
 * When the hints lead nowhere: every head, a bounded number at a time, from
 * where the last search stopped. Also ends orphans.
 */
static bool zc_search_deep(struct zc_writer *w, u32 n, u32 *granule)
{
	struct zc_view *v = &w->pool->view;
	u32 heads = ZC_SEARCH_BUDGET;
	bool again = true;
	u64 word;
	u32 g;

	while (heads--) {
		if (!zc_walk_step(v, &w->deep, &g, &word)) {
			w->deep = (struct zc_walk){ 0 };
			if (!again)
				return false;
			again = false;
			continue;
		}
		if (zc_word_state(word) == ZC_STATE_CLEAN &&
		    zc_word_owner(word) == ZC_OWNER_ORPHAN &&
		    zc_orphan_finish(v, g, word))
			word = zc_load_acquire(&v->descs[g].word);
		if (zc_word_state(word) == ZC_STATE_FREE &&
		    zc_word_owner(word) == ZC_OWNER_NONE &&
		    zc_try_run(w, &g, n)) {
			*granule = g;
			return true;
		}
	}
	return false;
}

/* A run longer than a stripe starts on one and is joined from free runs. */
static bool zc_search_large(struct zc_writer *w, u32 n, u32 *granule)
{
	struct zc_view *v = &w->pool->view;
	u32 need = (n + v->stripe_granules - 1) / v->stripe_granules;
	u32 whole = n / v->stripe_granules;
	u32 segments = zc_segments(v);
	u32 tries = ZC_LARGE_TRIES;
	u32 avoid = zc_draining(v);
	u32 i;

	for (i = 0; i < segments && tries; i++) {
		u32 segment = (w->rotor / ZC_STRIPES + i) % segments;
		u32 first = segment + 1 == avoid ? ZC_STRIPES : 0;

		while (first + need <= ZC_STRIPES && tries) {
			u32 s = segment * ZC_STRIPES + first;
			u32 k = 0;

			/* All but the last must be free as a whole. */
			while (k < whole &&
			       zc_stripe_hint(v, s + k) >= v->stripe_granules)
				k++;
			if (k < whole) {
				first += k + 1;
				continue;
			}
			tries--;
			*granule = s * v->stripe_granules;
			if (zc_try_run(w, granule, n)) {
				w->rotor = s + need;
				return true;
			}
			first++;
		}
	}
	return false;
}

static bool zc_writer_find(struct zc_writer *w, u32 n, bool deep, u32 *granule)
{
	struct zc_view *v = &w->pool->view;
	u32 owner = ZC_OWNER_WRITER(w->id);
	u32 i;

	if (w->cached) {
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
		if (deep || n <= v->stripe_granules)
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
	if (n <= v->stripe_granules ? zc_search_small(w, n, granule) :
				      zc_search_large(w, n, granule))
		return true;
	return deep && zc_search_deep(w, n, granule);
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
	    zc_pool_meet(w->pool, *granule) == ZC_OK)
		return true;
	/* No addresses, or no permission any more: somebody else may have it. */
	zc_writer_give_back(w, *granule);
	return false;
}

void zc_offer(struct zc_pool *pool, u32 granule, u32 granules)
{
	struct zc_view *v = &pool->view;
	u64 waiting = zc_load_relaxed(&v->hints->waiting_writers);
	u32 i;

	if (zc_likely(!waiting))
		return;
	/* The lowest id that waits is served first; others see it by and by. */
	while (waiting) {
		u32 w = __builtin_ctzll(waiting);
		struct zc_writer_area *area;
		u32 wanted;

		waiting &= waiting - 1;
		if (w >= ZC_MAX_WRITERS)
			return;
		area = zc_writer_area(v, w);
		wanted = zc_load_relaxed(&area->wanted_granules);
		if (!wanted)
			continue;
		for (i = 0; i < ZC_GUIDES; i++) {
			u64 none = 0;

			if (zc_cas64(&area->guide[i], &none, granule + 1ULL))
				break;
		}
		zc_fetch_add32(&area->wait_word, 1);
		zc_futex_wake(&area->wait_word);
		if (wanted <= granules)
			return;
	}
}
