/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_garbage.c - what stands in shared memory is nobody's word: counts, lengths and
 * places that no honest member leaves are met, and nothing outside is touched.
 */
#include "core/clean.h"
#include "core/segment.h"
#include "unit.h"

#define S UNIT_STRIPE
#define W ZC_OWNER_WRITER(0)
#define DIED_NS 1000ULL

static void world_init(struct unit_pool *p)
{
	unit_pool_init(p, 1);
	unit_member_join(p, 0);
	unit_member_join(p, 1);
	unit_writer_join(p, 0, 0);
}

static u64 *word_at(struct unit_pool *p, u32 granule)
{
	return &p->view.descs[granule].word;
}

Test(garbage, retired_segments_leave_one)
{
	struct unit_pool p;

	world_init(&p);
	must_eq(zc_segments_live(&p.view), 1);
	p.view.header->retired_segments = 1;
	must_eq(zc_segments_live(&p.view), 1);
	p.view.header->retired_segments = ~0U;
	must_eq(zc_granules_live(&p.view), UNIT_SEGMENT_GRANULES);
	unit_pool_fini(&p);
}

/* A run that is free but longer than its segment is no neighbour to merge with. */
Test(garbage, cleaner_merges_no_run_that_leaves_its_segment)
{
	struct zc_clean c = { .owner = ZC_OWNER_CLEANER(1) };
	u32 last = UNIT_SEGMENT_GRANULES - S;
	struct unit_pool p;
	u64 bad;

	world_init(&p);
	unit_claim(&p, last, 1, W);
	zc_run_free(&p.view, last, W);
	bad = zc_word(9, ZC_RUN_MAX, ZC_OWNER_NONE, ZC_STATE_FREE);
	*word_at(&p, last + 1) = bad;
	zc_clean_begin(&p.view, &c);
	while (!zc_clean_slice(&p.view, &c, 1000))
		;
	must_eq(*word_at(&p, last + 1), bad);
	must_eq(zc_word_length(unit_word(&p, last)), 1);
	must_eq(c.last.merged, 0);
	unit_pool_fini(&p);
}

/* Its own run was written over: it is not grown, nor taken for longer. */
Test(garbage, own_run_of_absurd_length_does_not_grow)
{
	struct unit_pool p;
	u64 bad = zc_word(3, ZC_RUN_MAX, W, ZC_STATE_FREE);

	world_init(&p);
	unit_claim(&p, S, 4, W);
	*word_at(&p, S) = bad;
	must_eq(zc_run_grow(&p.view, S, 8, W), 0);
	must_eq(*word_at(&p, S), bad);
	unit_pool_fini(&p);
}

/* The walk loses its way in the segment each time: giving back says so, and ends. */
Test(garbage, segment_that_cannot_be_walked_is_not_given_back)
{
	struct unit_pool p;

	world_init(&p);
	must(zc_segment_take(&p.view, 0));
	*word_at(&p, 0) = zc_word(3, ZC_RUN_MAX, ZC_OWNER_REMOVER, ZC_STATE_FREE);
	must(!zc_segment_give(&p.view, 0));
	unit_pool_fini(&p);
}

/* What is the remover's but not free stays; what is free is given back. */
Test(garbage, remover_gives_back_only_what_is_free)
{
	struct unit_pool p;

	world_init(&p);
	unit_claim(&p, S, S, ZC_OWNER_REMOVER);
	unit_claim(&p, 2 * S, S, ZC_OWNER_REMOVER);
	*word_at(&p, S) = zc_word_same(unit_word(&p, S), ZC_OWNER_REMOVER,
				       ZC_STATE_USING);
	must(zc_segment_give(&p.view, 0));
	must_eq(zc_word_owner(unit_word(&p, S)), ZC_OWNER_REMOVER);
	must_eq(zc_word_owner(unit_word(&p, 2 * S)), ZC_OWNER_NONE);
	unit_pool_fini(&p);
}

/* CLEAN of one who lives is no orphan to be ended. */
Test(garbage, segment_is_not_taken_over_somebodys_clean_block)
{
	struct unit_pool p;
	u64 clean;

	world_init(&p);
	unit_commit(&p, 0, S, 2);
	*word_at(&p, S) = clean = zc_word_same(unit_word(&p, S), W, ZC_STATE_CLEAN);
	must(!zc_segment_take(&p.view, 0));
	must_eq(unit_word(&p, S), clean);
	unit_pool_fini(&p);
}

Test(garbage, absurd_writer_of_a_block_holds_nothing_up)
{
	struct unit_pool p;
	struct zc_view *v = &p.view;
	u64 orphan;

	world_init(&p);
	unit_commit(&p, 0, S, 3);
	v->descs[S].writer = ZC_MAX_WRITERS;
	orphan = zc_word(zc_word_generation(unit_word(&p, S)) + 1, 3, ZC_OWNER_ORPHAN,
			 ZC_STATE_CLEAN);
	*word_at(&p, S) = orphan;
	must(zc_orphan_finish(v, S, orphan));
	must_eq(zc_word_owner(unit_word(&p, S)), ZC_OWNER_NONE);
	must_eq(zc_word_state(unit_word(&p, S)), ZC_STATE_FREE);
	unit_pool_fini(&p);
}

/* Declared to be in I/O: whoever looks in passing leaves it to the reaper. */
Test(garbage, orphan_in_io_is_not_finished)
{
	struct unit_pool p;
	struct zc_view *v = &p.view;
	u64 orphan;

	world_init(&p);
	unit_commit(&p, 0, S, 3);
	orphan = zc_word(zc_word_generation(unit_word(&p, S)) + 1, 3, ZC_OWNER_ORPHAN,
			 ZC_STATE_CLEAN);
	*word_at(&p, S) = orphan;
	v->descs[S].flags = ZC_BLOCK_IO;
	must(!zc_orphan_finish(v, S, orphan));
	must_eq(unit_word(&p, S), orphan);
	v->descs[S].flags = 0;
	must(zc_orphan_finish(v, S, orphan));
	/* Not twice: the word is another one. */
	must(!zc_orphan_finish(v, S, orphan));
	unit_pool_fini(&p);
}

/* A tail that cannot be: all of the ring is looked at instead. */
Test(garbage, absurd_tail_is_not_believed)
{
	static const u64 tails[] = { 0, 1000, ~0ULL };
	u32 i;

	for (i = 0; i < ARRAY_SIZE(tails); i++) {
		struct unit_pool p;
		u64 cursor = 0;

		world_init(&p);
		unit_commit(&p, 0, S, 3);
		zc_writer_area(&p.view, 0)->tail = tails[i];
		must_eq(zc_slot_reclaim(&p.view, 0, ZC_OWNER_WRITER(1), NULL, 100, &cursor), 3);
		must_eq(zc_word_owner(unit_word(&p, S)), ZC_OWNER_NONE);
		unit_pool_fini(&p);
	}
	/* Behind by more than a ring: what can still be there is looked at. */
	for (i = 0; i < 2; i++) {
		struct unit_pool p;
		u64 cursor = 0, s = 0;
		u32 n;

		world_init(&p);
		for (n = 0; n < 2 * UNIT_RING; n++)
			s = unit_commit(&p, 0, n, 1);
		must_eq(s, 2 * UNIT_RING);
		zc_writer_area(&p.view, 0)->tail = i ? s + 5 : 1;
		must_eq(zc_slot_reclaim(&p.view, 0, ZC_OWNER_WRITER(1), NULL, 100, &cursor),
			UNIT_RING);
		unit_pool_fini(&p);
	}
}

/* More deferred entries than there are, and none of them what is looked for. */
Test(garbage, deferred_entries_end_where_the_array_does)
{
	struct unit_pool p;
	struct zc_view *v = &p.view;
	u64 cursor = 0;

	world_init(&p);
	unit_commit(&p, 0, S, 1);
	zc_writer_area(v, 0)->deferred_nr = ~0U;
	zc_slot_reclaim(v, 0, ZC_OWNER_WRITER(1), NULL, 100000, &cursor);
	must(zc_slot_empty(v, 0));
	/* The budget ends before they do. */
	zc_writer_area(v, 0)->deferred_nr = 3;
	cursor = 0;
	must_eq(zc_slot_reclaim(v, 0, ZC_OWNER_WRITER(1), NULL, 2, &cursor), 0);
	unit_pool_fini(&p);
}

/* --- in the way of a reaper ----------------------------------------------------- */

static struct unit_pool *reaped;
static u32 asked;

static bool nothing_is_pinned(void *ctx, u32 m, u32 granule, u32 length)
{
	(void)ctx;
	(void)m;
	(void)granule;
	(void)length;
	asked++;
	return false;
}

/* Two entries ahead of the head, and a third: a writer leaves one at most. */
Test(garbage, head_of_the_dead_passes_what_a_writer_can_leave)
{
	struct unit_pool p;
	struct unit_reaper r;
	u32 i;

	world_init(&p);
	unit_commit(&p, 0, S, 1);
	for (i = 2; i < 9; i++)
		zc_ring(&p.view, 0)[i & p.view.ring_mask].place = zc_entry_place(i, 0);
	unit_declare_dead(&p, 0, DIED_NS);
	unit_reaper_init(&r, DIED_NS);
	unit_reap(&p, &r, 1000);
	/* Each pass advances by two. */
	must(zc_writer_area(&p.view, 0)->head > 2);
	must(zc_writer_area(&p.view, 0)->head <= 9);
	must_eq(r.told[0], 1);
	unit_pool_fini(&p);
}

Test(garbage, dead_ones_blocks_of_absurd_writers_come_back)
{
	struct unit_pool p;
	struct unit_reaper r;
	u64 w;

	world_init(&p);
	/* CLEAN, said to be of a writer that cannot be. */
	unit_commit(&p, 0, S, 3);
	p.view.descs[S].writer = ~0U;
	w = unit_word(&p, S);
	must(zc_move_reclaim(word_at(&p, S), &w, W));
	/* A cleaner publishes nothing: what says so stays as it is. */
	p.view.cleaner_slots[0].life = zc_life(1, 0, ZC_LIFE_LIVE);
	unit_claim(&p, 4 * S, 3, ZC_OWNER_CLEANER(0));
	w = zc_word_same(unit_word(&p, 4 * S), ZC_OWNER_CLEANER(0), ZC_STATE_USING);
	*word_at(&p, 4 * S) = w;
	unit_declare_dead(&p, 0, DIED_NS);
	unit_reaper_init(&r, DIED_NS);
	unit_reap(&p, &r, 1000);
	must_eq(zc_word_owner(unit_word(&p, S)), ZC_OWNER_NONE);
	must_eq(zc_word_state(unit_word(&p, S)), ZC_STATE_FREE);
	must_eq(unit_word(&p, 4 * S), w);
	must_eq(r.told[0], 1);
	unit_pool_fini(&p);
}

/* The slot is written over while its blocks are taken back: nobody is credited. */
static bool slot_is_written_over(void *ctx, u32 m, u32 granule, u32 length)
{
	u64 *life = &reaped->view.writer_slots[0].life;

	(void)ctx;
	(void)m;
	(void)granule;
	(void)length;
	*life = zc_life(zc_life_incarnation(*life), 0xffff, ZC_LIFE_REAPING);
	return false;
}

Test(garbage, absurd_member_of_a_slot_is_not_credited)
{
	struct unit_pool p;
	struct unit_reaper r;

	world_init(&p);
	reaped = &p;
	unit_claim(&p, S, 3, W);
	p.view.descs[S].flags = ZC_BLOCK_IO;
	unit_declare_dead(&p, 0, DIED_NS);
	unit_reaper_init(&r, DIED_NS);
	r.ops.pinned = slot_is_written_over;
	zc_reap(&p.view, &r.reaper, &r.ops, 1000);
	must_eq(zc_word_owner(unit_word(&p, S)), ZC_OWNER_NONE);
	must_eq(p.view.members[0].reaped_blocks, 0);
	must_eq(p.view.members[1].reaped_blocks, 0);
	unit_pool_fini(&p);
}

/* Holds of sequences that are nowhere, or lie outside, are nothing to ask about. */
Test(garbage, pinned_is_asked_only_about_what_is_there)
{
	struct unit_pool p;
	struct unit_reaper r;
	struct zc_view *v = &p.view;
	u64 s;

	world_init(&p);
	unit_writer_join(&p, 1, 1);
	unit_reader_join(&p, 1, 3, 0, 0);
	s = unit_commit(&p, 1, S, 3);
	unit_hold(&p, 1, 3, 0, s);
	unit_hold(&p, 1, 3, 1, s + 1000);
	/* What is held has a word that leaves the segment. */
	*word_at(&p, S) = zc_word(1, ZC_RUN_MAX, ZC_OWNER_WRITER(1), ZC_STATE_USING);
	zc_writer_area(v, 1)->deferred_nr = ~0U;
	zc_reader_area(v, 1, 3)->io_nr = 1;
	unit_declare_dead(&p, 0, DIED_NS);
	unit_reaper_init(&r, DIED_NS);
	r.ops.pinned = nothing_is_pinned;
	asked = 0;
	zc_reap(v, &r.reaper, &r.ops, 1000);
	must_eq(asked, 0);
	must_eq(zc_mask_bits(v->writer_slots[1].active), 0);
	unit_pool_fini(&p);
}
