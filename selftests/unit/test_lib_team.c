/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_lib_team.c - what a cleaner tells a policy of its team.
 */
#include <sched.h>

#include "lib.h"

struct team {
	struct lib l;
	u32 asked, nonsense;	/* (atomic) */
};

/* In the cleaner's thread, just before a pass: as if it had not looked for years. */
static bool comes_late(const zc_clean_stats_t *stats, void *ctx)
{
	struct team *t = ctx;

	(void)stats;
	zc_store_relaxed(&zc_node_area(&t->l.pool->view, 0)->due_ns, 1);
	return true;
}

static bool counts(const zc_stats_t *stats, int current, void *ctx)
{
	struct team *t = ctx;

	(void)stats;
	if (current != 1)
		__atomic_add_fetch(&t->nonsense, 1, __ATOMIC_RELAXED);
	__atomic_add_fetch(&t->asked, 1, __ATOMIC_RELEASE);
	return false;
}

Test(team, one_that_is_late_counts_itself)
{
	zc_scaling_policy_t policy = ZC_SCALING_POLICY_INIT;
	zc_clean_strategy_t strategy = ZC_CLEAN_STRATEGY_INIT;
	struct team t = { .asked = 0 };
	zc_cleaner_t *cleaner;

	lib_open(&t.l, 64 << 10);
	strategy.should_scan = comes_late;
	policy.should_scale_up = counts;
	strategy.ctx = policy.ctx = &t;
	must_zc(zc_set_clean_strategy(t.l.pool, &strategy));
	must_zc(zc_set_scaling_policy(t.l.pool, &policy));
	must_zc(zc_cleaner_start(t.l.pool, NULL, &cleaner));
	while (__atomic_load_n(&t.asked, __ATOMIC_ACQUIRE) < 3)
		sched_yield();
	zc_cleaner_stop(cleaner);
	must_eq(t.nonsense, 0);
	lib_close(&t.l);
}
