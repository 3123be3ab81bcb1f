/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_size_class.c - to which length an acquire is rounded, and its bin.
 */
#include <stdlib.h>

#include "role.h"
#include "unit.h"

/* As much of a writer as zc_size_class() looks at. */
static struct zc_pool pool;
static struct zc_writer writer;

static void setup(u32 granule_shift, u32 segment_granules)
{
	memset(&pool, 0, sizeof(pool));
	memset(&writer, 0, sizeof(writer));
	pool.view.granule_shift = granule_shift;
	pool.view.segment_granules = segment_granules;
	writer.pool = &pool;
	writer.granule_shift = granule_shift;
}

/* Bounds of the class of @need granules; *bin, class. */
static u32 class_of(u32 shift, u32 need, u32 *bin)
{
	u32 least, most, b;

	/* One byte more than need - 1 granules, and exactly need granules. */
	least = zc_size_class(&writer, ((u64)(need - 1) << shift) + 1, bin);
	most = zc_size_class(&writer, (u64)need << shift, &b);
	must_eq(least, most);
	must_eq(b, *bin);
	return least;
}

static void classes_are_sane(u32 shift, u32 segment_granules, u32 most, u32 step)
{
	u32 class_of_bin[ZC_BINS] = { 0 };
	u32 need, last = 0, last_bin = 0;

	setup(shift, segment_granules);
	for (need = 1; need <= most; need += step) {
		u32 bin = ~0U, again = ~0U;
		u32 n = class_of(shift, need, &bin);

		must(n >= need);
		must(n <= need + need / 8 + 1);
		must(n <= segment_granules);
		must(n >= last);		/* monotone */
		must(n == last ? bin == last_bin : bin > last_bin || !last);
		must(bin < ZC_BINS);
		if (class_of_bin[bin] && class_of_bin[bin] != n)
			unit_fail(__FILE__, __LINE__,
				  "bin %u has classes %u and %u", bin,
				  class_of_bin[bin], n);
		class_of_bin[bin] = n;
		/* Idempotent: a block of a class is of that class. */
		must_eq(zc_size_class(&writer, (u64)n << shift, &again), n);
		must_eq(again, bin);
		last = n;
		last_bin = bin;
	}
}

Test(size_class, is_sane_up_to_a_million_granules)
{
	static const u32 shifts[] = { 6, 9, 12, 16 };
	u32 i;

	for (i = 0; i < ARRAY_SIZE(shifts); i++)
		classes_are_sane(shifts[i], 1u << 20, 1u << 20, 1);
}

Test(size_class, is_sane_in_the_largest_segment)
{
	u32 n, bin;

	/* Primes, and around each power of two. */
	classes_are_sane(6, ZC_RUN_MAX, ZC_RUN_MAX, 7919);
	classes_are_sane(16, ZC_RUN_MAX, ZC_RUN_MAX, 104729);
	setup(6, ZC_RUN_MAX);
	for (n = 32; n <= ZC_RUN_MAX / 2; n *= 2) {
		u32 at, above, bin_at, bin_above;

		at = class_of(6, n, &bin_at);
		above = class_of(6, n + 1, &bin_above);
		must_eq(at, n);
		must(above > n);
		must_eq(bin_above, bin_at + 1);
	}
	must_eq(class_of(6, ZC_RUN_MAX, &bin), ZC_RUN_MAX);
	must(bin < ZC_BINS);
}

/* A whole segment can be had, whatever its size. */
Test(size_class, never_exceeds_a_segment)
{
	u32 segment;

	for (segment = ZC_STRIPES; segment <= 65536; segment *= 2)
		classes_are_sane(9, segment, segment, 1);
}
