/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_circle.c - hooks, handlers and policies that end, in threads of the library, what
 * other threads of the library run in.
 *
 * They may, as long as these do not wait for them.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"

static uint64_t of(const uint64_t *word)
{
	return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

static void set(uint64_t *word, uint64_t value)
{
	__atomic_store_n(word, value, __ATOMIC_SEQ_CST);
}

static bool was_refused(void)
{
	return strstr(zc_last_error(), "handler or hook");
}

static zc_pressure_t is_high(const zc_pressure_stats_t *stats, void *ctx)
{
	(void)stats;
	(void)ctx;
	return ZC_PRESSURE_HIGH;
}

static void hooks_into(zc_pool_t *pool,
		       void (*hook)(zc_pool_t *, zc_pressure_t, uint32_t, void *),
		       uint64_t ctx)
{
	zc_backpressure_strategy_t strategy = ZC_BACKPRESSURE_STRATEGY_INIT;
	zc_hooks_t hooks = ZC_HOOKS_INIT;

	strategy.level = is_high;
	CHECK_OK(zc_set_backpressure_strategy(pool, &strategy));
	hooks.backpressure = hook;
	hooks.ctx = (void *)(uintptr_t)ctx;
	CHECK_OK(zc_set_hooks(pool, &hooks));
}

/* --- two pools ----------------------------------------------------------------------------- */

static struct {
	zc_pool_t *pool[2];
	uint64_t in[2], closing[2], refused[2], done[2];
} two;

/* Once each, when the other is in its own. */
static bool begins(unsigned int me)
{
	if (of(&two.in[me]))
		return false;
	set(&two.in[me], 1);
	T_UNTIL(of(&two.in[!me]));
	return true;
}

static void ends(unsigned int me, bool refused)
{
	set(&two.refused[me], refused);
	set(&two.done[me], 1);
}

/* Hooks may close them: the harness is not to. */
static void make_two(void)
{
	zc_pool_options_t options = t_pool_options();

	for (unsigned int i = 0; i < 2; i++)
		CHECK_OK(zc_pool_create(t_name(i), &options, &two.pool[i]));
}

static void one_was_refused(void)
{
	T_UNTIL(of(&two.done[0]) && of(&two.done[1]));
	CHECK_EQ(of(&two.refused[0]) + of(&two.refused[1]), 1);
}

/* It waits for a thread of its pool. */
static bool closer_sleeps(unsigned int i)
{
	char path[64], state = 0;
	FILE *f;

	if (!of(&two.closing[i]))
		return false;
	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", (int)of(&two.closing[i]));
	f = fopen(path, "re");
	CHECK(f && fscanf(f, "%*d %*s %c", &state) == 1);
	fclose(f);
	return state == 'S';
}

static void *closes(void *arg)
{
	unsigned int i = (unsigned int)(uintptr_t)arg;

	T_UNTIL(of(&two.in[0]) && of(&two.in[1]));
	/* Nothing else to sleep for. */
	if (i)
		T_UNTIL(closer_sleeps(0));
	set(&two.closing[i], (uint64_t)gettid());
	zc_pool_close(two.pool[i]);
	return NULL;
}

static void opens_the_other(zc_pool_t *pool, zc_pressure_t level, uint32_t used, void *ctx)
{
	unsigned int me = (unsigned int)(uintptr_t)ctx;
	zc_result_t result;

	(void)level;
	(void)used;
	if (!begins(me))
		return;
	T_UNTIL(closer_sleeps(1));
	result = zc_pool_open(t_name(!me), &pool);
	if (result)
		CHECK_RESULT(result, ZC_ERROR_BUSY);
	else
		zc_pool_close(pool);
	ends(me, result);
}

static void hooks_open_each_others_pool_while_both_are_closed(void)
{
	pthread_t closer[2];

	make_two();
	for (uintptr_t i = 0; i < 2; i++) {
		hooks_into(two.pool[i], opens_the_other, i);
		CHECK(!pthread_create(&closer[i], NULL, closes, (void *)i));
	}
	for (unsigned int i = 0; i < 2; i++)
		CHECK(!pthread_join(closer[i], NULL));
	one_was_refused();
}

static void closes_the_other(zc_pool_t *pool, zc_pressure_t level, uint32_t used, void *ctx)
{
	unsigned int me = (unsigned int)(uintptr_t)ctx;

	(void)pool;
	(void)level;
	(void)used;
	if (!begins(me))
		return;
	zc_pool_close(two.pool[!me]);
	ends(me, was_refused());
}

static void hooks_close_each_others_pool(void)
{
	make_two();
	for (unsigned int i = 0; i < 2; i++)
		hooks_into(two.pool[i], closes_the_other, i);
	one_was_refused();
	/* The pool of who was refused is closed. */
	zc_pool_close(two.pool[of(&two.refused[0])]);
}

int main(int argc, char **argv)
{
	static const struct t_case cases[] = {
		T_CASE(hooks_open_each_others_pool_while_both_are_closed),
		T_CASE(hooks_close_each_others_pool),
		T_END
	};

	return t_main(argc, argv, cases);
}
