/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_clean.c - a cleaner's pass: merges all, loses nothing, ends.
 */
#include <stdlib.h>

#include "core/clean.h"
#include "unit.h"

#define S UNIT_STRIPE
#define ME ZC_OWNER_CLEANER(2)

static struct zc_clean cleaner(void)
{
	return (struct zc_clean){ .owner = ME };
}

static u32 pass(struct unit_pool *p, struct zc_clean *c, u32 budget)
{
	u32 slices = 1;

	zc_clean_begin(&p->view, c);
	while (!zc_clean_slice(&p->view, c, budget))
		must(++slices < 1000000);
	return slices;
}

/* Claims all of the pool in pieces, gives some back: crumbs. */
static void crumble(struct unit_pool *p)
{
	u32 total = p->segments * UNIT_SEGMENT_GRANULES, g, n;

	for (g = 0; g < total; g += n) {
		n = 1 + (u32)rand() % 7;
		if (n > S - g % S)
			n = S - g % S;
		unit_claim(p, g, n, ZC_OWNER_WRITER(0));
	}
	for (g = 0; g < total; g += n) {
		n = zc_word_length(unit_word(p, g));
		if (rand() % 4)
			zc_run_free(&p->view, g, ZC_OWNER_WRITER(0));
	}
}

/* Pairs of free neighbours within a stripe. */
static u32 unmerged(struct unit_pool *p)
{
	u32 total = p->segments * UNIT_SEGMENT_GRANULES, g, n, pairs = 0;
	bool before = false;

	for (g = 0; g < total; g += n) {
		u64 word = unit_word(p, g);
		bool free = zc_word_state(word) == ZC_STATE_FREE &&
			    zc_word_owner(word) == ZC_OWNER_NONE;

		n = zc_word_length(word);
		pairs += before && free && g % S;
		before = free;
	}
	return pairs;
}

Test(clean, merges_all_and_loses_nothing)
{
	u32 seed;

	for (seed = 1; seed <= 30; seed++) {
		struct zc_clean c = cleaner();
		struct unit_tally before, after;
		struct unit_pool p;
		u32 pairs, merged = 0;

		srand(seed);
		unit_pool_init(&p, 1 + seed % 3);
		crumble(&p);
		must_ok(unit_tiling(&p, &before));
		pairs = unmerged(&p);
		must(pairs > 10);
		c.first = seed % 4;
		do {
			pass(&p, &c, 1 + seed % 50);
			merged += (u32)c.last.merged;
		} while (c.last.merged);
		must_eq(merged, pairs);
		must_eq(unmerged(&p), 0);
		must_ok(unit_tiling(&p, &after));
		must_eq(after.free, before.free);
		must_eq(after.claimed, before.claimed);
		must_eq(c.last.free, after.free);
		must_eq(c.last.claimed, after.claimed);
		must_ok(unit_hints(&p));
		unit_pool_fini(&p);
	}
}

/* A claim is short: it leaves the rest to the next. */
Test(clean, merges_a_batch_at_a_time)
{
	struct zc_geometry_request request = {
		.bytes = 64 * 4096, .granule_bytes = 64,
		.ring_entries = UNIT_RING, .max_holds = UNIT_HOLDS,
	};
	struct zc_clean c = cleaner();
	struct unit_pool p;
	u32 g;

	unit_pool_init_with(&p, &request);
	must(p.view.stripe_granules > ZC_CLEAN_BATCH + 1);
	for (g = 0; g < p.view.stripe_granules; g++)
		unit_claim(&p, g, 1, ZC_OWNER_WRITER(0));
	for (g = 0; g < p.view.stripe_granules; g++)
		zc_run_free(&p.view, g, ZC_OWNER_WRITER(0));
	zc_clean_begin(&p.view, &c);
	must(!zc_clean_slice(&p.view, &c, 1));
	must_eq(zc_word_length(unit_word(&p, 0)), ZC_CLEAN_BATCH + 1);
	must_eq(zc_word_owner(unit_word(&p, 0)), ZC_OWNER_NONE);
	pass(&p, &c, 1000);
	must_eq(zc_word_length(unit_word(&p, 0)), p.view.stripe_granules);
	unit_pool_fini(&p);
}

static u32 offered, offered_granules;

static void on_offer(void *ctx, u32 granule, u32 granules)
{
	(void)ctx;
	offered = granule + 1;
	offered_granules = granules;
}

Test(clean, offers_what_it_merged)
{
	struct zc_clean c = cleaner();
	struct unit_pool p;

	unit_pool_init(&p, 1);
	unit_claim(&p, S, 2, ZC_OWNER_WRITER(0));
	unit_claim(&p, S + 2, 3, ZC_OWNER_WRITER(0));
	unit_claim(&p, S + 5, S - 5, ZC_OWNER_WRITER(0));
	zc_run_free(&p.view, S, ZC_OWNER_WRITER(0));
	zc_run_free(&p.view, S + 2, ZC_OWNER_WRITER(0));
	c.offer = on_offer;
	offered = 0;
	pass(&p, &c, 1000);
	must_eq(offered, S + 1);
	must_eq(offered_granules, 5);
	unit_pool_fini(&p);
}

/* Whatever is in the descriptors. */
Test(clean, ends_on_garbage)
{
	u32 seed, i;

	for (seed = 1; seed <= 50; seed++) {
		struct zc_clean c = cleaner();
		struct unit_pool p;

		srand(seed);
		unit_pool_init(&p, 2);
		crumble(&p);
		for (i = 0; i < 40; i++) {
			u32 g = (u32)rand() % (2 * UNIT_SEGMENT_GRANULES);

			zc_desc(&p.view, g)->word =
				(u64)rand() << 40 ^ (u64)rand() << 20 ^ (u64)rand();
		}
		pass(&p, &c, 1000);
		pass(&p, &c, 7);
		unit_pool_fini(&p);
	}
}
