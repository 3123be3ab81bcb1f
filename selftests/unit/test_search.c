/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_search.c - which free run a writer takes, and who is offered one.
 */
#include <string.h>

#include "lib.h"
#include "writer_search.h"

#define BYTES (16U << 20)
#define GRANULES (BYTES / 64)
#define STRIPE (GRANULES / ZC_STRIPES)
#define OTHER ZC_OWNER_WRITER(9)

struct search {
	struct lib l;
	struct unit_pool p;
	zc_writer_t *w;
};

static void search_open(struct search *s)
{
	lib_open(&s->l, BYTES);
	s->w = lib_plain_writer(&s->l);
	lib_as_unit_pool(&s->l, &s->p);
	must_eq(s->p.view.stripe_granules, STRIPE);
}

static void search_close(struct search *s)
{
	zc_writer_unregister(s->w);
	must_ok(unit_tiling(&s->p, NULL));
	must_ok(unit_hints(&s->p));
	lib_close(&s->l);
}

/* Somebody else has all of a stripe but this. */
static void leave(struct search *s, u32 stripe, u32 at, u32 granules)
{
	u32 begin = stripe * STRIPE;

	if (at)
		unit_claim(&s->p, begin, at, OTHER);
	if (at + granules < STRIPE)
		unit_claim(&s->p, begin + at + granules, STRIPE - at - granules,
			   OTHER);
}

static u32 found(struct search *s, u32 n)
{
	u32 granule = ~0U;

	must(zc_search(s->w, n, &granule));
	must_eq(zc_word_owner(unit_word(&s->p, granule)),
		ZC_OWNER_WRITER(s->w->id));
	must_eq(zc_word_length(unit_word(&s->p, granule)), n);
	return granule;
}

static u32 small_block(struct search *s)
{
	zc_handle_t handle;
	char *data;

	must_zc(zc_writer_acquire_block(s->w, 64, &handle, 0));
	data = zc_writer_block_data(s->w, handle, NULL);
	must(data);
	return (u32)((data - s->w->data) / 64);
}

Test(search, takes_the_smallest_run_that_suffices)
{
	struct search s;

	search_open(&s);
	leave(&s, 3, 100, 300);
	leave(&s, 5, 7, 79);
	leave(&s, 6, 3000, 100);
	leave(&s, 9, 1000, 85);
	leave(&s, 20, STRIPE - 200, 200);
	must_eq(found(&s, 80), 9 * STRIPE + 1000);
	must_eq(found(&s, 80), 6 * STRIPE + 3000);
	must_eq(found(&s, 80), 20 * STRIPE + STRIPE - 200);
	/* What was left of that one. */
	must_eq(found(&s, 80), 20 * STRIPE + STRIPE - 120);
	must_eq(found(&s, 80), 3 * STRIPE + 100);
	search_close(&s);
}

Test(search, takes_the_smallest_run_of_a_stripe)
{
	struct search s;
	u32 at = 2 * STRIPE;

	search_open(&s);
	unit_claim(&s.p, at + 500, 100, OTHER);
	unit_claim(&s.p, at + 690, 100, OTHER);
	unit_claim(&s.p, at + 1000, STRIPE - 1000, OTHER);
	must_eq(found(&s, 80), at + 600);
	must_eq(found(&s, 80), at + 790);
	must_eq(found(&s, 80), at + 870);
	must_eq(found(&s, 80), at);
	search_close(&s);
}

Test(search, counts_free_neighbours_as_one)
{
	struct search s;
	u32 i;

	search_open(&s);
	leave(&s, 4, 10, 120);
	leave(&s, 7, 50, 90);
	for (i = 0; i < 3; i++)
		unit_claim(&s.p, 7 * STRIPE + 50 + i * 30, 30, OTHER);
	for (i = 0; i < 3; i++)
		zc_run_free(&s.p.view, 7 * STRIPE + 50 + i * 30, OTHER);
	must_eq(zc_run_reach(&s.p.view, 7 * STRIPE + 50, 1000), 90);
	must_eq(zc_run_reach(&s.p.view, 7 * STRIPE + 80, 1000), 60);
	must_eq(zc_run_reach(&s.p.view, 7 * STRIPE, 1), 0);
	must_eq(found(&s, 85), 7 * STRIPE + 50);
	search_close(&s);
}

Test(search, breaks_no_whole_stripe_while_a_broken_one_has_room)
{
	struct search s;
	u32 i, granule;

	search_open(&s);
	leave(&s, 30, 1234, 20);
	/* Rows of whole ones: 30, 1, 31. */
	leave(&s, 32, 0, 0);
	for (i = 0; i < 20; i++) {
		granule = small_block(&s);
		must(granule >= 30 * STRIPE + 1234);
		must(granule < 30 * STRIPE + 1234 + 20);
	}
	/* The one that has no whole neighbour. */
	must_eq(small_block(&s) / STRIPE, 31);
	/* Larger ones, too, stay there. */
	for (i = 0; i < 10; i++)
		must_eq(found(&s, 200) / STRIPE, 31);
	search_close(&s);
}

/* However many there are already. */
Test(search, fills_a_stripe_with_small_blocks)
{
	struct search s;
	u32 i, granule, stripe = 0;

	search_open(&s);
	for (i = 0; i < STRIPE; i++) {
		must(zc_writer_take(s.w, 1, false, &granule));
		if (!i)
			stripe = granule / STRIPE;
		must_eq(granule / STRIPE, stripe);
	}
	must(zc_writer_take(s.w, 1, false, &granule));
	must(granule / STRIPE != stripe);
	search_close(&s);
}

Test(search, of_more_than_a_stripe_takes_the_shortest_row)
{
	struct search s;

	search_open(&s);
	leave(&s, 10, 0, 0);
	leave(&s, 13, 0, 0);
	leave(&s, 19, 0, STRIPE / 2);
	leave(&s, 21, 0, STRIPE / 2 - 1);
	/* Rows of 10, 2, 5, 1, 42; behind the third and fourth there is half of one. */
	must_eq(found(&s, 3 * STRIPE), 14 * STRIPE + 2 * STRIPE);
	must_eq(found(&s, STRIPE + STRIPE / 2), 11 * STRIPE);
	must_eq(found(&s, STRIPE + STRIPE / 2 - 1), 20 * STRIPE);
	/* Two are left of five. */
	must_eq(found(&s, 2 * STRIPE), 14 * STRIPE);
	must_eq(found(&s, 2 * STRIPE), 8 * STRIPE);
	search_close(&s);
}

/* What it does not get to within its budget it leaves. */
Test(search, looks_at_a_bounded_number_of_heads)
{
	struct search s;
	u32 at = 3 * STRIPE, g;

	search_open(&s);
	/* 3800 crumbs, and then a run that would fit. */
	unit_claim(&s.p, at, STRIPE, OTHER);
	for (g = at; g < at + 3800; g++)
		zc_run_split(&s.p.view, g, 1, OTHER);
	zc_run_split(&s.p.view, at + 3800, 100, OTHER);
	zc_run_free(&s.p.view, at + 3800, OTHER);
	must(found(&s, 80) / STRIPE != 3);
	/* Near its beginning it is found. */
	for (g = at + 150; g < at + 250; g++)
		zc_run_free(&s.p.view, g, OTHER);
	must_eq(found(&s, 95), at + 150);
	search_close(&s);
}

/* Every word and every hint may be anything. */
Test(search, of_nonsense_stays_inside)
{
	struct unit_random random;
	struct search s;
	u32 round, i, n, granule;

	unit_random_init(&random);
	search_open(&s);
	for (round = 0; round < 200; round++) {
		for (i = 0; i < GRANULES; i += 1 + unit_random_below(&random, 300))
			zc_store_relaxed(&s.p.view.descs[i].word,
					 unit_random_next(&random) &
						 (round & 1 ? ~0ULL : ~0xffULL));
		for (i = 0; i < ZC_STRIPES; i++)
			zc_store_relaxed(&s.p.view.free_hint[i],
					 unit_random_below(&random, 3 * STRIPE));
		n = 1 + unit_random_below(&random, 3 * STRIPE);
		if (round % 3)
			n = 1 + n % 500;
		must(zc_run_reach(&s.p.view, GRANULES - 1 - n % STRIPE, GRANULES) <=
		     1 + n % STRIPE);
		if (zc_search(s.w, n, &granule)) {
			must(granule < GRANULES);
			must(n <= GRANULES - granule);
		}
		if (zc_search_deep(s.w, n, &granule)) {
			must(granule < GRANULES);
			must(n <= GRANULES - granule);
		}
		s.w->cached = 0;
	}
	lib_close(&s.l);
}

static void wants(struct search *s, zc_writer_t *w, u32 granules)
{
	zc_store_relaxed(&w->area->wanted_granules, granules);
	zc_or64(&s->p.view.hints->waiting_writers, 1ULL << w->id);
}

Test(offer, goes_to_the_first_for_whom_it_suffices)
{
	zc_writer_options_t o = ZC_WRITER_OPTIONS_INIT;
	struct search s;
	zc_writer_t *w[3];
	u32 at = 40 * STRIPE + 77, asleep;

	search_open(&s);
	w[0] = s.w;
	o.service = "unit/test/second";
	w[1] = lib_writer(&s.l, &o);
	o.service = "unit/test/third";
	w[2] = lib_writer(&s.l, &o);
	must(w[0]->id < w[1]->id && w[1]->id < w[2]->id);
	leave(&s, 40, 77, 100);
	wants(&s, w[0], 200);
	wants(&s, w[1], 90);
	wants(&s, w[2], 1);
	asleep = zc_load_relaxed(&w[0]->area->wait_word);
	zc_offer(s.l.pool, at, 100);
	must_eq(w[0]->area->guide[0], 0);
	must_eq(zc_load_relaxed(&w[0]->area->wait_word), asleep);
	must_eq(w[1]->area->guide[0], at + 1);
	must_eq(w[2]->area->guide[0], 0);
	/* With its free neighbour it is enough for the first. */
	zc_run_free(&s.p.view, at + 100, OTHER);
	zc_offer(s.l.pool, at, 100);
	must_eq(w[0]->area->guide[0], at + 1);
	must_eq(w[1]->area->guide[1], 0);
	must_eq(zc_load_relaxed(&w[0]->area->wait_word), asleep + 1);
	/* Who wants a row looks for it when a stripe is whole, and has no guide. */
	zc_store_relaxed(&w[0]->area->guide[0], 0);
	zc_store_relaxed(&w[0]->area->wanted_granules, 2 * STRIPE);
	leave(&s, 50, 0, STRIPE);
	leave(&s, 51, 0, 0);
	zc_offer(s.l.pool, 50 * STRIPE, STRIPE);
	must_eq(w[0]->area->guide[0], 0);
	must_eq(zc_load_relaxed(&w[0]->area->wait_word), asleep + 2);
	must_eq(w[1]->area->guide[1], 50 * STRIPE + 1);
	zc_writer_unregister(w[1]);
	zc_writer_unregister(w[2]);
	search_close(&s);
}
