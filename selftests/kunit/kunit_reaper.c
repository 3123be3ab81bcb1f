// SPDX-License-Identifier: GPL-2.0
/*
 * kunit_reaper.c - what the dead held: taken back from hand-made states, from words
 * that somebody wrote over, and from members of the module's own pools.
 */
#include <linux/mman.h>
#include <linux/mm.h>

#include "kunit.h"
#include "service.h"

#define DEAD ZC_OWNER_WRITER(0)
#define LIVE ZC_OWNER_WRITER(1)
#define S ZK_STRIPE

/* Where member 0's things are, in the first segment; member 1's are in the second. */
#define AT (8 * S)

struct surroundings {
	struct zc_reaper reaper;
	struct zc_reaper_ops ops;
	u64 now_ns;
	u32 told[2];
	u32 told_others;
	u32 wakes;
	u32 asked;		/* whether something is pinned */
	bool pinned;
};

static void wake(void *ctx, u32 w)
{
	struct surroundings *s = ctx;

	s->wakes += w == 0;
}

static void told(void *ctx, u32 m, u32 incarnation)
{
	struct surroundings *s = ctx;

	if (m < 2 && incarnation == 1)
		s->told[m]++;
	else
		s->told_others++;
}

static u64 now(void *ctx)
{
	struct surroundings *s = ctx;

	return s->now_ns;
}

static bool pinned(void *ctx, u32 m, u32 granule, u32 length)
{
	struct surroundings *s = ctx;

	s->asked++;
	return s->pinned;
}

static struct surroundings *surroundings(struct kunit *test)
{
	struct surroundings *s = zk_alloc(test, sizeof(*s));

	s->now_ns = 2000;
	s->ops = (struct zc_reaper_ops){
		.wake = wake, .reaped = told, .now_ns = now, .pinned = pinned, .ctx = s,
	};
	return s;
}

/* To the end, @budget heads at a time.  Return: slices. */
static u32 reap(struct zk_world *w, struct surroundings *s, u32 budget)
{
	u32 slices = 1;

	while (!zc_reap(&w->view, &s->reaper, &s->ops, budget)) {
		must(w->test, !s->reaper.waiting);
		must(w->test, ++slices < 1000000);
	}
	return slices;
}

/* --- the rows: writer @wr does something at @g and stops ------------------------------ */

static void nothing(struct zk_world *w, u32 wr, u32 g)
{
}

static void claimed(struct zk_world *w, u32 wr, u32 g)
{
	zk_claim(w, g, S, ZC_OWNER_WRITER(wr));
	zk_claim(w, g + S, 3 * S, ZC_OWNER_WRITER(wr));
	zk_claim(w, g + 5 * S + 3, 1, ZC_OWNER_WRITER(wr));
}

static void half_split(struct zk_world *w, u32 wr, u32 g)
{
	zk_claim(w, g, S, ZC_OWNER_WRITER(wr));
	zc_move_resize(&zc_desc(&w->view, g + 5)->word, S - 5, ZC_OWNER_WRITER(wr));
}

/* The head extended, the next one not yet marked. */
static void half_merged(struct zk_world *w, u32 wr, u32 g)
{
	u64 next;

	zk_claim(w, g, S, ZC_OWNER_WRITER(wr));
	next = zk_word(w, g + S);
	must(w->test, zc_run_claim(&w->view, g + S, &next, ZC_OWNER_WRITER(wr)));
	zc_move_resize(&zc_desc(&w->view, g)->word, 2 * S, ZC_OWNER_WRITER(wr));
}

static void half_committed(struct zk_world *w, u32 wr, u32 g)
{
	struct zc_block_desc *d = zc_desc(&w->view, g);

	zk_commit(w, wr, g + S, 2);
	zk_claim(w, g, 3, ZC_OWNER_WRITER(wr));
	d->sequence = zc_writer_area(&w->view, wr)->head;
	d->writer = wr;
	zc_move_commit(&d->word, d->word, ZC_OWNER_WRITER(wr));
}

/* In its ring, too: all but the head says that it is published. */
static void entered(struct zk_world *w, u32 wr, u32 g)
{
	struct zc_writer_area *wa = zc_writer_area(&w->view, wr);
	u64 s = wa->head + 1;
	struct zc_ring_entry *e = &zc_ring(&w->view, wr)[s & w->view.ring_mask];

	half_committed(w, wr, g);
	must_eq(w->test, wa->head, s);
	e->run = zc_entry_run(zc_word_generation(zk_word(w, g)), 100);
	e->place = zc_entry_place(s, g);
}

static void committed(struct zk_world *w, u32 wr, u32 g)
{
	entered(w, wr, g);
	zc_writer_area(&w->view, wr)->head++;
}

/* Reclaim stopped between CLEAN and FREE. */
static void half_reclaimed(struct zk_world *w, u32 wr, u32 g)
{
	u64 word;

	zk_commit(w, wr, g, 2 * S);
	word = zk_word(w, g);
	must(w->test, zc_move_reclaim(&zc_desc(&w->view, g)->word, &word,
				      ZC_OWNER_WRITER(wr)));
}

/* The same; a reader, which lives, looks at that block in history. */
static void half_reclaimed_held(struct zk_world *w, u32 wr, u32 g)
{
	half_reclaimed(w, wr, g);
	zk_reader_lives(w, wr, 3, 1, ZC_READER_HISTORY);
	zk_hold(w, wr, 3, 8, zc_desc(&w->view, g)->sequence);
}

static void all_of_it(struct zk_world *w, u32 wr, u32 g)
{
	claimed(w, wr, g);
	half_split(w, wr, g + 6 * S);
	half_merged(w, wr, g + 7 * S);
	half_reclaimed_held(w, wr, g + 10 * S);
	entered(w, wr, g + 13 * S);
}

static const struct row {
	const char *name;
	void (*leave)(struct zk_world *w, u32 wr, u32 g);
	u32 clean;		/* granules that stay, held, as orphans */
	u32 using;		/* granules that stay readable */
	u32 blocks;		/* taken back */
	u32 lost;		/* commits that nobody saw */
	u64 head;
} rows[] = {
	{ "nothing", nothing, .head = 1 },
	{ "claimed", claimed, .blocks = 3, .head = 1 },
	{ "half_split", half_split, .blocks = 1, .head = 1 },
	{ "half_merged", half_merged, .blocks = 1, .head = 1 },
	{ "half_committed", half_committed, .using = 2, .blocks = 1, .lost = 1, .head = 2 },
	{ "entered", entered, .using = 5, .head = 3 },
	{ "committed", committed, .using = 5, .head = 3 },
	{ "half_reclaimed", half_reclaimed, .blocks = 1, .head = 2 },
	{ "half_reclaimed_held", half_reclaimed_held, .clean = 2 * S, .head = 2 },
	{ "all_of_it", all_of_it, .clean = 2 * S, .using = 5, .blocks = 5, .head = 4 },
};

static struct zk_world *world(struct kunit *test, const struct row *row)
{
	struct zk_world *w = zk_world(test, 2, 2);

	zk_member_lives(w, 0);
	zk_member_lives(w, 1);
	zk_writer_lives(w, 0, 0);
	zk_writer_lives(w, 1, 1);
	row->leave(w, 1, ZK_SEGMENT + AT);
	row->leave(w, 0, AT);
	zk_member_dies(w, 0);
	return w;
}

static void compare(struct zk_world *w, const struct row *row, const char *what, u64 got,
		    u64 want)
{
	if (got != want)
		zk_fail(w->test, __FILE__, __LINE__, "%s: %s: %lld, must be %lld", row->name,
			what, got, want);
}

/* What of member 0 is left in the first segment. */
static void compare_blocks(struct zk_world *w, const struct row *row)
{
	u32 clean = 0, using = 0, g, n;

	for (g = 0; g < ZK_SEGMENT; g += n) {
		u64 word = zk_word(w, g);
		u32 owner = zc_word_owner(word);

		n = zc_word_length(word);
		if (zc_word_state(word) == ZC_STATE_CLEAN) {
			compare(w, row, "owner of CLEAN", owner, ZC_OWNER_ORPHAN);
			clean += n;
		} else if (zc_word_state(word) == ZC_STATE_USING) {
			compare(w, row, "owner of USING", owner, DEAD);
			using += n;
		} else {
			compare(w, row, "owner of FREE", owner, ZC_OWNER_NONE);
		}
	}
	compare(w, row, "clean", clean, row->clean);
	compare(w, row, "using", using, row->using);
}

static void compare_lives(struct zk_world *w, const struct row *row, struct surroundings *s)
{
	const struct zc_view *v = &w->view;

	compare(w, row, "head", zc_writer_area(v, 0)->head, row->head);
	compare(w, row, "blocks", v->members[0].reaped_blocks, row->blocks);
	compare(w, row, "lost", v->members[0].lost_blocks, row->lost);
	compare(w, row, "slot", v->writer_slots[0].life, zc_life(1, 0, ZC_LIFE_IDLE));
	compare(w, row, "member", v->members[0].life, zc_life(1, 0, ZC_LIFE_IDLE));
	compare(w, row, "the other's slot", v->writer_slots[1].life, zc_life(1, 1, ZC_LIFE_LIVE));
	compare(w, row, "the other's blocks", v->members[1].reaped_blocks, 0);
	compare(w, row, "told", s->told[0], 1);
	compare(w, row, "told of others", s->told[1] + s->told_others, 0);
	compare(w, row, "woken", s->wakes, 1);
}

static void each_step_is_taken_back(struct kunit *test)
{
	u64 bytes = ZK_SEGMENT * sizeof(struct zc_block_desc);
	struct zc_block_desc *other = zk_alloc(test, bytes);
	u32 i, budget;

	for (i = 0; i < ARRAY_SIZE(rows); i++)
		for (budget = 1; budget < 300; budget = budget * 7 + 1) {
			struct zk_world *w = world(test, &rows[i]);
			struct surroundings *s = surroundings(test);

			memcpy(other, w->view.segment_descs[1], bytes);
			must(test, zc_reap_wanted(&w->view));
			reap(w, s, budget);
			must(test, !zc_reap_wanted(&w->view));
			compare_blocks(w, &rows[i]);
			compare_lives(w, &rows[i], s);
			must(test, !memcmp(other, w->view.segment_descs[1], bytes));
			zk_at_rest(w);
			/* Nothing more to do. */
			must_eq(test, reap(w, s, 1), 1);
			must_eq(test, s->told[0], 1);
		}
}

/* Where a pass stops and goes on does not matter. */
static void slices_add_up_to_one_pass(struct kunit *test)
{
	const struct row *row = &rows[ARRAY_SIZE(rows) - 1];
	struct zk_world *a = world(test, row), *b = world(test, row);
	struct surroundings *s = surroundings(test);
	u32 i;

	must_eq(test, reap(a, s, ~0U), 1);
	s = surroundings(test);
	must(test, reap(b, s, 1) > ZC_STRIPES);
	for (i = 0; i < 2; i++)
		must(test, !memcmp(a->view.segment_descs[i], b->view.segment_descs[i],
				   ZK_SEGMENT * sizeof(struct zc_block_desc)));
	must(test, !memcmp(a->view.header, b->view.header, a->geometry.off_reader_areas));
}

/* Who died after the pass had gone by is not done with when it ends. */
static void next_death_waits_for_a_pass_of_its_own(struct kunit *test)
{
	struct zk_world *w = world(test, &rows[1]);
	struct surroundings *s = surroundings(test);
	u32 k;

	for (k = 0; k < 20; k++)
		must(test, !zc_reap(&w->view, &s->reaper, &s->ops, 1));
	/* Behind it. */
	zk_claim(w, 2 * S, 2, LIVE);
	zk_member_dies(w, 1);
	while (s->reaper.walking)
		must(test, !zc_reap(&w->view, &s->reaper, &s->ops, 1));
	must_eq(test, s->told[0], 1);
	must_eq(test, s->told[1], 0);
	must_eq(test, zc_word_owner(zk_word(w, 2 * S)), LIVE);
	reap(w, s, 1);
	must_eq(test, s->told[1], 1);
	must_eq(test, zk_tiling(w).free, 2 * ZK_SEGMENT);
	zk_at_rest(w);
}

/* A pass that was stopped until the slot was somebody else's does nothing to him. */
static void stale_pass_leaves_the_next_writer_alone(struct kunit *test)
{
	struct zk_world *w = world(test, &rows[1]);
	struct surroundings *stale = surroundings(test), *other = surroundings(test);
	u32 k;

	for (k = 0; k < 20; k++)
		must(test, !zc_reap(&w->view, &stale->reaper, &stale->ops, 1));
	reap(w, other, ~0U);
	zk_member_lives(w, 0);
	zk_writer_lives(w, 0, 0);
	zk_claim(w, 40 * S, S, DEAD);
	while (stale->reaper.walking)
		zc_reap(&w->view, &stale->reaper, &stale->ops, 1);
	must_eq(test, zc_word_owner(zk_word(w, 40 * S)), DEAD);
	must_eq(test, w->view.writer_slots[0].life, zc_life(2, 0, ZC_LIFE_LIVE));
	must_eq(test, zc_life_state(w->view.members[0].life), ZC_LIFE_LIVE);
}

/* --- roles --------------------------------------------------------------------------- */

static void dead_reader_leaves_its_writer(struct kunit *test)
{
	struct zk_world *w = zk_world(test, 1, 1);
	struct zc_view *v = &w->view;
	struct surroundings *s = surroundings(test);
	u64 mask;

	zk_member_lives(w, 0);
	zk_member_lives(w, 1);
	zk_writer_lives(w, 1, 1);
	zk_reader_lives(w, 1, 0, 0, 0);
	zk_reader_lives(w, 1, 1, 1, 0);
	zk_reader_lives(w, 1, 31, 0, ZC_READER_HAZARD);
	zk_hold(w, 1, 0, 0, zk_commit(w, 1, AT, 3));
	zk_hold(w, 1, 0, 8, zk_commit(w, 1, AT + S, 2));
	mask = v->writer_slots[1].active;
	zk_member_dies(w, 0);
	reap(w, s, 1);
	must_eq(test, zc_mask_bits(v->writer_slots[1].active), 1U << 1);
	must_eq(test, v->writer_slots[1].active >> 32, (mask >> 32) + 2);
	must_eq(test, zc_mask_bits(v->writer_slots[1].hazard), 0);
	must_eq(test, zc_reader_slot(v, 1, 0)->life, zc_life(1, 0, ZC_LIFE_IDLE));
	must_eq(test, zc_reader_slot(v, 1, 31)->life, zc_life(1, 0, ZC_LIFE_IDLE));
	must_eq(test, zc_reader_slot(v, 1, 1)->life, zc_life(1, 1, ZC_LIFE_LIVE));
	/* What it held counts as come back; it is its writer's. */
	must_eq(test, v->members[0].reaped_blocks, 2);
	must_eq(test, v->members[0].reaped_bytes, 5 * 64);
	must_eq(test, zk_tiling(w).using, 5);
	must_eq(test, s->told[0], 1);
}

static void dead_cleaner_and_claimant_leave_nothing(struct kunit *test)
{
	struct zk_world *w = zk_world(test, 2, 2);
	struct zc_view *v = &w->view;
	struct surroundings *s = surroundings(test);
	u32 i;

	zk_member_lives(w, 0);
	zk_member_lives(w, 1);
	for (i = 0; i < ZC_MAX_CLEANERS; i++) {
		v->cleaner_slots[i].life = zc_life(7, i & 1, ZC_LIFE_LIVE);
		zk_claim(w, i * (ZK_SEGMENT / 4), 3, ZC_OWNER_CLEANER(i));
	}
	v->writer_slots[5].service = zc_service_word(1, 1, 0, ZC_SERVICE_CLAIMING);
	v->writer_slots[6].service = zc_service_word(2, 1, 1, ZC_SERVICE_CLAIMING);
	zk_member_dies(w, 0);
	reap(w, s, 3);
	for (i = 0; i < ZC_MAX_CLEANERS; i++) {
		must_eq(test, v->cleaner_slots[i].life,
			i & 1 ? zc_life(7, 1, ZC_LIFE_LIVE) : zc_life(7, 0, ZC_LIFE_IDLE));
		must_eq(test, zc_word_owner(zk_word(w, i * (ZK_SEGMENT / 4))),
			i & 1 ? ZC_OWNER_CLEANER(i) : ZC_OWNER_NONE);
	}
	must_eq(test, zc_service_state(v->writer_slots[5].service), ZC_SERVICE_EMPTY);
	must_eq(test, zc_service_state(v->writer_slots[6].service), ZC_SERVICE_CLAIMING);
	must_eq(test, v->members[0].reaped_blocks, ZC_MAX_CLEANERS / 2);
	zk_at_rest(w);
}

/* --- in I/O ---------------------------------------------------------------------------- */

static void block_in_io_becomes_an_orphan(struct kunit *test)
{
	struct zk_world *w = zk_world(test, 1, 1);
	struct surroundings *s = surroundings(test);

	zk_member_lives(w, 0);
	zk_writer_lives(w, 0, 0);
	zk_claim(w, AT, 3, DEAD);
	zk_claim(w, AT + S, 2, DEAD);
	zc_desc(&w->view, AT)->flags = ZC_BLOCK_IO;
	zc_writer_area(&w->view, 0)->io_nr = 1;
	s->pinned = true;
	zk_member_dies(w, 0);
	reap(w, s, 1);
	must_eq(test, s->asked, 1);
	must_eq(test, s->reaper.quarantined, 1);
	must_eq(test, zk_word(w, AT) & ~0U, zc_word(0, 3, ZC_OWNER_ORPHAN, ZC_STATE_CLEAN));
	must_eq(test, zc_desc(&w->view, AT)->flags, ZC_BLOCK_IO);
	must_eq(test, zc_word_owner(zk_word(w, AT + S)), ZC_OWNER_NONE);
	must_eq(test, zk_tiling(w).clean, 3);
	/* The death does not wait for it. */
	must_eq(test, s->told[0], 1);
	must_eq(test, w->view.members[0].reaped_blocks, 1);
	zk_at_rest(w);
}

static void block_out_of_io_is_free(struct kunit *test)
{
	struct zk_world *w = zk_world(test, 1, 1);
	struct surroundings *s = surroundings(test);

	zk_member_lives(w, 0);
	zk_writer_lives(w, 0, 0);
	zk_claim(w, AT, 3, DEAD);
	zc_desc(&w->view, AT)->flags = ZC_BLOCK_IO;
	zk_member_dies(w, 0);
	reap(w, s, 1);
	must_eq(test, s->asked, 1);
	must_eq(test, zc_desc(&w->view, AT)->flags, ZC_BLOCK_IO);
	must_eq(test, zk_tiling(w).free, ZK_SEGMENT);
	must_eq(test, w->view.members[0].reaped_blocks, 1);
	zk_at_rest(w);
}

/* What is pinned cannot be known: a time, from the death on. */
static void io_waits_where_nobody_knows(struct kunit *test)
{
	struct zk_world *w = zk_world(test, 1, 1);
	struct surroundings *s = surroundings(test);
	struct zc_view *v = &w->view;

	s->ops.pinned = NULL;
	zk_member_lives(w, 0);
	zk_writer_lives(w, 0, 0);
	zk_claim(w, AT, 3, DEAD);
	zc_writer_area(v, 0)->io_nr = 1;
	zk_member_dies(w, 0);	/* at 1000 */
	s->now_ns = 1000 + ZC_QUARANTINE_NS - 1;
	must(test, !zc_reap(v, &s->reaper, &s->ops, ~0U));
	must(test, s->reaper.waiting);
	must_eq(test, zc_word_owner(zk_word(w, AT)), DEAD);
	must_eq(test, zc_life_state(v->writer_slots[0].life), ZC_LIFE_LIVE);
	must_eq(test, s->told[0], 0);
	s->now_ns++;
	must(test, zc_reap(v, &s->reaper, &s->ops, ~0U));
	must_eq(test, zk_tiling(w).free, ZK_SEGMENT);
	must_eq(test, s->told[0], 1);
}

static struct kunit_case reaper_cases[] = {
	KUNIT_CASE(each_step_is_taken_back),
	KUNIT_CASE(slices_add_up_to_one_pass),
	KUNIT_CASE(next_death_waits_for_a_pass_of_its_own),
	KUNIT_CASE(stale_pass_leaves_the_next_writer_alone),
	KUNIT_CASE(dead_reader_leaves_its_writer),
	KUNIT_CASE(dead_cleaner_and_claimant_leave_nothing),
	KUNIT_CASE(block_in_io_becomes_an_orphan),
	KUNIT_CASE(block_out_of_io_is_free),
	KUNIT_CASE(io_waits_where_nobody_knows),
	{}
};

static struct kunit_suite reaper_suite = {
	.name = "zerocore_reaper",
	.test_cases = reaper_cases,
};

kunit_test_suite(reaper_suite);
