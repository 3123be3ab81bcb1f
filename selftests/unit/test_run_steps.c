/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_run_steps.c - death, and rivals, at each instruction of a run's moves.
 *
 * Whatever a writer was at when it died: after one pass of the reaper every
 * granule is in one run and nobody's.  Whoever else claims meanwhile: a run has
 * one owner.  (models/merge.pml, reference_acquire.pml, aba.pml in the C code.)
 */
#include "step.h"

#define W ZC_OWNER_WRITER(0)
#define RIVAL ZC_OWNER_WRITER(1)
#define OTHER ZC_OWNER_WRITER(2)

static struct {
	struct unit_pool p;
	u32 owned;		/* head of a run of W */
	u32 got;		/* what the victim got, in granules */
	u32 rival_got;
} world;

static void world_init(void)
{
	memset(&world, 0, sizeof(world));
	unit_pool_init(&world.p, 1);
	unit_member_join(&world.p, 0);
	unit_member_join(&world.p, 1);
	unit_writer_join(&world.p, 0, 0);
	unit_writer_join(&world.p, 1, 1);
	/* Stripes of runs of many lengths: 1 and 2 of OTHER, 5 of nobody ... */
	unit_claim(&world.p, 20 * UNIT_STRIPE + 5, 1, OTHER);
	unit_claim(&world.p, 21 * UNIT_STRIPE, 2, OTHER);
	unit_member_join(&world.p, 2);
	unit_writer_join(&world.p, 2, 2);
}

/* Member 0 is dead: two reapers, of which one was stopped in between. */
static void reap_the_dead(void *ctx)
{
	struct unit_reaper first, second;

	(void)ctx;
	unit_declare_dead(&world.p, 0, 1);
	unit_reaper_init(&first, 2);
	unit_reaper_init(&second, 2);
	zc_reap(&world.p.view, &first.reaper, &first.ops, 10);
	unit_reap(&world.p, &second, 7);
	/* The slot is used again, while the first still stands where it stood. */
	unit_member_join(&world.p, 0);
	unit_writer_join(&world.p, 0, 0);
	unit_claim(&world.p, 3 * UNIT_STRIPE, 2 * UNIT_STRIPE, W);
	unit_reap(&world.p, &first, 1000);
}

static void all_is_back(void *ctx)
{
	struct unit_tally t;

	(void)ctx;
	must_ok(unit_tiling(&world.p, &t));
	must_ok(unit_free_runs(&world.p));
	/* 3 granules of OTHER, 2 stripes of the new incarnation. */
	must_eq(t.claimed, 3 + 2 * UNIT_STRIPE);
	must_eq(t.using + t.clean, 0);
	must_eq(t.free, UNIT_SEGMENT_GRANULES - 3 - 2 * UNIT_STRIPE);
	must_eq(zc_word_owner(unit_word(&world.p, 3 * UNIT_STRIPE)), W);
	must_eq(zc_word_length(unit_word(&world.p, 3 * UNIT_STRIPE)),
		2 * UNIT_STRIPE);
}

static void acquire(void *ctx)
{
	u64 word = unit_word(&world.p, 3 * UNIT_STRIPE);
	u32 rest;

	(void)ctx;
	must(zc_run_claim(&world.p.view, 3 * UNIT_STRIPE, &word, W));
	rest = zc_run_split(&world.p.view, 3 * UNIT_STRIPE, 3, W);
	zc_run_free(&world.p.view, rest, W);
}

Test(run, death_in_claim_split_free_loses_nothing)
{
	const struct step_case c = { .victim = acquire, .dies = true,
				     .rivals = reap_the_dead,
				     .check = all_is_back };

	world_init();
	must(step_every(&c) > 20);
	unit_pool_fini(&world.p);
}

static void merge_much(void *ctx)
{
	(void)ctx;
	zc_run_grow(&world.p.view, world.owned, 4 * UNIT_STRIPE, W);
}

Test(run, death_in_merge_loses_nothing)
{
	const struct step_case c = { .victim = merge_much, .dies = true,
				     .rivals = reap_the_dead,
				     .check = all_is_back };

	world_init();
	world.owned = 2 * UNIT_STRIPE;
	unit_claim(&world.p, world.owned, UNIT_STRIPE, W);
	must(step_every(&c) > 20);
	unit_pool_fini(&world.p);
}

static void free_much(void *ctx)
{
	(void)ctx;
	zc_run_free(&world.p.view, world.owned, W);
}

Test(run, death_in_free_of_a_long_run_loses_nothing)
{
	const struct step_case c = { .victim = free_much, .dies = true,
				     .rivals = reap_the_dead,
				     .check = all_is_back };

	world_init();
	world.owned = 2 * UNIT_STRIPE;
	unit_claim(&world.p, world.owned, 4 * UNIT_STRIPE + 3, W);
	must(step_every(&c) > 20);
	unit_pool_fini(&world.p);
}

/*
 * Died in a merge, reaped, and the run was used again and split in other places:
 * the words that the dead left inside must not be believed by anybody.
 */
static void reap_and_use(void *ctx)
{
	struct unit_reaper r;

	(void)ctx;
	unit_declare_dead(&world.p, 0, 1);
	unit_reaper_init(&r, 2);
	unit_reap(&world.p, &r, 3);
	unit_claim(&world.p, 2 * UNIT_STRIPE, 2 * UNIT_STRIPE + 3, RIVAL);
	unit_claim(&world.p, 4 * UNIT_STRIPE + 3, 5, RIVAL);
	unit_claim(&world.p, 5 * UNIT_STRIPE + 1, 2, RIVAL);
	zc_run_free(&world.p.view, 2 * UNIT_STRIPE, RIVAL);
	unit_claim(&world.p, 2 * UNIT_STRIPE, UNIT_STRIPE + 2, RIVAL);
	/* The rival dies, too. */
	unit_declare_dead(&world.p, 1, 3);
	unit_reap(&world.p, &r, 3);
}

static void only_others_are_left(void *ctx)
{
	struct unit_tally t;

	(void)ctx;
	must_ok(unit_tiling(&world.p, &t));
	must_ok(unit_free_runs(&world.p));
	must_eq(t.claimed, 3);
	must_eq(t.free, UNIT_SEGMENT_GRANULES - 3);
}

Test(run, death_in_merge_leaves_nothing_to_believe)
{
	const struct step_case c = { .victim = merge_much, .dies = true,
				     .rivals = reap_and_use,
				     .check = only_others_are_left };

	world_init();
	world.owned = 2 * UNIT_STRIPE;
	unit_claim(&world.p, world.owned, UNIT_STRIPE, W);
	must(step_every(&c) > 20);
	unit_pool_fini(&world.p);
}

/* --- rivals that live ------------------------------------------------------------- */

static void claim_one(void *ctx)
{
	u64 word = unit_word(&world.p, 5 * UNIT_STRIPE);

	(void)ctx;
	if (zc_run_claim(&world.p.view, 5 * UNIT_STRIPE, &word, W))
		world.got = zc_word_length(word);
}

static void rival_claims_one(void *ctx)
{
	u64 word = unit_word(&world.p, 5 * UNIT_STRIPE);

	(void)ctx;
	if (zc_run_claim(&world.p.view, 5 * UNIT_STRIPE, &word, RIVAL))
		world.rival_got = zc_word_length(word);
}

static void one_owner(void *ctx)
{
	u64 word = unit_word(&world.p, 5 * UNIT_STRIPE);

	(void)ctx;
	must_eq(world.got + world.rival_got, UNIT_STRIPE);
	must_eq(zc_word_owner(word), world.got ? W : RIVAL);
	must_ok(unit_tiling(&world.p, NULL));
	must_ok(unit_hints(&world.p));
}

Test(run, two_that_claim_get_one_owner)
{
	const struct step_case c = { .victim = claim_one,
				     .rivals = rival_claims_one,
				     .check = one_owner };

	world_init();
	must(step_every(&c) > 10);
	unit_pool_fini(&world.p);
}

/* The rival takes it, uses it, gives it back: the same word but its generation. */
static void rival_takes_and_returns(void *ctx)
{
	u32 g = 5 * UNIT_STRIPE;
	u64 word = unit_word(&world.p, g);

	(void)ctx;
	if (!zc_run_claim(&world.p.view, g, &word, RIVAL))
		return;
	must_eq(zc_run_split(&world.p.view, g, 2, RIVAL), g + 2);
	zc_run_free(&world.p.view, g + 2, RIVAL);
	must_eq(zc_run_grow(&world.p.view, g, UNIT_STRIPE, RIVAL), UNIT_STRIPE);
	zc_run_free(&world.p.view, g, RIVAL);
}

static void owner_knows(void *ctx)
{
	(void)ctx;
	must_eq(world.got != 0,
		zc_word_owner(unit_word(&world.p, 5 * UNIT_STRIPE)) == W);
	must_ok(unit_tiling(&world.p, NULL));
	must_ok(unit_hints(&world.p));
}

Test(run, claim_notices_a_run_that_came_back)
{
	const struct step_case c = { .victim = claim_one,
				     .rivals = rival_takes_and_returns,
				     .check = owner_knows };

	world_init();
	must(step_every(&c) > 10);
	unit_pool_fini(&world.p);
}

static void grow_over_three(void *ctx)
{
	(void)ctx;
	world.got = zc_run_grow(&world.p.view, world.owned, 4 * UNIT_STRIPE, W);
}

/* Claims what lies in the way, and shortens it. */
static void rival_claims_neighbours(void *ctx)
{
	u32 i, g;

	(void)ctx;
	for (i = 1; i < 4; i++) {
		u64 word;

		g = world.owned + i * UNIT_STRIPE;
		word = unit_word(&world.p, g);
		if (zc_word_state(word) != ZC_STATE_FREE ||
		    !zc_run_claim(&world.p.view, g, &word, RIVAL))
			continue;
		zc_run_free(&world.p.view,
			    zc_run_split(&world.p.view, g, 3, RIVAL), RIVAL);
		world.rival_got += 3;
	}
}

static void both_have_their_own(void *ctx)
{
	struct unit_tally t;
	u32 g, n, mine = 0, rivals = 0;

	(void)ctx;
	must_ok(unit_tiling(&world.p, &t));
	must_ok(unit_hints(&world.p));
	for (g = 0; g < UNIT_SEGMENT_GRANULES; g += n) {
		u64 word = unit_word(&world.p, g);

		n = zc_word_length(word);
		if (zc_word_owner(word) == W)
			mine += n;
		if (zc_word_owner(word) == RIVAL)
			rivals += n;
	}
	must_eq(mine, world.got);
	must_eq(rivals, world.rival_got);
	must_eq(zc_word_length(unit_word(&world.p, world.owned)), world.got);
}

Test(run, merge_among_rivals_keeps_owners_apart)
{
	const struct step_case c = { .victim = grow_over_three,
				     .rivals = rival_claims_neighbours,
				     .check = both_have_their_own };

	world_init();
	world.owned = 8 * UNIT_STRIPE;
	unit_claim(&world.p, world.owned, UNIT_STRIPE, W);
	must(step_every(&c) > 20);
	unit_pool_fini(&world.p);
}

/* --- a reaper that is stopped at each instruction ------------------------------------- */

static void reap_one(void *ctx)
{
	struct unit_reaper r;

	(void)ctx;
	unit_reaper_init(&r, 2);
	unit_reap(&world.p, &r, 1000);
}

/* Others reap meanwhile; the slot is used again, the same granules, too. */
static void others_reap_and_reuse(void *ctx)
{
	struct unit_reaper r;

	(void)ctx;
	unit_reaper_init(&r, 2);
	unit_reap(&world.p, &r, 1000);
	must_eq(zc_life_state(world.p.view.writer_slots[0].life), ZC_LIFE_IDLE);
	unit_member_join(&world.p, 0);
	unit_writer_join(&world.p, 0, 0);
	unit_claim(&world.p, 0, 3, W);
	unit_claim(&world.p, UNIT_STRIPE, 2 * UNIT_STRIPE, W);
	unit_commit(&world.p, 0, UNIT_STRIPE, 0);
	/* As if it had been its own CLEAN block. */
	unit_claim(&world.p, 4 * UNIT_STRIPE, 1, W);
}

static void new_owner_kept_all(void *ctx)
{
	struct zc_view *v = &world.p.view;
	struct unit_tally t;

	(void)ctx;
	must_ok(unit_tiling(&world.p, &t));
	must_ok(unit_free_runs(&world.p));
	must_eq(zc_life_state(v->members[0].life), ZC_LIFE_LIVE);
	must_eq(zc_life_state(v->writer_slots[0].life), ZC_LIFE_LIVE);
	must_eq(v->writer_slots[0].life, zc_life(2, 0, ZC_LIFE_LIVE));
	must_eq(t.claimed, 3 + 3 + 1);
	must_eq(t.using, 2 * UNIT_STRIPE);
	must_eq(t.clean, 0);
	must_eq(zc_writer_area(v, 0)->head, 2);
}

Test(reaper, stale_at_any_instruction_changes_nothing)
{
	const struct step_case c = { .victim = reap_one,
				     .rivals = others_reap_and_reuse,
				     .check = new_owner_kept_all };
	u64 word;

	world_init();
	/* What the dead one had: claimed, merged half, committed half, CLEAN. */
	unit_claim(&world.p, 0, 3, W);
	unit_claim(&world.p, UNIT_STRIPE, 2 * UNIT_STRIPE, W);
	world.p.view.descs[2 * UNIT_STRIPE].word =
		zc_word(9, UNIT_STRIPE, W, ZC_STATE_FREE);
	unit_claim(&world.p, 4 * UNIT_STRIPE, 1, W);
	word = unit_word(&world.p, 4 * UNIT_STRIPE);
	world.p.view.descs[4 * UNIT_STRIPE].sequence = 1;
	zc_move_commit(&world.p.view.descs[4 * UNIT_STRIPE].word, word, W);
	unit_declare_dead(&world.p, 0, 1);
	must(step_every(&c) > 100);
	unit_pool_fini(&world.p);
}

/*
 * A reaper is about to make the stripe heads inside a dead run INSIDE.  Others
 * freed that run meanwhile, and one of those granules is a head again.
 */
static void others_reap_and_split(void *ctx)
{
	struct unit_reaper r;

	(void)ctx;
	unit_reaper_init(&r, 2);
	unit_reap(&world.p, &r, 1000);
	unit_claim(&world.p, 5 * UNIT_STRIPE, UNIT_STRIPE, RIVAL);
	unit_claim(&world.p, 6 * UNIT_STRIPE, 2 * UNIT_STRIPE, RIVAL);
	unit_claim(&world.p, 8 * UNIT_STRIPE, 3, RIVAL);
}

static void new_heads_are_heads(void *ctx)
{
	struct unit_tally t;

	(void)ctx;
	must_ok(unit_tiling(&world.p, &t));
	must_ok(unit_free_runs(&world.p));
	must_eq(t.claimed, 3 + 3 * UNIT_STRIPE + 3);
	must_eq(zc_word_same(unit_word(&world.p, 6 * UNIT_STRIPE), RIVAL,
			     ZC_STATE_FREE), unit_word(&world.p, 6 * UNIT_STRIPE));
	must_eq(zc_word_length(unit_word(&world.p, 6 * UNIT_STRIPE)),
		2 * UNIT_STRIPE);
}

Test(reaper, stale_makes_no_new_head_inside)
{
	const struct step_case c = { .victim = reap_one,
				     .rivals = others_reap_and_split,
				     .check = new_heads_are_heads };
	u32 i;

	world_init();
	/* Merged over three stripes, and not one of them marked. */
	unit_claim(&world.p, 5 * UNIT_STRIPE, 4 * UNIT_STRIPE, W);
	for (i = 6; i < 9; i++)
		world.p.view.descs[i * UNIT_STRIPE].word =
			zc_word(9, UNIT_STRIPE, W, ZC_STATE_FREE);
	unit_declare_dead(&world.p, 0, 1);
	must(step_every(&c) > 100);
	unit_pool_fini(&world.p);
}
