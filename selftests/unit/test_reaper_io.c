/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_reaper_io.c - the dead had declared I/O: pages that are known to be pinned, a
 * time that is not set, what changes while the clock or the pages are asked for.
 */
#include "core/segment.h"
#include "step.h"

#define S UNIT_STRIPE
#define W ZC_OWNER_WRITER(0)
#define DIED_NS 1000ULL

static bool pinned_now;
static u32 asked;

static bool pinned(void *ctx, u32 m, u32 granule, u32 length)
{
	(void)ctx;
	must_eq(m, 0);
	must_eq(granule, S);
	must_eq(length, 3);
	asked++;
	return pinned_now;
}

static void world_init(struct unit_pool *p, struct unit_reaper *r)
{
	unit_pool_init(p, 1);
	unit_member_join(p, 0);
	unit_member_join(p, 1);
	unit_writer_join(p, 0, 0);
	unit_claim(p, S, 3, W);
	p->view.descs[S].flags = ZC_BLOCK_IO;
	zc_writer_area(&p->view, 0)->io_nr = 1;
	unit_declare_dead(p, 0, DIED_NS);
	unit_reaper_init(r, DIED_NS + 10 * ZC_QUARANTINE_NS);
}

/* Where it can be known, each block waits for itself, as an orphan. */
Test(reaper, keeps_blocks_while_they_are_pinned)
{
	struct unit_pool p;
	struct unit_reaper r;

	world_init(&p, &r);
	r.ops.pinned = pinned;
	pinned_now = true;
	unit_reap(&p, &r, 1000);
	must_eq(asked, 1);
	must_eq(r.reaper.quarantined, 1);
	must_eq(zc_word_owner(unit_word(&p, S)), ZC_OWNER_ORPHAN);
	must_eq(zc_word_state(unit_word(&p, S)), ZC_STATE_CLEAN);
	must_eq(p.view.descs[S].flags, ZC_BLOCK_IO);
	/* The member is gone; who walks by later does not free it. */
	must_eq(r.told[0], 1);
	must(!zc_orphan_finish(&p.view, S, unit_word(&p, S)));
	/* Nor does who knows that its I/O is over, but remembers another word. */
	must(!zc_orphan_end(&p.view, S, unit_word(&p, S) - (1ULL << 32)));
	must_eq(p.view.descs[S].flags, ZC_BLOCK_IO);
	must(zc_orphan_end(&p.view, S, unit_word(&p, S)));
	must_eq(zc_word_owner(unit_word(&p, S)), ZC_OWNER_NONE);
	must_ok(unit_hints(&p));
	unit_pool_fini(&p);
}

Test(reaper, takes_back_what_is_not_pinned)
{
	struct unit_pool p;
	struct unit_reaper r;

	world_init(&p, &r);
	r.ops.pinned = pinned;
	pinned_now = false;
	unit_reap(&p, &r, 1000);
	must_eq(asked, 1);
	must_eq(r.reaper.quarantined, 0);
	must_eq(zc_word_owner(unit_word(&p, S)), ZC_OWNER_NONE);
	/* Its next owner's to clear. */
	must_eq(p.view.descs[S].flags, ZC_BLOCK_IO);
	unit_pool_fini(&p);
}

/* Who declared the death died before it set the time: the quarantine begins now. */
Test(reaper, quarantine_without_a_time_begins_now)
{
	struct unit_pool p;
	struct unit_reaper r;

	world_init(&p, &r);
	p.view.members[0].death_ns = 0;
	must(!zc_reap(&p.view, &r.reaper, &r.ops, 1000));
	must(r.reaper.waiting);
	must_eq(p.view.members[0].death_ns, r.now_ns);
	must_eq(zc_word_owner(unit_word(&p, S)), W);
	r.now_ns += ZC_QUARANTINE_NS;
	unit_reap(&p, &r, 1000);
	must_eq(zc_word_owner(unit_word(&p, S)), ZC_OWNER_NONE);
	unit_pool_fini(&p);
}

/*
 * Who declared a death in this slot was stopped before it set the time, and sets it in the
 * life of the next one: that one's quarantine begins when it died, all the same.
 */
Test(reaper, quarantine_does_not_begin_before_its_own_life)
{
	struct zc_member_record *m;
	struct unit_reaper r;
	struct unit_pool p;

	world_init(&p, &r);
	m = &p.view.members[0];
	m->alive_ns = DIED_NS + 9 * ZC_QUARANTINE_NS;
	must(!zc_reap(&p.view, &r.reaper, &r.ops, 1000));
	must(r.reaper.waiting);
	must_eq(m->death_ns, r.now_ns);
	must_eq(zc_word_owner(unit_word(&p, S)), W);
	r.now_ns += ZC_QUARANTINE_NS - 1;
	must(!zc_reap(&p.view, &r.reaper, &r.ops, 1000));
	must_eq(m->death_ns, DIED_NS + 10 * ZC_QUARANTINE_NS);
	must_eq(zc_word_owner(unit_word(&p, S)), W);
	r.now_ns++;
	unit_reap(&p, &r, 1000);
	must_eq(zc_word_owner(unit_word(&p, S)), ZC_OWNER_NONE);
	unit_pool_fini(&p);
}

/* A sign of life from a time that has not come is none, and keeps nothing for ever. */
Test(reaper, quarantine_ends_whatever_the_stamp_says)
{
	struct unit_reaper r;
	struct unit_pool p;

	world_init(&p, &r);
	p.view.members[0].alive_ns = ~0ULL;
	unit_reap(&p, &r, 1000);
	must_eq(zc_word_owner(unit_word(&p, S)), ZC_OWNER_NONE);
	unit_pool_fini(&p);
}

static void slot_is_reaped_by_another(void *ctx)
{
	struct unit_pool *p = ctx;

	p->view.writer_slots[0].life = zc_life(1, 0, ZC_LIFE_REAPING);
}

static void slot_is_somebody_elses(void *ctx)
{
	struct unit_pool *p = ctx;

	p->view.writer_slots[0].life = zc_life(2, 1, ZC_LIFE_LIVE);
}

/* The clock is read between the look at the slot and its change. */
Test(reaper, goes_on_where_another_began)
{
	struct unit_pool p;
	struct unit_reaper r;

	world_init(&p, &r);
	r.in_between = slot_is_reaped_by_another;
	r.ctx = &p;
	unit_reap(&p, &r, 1000);
	must_eq(zc_word_owner(unit_word(&p, S)), ZC_OWNER_NONE);
	must_eq(p.view.members[0].reaped_blocks, 1);
	unit_pool_fini(&p);
}

Test(reaper, leaves_a_slot_that_changed_hands)
{
	struct unit_pool p;
	struct unit_reaper r;

	world_init(&p, &r);
	r.in_between = slot_is_somebody_elses;
	r.ctx = &p;
	zc_reap(&p.view, &r.reaper, &r.ops, 1000);
	must_eq(p.view.writer_slots[0].life, zc_life(2, 1, ZC_LIFE_LIVE));
	must_eq(zc_word_owner(unit_word(&p, S)), W);
	must_eq(p.view.members[0].reaped_blocks, 0);
	unit_pool_fini(&p);
}

/* --- the run changes while its pages are asked for ---------------------------------- */

static struct unit_pool *pool;

static bool becomes_inside(void *ctx, u32 m, u32 granule, u32 length)
{
	pinned(ctx, m, granule, length);
	pool->view.descs[S].word = zc_word(9, 3, W, ZC_STATE_INSIDE);
	return false;
}

static bool becomes_absurd(void *ctx, u32 m, u32 granule, u32 length)
{
	pinned(ctx, m, granule, length);
	pool->view.descs[S].word = zc_word(9, ZC_RUN_MAX, W, ZC_STATE_FREE);
	return false;
}

static bool becomes_another(void *ctx, u32 m, u32 granule, u32 length)
{
	pinned(ctx, m, granule, length);
	pool->view.descs[S].word = zc_word_next(pool->view.descs[S].word, W,
						ZC_STATE_FREE);
	return true;
}

Test(reaper, run_that_changes_under_it_is_left_in_the_end)
{
	static bool (*const change[])(void *ctx, u32 m, u32 granule, u32 length) = {
		becomes_inside, becomes_absurd, becomes_another,
	};
	/* It looks again as often as a run can change honestly, not for ever. */
	static const u32 times[] = { 1, 1, 8 };
	u32 i;

	for (i = 0; i < ARRAY_SIZE(change); i++) {
		struct unit_pool p;
		struct unit_reaper r;

		world_init(&p, &r);
		pool = &p;
		asked = 0;
		r.ops.pinned = change[i];
		zc_reap(&p.view, &r.reaper, &r.ops, 2);
		must_eq(asked, times[i]);
		must_eq(zc_word_owner(unit_word(&p, S)), W);
		must_eq(p.view.members[0].reaped_blocks, 0);
		unit_pool_fini(&p);
	}
}

/* --- two reapers, a block that somebody holds ------------------------------------------- */

static struct {
	struct unit_pool p;
} world;

static void reap_it(void *ctx)
{
	struct unit_reaper r;

	(void)ctx;
	unit_reaper_init(&r, DIED_NS);
	unit_reap(&world.p, &r, 1000);
}

static void held_is_an_orphan(void *ctx)
{
	u64 word = unit_word(&world.p, S);

	(void)ctx;
	must_ok(unit_tiling(&world.p, NULL));
	must_eq(zc_word_owner(word), ZC_OWNER_ORPHAN);
	must_eq(zc_word_state(word), ZC_STATE_CLEAN);
	must_eq(zc_life_state(world.p.view.members[0].life), ZC_LIFE_IDLE);
}

Test(reaper, two_make_one_orphan_of_what_is_held)
{
	const struct step_case c = { .victim = reap_it, .rivals = reap_it,
				     .check = held_is_an_orphan };
	u64 s, word;

	unit_pool_init(&world.p, 1);
	unit_member_join(&world.p, 0);
	unit_member_join(&world.p, 1);
	unit_writer_join(&world.p, 0, 0);
	s = unit_commit(&world.p, 0, S, 3);
	word = unit_word(&world.p, S);
	must(zc_move_reclaim(&world.p.view.descs[S].word, &word, W));
	unit_reader_join(&world.p, 0, 3, 1, ZC_READER_HISTORY);
	unit_hold(&world.p, 0, 3, 8, s);
	unit_declare_dead(&world.p, 0, DIED_NS);
	must(step_every(&c) > 100);
	unit_pool_fini(&world.p);
}

/* --- a reaper that is late: the block has a new owner ------------------------------------- */

#define GUARDED (2U << 8)	/* some code of a guard */

/* Another reaper ends the death; the next writer takes the block, and commits it. */
static void rival_commits_it(void *ctx)
{
	u64 word;

	reap_it(ctx);
	word = unit_word(&world.p, S);
	must(zc_run_claim(&world.p.view, S, &word, ZC_OWNER_WRITER(1)));
	zc_store_relaxed(&world.p.view.descs[S].flags, GUARDED);
	zc_move_commit(&world.p.view.descs[S].word, word, ZC_OWNER_WRITER(1));
}

static void flags_are_its_owners(void *ctx)
{
	u64 word = unit_word(&world.p, S);

	(void)ctx;
	if (zc_word_state(word) == ZC_STATE_USING)
		must_eq(world.p.view.descs[S].flags, GUARDED);
	must_ok(unit_tiling(&world.p, NULL));
}

Test(reaper, that_is_late_leaves_the_flags_of_the_next)
{
	const struct step_case c = { .victim = reap_it, .rivals = rival_commits_it,
				     .check = flags_are_its_owners };

	unit_pool_init(&world.p, 1);
	unit_member_join(&world.p, 0);
	unit_member_join(&world.p, 1);
	unit_writer_join(&world.p, 0, 0);
	unit_writer_join(&world.p, 1, 1);
	unit_claim(&world.p, S, 3, W);
	world.p.view.descs[S].flags = ZC_BLOCK_IO;
	unit_declare_dead(&world.p, 0, DIED_NS);
	must(step_every(&c) > 100);
	unit_pool_fini(&world.p);
}

/* --- much to look through ---------------------------------------------------------------- */

static bool never_asked(void *ctx, u32 m, u32 granule, u32 length)
{
	(void)ctx;
	(void)m;
	(void)granule;
	(void)length;
	asked++;
	return true;
}

/* Holds that are nowhere: the search for them has an end, and then they are let go. */
Test(reaper, looks_for_what_a_reader_held_only_so_long)
{
	struct zc_geometry_request request = {
		.bytes = UNIT_SEGMENT_GRANULES * 64,
		.segment_bytes = UNIT_SEGMENT_GRANULES * 64,
		.granule_bytes = 64, .ring_entries = UNIT_RING, .max_holds = 512,
	};
	struct zc_deferred_entry *d;
	struct unit_reaper r;
	struct unit_pool p;
	struct zc_view *v = &p.view;
	u32 i;

	unit_pool_init_with(&p, &request);
	unit_member_join(&p, 0);
	unit_member_join(&p, 1);
	unit_writer_join(&p, 0, 1);
	unit_reader_join(&p, 0, 3, 0, 0);
	unit_commit(&p, 0, S, 3);
	zc_writer_area(v, 0)->deferred_nr = v->deferred_entries;
	for (i = 0; i < 16; i++)
		unit_hold(&p, 0, 3, i, 1000000 + i);
	/* The last one is there, but at the end of all that is looked through. */
	d = &zc_deferred(v, 0)[v->deferred_entries - 1];
	d->sequence = 1000015;
	d->granule = S;
	zc_reader_area(v, 0, 3)->io_nr = 1;
	unit_declare_dead(&p, 0, DIED_NS);
	unit_reaper_init(&r, DIED_NS);
	r.ops.pinned = never_asked;
	asked = 0;
	unit_reap(&p, &r, 1000);
	must_eq(asked, 0);
	must_eq(r.told[0], 1);
	must_eq(zc_mask_bits(v->writer_slots[0].active), 0);
	unit_pool_fini(&p);
}

static u64 asked_granules;

static bool counts_granules(void *ctx, u32 m, u32 granule, u32 length)
{
	(void)ctx;
	(void)m;
	(void)granule;
	asked_granules += length;
	return false;
}

/* The same hold again and again: no more is looked at than there is. */
Test(reaper, looks_at_what_a_reader_held_once)
{
	struct zc_geometry_request request = {
		.bytes = UNIT_SEGMENT_GRANULES * 64,
		.segment_bytes = UNIT_SEGMENT_GRANULES * 64,
		.granule_bytes = 64, .ring_entries = UNIT_RING, .max_holds = 512,
	};
	struct unit_reaper r;
	struct unit_pool p;
	u32 i;
	u64 s;

	unit_pool_init_with(&p, &request);
	unit_member_join(&p, 0);
	unit_member_join(&p, 1);
	unit_writer_join(&p, 0, 1);
	unit_reader_join(&p, 0, 3, 0, 0);
	s = unit_commit(&p, 0, 0, UNIT_SEGMENT_GRANULES / 2);
	for (i = 0; i < 512; i++)
		unit_hold(&p, 0, 3, i, s);
	zc_reader_area(&p.view, 0, 3)->io_nr = 1;
	unit_declare_dead(&p, 0, DIED_NS);
	unit_reaper_init(&r, DIED_NS);
	r.ops.pinned = counts_granules;
	asked_granules = 0;
	unit_reap(&p, &r, 1000);
	must_eq(asked_granules, UNIT_SEGMENT_GRANULES);
	must_eq(r.told[0], 1);
	must_eq(zc_mask_bits(p.view.writer_slots[0].active), 0);
	unit_pool_fini(&p);
}

/* All that there is can be held, and what is pinned may be the last of it. */
Test(reaper, looks_at_all_that_a_reader_held)
{
	struct unit_reaper r;
	struct unit_pool p;
	u32 i;

	unit_pool_init(&p, 1);
	unit_member_join(&p, 0);
	unit_member_join(&p, 1);
	unit_writer_join(&p, 0, 1);
	unit_reader_join(&p, 0, 3, 0, 0);
	for (i = 0; i < 8; i++)
		unit_hold(&p, 0, 3, i, unit_commit(&p, 0, i * UNIT_SEGMENT_GRANULES / 8,
						   UNIT_SEGMENT_GRANULES / 8));
	zc_reader_area(&p.view, 0, 3)->io_nr = 1;
	unit_declare_dead(&p, 0, DIED_NS);
	unit_reaper_init(&r, DIED_NS);
	r.ops.pinned = counts_granules;
	asked_granules = 0;
	unit_reap(&p, &r, 1000);
	must_eq(asked_granules, UNIT_SEGMENT_GRANULES);
	unit_pool_fini(&p);
}

/* More than one slice of zc_segment_take(). */
Test(segment, of_many_granules_is_taken_in_slices)
{
	u32 granules = 16384;
	struct zc_geometry_request request = {
		.bytes = granules * 64, .segment_bytes = granules * 64,
		.granule_bytes = 64, .ring_entries = UNIT_RING, .max_holds = UNIT_HOLDS,
	};
	struct unit_pool p;

	unit_pool_init_with(&p, &request);
	must(zc_segment_take(&p.view, 0));
	must_eq(zc_word_length(unit_word(&p, 0)), granules);
	must_eq(zc_word_owner(unit_word(&p, 0)), ZC_OWNER_REMOVER);
	must(zc_segment_give(&p.view, 0));
	must_ok(unit_tiling(&p, NULL));
	must_ok(unit_hints(&p));
	unit_pool_fini(&p);
}

/* --- a region that is not mapped yet (on /dev/zerocore) ---------------------------------- */

/* Until it is, its reader counts as one that has read nothing and holds all. */
Test(reclaim, reader_that_is_not_mapped_requires_all)
{
	static u32 mapped[ZC_MAX_WRITERS * ZC_MAX_READERS_PER];
	struct zc_snapshot snap;
	struct zc_holds holds;
	struct unit_pool p;
	struct zc_view *v = &p.view;
	u64 s;

	unit_pool_init(&p, 1);
	unit_member_join(&p, 0);
	unit_member_join(&p, 1);
	unit_writer_join(&p, 0, 0);
	unit_reader_join(&p, 0, 3, 1, 0);
	s = unit_commit(&p, 0, S, 3);
	zc_reader_area(v, 0, 3)->cursor = s + 1;
	v->reader_mapped = mapped;
	mapped[3] = 7;		/* one that was there before */
	zc_snapshot_take(v, 0, s + 1, NULL, &snap);
	must_eq(snap.limit, 0);
	must(zc_holds_gather(v, 0, snap.active, s, &holds));
	must(zc_holds_test(&holds, s));
	must(zc_holds_test(&holds, s + ZC_HOLDS_SPAN - 1));
	must(!zc_holds_test(&holds, s + ZC_HOLDS_SPAN));
	must(zc_sequence_held(v, 0, s));
	/* Now it is. */
	mapped[3] = zc_life_incarnation(zc_reader_slot(v, 0, 3)->life);
	zc_snapshot_take(v, 0, s + 1, NULL, &snap);
	must_eq(snap.limit, s + 1);
	must(!zc_holds_gather(v, 0, snap.active, s, &holds));
	must(!zc_holds_test(&holds, s));
	must(!zc_sequence_held(v, 0, s));
	unit_pool_fini(&p);
}

