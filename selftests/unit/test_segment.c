/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_segment.c - a segment is taken as a whole and given back, by one who may die at
 * each instruction, among rivals.  (models/segment.pml in the C code.)
 */
#include "core/segment.h"
#include "step.h"

#define W ZC_OWNER_WRITER(0)

static struct {
	struct unit_pool p;
	bool taken;
	u32 rival_got;
} world;

static void world_init(void)
{
	memset(&world, 0, sizeof(world));
	unit_pool_init(&world.p, 2);
	unit_member_join(&world.p, 0);
	unit_writer_join(&world.p, 0, 0);
	/* Pieces, of several lengths, that are free. */
	unit_claim(&world.p, 0, 3, W);
	unit_claim(&world.p, 3 * UNIT_STRIPE + 2, 4, W);
	unit_claim(&world.p, 7 * UNIT_STRIPE, UNIT_STRIPE, W);
	zc_run_free(&world.p.view, 0, W);
	zc_run_free(&world.p.view, 3 * UNIT_STRIPE + 2, W);
	zc_run_free(&world.p.view, 7 * UNIT_STRIPE, W);
}

/* All of the first segment is free, or all but @used granules of W. */
static void all_free_but(u32 used)
{
	struct unit_tally t;

	must_ok(unit_tiling(&world.p, &t));
	must_ok(unit_free_runs(&world.p));
	must_eq(t.claimed, used);
	must_eq(t.free, 2 * UNIT_SEGMENT_GRANULES - used);
}

static void one_run_of_the_remover(void)
{
	u64 word = unit_word(&world.p, 0);

	must_eq(zc_word_owner(word), ZC_OWNER_REMOVER);
	must_eq(zc_word_state(word), ZC_STATE_FREE);
	must_eq(zc_word_length(word), UNIT_SEGMENT_GRANULES);
}

Test(segment, taken_as_one_run_and_given_back)
{
	u32 round;

	world_init();
	for (round = 0; round < 3; round++) {
		must(zc_segment_take(&world.p.view, 0));
		one_run_of_the_remover();
		must_ok(unit_hints(&world.p));
		/* The other one is as it was. */
		must_eq(zc_word_owner(unit_word(&world.p, UNIT_SEGMENT_GRANULES)),
			ZC_OWNER_NONE);
		/* It is nobody's to be taken again. */
		must(!zc_segment_take(&world.p.view, 0));
		one_run_of_the_remover();
		zc_segment_give(&world.p.view, 0);
		all_free_but(0);
		must_ok(unit_hints(&world.p));
	}
	unit_pool_fini(&world.p);
}

Test(segment, in_use_it_is_not_taken)
{
	static const u32 used[] = { 0, 1, UNIT_STRIPE, 9 * UNIT_STRIPE + 3,
				    UNIT_SEGMENT_GRANULES - 1 };
	u32 i;

	for (i = 0; i < sizeof(used) / sizeof(*used); i++) {
		world_init();
		unit_claim(&world.p, used[i], 1, W);
		must(!zc_segment_take(&world.p.view, 0));
		all_free_but(1);
		must_eq(zc_word_owner(unit_word(&world.p, used[i])), W);
		zc_run_free(&world.p.view, used[i], W);
		must(zc_segment_take(&world.p.view, 0));
		unit_pool_fini(&world.p);
	}
}

/* Who held it lets go, and in a pool at rest nobody comes by but the remover. */
Test(segment, orphans_that_nobody_holds_are_ended)
{
	static const u32 where[] = { 0, 5, UNIT_STRIPE, 9 * UNIT_STRIPE + 3 };
	struct zc_view *v = &world.p.view;
	u32 i;

	world_init();
	unit_member_join(&world.p, 1);
	unit_reader_join(&world.p, 0, 2, 1, 0);
	for (i = 0; i < sizeof(where) / sizeof(*where); i++) {
		u64 s = unit_commit(&world.p, 0, where[i], 2);
		u64 *word = &v->descs[where[i]].word;

		unit_hold(&world.p, 0, 2, i, s);
		*word = zc_word(zc_word_generation(*word) + 1, zc_word_length(*word),
				ZC_OWNER_ORPHAN, ZC_STATE_CLEAN);
		must(!zc_segment_take(v, 0));
	}
	for (i = 0; i < sizeof(where) / sizeof(*where); i++) {
		must(!zc_segment_take(v, 0));
		unit_hold(&world.p, 0, 2, i, 0);
	}
	must(zc_segment_take(v, 0));
	one_run_of_the_remover();
	must_ok(unit_hints(&world.p));
	unit_pool_fini(&world.p);
}

Test(segment, those_without_memory_are_counted)
{
	const struct zc_view *v = &world.p.view;

	world_init();
	must_eq(zc_granules_live(v), 2 * UNIT_SEGMENT_GRANULES);
	zc_segment_set(v, 1, ZC_SEGMENT_RETIRED);
	zc_segments_count(v);
	must_eq(zc_granules_live(v), UNIT_SEGMENT_GRANULES);
	zc_segment_set(v, 1, ZC_SEGMENT_RETIRING);
	zc_segments_count(v);
	must_eq(zc_segments_live(v), 1);
	/* Whatever somebody wrote there. */
	v->header->retired_segments = ~0U;
	must_eq(zc_segments_live(v), 1);
	zc_segment_set(v, 1, ZC_SEGMENT_READY);
	zc_segments_count(v);
	must_eq(zc_segments_live(v), 2);
	unit_pool_fini(&world.p);
}

/* --- deaths ----------------------------------------------------------------------------- */

static void take(void *ctx)
{
	(void)ctx;
	world.taken = zc_segment_take(&world.p.view, 0);
}

static void give(void *ctx)
{
	(void)ctx;
	zc_segment_give(&world.p.view, 0);
}

static void nothing_is_lost(void *ctx)
{
	(void)ctx;
	all_free_but(0);
}

Test(segment, death_in_take_loses_nothing)
{
	const struct step_case c = { .victim = take, .dies = true, .rivals = give,
				     .check = nothing_is_lost };

	world_init();
	must(step_every(&c) > 20);
	unit_pool_fini(&world.p);
}

Test(segment, death_in_give_loses_nothing)
{
	const struct step_case c = { .victim = give, .dies = true, .rivals = give,
				     .check = nothing_is_lost };

	world_init();
	must(zc_segment_take(&world.p.view, 0));
	must(step_every(&c) > 20);
	unit_pool_fini(&world.p);
}

/* --- rivals ------------------------------------------------------------------------------ */

/* Claims the first free run that it meets in the middle, and keeps some of it. */
static void rival_claims(void *ctx)
{
	u32 g;

	(void)ctx;
	for (g = 5 * UNIT_STRIPE; g < UNIT_SEGMENT_GRANULES; g += UNIT_STRIPE) {
		u64 word = unit_word(&world.p, g);

		if (zc_word_state(word) != ZC_STATE_FREE ||
		    !zc_run_claim(&world.p.view, g, &word, W))
			continue;
		zc_run_free(&world.p.view, zc_run_split(&world.p.view, g, 3, W), W);
		world.rival_got = 3;
		return;
	}
}

/* One of both has it; never both, and never neither. */
static void one_has_it(void *ctx)
{
	(void)ctx;
	if (world.rival_got) {
		must(!world.taken);
		all_free_but(3);
	} else {
		must(world.taken);
		one_run_of_the_remover();
	}
	must_ok(unit_hints(&world.p));
}

Test(segment, taken_among_rivals_by_one)
{
	const struct step_case c = { .victim = take, .rivals = rival_claims,
				     .check = one_has_it };

	world_init();
	must(step_every(&c) > 20);
	unit_pool_fini(&world.p);
}

static void rival_has_its_own(void *ctx)
{
	(void)ctx;
	all_free_but(world.rival_got);
	must_ok(unit_hints(&world.p));
}

Test(segment, given_back_among_rivals)
{
	const struct step_case c = { .victim = give, .rivals = rival_claims,
				     .check = rival_has_its_own };

	world_init();
	must(zc_segment_take(&world.p.view, 0));
	must(step_every(&c) > 20);
	unit_pool_fini(&world.p);
}
