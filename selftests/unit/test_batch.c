/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_batch.c - blocks whose holds are looked at together, and what a slice of reaping
 * may cost, whatever live and dead readers say that they hold.
 */
#include "core/batch.h"
#include "unit.h"

#define S UNIT_STRIPE
#define DIED_NS 1000ULL
#define GRANULES 16384U
#define HOLDS 512U

/* --- which are held ------------------------------------------------------------------ */

struct world {
	struct unit_pool p;
	struct zc_batch batch;
	u32 added;
};

static void add(struct world *w, u32 writer, u64 sequence)
{
	u32 granule = w->added++;
	u64 word = zc_word(1, 1, ZC_OWNER_ORPHAN, ZC_STATE_CLEAN);

	w->p.view.descs[granule].word = word;
	w->p.view.descs[granule].writer = writer;
	w->p.view.descs[granule].sequence = sequence;
	zc_batch_add(&w->p.view, &w->batch, granule, word);
}

/* All of it.  Return: groups. */
static u32 look(struct world *w, bool (*is_held)(u32 writer, u64 sequence))
{
	u64 looks = 0;
	u32 first, n, groups = 0, seen = 0, i;

	while ((n = zc_batch_look(&w->p.view, &w->batch, &first, &looks))) {
		must_eq(first, seen);
		for (i = first; i < first + n; i++) {
			const struct zc_batch_block *b = &w->batch.block[i];
			const struct zc_block_desc *d = &w->p.view.descs[b->granule];

			must_eq(b->held, is_held(d->writer, d->sequence));
			must_eq(b->word, d->word);
		}
		seen += n;
		groups++;
		must(zc_batch_full(&w->batch));
	}
	must_eq(seen, w->added);
	must(!zc_batch_full(&w->batch));
	must_eq(w->batch.nr, 0);
	return groups;
}

static bool each_third(u32 writer, u64 sequence)
{
	return writer < 2 && sequence && sequence % 3 == writer;
}

static void world_init(struct world *w)
{
	memset(w, 0, sizeof(*w));
	unit_pool_init(&w->p, 1);
	unit_member_join(&w->p, 0);
	unit_writer_join(&w->p, 0, 0);
	unit_writer_join(&w->p, 1, 0);
}

Test(batch, says_what_is_held)
{
	static struct world w;
	struct unit_random random;
	u32 i, r, n;

	unit_random_init(&random);
	world_init(&w);
	for (r = 0; r < 5; r++) {
		unit_reader_join(&w.p, 0, r, 0, 0);
		unit_reader_join(&w.p, 1, 31 - r, 0, 0);
	}
	/* Each sequence is one of 45, of which every third is held, by some reader. */
	for (i = 0; i < 45; i++) {
		if (i && i % 3 == 0)
			unit_hold(&w.p, 0, i / 3 % 5, i / 15, i);
		if (i % 3 == 1)
			unit_hold(&w.p, 1, 31 - i / 3 % 5, UNIT_HOLDS - 1 - i / 15, i);
		/* And some by another one, too. */
		if (i && i % 9 == 0)
			unit_hold(&w.p, 0, (i / 3 + 1) % 5, 3 + i / 15, i);
	}
	for (n = 1; n <= ZC_BATCH_BLOCKS; n = n * 3 + 1) {
		w.added = 0;
		for (i = 0; i < n; i++)
			add(&w, unit_random_below(&random, 2),
			    unit_random_below(&random, 45));
		must(look(&w, each_third) <= 3);
	}
	w.added = 0;
	must_eq(look(&w, each_third), 0);
	unit_pool_fini(&w.p);
}

static bool nothing(u32 writer, u64 sequence)
{
	(void)writer;
	(void)sequence;
	return false;
}

/* A writer that there cannot be, and what was never published. */
Test(batch, of_garbage_is_not_held)
{
	static struct world w;

	world_init(&w);
	unit_reader_join(&w.p, 0, 0, 0, 0);
	add(&w, ~0U, 7);
	add(&w, ZC_MAX_WRITERS, 7);
	add(&w, 0, 0);
	unit_hold(&w.p, 0, 0, 0, 7);
	must_eq(look(&w, nothing), 1);
	unit_pool_fini(&w.p);
}

static bool of_the_first(u32 writer, u64 sequence)
{
	(void)sequence;
	return writer == 0;
}

/* A reader whose region is not mapped holds all. */
Test(batch, is_held_by_who_is_not_seen)
{
	static u32 mapped[ZC_MAX_WRITERS * ZC_MAX_READERS_PER];
	static struct world w;

	world_init(&w);
	unit_reader_join(&w.p, 0, 3, 0, 0);
	w.p.view.reader_mapped = mapped;
	add(&w, 0, 7);
	add(&w, 1, 7);
	add(&w, 0, 8);
	must_eq(look(&w, of_the_first), 2);
	unit_pool_fini(&w.p);
}

/* --- what a slice costs ---------------------------------------------------------------- */

static void large_init(struct unit_pool *p)
{
	struct zc_geometry_request request = {
		.bytes = GRANULES * 64, .segment_bytes = GRANULES * 64,
		.granule_bytes = 64, .ring_entries = UNIT_RING, .max_holds = HOLDS,
	};

	unit_pool_init_with(p, &request);
	unit_member_join(p, 0);
	unit_member_join(p, 1);
	unit_writer_join(p, 0, 1);
}

/* Each block that a dead writer left may be held by any of them. */
Test(reaper, looks_at_the_holds_of_the_living_in_slices)
{
	struct unit_tally tally;
	struct unit_reaper r;
	struct unit_pool p;
	u32 i, slices = 1;

	large_init(&p);
	unit_writer_join(&p, 1, 0);
	for (i = 0; i < ZC_MAX_READERS_PER; i++) {
		unit_reader_join(&p, 0, i, 1, 0);
		zc_reader_area(&p.view, 0, i)->overflow_high = ~0U;
	}
	for (i = 0; i < 2 * ZC_BATCH_BLOCKS; i++) {
		u64 word;

		unit_claim(&p, i, 1, ZC_OWNER_WRITER(1));
		p.view.descs[i].sequence = 1000 + i;
		word = unit_word(&p, i);
		p.view.descs[i].word = zc_word(zc_word_generation(word), 1,
					       ZC_OWNER_WRITER(1), ZC_STATE_CLEAN);
	}
	unit_hold(&p, 0, 31, HOLDS - 1, 1000);
	must_ok(unit_tiling(&p, &tally));
	unit_declare_dead(&p, 0, DIED_NS);
	unit_reaper_init(&r, DIED_NS);
	/* For the runs alone it would do. */
	while (!zc_reap(&p.view, &r.reaper, &r.ops, tally.runs + 1))
		slices++;
	must(slices > 1);
	/* Not once more for each of them. */
	must(slices < 6);
	must_eq(r.told[0], 1);
	must_eq(p.view.members[0].reaped_blocks, 2 * ZC_BATCH_BLOCKS - 1);
	must_eq(zc_word_owner(unit_word(&p, 0)), ZC_OWNER_ORPHAN);
	must_ok(unit_tiling(&p, &tally));
	must_eq(tally.clean, 1);
	must_ok(unit_hints(&p));
	unit_pool_fini(&p);
}

static u64 asked;

static bool counts(void *ctx, u32 m, u32 granule, u32 length)
{
	(void)ctx;
	(void)m;
	(void)granule;
	asked += length;
	return false;
}

/* All the roles of the dead are not looked at in one go. */
Test(reaper, asks_for_pages_in_slices)
{
	struct unit_reaper r;
	struct unit_pool p;
	u64 first, second;
	u32 i;

	large_init(&p);
	first = unit_commit(&p, 0, 0, GRANULES / 2);
	second = unit_commit(&p, 0, GRANULES / 2, GRANULES / 2);
	for (i = 0; i < ZC_MAX_READERS_PER; i++) {
		unit_reader_join(&p, 0, i, 0, 0);
		unit_hold(&p, 0, i, 0, first);
		unit_hold(&p, 0, i, 9, second);
		zc_reader_area(&p.view, 0, i)->io_nr = 1;
	}
	unit_declare_dead(&p, 0, DIED_NS);
	unit_reaper_init(&r, DIED_NS);
	r.ops.pinned = counts;
	for (i = 0;; i++) {
		asked = 0;
		if (zc_reap(&p.view, &r.reaper, &r.ops, 16))
			break;
		must(r.reaper.walking && !r.reaper.waiting);
		must(asked <= GRANULES);
		must(i < 1000);
	}
	/* Each block of each role once: a slice goes on where the last one ended. */
	must_eq(i, 2 * ZC_MAX_READERS_PER);
	must_eq(r.told[0], 1);
	must_eq(zc_mask_bits(p.view.writer_slots[0].active), 0);
	unit_pool_fini(&p);
}
