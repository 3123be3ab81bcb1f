// SPDX-License-Identifier: GPL-2.0
/*
 * kunit_reclaim.c - walks, and what is taken back of rings, where somebody wrote
 * whatever he liked.
 */
#include "kunit.h"
#include "service.h"

#define W ZC_OWNER_WRITER(0)
#define X ZC_OWNER_WRITER(9)		/* who is short of memory */

/* --- walks -------------------------------------------------------------------------- */

/* Heads that a walk can possibly return in @segments segments. */
static u32 most_heads(u32 segments)
{
	return segments * (ZK_SEGMENT + (ZC_WALK_LOST_MAX + 1) * ZK_STRIPE);
}

/* Marks what is walked over; within its segment, and to an end. */
static u32 walk_marks(struct zk_world *w, u8 *marks)
{
	struct zc_walk walk = { 0 };
	u32 granule, heads = 0;
	u64 word;

	memset(marks, 0, w->segments * ZK_SEGMENT);
	while (zc_walk_step(&w->view, &walk, &granule, &word)) {
		must(w->test, ++heads <= most_heads(w->segments));
		must(w->test, granule < w->segments * ZK_SEGMENT);
		must(w->test, zc_word_state(word) != ZC_STATE_INSIDE);
		must(w->test, zc_run_sane(&w->view, granule, word));
		memset(marks + granule, 1, zc_word_length(word));
	}
	/* The end stays the end. */
	must(w->test, !zc_walk_step(&w->view, &walk, &granule, &word));
	return heads;
}

static u32 marked(const u8 *marks, u32 from, u32 to)
{
	u32 n = 0;

	for (; from < to; from++)
		n += marks[from];
	return n;
}

/* A run that would leave its segment is none; what is before it is, and the rest. */
static void walk_does_not_leave_its_segment(struct kunit *test)
{
	struct zk_world *w = zk_world(test, 2, 3);
	u8 *marks = zk_alloc(test, 2 * ZK_SEGMENT);
	u32 stripe;

	for (stripe = 0; stripe < ZC_STRIPES; stripe += 9) {
		u32 g = stripe * ZK_STRIPE, length = ZK_SEGMENT - g + 1;
		u64 good = zk_word(w, g);

		while (length) {
			zk_set_word(w, g, zc_word(1, length, W, ZC_STATE_FREE));
			walk_marks(w, marks);
			must_eq(test, marked(marks, 0, g), g);
			must_eq(test, marks[g], 0);
			must_eq(test, marked(marks, ZK_SEGMENT, 2 * ZK_SEGMENT), ZK_SEGMENT);
			length = length == ZC_RUN_MAX ? 0 : ZC_RUN_MAX;
		}
		/* One that just fits. */
		zk_set_word(w, g, zc_word(1, ZK_SEGMENT - g, W, ZC_STATE_FREE));
		must_eq(test, walk_marks(w, marks), stripe + 1 + ZC_STRIPES);
		must_eq(test, marked(marks, 0, 2 * ZK_SEGMENT), 2 * ZK_SEGMENT);
		zk_set_word(w, g, good);
	}
}

static void walk_finds_back_from_inside(struct kunit *test)
{
	struct zk_world *w = zk_world(test, 1, 1);
	u8 *marks = zk_alloc(test, ZK_SEGMENT);
	struct zc_walk walk;
	u32 granule, pos;
	u64 word;

	zk_claim(w, 2 * ZK_STRIPE, 5 * ZK_STRIPE, W);
	zk_claim(w, 20 * ZK_STRIPE + 3, 7, W);
	must_eq(test, walk_marks(w, marks), ZC_STRIPES - 4 + 2);
	for (pos = 3 * ZK_STRIPE; pos < 7 * ZK_STRIPE; pos += ZK_STRIPE) {
		walk = (struct zc_walk){ .pos = pos };
		must(test, zc_walk_step(&w->view, &walk, &granule, &word));
		must_eq(test, granule, 2 * ZK_STRIPE);
		must_eq(test, walk.pos, 7 * ZK_STRIPE);
	}
}

static void walk_gives_a_segment_up(struct kunit *test)
{
	struct zk_world *w = zk_world(test, 3, 3);
	u8 *marks = zk_alloc(test, 3 * ZK_SEGMENT);
	struct zc_walk walk = { 0 };
	u32 i, granule;
	u64 word;

	/* It always comes back to one place. */
	zk_set_word(w, 5 * ZK_STRIPE, zc_word(2, 1, ZC_OWNER_NONE, ZC_STATE_INSIDE));
	must(test, walk_marks(w, marks) > ZC_WALK_LOST_MAX);
	must_eq(test, marked(marks, 0, ZK_SEGMENT), 5 * ZK_STRIPE);
	must_eq(test, marked(marks, ZK_SEGMENT, 3 * ZK_SEGMENT), 2 * ZK_SEGMENT);
	/* There is nothing in it. */
	for (i = 0; i < ZK_SEGMENT; i++)
		zk_set_word(w, ZK_SEGMENT + i, ~0ULL);
	walk_marks(w, marks);
	must_eq(test, marked(marks, ZK_SEGMENT, 2 * ZK_SEGMENT), 0);
	must_eq(test, marked(marks, 2 * ZK_SEGMENT, 3 * ZK_SEGMENT), ZK_SEGMENT);
	while (zc_walk_step(&w->view, &walk, &granule, &word))
		;
	must_eq(test, walk.skipped, 2);
}

static void walk_ends_among_random_words(struct kunit *test)
{
	struct zk_random random = { .state = 815 };
	struct zk_world *w = zk_world(test, 2, 2);
	u8 *marks = zk_alloc(test, 2 * ZK_SEGMENT);
	u32 round, i;

	for (round = 0; round < 24; round++) {
		for (i = 0; i < 2 * ZK_SEGMENT; i++) {
			u64 r = zk_random(&random);
			u32 length = (u32)(r >> 40) >> round;

			zk_set_word(w, i, zc_word((u32)r, length ? length : 1, r >> 2 & 63, r & 3));
		}
		walk_marks(w, marks);
	}
}

/* The header is the kernel's, and yet: no more than there is room for. */
static void walk_knows_how_many_segments_there_are(struct kunit *test)
{
	struct zk_world *w = zk_world(test, 1, 3);
	struct zc_walk walk = { 0 };
	u32 granule, n = 0;
	u64 word;

	w->view.max_segments = 1;
	w->view.header->segments = ~0U;
	must_eq(test, zc_granules(&w->view), ZK_SEGMENT);
	while (zc_walk_step(&w->view, &walk, &granule, &word))
		n++;
	must_eq(test, n, ZC_STRIPES);
	w->view.header->segments = 0;
	walk = (struct zc_walk){ 0 };
	must(test, !zc_walk_step(&w->view, &walk, &granule, &word));
}

/* --- blocks ------------------------------------------------------------------------------- */

static struct zk_world *world_with_writer(struct kunit *test)
{
	struct zk_world *w = zk_world(test, 2, 2);

	zk_member_lives(w, 0);
	zk_member_lives(w, 1);
	zk_writer_lives(w, 0, 0);
	zk_writer_lives(w, 9, 1);
	return w;
}

static void block_is_reclaimed_by_exactly_what_it_is(struct kunit *test)
{
	struct zk_world *w = world_with_writer(test);
	const struct zc_view *v = &w->view;
	u64 word = 4711, s;
	u32 g = ZK_SEGMENT, gen;	/* the first of the second segment */

	s = zk_commit(w, 0, g, 3);
	gen = zc_word_generation(zk_word(w, g));
	must(test, !zc_block_reclaim(v, 1, g, gen, s, X, &word));
	must(test, !zc_block_reclaim(v, 0, g + 1, gen, s, X, &word));
	must(test, !zc_block_reclaim(v, 0, 0, gen, s, X, &word));
	must(test, !zc_block_reclaim(v, 0, g, gen + 1, s, X, &word));
	must(test, !zc_block_reclaim(v, 0, g, gen - 1, s, X, &word));
	must(test, !zc_block_reclaim(v, 0, g, gen, s + 1, X, &word));
	must(test, !zc_block_reclaim(v, 0, g, gen, 0, X, &word));
	/* Out of the pool, also where 32 bits would wrap into it. */
	must(test, !zc_block_reclaim(v, 0, 2 * ZK_SEGMENT, gen, s, X, &word));
	must(test, !zc_block_reclaim(v, 0, g | 1ULL << 32, gen, s, X, &word));
	must(test, !zc_block_reclaim(v, 0, ~0ULL, gen, s, X, &word));
	must_eq(test, word, 4711);
	must_eq(test, zc_word_state(zk_word(w, g)), ZC_STATE_USING);
	must(test, zc_block_reclaim(v, 0, g, gen, s, X, &word));
	must_eq(test, word, zc_word(gen, 3, X, ZC_STATE_CLEAN));
	must_eq(test, zk_word(w, g), word);
	must(test, !zc_block_reclaim(v, 0, g, gen, s, X, &word));
}

static void block_longer_than_its_segment_is_left_alone(struct kunit *test)
{
	struct zk_world *w = world_with_writer(test);
	const struct zc_view *v = &w->view;
	u32 g = 63 * ZK_STRIPE, gen;
	u64 s, word;

	s = zk_commit(w, 0, g, 3);
	gen = zc_word_generation(zk_word(w, g));
	zk_set_word(w, g, zc_word(gen, ZK_STRIPE + 1, W, ZC_STATE_USING));
	must(test, !zc_block_reclaim(v, 0, g, gen, s, X, &word));
	zk_set_word(w, g, zc_word(gen, ZC_RUN_MAX, W, ZC_STATE_USING));
	must(test, !zc_block_reclaim(v, 0, g, gen, s, X, &word));
	word = zc_word(gen, ZK_STRIPE + 1, ZC_OWNER_ORPHAN, ZC_STATE_CLEAN);
	zk_set_word(w, g, word);
	must(test, !zc_orphan_finish(v, g, word));
	must_eq(test, zk_word(w, g), word);
}

static void orphan_waits_for_holds_and_io(struct kunit *test)
{
	struct zk_world *w = world_with_writer(test);
	const struct zc_view *v = &w->view;
	u32 g = 3 * ZK_STRIPE;
	u64 s = zk_commit(w, 0, g, 2 * ZK_STRIPE), word = zk_word(w, g);
	struct zc_block_desc *d = zc_desc(v, g);

	zk_reader_lives(w, 0, 31, 1, ZC_READER_HISTORY);
	zk_hold(w, 0, 31, 8, s);
	must(test, zc_move_reclaim(&d->word, &word, ZC_OWNER_ORPHAN));
	must(test, !zc_orphan_finish(v, g, word));
	must_eq(test, zk_word(w, g), word);
	zk_hold(w, 0, 31, 8, 0);
	d->flags = ZC_BLOCK_IO;
	must(test, !zc_orphan_finish(v, g, word));
	d->flags = 0;
	/* A writer that there is not. */
	d->writer = ~0U;
	must(test, !zc_orphan_finish(v, g, word - 1));
	must(test, zc_orphan_finish(v, g, word));
	must_eq(test, zk_tiling(w).free, 2 * ZK_SEGMENT);
	zk_at_rest(w);
}

/* --- slots ---------------------------------------------------------------------------------- */

static u64 reclaim_all(struct zk_world *w, u32 owner)
{
	u64 cursor = 0;

	return zc_slot_reclaim(&w->view, 0, owner, NULL, 1000, &cursor);
}

static void slot_gives_back_what_everybody_has_read(struct kunit *test)
{
	struct zk_world *w = world_with_writer(test);
	struct zc_view *v = &w->view;
	u32 i;

	must_eq(test, reclaim_all(w, X), 0);
	zk_reader_lives(w, 0, 0, 1, 0);
	zk_reader_lives(w, 0, 1, 1, 0);
	for (i = 0; i < 8; i++)
		zk_commit(w, 0, i * (ZK_SEGMENT / 4), 2);
	must_eq(test, reclaim_all(w, X), 0);
	/* One has read five and holds the third, the other has read six. */
	zc_reader_area(v, 0, 0)->cursor = 6;
	zc_reader_area(v, 0, 1)->cursor = 7;
	zk_hold(w, 0, 0, 7, 3);
	must_eq(test, reclaim_all(w, X), 4 * 2);
	must_eq(test, zk_tiling(w).using, 4 * 2);
	zk_at_rest(w);
	must(test, !zc_slot_empty(v, 0));
	/* While its head may still be advanced, nobody touches it. */
	v->writer_slots[0].life = zc_life(1, 0, ZC_LIFE_REAPING);
	zk_hold(w, 0, 0, 7, 0);
	must_eq(test, reclaim_all(w, X), 0);
	v->writer_slots[0].life = zc_life(1, 0, ZC_LIFE_IDLE);
	must_eq(test, reclaim_all(w, ZC_OWNER_ORPHAN), 2);
	zc_reader_area(v, 0, 0)->cursor = 9;
	zc_reader_area(v, 0, 1)->cursor = 9;
	must_eq(test, reclaim_all(w, ZC_OWNER_ORPHAN), 3 * 2);
	must(test, zc_slot_empty(v, 0));
	must_eq(test, zk_tiling(w).free, 2 * ZK_SEGMENT);
	zk_at_rest(w);
}

static void slot_keeps_a_live_writers_history(struct kunit *test)
{
	struct zk_world *w = world_with_writer(test);
	u32 i;

	w->view.writer_slots[0].history = 3;
	for (i = 0; i < 8; i++)
		zk_commit(w, 0, i * ZK_STRIPE, 1);
	must_eq(test, reclaim_all(w, X), 5);
	w->view.writer_slots[0].life = zc_life(1, 0, ZC_LIFE_IDLE);
	must_eq(test, reclaim_all(w, X), 3);
}

/* Numbers that no writer would have there. */
static u64 garbage(struct zk_random *random)
{
	u64 r = zk_random(random);

	switch (r & 7) {
	case 0:
		return 0;
	case 1:
		return ~0ULL;
	case 2:
		return r >> 3 & 31;
	case 3:
		return 1ULL << (r >> 3 & 63);
	default:
		return r >> (r >> 58);
	}
}

static void scribble(struct zk_world *w, struct zk_random *random)
{
	struct zc_view *v = &w->view;
	struct zc_writer_area *wa = zc_writer_area(v, 0);
	u32 i;

	for (i = 0; i <= v->ring_mask; i++) {
		zc_ring(v, 0)[i].place = garbage(random);
		zc_ring(v, 0)[i].run = garbage(random);
	}
	for (i = 0; i < v->deferred_entries; i++) {
		struct zc_deferred_entry *d = &zc_deferred(v, 0)[i];

		d->sequence = garbage(random);
		d->granule = garbage(random);
		d->generation = garbage(random);
	}
	for (i = 0; i < ZC_MAX_READERS_PER; i++) {
		wa->floor[i].floor = garbage(random);
		wa->floor[i].cut_incarnation = garbage(random);
	}
	wa->head = garbage(random);
	wa->tail = garbage(random);
	wa->deferred_nr = garbage(random);
	v->writer_slots[0].history = garbage(random);
}

/* Bounded, within its memory, and not one block of somebody else's. */
static void slot_survives_garbage_in_its_region(struct kunit *test)
{
	struct zk_random random = { .state = 1848 };
	struct zk_world *w = world_with_writer(test);
	struct zc_reader_area *ra;
	struct zc_view *v = &w->view;
	u32 round, i;

	zk_reader_lives(w, 0, 0, 1, 0);
	ra = zc_reader_area(v, 0, 0);
	for (i = 0; i < 8; i++)
		zk_commit(w, 9, i * (ZK_SEGMENT / 4), 2);
	for (round = 0; round < 400; round++) {
		u64 cursor = garbage(&random);

		scribble(w, &random);
		ra->cursor = garbage(&random);
		ra->join = garbage(&random);
		ra->overflow_high = garbage(&random);
		for (i = 0; i < ZK_HOLDS; i++)
			*zc_hold_slot(ra, i) = garbage(&random);
		v->writer_slots[0].life = zc_life(1, 0, round % 3);
		must_eq(test, zc_slot_reclaim(v, 0, round & 1 ? X : ZC_OWNER_ORPHAN, NULL,
					      round, &cursor), 0);
		zc_slot_empty(v, 0);
		zc_sequence_held(v, 0, garbage(&random));
	}
	must_eq(test, zk_tiling(w).using, 8 * 2);
	must_eq(test, zk_tiling(w).free, 2 * ZK_SEGMENT - 8 * 2);
	zk_at_rest(w);
}

/* Entries of all kinds that name one block, of which one only is it. */
static void slot_frees_nothing_by_a_wrong_entry(struct kunit *test)
{
	struct zk_world *w = world_with_writer(test);
	struct zc_view *v = &w->view;
	struct zc_deferred_entry *d = zc_deferred(v, 0);
	u64 s = zk_commit(w, 0, ZK_SEGMENT + 5, 2);
	u32 gen = zc_word_generation(zk_word(w, ZK_SEGMENT + 5)), i;

	zc_writer_area(v, 0)->head = 40;
	for (i = 0; i < 16; i++) {
		d[i].sequence = i & 1 ? s : s + 1;
		d[i].granule = i & 2 ? ZK_SEGMENT + 5 : i & 8 ? 2 * ZK_SEGMENT : 5;
		d[i].generation = i & 4 ? gen : gen + 1;
	}
	/* What is right of all three is numbers 7 and 15. */
	d[7].sequence = 0;
	d[15].sequence = 0;
	zc_writer_area(v, 0)->deferred_nr = 16;
	must_eq(test, reclaim_all(w, X), 0);
	must_eq(test, zk_tiling(w).using, 2);
	d[15].sequence = s;
	zc_writer_area(v, 0)->deferred_nr = 15;
	must_eq(test, reclaim_all(w, X), 0);
	zc_writer_area(v, 0)->deferred_nr = 16;
	must(test, !zc_slot_empty(v, 0));
	must_eq(test, reclaim_all(w, X), 2);
	must(test, zc_slot_empty(v, 0));
	zk_at_rest(w);
}

/* --- services ----------------------------------------------------------------------------- */

static void service_is_made_once_and_there_are_so_many(struct kunit *test)
{
	struct zk_world *w = zk_world(test, 1, 1);
	struct zc_service_name *name = zk_alloc(test, sizeof(*name));
	char text[16];
	bool created;
	u32 removed;
	u64 word;
	u32 i;

	zk_member_lives(w, 0);
	for (i = 0; i < 2 * ZC_MAX_WRITERS; i++) {
		snprintf(text, sizeof(text), "s%u/i/e", i % ZC_MAX_WRITERS);
		must(test, !zc_service_parse(name, text));
		must_eq(test, zc_service_open(&w->view, name, 0, ~0U, &word, &created, &removed),
			i % ZC_MAX_WRITERS);
		must_eq(test, created, i < ZC_MAX_WRITERS);
		must(test, zc_service_unchanged(&w->view, i % ZC_MAX_WRITERS, name, word));
		/* One that somebody is at is nobody else's. */
		if (created)
			zk_writer_lives(w, i, 0);
	}
	must(test, !zc_service_parse(name, "one/too/many"));
	must_eq(test, zc_service_open(&w->view, name, 0, ~0U, &word, &created, &removed), -1);
	must_eq(test, zc_service_find(&w->view, name, &word), -1);
	must(test, zc_service_parse(name, "a/b"));
	must(test, zc_service_parse(name, "a//c"));
	must(test, zc_service_parse(name, ""));
}

/* Who may only read could else take any name away from its writer, for good. */
static void names_of_one_hash_are_two_services(struct kunit *test)
{
	struct zk_world *w = zk_world(test, 1, 1);
	struct zc_service_name *names = zk_alloc(test, 2 * sizeof(*names));
	bool created;
	u32 removed, i;
	u64 word[2];

	zk_member_lives(w, 0);
	must(test, !zc_service_parse(&names[0], "a/b/zkfeli"));
	must(test, !zc_service_parse(&names[1], "a/b/ufxqpw"));
	for (i = 0; i < 2; i++) {
		must_eq(test, zc_service_open(&w->view, &names[i], 0, ~0U, &word[i], &created,
					      &removed), i);
		must(test, created);
	}
	must_eq(test, zc_service_hash(word[0]), zc_service_hash(word[1]));
	for (i = 0; i < 2; i++) {
		must_eq(test, zc_service_find(&w->view, &names[i], &word[i]), i);
		must(test, zc_service_unchanged(&w->view, i, &names[i], word[i]));
		must(test, !zc_service_unchanged(&w->view, i, &names[!i], word[i]));
	}
}

static struct kunit_case reclaim_cases[] = {
	KUNIT_CASE(walk_does_not_leave_its_segment),
	KUNIT_CASE(walk_finds_back_from_inside),
	KUNIT_CASE(walk_gives_a_segment_up),
	KUNIT_CASE(walk_ends_among_random_words),
	KUNIT_CASE(walk_knows_how_many_segments_there_are),
	KUNIT_CASE(block_is_reclaimed_by_exactly_what_it_is),
	KUNIT_CASE(block_longer_than_its_segment_is_left_alone),
	KUNIT_CASE(orphan_waits_for_holds_and_io),
	KUNIT_CASE(slot_gives_back_what_everybody_has_read),
	KUNIT_CASE(slot_keeps_a_live_writers_history),
	KUNIT_CASE(slot_survives_garbage_in_its_region),
	KUNIT_CASE(slot_frees_nothing_by_a_wrong_entry),
	KUNIT_CASE(service_is_made_once_and_there_are_so_many),
	KUNIT_CASE(names_of_one_hash_are_two_services),
	{}
};

static struct kunit_suite reclaim_suite = {
	.name = "zerocore_reclaim",
	.test_cases = reclaim_cases,
};

kunit_test_suite(reclaim_suite);
