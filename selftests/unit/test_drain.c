/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_drain.c - a segment is marked as draining by one, who may be late, or dead.
 */
#include "lib.h"
#include "shrink.h"

/* Leaves the fast path, as who was rung does, and looks what drains. */
static void writer_looks(zc_writer_t *w)
{
	zc_handle_t handle;

	must_zc(zc_writer_acquire_block(w, 100, &handle, 0));
	must_zc(zc_writer_cancel_block(w, handle));
}

Test(drain, again_is_noticed_and_the_late_one_steps_back)
{
	struct zc_drain late = { .turn_ns = 1 }, next = { .turn_ns = 1 };
	struct zc_hints *hints;
	struct lib l;
	zc_writer_t *w;
	u32 first;

	lib_open(&l, 64 << 10);
	hints = l.pool->view.hints;
	w = lib_plain_writer(&l);
	must_eq(zc_drain_step(l.pool, &late, zc_timestamp()), ZC_DRAINED_NOT_YET);
	first = hints->draining;
	must_eq(zc_draining(&l.pool->view), 1);
	writer_looks(w);
	must_eq(w->drained, first);
	/* Nobody is as patient. */
	must_eq(zc_drain_step(l.pool, &next, zc_timestamp()), ZC_DRAINED_NOT_YET);
	must_eq(hints->draining, first);
	must_eq(next.segment, 0);

	/* The lease is over; the writer takes from there; another has it drain anew. */
	hints->drain_until_ns = 1;
	must_eq(zc_draining(&l.pool->view), 0);
	writer_looks(w);
	must_eq(w->drained, first);
	must_eq(zc_drain_step(l.pool, &next, zc_timestamp()), ZC_DRAINED_NOT_YET);
	must_eq(zc_draining(&l.pool->view), 1);
	must(hints->draining != first);
	writer_looks(w);
	must_eq(w->drained, hints->draining);

	/* The one of before goes on, and disturbs nobody. */
	first = hints->draining;
	zc_drain_step(l.pool, &late, zc_timestamp());
	must_eq(late.segment, 0);
	must_eq(hints->draining, first);
	zc_drain_end(l.pool, &late);
	must_eq(hints->draining, first);
	zc_drain_end(l.pool, &next);
	must_eq(zc_draining(&l.pool->view), 0);

	/* However far away somebody wrote that it ends. */
	hints->draining = 1;
	hints->drain_until_ns = ~0ULL;
	must_eq(zc_draining(&l.pool->view), 0);
	hints->drain_until_ns = zc_timestamp() + 1000000000000ULL;
	must_eq(zc_draining(&l.pool->view), 0);
	hints->draining = ~0U;
	hints->drain_until_ns = zc_timestamp() + 1000000000ULL;
	writer_looks(w);
	zc_writer_unregister(w);
	lib_close(&l);
}

/* Who only looks for messages heard the bell, too: it gives back what it keeps. */
Test(drain, is_noticed_by_who_asks_for_messages)
{
	struct zc_drain drain = { .turn_ns = 1 };
	zc_writer_t *w;
	struct lib l;

	lib_open(&l, 64 << 10);
	w = lib_plain_writer(&l);
	writer_looks(w);
	must(w->kept_granules);
	must_eq(zc_drain_step(l.pool, &drain, zc_timestamp()), ZC_DRAINED_NOT_YET);
	must_zc(zc_writer_check_message(w, NULL, NULL, NULL, 0));
	must_eq(w->drained, l.pool->view.hints->draining);
	must(!w->kept_granules);
	zc_drain_end(l.pool, &drain);
	zc_writer_unregister(w);
	lib_close(&l);
}
