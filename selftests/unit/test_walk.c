/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_walk.c - walks: they cover, they get over what they meet, they end.
 */
#include <stdlib.h>

#include "step.h"
#include "unit.h"

#define W ZC_OWNER_WRITER(0)

/* Heads that a walk can possibly return in @segments segments. */
static u32 most(u32 segments)
{
	return segments * (UNIT_SEGMENT_GRANULES +
			   (ZC_WALK_LOST_MAX + 1) * UNIT_STRIPE);
}

/* Walks from @walk; marks what it covers. Returns the number of heads. */
static u32 cover(struct unit_pool *p, struct zc_walk walk, u8 *covered)
{
	u32 granule, i, heads = 0;
	u64 word;

	memset(covered, 0, p->segments * UNIT_SEGMENT_GRANULES);
	while (zc_walk_step(&p->view, &walk, &granule, &word)) {
		must(++heads <= most(p->segments));
		must(zc_word_state(word) != ZC_STATE_INSIDE);
		must(granule < zc_granules(&p->view));
		must(zc_word_length(word) <=
		     UNIT_SEGMENT_GRANULES - granule % UNIT_SEGMENT_GRANULES);
		for (i = 0; i < zc_word_length(word); i++)
			covered[granule + i] = 1;
	}
	/* The end stays the end. */
	must(!zc_walk_step(&p->view, &walk, &granule, &word));
	return heads;
}

static u32 count(const u8 *covered, u32 from, u32 to)
{
	u32 n = 0;

	for (; from < to; from++)
		n += covered[from];
	return n;
}

Test(walk, tiles_a_fresh_pool)
{
	struct unit_pool p;
	struct zc_walk walk = { 0 };
	struct unit_tally t;
	u32 granule, i;
	u64 word;

	unit_pool_init(&p, 3);
	for (i = 0; i < 3 * ZC_STRIPES; i++) {
		must(zc_walk_step(&p.view, &walk, &granule, &word));
		must_eq(granule, i * UNIT_STRIPE);
		must_eq(word, zc_word(1, UNIT_STRIPE, ZC_OWNER_NONE,
				      ZC_STATE_FREE));
	}
	must(!zc_walk_step(&p.view, &walk, &granule, &word));
	must_ok(unit_tiling(&p, &t));
	must_eq(t.free, 3 * UNIT_SEGMENT_GRANULES);
	must_ok(unit_hints(&p));
	must_ok(unit_free_runs(&p));
	unit_pool_fini(&p);
}

/* Wherever it stands: inside a long run it finds back to the run's head. */
Test(walk, survives_inside)
{
	static u8 covered[UNIT_SEGMENT_GRANULES];
	struct unit_pool p;
	u32 pos;

	unit_pool_init(&p, 1);
	unit_claim(&p, 2 * UNIT_STRIPE, 5 * UNIT_STRIPE, W);
	unit_claim(&p, 20 * UNIT_STRIPE + 3, 7, W);
	must_eq(cover(&p, (struct zc_walk){ 0 }, covered),
		ZC_STRIPES - 4 + 2);
	for (pos = 3 * UNIT_STRIPE; pos < 7 * UNIT_STRIPE; pos += UNIT_STRIPE) {
		must_eq(zc_word_state(unit_word(&p, pos)), ZC_STATE_INSIDE);
		cover(&p, (struct zc_walk){ .pos = pos }, covered);
		must_eq(count(covered, 2 * UNIT_STRIPE, UNIT_SEGMENT_GRANULES),
			UNIT_SEGMENT_GRANULES - 2 * UNIT_STRIPE);
	}
	unit_pool_fini(&p);
}

/* A word whose run would leave the segment is not believed. */
Test(walk, survives_a_length_beyond_the_segment)
{
	static u8 covered[2 * UNIT_SEGMENT_GRANULES];
	struct unit_pool p;
	u32 stripe, length;

	unit_pool_init(&p, 2);
	for (stripe = 0; stripe < ZC_STRIPES; stripe += 9) {
		u32 g = stripe * UNIT_STRIPE;
		u64 good = unit_word(&p, g);

		for (length = UNIT_SEGMENT_GRANULES - g + 1; length;
		     length = length == ZC_RUN_MAX ? 0 : ZC_RUN_MAX) {
			p.view.descs[g].word = zc_word(1, length, W,
						       ZC_STATE_FREE);
			cover(&p, (struct zc_walk){ 0 }, covered);
			/* All before it, nothing of it, the next segment. */
			must_eq(count(covered, 0, g), g);
			must_eq(covered[g], 0);
			must_eq(count(covered, UNIT_SEGMENT_GRANULES,
				      2 * UNIT_SEGMENT_GRANULES),
				UNIT_SEGMENT_GRANULES);
		}
		/* A run that just fits is one. */
		p.view.descs[g].word = zc_word(1, UNIT_SEGMENT_GRANULES - g, W,
					       ZC_STATE_FREE);
		must_eq(cover(&p, (struct zc_walk){ 0 }, covered),
			stripe + 1 + ZC_STRIPES);
		p.view.descs[g].word = good;
	}
	unit_pool_fini(&p);
}

Test(walk, ends_when_everything_is_inside)
{
	static u8 covered[3 * UNIT_SEGMENT_GRANULES];
	struct unit_pool p;
	u32 i;

	unit_pool_init(&p, 3);
	for (i = 0; i < UNIT_SEGMENT_GRANULES; i++)
		p.view.descs[UNIT_SEGMENT_GRANULES + i].word =
			zc_word(7, 1, ZC_OWNER_NONE, ZC_STATE_INSIDE);
	must_eq(cover(&p, (struct zc_walk){ 0 }, covered), 2 * ZC_STRIPES);
	must_eq(count(covered, 0, UNIT_SEGMENT_GRANULES),
		UNIT_SEGMENT_GRANULES);
	must_eq(count(covered, UNIT_SEGMENT_GRANULES,
		      2 * UNIT_SEGMENT_GRANULES), 0);
	must_eq(count(covered, 2 * UNIT_SEGMENT_GRANULES,
		      3 * UNIT_SEGMENT_GRANULES), UNIT_SEGMENT_GRANULES);
	unit_pool_fini(&p);
}

/* Whatever the words say: bounded, and within the segment (see cover()). */
Test(walk, ends_among_random_words)
{
	static u8 covered[2 * UNIT_SEGMENT_GRANULES];
	struct unit_random random;
	struct unit_pool p;
	u32 round, i;

	unit_random_init(&random);
	unit_pool_init(&p, 2);
	for (round = 0; round < 50; round++) {
		u32 shift = unit_random_below(&random, 24);

		for (i = 0; i < 2 * UNIT_SEGMENT_GRANULES; i++) {
			u64 r = unit_random_next(&random);
			u32 length = (u32)(r >> 40) >> shift;

			p.view.descs[i].word = zc_word((u32)r, length ? length : 1,
						       r >> 2 & 63, r & 3);
		}
		cover(&p, (struct zc_walk){ 0 }, covered);
	}
	unit_pool_fini(&p);
}

/* A walk that always comes back to one place gives the segment up. */
Test(walk, gives_a_broken_segment_up)
{
	static u8 covered[2 * UNIT_SEGMENT_GRANULES];
	struct unit_pool p;

	unit_pool_init(&p, 2);
	p.view.descs[5 * UNIT_STRIPE].word =
		zc_word(2, 1, ZC_OWNER_NONE, ZC_STATE_INSIDE);
	must(cover(&p, (struct zc_walk){ 0 }, covered) > ZC_WALK_LOST_MAX);
	must_eq(count(covered, 0, UNIT_SEGMENT_GRANULES), 5 * UNIT_STRIPE);
	must_eq(count(covered, UNIT_SEGMENT_GRANULES,
		      2 * UNIT_SEGMENT_GRANULES), UNIT_SEGMENT_GRANULES);
	unit_pool_fini(&p);
}

/* --- a walk that is stopped at each instruction while others merge and split --- */

static struct {
	struct unit_pool p;
	u8 covered[UNIT_SEGMENT_GRANULES];
	u32 owned;	/* head of a long run of W */
} moving;

static void walk_all(void *world)
{
	(void)world;
	cover(&moving.p, (struct zc_walk){ 0 }, moving.covered);
}

/* Merges to the right over where the walk may stand, splits elsewhere, frees. */
static void churn(void *world)
{
	struct zc_view *v = &moving.p.view;
	u64 word = unit_word(&moving.p, 0);
	u32 rest;

	(void)world;
	must(zc_run_claim(v, 0, &word, W));
	must_eq(zc_run_grow(v, 0, 6 * UNIT_STRIPE, W), 6 * UNIT_STRIPE);
	rest = zc_run_split(v, 0, UNIT_STRIPE + 5, W);
	zc_run_free(v, 0, W);
	must(zc_run_split(v, rest, 2, W) == rest + 2);
	zc_run_free(v, rest + 2, W);
	zc_run_free(v, moving.owned, W);
}

static void all_covered(void *world)
{
	(void)world;
	must_ok(unit_tiling(&moving.p, NULL));
	must_eq(count(moving.covered, 0, UNIT_SEGMENT_GRANULES),
		UNIT_SEGMENT_GRANULES);
}

Test(walk, misses_nothing_while_runs_move)
{
	const struct step_case c = { .victim = walk_all, .rivals = churn,
				     .check = all_covered };

	unit_pool_init(&moving.p, 1);
	/* Heads between the stripes, too, which the merge takes inside. */
	unit_claim(&moving.p, 4 * UNIT_STRIPE, 3, W);
	unit_claim(&moving.p, 4 * UNIT_STRIPE + 3, 5, W);
	zc_run_free(&moving.p.view, 4 * UNIT_STRIPE, W);
	zc_run_free(&moving.p.view, 4 * UNIT_STRIPE + 3, W);
	moving.owned = 8 * UNIT_STRIPE;
	unit_claim(&moving.p, moving.owned, 4 * UNIT_STRIPE, W);
	must(step_every(&c) > 30);
	unit_pool_fini(&moving.p);
}
