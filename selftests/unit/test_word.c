/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_word.c - words, life words and masks: fields, limits, versions.
 */
#include "unit.h"

static const u32 generations[] = { 0, 1, 2, 0x7fffffff, 0x80000000, 0xfffffffe,
				   0xffffffff };
static const u32 lengths[] = { 1, 2, 255, 256, 65535, 65536, ZC_RUN_MAX - 1,
			       ZC_RUN_MAX };
static const u32 owners[] = { ZC_OWNER_NONE, ZC_OWNER_WRITER(0),
			      ZC_OWNER_WRITER(ZC_MAX_WRITERS - 1),
			      ZC_OWNER_CLEANER(0),
			      ZC_OWNER_CLEANER(ZC_MAX_CLEANERS - 1),
			      ZC_OWNER_ORPHAN, ZC_OWNER_REMOVER, 63 };

Test(word, keeps_each_field)
{
	u32 g, l, o, state;

	for (g = 0; g < ARRAY_SIZE(generations); g++)
		for (l = 0; l < ARRAY_SIZE(lengths); l++)
			for (o = 0; o < ARRAY_SIZE(owners); o++)
				for (state = 0; state < 4; state++) {
					u64 w = zc_word(generations[g],
							lengths[l], owners[o],
							state);

					must_eq(zc_word_generation(w),
						generations[g]);
					must_eq(zc_word_length(w), lengths[l]);
					must_eq(zc_word_owner(w), owners[o]);
					must_eq(zc_word_state(w), state);
				}
}

Test(word, has_the_layout_of_the_contract)
{
	/* The picture in zerocore_layout.h, bit by bit. */
	must_eq(zc_word(0, 1, 0, 0), 0);
	must_eq(zc_word(0, 1, 0, 3), 3);
	must_eq(zc_word(0, 1, 63, 0), 0xfc);
	must_eq(zc_word(0, ZC_RUN_MAX, 0, 0), 0xffffff00);
	must_eq(zc_word(0xffffffff, 1, 0, 0), 0xffffffff00000000ULL);
	must_eq(zc_word(1, 2, 1, 2), 0x0000000100000106ULL);
}

Test(word, owners_are_distinct)
{
	u64 seen = 1ULL << ZC_OWNER_NONE;
	u32 i;

	for (i = 0; i < ZC_MAX_WRITERS; i++) {
		must(!(seen >> ZC_OWNER_WRITER(i) & 1));
		seen |= 1ULL << ZC_OWNER_WRITER(i);
	}
	for (i = 0; i < ZC_MAX_CLEANERS; i++) {
		must(!(seen >> ZC_OWNER_CLEANER(i) & 1));
		seen |= 1ULL << ZC_OWNER_CLEANER(i);
	}
	must(!(seen >> ZC_OWNER_ORPHAN & 1));
	seen |= 1ULL << ZC_OWNER_ORPHAN;
	must(!(seen >> ZC_OWNER_REMOVER & 1));
	must(ZC_OWNER_REMOVER < 64);
}

Test(word, next_and_same_keep_the_run)
{
	u32 g, l;

	for (g = 0; g < ARRAY_SIZE(generations); g++)
		for (l = 0; l < ARRAY_SIZE(lengths); l++) {
			u64 w = zc_word(generations[g], lengths[l], 5,
					ZC_STATE_CLEAN);

			must_eq(zc_word_next(w, 7, ZC_STATE_USING),
				zc_word(generations[g] + 1, lengths[l], 7,
					ZC_STATE_USING));
			must_eq(zc_word_same(w, 7, ZC_STATE_USING),
				zc_word(generations[g], lengths[l], 7,
					ZC_STATE_USING));
		}
	/* The generation wraps and touches nothing else. */
	must_eq(zc_word_next(zc_word(~0U, ZC_RUN_MAX, 63, 3), 63, 3),
		zc_word(0, ZC_RUN_MAX, 63, 3));
}

Test(life, keeps_each_field)
{
	static const u32 members[] = { 0, 1, ZC_MAX_MEMBERS - 1, 0xffff };
	u32 g, m, s;

	for (g = 0; g < ARRAY_SIZE(generations); g++)
		for (m = 0; m < ARRAY_SIZE(members); m++)
			for (s = 0; s < 3; s++) {
				u64 w = zc_life(generations[g], members[m], s);

				must_eq(zc_life_incarnation(w), generations[g]);
				must_eq(zc_life_member(w), members[m]);
				must_eq(zc_life_state(w), s);
			}
	/* A zeroed slot is one that was never used. */
	must_eq(zc_life(0, 0, ZC_LIFE_IDLE), 0);
}

Test(mask, counts_a_version_at_each_change)
{
	u64 mask = 0;
	u32 bits = 0, version = 0, i;
	struct unit_random random;

	unit_random_init(&random);
	for (i = 0; i < 10000; i++) {
		u32 bit = unit_random_below(&random, 32);

		if (unit_random_next(&random) & 1) {
			zc_mask_set(&mask, bit);
			bits |= 1u << bit;
		} else {
			zc_mask_clear(&mask, bit);
			bits &= ~(1u << bit);
		}
		version++;
		must_eq(zc_mask_bits(mask), bits);
		must_eq(mask >> 32, version);
	}
}

Test(mask, version_wraps_alone)
{
	u64 mask = 0xffffffff00000001ULL;

	zc_mask_set(&mask, 31);
	must_eq(mask, 0x0000000080000001ULL);
	zc_mask_clear(&mask, 0);
	must_eq(mask, 0x0000000180000000ULL);
}

/* models/mask.pml in small: what a stopped reaper has loaded is never current. */
Test(mask, stale_value_never_matches)
{
	u64 mask = 0, stale;

	zc_mask_set(&mask, 3);
	stale = mask;
	zc_mask_clear(&mask, 3);	/* another reaper */
	zc_mask_set(&mask, 3);		/* a new reader */
	must_eq(zc_mask_bits(mask), zc_mask_bits(stale));
	must(mask != stale);
	must(!zc_cas64(&mask, &stale, 0));
	must_eq(zc_mask_bits(mask), 1u << 3);
}
