/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_lib_closing.c - a pool is not closed from inside.
 */
#include <sched.h>

#include "lib.h"

struct closing {
	struct lib l;
	bool asked, inside;	/* (atomic) */
};

/* The cleaner's thread: closes its pool when it is in no list any more. */
static bool closes_its_pool(const zc_clean_stats_t *stats, void *ctx)
{
	struct closing *c = ctx;

	(void)stats;
	if (!__atomic_load_n(&c->asked, __ATOMIC_ACQUIRE))
		return false;
	__atomic_store_n(&c->inside, true, __ATOMIC_RELEASE);
	while (__atomic_load_n(&c->l.pool->cleaners, __ATOMIC_ACQUIRE))
		sched_yield();
	zc_pool_close(c->l.pool);
	must(strstr(zc_last_error(), "close the pool that called it"));
	__atomic_store_n(&c->asked, false, __ATOMIC_RELEASE);
	return false;
}

Test(closing, in_a_cleaner_that_is_stopped_is_refused)
{
	zc_cleaner_options_t o = ZC_CLEANER_OPTIONS_INIT;
	zc_clean_strategy_t strategy = ZC_CLEAN_STRATEGY_INIT;
	struct closing c = { .asked = false };
	zc_pool_load_t load = { .sz = sizeof(load) };
	zc_cleaner_t *cleaner;

	lib_open(&c.l, 64 << 10);
	strategy.should_scan = closes_its_pool;
	strategy.ctx = &c;
	must_zc(zc_set_clean_strategy(c.l.pool, &strategy));
	must_zc(zc_cleaner_start(c.l.pool, &o, &cleaner));
	__atomic_store_n(&c.asked, true, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&c.inside, __ATOMIC_ACQUIRE))
		sched_yield();
	zc_cleaner_stop(cleaner);
	must(!c.asked);
	must_zc(zc_pool_get_load(c.l.pool, &load));
	must_eq(load.members, 1);
	lib_close(&c.l);
}

/* A hook in a thread of the program's, which is in zc_pool_next_event(). */
static void closes_when_told(zc_pool_t *pool, const zc_event_t *event, void *ctx)
{
	struct zc_event_record resized = { .type = ZC_EVENT_SEGMENT_ADDED,
					   .time_ns = zc_timestamp() };
	unsigned int *told = ctx;

	(void)event;
	/* Nor behind the hook of another event, or pool, that it was told of meanwhile. */
	zc_hook_event(pool, &resized);
	zc_pool_close(pool);
	must(strstr(zc_last_error(), "handler or hook"));
	++*told;
}

static void is_resized(zc_pool_t *pool, uint64_t bytes, void *ctx)
{
	unsigned int *told = ctx;

	(void)pool;
	(void)bytes;
	++*told;
}

Test(closing, in_a_hook_of_an_event_that_is_asked_for_is_refused)
{
	struct zc_event_record died = { .type = ZC_EVENT_MEMBER_DIED, .member = 1,
					.service = ~0U };
	zc_hooks_t hooks = ZC_HOOKS_INIT;
	zc_pool_load_t load = { .sz = sizeof(load) };
	unsigned int told = 0;
	struct lib l;

	lib_open(&l, 64 << 10);
	hooks.member_died = closes_when_told;
	hooks.pool_resized = is_resized;
	hooks.ctx = &told;
	must_zc(zc_set_hooks(l.pool, &hooks));
	died.time_ns = zc_timestamp();
	zc_hook_event(l.pool, &died);
	must_eq(told, 2);
	must_zc(zc_pool_get_load(l.pool, &load));
	must_eq(load.members, 1);
	/* From here it may. */
	lib_close(&l);
}
