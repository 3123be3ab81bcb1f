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
