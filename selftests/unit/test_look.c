/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_look.c - what is told of a pool's memory is one look, though segments come and go.
 */
#include "lib.h"
#include "step.h"

#define SEGMENT (1ULL << 20)

static struct {
	struct lib l;
	zc_writer_t *w;
	zc_pool_info_t info;
	zc_pool_load_t load;
	zc_alloc_stats_t alloc;
	u32 segments;	/* at the end */
} world;

static void takes_info(void *arg)
{
	(void)arg;
	world.info.sz = sizeof(world.info);
	must_zc(zc_pool_get_info(world.l.pool, &world.info));
}

static void takes_load(void *arg)
{
	(void)arg;
	world.load.sz = sizeof(world.load);
	must_zc(zc_pool_get_load(world.l.pool, &world.load));
}

static void takes_alloc_stats(void *arg)
{
	(void)arg;
	world.alloc = zc_alloc_stats(world.w, 1, 0, 0);
}

/* All of them are free: as many segments as there are now. */
static void segments_are(u32 n)
{
	const struct zc_view *v = &world.l.pool->view;

	v->header->retired_segments = zc_segments(v) - n;
	v->hints->free_granules = (u64)n << v->segment_shift;
}

static void segments_move(void *arg)
{
	(void)arg;
	segments_are(world.segments);
}

static void info_is_one_look(void *arg)
{
	(void)arg;
	must_eq(world.info.bytes, world.info.segments * SEGMENT);
	must(world.info.free_bytes <= world.info.bytes);
}

static void load_is_one_look(void *arg)
{
	(void)arg;
	must_eq(world.load.bytes, world.load.segments * SEGMENT);
	must(world.load.free_bytes <= world.load.bytes);
}

static void alloc_stats_are_one_look(void *arg)
{
	(void)arg;
	must(world.alloc.free_bytes <= world.alloc.total_bytes);
}

/* Half of the segments go, and come back, after each instruction of @victim. */
static void at_each_step(void (*victim)(void *), void (*check)(void *))
{
	const struct step_case c = { .victim = victim, .rivals = segments_move,
				     .check = check };
	zc_pool_options_t o = ZC_POOL_OPTIONS_INIT;
	zc_pool_t *first;

	memset(&world, 0, sizeof(world));
	lib_open(&world.l, SEGMENT);
	first = world.l.pool;
	o.bytes = 2 * SEGMENT;
	o.segment_bytes = SEGMENT;
	o.huge = ZC_HUGE_NEVER;
	must_zc(zc_pool_create("looked-at", &o, &world.l.pool));
	world.w = lib_plain_writer(&world.l);
	lib_make_private(&world.l);
	for (world.segments = 1; world.segments <= 2; world.segments++) {
		segments_are(3 - world.segments);
		must(step_every(&c) > 20);
	}
	zc_pool_close(world.l.pool);
	must_zc(zc_pool_remove("looked-at"));
	world.l.pool = first;
	lib_close(&world.l);
}

Test(look, at_a_pool_agrees_with_itself)
{
	at_each_step(takes_info, info_is_one_look);
}

Test(look, at_its_load_agrees_with_itself)
{
	at_each_step(takes_load, load_is_one_look);
}

Test(look, of_an_allocator_agrees_with_itself)
{
	at_each_step(takes_alloc_stats, alloc_stats_are_one_look);
}
