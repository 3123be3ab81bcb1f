/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_reaper_roles.c - members, readers, cleaners: who died with what.
 */
#include <stdlib.h>

#include "step.h"
#include "unit.h"

#define S UNIT_STRIPE
#define DIED_NS 5000000000ULL

/* --- being declared dead ------------------------------------------------------------- */

Test(member, is_declared_dead_once)
{
	struct unit_pool p;
	struct zc_member_record *r;
	u64 life;

	unit_pool_init(&p, 1);
	life = unit_member_join(&p, 7);
	r = &p.view.members[7];
	must(!zc_reap_wanted(&p.view));
	/* Not by what it was before, or is not yet. */
	must(!zc_member_declare_dead(&p.view, 7,
				     zc_life(0, 0, ZC_LIFE_LIVE), 1));
	must(!zc_member_declare_dead(&p.view, 7,
				     zc_life(2, 0, ZC_LIFE_LIVE), 1));
	must(!zc_member_declare_dead(&p.view, 7,
				     zc_life(1, ZC_MEMBER_JOINING,
					     ZC_LIFE_LIVE), 1));
	must(!zc_member_declare_dead(&p.view, 7, zc_life(1, 0, ZC_LIFE_IDLE), 1));
	must_eq(r->life, life);
	must(zc_member_declare_dead(&p.view, 7, life, DIED_NS));
	must_eq(zc_life_state(r->life), ZC_LIFE_REAPING);
	must_eq(zc_life_incarnation(r->life), 1);
	must_eq(r->death_ns, DIED_NS);
	must(zc_reap_wanted(&p.view));
	life = r->life;
	must(!zc_member_declare_dead(&p.view, 7, zc_life(1, 0, ZC_LIFE_LIVE), 9));
	must(!zc_member_declare_dead(&p.view, 7, life, 9));
	must_eq(r->life, life);
	unit_pool_fini(&p);
}

Test(member, in_the_middle_of_joining_can_die)
{
	struct unit_pool p;
	struct unit_reaper r;
	u64 life = zc_life(4, ZC_MEMBER_JOINING, ZC_LIFE_LIVE);

	unit_pool_init(&p, 1);
	p.view.members[ZC_MAX_MEMBERS - 1].life = life;
	must(zc_member_declare_dead(&p.view, ZC_MAX_MEMBERS - 1, life, DIED_NS));
	unit_reaper_init(&r, DIED_NS);
	unit_reap(&p, &r, 1);
	must_eq(p.view.members[ZC_MAX_MEMBERS - 1].life,
		zc_life(4, 0, ZC_LIFE_IDLE));
	must_eq(r.told[ZC_MAX_MEMBERS - 1], 1);
	unit_pool_fini(&p);
}

/* Somebody who knew it when it lived, and comes late, changes nothing. */
Test(member, declared_late_keeps_the_time_of_death)
{
	struct unit_pool p;
	struct zc_member_record *r;
	u64 first, second;

	unit_pool_init(&p, 1);
	r = &p.view.members[0];
	first = unit_member_join(&p, 0);
	must(zc_member_declare_dead(&p.view, 0, first, DIED_NS));
	must(!zc_member_declare_dead(&p.view, 0, first, 2 * DIED_NS));
	must_eq(r->death_ns, DIED_NS);
	r->life = zc_life(1, 0, ZC_LIFE_IDLE);
	r->death_ns = 0;
	second = unit_member_join(&p, 0);
	must(zc_member_declare_dead(&p.view, 0, second, 9 * DIED_NS));
	must(!zc_member_declare_dead(&p.view, 0, first, DIED_NS + 1));
	must_eq(r->death_ns, 9 * DIED_NS);
	unit_pool_fini(&p);
}

/* --- readers ------------------------------------------------------------- */

Test(reaper, takes_readers_out_and_leaves_others)
{
	struct unit_pool p;
	struct zc_view *v = &p.view;
	struct unit_reaper r;
	u64 s;

	unit_pool_init(&p, 1);
	unit_member_join(&p, 0);
	unit_member_join(&p, 1);
	unit_writer_join(&p, 0, 1);
	unit_writer_join(&p, 31, 1);
	unit_reader_join(&p, 0, 0, 0, 0);
	unit_reader_join(&p, 0, 1, 1, 0);
	unit_reader_join(&p, 0, 31, 0, ZC_READER_HAZARD);
	unit_reader_join(&p, 31, 31, 0, 0);
	unit_reader_join(&p, 31, 30, 1, ZC_READER_HAZARD);
	s = unit_commit(&p, 0, 3 * S, 5);
	unit_reader_take(&p, 0, 0, 8);
	unit_reader_take(&p, 0, 1, 0);
	unit_hold(&p, 0, 31, 2, s);

	unit_declare_dead(&p, 0, DIED_NS);
	unit_reaper_init(&r, DIED_NS + 1);
	unit_reap(&p, &r, 1);
	must_eq(zc_mask_bits(v->writer_slots[0].active), 1u << 1);
	must_eq(zc_mask_bits(v->writer_slots[0].hazard), 0);
	must_eq(zc_mask_bits(v->writer_slots[31].active), 1u << 30);
	must_eq(zc_mask_bits(v->writer_slots[31].hazard), 1u << 30);
	must_eq(zc_reader_slot(v, 0, 0)->life, zc_life(1, 0, ZC_LIFE_IDLE));
	must_eq(zc_reader_slot(v, 0, 1)->life, zc_life(1, 1, ZC_LIFE_LIVE));
	must_eq(zc_reader_slot(v, 0, 31)->life, zc_life(1, 0, ZC_LIFE_IDLE));
	must_eq(zc_reader_slot(v, 31, 31)->life, zc_life(1, 0, ZC_LIFE_IDLE));
	must_eq(zc_reader_slot(v, 31, 30)->life, zc_life(1, 1, ZC_LIFE_LIVE));
	must_eq(v->members[0].life, zc_life(1, 0, ZC_LIFE_IDLE));
	must_eq(r.told[0], 1);
	/* What its holds kept counts as come back: one block, twice held. */
	must_eq(v->members[0].reaped_blocks, 2);
	must_eq(v->members[0].reaped_bytes, 2 * 5 * 64);
	/* The other's hold counts, the dead one's does not. */
	must(zc_sequence_held(v, 0, s));
	unit_hold(&p, 0, 1, 0, 0);
	must(!zc_sequence_held(v, 0, s));
	unit_pool_fini(&p);
}

/* A reader that died at each step of joining. */
Test(reaper, takes_half_joined_readers_out)
{
	u32 step;

	for (step = 0; step < 5; step++) {
		struct unit_pool p;
		struct unit_reaper r;
		struct zc_writer_slot *slot;
		struct zc_reader_slot *rs;
		struct zc_reader_area *ra;

		unit_pool_init(&p, 1);
		unit_member_join(&p, 0);
		slot = &p.view.writer_slots[4];
		rs = zc_reader_slot(&p.view, 4, 2);
		ra = zc_reader_area(&p.view, 4, 2);
		ra->io_nr = 3;		/* of whoever was there before */
		ra->incarnation = 1;
		rs->life = zc_life(2, 0, ZC_LIFE_LIVE);
		if (step >= 1) {
			ra->io_nr = 0;
			ra->incarnation = 2;
		}
		if (step >= 2)
			rs->flags = ZC_READER_HAZARD;
		if (step >= 3)
			zc_mask_set(&slot->hazard, 2);
		if (step >= 4)
			zc_mask_set(&slot->active, 2);
		unit_declare_dead(&p, 0, DIED_NS);
		unit_reaper_init(&r, DIED_NS);
		unit_reap(&p, &r, 1);
		must_eq(rs->life, zc_life(2, 0, ZC_LIFE_IDLE));
		must_eq(zc_mask_bits(slot->active), 0);
		must_eq(zc_mask_bits(slot->hazard), 0);
		unit_pool_fini(&p);
	}
}

/* --- cleaners, and members with all there is --------------------------------------------- */

static void cleaner_join(struct unit_pool *p, u32 c, u32 m)
{
	u64 *life = &p->view.cleaner_slots[c].life;

	*life = zc_life(zc_life_incarnation(*life) + 1, m, ZC_LIFE_LIVE);
}

Test(reaper, takes_what_cleaners_had)
{
	struct unit_pool p;
	struct zc_view *v = &p.view;
	struct unit_reaper r;
	struct unit_tally t;
	u64 word;

	unit_pool_init(&p, 1);
	unit_member_join(&p, 0);
	unit_member_join(&p, 1);
	cleaner_join(&p, 0, 0);
	cleaner_join(&p, ZC_MAX_CLEANERS - 1, 0);
	cleaner_join(&p, 3, 1);
	unit_writer_join(&p, 0, 1);
	/* CLEAN, never committed: a merge. CLEAN of a message. FREE, owned. */
	unit_claim(&p, 0, S, ZC_OWNER_CLEANER(0));
	v->descs[0].word = zc_word_next(unit_word(&p, 0), ZC_OWNER_CLEANER(0),
					ZC_STATE_CLEAN);
	unit_commit(&p, 0, 2 * S, 3);
	word = unit_word(&p, 2 * S);
	must(zc_move_reclaim(&v->descs[2 * S].word, &word,
			     ZC_OWNER_CLEANER(ZC_MAX_CLEANERS - 1)));
	unit_claim(&p, 4 * S, 2, ZC_OWNER_CLEANER(ZC_MAX_CLEANERS - 1));
	unit_claim(&p, 6 * S, 2, ZC_OWNER_CLEANER(3));
	/* A reader of service 0 whose holds are all unused. */
	unit_reader_join(&p, 0, 0, 1, 0);

	unit_declare_dead(&p, 0, DIED_NS);
	unit_reaper_init(&r, DIED_NS);
	unit_reap(&p, &r, 1);
	must_ok(unit_tiling(&p, &t));
	must_eq(t.claimed, 2);
	must_eq(t.clean, 0);
	must_eq(t.free, UNIT_SEGMENT_GRANULES - 2);
	must_ok(unit_hints(&p));
	must_eq(zc_life_state(v->cleaner_slots[0].life), ZC_LIFE_IDLE);
	must_eq(zc_life_state(v->cleaner_slots[ZC_MAX_CLEANERS - 1].life),
		ZC_LIFE_IDLE);
	must_eq(zc_life_state(v->cleaner_slots[3].life), ZC_LIFE_LIVE);
	unit_pool_fini(&p);
}

Test(reaper, ends_all_roles_of_a_member)
{
	struct unit_pool p;
	struct zc_view *v = &p.view;
	struct unit_reaper r;
	struct unit_tally t;
	u32 w;

	unit_pool_init(&p, 2);
	unit_member_join(&p, 0);
	for (w = 0; w < ZC_MAX_WRITERS; w++) {
		/* Three stripes each, none across the segments. */
		u32 g = (w * 3 + (w >= ZC_STRIPES / 3)) * S;

		unit_writer_join(&p, w, 0);
		unit_reader_join(&p, w, w, 0, w & 1 ? ZC_READER_HAZARD : 0);
		unit_claim(&p, g, 2 * S + 1, ZC_OWNER_WRITER(w));
		unit_commit(&p, w, g + 2 * S + 4, 1);
	}
	for (w = 0; w < ZC_MAX_CLEANERS; w++) {
		cleaner_join(&p, w, 0);
		unit_claim(&p, (100 + 2 * w) * S + 7, 3, ZC_OWNER_CLEANER(w));
	}
	v->hints->waiting_writers = ~0ULL >> 32;
	v->writer_slots[9].service =
		zc_service_word(1, 1, 0, ZC_SERVICE_CLAIMING);
	unit_declare_dead(&p, 0, DIED_NS);
	unit_reaper_init(&r, DIED_NS);
	unit_reap(&p, &r, 1);
	must_ok(unit_tiling(&p, &t));
	must_eq(t.using, ZC_MAX_WRITERS);
	must_eq(t.claimed, 0);
	must_ok(unit_hints(&p));
	must_ok(unit_free_runs(&p));
	for (w = 0; w < ZC_MAX_WRITERS; w++) {
		must_eq(zc_life_state(v->writer_slots[w].life), ZC_LIFE_IDLE);
		must_eq(zc_life_state(zc_reader_slot(v, w, w)->life),
			ZC_LIFE_IDLE);
		must_eq(zc_mask_bits(v->writer_slots[w].active), 0);
		must_eq(r.wakes[w], 1);
	}
	/* Who is dead waits for nothing. */
	must_eq(v->hints->waiting_writers, 0);
	must_eq(zc_service_state(v->writer_slots[9].service), ZC_SERVICE_EMPTY);
	must_eq(v->members[0].life, zc_life(1, 0, ZC_LIFE_IDLE));
	must_eq(r.told[0], 1);
	unit_pool_fini(&p);
}

/* --- quarantine ------------------------------------------------------------- */

Test(reaper, keeps_a_writers_memory_in_quarantine)
{
	struct unit_pool p;
	struct zc_view *v = &p.view;
	struct unit_reaper r;
	struct unit_tally t;
	u32 i;

	unit_pool_init(&p, 1);
	unit_member_join(&p, 0);
	unit_writer_join(&p, 0, 0);
	unit_writer_join(&p, 1, 0);
	unit_claim(&p, 0, 5, ZC_OWNER_WRITER(0));
	unit_claim(&p, S, 3, ZC_OWNER_WRITER(1));
	zc_writer_area(v, 0)->io_nr = 1;
	unit_declare_dead(&p, 0, DIED_NS);
	/* One that looked at the clock, was stopped, and finds a later death. */
	unit_reaper_init(&r, DIED_NS - 1);
	for (i = 0; i < 500; i++)
		must(!zc_reap(v, &r.reaper, &r.ops, 1));
	must(r.reaper.waiting);
	must_ok(unit_tiling(&p, &t));
	must_eq(t.claimed, 5);
	r.now_ns = DIED_NS;
	for (i = 0; i < 500; i++)
		must(!zc_reap(v, &r.reaper, &r.ops, 1));
	must(r.reaper.waiting);
	/* The writer that declared nothing is reaped, the other waits. */
	must_ok(unit_tiling(&p, &t));
	must_eq(t.claimed, 5);
	must_eq(zc_life_state(v->writer_slots[0].life), ZC_LIFE_LIVE);
	must_eq(zc_life_state(v->writer_slots[1].life), ZC_LIFE_IDLE);
	must_eq(zc_life_state(v->members[0].life), ZC_LIFE_REAPING);
	must_eq(r.told[0], 0);
	r.now_ns = DIED_NS + ZC_QUARANTINE_NS - 1;
	for (i = 0; i < 500; i++)
		must(!zc_reap(v, &r.reaper, &r.ops, 1));
	must_ok(unit_tiling(&p, &t));
	must_eq(t.claimed, 5);
	r.now_ns = DIED_NS + ZC_QUARANTINE_NS;
	while (!zc_reap(v, &r.reaper, &r.ops, 1))
		must(++i < 2000);
	must_ok(unit_tiling(&p, &t));
	must_eq(t.free, UNIT_SEGMENT_GRANULES);
	must_ok(unit_hints(&p));
	must_eq(zc_life_state(v->members[0].life), ZC_LIFE_IDLE);
	must_eq(r.told[0], 1);
	unit_pool_fini(&p);
}

/* The holds of a reader in quarantine count; nothing new is kept for it. */
Test(reaper, keeps_a_readers_holds_in_quarantine)
{
	struct unit_pool p;
	struct zc_view *v = &p.view;
	struct zc_snapshot snap;
	struct unit_reaper r;
	u32 i;
	u64 s;

	unit_pool_init(&p, 1);
	unit_member_join(&p, 0);
	unit_member_join(&p, 1);
	unit_writer_join(&p, 0, 1);
	unit_reader_join(&p, 0, 3, 0, 0);
	s = unit_commit(&p, 0, 0, 1);
	unit_commit(&p, 0, S, 1);
	unit_reader_take(&p, 0, 3, 0);
	zc_reader_area(v, 0, 3)->io_nr = 1;
	unit_declare_dead(&p, 0, DIED_NS);
	unit_reaper_init(&r, DIED_NS + ZC_QUARANTINE_NS - 1);
	for (i = 0; i < 10; i++)
		must(!zc_reap(v, &r.reaper, &r.ops, 1000));
	must(r.reaper.waiting);
	must_eq(zc_mask_bits(v->writer_slots[0].active), 1u << 3);
	must(zc_sequence_held(v, 0, s));
	zc_snapshot_take(v, 0, 3, NULL, &snap);
	must_eq(snap.limit, 3);
	must_eq(r.told[0], 0);
	r.now_ns++;
	unit_reap(&p, &r, 1000);
	must_eq(zc_mask_bits(v->writer_slots[0].active), 0);
	must(!zc_sequence_held(v, 0, s));
	must_eq(r.told[0], 1);
	/* The next reader in that place is connected. */
	unit_reader_join(&p, 0, 3, 1, 0);
	zc_snapshot_take(v, 0, 3, NULL, &snap);
	must_eq(snap.limit, 3);
	unit_commit(&p, 0, 2 * S, 1);
	zc_snapshot_take(v, 0, 4, NULL, &snap);
	must_eq(snap.limit, 3);
	unit_pool_fini(&p);
}

static u32 pinned_granule;

static bool one_is_pinned(void *ctx, u32 m, u32 granule, u32 length)
{
	(void)ctx;
	must_eq(m, 0);
	return pinned_granule >= granule && pinned_granule < granule + length;
}

/* Where it can be known, what was held waits for as long as it is pinned. */
Test(reaper, keeps_a_readers_holds_while_they_are_pinned)
{
	struct unit_pool p;
	struct zc_view *v = &p.view;
	struct unit_reaper r;
	u32 i;
	u64 s;

	unit_pool_init(&p, 1);
	unit_member_join(&p, 0);
	unit_member_join(&p, 1);
	unit_writer_join(&p, 0, 1);
	unit_reader_join(&p, 0, 3, 0, 0);
	unit_reader_join(&p, 0, 4, 0, 0);
	s = unit_commit(&p, 0, S, 3);
	unit_reader_take(&p, 0, 3, 0);
	zc_reader_area(v, 0, 3)->io_nr = 1;
	unit_declare_dead(&p, 0, DIED_NS);
	unit_reaper_init(&r, DIED_NS + ZC_READER_IO_NS - 1);
	r.ops.pinned = one_is_pinned;
	pinned_granule = S + 2;
	for (i = 0; i < 10; i++)
		must(!zc_reap(v, &r.reaper, &r.ops, 1000));
	must(r.reaper.waiting);
	/* Only the reader that declared it waits. */
	must_eq(zc_mask_bits(v->writer_slots[0].active), 1u << 3);
	must(zc_sequence_held(v, 0, s));
	must_eq(r.told[0], 0);
	/* Another's page, next to it. */
	pinned_granule = S + 3;
	unit_reap(&p, &r, 1000);
	must_eq(zc_mask_bits(v->writer_slots[0].active), 0);
	must(!zc_sequence_held(v, 0, s));
	must_eq(r.told[0], 1);
	unit_pool_fini(&p);
}

/* Others may have pinned it, for ever: a reader's I/O is not waited for so long. */
Test(reaper, keeps_no_reader_for_ever)
{
	struct unit_pool p;
	struct unit_reaper r;

	unit_pool_init(&p, 1);
	unit_member_join(&p, 0);
	unit_member_join(&p, 1);
	unit_writer_join(&p, 0, 1);
	unit_reader_join(&p, 0, 3, 0, 0);
	unit_commit(&p, 0, S, 3);
	unit_reader_take(&p, 0, 3, 0);
	zc_reader_area(&p.view, 0, 3)->io_nr = 1;
	unit_declare_dead(&p, 0, DIED_NS);
	unit_reaper_init(&r, DIED_NS + ZC_READER_IO_NS - 1);
	r.ops.pinned = one_is_pinned;
	pinned_granule = S + 2;
	must(!zc_reap(&p.view, &r.reaper, &r.ops, 1000));
	must(r.reaper.waiting);
	r.now_ns++;
	unit_reap(&p, &r, 1000);
	must_eq(zc_mask_bits(p.view.writer_slots[0].active), 0);
	must_eq(r.told[0], 1);
	unit_pool_fini(&p);
}

/* --- a stale reaper and a new reader --------------------------------------------------------- */

static struct {
	struct unit_pool p;
	u32 old_io;
	u64 victims_clock;
} world;

static void reap_readers(void *ctx)
{
	struct unit_reaper r;

	(void)ctx;
	unit_reaper_init(&r, world.victims_clock);
	zc_reap(&world.p.view, &r.reaper, &r.ops, 1000);
	/* Its pass may have to wait; nothing else is of interest. */
}

/* Others end the quarantine; a new reader comes, is slow, and is cut off. */
static void new_reader_is_cut(void *ctx)
{
	struct zc_view *v = &world.p.view;
	struct unit_reaper r;

	(void)ctx;
	unit_reaper_init(&r, DIED_NS + 2 * ZC_QUARANTINE_NS);
	unit_reap(&world.p, &r, 1000);
	must_eq(unit_reader_join(&world.p, 0, 0, 1, ZC_READER_HAZARD), 2);
	zc_writer_area(v, 0)->floor[0].cut_incarnation = 2;
	zc_writer_area(v, 0)->floor[0].floor = 77;
	zc_writer_area(v, 0)->floor[0].fence_wanted = 1;
}

static void new_reader_is_there(void *ctx)
{
	struct zc_view *v = &world.p.view;
	struct zc_floor *f = &zc_writer_area(v, 0)->floor[0];

	(void)ctx;
	must_eq(zc_reader_slot(v, 0, 0)->life, zc_life(2, 1, ZC_LIFE_LIVE));
	must_eq(zc_mask_bits(v->writer_slots[0].active), 1);
	must_eq(zc_mask_bits(v->writer_slots[0].hazard), 1);
	must_eq(f->cut_incarnation, 2);
	must_eq(f->floor, 77);
	must_eq(f->fence_wanted, 1);
	must_eq(v->members[1].life, zc_life(1, 0, ZC_LIFE_LIVE));
}

static void stale_reaper_case(u32 io_nr, u64 victims_clock)
{
	const struct step_case c = { .victim = reap_readers,
				     .rivals = new_reader_is_cut,
				     .check = new_reader_is_there };

	memset(&world, 0, sizeof(world));
	world.victims_clock = victims_clock;
	unit_pool_init(&world.p, 1);
	unit_member_join(&world.p, 0);
	unit_member_join(&world.p, 1);
	unit_writer_join(&world.p, 0, 1);
	unit_reader_join(&world.p, 0, 0, 0, ZC_READER_HAZARD);
	zc_reader_area(&world.p.view, 0, 0)->io_nr = io_nr;
	unit_declare_dead(&world.p, 0, DIED_NS);
	must(step_every(&c) > 100);
	unit_pool_fini(&world.p);
}

/* models/mask.pml: the bit of a reader that joined since must stay. */
Test(reaper, stale_mask_spares_a_new_reader)
{
	stale_reaper_case(0, DIED_NS + 1);
}

/* The same by one who still thinks that the dead reader is in quarantine. */
Test(reaper, stale_cut_spares_a_new_reader)
{
	stale_reaper_case(1, DIED_NS + 1);
}

/* --- a stale reaper and a new writer that takes back ------------------------------------------ */

static u64 *taking(void)
{
	return &world.p.view.hints->taking[0];
}

/* Others end the death; a new writer has the slot, and takes back what it sent. */
static void new_writer_takes(void *ctx)
{
	struct unit_reaper r;

	(void)ctx;
	unit_reaper_init(&r, DIED_NS);
	unit_reap(&world.p, &r, 1000);
	must(!(zc_mask_bits(*taking()) & 1));
	unit_writer_join(&world.p, 0, 1);
	zc_mask_set(taking(), 0);
}

static void new_writer_is_taking(void *ctx)
{
	(void)ctx;
	must_eq(world.p.view.writer_slots[0].life, zc_life(2, 1, ZC_LIFE_LIVE));
	must_eq(zc_mask_bits(*taking()), 1);
}

/* The mask has another role's bit meanwhile. */
static void another_takes(void *ctx)
{
	(void)ctx;
	zc_mask_set(taking(), 5);
}

static void another_is_taking(void *ctx)
{
	(void)ctx;
	must_eq(zc_life_state(world.p.view.writer_slots[0].life), ZC_LIFE_IDLE);
	must_eq(zc_mask_bits(*taking()), 1 << 5);
}

static void dead_writer_took(void (*rivals)(void *), void (*check)(void *))
{
	const struct step_case c = { .victim = reap_readers, .rivals = rivals,
				     .check = check };

	memset(&world, 0, sizeof(world));
	world.victims_clock = DIED_NS;
	unit_pool_init(&world.p, 1);
	unit_member_join(&world.p, 0);
	unit_member_join(&world.p, 1);
	unit_writer_join(&world.p, 0, 0);
	zc_mask_set(taking(), 0);
	unit_declare_dead(&world.p, 0, DIED_NS);
	must(step_every(&c) > 100);
	unit_pool_fini(&world.p);
}

Test(reaper, stale_one_spares_what_a_new_writer_takes)
{
	dead_writer_took(new_writer_takes, new_writer_is_taking);
}

Test(reaper, what_another_takes_stays)
{
	dead_writer_took(another_takes, another_is_taking);
}
