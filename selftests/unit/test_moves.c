/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_moves.c - the table of moves.h, row by row.
 */
#include "unit.h"

#define W ZC_OWNER_WRITER(4)
#define X ZC_OWNER_CLEANER(2)

enum { FREE = ZC_STATE_FREE, USING = ZC_STATE_USING, CLEAN = ZC_STATE_CLEAN,
       INSIDE = ZC_STATE_INSIDE };

/* Each move as (word in memory, value that the caller saw) -> done? */
static bool do_claim(u64 *word, u64 seen)
{
	u64 value = seen;
	bool done = zc_move_claim(word, &value, W);

	/* The caller learns the new word, or keeps what he had. */
	must_eq(value, done ? *word : seen);
	return done;
}

static bool do_unclaim(u64 *word, u64 seen)
{
	zc_move_unclaim(word, seen);
	return true;
}

static bool do_resize(u64 *word, u64 seen)
{
	(void)seen;
	must_eq(zc_move_resize(word, 9, W), *word);
	return true;
}

static bool do_absorb(u64 *word, u64 seen)
{
	zc_move_absorb(word, seen);
	return true;
}

static bool do_commit(u64 *word, u64 seen)
{
	zc_move_commit(word, seen, W);
	return true;
}

static bool do_reclaim(u64 *word, u64 seen)
{
	u64 value = seen;
	bool done = zc_move_reclaim(word, &value, X);

	must_eq(value, done ? *word : seen);
	return done;
}

static bool do_keep(u64 *word, u64 seen)
{
	must_eq(zc_move_keep(word, seen, W), *word);
	return true;
}

static bool do_done(u64 *word, u64 seen)
{
	zc_move_done(word, seen);
	return true;
}

static bool do_reap(u64 *word, u64 seen)
{
	return zc_move_reap(word, seen);
}

static bool do_reap_using(u64 *word, u64 seen)
{
	u64 value = seen;
	bool done = zc_move_reclaim(word, &value, zc_word_owner(seen));

	must_eq(value, done ? *word : seen);
	return done;
}

static bool do_orphan(u64 *word, u64 seen)
{
	return zc_move_orphan(word, seen);
}

static bool do_inside(u64 *word, u64 seen)
{
	return zc_move_inside(word, seen);
}

static const struct row {
	const char *name;
	bool (*move)(u64 *word, u64 seen);
	u32 from_owner, from_state;
	u32 to_owner, to_state;
	u32 to_length;		/* 0: as it was */
	bool cas;
	bool grows;		/* the generation */
} rows[] = {
	{ "claim", do_claim, ZC_OWNER_NONE, FREE, W, FREE, 0, true, true },
	{ "unclaim", do_unclaim, W, FREE, ZC_OWNER_NONE, FREE, 0, false, true },
	{ "resize", do_resize, W, FREE, W, FREE, 9, false, true },
	{ "absorb", do_absorb, W, FREE, ZC_OWNER_NONE, INSIDE, 0, false, true },
	{ "commit", do_commit, W, FREE, W, USING, 0, false, false },
	{ "reclaim", do_reclaim, W, USING, X, CLEAN, 0, true, false },
	{ "keep", do_keep, W, CLEAN, W, FREE, 0, false, true },
	{ "done", do_done, X, CLEAN, ZC_OWNER_NONE, FREE, 0, false, true },
	{ "reap", do_reap, W, FREE, ZC_OWNER_NONE, FREE, 0, true, true },
	{ "reap", do_reap, W, CLEAN, ZC_OWNER_NONE, FREE, 0, true, true },
	{ "reap", do_reap_using, W, USING, W, CLEAN, 0, true, false },
	{ "orphan", do_orphan, W, CLEAN, ZC_OWNER_ORPHAN, CLEAN, 0, true, true },
	{ "adopt", do_reap, ZC_OWNER_ORPHAN, CLEAN, ZC_OWNER_NONE, FREE, 0, true,
	  true },
	{ "inside", do_inside, W, FREE, ZC_OWNER_NONE, INSIDE, 0, true, true },
};

static const u32 generations[] = { 0, 1, 77, 0xfffffffe, 0xffffffff };
static const u32 lengths[] = { 1, 2, 4096, ZC_RUN_MAX };

Test(moves, change_what_the_table_says)
{
	u32 i, g, l;

	for (i = 0; i < ARRAY_SIZE(rows); i++)
		for (g = 0; g < ARRAY_SIZE(generations); g++)
			for (l = 0; l < ARRAY_SIZE(lengths); l++) {
				const struct row *r = &rows[i];
				u64 from = zc_word(generations[g], lengths[l],
						   r->from_owner,
						   r->from_state);
				u64 to = zc_word(generations[g] + r->grows,
						 r->to_length ? r->to_length :
								lengths[l],
						 r->to_owner, r->to_state);
				u64 word = from;

				if (!r->move(&word, from))
					unit_fail(__FILE__, __LINE__,
						  "%s of 0x%llx is refused",
						  r->name,
						  (unsigned long long)from);
				if (word != to)
					unit_fail(__FILE__, __LINE__,
						  "%s makes 0x%llx of 0x%llx, not 0x%llx",
						  r->name,
						  (unsigned long long)word,
						  (unsigned long long)from,
						  (unsigned long long)to);
			}
}

/* Whatever one field has become: who saw the old word does nothing. */
Test(moves, by_cas_refuse_a_stale_word)
{
	u32 i, bit;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *r = &rows[i];
		u64 seen = zc_word(1000, 33, r->from_owner, r->from_state);

		if (!r->cas)
			continue;
		for (bit = 0; bit < 64; bit++) {
			u64 now = seen ^ 1ULL << bit;
			u64 word = now;

			if (r->move(&word, seen) || word != now)
				unit_fail(__FILE__, __LINE__,
					  "%s with a stale word (bit %u) succeeds",
					  r->name, bit);
		}
	}
}

/* Only FREE words without owner can be claimed, current or not. */
Test(moves, claim_takes_only_free_and_unowned)
{
	u32 owner, state;

	for (owner = 0; owner < 64; owner++)
		for (state = 0; state < 4; state++) {
			u64 word = zc_word(5, 8, owner, state);
			u64 seen = word;
			bool free = owner == ZC_OWNER_NONE && state == FREE;

			must_eq(zc_move_claim(&word, &seen, W), free);
			must_eq(word, free ? zc_word(6, 8, W, FREE) :
					     zc_word(5, 8, owner, state));
		}
}

/*
 * The generation grows over any cycle that brings a word back to what it was
 * but for the generation: that is what makes a stale CAS fail.
 */
Test(moves, no_cycle_brings_a_word_back)
{
	struct unit_random random;
	u64 word = zc_word(1, 16, ZC_OWNER_NONE, FREE);
	u64 claimed = 0;
	u32 round;

	unit_random_init(&random);
	for (round = 0; round < 100000; round++) {
		u64 before = word;
		u64 value = word;

		must(zc_move_claim(&word, &value, W));
		must(value != claimed);
		claimed = value;
		switch (unit_random_below(&random, 4)) {
		case 0:
			zc_move_unclaim(&word, value);
			break;
		case 1:
			must(zc_move_reap(&word, value));
			break;
		case 2:
			zc_move_commit(&word, value, W);
			value = word;
			must(zc_move_reclaim(&word, &value, W));
			zc_move_done(&word, value);
			break;
		default:
			zc_move_commit(&word, value, W);
			value = word;
			must(zc_move_reclaim(&word, &value, W));
			must(zc_move_orphan(&word, value));
			must(zc_move_reap(&word, word));
			break;
		}
		must_eq(zc_word_same(word, 0, 0), word);
		must(zc_word_generation(word) > zc_word_generation(before));
	}
}
