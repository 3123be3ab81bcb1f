/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_snapshot.c - what readers require and hold, computed by hand.
 */
#include "unit.h"

#define HEAD 20ULL
#define NONE (~0ULL)

enum { REQUIRED = 0, HAZARD = ZC_READER_HAZARD, HISTORY = ZC_READER_HISTORY };

/* One reader of a writer whose head is 20, and what follows from it. */
static const struct row {
	const char *name;
	u32 flags;
	bool inactive;
	bool unknown;		/* its region is of another incarnation */
	u64 cursor, join, floor;
	int cut;		/* 1: this incarnation, -1: the one before */
	bool fencing;
	bool with_fenced;	/* the caller knows these to be fenced: */
	u64 fenced_floor;
	bool fenced_cut;
	/* limit: NONE: nothing is required of it */
	u64 limit;
	bool unfenced;
	u64 lag_from;		/* NONE: it does not count */
} rows[] = {
	{ .name = "required", .cursor = 7, .join = 3, .limit = 7, .lag_from = 7 },
	{ .name = "required, at its join", .cursor = 7, .join = 7, .limit = 7,
	  .lag_from = 7 },
	{ .name = "required, has all", .cursor = 20, .join = 3, .limit = NONE,
	  .lag_from = 20 },
	{ .name = "required, just joined", .cursor = 20, .join = 20,
	  .limit = NONE, .lag_from = 20 },
	{ .name = "inactive", .inactive = true, .cursor = 7, .join = 3,
	  .limit = NONE, .lag_from = NONE },
	{ .name = "hazard", .flags = HAZARD, .cursor = 7, .join = 3,
	  .limit = NONE, .lag_from = NONE },
	{ .name = "hazard, joining", .flags = HAZARD, .limit = NONE,
	  .lag_from = NONE },
	{ .name = "history, before its join", .flags = HISTORY, .cursor = 5,
	  .join = 12, .limit = 5, .lag_from = 12 },
	{ .name = "history, past its join", .flags = HISTORY, .cursor = 15,
	  .join = 12, .limit = 15, .lag_from = 15 },
	{ .name = "joining", .limit = 0, .lag_from = NONE },
	{ .name = "joining, join known", .join = 12, .limit = 0,
	  .lag_from = NONE },
	{ .name = "unknown incarnation", .unknown = true, .cursor = 15,
	  .join = 12, .limit = 0, .lag_from = NONE },
	{ .name = "unknown incarnation, floored", .unknown = true, .cursor = 15,
	  .join = 12, .floor = 9, .limit = 9, .unfenced = true, .lag_from = 9 },
	{ .name = "floor below the cursor", .cursor = 7, .join = 3, .floor = 5,
	  .limit = 7, .lag_from = 7 },
	{ .name = "floor at the cursor", .cursor = 7, .join = 3, .floor = 7,
	  .limit = 7, .lag_from = 7 },
	{ .name = "floor, nobody fenced", .cursor = 7, .join = 3, .floor = 9,
	  .limit = 9, .unfenced = true, .lag_from = 9 },
	{ .name = "floor, the reader fences", .cursor = 7, .join = 3, .floor = 9,
	  .fencing = true, .limit = 9, .lag_from = 9 },
	{ .name = "floor, fenced by the caller", .cursor = 7, .join = 3,
	  .floor = 9, .with_fenced = true, .fenced_floor = 9, .limit = 9,
	  .lag_from = 9 },
	{ .name = "floor, fenced by the caller and more", .cursor = 7, .join = 3,
	  .floor = 9, .with_fenced = true, .fenced_floor = 11, .limit = 9,
	  .lag_from = 9 },
	{ .name = "floor, a lower one fenced by the caller", .cursor = 7,
	  .join = 3, .floor = 9, .with_fenced = true, .fenced_floor = 8,
	  .limit = 9, .unfenced = true, .lag_from = 9 },
	{ .name = "floor between history and join", .flags = HISTORY,
	  .cursor = 5, .join = 12, .floor = 9, .limit = 9, .unfenced = true,
	  .lag_from = 12 },
	{ .name = "cut", .cursor = 7, .join = 3, .cut = 1, .limit = NONE,
	  .unfenced = true, .lag_from = NONE },
	{ .name = "cut, the reader fences", .cursor = 7, .join = 3, .cut = 1,
	  .fencing = true, .limit = NONE, .lag_from = NONE },
	{ .name = "cut, fenced by the caller", .cursor = 7, .join = 3, .cut = 1,
	  .with_fenced = true, .fenced_cut = true, .limit = NONE,
	  .lag_from = NONE },
	{ .name = "cut, only floors fenced by the caller", .cursor = 7,
	  .join = 3, .cut = 1, .with_fenced = true, .fenced_floor = NONE,
	  .limit = NONE, .unfenced = true, .lag_from = NONE },
	{ .name = "cut while joining", .cut = 1, .limit = NONE, .unfenced = true,
	  .lag_from = NONE },
	{ .name = "the one before was cut", .cursor = 7, .join = 3, .cut = -1,
	  .limit = 7, .lag_from = 7 },
};

/* Puts a row's reader into place @r. */
static void place(struct unit_pool *p, u32 r, const struct row *row,
		  struct zc_floor *fenced)
{
	struct zc_view *v = &p->view;
	struct zc_reader_area *ra = zc_reader_area(v, 0, r);
	struct zc_floor *floor = &zc_writer_area(v, 0)->floor[r];
	u32 inc;

	unit_reader_join(p, 0, r, 1, 0);
	unit_reader_leave(p, 0, r);
	inc = unit_reader_join(p, 0, r, 1, row->flags);
	must_eq(inc, 2);
	if (row->inactive)
		zc_mask_clear(&v->writer_slots[0].active, r);
	ra->cursor = row->cursor;
	ra->join = row->join;
	ra->fencing = row->fencing;
	if (row->unknown)
		ra->incarnation = 1;
	floor->floor = row->floor;
	floor->cut_incarnation = row->cut > 0 ? 2 : row->cut < 0 ? 1 : 0;
	fenced[r].floor = row->fenced_floor;
	fenced[r].cut_incarnation = row->fenced_cut ? 2 : 0;
}

static void compare(const struct unit_pool *p, const char *name,
		    const struct zc_floor *fenced, u64 limit, u32 slowest,
		    u32 unfenced, u64 lag_from)
{
	struct zc_snapshot snap;

	memset(&snap, 0xa5, sizeof(snap));
	zc_snapshot_take(&p->view, 0, HEAD, fenced, &snap);
	if (snap.limit != limit || snap.slowest != slowest ||
	    snap.unfenced != unfenced || snap.lag_from != lag_from ||
	    snap.active != zc_mask_bits(p->view.writer_slots[0].active))
		unit_fail(__FILE__, __LINE__,
			  "%s: limit %llu, slowest %u, unfenced 0x%x, lag from %llu, active 0x%x; must be %llu, %u, 0x%x, %llu",
			  name, (unsigned long long)snap.limit, snap.slowest,
			  snap.unfenced, (unsigned long long)snap.lag_from,
			  snap.active, (unsigned long long)limit, slowest,
			  unfenced, (unsigned long long)lag_from);
}

static u64 least(u64 a, u64 b)
{
	return a < b ? a : b;
}

Test(snapshot, knows_each_kind_of_reader)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *row = &rows[i];
		struct zc_floor fenced[ZC_MAX_READERS_PER] = { 0 };
		struct unit_pool p;
		u32 r = i % ZC_MAX_READERS_PER;

		unit_pool_init(&p, 1);
		unit_writer_join(&p, 0, 0);
		zc_writer_area(&p.view, 0)->head = HEAD;
		compare(&p, "nobody", NULL, HEAD, ~0U, 0, NONE);
		place(&p, r, row, fenced);
		compare(&p, row->name, row->with_fenced ? fenced : NULL,
			least(row->limit, HEAD), row->limit == NONE ? ~0U : r,
			row->unfenced ? 1u << r : 0, row->lag_from);
		unit_pool_fini(&p);
	}
}

/* Of two, the one that is further behind counts, in either place. */
Test(snapshot, takes_the_slowest_of_two)
{
	u32 i, k;

	for (i = 0; i < ARRAY_SIZE(rows); i++)
		for (k = 0; k < ARRAY_SIZE(rows); k++) {
			const struct row *a = &rows[i], *b = &rows[k];
			struct zc_floor fenced[ZC_MAX_READERS_PER] = { 0 };
			struct unit_pool p;
			u32 slowest = ~0U;

			/* Both by what the caller fenced, or both without. */
			if (a->with_fenced != b->with_fenced)
				continue;
			unit_pool_init(&p, 1);
			unit_writer_join(&p, 0, 0);
			zc_writer_area(&p.view, 0)->head = HEAD;
			place(&p, 4, a, fenced);
			place(&p, 31, b, fenced);
			if (a->limit != NONE && a->limit <= b->limit)
				slowest = 4;
			else if (b->limit != NONE)
				slowest = 31;
			compare(&p, a->name, a->with_fenced ? fenced : NULL,
				least(least(a->limit, b->limit), HEAD), slowest,
				(u32)a->unfenced << 4 | (u32)b->unfenced << 31,
				least(a->lag_from, b->lag_from));
			unit_pool_fini(&p);
		}
}

/* --- holds ------------------------------------------------------------- */

Test(holds, are_gathered_wherever_they_are)
{
	struct zc_holds holds;
	struct unit_pool p;
	u64 base = 1000, s;
	u32 idx;

	unit_pool_init(&p, 1);
	unit_writer_join(&p, 0, 0);
	unit_reader_join(&p, 0, 0, 1, 0);
	unit_reader_join(&p, 0, 31, 1, ZC_READER_HAZARD);
	for (idx = 0; idx < UNIT_HOLDS; idx++)
		for (s = base - 2; s < base + ZC_HOLDS_SPAN + 2; s++) {
			bool within = s >= base && s - base < ZC_HOLDS_SPAN;
			u64 k;

			unit_hold(&p, 0, 31, idx, s);
			must_eq(zc_holds_gather(&p.view, 0, 1u << 31 | 1, base,
						&holds), within);
			for (k = base - 3; k < base + ZC_HOLDS_SPAN + 3; k++)
				must_eq(zc_holds_test(&holds, k),
					within && k == s);
			must(zc_sequence_held(&p.view, 0, s));
			must(!zc_sequence_held(&p.view, 0, s + 1));
			/* Only of the readers that were asked for. */
			must(!zc_holds_gather(&p.view, 0, 1, base, &holds));
			must(!zc_holds_test(&holds, s));
			unit_hold(&p, 0, 31, idx, 0);
		}
	unit_pool_fini(&p);
}

Test(holds, count_for_active_readers_only)
{
	struct unit_pool p;

	unit_pool_init(&p, 1);
	unit_writer_join(&p, 0, 0);
	unit_writer_join(&p, 1, 0);
	unit_reader_join(&p, 0, 3, 1, 0);
	unit_hold(&p, 0, 3, 2, 77);
	must(zc_sequence_held(&p.view, 0, 77));
	must(!zc_sequence_held(&p.view, 1, 77));
	zc_mask_clear(&p.view.writer_slots[0].active, 3);
	must(!zc_sequence_held(&p.view, 0, 77));
	unit_pool_fini(&p);
}

/* 0 in a hold is none, so nobody holds sequence 0. */
Test(holds, of_nothing_hold_nothing)
{
	struct unit_pool p;

	unit_pool_init(&p, 1);
	unit_writer_join(&p, 0, 0);
	unit_reader_join(&p, 0, 3, 1, 0);
	must(!zc_sequence_held(&p.view, 0, 0));
	unit_pool_fini(&p);
}

/* The last reader's overflow holds end where the descriptors begin. */
Test(holds, are_bounded_whatever_the_reader_writes)
{
	static const u32 hostile[] = { 1, UNIT_HOLDS - ZC_FAST_HOLDS,
				       UNIT_HOLDS - ZC_FAST_HOLDS + 1, 448,
				       65536, 0x7fffffff, 0x80000000,
				       0xfffffff8, 0xffffffff };
	u32 w = ZC_MAX_WRITERS - 1, r = ZC_MAX_READERS_PER - 1, i, k;
	struct zc_reader_area *ra;
	struct zc_holds holds;
	struct unit_pool p;
	u64 *beyond;

	unit_pool_init(&p, 1);
	unit_writer_join(&p, w, 0);
	unit_reader_join(&p, w, r, 1, 0);
	ra = zc_reader_area(&p.view, w, r);
	/* What follows the holds, up to the descriptors' first words. */
	beyond = zc_hold_slot(ra, UNIT_HOLDS);
	for (k = 0; k < 64; k++)
		beyond[k] = 5;
	for (i = 0; i < ARRAY_SIZE(hostile); i++) {
		ra->overflow_high = hostile[i];
		must(zc_holds_nr(&p.view, ra) <= UNIT_HOLDS);
		must(!zc_sequence_held(&p.view, w, 5));
		must(!zc_holds_gather(&p.view, w, 1u << r, 1, &holds));
		must(!zc_holds_test(&holds, 5));
	}
	*zc_hold_slot(ra, UNIT_HOLDS - 1) = 5;
	must(zc_sequence_held(&p.view, w, 5));
	unit_pool_fini(&p);
}

/* A pool with fewer holds than fit beside the cursor. */
Test(holds, of_a_pool_with_one)
{
	const struct zc_geometry_request request = {
		.bytes = 64 << 10, .granule_bytes = 64, .ring_entries = 16,
		.max_holds = 1,
	};
	struct unit_pool p;

	unit_pool_init_with(&p, &request);
	unit_writer_join(&p, 0, 0);
	unit_reader_join(&p, 0, 0, 1, 0);
	zc_reader_area(&p.view, 0, 0)->overflow_high = 12345;
	must_eq(zc_holds_nr(&p.view, zc_reader_area(&p.view, 0, 0)),
		ZC_FAST_HOLDS);
	unit_hold(&p, 0, 0, 0, 9);
	must(zc_sequence_held(&p.view, 0, 9));
	unit_pool_fini(&p);
}

/* Those that are joining, too: they may look before they are seen as active. */
Test(hazard, readers_are_all_that_may_look)
{
	struct unit_pool p;
	const struct zc_writer_slot *slot;

	unit_pool_init(&p, 1);
	slot = &p.view.writer_slots[0];
	unit_writer_join(&p, 0, 0);
	must_eq(zc_hazard_readers(slot), 0);
	unit_reader_join(&p, 0, 0, 1, 0);
	unit_reader_join(&p, 0, 1, 1, ZC_READER_HAZARD);
	unit_reader_join(&p, 0, 31, 1, ZC_READER_HISTORY);
	must_eq(zc_hazard_readers(slot), 1u << 31 | 1u << 1);
	unit_reader_leave(&p, 0, 1);
	must_eq(zc_hazard_readers(slot), 1u << 31);
	unit_pool_fini(&p);
}
