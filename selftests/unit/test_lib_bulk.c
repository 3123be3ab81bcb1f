/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_lib_bulk.c - a writer that takes back by plain stores, and those who could
 * do the same, or look at what it takes: stopped, or dead, at each instruction.
 *
 * The writer is member 40's; who takes from it has the role of writer 9, member 41's.
 */
#include "lib.h"
#include "core/reclaim.h"
#include "step.h"

#define SMALL (64 << 10)
#define OWNER 40
#define TAKER 41
#define TAKER_ROLE 9
#define MESSAGES 8

static struct {
	struct lib l;
	zc_writer_t *w;
	zc_reader_t *r;		/* joins meanwhile, takes what nobody keeps for it */
	zc_handle_t got[MESSAGES];
	u32 nr;
} world;

static void belong(u64 *life, u32 m)
{
	world.l.pool->view.members[m].life = zc_life(1, 0, ZC_LIFE_LIVE);
	*life = zc_life(zc_life_incarnation(*life) + 1, m, ZC_LIFE_LIVE);
}

/* Messages that nobody waits for: all may be taken back. */
static void world_open(void)
{
	zc_writer_options_t wo = ZC_WRITER_OPTIONS_INIT;
	struct zc_view *v;
	u32 i;

	memset(&world, 0, sizeof(world));
	lib_open(&world.l, SMALL);
	wo.no_timestamp = true;
	world.w = lib_writer(&world.l, &wo);
	for (i = 0; i < MESSAGES; i++)
		must_zc(lib_send(world.w, 100, 0));
	lib_make_private(&world.l);
	v = &world.l.pool->view;
	world.w->slot->life = zc_life(world.w->incarnation, OWNER, ZC_LIFE_LIVE);
	v->members[OWNER].life = zc_life(1, 0, ZC_LIFE_LIVE);
	belong(&v->writer_slots[TAKER_ROLE].life, TAKER);
}

static void world_close(void)
{
	zc_reader_unregister(world.r);
	world.l.pool->view.writer_slots[TAKER_ROLE].life = zc_life(1, 0, ZC_LIFE_IDLE);
	zc_writer_unregister(world.w);
	lib_close(&world.l);
}

static void writer_takes(void *ctx)
{
	(void)ctx;
	zc_writer_reclaim(world.w, true);
}

static void other_takes(void *ctx)
{
	u64 cursor = 0;

	(void)ctx;
	zc_slot_reclaim(&world.l.pool->view, world.w->id, ZC_OWNER_WRITER(TAKER_ROLE),
			NULL, 1000, &cursor);
}

static void is_free(struct unit_pool *p)
{
	struct unit_tally t;

	writer_takes(NULL);
	writer_takes(NULL);
	zc_kept_flush(world.w);
	zc_cached_return(world.w);
	lib_as_unit_pool(&world.l, p);
	must_ok(unit_tiling(p, &t));
	must_eq(t.claimed + t.using + t.clean, 0);
	must_ok(unit_free_runs(p));
	must_eq(world.w->used_granules, 0);
}

/* Each granule is free once, and known to be. */
static void all_is_free(void *ctx)
{
	struct unit_pool p;

	(void)ctx;
	is_free(&p);
	must_ok(unit_hints(&p));
}

static void nobody_takes(void *ctx)
{
	must(!zc_anybody_takes(&world.l.pool->view));
	all_is_free(ctx);
}

/* Where somebody died what is known drifts. */
static void nobody_takes_after_a_death(void *ctx)
{
	struct unit_pool p;

	(void)ctx;
	must(!zc_anybody_takes(&world.l.pool->view));
	is_free(&p);
}

Test(bulk, takes_back_all_and_says_so)
{
	u64 head, nr;

	world_open();
	head = world.w->head;
	nr = head - world.w->tail;
	must(nr > 4);
	must_eq(zc_writer_reclaim(world.w, true), nr);
	must_eq(world.w->area->own_below, head);
	must_eq(world.w->area->tail, head);
	nobody_takes(NULL);
	world_close();
}

Test(bulk, is_nothing_where_somebody_takes)
{
	struct zc_view *v;
	u64 was, nr;
	u32 i;

	for (i = 0; i < 2; i++) {
		world_open();
		v = &world.l.pool->view;
		was = world.w->area->own_below;
		if (i)
			world.w->slot->hazard = 1ULL << 32 | 2;
		else
			zc_mask_set(&v->hints->taking[1], 7);
		nr = world.w->head - world.w->tail;
		must_eq(zc_writer_reclaim(world.w, true), nr);
		must_eq(world.w->area->own_below, was);
		world.w->slot->hazard = 0;
		zc_mask_clear(&v->hints->taking[1], 7);
		all_is_free(NULL);
		world_close();
	}
}

/* What an earlier writer left, somebody without a role may be taking. */
Test(bulk, is_nothing_for_what_was_inherited)
{
	zc_writer_t *first;
	u64 head, tail;

	world_open();
	first = world.w;
	head = first->head;
	first->area->own_below = head;
	zc_kept_flush(first);
	zc_cached_return(first);
	first->slot->life = zc_life(zc_life_incarnation(first->slot->life), 0, ZC_LIFE_IDLE);
	world.w = lib_plain_writer(&world.l);
	must_eq(world.w->first, head);
	tail = world.w->tail;
	must(head - tail > 4);
	must_eq(zc_writer_reclaim(world.w, true), head - tail);
	must_eq(world.w->area->own_below, tail);
	all_is_free(NULL);
	world_close();
}

Test(bulk, stopped_leaves_others_nothing_and_loses_nothing)
{
	const struct step_case c = { .victim = writer_takes, .rivals = other_takes,
				     .check = nobody_takes };

	world_open();
	must(step_every(&c) > 100);
	world_close();
}

Test(bulk, beside_others_that_are_stopped_loses_nothing)
{
	const struct step_case c = { .victim = other_takes, .rivals = writer_takes,
				     .check = nobody_takes };

	world_open();
	must(step_every(&c) > 100);
	world_close();
}

static void writer_takes_reaped_writer_takes(void *ctx)
{
	writer_takes(ctx);
	lib_reap(&world.l, TAKER);
	must(!zc_anybody_takes(&world.l.pool->view));
	/* Its own are taken back in bulk again. */
	while (!lib_send(world.w, 100, 0) && world.w->head < 40)
		;
}

Test(bulk, beside_others_that_die_loses_nothing)
{
	const struct step_case c = { .victim = other_takes, .dies = true,
				     .rivals = writer_takes_reaped_writer_takes,
				     .check = nobody_takes_after_a_death };

	world_open();
	must(step_every(&c) > 100);
	world_close();
}

static void reaped_and_adopted(void *ctx)
{
	(void)ctx;
	lib_reap(&world.l, OWNER);
	other_takes(NULL);
	world.w = lib_plain_writer(&world.l);
}

Test(bulk, of_a_writer_that_dies_loses_nothing)
{
	const struct step_case c = { .victim = writer_takes, .dies = true,
				     .rivals = reaped_and_adopted, .allocates = true,
				     .check = nobody_takes_after_a_death };

	world_open();
	must(step_every(&c) > 100);
	world_close();
}

/* --- who looks at what nobody keeps --------------------------------------------------- */

static void reader_joins(void *ctx)
{
	zc_reader_options_t o = ZC_READER_OPTIONS_INIT;

	(void)ctx;
	o.service = SERVICE;
	o.history = MESSAGES;
	must_zc(zc_reader_register(world.l.pool, &o, &world.r));
	while (world.nr < MESSAGES &&
	       !lib_receive(world.r, &world.got[world.nr], NULL))
		world.nr++;
}

static void writer_goes_on(void *ctx)
{
	u32 i;

	writer_takes(ctx);
	for (i = 0; i < 100 && !lib_send(world.w, 100, 0); i++)
		;
}

/* What it got is what was sent, whatever was sent since. */
static void got_is_kept(void *ctx)
{
	u32 i;

	writer_goes_on(ctx);
	for (i = 0; i < world.nr; i++)
		lib_verify(world.r, world.got[i]);
	zc_reader_unregister(world.r);
	world.r = NULL;
	all_is_free(ctx);
}

/* A writer that died in the middle left the rest to whoever still wants it. */
Test(bulk, is_nobodys_when_its_writer_is_dead)
{
	u64 left;
	u32 i;

	for (i = 0; i < 2; i++) {
		world_open();
		left = world.w->head - world.w->tail;
		world.w->area->own_below = world.w->head;
		if (i)
			world.w->slot->life = zc_life(world.w->incarnation, 0, ZC_LIFE_IDLE);
		reader_joins(NULL);
		must_eq(world.nr, i ? left : 0);
		while (world.nr)
			must_zc(zc_reader_release_block(world.r, world.got[--world.nr]));
		world.w->area->own_below = 1;
		world_close();
	}
}

Test(bulk, stopped_gives_joiners_what_stays)
{
	const struct step_case c = { .victim = writer_takes, .rivals = reader_joins,
				     .check = got_is_kept };

	world_open();
	must(step_every(&c) > 100);
	world_close();
}

Test(bulk, beside_joiners_that_are_stopped_leaves_what_they_got)
{
	const struct step_case c = { .victim = reader_joins, .rivals = writer_goes_on,
				     .allocates = true, .check = got_is_kept };

	world_open();
	must(step_every(&c) > 300);
	world_close();
}
