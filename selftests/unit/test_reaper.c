/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_reaper.c - what death leaves at each step of each move, row by row.
 *
 * Member 0 dies.  Member 1 has the same things and lives: nothing of it may
 * change.  Each row is reaped in one slice, in slices of one run, by two reapers
 * in turns, and by one that was stopped until the slot was somebody else's.
 */
#include <stdlib.h>

#include "unit.h"

#define DEAD ZC_OWNER_WRITER(0)
#define LIVE ZC_OWNER_WRITER(1)
#define S UNIT_STRIPE

/* Where member 0's things are; member 1's are 32 stripes further. */
#define AT (8 * S)
#define FAR (32 * S)

struct expect {
	u32 clean;		/* granules that stay, held, as orphans */
	u32 using;		/* granules that stay readable */
	u32 blocks;		/* taken back */
	u32 lost;		/* commits that nobody saw */
	u64 head;
};

/* --- the rows: writer @w does something at @g and stops --------------------------- */

static void nothing(struct unit_pool *p, u32 w, u32 g)
{
	(void)p;
	(void)w;
	(void)g;
}

static void claimed(struct unit_pool *p, u32 w, u32 g)
{
	unit_claim(p, g, S, ZC_OWNER_WRITER(w));
	unit_claim(p, g + S, 3 * S, ZC_OWNER_WRITER(w));
	unit_claim(p, g + 5 * S + 3, 1, ZC_OWNER_WRITER(w));
}

static void split_remainder(struct unit_pool *p, u32 w, u32 g)
{
	unit_claim(p, g, S, ZC_OWNER_WRITER(w));
	zc_move_resize(&p->view.descs[g + 5].word, S - 5, ZC_OWNER_WRITER(w));
}

static void split_shortened(struct unit_pool *p, u32 w, u32 g)
{
	split_remainder(p, w, g);
	zc_move_resize(&p->view.descs[g].word, 5, ZC_OWNER_WRITER(w));
}

static void merge_claimed(struct unit_pool *p, u32 w, u32 g)
{
	u64 next;

	unit_claim(p, g, S, ZC_OWNER_WRITER(w));
	next = unit_word(p, g + S);
	must(zc_run_claim(&p->view, g + S, &next, ZC_OWNER_WRITER(w)));
}

static void merge_extended(struct unit_pool *p, u32 w, u32 g)
{
	merge_claimed(p, w, g);
	zc_move_resize(&p->view.descs[g].word, 2 * S, ZC_OWNER_WRITER(w));
}

static void merge_marked(struct unit_pool *p, u32 w, u32 g)
{
	merge_extended(p, w, g);
	zc_move_absorb(&p->view.descs[g + S].word, unit_word(p, g + S));
}

static void describe(struct unit_pool *p, u32 w, u32 g)
{
	struct zc_block_desc *d = &p->view.descs[g];

	unit_claim(p, g, 3, ZC_OWNER_WRITER(w));
	d->sequence = zc_writer_area(&p->view, w)->head;
	d->writer = w;
	d->bytes = 100;
}

static void commit_described(struct unit_pool *p, u32 w, u32 g)
{
	unit_commit(p, w, g + S, 2);
	describe(p, w, g);
}

static void commit_using(struct unit_pool *p, u32 w, u32 g)
{
	commit_described(p, w, g);
	zc_move_commit(&p->view.descs[g].word, unit_word(p, g),
		       ZC_OWNER_WRITER(w));
}

static struct zc_ring_entry *entry_of(struct unit_pool *p, u32 w, u64 s)
{
	return &zc_ring(&p->view, w)[s & p->view.ring_mask];
}

static void commit_entry_body(struct unit_pool *p, u32 w, u32 g)
{
	struct zc_ring_entry *e =
		entry_of(p, w, zc_writer_area(&p->view, w)->head + 1);

	commit_using(p, w, g);
	e->run = zc_entry_run(zc_word_generation(unit_word(p, g)), 100);
	/* What the slot had a lap ago. */
	e->place = zc_entry_place(
		p->view.descs[g].sequence - (p->view.ring_mask + 1), 0);
}

static void commit_entry(struct unit_pool *p, u32 w, u32 g)
{
	commit_entry_body(p, w, g);
	entry_of(p, w, p->view.descs[g].sequence)->place =
		zc_entry_place(p->view.descs[g].sequence, g);
}

static void commit_head(struct unit_pool *p, u32 w, u32 g)
{
	commit_entry(p, w, g);
	zc_writer_area(&p->view, w)->head++;
}

/* Reclaim stopped between CLEAN and FREE, of a block that it had published. */
static void reclaim_clean(struct unit_pool *p, u32 w, u32 g)
{
	u64 word;

	unit_commit(p, w, g, 2 * S);
	word = unit_word(p, g);
	must(zc_move_reclaim(&p->view.descs[g].word, &word, ZC_OWNER_WRITER(w)));
}

/* The same; reader 3, which lives, looks at that block in history. */
static void reclaim_held(struct unit_pool *p, u32 w, u32 g)
{
	reclaim_clean(p, w, g);
	unit_reader_join(p, w, 3, 1, ZC_READER_HISTORY);
	unit_hold(p, w, 3, 8, p->view.descs[g].sequence);
}

/* Another's block, for which this one was cleaning up. */
static void reclaim_of_another(struct unit_pool *p, u32 w, u32 g)
{
	u64 word;

	unit_commit(p, 5, g, 4);
	word = unit_word(p, g);
	must(zc_move_reclaim(&p->view.descs[g].word, &word, ZC_OWNER_WRITER(w)));
}

static void a_bit_of_all(struct unit_pool *p, u32 w, u32 g)
{
	claimed(p, w, g);
	split_remainder(p, w, g + 6 * S);
	merge_extended(p, w, g + 7 * S);
	reclaim_held(p, w, g + 10 * S);
	commit_entry(p, w, g + 13 * S);
}

static const struct row {
	const char *name;
	void (*leave)(struct unit_pool *p, u32 w, u32 g);
	struct expect expect;
} rows[] = {
	{ "nothing", nothing, { .head = 1 } },
	{ "claimed", claimed, { .blocks = 3, .head = 1 } },
	{ "split_remainder", split_remainder, { .blocks = 1, .head = 1 } },
	{ "split_shortened", split_shortened, { .blocks = 2, .head = 1 } },
	{ "merge_claimed", merge_claimed, { .blocks = 2, .head = 1 } },
	{ "merge_extended", merge_extended, { .blocks = 1, .head = 1 } },
	{ "merge_marked", merge_marked, { .blocks = 1, .head = 1 } },
	{ "commit_described", commit_described,
	  { .using = 2, .blocks = 1, .head = 2 } },
	{ "commit_using", commit_using,
	  { .using = 2, .blocks = 1, .lost = 1, .head = 2 } },
	{ "commit_entry_body", commit_entry_body,
	  { .using = 2, .blocks = 1, .lost = 1, .head = 2 } },
	{ "commit_entry", commit_entry, { .using = 5, .head = 3 } },
	{ "commit_head", commit_head, { .using = 5, .head = 3 } },
	{ "reclaim_clean", reclaim_clean, { .blocks = 1, .head = 2 } },
	{ "reclaim_held", reclaim_held, { .clean = 2 * S, .head = 2 } },
	{ "reclaim_of_another", reclaim_of_another, { .blocks = 1, .head = 1 } },
	{ "a_bit_of_all", a_bit_of_all,
	  { .clean = 2 * S, .using = 5, .blocks = 5, .head = 4 } },
};

/* --- the worlds ------------------------------------------------------------- */

static void world_init(struct unit_pool *p, const struct row *row)
{
	unit_pool_init(p, 1);
	unit_member_join(p, 0);
	unit_member_join(p, 1);
	unit_writer_join(p, 0, 0);
	unit_writer_join(p, 1, 1);
	unit_writer_join(p, 5, 1);
	row->leave(p, 1, AT + FAR);
	row->leave(p, 0, AT);
	unit_declare_dead(p, 0, 1000);
}

/* Words of the half where member 1's things are. */
static void far_words(const struct unit_pool *p, u64 *words)
{
	u32 i;

	for (i = 0; i < FAR; i++)
		words[i] = unit_word(p, FAR + i);
}

static void compare(const struct row *row, const char *what, u64 got, u64 want)
{
	if (got != want)
		unit_fail(__FILE__, __LINE__, "%s: %s: %llu, must be %llu",
			  row->name, what, (unsigned long long)got,
			  (unsigned long long)want);
}

static void check(struct unit_pool *p, const struct row *row, const u64 *far)
{
	struct zc_view *v = &p->view;
	const struct expect *e = &row->expect;
	u32 clean = 0, using = 0, free = 0, g, n, i;

	must_ok(unit_tiling(p, NULL));
	must_ok(unit_hints(p));
	must_ok(unit_free_runs(p));
	for (g = 0; g < FAR; g += n) {
		u64 w = unit_word(p, g);

		n = zc_word_length(w);
		if (zc_word_state(w) == ZC_STATE_CLEAN) {
			compare(row, "owner of CLEAN", zc_word_owner(w),
				ZC_OWNER_ORPHAN);
			clean += n;
		} else if (zc_word_state(w) == ZC_STATE_USING) {
			compare(row, "owner of USING", zc_word_owner(w), DEAD);
			using += n;
		} else {
			compare(row, "owner of FREE", zc_word_owner(w),
				ZC_OWNER_NONE);
			free += n;
		}
	}
	compare(row, "clean", clean, e->clean);
	compare(row, "using", using, e->using);
	compare(row, "free", free, FAR - e->clean - e->using);
	compare(row, "head", zc_writer_area(v, 0)->head, e->head);
	compare(row, "blocks", v->members[0].reaped_blocks, e->blocks);
	compare(row, "lost", v->members[0].lost_blocks, e->lost);
	compare(row, "slot", v->writer_slots[0].life,
		zc_life(1, 0, ZC_LIFE_IDLE));
	compare(row, "member", v->members[0].life, zc_life(1, 0, ZC_LIFE_IDLE));
	/* The one who lives has what it had. */
	compare(row, "the other's slot", v->writer_slots[1].life,
		zc_life(1, 1, ZC_LIFE_LIVE));
	compare(row, "the other's blocks", v->members[1].reaped_blocks, 0);
	for (i = 0; i < FAR; i++)
		compare(row, "the other's word", unit_word(p, FAR + i), far[i]);
}

Test(reaper, takes_back_what_each_step_leaves)
{
	u64 *far = malloc(FAR * sizeof(*far));
	u32 i, budget;

	for (i = 0; i < ARRAY_SIZE(rows); i++)
		for (budget = 1; budget < 300; budget = budget * 3 + 1) {
			struct unit_reaper r;
			struct unit_pool p;

			world_init(&p, &rows[i]);
			far_words(&p, far);
			unit_reaper_init(&r, 2000);
			must(zc_reap_wanted(&p.view));
			unit_reap(&p, &r, budget);
			must(!zc_reap_wanted(&p.view));
			check(&p, &rows[i], far);
			compare(&rows[i], "its own count", r.reaper.blocks,
				rows[i].expect.blocks);
			compare(&rows[i], "told", r.told[0], 1);
			compare(&rows[i], "told of others", r.told[1], 0);
			compare(&rows[i], "woken", r.wakes[0], 1);
			/* Nothing more to do. */
			compare(&rows[i], "slices", unit_reap(&p, &r, 1), 1);
			compare(&rows[i], "told again", r.told[0], 1);
			unit_pool_fini(&p);
		}
	free(far);
}

/* Where a pass stops and goes on does not matter: bit by bit the same. */
Test(reaper, slices_of_one_run_equal_one_pass)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		struct unit_reaper r;
		struct unit_pool a, b;

		world_init(&a, &rows[i]);
		world_init(&b, &rows[i]);
		unit_reaper_init(&r, 2000);
		must_eq(unit_reap(&a, &r, ~0U), 1);
		unit_reaper_init(&r, 2000);
		must(unit_reap(&b, &r, 1) > ZC_STRIPES / 2);
		must(!memcmp(a.control, b.control, a.geometry.control_bytes));
		unit_pool_fini(&a);
		unit_pool_fini(&b);
	}
}

/* Two reap it in turns of any lengths; each may stop for ever instead. */
Test(reaper, two_in_turns_do_it_once)
{
	u64 *far = malloc(FAR * sizeof(*far));
	struct unit_random random;
	u32 i, round;

	unit_random_init(&random);
	for (i = 0; i < ARRAY_SIZE(rows); i++)
		for (round = 0; round < 40; round++) {
			struct unit_reaper r[2];
			struct unit_pool p;
			u32 stops = unit_random_below(&random, 40);
			bool done = false;

			world_init(&p, &rows[i]);
			far_words(&p, far);
			unit_reaper_init(&r[0], 2000);
			unit_reaper_init(&r[1], 2000);
			while (!done) {
				u32 who = unit_random_below(&random, 2);

				/* In odd rounds, 0 stands still at some point. */
				if (round & 1 && !stops--)
					break;
				done = zc_reap(&p.view, &r[who].reaper,
					       &r[who].ops,
					       round < 20 ? 1 :
						       unit_random_below(&random,
									 9));
			}
			unit_reap(&p, &r[1], 1);
			check(&p, &rows[i], far);
			compare(&rows[i], "both counts",
				r[0].reaper.blocks + r[1].reaper.blocks,
				rows[i].expect.blocks);
			must(r[0].told[0] + r[1].told[0] >= 1);
			unit_pool_fini(&p);
		}
	free(far);
}

/* Stopped after any slice; the slot has a new writer when it goes on. */
Test(reaper, stale_after_any_slice_changes_nothing)
{
	u32 i, slices;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		bool ended = false;

		for (slices = 1; !ended; slices++) {
			struct unit_reaper stale, other;
			struct unit_pool p;
			void *before;
			u32 k;

			world_init(&p, &rows[i]);
			unit_reaper_init(&stale, 2000);
			unit_reaper_init(&other, 2000);
			for (k = 0; k < slices && !ended; k++)
				ended = zc_reap(&p.view, &stale.reaper,
						&stale.ops, 1);
			unit_reap(&p, &other, 1000);
			unit_member_join(&p, 0);
			unit_writer_join(&p, 0, 0);
			unit_claim(&p, 30 * S, S, DEAD);
			if (rows[i].expect.clean + rows[i].expect.using == 0)
				rows[i].leave(&p, 0, AT);
			unit_reader_join(&p, 0, 9, 0, ZC_READER_HAZARD);
			before = malloc(p.geometry.control_bytes);
			must(before);
			memcpy(before, p.control, p.geometry.control_bytes);
			unit_reap(&p, &stale, 1000);
			must(!memcmp(before, p.control,
				     p.geometry.control_bytes));
			free(before);
			unit_pool_fini(&p);
		}
		must(slices > ZC_STRIPES / 2);
	}
}

/* A reaper that finds that it lost its pass to others does not lose blocks. */
Test(reaper, takes_what_it_had_passed_when_the_next_one_dies)
{
	struct unit_reaper r;
	struct unit_pool p;
	struct unit_tally t;
	u32 k;

	world_init(&p, &rows[1]);
	unit_reaper_init(&r, 2000);
	for (k = 0; k < 20; k++)
		must(!zc_reap(&p.view, &r.reaper, &r.ops, 1));
	/* It is past this when its owner dies. */
	unit_claim(&p, 2 * S, 2, LIVE);
	unit_declare_dead(&p, 1, 1500);
	unit_reap(&p, &r, 1);
	must_ok(unit_tiling(&p, &t));
	must_eq(t.free, UNIT_SEGMENT_GRANULES);
	must_ok(unit_hints(&p));
	must_eq(r.told[0], 1);
	must_eq(r.told[1], 1);
	unit_pool_fini(&p);
}

/* A pass that began for one death says nothing about the next one's blocks. */
Test(reaper, stale_pass_does_not_end_a_later_death)
{
	struct unit_reaper stale, other;
	struct unit_pool p;
	struct unit_tally t;
	u32 k;

	world_init(&p, &rows[1]);
	unit_reaper_init(&stale, 2000);
	unit_reaper_init(&other, 2000);
	for (k = 0; k < 20; k++)
		must(!zc_reap(&p.view, &stale.reaper, &stale.ops, 1));
	unit_reap(&p, &other, 1000);
	unit_member_join(&p, 0);
	unit_writer_join(&p, 0, 0);
	/* Where the stale one has been. */
	unit_claim(&p, 0, S, DEAD);
	unit_declare_dead(&p, 0, 3000);
	must(!zc_reap(&p.view, &other.reaper, &other.ops, 1));
	while (stale.reaper.walking)
		must(!zc_reap(&p.view, &stale.reaper, &stale.ops, 1));
	must_eq(p.view.writer_slots[0].life, zc_life(2, 0, ZC_LIFE_REAPING));
	must_eq(zc_life_state(p.view.members[0].life), ZC_LIFE_REAPING);
	unit_reap(&p, &stale, 1);
	must_eq(p.view.writer_slots[0].life, zc_life(2, 0, ZC_LIFE_IDLE));
	must_ok(unit_tiling(&p, &t));
	must_eq(zc_word_owner(unit_word(&p, 0)), ZC_OWNER_NONE);
	must_ok(unit_hints(&p));
	unit_pool_fini(&p);
}

/* What counts as published in the slot's next life, a pass of this one does not know. */
Test(reaper, stale_pass_takes_nothing_of_a_later_death)
{
	struct unit_reaper stale, other;
	struct unit_pool p;
	u32 k;

	world_init(&p, &rows[1]);
	unit_reaper_init(&stale, 2000);
	unit_reaper_init(&other, 2000);
	for (k = 0; k < 20; k++)
		must(!zc_reap(&p.view, &stale.reaper, &stale.ops, 1));
	unit_reap(&p, &other, 1000);
	unit_member_join(&p, 0);
	unit_writer_join(&p, 0, 0);
	/* Where the stale one has not been. */
	unit_commit(&p, 0, 60 * S, 2);
	unit_declare_dead(&p, 0, 3000);
	must(!zc_reap(&p.view, &other.reaper, &other.ops, 1));
	while (stale.reaper.walking)
		must(!zc_reap(&p.view, &stale.reaper, &stale.ops, 1));
	must_eq(zc_word_state(unit_word(&p, 60 * S)), ZC_STATE_USING);
	unit_reap(&p, &other, 1);
	must_eq(zc_word_state(unit_word(&p, 60 * S)), ZC_STATE_USING);
	must_eq(p.view.members[0].lost_blocks, 0);
	unit_pool_fini(&p);
}

/* Descriptors that somebody wrote over keep what is in them, not the dead. */
Test(reaper, ends_where_a_segment_cannot_be_walked)
{
	struct unit_reaper r;
	struct unit_pool p;
	u32 passes = 0;

	world_init(&p, &rows[1]);
	unit_reaper_init(&r, 2000);
	zc_store_relaxed(&zc_desc(&p.view, 0)->word,
			 zc_word(7, UNIT_SEGMENT_GRANULES + 1, 0,
				 ZC_STATE_FREE));
	while (!zc_reap(&p.view, &r.reaper, &r.ops, ~0U)) {
		must(!r.reaper.waiting);
		must(++passes < 1000);
		/* Until then nobody's slot is anybody else's. */
		must_eq(r.told[0], 0);
	}
	must_eq(passes + 1, ZC_REAP_SKIPPING_MAX);
	must_eq(r.reaper.partial, 1);
	must_eq(r.told[0], 1);
	must_eq(zc_life_state(p.view.members[0].life), ZC_LIFE_IDLE);
	must_eq(zc_life_state(p.view.writer_slots[0].life), ZC_LIFE_IDLE);
	unit_pool_fini(&p);
}
