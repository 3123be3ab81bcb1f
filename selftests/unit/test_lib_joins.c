/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_lib_joins.c - roles whose process dies while they come to be.
 */
#include <stdlib.h>

#include "backend.h"
#include "lib.h"
#include "step.h"

#define SMALL (64 << 10)
#define PEER 40		/* another member, which lives */

static struct {
	struct lib l;
	zc_writer_t *w;
	zc_reader_t *r;
	zc_handle_t held;
	u64 committed;
} world;

static void belong_to_peer(u64 *life)
{
	world.l.pool->view.members[PEER].life = zc_life(1, 0, ZC_LIFE_LIVE);
	*life = zc_life(zc_life_incarnation(*life), PEER, ZC_LIFE_LIVE);
}

/* This process is dead: its roles are gone, what it had is back. */
static void reap_me(void *ctx)
{
	struct unit_pool p;

	(void)ctx;
	lib_reap(&world.l, world.l.pool->member);
	lib_as_unit_pool(&world.l, &p);
	/* What comes now is another process's: it has locks of its own. */
	unit_member_join(&p, world.l.pool->member);
	pthread_mutex_init(&world.l.pool->lock, NULL);
	pthread_mutex_init(&world.l.pool->map_lock, NULL);
}

/* --- a reader dies while it joins --------------------------------------------------------- */

static const zc_reader_options_t *reader_options;

static void join_as_reader(void *ctx)
{
	zc_reader_t *r;

	(void)ctx;
	must_zc(zc_reader_register(world.l.pool, reader_options, &r));
}

/* The writer has no reader: all that it sent comes back, round the ring. */
static void writer_has_no_reader(void *ctx)
{
	struct zc_writer_slot *slot = world.w->slot;
	zc_handle_t h;
	u32 i;

	(void)ctx;
	must_eq(zc_mask_bits(slot->active), 0);
	must_eq(zc_mask_bits(slot->hazard), 0);
	for (i = 0; i < ZC_MAX_READERS_PER; i++)
		must_eq(zc_life_state(zc_reader_slot(&world.l.pool->view,
						     world.w->id, i)->life),
			ZC_LIFE_IDLE);
	for (i = 0; i < 200; i++)
		must_zc(lib_send(world.w, 500, 0));
	must_zc(zc_writer_acquire_block(world.w, SMALL, &h, 0));
	must_zc(zc_writer_cancel_block(world.w, h));
}

static void reader_dies(const zc_reader_options_t *o)
{
	const struct step_case c = { .victim = join_as_reader, .dies = true,
				     .allocates = true,
				     .rivals = reap_me,
				     .check = writer_has_no_reader };
	zc_reader_options_t with_name = *o;
	u32 i;

	memset(&world, 0, sizeof(world));
	with_name.service = SERVICE;
	reader_options = &with_name;
	lib_open(&world.l, SMALL);
	world.w = lib_plain_writer(&world.l);
	for (i = 0; i < 5; i++)
		must_zc(lib_send(world.w, 64, 0));
	lib_make_private(&world.l);
	belong_to_peer(&world.w->slot->life);
	must(step_every(&c) > 300);
	lib_close(&world.l);
}

Test(join, of_a_reader_that_dies_leaves_nothing)
{
	const zc_reader_options_t o = ZC_READER_OPTIONS_INIT;

	reader_dies(&o);
}

Test(join, of_a_history_reader_that_dies_leaves_nothing)
{
	zc_reader_options_t o = ZC_READER_OPTIONS_INIT;

	o.history = 3;
	reader_dies(&o);
}

/* --- a reader is counted while it joins ------------------------------------------------ */

static void register_reader(void *ctx)
{
	(void)ctx;
	must_zc(zc_reader_register(world.l.pool, reader_options, &world.r));
}

static u32 readers_counted(void)
{
	zc_service_info_t info = { .sz = sizeof(info) };

	must_zc(zc_inspect_service(world.l.pool, world.w->id, &info));
	return info.readers;
}

static void send_to_who_is_counted(void *ctx)
{
	(void)ctx;
	world.committed = readers_counted();
	if (world.committed)
		must_zc(lib_send(world.w, 64, 0));
}

static void who_was_counted_has_it(void *ctx)
{
	zc_handle_t h;

	(void)ctx;
	must_eq(readers_counted(), 1);
	if (world.committed)
		must_zc(zc_reader_poll_block(world.r, 0, &h, 0));
}

/* Whoever waits for readers, and then begins, begins for all of them. */
Test(join, of_a_reader_is_counted_when_it_begins)
{
	const struct step_case c = { .victim = register_reader,
				     .allocates = true,
				     .rivals = send_to_who_is_counted,
				     .check = who_was_counted_has_it };
	zc_reader_options_t o = ZC_READER_OPTIONS_INIT;

	memset(&world, 0, sizeof(world));
	o.service = SERVICE;
	reader_options = &o;
	lib_open(&world.l, SMALL);
	world.w = lib_plain_writer(&world.l);
	must_zc(lib_send(world.w, 64, 0));
	lib_make_private(&world.l);
	must(step_every(&c) > 300);
	lib_close(&world.l);
}

/* --- a reader joins where another was -------------------------------------------------- */

/* Its predecessor fenced its polls.  Before it says what it does, it promises nothing. */
Test(join, of_a_reader_promises_no_fences_of_its_predecessor)
{
	zc_reader_options_t o = ZC_READER_OPTIONS_INIT;
	struct zc_reader joins = { 0 };
	struct zc_service_name name;
	bool hazard;
	zc_reader_t *r;
	struct lib l;

	lib_open(&l, SMALL);
	r = lib_plain_reader(&l);
	r->area->fencing = 1;
	zc_reader_unregister(r);
	must(!zc_service_parse(&name, SERVICE));
	joins.pool = l.pool;
	must_zc(l.pool->backend->reader_join(&joins, &name, &o, &hazard));
	must_eq(joins.id, 0);
	must(!joins.area->fencing);
	l.pool->backend->reader_leave(&joins);
	lib_close(&l);
}

/* --- an adopter dies ------------------------------------------------------------- */

static void adopt(void *ctx)
{
	(void)ctx;
	world.w = lib_plain_writer(&world.l);
}

/* The next adopter finds all that the first one left, and no more. */
static void next_adopts(void *ctx)
{
	zc_handle_t h;
	zc_writer_t *w;
	u64 s;
	u32 i;

	(void)ctx;
	w = lib_plain_writer(&world.l);
	must_eq(w->head, world.committed + 1);
	must_eq(w->deferred_used, 1);
	lib_verify(world.r, world.held);
	for (i = 0; i < 2; i++) {
		must_zc(lib_receive(world.r, &h, &s));
		must_eq(s, world.committed - 1 + i);
		must_zc(zc_reader_release_block(world.r, h));
	}
	must_zc(lib_send(w, 64, 0));
	must_zc(lib_receive(world.r, &h, &s));
	must_eq(s, world.committed + 1);
	must_zc(zc_reader_release_block(world.r, h));
	must_zc(zc_reader_release_block(world.r, world.held));
	must_zc(zc_writer_acquire_block(w, SMALL, &h, 0));
	must_zc(zc_writer_cancel_block(w, h));
	zc_writer_unregister(w);
	lib_all_free(&world.l);
}

/* The reader holds a message; so many others have come and gone since. */
static void world_with_one_held(u32 others)
{
	zc_handle_t h;
	u32 i;

	memset(&world, 0, sizeof(world));
	lib_open(&world.l, SMALL);
	world.r = lib_plain_reader(&world.l);
	world.w = lib_plain_writer(&world.l);
	must_zc(lib_send(world.w, 300, 0));
	must_zc(lib_receive(world.r, &world.held, NULL));
	for (i = 0; i < others; i++) {
		must_zc(lib_send(world.w, 64, 0));
		must_zc(lib_receive(world.r, &h, NULL));
		must_zc(zc_reader_release_block(world.r, h));
	}
}

/* The writer leaves; whoever adopts dies at each instruction. */
static void adopters_die(void (*check)(void *))
{
	const struct step_case c = { .victim = adopt, .dies = true,
				     .allocates = true,
				     .rivals = reap_me, .check = check };

	zc_writer_unregister(world.w);
	lib_make_private(&world.l);
	belong_to_peer(&zc_reader_slot(&world.l.pool->view, world.r->writer,
				       world.r->id)->life);
	must(step_every(&c) > 300);
	lib_close(&world.l);
}

Test(adoption, by_one_who_dies_can_be_done_again)
{
	world_with_one_held(70);
	must_zc(lib_send(world.w, 128, 0));
	must_zc(lib_send(world.w, 128, 0));
	world.committed = world.w->head - 1;
	adopters_die(next_adopts);
}

/* Nobody has to adopt again: another topic's writer finds all that was left. */
static void others_take_it_back(void *ctx)
{
	zc_writer_options_t o = ZC_WRITER_OPTIONS_INIT;
	zc_handle_t h;
	zc_writer_t *w;

	(void)ctx;
	o.service = "unit/test/other";
	w = lib_writer(&world.l, &o);
	lib_verify(world.r, world.held);
	must_zc(zc_reader_release_block(world.r, world.held));
	must_zc(zc_writer_acquire_block(w, SMALL, &h, 0));
	must_zc(zc_writer_cancel_block(w, h));
	zc_writer_unregister(w);
	lib_all_free(&world.l);
}

Test(adoption, by_one_who_dies_leaves_all_to_others)
{
	/* The ring still has the one that is held, and was deferred. */
	world_with_one_held(20);
	zc_writer_reclaim(world.w, true);
	must_eq(world.w->deferred_used, 1);
	adopters_die(others_take_it_back);
}

/* --- a process leaves, or dies on the way -------------------------------------------------- */

static void leave_as_reader(void *ctx)
{
	(void)ctx;
	zc_reader_unregister(world.r);
}

Test(leaving, of_a_reader_that_dies_leaves_nothing)
{
	const struct step_case c = { .victim = leave_as_reader, .dies = true,
				     .allocates = true,
				     .rivals = reap_me,
				     .check = writer_has_no_reader };
	zc_reader_options_t o = ZC_READER_OPTIONS_INIT;
	u32 i;

	memset(&world, 0, sizeof(world));
	lib_open(&world.l, SMALL);
	o.best_effort = true;
	world.r = lib_reader(&world.l, &o);
	world.w = lib_plain_writer(&world.l);
	for (i = 0; i < 5; i++) {
		must_zc(lib_send(world.w, 64, 0));
		must_zc(lib_receive(world.r, &world.held, NULL));
	}
	lib_make_private(&world.l);
	belong_to_peer(&world.w->slot->life);
	must(step_every(&c) > 30);
	lib_close(&world.l);
}
