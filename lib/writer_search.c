// SPDX-License-Identifier: MIT OR LGPL-2.1
/*
 * writer_search.c - which free run a writer takes.
 *
 * So that long runs stay long, a stripe that is whole is broken only when those that
 * are broken already have no room that is found.  Of the broken ones the fullest come
 * first.  Small blocks take the first run that suffices there, a chunk for many; a larger
 * one takes the smallest, free neighbours counted as one.  What is longer than a stripe
 * takes the shortest row of whole ones that suffices.
 *
 * What is looked at is bounded: the hints of a window of stripes, then the heads of a
 * few of them.  When all that leads nowhere, older ways are left: stripe by stripe from
 * where the last search ended, and every head.
 */
#include "core/moves.h"
#include "core/segment.h"
#include "writer_search.h"

/* Heads looked at in one search that takes what comes first: for a chunk, or at last. */
#define ZC_SEARCH_BUDGET 16384U
/* Long runs tried in one search: each may join and part many pieces. */
#define ZC_LARGE_TRIES 64U
/* Stripes whose hints one search compares: sixteen segments. */
#define ZC_FIT_STRIPES 1024U
/* Of them, the fullest that have room; and the heads that are looked at there. */
#define ZC_FIT_PICKS 8U
#define ZC_FIT_HEADS 512U
/* Times that somebody else may be faster. */
#define ZC_FIT_TRIES 3U
/* Free neighbours that are counted as one run. */
#define ZC_REACH_HEADS 64U

static bool zc_is_free(u64 word)
{
	return zc_word_state(word) == ZC_STATE_FREE &&
	       zc_word_owner(word) == ZC_OWNER_NONE;
}

/* Heads that a search for @n granules looks at. */
static u32 zc_search_budget(const struct zc_writer *w, u32 n)
{
	zc_alloc_stats_t stats;

	if (zc_likely(!w->strategies.alloc.candidates))
		return ZC_SEARCH_BUDGET;
	stats = zc_alloc_stats(w, n, 0, ZC_SEARCH_BUDGET);
	return zc_ask_candidates(&w->strategies, &stats);
}

u32 zc_run_reach(const struct zc_view *v, u32 granule, u32 want)
{
	u32 limit = zc_run_room(v, granule), length = 0, heads, n;
	u64 word;

	if (limit == v->stripe_granules)
		limit = v->segment_granules - (granule & v->segment_mask);
	for (heads = 0; heads < ZC_REACH_HEADS; heads++) {
		if (length >= want || length >= limit)
			break;
		word = zc_load_acquire(&v->descs[granule + length].word);
		n = zc_word_length(word);
		if (!zc_is_free(word) || n > limit - length)
			break;
		length += n;
	}
	return length;
}

bool zc_try_run(struct zc_writer *w, u32 *at, u32 n)
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

/* --- stripes --------------------------------------------------------------------- */

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

/* What this writer knows of a stripe. */
static struct zc_stripe_seen *zc_stripe_seen(struct zc_writer *w, u32 stripe)
{
	struct zc_stripe_seen *seen = &w->seen[stripe % ZC_SEEN];

	if (seen->stripe != stripe + 1)
		*seen = (struct zc_stripe_seen){ stripe + 1, 0, 0 };
	return seen;
}

/* It has seen all of the stripe: no run is longer than @longest. */
static void zc_stripe_note(struct zc_writer *w, u32 stripe, u32 free, u32 longest)
{
	w->seen[stripe % ZC_SEEN] = (struct zc_stripe_seen){ stripe + 1, free, longest };
}

/* May there be @n granules in a row?  Since something became free, who knows. */
static bool zc_may_have(struct zc_writer *w, u32 stripe, u32 hint, u32 n)
{
	struct zc_stripe_seen *seen = zc_stripe_seen(w, stripe);

	if (hint > seen->hint)
		return true;
	seen->hint = hint;
	return seen->longest >= n;
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
		if (zc_is_free(word)) {
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
	if (g >= end) {
		zc_hint_set(v, stripe, hint, free);
		zc_stripe_note(w, stripe, free, n - 1);
	}
	return false;
}

/* Counts what is free there: hints drift when somebody dies. */
static void zc_stripe_count(const struct zc_view *v, u32 stripe)
{
	u32 begin = stripe * v->stripe_granules;
	u32 end = begin + v->stripe_granules;
	u32 hint = zc_stripe_hint(v, stripe);
	u32 g = zc_first_head(v, begin), free = 0;

	while (g < end) {
		u64 word = zc_load_acquire(&v->descs[g].word);

		if (zc_word_state(word) == ZC_STATE_INSIDE)
			return;
		if (zc_is_free(word))
			free += zc_word_length(word);
		g += zc_word_length(word);
	}
	zc_hint_set(v, stripe, hint, free);
}

void zc_recount(struct zc_writer *w)
{
	u32 stripes = zc_segments(&w->pool->view) * ZC_STRIPES;

	/* Somebody may have written that there are none. */
	zc_stripe_count(&w->pool->view, stripes ? w->recount++ % stripes : 0);
}

/* --- where it fits best ----------------------------------------------------------- */

/* A run of free neighbours. */
struct zc_fit {
	u32 granule;
	u32 length;	/* 0: none */
};

/* The smallest of a stripe, if it is smaller than @fit and still suffices. */
static void zc_fit_stripe(struct zc_writer *w, u32 stripe, u32 n, u32 *heads,
			  struct zc_fit *fit)
{
	struct zc_view *v = &w->pool->view;
	u32 begin = stripe * v->stripe_granules;
	u32 end = begin + v->stripe_granules;
	u32 hint = zc_stripe_hint(v, stripe);
	u32 g = zc_first_head(v, begin), free = 0, longest = 0;
	struct zc_fit run = { g, 0 };

	for (;;) {
		u64 word = 0;
		bool is_free = false;

		if (g < end) {
			if (!*heads)
				return;
			(*heads)--;
			word = zc_load_acquire(&v->descs[g].word);
			if (zc_word_state(word) == ZC_STATE_INSIDE ||
			    !zc_run_sane(v, g, word))
				return;	/* lost, or nonsense */
			is_free = zc_is_free(word);
		}
		if (is_free) {
			run.length += zc_word_length(word);
			free += zc_word_length(word);
		} else {
			if (run.length > end - run.granule)
				run.length = end - run.granule;
			if (run.length > longest)
				longest = run.length;
			if (run.length >= n &&
			    (!fit->length || run.length < fit->length))
				*fit = run;
			if (g >= end)
				break;
			run.granule = g + zc_word_length(word);
			run.length = 0;
		}
		g += zc_word_length(word);
	}
	zc_hint_set(v, stripe, hint, free);
	zc_stripe_note(w, stripe, free, longest);
}

/* Broken stripes with room for @n, the fullest first. */
struct zc_picks {
	u32 nr;
	u32 stripe[ZC_FIT_PICKS];
	u32 hint[ZC_FIT_PICKS];
};

/* The stripes that a search compares. */
static u32 zc_window(struct zc_writer *w, u32 *first)
{
	u32 stripes = zc_segments(&w->pool->view) * ZC_STRIPES;

	*first = 0;
	if (stripes <= ZC_FIT_STRIPES)
		return stripes;
	*first = w->rotor < stripes ? w->rotor - w->rotor % ZC_STRIPES : 0;
	return ZC_FIT_STRIPES < stripes - *first ? ZC_FIT_STRIPES : stripes - *first;
}

static void zc_fit_pick(struct zc_writer *w, u32 n, struct zc_picks *p)
{
	const struct zc_view *v = &w->pool->view;
	u32 first, nr = zc_window(w, &first), avoid = zc_draining(v), s, i;

	p->nr = 0;
	for (s = first; s < first + nr; s++) {
		u32 hint = zc_stripe_hint(v, s);

		if (hint < n || hint >= v->stripe_granules ||
		    (p->nr == ZC_FIT_PICKS && hint >= p->hint[p->nr - 1]) ||
		    s / ZC_STRIPES + 1 == avoid || !zc_may_have(w, s, hint, n))
			continue;
		if (p->nr < ZC_FIT_PICKS)
			p->nr++;
		for (i = p->nr - 1; i && p->hint[i - 1] > hint; i--) {
			p->hint[i] = p->hint[i - 1];
			p->stripe[i] = p->stripe[i - 1];
		}
		p->hint[i] = hint;
		p->stripe[i] = s;
	}
}

/* *lost: there was one, and somebody else was faster. */
static bool zc_fit_broken(struct zc_writer *w, u32 n, u32 *granule, bool *lost)
{
	bool chunked = zc_is_chunked(w, n);
	u32 heads = zc_search_budget(w, n), i;
	struct zc_fit fit = { 0, 0 };
	struct zc_picks p;

	*lost = false;
	if (!chunked && heads > ZC_FIT_HEADS)
		heads = ZC_FIT_HEADS;
	zc_fit_pick(w, n, &p);
	for (i = 0; i < p.nr && heads; i++) {
		if (!chunked) {
			zc_fit_stripe(w, p.stripe[i], n, &heads, &fit);
		} else if (zc_search_stripe(w, p.stripe[i], n, &heads, granule)) {
			w->rotor = p.stripe[i];
			return true;
		}
	}
	if (!fit.length)
		return false;
	*granule = fit.granule;
	*lost = !zc_try_run(w, granule, n);
	return !*lost;
}

/* A row of whole stripes: how many from @s on, no further than @end. */
static u32 zc_row(const struct zc_view *v, u32 s, u32 end)
{
	u32 n = 0;

	while (s + n < end && zc_stripe_hint(v, s + n) >= v->stripe_granules)
		n++;
	return n;
}

/*
 * The shortest row that has room for @n granules.  Up to a stripe: in its last.  More:
 * from its first, or, where its end is followed by enough that is free, before that.
 */
static bool zc_fit_whole(struct zc_writer *w, u32 n, u32 *granule)
{
	struct zc_view *v = &w->pool->view;
	u32 first, nr = zc_window(w, &first), avoid = zc_draining(v), s, row;
	u32 whole = n / v->stripe_granules, rest = n % v->stripe_granules;
	u32 best = ~0u, at = 0, end;

	for (s = first; s < first + nr; s += s + row < end ? row + 1 : row) {
		u32 cost, where;

		/* A row ends with its segment. */
		end = s - s % ZC_STRIPES + ZC_STRIPES;
		row = zc_row(v, s, end);
		if (!row || s / ZC_STRIPES + 1 == avoid)
			continue;
		cost = 2 * row;
		if (n <= v->stripe_granules) {
			where = s + row - 1;
		} else if (row >= whole && (!rest || (s + row < end &&
			   zc_run_reach(v, (s + row) * v->stripe_granules, rest) >= rest))) {
			where = s + row - whole;
		} else if (row > whole) {
			where = s;
			cost++;
		} else {
			continue;
		}
		if (cost < best) {
			best = cost;
			at = where;
		}
	}
	if (best == ~0u)
		return false;
	*granule = at * v->stripe_granules;
	if (!zc_try_run(w, granule, n)) {
		/* Somebody was faster, or it is not what its hint says. */
		zc_stripe_count(v, at);
		return false;
	}
	if (zc_is_chunked(w, n))
		w->rotor = at;
	return true;
}

/* --- what comes first -------------------------------------------------------------- */

/* A segment that is to become empty is the last that anything is taken from. */
static bool zc_search_small(struct zc_writer *w, u32 n, u32 *granule)
{
	struct zc_view *v = &w->pool->view;
	u32 stripes = zc_segments(v) * ZC_STRIPES;
	u32 heads = zc_search_budget(w, n);
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

/* Also ends orphans. */
bool zc_search_deep(struct zc_writer *w, u32 n, u32 *granule)
{
	struct zc_view *v = &w->pool->view;
	u64 from = ((u64)w->deep.segment << v->segment_shift) + w->deep.pos;
	u32 heads = zc_search_budget(w, n);
	bool again = false;
	u64 word;
	u32 g;

	while (heads--) {
		if (!zc_walk_step(v, &w->deep, &g, &word)) {
			w->deep = (struct zc_walk){ 0 };
			if (again)
				return false;
			again = true;
			continue;
		}
		/* Once round. */
		if (again && g >= from)
			return false;
		if (zc_word_state(word) == ZC_STATE_CLEAN &&
		    zc_word_owner(word) == ZC_OWNER_ORPHAN &&
		    zc_orphan_finish(v, g, word))
			word = zc_load_acquire(&v->descs[g].word);
		if (zc_is_free(word) && zc_try_run(w, &g, n)) {
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

bool zc_search(struct zc_writer *w, u32 n, u32 *granule)
{
	const struct zc_view *v = &w->pool->view;
	u32 stripes = zc_segments(v) * ZC_STRIPES;
	u32 heads = zc_search_budget(w, n), hint, tries;
	bool lost;

	if (n > v->stripe_granules)
		return zc_fit_whole(w, n, granule) || zc_search_large(w, n, granule);
	/* Where the last chunk came from there may be more. */
	if (zc_is_chunked(w, n) && w->rotor < stripes &&
	    w->rotor / ZC_STRIPES + 1 != zc_draining(v)) {
		hint = zc_stripe_hint(v, w->rotor);
		if (hint >= n && hint < v->stripe_granules &&
		    zc_search_stripe(w, w->rotor, n, &heads, granule))
			return true;
	}
	for (tries = 0; tries < ZC_FIT_TRIES; tries++)
		if (zc_fit_broken(w, n, granule, &lost))
			return true;
		else if (!lost)
			break;
	return zc_fit_whole(w, n, granule) || zc_search_small(w, n, granule);
}
