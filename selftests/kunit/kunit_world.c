// SPDX-License-Identifier: GPL-2.0
/*
 * kunit_world.c - checks, numbers, pools by hand.
 */
#include <linux/vmalloc.h>

#include "kunit.h"

void zk_fail(struct kunit *test, const char *file, int line, const char *fmt, ...)
{
	struct va_format text;
	va_list args;

	va_start(args, fmt);
	text.fmt = fmt;
	text.va = &args;
	KUNIT_FAIL_AND_ABORT(test, "%s:%d: %pV", kbasename(file), line, &text);
	va_end(args);
}

void zk_equal(struct kunit *test, const char *file, int line, const char *what,
	      long long got, long long want)
{
	if (got != want)
		zk_fail(test, file, line, "%s: %lld (0x%llx), must be %lld (0x%llx)",
			what, got, got, want, want);
}

KUNIT_DEFINE_ACTION_WRAPPER(zk_vfree, vfree, const void *);
KUNIT_DEFINE_ACTION_WRAPPER(zk_pages_put, zc_pages_put, struct zc_pages *);

void *zk_alloc(struct kunit *test, u64 bytes)
{
	void *p = vzalloc(bytes);

	must(test, p);
	must(test, !kunit_add_action_or_reset(test, zk_vfree, p));
	return p;
}

/* splitmix64 */
u64 zk_random(struct zk_random *random)
{
	u64 z = random->state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

/* --- worlds ----------------------------------------------------------------------- */

static void zk_world_regions(struct zk_world *w)
{
	const struct zc_geometry *g = &w->geometry;
	struct kunit *test = w->test;
	struct zc_view *v = &w->view;
	u32 i;

	v->writer_area = zk_alloc(test, ZC_MAX_WRITERS * sizeof(*v->writer_area));
	v->reader_area = zk_alloc(test, ZC_READERS * sizeof(*v->reader_area));
	v->segment_descs = zk_alloc(test, g->max_segments * sizeof(*v->segment_descs));
	must(test, !zc_pages_zero(&w->nobody, max(g->writer_area_bytes,
						  g->reader_area_bytes)));
	must(test, !kunit_add_action_or_reset(test, zk_pages_put, &w->nobody));
	for (i = 0; i < ZC_MAX_WRITERS; i++)
		v->writer_area[i] = w->nobody.addr;
	for (i = 0; i < ZC_READERS; i++)
		v->reader_area[i] = w->nobody.addr;
	for (i = 0; i < w->segments; i++)
		v->segment_descs[i] =
			zk_alloc(test, (u64)g->segment_granules *
					       sizeof(struct zc_block_desc));
}

struct zk_world *zk_world(struct kunit *test, u32 segments, u32 most)
{
	struct zc_geometry_request request = {
		.bytes = (u64)segments * ZK_SEGMENT * 64,
		.segment_bytes = ZK_SEGMENT * 64,
		.granule_bytes = 64,
		.ring_entries = ZK_RING,
		.max_holds = ZK_HOLDS,
		.max_segments = most,
	};
	struct zk_world *w = zk_alloc(test, sizeof(*w));
	struct zc_geometry *g = &w->geometry;

	w->test = test;
	must(test, !zc_geometry_compute(g, &w->segments, &request));
	must_eq(test, w->segments, segments);
	zk_world_regions(w);
	zc_view_place(&w->view, zk_alloc(test, g->off_reader_areas),
		      zk_alloc(test, g->off_writer_areas - g->off_hints), g);
	zc_pool_format(&w->view, g, segments);
	return w;
}

struct zk_tally zk_tiling(struct zk_world *w)
{
	struct zk_tally t = { 0 };
	u32 segment, pos, n;

	for (segment = 0; segment < w->segments; segment++) {
		for (pos = 0; pos < ZK_SEGMENT; pos += n) {
			u64 word = zk_word(w, segment * ZK_SEGMENT + pos);
			u32 state = zc_word_state(word);

			n = zc_word_length(word);
			if (n > ZK_SEGMENT - pos || state == ZC_STATE_INSIDE)
				zk_fail(w->test, __FILE__, __LINE__,
					"segment %u, granule %u: no run: %llx",
					segment, pos, word);
			t.runs++;
			if (state == ZC_STATE_USING)
				t.using += n;
			else if (state == ZC_STATE_CLEAN)
				t.clean += n;
			else if (zc_word_owner(word) == ZC_OWNER_NONE)
				t.free += n;
			else
				t.claimed += n;
		}
	}
	return t;
}

/* A free run: within its stripe, or from a stripe's head; what is in it says so. */
static void zk_free_run(struct zk_world *w, u32 g, u32 n)
{
	u32 i;

	if (g % ZK_STRIPE && n > ZK_STRIPE - g % ZK_STRIPE)
		zk_fail(w->test, __FILE__, __LINE__,
			"granule %u: a free run of %u crosses a stripe", g, n);
	for (i = round_up(g + 1, ZK_STRIPE); i < g + n; i += ZK_STRIPE)
		if (zc_word_state(zk_word(w, i)) != ZC_STATE_INSIDE)
			zk_fail(w->test, __FILE__, __LINE__,
				"granule %u, inside a free run, looks like a head", i);
}

void zk_at_rest(struct zk_world *w)
{
	u32 stripes = w->segments * ZC_STRIPES;
	u32 *free_of = zk_alloc(w->test, stripes * sizeof(*free_of));
	u32 g, i, n;
	u64 total = 0;

	zk_tiling(w);
	for (g = 0; g < w->segments * ZK_SEGMENT; g += n) {
		u64 word = zk_word(w, g);

		n = zc_word_length(word);
		if (zc_word_state(word) != ZC_STATE_FREE ||
		    zc_word_owner(word) != ZC_OWNER_NONE)
			continue;
		zk_free_run(w, g, n);
		total += n;
		for (i = g; i < g + n; i++)
			free_of[i / ZK_STRIPE]++;
	}
	for (i = 0; i < stripes; i++)
		if (w->view.free_hint[i] != free_of[i])
			zk_fail(w->test, __FILE__, __LINE__,
				"hint of stripe %u is %u, %u are free", i,
				w->view.free_hint[i], free_of[i]);
	must_eq(w->test, w->view.hints->free_granules, total);
}

void zk_claim(struct zk_world *w, u32 granule, u32 granules, u32 owner)
{
	const struct zc_view *v = &w->view;
	struct zc_walk walk = { 0 };
	u32 head = 0;
	u64 word = 0;

	do
		must(w->test, zc_walk_step(v, &walk, &head, &word));
	while (head + zc_word_length(word) <= granule);
	must(w->test, zc_run_claim(v, head, &word, owner));
	if (head < granule) {
		u32 rest = zc_run_split(v, head, granule - head, owner);

		zc_run_free(v, head, owner);
		head = rest;
	}
	must(w->test, zc_run_grow(v, head, granules, owner) >= granules);
	if (zc_word_length(zk_word(w, head)) > granules)
		zc_run_free(v, zc_run_split(v, head, granules, owner), owner);
}

u64 zk_commit(struct zk_world *w, u32 writer, u32 granule, u32 granules)
{
	struct zc_view *v = &w->view;
	struct zc_writer_area *wa = zc_writer_area(v, writer);
	struct zc_block_desc *d = zc_desc(v, granule);
	u64 sequence = wa->head;
	struct zc_ring_entry *e = &zc_ring(v, writer)[sequence & v->ring_mask];

	zk_claim(w, granule, granules, ZC_OWNER_WRITER(writer));
	d->sequence = sequence;
	d->bytes = (u64)granules << v->granule_shift;
	d->writer = writer;
	zc_move_commit(&d->word, d->word, ZC_OWNER_WRITER(writer));
	e->run = zc_entry_run(zc_word_generation(d->word), d->bytes);
	zc_store_release(&e->place, zc_entry_place(sequence, granule));
	zc_store_release(&wa->head, sequence + 1);
	return sequence;
}

void zk_member_lives(struct zk_world *w, u32 m)
{
	u64 *life = &w->view.members[m].life;

	must_eq(w->test, zc_life_state(*life), ZC_LIFE_IDLE);
	*life = zc_life(zc_life_incarnation(*life) + 1, 0, ZC_LIFE_LIVE);
}

void zk_member_dies(struct zk_world *w, u32 m)
{
	u64 life = w->view.members[m].life;

	must(w->test, zc_member_declare_dead(&w->view, m, life, 1000));
}

void zk_writer_lives(struct zk_world *w, u32 writer, u32 m)
{
	struct zc_view *v = &w->view;
	u64 *life = &v->writer_slots[writer].life;
	u32 inc = zc_life_incarnation(*life) + 1;
	struct zc_writer_area *wa;

	must_eq(w->test, zc_life_state(*life), ZC_LIFE_IDLE);
	if (v->writer_area[writer] == w->nobody.addr)
		v->writer_area[writer] =
			zk_alloc(w->test, w->geometry.writer_area_bytes);
	wa = v->writer_area[writer];
	*life = zc_life(inc, m, ZC_LIFE_LIVE);
	if (!wa->head)
		wa->head = 1;
	if (!wa->tail)
		wa->tail = 1;
	wa->incarnation = inc;
	wa->io_nr = 0;
}

void zk_reader_lives(struct zk_world *w, u32 writer, u32 r, u32 m, u32 flags)
{
	struct zc_view *v = &w->view;
	struct zc_reader_slot *rs = zc_reader_slot(v, writer, r);
	u32 inc = zc_life_incarnation(rs->life) + 1;
	struct zc_reader_area *ra;

	must_eq(w->test, zc_life_state(rs->life), ZC_LIFE_IDLE);
	ra = zk_alloc(w->test, w->geometry.reader_area_bytes);
	v->reader_area[writer * ZC_MAX_READERS_PER + r] = ra;
	rs->life = zc_life(inc, m, ZC_LIFE_LIVE);
	rs->flags = flags;
	ra->incarnation = inc;
	ra->join = zc_writer_area(v, writer)->head;
	ra->cursor = ra->join;
	if (flags)
		zc_mask_set(&v->writer_slots[writer].hazard, r);
	zc_mask_set(&v->writer_slots[writer].active, r);
}

void zk_hold(struct zk_world *w, u32 writer, u32 r, u32 idx, u64 sequence)
{
	struct zc_reader_area *ra = zc_reader_area(&w->view, writer, r);

	if (idx >= ZC_FAST_HOLDS && ra->overflow_high < idx - ZC_FAST_HOLDS + 1)
		ra->overflow_high = idx - ZC_FAST_HOLDS + 1;
	zc_store_release(zc_hold_slot(ra, idx), sequence);
}
