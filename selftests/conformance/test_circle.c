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

/* --- one pool --------------------------------------------------------------------------- */

static struct {
	zc_pool_t *pool;
	zc_cleaner_t *cleaner, *other;
	zc_messagering_t *node;
	uint64_t may, refused, done;
	zc_result_t result;
} at;

static void stops_it(zc_cleaner_t *cleaner)
{
	if (!of(&at.may) || of(&at.done))
		return;
	zc_cleaner_stop(cleaner);
	set(&at.refused, was_refused());
	set(&at.done, 1);
}

static bool policy_stops(const zc_stats_t *stats, int current, void *ctx)
{
	(void)stats;
	(void)current;
	(void)ctx;
	stops_it(at.cleaner);
	return false;
}

static bool segments_stop(const zc_stats_t *stats, int segments, void *ctx)
{
	(void)stats;
	(void)segments;
	(void)ctx;
	stops_it(at.cleaner);
	return false;
}

static bool strategy_stops(const zc_clean_stats_t *stats, void *ctx)
{
	(void)stats;
	(void)ctx;
	stops_it(at.cleaner);
	return false;
}

static zc_cleaner_t *cleaner_of(zc_pool_t *pool)
{
	zc_cleaner_options_t options = ZC_CLEANER_OPTIONS_INIT;
	zc_cleaner_t *cleaner;

	options.idle_ns = 1000000;
	CHECK_OK(zc_cleaner_start(pool, &options, &cleaner));
	return cleaner;
}

static uint32_t id_of(zc_cleaner_t *cleaner)
{
	zc_cleaner_stats_t stats = { .sz = sizeof(stats) };

	CHECK_OK(zc_cleaner_get_stats(cleaner, &stats));
	return stats.id;
}

static zc_pool_t *growing_pool(void)
{
	zc_pool_options_t options = t_pool_options();

	options.bytes = 1 << 20;
	options.segment_bytes = 1 << 20;
	options.max_bytes = 2 << 20;
	return t_pool_create(&options);
}

static void cleaner_stays(void)
{
	set(&at.may, 1);
	T_UNTIL(of(&at.done));
	CHECK(of(&at.refused));
	CHECK_OP(id_of(at.cleaner), <, 8);
	zc_cleaner_stop(at.cleaner);
	t_pool_check_rest(at.pool);
	t_pool_close(at.pool);
}

static void policy_does_not_stop_its_cleaner(void)
{
	zc_scaling_policy_t policy = ZC_SCALING_POLICY_INIT;

	at.pool = t_pool_create(NULL);
	policy.should_scale_up = policy_stops;
	CHECK_OK(zc_set_scaling_policy(at.pool, &policy));
	at.cleaner = cleaner_of(at.pool);
	cleaner_stays();
}

static void growth_does_not_stop_its_cleaner(void)
{
	zc_scaling_policy_t policy = ZC_SCALING_POLICY_INIT;

	at.pool = growing_pool();
	policy.should_grow = segments_stop;
	CHECK_OK(zc_set_scaling_policy(at.pool, &policy));
	at.cleaner = cleaner_of(at.pool);
	cleaner_stays();
}

static void strategy_does_not_stop_its_cleaner(void)
{
	zc_clean_strategy_t strategy = ZC_CLEAN_STRATEGY_INIT;

	at.pool = t_pool_create(NULL);
	strategy.should_scan = strategy_stops;
	CHECK_OK(zc_set_clean_strategy(at.pool, &strategy));
	at.cleaner = cleaner_of(at.pool);
	cleaner_stays();
}

static void call(zc_messagering_t *node, zc_cleaner_t *cleaner)
{
	zc_result_t result;

	/* Whoever does not look for a quarter of a second is out of the ring for a while; and
	 * who has 16 to look at gets no more. */
	do
		result = zc_messagering_post(node, id_of(cleaner), ZC_MSG_USER, NULL, 0, 0);
	while ((result == ZC_ERROR_NOT_FOUND || result == ZC_ERROR_BUSY) && t_left_ns());
	CHECK_OK(result);
}

static void handles(zc_cleaner_t *cleaner, zc_message_handler_t handler, uint64_t ctx)
{
	CHECK_OK(zc_cleaner_handle(cleaner, ZC_MSG_USER, handler, (void *)(uintptr_t)ctx));
}

static void stops_the_other(const zc_message_t *message, void *ctx)
{
	(void)message;
	(void)ctx;
	stops_it(at.other);
}

/* It may be stopping this one. */
static void cleaner_does_not_stop_another(void)
{
	at.pool = t_pool_create(NULL);
	t_no_more_cleaners(at.pool);
	at.cleaner = cleaner_of(at.pool);
	at.other = cleaner_of(at.pool);
	CHECK_OK(zc_messagering_register(at.pool, &at.node));
	handles(at.cleaner, stops_the_other, 0);
	set(&at.may, 1);
	do {
		call(at.node, at.cleaner);
		/* A node that does not look is passed over. */
		zc_messagering_on_message(at.node, 1000000, NULL);
	} while (!of(&at.done));
	CHECK(of(&at.refused));
	CHECK_OP(id_of(at.other), <, 8);
	zc_cleaner_stop(at.other);
	zc_messagering_unregister(at.node);
	cleaner_stays();
}

static void pressure_stops(zc_pool_t *pool, zc_pressure_t level, uint32_t used, void *ctx)
{
	(void)pool;
	(void)level;
	(void)used;
	(void)ctx;
	stops_it(at.cleaner);
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

static void hook_of_the_pool_stops_a_cleaner(void)
{
	at.pool = t_pool_create(NULL);
	t_no_more_cleaners(at.pool);
	at.cleaner = cleaner_of(at.pool);
	set(&at.may, 1);
	hooks_into(at.pool, pressure_stops, 0);
	T_UNTIL(of(&at.done));
	CHECK(!of(&at.refused));
	/* Its place is another's. */
	for (unsigned int i = 0; i < 8; i++)
		cleaner_of(at.pool);
	t_pool_close(at.pool);
}

static void shrinks(const zc_message_t *message, void *ctx)
{
	(void)message;
	(void)ctx;
	if (of(&at.done))
		return;
	at.result = zc_pool_shrink(at.pool, 1, t_wait_ns());
	set(&at.done, 1);
}

/* Another one cleans meanwhile, which this thread waits for. */
static void pool_shrinks_in_a_handler_of_its_cleaner(void)
{
	zc_scaling_policy_t policy = ZC_SCALING_POLICY_INIT;

	at.pool = growing_pool();
	/* By nobody else: @at.may is not set. */
	policy.should_shrink = segments_stop;
	CHECK_OK(zc_set_scaling_policy(at.pool, &policy));
	CHECK_OK(zc_pool_grow(at.pool, 1));
	at.cleaner = cleaner_of(at.pool);
	CHECK_OK(zc_messagering_register(at.pool, &at.node));
	handles(at.cleaner, shrinks, 0);
	call(at.node, at.cleaner);
	T_UNTIL(of(&at.done));
	CHECK_OK(at.result);
	zc_messagering_unregister(at.node);
	zc_cleaner_stop(at.cleaner);
	t_pool_check_rest(at.pool);
	t_pool_close(at.pool);
}

static void pressure_shrinks(zc_pool_t *pool, zc_pressure_t level, uint32_t used, void *ctx)
{
	(void)level;
	(void)used;
	(void)ctx;
	if (of(&at.done))
		return;
	at.result = zc_pool_shrink(pool, 1, t_wait_ns());
	set(&at.done, 1);
}

/* Does a cleaner clean that the library started? */
static bool is_cleaned(void)
{
	zc_cleaner_info_t info = { .sz = sizeof(info) };
	zc_result_t result = zc_inspect_cleaner(at.pool, 0, &info);

	if (result)
		CHECK_RESULT(result, ZC_ERROR_NOT_FOUND);
	return !result && info.passes;
}

static void is_closed_while_a_hook_shrinks_it(void)
{
	struct t_writer writer;
	zc_handle_t handle;

	set(&at.done, 0);
	at.pool = growing_pool();
	CHECK_OK(zc_pool_grow(at.pool, 1));
	t_writer_open(&writer, at.pool, "circle/shrink/main", NULL);
	/* One in each segment: none goes until the writer does. */
	for (unsigned int i = 0; i < 2; i++)
		CHECK_OK(zc_writer_acquire_block(writer.role, 600 << 10, &handle,
						 t_wait_ns()));
	hooks_into(at.pool, pressure_shrinks, 0);
	T_UNTIL(is_cleaned());
	t_pool_close(at.pool);
	CHECK(of(&at.done));
	CHECK_OK(at.result);
	CHECK_OK(zc_pool_remove(t_name(0)));
}

/*
 * Who closes it waits for the hook, and ends all but the cleaner that the hook needs.
 * More than once: that one cleans already when the hook's thread goes on.
 */
static void pool_is_closed_while_a_hook_shrinks_it(void)
{
	for (unsigned int i = 0; i < 8; i++)
		is_closed_while_a_hook_shrinks_it();
}

/* --- two pools ----------------------------------------------------------------------------- */

static struct {
	zc_pool_t *pool[2];
	zc_cleaner_t *cleaner[2];
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

static void stops_the_others(const zc_message_t *message, void *ctx)
{
	unsigned int me = (unsigned int)(uintptr_t)ctx;

	(void)message;
	if (!begins(me))
		return;
	zc_cleaner_stop(two.cleaner[!me]);
	ends(me, was_refused());
}

static void handlers_stop_each_others_cleaner(void)
{
	zc_messagering_t *node[2];

	make_two();
	for (unsigned int i = 0; i < 2; i++) {
		two.cleaner[i] = cleaner_of(two.pool[i]);
		handles(two.cleaner[i], stops_the_others, i);
		CHECK_OK(zc_messagering_register(two.pool[i], &node[i]));
	}
	for (unsigned int i = 0; i < 2; i++)
		call(node[i], two.cleaner[i]);
	one_was_refused();
	for (unsigned int i = 0; i < 2; i++)
		zc_pool_close(two.pool[i]);
}

int main(int argc, char **argv)
{
	static const struct t_case cases[] = {
		T_CASE(policy_does_not_stop_its_cleaner),
		T_CASE(growth_does_not_stop_its_cleaner),
		T_CASE(strategy_does_not_stop_its_cleaner),
		T_CASE(cleaner_does_not_stop_another),
		T_CASE(hook_of_the_pool_stops_a_cleaner),
		T_CASE(pool_shrinks_in_a_handler_of_its_cleaner),
		T_CASE(pool_is_closed_while_a_hook_shrinks_it),
		T_CASE(hooks_open_each_others_pool_while_both_are_closed),
		T_CASE(hooks_close_each_others_pool),
		T_CASE(handlers_stop_each_others_cleaner),
		T_END
	};

	return t_main(argc, argv, cases);
}
