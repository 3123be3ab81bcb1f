/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_lib_steps.c - writers and readers that are stopped, or die, at each
 * instruction, in the library's own functions.
 *
 * The writer is member 40's, the readers are member 41's: one may die alone.
 */
#include <stdlib.h>

#include "lib.h"
#include "step.h"

#define SMALL (64 << 10)
#define WRITER 40
#define READER 41

static struct {
	struct lib l;
	zc_writer_t *w;
	zc_reader_t *r;
	zc_handle_t claim;	/* of the writer */
	zc_handle_t held[3];	/* of the reader, since before */
	zc_handle_t got;	/* by the reader's poll */
	zc_result_t result;
	u32 sends;
} world;

static void belong(u64 *life, u32 m)
{
	u64 *member = &world.l.pool->view.members[m].life;

	*member = zc_life(zc_life_incarnation(*member) + 1, 0, ZC_LIFE_LIVE);
	*life = zc_life(zc_life_incarnation(*life), m, ZC_LIFE_LIVE);
}

static void world_open(const zc_writer_options_t *wo,
		       const zc_reader_options_t *ro)
{
	struct zc_view *v;

	memset(&world, 0, sizeof(world));
	lib_open(&world.l, SMALL);
	world.r = lib_reader(&world.l, ro);
	world.w = lib_writer(&world.l, wo);
	lib_make_private(&world.l);
	v = &world.l.pool->view;
	belong(&v->writer_slots[world.w->id].life, WRITER);
	belong(&zc_reader_slot(v, world.w->id, world.r->id)->life, READER);
}

static void world_open_plain(void)
{
	zc_writer_options_t wo = ZC_WRITER_OPTIONS_INIT;
	zc_reader_options_t ro = ZC_READER_OPTIONS_INIT;

	wo.no_timestamp = true;
	world_open(&wo, &ro);
}

static void world_close(void)
{
	zc_reader_unregister(world.r);
	zc_writer_unregister(world.w);
	lib_close(&world.l);
}

/* Some held, some unread: the state in which things are stopped. */
static void some_traffic(void)
{
	zc_handle_t h;
	u32 i;

	for (i = 0; i < 3; i++) {
		must_zc(lib_send(world.w, 150, 0));
		must_zc(lib_receive(world.r, &world.held[i], NULL));
	}
	for (i = 0; i < 80; i++) {
		must_zc(lib_send(world.w, 64 + i * 8, 0));
		must_zc(lib_receive(world.r, &h, NULL));
		must_zc(zc_reader_release_block(world.r, h));
	}
	must_eq(world.w->deferred_used, 3);
}

/* Everything that is anybody's is the reader's, or unread. */
static void nothing_is_lost(u64 committed_granules)
{
	struct unit_tally t;
	struct unit_pool p;

	lib_as_unit_pool(&world.l, &p);
	must_ok(unit_tiling(&p, &t));
	must_ok(unit_free_runs(&p));
	must_eq(t.claimed, 0);
	must_eq(t.using + t.clean, committed_granules);
}

/* The reader goes on with what was published, and with a new writer. */
static void life_goes_on(u64 first)
{
	zc_writer_t *w = lib_plain_writer(&world.l);
	zc_handle_t h;
	u64 s = 0, next = w->head;
	u32 i;

	for (i = 0; i < 3; i++)
		lib_verify(world.r, world.held[i]);
	for (; first < next; first++) {
		must_zc(lib_receive(world.r, &h, &s));
		must_eq(s, first);
		must_zc(zc_reader_release_block(world.r, h));
	}
	must_zc(lib_send(w, 300, 0));
	must_zc(lib_receive(world.r, &h, &s));
	must_eq(s, next);
	must_zc(zc_reader_release_block(world.r, h));
	for (i = 0; i < 3; i++)
		must_zc(zc_reader_release_block(world.r, world.held[i]));
	/* All the memory there is. */
	must_zc(zc_writer_acquire_block(w, SMALL, &h, 0));
	must_zc(zc_writer_cancel_block(w, h));
	zc_writer_unregister(w);
	lib_all_free(&world.l);
}

/* --- a writer dies ------------------------------------------------------------- */

static void reap_writer(void *ctx)
{
	(void)ctx;
	lib_reap(&world.l, WRITER);
}

static void commit_it(void *ctx)
{
	(void)ctx;
	must_zc(zc_writer_commit_block(world.w, world.claim));
}

/* 84 was not read, if it was published; three of three granules are held. */
static void published_or_taken_back(void *ctx)
{
	struct zc_view *v = &world.l.pool->view;
	u64 head = zc_writer_area(v, world.w->id)->head;
	struct unit_pool p;
	struct unit_tally t;

	(void)ctx;
	must(head == 84 || head == 85);
	lib_as_unit_pool(&world.l, &p);
	must_ok(unit_tiling(&p, &t));
	must_eq(t.claimed, 0);
	must(v->members[WRITER].lost_blocks <= (head == 84));
	life_goes_on(84);
}

Test(writer, that_dies_in_commit_leaves_all_or_nothing)
{
	const struct step_case c = { .victim = commit_it, .dies = true,
				     .rivals = reap_writer,
				     .check = published_or_taken_back };
	u64 *data;
	u32 i;

	world_open_plain();
	some_traffic();
	must_zc(zc_writer_acquire_block(world.w, 100, &world.claim, 0));
	data = zc_writer_block_data(world.w, world.claim, NULL);
	for (i = 0; i < 12; i++)
		data[i] = world.w->head;
	must(step_every(&c) > 30);
	world_close();
}

static void acquire_much(void *ctx)
{
	zc_handle_t h;

	(void)ctx;
	/* More than is kept: reclaims, splits, merges, gives back. */
	must_zc(zc_writer_acquire_block(world.w, 6000, &h, 0));
	must_zc(zc_writer_cancel_block(world.w, h));
	zc_kept_flush(world.w);
}

static void only_held_is_left(void *ctx)
{
	(void)ctx;
	life_goes_on(zc_writer_area(&world.l.pool->view, world.w->id)->head);
}

Test(writer, that_dies_in_acquire_leaves_no_leak)
{
	const struct step_case c = { .victim = acquire_much, .dies = true,
				     .rivals = reap_writer,
				     .check = only_held_is_left };

	world_open_plain();
	some_traffic();
	must(step_every(&c) > 300);
	world_close();
}

static void leave_all(void *ctx)
{
	(void)ctx;
	/* As zc_writer_unregister() would free what the parent needs. */
	zc_kept_flush(world.w);
	zc_cached_return(world.w);
	zc_deferred_leave(world.w);
}

Test(writer, that_dies_in_leaving_leaves_no_leak)
{
	const struct step_case c = { .victim = leave_all, .dies = true,
				     .rivals = reap_writer,
				     .check = only_held_is_left };

	world_open_plain();
	some_traffic();
	must(step_every(&c) > 100);
	world_close();
}

static void defer_all(void *ctx)
{
	(void)ctx;
	while (world.w->tail < world.w->head)
		zc_writer_reclaim(world.w, false);
}

static u32 deferred_named(const zc_writer_t *w)
{
	const struct zc_view *v = &world.l.pool->view;
	const struct zc_deferred_entry *d = zc_deferred(v, w->id);
	u32 nr = 0, i;

	for (i = 0; i < v->deferred_entries; i++)
		nr += d[i].sequence != 0;
	return nr;
}

static void talk(zc_writer_t *w, u32 messages)
{
	zc_handle_t h;

	while (messages--) {
		must_zc(lib_send(w, 100, 0));
		must_zc(lib_receive(world.r, &h, NULL));
		must_zc(zc_reader_release_block(world.r, h));
	}
}

/* Who looks at the dead writer's array looks no further than it says. */
static void none_is_named_beyond_the_end(void)
{
	const struct zc_view *v = &world.l.pool->view;
	const struct zc_deferred_entry *d = zc_deferred(v, world.w->id);
	u32 i;

	for (i = zc_writer_area(v, world.w->id)->deferred_nr; i < v->deferred_entries; i++)
		must_eq(d[i].sequence, 0);
}

/* What is held is in the array once, and the adopter knows of all that is there. */
static void each_is_deferred_once(void *ctx)
{
	zc_writer_t *w = lib_plain_writer(&world.l);
	zc_handle_t h;
	u32 i;

	(void)ctx;
	talk(w, 80);
	must_eq(w->deferred_used, 3);
	must_eq(deferred_named(w), 3);
	for (i = 0; i < 3; i++)
		must_zc(zc_reader_release_block(world.r, world.held[i]));
	talk(w, 80);
	must_eq(w->deferred_used, 0);
	must_eq(deferred_named(w), 0);
	must_zc(zc_writer_acquire_block(w, SMALL, &h, 0));
	must_zc(zc_writer_cancel_block(w, h));
	zc_kept_flush(w);
	must_eq(w->used_granules, 0);
	zc_writer_unregister(w);
	lib_all_free(&world.l);
}

static void none_beyond_and_each_once(void *ctx)
{
	none_is_named_beyond_the_end();
	each_is_deferred_once(ctx);
}

Test(writer, that_dies_in_deferring_leaves_each_block_to_its_successor_once)
{
	const struct step_case c = { .victim = defer_all, .dies = true,
				     .rivals = reap_writer,
				     .check = none_beyond_and_each_once };
	u32 i;

	world_open_plain();
	for (i = 0; i < 3; i++) {
		must_zc(lib_send(world.w, 150, 0));
		must_zc(lib_receive(world.r, &world.held[i], NULL));
	}
	must_eq(world.w->deferred_used, 0);
	must(step_every(&c) > 50);
	must_eq(world.w->deferred_used, 3);
	world_close();
}

/* An earlier version of the library named a block beyond what it said that it used. */
Test(writer, that_adopts_forgets_what_is_named_beyond_the_end)
{
	struct zc_writer_area *area;
	struct zc_deferred_entry *d;
	u32 i;

	world_open_plain();
	for (i = 0; i < 3; i++) {
		must_zc(lib_send(world.w, 150, 0));
		must_zc(lib_receive(world.r, &world.held[i], NULL));
	}
	area = world.w->area;
	d = zc_deferred(&world.l.pool->view, world.w->id);
	defer_all(NULL);
	must_eq(area->deferred_nr, 3);
	/* As if it had died in deferring the second, which is still in the ring. */
	area->tail = 2;
	area->deferred_nr = 1;
	d[2].sequence = 0;
	reap_writer(NULL);
	each_is_deferred_once(NULL);
	zc_reader_unregister(world.r);
	lib_close(&world.l);
}

/* --- a reader dies ------------------------------------------------------------- */

static void reap_reader(void *ctx)
{
	(void)ctx;
	lib_reap(&world.l, READER);
}

static void poll_and_release(void *ctx)
{
	zc_handle_t h;

	(void)ctx;
	must_zc(zc_reader_poll_block(world.r, 0, &h, 0));
	must_zc(zc_reader_release_block(world.r, world.held[1]));
	must_zc(zc_reader_release_block(world.r, h));
}

static void all_comes_back(void *ctx)
{
	zc_handle_t h;

	(void)ctx;
	must_zc(zc_writer_acquire_block(world.w, SMALL, &h, 0));
	must_zc(zc_writer_cancel_block(world.w, h));
	zc_kept_flush(world.w);
	nothing_is_lost(0);
	must_eq(world.w->used_granules, 0);
	must_eq(world.w->deferred_used, 0);
}

Test(reader, that_dies_holding_blocks_nothing)
{
	const struct step_case c = { .victim = poll_and_release, .dies = true,
				     .rivals = reap_reader,
				     .check = all_comes_back };

	world_open_plain();
	some_traffic();
	must_zc(lib_send(world.w, 100, 0));
	must(step_every(&c) > 50);
	world_close();
}

/* --- a reader is stopped ------------------------------------------------------------- */

static void poll_once(void *ctx)
{
	(void)ctx;
	world.result = zc_reader_poll_block(world.r, 0, &world.got, 0);
}

/* The writer goes on as long as it is let: over all memory, round the ring. */
static void writer_goes_on(void *ctx)
{
	u32 i;

	(void)ctx;
	for (i = 0; i < world.sends; i++)
		if (lib_send(world.w, 700, 0))
			break;
}

/* What it got is what was sent, now and after more of the same. */
static void got_is_intact(void *ctx)
{
	if (!world.result)
		lib_verify(world.r, world.got);
	writer_goes_on(ctx);
	if (!world.result) {
		lib_verify(world.r, world.got);
		must_zc(zc_reader_release_block(world.r, world.got));
	}
	/* And nothing in what follows is torn, either. */
	while (!lib_receive(world.r, &world.got, NULL))
		must_zc(zc_reader_release_block(world.r, world.got));
}

static void stopped_in_poll(const zc_writer_options_t *wo,
			    const zc_reader_options_t *ro, u32 before)
{
	const struct step_case c = { .victim = poll_once,
				     .rivals = writer_goes_on,
				     .check = got_is_intact };
	u32 i;

	world_open(wo, ro);
	world.sends = 150;
	for (i = 0; i < before; i++)
		must_zc(lib_send(world.w, 700, 0));
	must(step_every(&c) > 20);
	must_eq(world.result, ZC_OK);
	must_zc(zc_reader_release_block(world.r, world.got));
	world_close();
}

Test(reader, stopped_in_poll_gets_what_is_kept_for_it)
{
	zc_writer_options_t wo = ZC_WRITER_OPTIONS_INIT;
	zc_reader_options_t ro = ZC_READER_OPTIONS_INIT;

	stopped_in_poll(&wo, &ro, 1);
}

/* models/demote.pml: the floor is raised while it is in the middle of a poll. */
Test(reader, stopped_in_poll_notices_that_it_was_floored)
{
	zc_writer_options_t wo = ZC_WRITER_OPTIONS_INIT;
	zc_reader_options_t ro = ZC_READER_OPTIONS_INIT;

	wo.on_slow = ZC_ON_SLOW_DROP_OLDEST;
	wo.lag_limit = 10;
	stopped_in_poll(&wo, &ro, 9);
}

Test(reader, stopped_in_poll_notices_that_it_was_cut)
{
	zc_writer_options_t wo = ZC_WRITER_OPTIONS_INIT;
	zc_reader_options_t ro = ZC_READER_OPTIONS_INIT;

	wo.on_slow = ZC_ON_SLOW_DISCONNECT;
	wo.lag_limit = 10;
	stopped_in_poll(&wo, &ro, 9);
}

/* models/torn.pml: the slot of the ring is used again under its eyes. */
Test(reader, stopped_in_poll_of_an_overwrite_topic_is_not_torn)
{
	zc_writer_options_t wo = ZC_WRITER_OPTIONS_INIT;
	zc_reader_options_t ro = ZC_READER_OPTIONS_INIT;

	wo.overwrite = true;
	wo.history = 4;
	stopped_in_poll(&wo, &ro, 3);
}

Test(reader, stopped_in_poll_without_anything_kept_is_not_torn)
{
	zc_writer_options_t wo = ZC_WRITER_OPTIONS_INIT;
	zc_reader_options_t ro = ZC_READER_OPTIONS_INIT;

	ro.best_effort = true;
	stopped_in_poll(&wo, &ro, 1);
}

/* --- a writer is stopped ------------------------------------------------------------- */

static void reclaim_once(void *ctx)
{
	(void)ctx;
	zc_writer_reclaim(world.w, true);
	zc_kept_flush(world.w);
}

static void reader_polls(void *ctx)
{
	(void)ctx;
	world.result = zc_reader_poll_block(world.r, 0, &world.got, 0);
}

static void got_is_kept(void *ctx)
{
	u32 i;

	(void)ctx;
	if (!world.result)
		lib_verify(world.r, world.got);
	for (i = 0; i < 100 && !lib_send(world.w, 100, 0); i++)
		;
	if (!world.result) {
		lib_verify(world.r, world.got);
		must_zc(zc_reader_release_block(world.r, world.got));
	}
	while (!lib_receive(world.r, &world.got, NULL))
		must_zc(zc_reader_release_block(world.r, world.got));
	all_comes_back(ctx);
}

static void poll_against_reclaim(const struct step_case *c, bool best_effort)
{
	zc_writer_options_t wo = ZC_WRITER_OPTIONS_INIT;
	zc_reader_options_t ro = ZC_READER_OPTIONS_INIT;
	u32 i;

	ro.best_effort = best_effort;
	world_open(&wo, &ro);
	for (i = 0; i < 3; i++)
		must_zc(lib_send(world.w, 100, 0));
	must(step_every(c) > 50);
	world_close();
}

static void stopped_in_reclaim(bool best_effort)
{
	const struct step_case c = { .victim = reclaim_once,
				     .rivals = reader_polls,
				     .check = got_is_kept };

	poll_against_reclaim(&c, best_effort);
}

Test(writer, stopped_in_reclaim_keeps_what_a_reader_took)
{
	stopped_in_reclaim(false);
}

Test(writer, stopped_in_reclaim_keeps_what_a_hazard_reader_took)
{
	stopped_in_reclaim(true);
}

/* Taken back and not used yet: what its record says is still what it said. */
Test(reader, stopped_in_poll_never_gets_what_was_taken_back)
{
	const struct step_case c = { .victim = poll_once,
				     .rivals = reclaim_once,
				     .check = got_is_kept };

	poll_against_reclaim(&c, true);
}
