// SPDX-License-Identifier: GPL-2.0 OR MIT OR LGPL-2.1
/*
 * run.c - runs of granules: walk, claim, split, merge, give back.
 *
 * Which words can be believed.  Granule 0 of a segment always is the head of a
 * run: a merge absorbs to the right only.  By induction a walk that starts
 * there stands on heads, as long as nobody merges in between; a granule that
 * was absorbed says INSIDE, or for the moment between "extend" and "mark" still
 * what it said before, with an owner, and its old length leads to the end of
 * the merged run.  Dying in that moment leaves such a word for good.  It is
 * harmless: nobody arrives there from the left any more, it has an owner so that
 * nobody claims it, and the next split that makes it a head writes it.  Only a
 * lost walk, which restarts at a stripe head, could believe it: therefore a
 * reaper makes the stripe heads inside a run INSIDE before it frees the run
 * (zc_run_normalise), and a reaper's walk starts at the first granule after the
 * death is known.
 */
#include "run.h"
#include "killpoint.h"
#include "moves.h"

bool zc_walk_segment(const struct zc_view *v, struct zc_walk *walk,
		     u32 *granule, u64 *word)
{
	u32 base = walk->segment << v->segment_shift;
	u32 stripe = v->stripe_granules;

	while (walk->pos < v->segment_granules) {
		u64 w = zc_load_acquire(&zc_desc(v, base + walk->pos)->word);

		if (zc_likely(zc_word_state(w) != ZC_STATE_INSIDE &&
			      zc_word_length(w) <=
				      v->segment_granules - walk->pos)) {
			*granule = base + walk->pos;
			*word = w;
			walk->pos += zc_word_length(w);
			return true;
		}
		/* Lost: somebody merged here.  Back to a stripe head. */
		if (++walk->lost > ZC_WALK_LOST_MAX) {
			walk->skipped++;
			break;
		}
		if (walk->pos % stripe)
			walk->pos -= walk->pos % stripe;
		else if (walk->pos)
			walk->pos -= stripe;
		else
			walk->lost = ZC_WALK_LOST_MAX;	/* corrupt: give it up */
	}
	return false;
}

bool zc_walk_step(const struct zc_view *v, struct zc_walk *walk, u32 *granule,
		  u64 *word)
{
	u32 segments = zc_segments(v);

	while (walk->segment < segments) {
		if (zc_walk_segment(v, walk, granule, word))
			return true;
		walk->segment++;
		walk->pos = 0;
		walk->lost = 0;
	}
	return false;
}

static u32 *zc_hint_of(const struct zc_view *v, u32 stripe)
{
	return &v->free_hint[stripe];
}

static void zc_hint_change(const struct zc_view *v, u32 granule, u32 granules,
			   bool add)
{
	u64 total = granules;

	while (granules) {
		u32 in_segment = granule & (v->segment_granules - 1);
		u32 stripe = in_segment / v->stripe_granules;
		u32 room = v->stripe_granules -
			   in_segment % v->stripe_granules;
		u32 n = granules < room ? granules : room;
		u32 *hint = zc_hint_of(v, (granule >> v->segment_shift) *
						  ZC_STRIPES + stripe);

		zc_fetch_add32(hint, add ? n : -n);
		granule += n;
		granules -= n;
	}
	zc_add64(&v->hints->free_granules, add ? total : -total);
}

void zc_hint_add(const struct zc_view *v, u32 granule, u32 granules)
{
	zc_hint_change(v, granule, granules, true);
}

void zc_hint_sub(const struct zc_view *v, u32 granule, u32 granules)
{
	zc_hint_change(v, granule, granules, false);
}

void zc_hint_set(const struct zc_view *v, u32 stripe, u32 old, u32 free)
{
	if (old != free && zc_cas32(zc_hint_of(v, stripe), &old, free))
		zc_add64(&v->hints->free_granules,
			 (u64)(long long)(int)(free - old));
}

u64 zc_hint_sum(const struct zc_view *v)
{
	u32 stripes = zc_segments(v) * ZC_STRIPES;
	u64 old = zc_load_relaxed(&v->hints->free_granules);
	u64 sum = 0;
	u32 i;

	for (i = 0; i < stripes; i++) {
		u32 hint = zc_load_relaxed(zc_hint_of(v, i));

		sum += hint < v->stripe_granules ? hint : v->stripe_granules;
	}
	zc_cas64(&v->hints->free_granules, &old, sum);
	return sum;
}

bool zc_run_claim(const struct zc_view *v, u32 granule, u64 *word, u32 owner)
{
	if (!zc_run_sane(v, granule, *word) ||
	    !zc_move_claim(&zc_desc(v, granule)->word, word, owner))
		return false;
	zc_hint_sub(v, granule, zc_word_length(*word));
	ZC_KILLPOINT(claim_done);
	return true;
}

/* Cuts a run of @length; *word is its word then.  Return: the remainder's. */
static u64 zc_run_cut(const struct zc_view *v, u32 granule, u32 length,
		      u32 granules, u32 owner, u64 *word)
{
	u64 rest;

	/* Dead in between: the head still covers the remainder. */
	rest = zc_move_resize(&zc_desc(v, granule + granules)->word,
			      length - granules, owner);
	ZC_KILLPOINT(split_remainder);
	*word = zc_move_resize(&zc_desc(v, granule)->word, granules, owner);
	ZC_KILLPOINT(split_shortened);
	return rest;
}

u32 zc_run_split(const struct zc_view *v, u32 granule, u32 granules, u32 owner)
{
	u64 w = zc_load_relaxed(&zc_desc(v, granule)->word);

	zc_run_cut(v, granule, zc_word_length(w), granules, owner, &w);
	return granule + granules;
}

/* How long may a run become that starts here? */
static u32 zc_run_limit(const struct zc_view *v, u32 granule)
{
	u32 pos = granule & (v->segment_granules - 1);
	u32 in_stripe = pos % v->stripe_granules;

	if (!in_stripe)
		return v->segment_granules - pos;
	return v->stripe_granules - in_stripe;
}

u32 zc_run_grow(const struct zc_view *v, u32 granule, u32 want, u32 owner)
{
	u64 *head = &zc_desc(v, granule)->word;
	u64 w = zc_load_relaxed(head);
	u32 length = zc_word_length(w);
	u32 limit = zc_run_limit(v, granule);

	if (!zc_run_sane(v, granule, w))
		return 0;	/* somebody wrote over it: no run that is any use */
	while (length < want && length < limit) {
		u64 *next = &zc_desc(v, granule + length)->word;
		u32 n;

		w = zc_load_acquire(next);
		n = zc_word_length(w);

		if (n > limit - length ||
		    !zc_run_claim(v, granule + length, &w, owner))
			break;
		ZC_KILLPOINT(merge_claimed);
		/* First extend, then mark: dead in between, the run is whole. */
		length += n;
		zc_move_resize(head, length, owner);
		ZC_KILLPOINT(merge_extended);
		zc_move_absorb(next, w);
		ZC_KILLPOINT(merge_marked);
	}
	return length;
}

/* A live owner makes a run unowned, be it FREE or CLEAN. */
static void zc_run_publish(const struct zc_view *v, u32 granule, u64 word)
{
	/* The hint last: who counts in between errs upwards. */
	zc_move_done(&zc_desc(v, granule)->word, word);
	ZC_KILLPOINT(free_published);
	zc_hint_add(v, granule, zc_word_length(word));
}

/*
 * The word is loaded once: what was looked at is what is used, whoever scribbles
 * over it meanwhile.
 */
void zc_run_free(const struct zc_view *v, u32 granule, u32 owner)
{
	u64 *head = &zc_desc(v, granule)->word;
	u64 w = zc_load_relaxed(head);

	if (!zc_run_sane(v, granule, w))
		return;		/* somebody wrote over it: nothing is lost but it */
	if (zc_word_state(w) == ZC_STATE_CLEAN &&
	    zc_word_length(w) > zc_run_room(v, granule))
		w = zc_move_keep(head, w, owner);
	/* Runs that nobody owns do not cross a stripe. */
	while (zc_word_length(w) > zc_run_room(v, granule)) {
		u32 room = zc_run_room(v, granule);
		u64 rest = zc_run_cut(v, granule, zc_word_length(w), room,
				      owner, &w);

		zc_run_publish(v, granule, w);
		granule += room;
		w = rest;
	}
	zc_run_publish(v, granule, w);
}

void zc_run_normalise(const struct zc_view *v, u32 granule, u64 word)
{
	u32 stripe = v->stripe_granules;
	u32 pos = granule - granule % stripe + stripe;

	for (; pos < granule + zc_word_length(word); pos += stripe) {
		u64 w = zc_load_acquire(&zc_desc(v, pos)->word);

		if (zc_word_state(w) == ZC_STATE_INSIDE)
			continue;
		/*
		 * Loaded before the head is looked at again: if that is still
		 * the dead owner's, nobody had made a head of this granule.
		 */
		if (zc_load_acquire(&zc_desc(v, granule)->word) != word)
			return;
		zc_move_inside(&zc_desc(v, pos)->word, w);
	}
}
