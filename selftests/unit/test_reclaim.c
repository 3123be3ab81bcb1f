/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_reclaim.c - blocks that may, and may not, be taken back.
 */
#include "step.h"
#include "unit.h"

#define W ZC_OWNER_WRITER(0)
#define X ZC_OWNER_WRITER(9)	/* who is short of memory */

static bool fence_yes(void)
{
	return true;
}

static bool fence_no(void)
{
	return false;
}

static void pool_with_writer(struct unit_pool *p)
{
	unit_pool_init(p, 1);
	unit_member_join(p, 0);
	unit_member_join(p, 1);
	unit_writer_join(p, 0, 0);
	unit_writer_join(p, 9, 1);
}

static void writer_leaves(struct unit_pool *p)
{
	u64 *life = &p->view.writer_slots[0].life;

	*life = zc_life(zc_life_incarnation(*life), 0, ZC_LIFE_IDLE);
}

Test(block, is_reclaimed_by_exactly_what_it_is)
{
	struct unit_pool p;
	struct zc_view *v = &p.view;
	u64 word = 4711, s;
	u32 g = 3 * UNIT_STRIPE, gen;

	pool_with_writer(&p);
	s = unit_commit(&p, 0, g, 3);
	gen = zc_word_generation(unit_word(&p, g));
	must(!zc_block_reclaim(v, 1, g, gen, s, X, &word));	/* writer */
	must(!zc_block_reclaim(v, 0, g + 1, gen, s, X, &word));
	must(!zc_block_reclaim(v, 0, g - UNIT_STRIPE, gen, s, X, &word));
	must(!zc_block_reclaim(v, 0, g, gen + 1, s, X, &word));
	must(!zc_block_reclaim(v, 0, g, gen - 1, s, X, &word));
	must(!zc_block_reclaim(v, 0, g, gen, s + 1, X, &word));
	must(!zc_block_reclaim(v, 0, g, gen, s - 1, X, &word));
	must(!zc_block_reclaim(v, 0, g, gen, 0, X, &word));
	/* Out of the pool, also where 32 bits would wrap into it. */
	must(!zc_block_reclaim(v, 0, UNIT_SEGMENT_GRANULES, gen, s, X, &word));
	must(!zc_block_reclaim(v, 0, (u64)g + (1ULL << 32), gen, s, X, &word));
	must(!zc_block_reclaim(v, 0, ~0ULL, gen, s, X, &word));
	must_eq(word, 4711);
	must_eq(zc_word_state(unit_word(&p, g)), ZC_STATE_USING);
	must(zc_block_is(v, 0, g, gen, s, &word));
	must_eq(word, unit_word(&p, g));
	must(zc_block_reclaim(v, 0, g, gen, s, X, &word));
	must_eq(word, zc_word(gen, 3, X, ZC_STATE_CLEAN));
	must_eq(unit_word(&p, g), word);
	/* Once. */
	must(!zc_block_reclaim(v, 0, g, gen, s, X, &word));
	must(!zc_block_is(v, 0, g, gen, s, &word));
	unit_pool_fini(&p);
}

Test(block, with_an_absurd_length_is_left_alone)
{
	struct unit_pool p;
	struct zc_view *v = &p.view;
	u32 g = 63 * UNIT_STRIPE, gen;
	u64 s, word;

	pool_with_writer(&p);
	s = unit_commit(&p, 0, g, 3);
	gen = zc_word_generation(unit_word(&p, g));
	v->descs[g].word = zc_word(gen, UNIT_STRIPE + 1, W, ZC_STATE_USING);
	must(!zc_block_reclaim(v, 0, g, gen, s, X, &word));
	v->descs[g].word = zc_word(gen, ZC_RUN_MAX, W, ZC_STATE_USING);
	must(!zc_block_reclaim(v, 0, g, gen, s, X, &word));
	v->descs[g].word = word = zc_word(gen, ZC_RUN_MAX, ZC_OWNER_ORPHAN,
					  ZC_STATE_CLEAN);
	must(!zc_orphan_finish(v, g, word));
	must_eq(v->descs[g].word, word);
	zc_run_free(v, g, W);
	must_ok(unit_tiling(&p, NULL) ? NULL : "the run was freed");
	unit_pool_fini(&p);
}

/*
 * models/torn_reclaim.pml: a ring entry read half before, half after the slot
 * was used again names block 1 with the sequence of block 0.
 */
Test(block, torn_entry_frees_nothing)
{
	struct unit_pool p;
	struct zc_view *v = &p.view;
	u32 g0 = 0, g1 = UNIT_STRIPE;
	u64 s0, s1, word;

	pool_with_writer(&p);
	s0 = unit_commit(&p, 0, g0, UNIT_STRIPE);
	s1 = unit_commit(&p, 0, g1, UNIT_STRIPE);
	/* Same generation, state, owner: only the sequence tells. */
	must_eq(zc_word_same(unit_word(&p, g0), 0, 0),
		zc_word_same(unit_word(&p, g1), 0, 0));
	must(!zc_block_reclaim(v, 0, g1, zc_word_generation(unit_word(&p, g1)),
			       s0, X, &word));
	must(!zc_block_reclaim(v, 0, g0, zc_word_generation(unit_word(&p, g0)),
			       s1, X, &word));
	unit_pool_fini(&p);
}

/* --- a slot's blocks ------------------------------------------------------------- */

static u64 reclaim_all(struct unit_pool *p, u32 owner, bool (*fence)(void))
{
	u64 cursor = 0;

	return zc_slot_reclaim(&p->view, 0, owner, fence, 1000, &cursor);
}

static u32 using_granules(struct unit_pool *p)
{
	struct unit_tally t;

	must_ok(unit_tiling(p, &t));
	return (u32)t.using;
}

Test(slot, gives_back_what_everybody_has_read)
{
	struct unit_pool p;
	u32 i;

	pool_with_writer(&p);
	unit_reader_join(&p, 0, 0, 1, 0);
	unit_reader_join(&p, 0, 1, 1, 0);
	for (i = 0; i < 8; i++)
		must_eq(unit_commit(&p, 0, i * UNIT_STRIPE, 2), i + 1);
	writer_leaves(&p);
	must(!zc_slot_empty(&p.view, 0));
	must_eq(reclaim_all(&p, X, fence_no), 0);
	/* 0 has read 5, holds the third; 1 has read 6. */
	for (i = 0; i < 5; i++)
		unit_reader_take(&p, 0, 0, i);
	for (i = 0; i < 6; i++)
		unit_reader_take(&p, 0, 1, 0);
	for (i = 0; i < 5; i++)
		if (i != 2)
			unit_hold(&p, 0, 0, i, 0);
	must_eq(reclaim_all(&p, X, fence_no), 4 * 2);
	must_eq(using_granules(&p), 4 * 2);
	must_eq(zc_word_state(unit_word(&p, 2 * UNIT_STRIPE)), ZC_STATE_USING);
	must_ok(unit_hints(&p));
	must_eq(reclaim_all(&p, X, fence_no), 0);
	must(!zc_slot_empty(&p.view, 0));
	/* All is read and let go. */
	unit_hold(&p, 0, 0, 2, 0);
	unit_hold(&p, 0, 1, 0, 0);
	for (i = 5; i < 8; i++)
		unit_reader_take(&p, 0, 0, 0);
	for (i = 6; i < 8; i++)
		unit_reader_take(&p, 0, 1, 0);
	unit_reader_leave(&p, 0, 0);
	unit_hold(&p, 0, 1, 0, 0);
	must_eq(reclaim_all(&p, X, fence_no), 4 * 2);
	must_eq(using_granules(&p), 0);
	must(zc_slot_empty(&p.view, 0));
	must_ok(unit_hints(&p));
	must_ok(unit_free_runs(&p));
	unit_pool_fini(&p);
}

Test(slot, keeps_all_while_its_writer_is_reaped)
{
	struct unit_pool p;

	pool_with_writer(&p);
	unit_commit(&p, 0, 0, 2);
	p.view.writer_slots[0].life = zc_life(1, 0, ZC_LIFE_REAPING);
	must_eq(reclaim_all(&p, X, fence_yes), 0);
	must_eq(using_granules(&p), 2);
	unit_pool_fini(&p);
}

Test(slot, keeps_a_live_writers_history)
{
	struct unit_pool p;
	u32 i;

	pool_with_writer(&p);
	p.view.writer_slots[0].history = 3;
	for (i = 0; i < 8; i++)
		unit_commit(&p, 0, i * UNIT_STRIPE, 2);
	must_eq(reclaim_all(&p, X, fence_no), 5 * 2);
	writer_leaves(&p);
	must_eq(reclaim_all(&p, X, fence_no), 3 * 2);
	unit_pool_fini(&p);
}

/* What a live writer may be taking back by plain stores is left to it; see test_lib_bulk.c. */
Test(slot, leaves_its_live_writer_what_it_takes)
{
	struct unit_pool p;
	u32 i;

	pool_with_writer(&p);
	for (i = 0; i < 8; i++)
		unit_commit(&p, 0, i * UNIT_STRIPE, 2);
	/* Who has no role could not say that it is here. */
	must_eq(reclaim_all(&p, ZC_OWNER_ORPHAN, fence_no), 0);
	zc_writer_area(&p.view, 0)->own_below = 6;
	must_eq(reclaim_all(&p, X, fence_no), 3 * 2);
	/* Garbage is not believed. */
	zc_writer_area(&p.view, 0)->own_below = ~0ULL;
	must_eq(reclaim_all(&p, X, fence_no), 5 * 2);
	for (i = 0; i < 8; i++)
		unit_commit(&p, 0, i * UNIT_STRIPE, 2);
	zc_writer_area(&p.view, 0)->own_below = 17;
	must_eq(reclaim_all(&p, X, fence_no), 0);
	writer_leaves(&p);
	must_eq(reclaim_all(&p, X, fence_no), 8 * 2);
	must(!zc_anybody_takes(&p.view));
	unit_pool_fini(&p);
}

/* A floor that nobody fenced: without membarrier the blocks stay. */
Test(slot, relies_on_floors_only_when_it_can_fence)
{
	struct unit_pool p;
	u32 i;

	pool_with_writer(&p);
	unit_reader_join(&p, 0, 5, 1, 0);
	for (i = 0; i < 4; i++)
		unit_commit(&p, 0, i * UNIT_STRIPE, 1);
	writer_leaves(&p);
	zc_writer_area(&p.view, 0)->floor[5].floor = 3;
	must_eq(reclaim_all(&p, X, NULL), 0);
	must_eq(reclaim_all(&p, X, fence_no), 0);
	must_eq(reclaim_all(&p, X, fence_yes), 2);
	/* The reader itself fences each poll. */
	zc_writer_area(&p.view, 0)->floor[5].floor = 4;
	zc_reader_area(&p.view, 0, 5)->fencing = 1;
	must_eq(reclaim_all(&p, X, NULL), 1);
	unit_pool_fini(&p);
}

/* Deferred blocks count as much as those in the ring. */
Test(slot, gives_back_deferred_blocks)
{
	struct unit_pool p;
	struct zc_deferred_entry *d;
	u64 s;

	pool_with_writer(&p);
	unit_reader_join(&p, 0, 0, 1, 0);
	s = unit_commit(&p, 0, 40, 5);
	unit_reader_take(&p, 0, 0, 3);
	/* The writer went round its ring; the block is deferred. */
	d = &zc_deferred(&p.view, 0)[2];
	d->granule = 40;
	d->generation = zc_word_generation(unit_word(&p, 40));
	d->sequence = s;
	zc_writer_area(&p.view, 0)->deferred_nr = 3;
	zc_ring(&p.view, 0)[s & p.view.ring_mask].place = 0;
	zc_writer_area(&p.view, 0)->head = s + 2 * UNIT_RING;
	zc_reader_area(&p.view, 0, 0)->cursor = s + 2 * UNIT_RING;
	writer_leaves(&p);
	must(!zc_slot_empty(&p.view, 0));
	must_eq(reclaim_all(&p, X, NULL), 0);
	unit_hold(&p, 0, 0, 3, 0);
	must_eq(reclaim_all(&p, X, NULL), 5);
	must(zc_slot_empty(&p.view, 0));
	must_ok(unit_hints(&p));
	unit_pool_fini(&p);
}

Test(slot, is_safe_with_hostile_rings)
{
	struct unit_pool p;
	struct unit_random random;
	struct zc_writer_area *wa;
	u32 round, i;

	unit_random_init(&random);
	pool_with_writer(&p);
	wa = zc_writer_area(&p.view, 0);
	unit_commit(&p, 0, 17, 5);
	for (round = 0; round < 2000; round++) {
		u64 head = unit_random_next(&random) >>
			   unit_random_below(&random, 64);

		wa->head = head;
		wa->deferred_nr = (u32)unit_random_next(&random) >>
				  unit_random_below(&random, 32);
		for (i = 0; i < UNIT_RING; i++) {
			struct zc_ring_entry *e = &zc_ring(&p.view, 0)[i];

			e->place = zc_entry_place(
				head - unit_random_below(&random, 40),
				(u32)unit_random_next(&random) >>
					unit_random_below(&random, 32));
			e->run = zc_entry_run(unit_random_below(&random, 4),
					      512);
		}
		for (i = 0; i < 8; i++) {
			struct zc_deferred_entry *d =
				&zc_deferred(&p.view, 0)[i];

			d->sequence = unit_random_below(&random, 4);
			d->granule = (u32)unit_random_next(&random);
			d->generation = unit_random_below(&random, 4);
		}
		reclaim_all(&p, X, fence_yes);
		zc_slot_empty(&p.view, 0);
		must_ok(unit_tiling(&p, NULL));
	}
	unit_pool_fini(&p);
}

/* A budget ends a slice; the position goes on where it was. */
Test(slot, works_in_slices)
{
	struct unit_pool p;
	u64 cursor = 0, freed = 0;
	u32 i, slices;

	pool_with_writer(&p);
	for (i = 0; i < 12; i++)
		unit_commit(&p, 0, i * UNIT_STRIPE, 3);
	writer_leaves(&p);
	for (slices = 0; slices < 6; slices++) {
		u64 got = zc_slot_reclaim(&p.view, 0, X, NULL, 2, &cursor);

		must_eq(got, 2 * 3);
		freed += got;
	}
	must_eq(freed, 12 * 3);
	must(zc_slot_empty(&p.view, 0));
	unit_pool_fini(&p);
}

/* --- orphans ------------------------------------------------------------- */

static u64 make_orphan(struct unit_pool *p, u32 g, u32 granules)
{
	u64 word;

	unit_commit(p, 0, g, granules);
	word = unit_word(p, g);
	must(zc_move_reclaim(&p->view.descs[g].word, &word, W));
	must(zc_move_orphan(&p->view.descs[g].word, word));
	return unit_word(p, g);
}

Test(orphan, is_finished_when_nobody_holds_it)
{
	struct unit_pool p;
	struct unit_tally t;
	u64 word, s;
	u32 g = 2 * UNIT_STRIPE;

	pool_with_writer(&p);
	unit_reader_join(&p, 0, 7, 1, ZC_READER_HAZARD);
	word = make_orphan(&p, g, 3 * UNIT_STRIPE);
	s = p.view.descs[g].sequence;
	unit_hold(&p, 0, 7, 8, s);
	must(!zc_orphan_finish(&p.view, g, word));
	must_eq(unit_word(&p, g), word);
	unit_hold(&p, 0, 7, 8, s + 1);
	/* Only by the word that is there. */
	must(!zc_orphan_finish(&p.view, g, word + (1ULL << 32)));
	must(!zc_orphan_finish(&p.view, g, word - (1ULL << 32)));
	must_eq(unit_word(&p, g), word);
	must(zc_orphan_finish(&p.view, g, word));
	must_ok(unit_tiling(&p, &t));
	must_eq(t.free, UNIT_SEGMENT_GRANULES);
	must_ok(unit_hints(&p));
	must_ok(unit_free_runs(&p));
	must(!zc_orphan_finish(&p.view, g, word));
	must_ok(unit_hints(&p));
	unit_pool_fini(&p);
}

/* --- stopped at each instruction -------------------------------------------------------- */

static struct {
	struct unit_pool p;
	u32 granule;
	u64 sequence;
	bool got;
} world;

static void reclaim_it(void *ctx)
{
	(void)ctx;
	reclaim_all(&world.p, X, fence_yes);
}

/* Who takes the memory meanwhile, if it can. */
static void use_it_again(void *ctx)
{
	(void)ctx;
	reclaim_all(&world.p, X, fence_yes);
	if (zc_word_state(unit_word(&world.p, world.granule)) == ZC_STATE_FREE)
		unit_claim(&world.p, world.granule, 2, X);
}

/* As zc_reader_poll_block() does where nobody keeps blocks for it. */
static void hazard_poll(void *ctx)
{
	struct zc_entry e;
	u64 word;

	(void)ctx;
	if (!zc_entry_load(&zc_ring(&world.p.view,
				    0)[world.sequence & (UNIT_RING - 1)],
			   world.sequence, &e))
		return;
	unit_hold(&world.p, 0, 2, 8, world.sequence);
	zc_fence_full();
	word = unit_word(&world.p, e.granule);
	if (zc_word_state(word) == ZC_STATE_USING &&
	    zc_word_generation(word) == e.generation &&
	    zc_word_owner(word) == W &&
	    world.p.view.descs[e.granule].sequence == world.sequence)
		world.got = true;
	else
		unit_hold(&world.p, 0, 2, 8, 0);
}

static void required_poll(void *ctx)
{
	(void)ctx;
	must_eq(unit_reader_take(&world.p, 0, 2, 8), world.sequence);
	world.got = true;
}

static void held_is_kept(void *ctx)
{
	u64 word = unit_word(&world.p, world.granule);

	(void)ctx;
	must_ok(unit_tiling(&world.p, NULL));
	must_ok(unit_hints(&world.p));
	if (world.got)
		must(zc_word_state(word) == ZC_STATE_USING ||
		     zc_word_state(word) == ZC_STATE_CLEAN);
	/* It comes back when it is let go, whoever had it in hand. */
	unit_hold(&world.p, 0, 2, 8, 0);
	zc_reader_area(&world.p.view, 0, 2)->cursor = world.sequence + 1;
	reclaim_all(&world.p, X, fence_yes);
	word = unit_word(&world.p, world.granule);
	if (zc_word_owner(word) == ZC_OWNER_ORPHAN)
		must(zc_orphan_finish(&world.p.view, world.granule, word));
	must(zc_word_state(unit_word(&world.p, world.granule)) ==
	     ZC_STATE_FREE);
}

static void world_init(u32 flags, bool writer_stays)
{
	memset(&world, 0, sizeof(world));
	pool_with_writer(&world.p);
	world.granule = 4 * UNIT_STRIPE;
	unit_reader_join(&world.p, 0, 2, 1, flags);
	world.sequence = unit_commit(&world.p, 0, world.granule,
				     UNIT_STRIPE + 2);
	if (!writer_stays)
		writer_leaves(&world.p);
}

Test(reclaim, never_frees_what_a_hazard_reader_got)
{
	const struct step_case c = { .victim = reclaim_it,
				     .rivals = hazard_poll,
				     .check = held_is_kept };

	world_init(ZC_READER_HAZARD, false);
	must(step_every(&c) > 100);
	unit_pool_fini(&world.p);
}

static void end_it_without_a_role(void *ctx)
{
	(void)ctx;
	reclaim_all(&world.p, ZC_OWNER_ORPHAN, fence_yes);
}

/* The same by a caller who has no role. */
Test(reclaim, without_a_role_never_frees_what_a_hazard_reader_got)
{
	const struct step_case c = { .victim = end_it_without_a_role,
				     .rivals = hazard_poll,
				     .check = held_is_kept };

	world_init(ZC_READER_HAZARD, false);
	must(step_every(&c) > 100);
	unit_pool_fini(&world.p);
}

static void one_took_it(void *ctx)
{
	(void)ctx;
	must_ok(unit_tiling(&world.p, NULL));
	must_ok(unit_hints(&world.p));
	must_eq(zc_word_owner(unit_word(&world.p, world.granule)), ZC_OWNER_NONE);
	must_eq(zc_word_state(unit_word(&world.p, world.granule)), ZC_STATE_FREE);
}

Test(reclaim, by_two_at_a_time_frees_once)
{
	const struct step_case c = { .victim = reclaim_it,
				     .rivals = end_it_without_a_role,
				     .check = one_took_it };

	world_init(0, false);
	must_eq(unit_reader_take(&world.p, 0, 2, 8), world.sequence);
	unit_hold(&world.p, 0, 2, 8, 0);
	must(step_every(&c) > 100);
	unit_pool_fini(&world.p);
}

Test(hazard, reader_never_gets_what_was_freed)
{
	const struct step_case c = { .victim = hazard_poll,
				     .rivals = use_it_again,
				     .check = held_is_kept };

	world_init(ZC_READER_HAZARD, false);
	must(step_every(&c) > 20);
	unit_pool_fini(&world.p);
}

Test(reclaim, never_frees_what_a_required_reader_got)
{
	const struct step_case c = { .victim = reclaim_it,
				     .rivals = required_poll,
				     .check = held_is_kept };

	world_init(0, false);
	must(step_every(&c) > 100);
	unit_pool_fini(&world.p);
}

/* models/tso.pml's order: a reader joins, then the writer publishes. */
static void join_then_commit(void *ctx)
{
	(void)ctx;
	unit_reader_join(&world.p, 0, 30, 1, 0);
	world.sequence = unit_commit(&world.p, 0, 9 * UNIT_STRIPE, 2);
	must_eq(zc_reader_area(&world.p.view, 0, 30)->join, world.sequence);
}

static void joiner_misses_nothing(void *ctx)
{
	(void)ctx;
	must_eq(zc_word_state(unit_word(&world.p, 9 * UNIT_STRIPE)),
		ZC_STATE_USING);
}

Test(reclaim, frees_nothing_that_a_joiner_requires)
{
	const struct step_case c = { .victim = reclaim_it,
				     .rivals = join_then_commit,
				     .check = joiner_misses_nothing };

	world_init(ZC_READER_HAZARD, true);
	must(step_every(&c) > 100);
	unit_pool_fini(&world.p);
}
