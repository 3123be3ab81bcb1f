/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * unit.c - checks, random numbers, pools by hand.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "unit.h"

int unit_fail_fd = -1;
static u64 unit_seed;

_Noreturn void unit_fail(const char *file, int line, const char *fmt, ...)
{
	char text[512];
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (unit_seed && n > 0 && (size_t)n < sizeof(text))
		snprintf(text + n, sizeof(text) - (size_t)n, " (ZC_SEED=%llu)",
			 (unsigned long long)unit_seed);
	if (unit_fail_fd >= 0) {
		dprintf(unit_fail_fd, "%s:%d: %s", file, line, text);
		_exit(1);
	}
#ifndef ZC_PLAIN
	cr_assert_fail("%s:%d: %s", file, line, text);
#else
	printf("# %s:%d: %s\n", file, line, text);
	fflush(stdout);
#endif
	_exit(1);
}

_Noreturn void unit_skip(const char *why)
{
#ifndef ZC_PLAIN
	cr_skip_test("%s", why);
#else
	(void)why;
#endif
	_exit(77);
}

/* --- random numbers ------------------------------------------------------- */

void unit_random_init(struct unit_random *random)
{
	const char *seed = getenv("ZC_SEED");
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	random->state = seed ? strtoull(seed, NULL, 0) :
			       (u64)now.tv_sec << 30 ^ (u64)now.tv_nsec;
	unit_seed = random->state;
}

/* splitmix64 */
u64 unit_random_next(struct unit_random *random)
{
	u64 z = random->state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

/* --- a pool by hand ---------------------------------------------------------- */

void unit_pool_init_with(struct unit_pool *p,
			 const struct zc_geometry_request *request)
{
	memset(p, 0, sizeof(*p));
	must_ok(zc_geometry_compute(&p->geometry, &p->segments, request));
	p->control = calloc(1, p->geometry.control_bytes);
	must(p->control);
	zc_view_init(&p->view, p->control, &p->geometry);
	zc_pool_format(&p->view, &p->geometry, p->segments);
}

void unit_pool_init(struct unit_pool *p, u32 segments)
{
	struct zc_geometry_request request = {
		.bytes = (u64)segments * UNIT_SEGMENT_GRANULES * 64,
		.segment_bytes = UNIT_SEGMENT_GRANULES * 64,
		.granule_bytes = 64,
		.ring_entries = UNIT_RING,
		.max_holds = UNIT_HOLDS,
	};

	unit_pool_init_with(p, &request);
	must_eq(p->segments, segments);
}

void unit_pool_fini(struct unit_pool *p)
{
	free(p->control);
	p->control = NULL;
}

static __thread char unit_sentence[160];

static const char *unit_wrong(const char *what, u32 granule, u64 word)
{
	snprintf(unit_sentence, sizeof(unit_sentence),
		 "%s at granule %u: generation %u, length %u, owner %u, state %u",
		 what, granule, zc_word_generation(word), zc_word_length(word),
		 zc_word_owner(word), zc_word_state(word));
	return unit_sentence;
}

const char *unit_tiling(const struct unit_pool *p, struct unit_tally *tally)
{
	struct unit_tally t = { 0 };
	u32 per = p->geometry.segment_granules;
	u32 segment, pos, n;

	for (segment = 0; segment < p->segments; segment++) {
		for (pos = 0; pos < per; pos += n) {
			u32 g = segment * per + pos;
			u64 w = unit_word(p, g);

			n = zc_word_length(w);
			if (n > per - pos)
				return unit_wrong("a run past its segment", g, w);
			t.runs++;
			switch (zc_word_state(w)) {
			case ZC_STATE_INSIDE:
				return unit_wrong("INSIDE where a head must be",
						  g, w);
			case ZC_STATE_USING:
				t.using += n;
				break;
			case ZC_STATE_CLEAN:
				t.clean += n;
				break;
			default:
				if (zc_word_owner(w) == ZC_OWNER_NONE)
					t.free += n;
				else
					t.claimed += n;
			}
		}
	}
	if (tally)
		*tally = t;
	return NULL;
}

const char *unit_hints(const struct unit_pool *p)
{
	u32 stripe = p->view.stripe_granules;
	u32 stripes = p->segments * ZC_STRIPES;
	u32 *free_of = calloc(stripes, sizeof(*free_of));
	u64 total = 0;
	u32 g, i, n;

	must(free_of);
	for (g = 0; g < p->segments * p->geometry.segment_granules; g += n) {
		u64 w = unit_word(p, g);

		n = zc_word_length(w);
		if (zc_word_state(w) != ZC_STATE_FREE ||
		    zc_word_owner(w) != ZC_OWNER_NONE)
			continue;
		total += n;
		for (i = g; i < g + n; i++)
			free_of[i / stripe]++;
	}
	unit_sentence[0] = '\0';
	for (i = 0; i < stripes && !unit_sentence[0]; i++) {
		u32 hint = p->view.free_hint[i];

		if (hint != free_of[i])
			snprintf(unit_sentence, sizeof(unit_sentence),
				 "hint of stripe %u is %u, %u are free", i, hint,
				 free_of[i]);
	}
	if (!unit_sentence[0] && p->view.hints->free_granules != total)
		snprintf(unit_sentence, sizeof(unit_sentence),
			 "free_granules is %llu, %llu are free",
			 (unsigned long long)p->view.hints->free_granules,
			 (unsigned long long)total);
	free(free_of);
	return unit_sentence[0] ? unit_sentence : NULL;
}

const char *unit_free_runs(const struct unit_pool *p)
{
	u32 stripe = p->view.stripe_granules;
	u32 g, i, n;

	for (g = 0; g < p->segments * p->geometry.segment_granules; g += n) {
		u64 w = unit_word(p, g);

		n = zc_word_length(w);
		if (zc_word_state(w) != ZC_STATE_FREE ||
		    zc_word_owner(w) != ZC_OWNER_NONE)
			continue;
		if (g % stripe && n > stripe - g % stripe)
			return unit_wrong("a free run crosses a stripe", g, w);
		for (i = g / stripe * stripe + stripe; i < g + n; i += stripe)
			if (zc_word_state(unit_word(p, i)) != ZC_STATE_INSIDE)
				return unit_wrong("a stripe head inside a free run looks like a head",
						  i, unit_word(p, i));
	}
	return NULL;
}

void unit_claim(struct unit_pool *p, u32 granule, u32 granules, u32 owner)
{
	struct zc_walk walk = { 0 };
	u32 head = 0;
	u64 word = 0;

	do
		must(zc_walk_step(&p->view, &walk, &head, &word));
	while (head + zc_word_length(word) <= granule);
	must(zc_run_claim(&p->view, head, &word, owner));
	if (head < granule) {
		u32 rest = zc_run_split(&p->view, head, granule - head, owner);

		zc_run_free(&p->view, head, owner);
		head = rest;
	}
	must(zc_run_grow(&p->view, head, granules, owner) >= granules);
	if (zc_word_length(unit_word(p, head)) > granules)
		zc_run_free(&p->view,
			    zc_run_split(&p->view, head, granules, owner), owner);
}

u64 unit_commit(struct unit_pool *p, u32 w, u32 granule, u32 granules)
{
	struct zc_view *v = &p->view;
	struct zc_writer_area *wa = zc_writer_area(v, w);
	struct zc_block_desc *d = &v->descs[granule];
	u64 sequence = wa->head ? wa->head : 1;
	struct zc_ring_entry *e = &zc_ring(v, w)[sequence & v->ring_mask];

	if (granules)
		unit_claim(p, granule, granules, ZC_OWNER_WRITER(w));
	d->sequence = sequence;
	d->bytes = (u64)zc_word_length(d->word) << v->granule_shift;
	d->writer = w;
	zc_move_commit(&d->word, d->word, ZC_OWNER_WRITER(w));
	e->run = zc_entry_run(zc_word_generation(d->word), d->bytes);
	zc_store_release(&e->place, zc_entry_place(sequence, granule));
	zc_store_release(&wa->head, sequence + 1);
	return sequence;
}

/* --- lives ------------------------------------------------------------- */

u64 unit_member_join(struct unit_pool *p, u32 m)
{
	u64 *life = &p->view.members[m].life;

	must_eq(zc_life_state(*life), ZC_LIFE_IDLE);
	*life = zc_life(zc_life_incarnation(*life) + 1, 0, ZC_LIFE_LIVE);
	return *life;
}

u32 unit_writer_join(struct unit_pool *p, u32 w, u32 m)
{
	struct zc_writer_area *wa = zc_writer_area(&p->view, w);
	u64 *life = &p->view.writer_slots[w].life;
	u32 inc = zc_life_incarnation(*life) + 1;

	must_eq(zc_life_state(*life), ZC_LIFE_IDLE);
	*life = zc_life(inc, m, ZC_LIFE_LIVE);
	if (!wa->head)
		wa->head = 1;
	if (!wa->tail)
		wa->tail = 1;
	wa->incarnation = inc;
	wa->io_nr = 0;
	return inc;
}

u32 unit_reader_join(struct unit_pool *p, u32 w, u32 r, u32 m, u32 flags)
{
	struct zc_view *v = &p->view;
	struct zc_reader_slot *rs = zc_reader_slot(v, w, r);
	struct zc_reader_area *ra = zc_reader_area(v, w, r);
	u32 inc = zc_life_incarnation(rs->life) + 1;
	u64 head = zc_writer_area(v, w)->head;
	u32 i;

	must_eq(zc_life_state(rs->life), ZC_LIFE_IDLE);
	rs->life = zc_life(inc, m, ZC_LIFE_LIVE);
	ra->cursor = 0;
	for (i = 0; i < v->max_holds; i++)
		*zc_hold_slot(ra, i) = 0;
	ra->join = 0;
	ra->overflow_high = 0;
	ra->io_nr = 0;
	ra->incarnation = inc;
	rs->flags = flags;
	if (flags)
		zc_mask_set(&v->writer_slots[w].hazard, r);
	zc_mask_set(&v->writer_slots[w].active, r);
	ra->join = head ? head : 1;
	ra->cursor = ra->join;
	return inc;
}

void unit_reader_leave(struct unit_pool *p, u32 w, u32 r)
{
	struct zc_view *v = &p->view;
	u64 *life = &zc_reader_slot(v, w, r)->life;

	zc_mask_clear(&v->writer_slots[w].active, r);
	if (zc_mask_bits(v->writer_slots[w].hazard) >> r & 1)
		zc_mask_clear(&v->writer_slots[w].hazard, r);
	*life = zc_life(zc_life_incarnation(*life), 0, ZC_LIFE_IDLE);
}

void unit_hold(struct unit_pool *p, u32 w, u32 r, u32 idx, u64 sequence)
{
	struct zc_reader_area *ra = zc_reader_area(&p->view, w, r);

	if (idx >= ZC_FAST_HOLDS && ra->overflow_high < idx - ZC_FAST_HOLDS + 1)
		ra->overflow_high = idx - ZC_FAST_HOLDS + 1;
	zc_store_release(zc_hold_slot(ra, idx), sequence);
}

u64 unit_reader_take(struct unit_pool *p, u32 w, u32 r, u32 idx)
{
	struct zc_reader_area *ra = zc_reader_area(&p->view, w, r);
	u64 sequence = ra->cursor;

	must(sequence < zc_writer_area(&p->view, w)->head);
	unit_hold(p, w, r, idx, sequence);
	zc_store_release(&ra->cursor, sequence + 1);
	return sequence;
}

void unit_declare_dead(struct unit_pool *p, u32 m, u64 now_ns)
{
	must(zc_member_declare_dead(&p->view, m, p->view.members[m].life,
				    now_ns));
}

/* --- a reaper with a clock of its own ---------------------------------------- */

static void unit_wake(void *ctx, u32 w)
{
	struct unit_reaper *r = ctx;

	r->wakes[w]++;
}

static void unit_told(void *ctx, u32 m, u32 incarnation)
{
	struct unit_reaper *r = ctx;

	(void)incarnation;
	r->told[m]++;
}

static u64 unit_now(void *ctx)
{
	struct unit_reaper *r = ctx;
	void (*in_between)(void *) = r->in_between;

	r->in_between = NULL;
	if (in_between)
		in_between(r->ctx);
	return r->now_ns;
}

void unit_reaper_init(struct unit_reaper *r, u64 now_ns)
{
	memset(r, 0, sizeof(*r));
	r->now_ns = now_ns;
	r->ops = (struct zc_reaper_ops){
		.wake = unit_wake, .reaped = unit_told, .now_ns = unit_now,
		.ctx = r,
	};
}

u32 unit_reap(struct unit_pool *p, struct unit_reaper *r, u32 budget)
{
	u32 slices = 1;

	while (!zc_reap(&p->view, &r->reaper, &r->ops, budget)) {
		must(!r->reaper.waiting);
		must(++slices < 1000000);
	}
	return slices;
}
