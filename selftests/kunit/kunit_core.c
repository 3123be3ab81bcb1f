// SPDX-License-Identifier: GPL-2.0
/*
 * kunit_core.c - lib/core as it is compiled here: each segment's descriptors and
 * each role's region are memory of their own.
 */
#include "kunit.h"

#define W ZC_OWNER_WRITER(0)
#define OTHER ZC_OWNER_WRITER(1)

#define KI 1024ULL
#define MI (KI * KI)
#define GI (MI * KI)
#define TI (GI * KI)

/* --- words ------------------------------------------------------------------------- */

static void word_fields_do_not_touch(struct kunit *test)
{
	static const u32 most[] = { ~0U, ZC_RUN_MAX, 63, 3 };
	u32 i, field[4], want[4];

	for (i = 0; i < 16; i++) {
		u64 word;
		u32 k;

		for (k = 0; k < 4; k++)
			field[k] = i >> k & 1 ? most[k] : k == 1;
		word = zc_word(field[0], field[1], field[2], field[3]);
		must_eq(test, zc_word_generation(word), field[0]);
		must_eq(test, zc_word_length(word), field[1]);
		must_eq(test, zc_word_owner(word), field[2]);
		must_eq(test, zc_word_state(word), field[3]);
		/* What comes next: the same run, one generation on, also past 2^32. */
		word = zc_word_next(word, OTHER, ZC_STATE_CLEAN);
		want[0] = field[0] + 1;
		must_eq(test, zc_word_generation(word), want[0]);
		must_eq(test, zc_word_length(word), field[1]);
		must_eq(test, zc_word_owner(word), OTHER);
		must_eq(test, zc_word_state(word), ZC_STATE_CLEAN);
	}
}

static void word_moves_are_what_the_table_says(struct kunit *test)
{
	u64 word = zc_word(7, 5, ZC_OWNER_NONE, ZC_STATE_FREE), value = word;

	must(test, zc_move_claim(&word, &value, W));
	must_eq(test, word, zc_word(8, 5, W, ZC_STATE_FREE));
	must_eq(test, value, word);
	must(test, !zc_move_claim(&word, &value, OTHER));
	zc_move_commit(&word, word, W);
	must_eq(test, word, zc_word(8, 5, W, ZC_STATE_USING));
	value = word;
	must(test, zc_move_reclaim(&word, &value, OTHER));
	must_eq(test, word, zc_word(8, 5, OTHER, ZC_STATE_CLEAN));
	must(test, !zc_move_orphan(&word, value + 1));
	must(test, zc_move_orphan(&word, value));
	must_eq(test, word, zc_word(9, 5, ZC_OWNER_ORPHAN, ZC_STATE_CLEAN));
	must(test, !zc_move_reap(&word, value));
	must(test, zc_move_reap(&word, word));
	must_eq(test, word, zc_word(10, 5, ZC_OWNER_NONE, ZC_STATE_FREE));
}

static void mask_changes_grow_its_version(struct kunit *test)
{
	u64 mask = (u64)~0U << 32;
	u32 bit;

	for (bit = 0; bit < 32; bit++) {
		zc_mask_set(&mask, bit);
		must_eq(test, mask >> 32, bit);
		must_eq(test, zc_mask_bits(mask), (2ULL << bit) - 1);
	}
	zc_mask_set(&mask, 5);
	zc_mask_clear(&mask, 31);
	zc_mask_clear(&mask, 0);
	must_eq(test, mask, 34ULL << 32 | 0x7ffffffe);
}

/* --- geometry ------------------------------------------------------------------------- */

static const struct {
	struct zc_geometry_request request;
	u32 segments;		/* 0: refused */
	u64 segment_bytes;
} wishes[] = {
	/* bytes, segment, granule, ring, holds, max segments */
	{ { 1, 0, 0, 0, 0, 0 }, 1, 32 * KI },
	{ { 32 * KI, 0, 0, 0, 0, 0 }, 1, 32 * KI },
	{ { 32 * KI + 1, 0, 0, 0, 0, 0 }, 2, 32 * KI },
	{ { GI, 0, 512, 0, 0, 0 }, 8, 128 * MI },
	{ { 128 * GI, 0, 0, 0, 0, 0 }, 1024, 128 * MI },
	{ { 128 * GI + 1, 0, 0, 0, 0, 0 }, 513, 256 * MI },
	{ { MI, 4 * KI, 64, 16, 1, 0 }, 256, 4 * KI },
	{ { MI, 4 * KI + 1, 64, 16, 1, 0 }, 128, 8 * KI },
	{ { MI, 1, 65536, 16, 1, 0 }, 1, 4 * MI },
	{ { MI, 64 * KI, 0, 0, 0, 1024 }, 16, 64 * KI },
	{ { MI, 64 * KI, 0, 0, 0, 16 }, 16, 64 * KI },
	{ { GI, GI, 64, 0, 0, 0 }, 1, GI },
	{ { MI, 0, 512, 1048576, 65536, 0 }, 1, MI },
	/* Not these. */
	{ { 0, 0, 0, 0, 0, 0 }, 0, 0 },
	{ { 256 * TI + 1, 0, 65536, 0, 0, 0 }, 0, 0 },
	{ { ~0ULL, 0, 0, 0, 0, 0 }, 0, 0 },
	{ { MI, ~0ULL, 0, 0, 0, 0 }, 0, 0 },
	{ { MI, 256 * TI + 1, 65536, 0, 0, 0 }, 0, 0 },
	{ { 2 * TI, 0, 512, 0, 0, 0 }, 0, 0 },		/* 2^32 granules */
	{ { 2 * GI, 2 * GI, 64, 0, 0, 0 }, 0, 0 },	/* runs too long */
	{ { GI, 512 * KI, 0, 0, 0, 0 }, 0, 0 },		/* 2048 segments */
	{ { MI, 64 * KI, 0, 0, 0, 15 }, 0, 0 },
	{ { MI, 64 * KI, 0, 0, 0, 1025 }, 0, 0 },
	{ { MI, 0, 32, 0, 0, 0 }, 0, 0 },
	{ { MI, 0, 96, 0, 0, 0 }, 0, 0 },
	{ { MI, 0, 131072, 0, 0, 0 }, 0, 0 },
	{ { MI, 0, 0, 8, 0, 0 }, 0, 0 },
	{ { MI, 0, 0, 17, 0, 0 }, 0, 0 },
	{ { MI, 0, 0, 2097152, 0, 0 }, 0, 0 },
	{ { MI, 0, 0, 0, 65537, 0 }, 0, 0 },
};

static void geometry_meets_a_wish_or_says_why(struct kunit *test)
{
	struct zc_geometry *g = zk_alloc(test, sizeof(*g));
	u32 i;

	for (i = 0; i < ARRAY_SIZE(wishes); i++) {
		u32 segments = 4711;
		const char *why;

		memset(g, 0xa5, sizeof(*g));
		why = zc_geometry_compute(g, &segments, &wishes[i].request);
		if (!wishes[i].segments == !why)
			zk_fail(test, __FILE__, __LINE__, "wish %u: %s", i,
				why ? why : "met");
		if (why) {
			must_eq(test, segments, 4711);
			must(test, !memchr_inv(g, 0xa5, sizeof(*g)));
			continue;
		}
		must_eq(test, segments, wishes[i].segments);
		must_eq(test, g->segment_bytes, wishes[i].segment_bytes);
		must(test, !zc_geometry_check(g, g->control_bytes));
	}
}

/* Nothing that a geometry says can be changed alone. */
static void geometry_check_finds_each_change(struct kunit *test)
{
	struct zc_geometry_request request = { .bytes = MI, .max_segments = 7 };
	struct zc_geometry *g = zk_alloc(test, 2 * sizeof(*g));
	u64 bytes, i;
	u32 segments;

	must(test, !zc_geometry_compute(g, &segments, &request));
	bytes = g->control_bytes;
	for (i = 0; i < sizeof(*g); i++) {
		u32 bit;

		for (bit = 0; bit < 8; bit++) {
			g[1] = g[0];
			((u8 *)&g[1])[i] ^= 1U << bit;
			if (!zc_geometry_check(&g[1], bytes))
				zk_fail(test, __FILE__, __LINE__,
					"bit %u of byte %llu is not missed", bit, i);
		}
	}
	must(test, !zc_geometry_check(g, bytes));
	must(test, zc_geometry_check(g, bytes - 1));
	must(test, zc_geometry_check(g, bytes + 1));
	must(test, zc_geometry_check(g, 0));
}

static void format_frees_a_run_a_stripe(struct kunit *test)
{
	struct zk_world *w = zk_world(test, 3, 5);
	struct zc_walk walk = { 0 };
	u32 granule, i;
	u64 word;

	for (i = 0; i < 3 * ZC_STRIPES; i++) {
		must(test, zc_walk_step(&w->view, &walk, &granule, &word));
		must_eq(test, granule, i * ZK_STRIPE);
		must_eq(test, word, zc_word(1, ZK_STRIPE, ZC_OWNER_NONE, ZC_STATE_FREE));
	}
	must(test, !zc_walk_step(&w->view, &walk, &granule, &word));
	must_eq(test, zk_tiling(w).free, 3 * ZK_SEGMENT);
	zk_at_rest(w);
	for (i = 0; i < 5; i++)
		must_eq(test, w->view.segments[i].state,
			i < 3 ? ZC_SEGMENT_READY : ZC_SEGMENT_ABSENT);
	/* The descriptor of a granule is its segment's. */
	for (i = 0; i < 3 * ZK_SEGMENT; i += ZK_SEGMENT - 1)
		must(test, zc_desc(&w->view, i) ==
			   &w->view.segment_descs[i / ZK_SEGMENT][i % ZK_SEGMENT]);
}

/* --- runs --------------------------------------------------------------------------- */

static void run_is_claimed_once(struct kunit *test)
{
	struct zk_world *w = zk_world(test, 2, 2);
	u32 g = 2 * ZK_SEGMENT - ZK_STRIPE;	/* the last of all */
	u64 seen = zk_word(w, g), word = seen;

	must(test, zc_run_claim(&w->view, g, &word, W));
	must_eq(test, word, zc_word(2, ZK_STRIPE, W, ZC_STATE_FREE));
	must_eq(test, zk_word(w, g), word);
	must_eq(test, w->view.free_hint[2 * ZC_STRIPES - 1], 0);
	/* By what it was, and by what it is. */
	must(test, !zc_run_claim(&w->view, g, &seen, OTHER));
	must(test, !zc_run_claim(&w->view, g, &word, OTHER));
	must_eq(test, zk_word(w, g), word);
	zk_at_rest(w);
	zc_run_free(&w->view, g, W);
	must_eq(test, zk_tiling(w).free, 2 * ZK_SEGMENT);
	zk_at_rest(w);
}

/* Behind a segment's end there is other memory, not its next granule. */
static void run_beyond_its_segment_is_left_alone(struct kunit *test)
{
	static const u32 lengths[] = { ZK_STRIPE + 1, 2 * ZK_STRIPE, ZK_SEGMENT, ZC_RUN_MAX };
	u32 g = ZK_SEGMENT - ZK_STRIPE, i, state;
	struct zk_world *w = zk_world(test, 2, 2);
	u64 sum = w->view.hints->free_granules;
	u64 word;

	for (i = 0; i < ARRAY_SIZE(lengths); i++) {
		word = zc_word(1, lengths[i], ZC_OWNER_NONE, ZC_STATE_FREE);
		zk_set_word(w, g, word);
		must(test, !zc_run_claim(&w->view, g, &word, W));
		must_eq(test, zk_word(w, g), word);
		for (state = ZC_STATE_FREE; state <= ZC_STATE_INSIDE; state++) {
			word = zc_word(1, lengths[i], W, state);
			zk_set_word(w, g, word);
			zc_run_free(&w->view, g, W);
			must_eq(test, zk_word(w, g), word);
		}
	}
	must_eq(test, w->view.hints->free_granules, sum);
	must_eq(test, zk_word(w, ZK_SEGMENT),
		zc_word(1, ZK_STRIPE, ZC_OWNER_NONE, ZC_STATE_FREE));
}

static void run_grows_to_the_end_of_its_segment(struct kunit *test)
{
	struct zk_world *w = zk_world(test, 3, 3);
	u32 first = ZK_SEGMENT, i;
	u64 word = zk_word(w, first);

	must(test, zc_run_claim(&w->view, first, &word, W));
	must_eq(test, zc_run_grow(&w->view, first, ~0U, W), ZK_SEGMENT);
	must_eq(test, zk_word(w, first) & ~0U, zc_word(0, ZK_SEGMENT, W, ZC_STATE_FREE));
	for (i = ZK_STRIPE; i < ZK_SEGMENT; i += ZK_STRIPE)
		must_eq(test, zc_word_state(zk_word(w, first + i)), ZC_STATE_INSIDE);
	must_eq(test, zk_tiling(w).claimed, ZK_SEGMENT);
	zk_at_rest(w);
	/* In its last stripe there is only that. */
	word = zk_word(w, ZK_SEGMENT - ZK_STRIPE);
	must(test, zc_run_claim(&w->view, ZK_SEGMENT - ZK_STRIPE, &word, W));
	must_eq(test, zc_run_grow(&w->view, ZK_SEGMENT - ZK_STRIPE, ~0U, W), ZK_STRIPE);
	zc_run_free(&w->view, ZK_SEGMENT - ZK_STRIPE, W);
	/* Back in pieces: nobody may claim a whole segment at once. */
	zc_run_free(&w->view, first, W);
	must_eq(test, zk_tiling(w).runs, 3 * ZC_STRIPES);
	must_eq(test, zk_tiling(w).free, 3 * ZK_SEGMENT);
	zk_at_rest(w);
}

static void run_grows_within_its_stripe_up_to_others(struct kunit *test)
{
	struct zk_world *w = zk_world(test, 1, 1);
	u32 g = 4 * ZK_STRIPE;
	u64 word;

	zk_claim(w, g + 3, 1, W);
	must_eq(test, zc_run_grow(&w->view, g + 3, 4 * ZK_STRIPE, W), ZK_STRIPE - 3);
	word = zk_word(w, 0);
	must(test, zc_run_claim(&w->view, 0, &word, W));
	zk_claim(w, 3 * ZK_STRIPE + 2, 1, OTHER);
	must_eq(test, zc_run_grow(&w->view, 0, ~0U, W), 3 * ZK_STRIPE + 2);
	must_eq(test, zc_word_owner(zk_word(w, 3 * ZK_STRIPE + 2)), OTHER);
	zk_at_rest(w);
}

static void run_splits_at_each_size(struct kunit *test)
{
	struct zk_world *w = zk_world(test, 2, 2);
	u32 n;

	for (n = 1; n < ZK_STRIPE; n++) {
		u32 g = ZK_SEGMENT + (ZC_STRIPES - n) * ZK_STRIPE;
		u64 word = zk_word(w, g);

		must(test, zc_run_claim(&w->view, g, &word, W));
		must_eq(test, zc_run_split(&w->view, g, n, W), g + n);
		must_eq(test, zk_word(w, g), zc_word(3, n, W, ZC_STATE_FREE));
		must_eq(test, zk_word(w, g + n) & ~0U,
			zc_word(0, ZK_STRIPE - n, W, ZC_STATE_FREE));
		zk_tiling(w);
		zc_run_free(&w->view, g + n, W);
		zc_run_free(&w->view, g, W);
	}
	must_eq(test, zk_tiling(w).free, 2 * ZK_SEGMENT);
	zk_at_rest(w);
}

/* The @nth run of @owner in a circle; ~0: it has none. */
static u32 run_pick(struct zk_world *w, u32 owner, u32 nth)
{
	u32 g, runs = 0, found = ~0U;

	for (g = 0; g < w->segments * ZK_SEGMENT; g += zc_word_length(zk_word(w, g)))
		runs += zc_word_owner(zk_word(w, g)) == owner;
	if (!runs)
		return ~0U;
	nth %= runs;
	for (g = 0; g < w->segments * ZK_SEGMENT; g += zc_word_length(zk_word(w, g)))
		if (zc_word_owner(zk_word(w, g)) == owner && !nth--) {
			found = g;
			break;
		}
	return found;
}

static void run_random_step(struct zk_world *w, struct zk_random *random)
{
	u32 owner = ZC_OWNER_WRITER(zk_below(random, 3)), what = zk_below(random, 6);
	u32 g = run_pick(w, what < 2 ? ZC_OWNER_NONE : owner, (u32)zk_random(random));
	u64 word;

	if (g == ~0U)
		return;
	word = zk_word(w, g);
	if (what < 2)
		must(w->test, zc_run_claim(&w->view, g, &word, owner));
	else if (what == 2)
		zc_run_free(&w->view, g, owner);
	else if (what == 3 && zc_word_length(word) > 1)
		zc_run_split(&w->view, g, 1 + zk_below(random, zc_word_length(word) - 1),
			     owner);
	else
		zc_run_grow(&w->view, g, zk_below(random, 3 * ZK_STRIPE), owner);
}

static void run_keeps_the_tiling_whatever_is_done(struct kunit *test)
{
	struct zk_random random = { .state = 4711 };
	struct zk_world *w = zk_world(test, 3, 3);
	u32 step, owner, g;

	for (step = 0; step < 3000; step++) {
		struct zk_tally t;

		run_random_step(w, &random);
		if (step % 128)
			continue;
		t = zk_tiling(w);
		must_eq(test, t.free + t.claimed, 3 * ZK_SEGMENT);
		must_eq(test, t.using + t.clean, 0);
		zk_at_rest(w);
	}
	for (owner = ZC_OWNER_WRITER(0); owner <= ZC_OWNER_WRITER(2); owner++)
		while ((g = run_pick(w, owner, 0)) != ~0U)
			zc_run_free(&w->view, g, owner);
	must_eq(test, zk_tiling(w).free, 3 * ZK_SEGMENT);
	zk_at_rest(w);
}

/* --- hints ---------------------------------------------------------------------------- */

static void hint_counts_each_stripe_and_the_sum(struct kunit *test)
{
	struct zk_world *w = zk_world(test, 2, 2);
	const struct zc_view *v = &w->view;

	/* From the last stripe of one segment into the first of the next. */
	zc_hint_sub(v, ZK_SEGMENT - 5, 12);
	must_eq(test, v->free_hint[ZC_STRIPES - 1], ZK_STRIPE - 5);
	must_eq(test, v->free_hint[ZC_STRIPES], ZK_STRIPE - 7);
	must_eq(test, v->hints->free_granules, 2 * ZK_SEGMENT - 12);
	zc_hint_add(v, ZK_SEGMENT - 5, 12);
	must_eq(test, v->free_hint[ZC_STRIPES - 2], ZK_STRIPE);
	zk_at_rest(w);
	/* A count that is stale is not believed. */
	zc_hint_set(v, 3, ZK_STRIPE - 1, 1);
	must_eq(test, v->free_hint[3], ZK_STRIPE);
	zc_hint_set(v, 3, ZK_STRIPE, 1);
	must_eq(test, v->free_hint[3], 1);
	must_eq(test, v->hints->free_granules, 2 * ZK_SEGMENT - ZK_STRIPE + 1);
	/* Garbage counts as a stripe at most. */
	v->free_hint[3] = ~0U;
	v->free_hint[4] = 1U << 31;
	v->hints->free_granules = ~0ULL;
	must_eq(test, zc_hint_sum(v), 2 * ZK_SEGMENT);
	must_eq(test, v->hints->free_granules, 2 * ZK_SEGMENT);
}

static struct kunit_case core_cases[] = {
	KUNIT_CASE(word_fields_do_not_touch),
	KUNIT_CASE(word_moves_are_what_the_table_says),
	KUNIT_CASE(mask_changes_grow_its_version),
	KUNIT_CASE(geometry_meets_a_wish_or_says_why),
	KUNIT_CASE(geometry_check_finds_each_change),
	KUNIT_CASE(format_frees_a_run_a_stripe),
	KUNIT_CASE(run_is_claimed_once),
	KUNIT_CASE(run_beyond_its_segment_is_left_alone),
	KUNIT_CASE(run_grows_to_the_end_of_its_segment),
	KUNIT_CASE(run_grows_within_its_stripe_up_to_others),
	KUNIT_CASE(run_splits_at_each_size),
	KUNIT_CASE(run_keeps_the_tiling_whatever_is_done),
	KUNIT_CASE(hint_counts_each_stripe_and_the_sum),
	{}
};

static struct kunit_suite core_suite = {
	.name = "zerocore_core",
	.test_cases = core_cases,
};

kunit_test_suite(core_suite);
