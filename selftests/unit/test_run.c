/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_run.c - runs: claim, split, grow, free, against a model of them.
 */
#include <stdlib.h>

#include "unit.h"

#define W ZC_OWNER_WRITER(0)
#define OTHER ZC_OWNER_WRITER(1)

Test(run, claim_takes_a_free_run_once)
{
	struct unit_pool p;
	u64 word, seen;

	unit_pool_init(&p, 1);
	word = seen = unit_word(&p, 0);
	must(zc_run_claim(&p.view, 0, &word, W));
	must_eq(word, zc_word(2, UNIT_STRIPE, W, ZC_STATE_FREE));
	must_eq(unit_word(&p, 0), word);
	must_eq(p.view.free_hint[0], 0);
	must_eq(p.view.hints->free_granules,
		UNIT_SEGMENT_GRANULES - UNIT_STRIPE);
	/* By what it was, and by what it is. */
	must(!zc_run_claim(&p.view, 0, &seen, OTHER));
	must(!zc_run_claim(&p.view, 0, &word, OTHER));
	must_eq(p.view.hints->free_granules,
		UNIT_SEGMENT_GRANULES - UNIT_STRIPE);
	unit_pool_fini(&p);
}

Test(run, claim_refuses_a_length_beyond_the_segment)
{
	struct unit_pool p;
	u32 g = UNIT_SEGMENT_GRANULES - UNIT_STRIPE;
	u64 word;

	unit_pool_init(&p, 1);
	p.view.descs[g].word = word = zc_word(1, UNIT_STRIPE + 1, ZC_OWNER_NONE,
					      ZC_STATE_FREE);
	must(!zc_run_claim(&p.view, g, &word, W));
	p.view.descs[g].word = word = zc_word(1, ZC_RUN_MAX, ZC_OWNER_NONE,
					      ZC_STATE_FREE);
	must(!zc_run_claim(&p.view, g, &word, W));
	must_eq(unit_word(&p, g), word);
	unit_pool_fini(&p);
}

Test(run, split_leaves_two_owned_runs)
{
	struct unit_pool p;
	u32 n;

	unit_pool_init(&p, 1);
	for (n = 1; n < UNIT_STRIPE; n++) {
		u32 g = n * UNIT_STRIPE;
		u64 word = unit_word(&p, g);

		must(zc_run_claim(&p.view, g, &word, W));
		must_eq(zc_run_split(&p.view, g, n, W), g + n);
		must_eq(unit_word(&p, g), zc_word(3, n, W, ZC_STATE_FREE));
		must_eq(zc_word_same(unit_word(&p, g + n), W, ZC_STATE_FREE),
			zc_word(1, UNIT_STRIPE - n, W, ZC_STATE_FREE));
	}
	must_ok(unit_tiling(&p, NULL));
	unit_pool_fini(&p);
}

Test(run, grow_stays_within_its_stripe)
{
	struct unit_pool p;
	u32 g = 4 * UNIT_STRIPE;

	unit_pool_init(&p, 1);
	unit_claim(&p, g + 3, 1, W);
	must_eq(zc_run_grow(&p.view, g + 3, 4 * UNIT_STRIPE, W),
		UNIT_STRIPE - 3);
	must_eq(zc_word_length(unit_word(&p, g + UNIT_STRIPE)), UNIT_STRIPE);
	must_ok(unit_tiling(&p, NULL));
	must_ok(unit_hints(&p));
	unit_pool_fini(&p);
}

/* A reaper frees a run as it was: it may reach a granule into the next stripe. */
Test(run, grow_takes_no_neighbour_that_leaves_the_stripe)
{
	const u32 g = 4 * UNIT_STRIPE, next = g + 4, n = UNIT_STRIPE - 4 + 1;
	struct unit_pool p;

	unit_pool_init(&p, 1);
	unit_claim(&p, g + 3, 1, W);
	unit_claim(&p, next, n - 1, W + 1);
	unit_claim(&p, g + UNIT_STRIPE, 1, W + 1);
	zc_move_resize(&p.view.descs[next].word, n, W + 1);
	zc_move_absorb(&p.view.descs[g + UNIT_STRIPE].word,
		       unit_word(&p, g + UNIT_STRIPE));
	must(zc_move_reap(&p.view.descs[next].word, unit_word(&p, next)));
	zc_hint_add(&p.view, next, n);
	must_eq(zc_run_grow(&p.view, g + 3, UNIT_STRIPE, W), 1);
	must_eq(zc_word_length(unit_word(&p, next)), n);
	must_ok(unit_tiling(&p, NULL));
	must_ok(unit_hints(&p));
	unit_pool_fini(&p);
}

Test(run, grow_takes_a_whole_segment_and_no_more)
{
	struct unit_pool p;
	struct unit_tally t;
	u64 word;
	u32 i;

	unit_pool_init(&p, 2);
	word = unit_word(&p, 0);
	must(zc_run_claim(&p.view, 0, &word, W));
	must_eq(zc_run_grow(&p.view, 0, ~0U, W), UNIT_SEGMENT_GRANULES);
	must_eq(zc_word_length(unit_word(&p, 0)), UNIT_SEGMENT_GRANULES);
	must_ok(unit_tiling(&p, &t));
	must_eq(t.claimed, UNIT_SEGMENT_GRANULES);
	must_eq(t.free, UNIT_SEGMENT_GRANULES);
	must_ok(unit_hints(&p));
	for (i = UNIT_STRIPE; i < UNIT_SEGMENT_GRANULES; i += UNIT_STRIPE)
		must_eq(zc_word_state(unit_word(&p, i)), ZC_STATE_INSIDE);
	/* Back in pieces: nobody may claim a whole segment at once. */
	zc_run_free(&p.view, 0, W);
	must_ok(unit_tiling(&p, &t));
	must_eq(t.runs, 2 * ZC_STRIPES);
	must_eq(t.free, 2 * UNIT_SEGMENT_GRANULES);
	must_ok(unit_hints(&p));
	must_ok(unit_free_runs(&p));
	unit_pool_fini(&p);
}

Test(run, grow_stops_at_what_is_not_free)
{
	struct unit_pool p;
	u64 word;

	unit_pool_init(&p, 1);
	word = unit_word(&p, 0);
	must(zc_run_claim(&p.view, 0, &word, W));
	unit_claim(&p, 3 * UNIT_STRIPE + 2, 1, OTHER);
	/* Up to the other's block, exactly. */
	must_eq(zc_run_grow(&p.view, 0, ~0U, W), 3 * UNIT_STRIPE + 2);
	must_eq(zc_run_grow(&p.view, 0, ~0U, W), 3 * UNIT_STRIPE + 2);
	must_eq(zc_word_owner(unit_word(&p, 3 * UNIT_STRIPE + 2)), OTHER);
	must_ok(unit_tiling(&p, NULL));
	must_ok(unit_hints(&p));
	unit_pool_fini(&p);
}

Test(run, free_takes_clean_runs_too)
{
	struct unit_pool p;
	struct unit_tally t;
	u32 i;

	unit_pool_init(&p, 1);
	/* A run within a stripe, and one of more than three stripes. */
	unit_claim(&p, 17, 3, W);
	unit_claim(&p, 4 * UNIT_STRIPE, 3 * UNIT_STRIPE + 1, W);
	for (i = 17; i < 100; i += 4 * UNIT_STRIPE - 17) {
		u64 word = unit_word(&p, i);

		zc_move_commit(&p.view.descs[i].word, word, W);
		word = unit_word(&p, i);
		must(zc_move_reclaim(&p.view.descs[i].word, &word, W));
		zc_run_free(&p.view, i, W);
	}
	must_ok(unit_tiling(&p, &t));
	must_eq(t.free, UNIT_SEGMENT_GRANULES);
	must_ok(unit_hints(&p));
	must_ok(unit_free_runs(&p));
	unit_pool_fini(&p);
}

/* --- against a model ----------------------------------------------------------- */

#define SEGMENTS 2U
#define GRANULES (SEGMENTS * UNIT_SEGMENT_GRANULES)
#define WRITERS 4U

/* The model: runs as they must be, and each word as it was last. */
static struct {
	u32 length[GRANULES];	/* of the run that begins here, else 0 */
	u32 owner[GRANULES];
	u64 word[GRANULES];
} model;

static void model_check(const struct unit_pool *p, u32 step)
{
	u32 g, n;

	for (g = 0; g < GRANULES; g += n) {
		u64 w = unit_word(p, g);

		n = zc_word_length(w);
		if (model.length[g] != n || model.owner[g] != zc_word_owner(w) ||
		    zc_word_state(w) != ZC_STATE_FREE)
			unit_fail(__FILE__, __LINE__,
				  "step %u, granule %u: length %u, owner %u, state %u, must be %u, %u, FREE",
				  step, g, n, zc_word_owner(w), zc_word_state(w),
				  model.length[g], model.owner[g]);
	}
	must_eq(g, GRANULES);
	/* Each write of a word makes its generation grow. */
	for (g = 0; g < GRANULES; g++) {
		u64 w = unit_word(p, g);

		if (w == model.word[g])
			continue;
		if (zc_word_generation(w) <= zc_word_generation(model.word[g]))
			unit_fail(__FILE__, __LINE__,
				  "step %u: the generation of granule %u goes from %u to %u",
				  step, g, zc_word_generation(model.word[g]),
				  zc_word_generation(w));
		model.word[g] = w;
	}
}

static void model_join(u32 g)
{
	u32 next = g + model.length[g];

	model.length[g] += model.length[next];
	model.length[next] = 0;
}

static u32 model_split(u32 g, u32 n)
{
	model.length[g + n] = model.length[g] - n;
	model.owner[g + n] = model.owner[g];
	model.length[g] = n;
	return g + n;
}

static u32 model_grow(u32 g, u32 want)
{
	u32 limit = g % UNIT_STRIPE ? UNIT_STRIPE - g % UNIT_STRIPE :
			UNIT_SEGMENT_GRANULES - g % UNIT_SEGMENT_GRANULES;
	u32 next;

	while (model.length[g] < want && model.length[g] < limit) {
		next = g + model.length[g];
		if (model.owner[next] ||
		    model.length[g] + model.length[next] > limit)
			break;
		model_join(g);
	}
	return model.length[g];
}

static void model_free(u32 g)
{
	u32 room;

	while (model.length[g] > (room = UNIT_STRIPE - g % UNIT_STRIPE)) {
		u32 rest = model_split(g, room);

		model.owner[g] = 0;
		g = rest;
	}
	model.owner[g] = 0;
}

/* The @nth run of @owner, counted in a circle; GRANULES: it has none. */
static u32 model_pick(u32 owner, u32 nth)
{
	u32 g, runs = 0;

	for (g = 0; g < GRANULES; g += model.length[g])
		runs += model.owner[g] == owner;
	if (!runs)
		return GRANULES;
	nth %= runs;
	for (g = 0; g < GRANULES; g += model.length[g])
		if (model.owner[g] == owner && !nth--)
			break;
	return g;
}

static void run_claim_one(struct unit_pool *p, struct unit_random *random,
			  u32 owner)
{
	u32 g = model_pick(0, (u32)unit_random_next(random));
	u64 word;

	if (g == GRANULES)
		return;
	word = unit_word(p, g);
	must(zc_run_claim(&p->view, g, &word, owner));
	model.owner[g] = owner;
}

static void run_change_one(struct unit_pool *p, struct unit_random *random,
			   u32 owner)
{
	u32 g = model_pick(owner, (u32)unit_random_next(random));
	u32 n;

	if (g == GRANULES)
		return;
	switch (unit_random_below(random, 4)) {
	case 0:
		zc_run_free(&p->view, g, owner);
		model_free(g);
		return;
	case 1:
		if (model.length[g] == 1)
			return;
		n = 1 + unit_random_below(random, model.length[g] - 1);
		must_eq(zc_run_split(&p->view, g, n, owner), g + n);
		model_split(g, n);
		return;
	default:
		n = unit_random_below(random, 8) ?
			    unit_random_below(random, 3 * UNIT_STRIPE) : ~0U;
		must_eq(zc_run_grow(&p->view, g, n, owner), model_grow(g, n));
	}
}

Test(run, agrees_with_a_model)
{
	struct unit_random random;
	struct unit_pool p;
	struct unit_tally t;
	u32 step, g, owner;

	unit_random_init(&random);
	unit_pool_init(&p, SEGMENTS);
	for (g = 0; g < GRANULES; g += UNIT_STRIPE)
		model.length[g] = UNIT_STRIPE;
	for (g = 0; g < GRANULES; g++)
		model.word[g] = unit_word(&p, g);

	for (step = 0; step < 100000; step++) {
		owner = ZC_OWNER_WRITER(unit_random_below(&random, WRITERS));
		if (unit_random_below(&random, 3))
			run_change_one(&p, &random, owner);
		else
			run_claim_one(&p, &random, owner);
		model_check(&p, step);
		if (step % 64)
			continue;
		must_ok(unit_tiling(&p, &t));
		must_eq(t.free + t.claimed, GRANULES);
		must_ok(unit_hints(&p));
		must_ok(unit_free_runs(&p));
	}
	/* All comes back, in runs of at most a stripe. */
	for (owner = ZC_OWNER_WRITER(0); owner <= WRITERS; owner++)
		while ((g = model_pick(owner, 0)) != GRANULES) {
			zc_run_free(&p.view, g, owner);
			model_free(g);
		}
	must_ok(unit_tiling(&p, &t));
	must_eq(t.free, GRANULES);
	must_ok(unit_hints(&p));
	must_ok(unit_free_runs(&p));
	unit_pool_fini(&p);
}
