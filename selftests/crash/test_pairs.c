/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_pairs.c - a second victim comes upon what the first has left, and dies, too.
 *
 * A case a point at which the first dies; the second dies at one other point, at each
 * of them with $ZC_TEST_LONG.  It adopts the topic of the first, reads it, cleans up
 * after it; where the step is one of reaping, nobody else can have done that: the
 * others are stopped from before the first death until after the second.
 */
#include "crash.h"

#ifdef ZC_KILLPOINTS
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static void others_signal(const struct others *others, bool stop)
{
	struct t_peer *all[] = { others->watcher, others->listener,
				 others->talker };

	for (int i = 0; i < 3; i++) {
		if (stop)
			t_stop(all[i]);
		else
			t_continue(all[i]);
	}
}

static void next_acts(enum zc_killpoint point, enum action action, uint64_t nth)
{
	board->point = point;
	board->action = action;
	board->nth = nth;
	for (int i = 0; i < ZC_KP_COUNT; i++)
		board->hits[i] = 0;
}

/* The first stands where it is to die; false: this scenario does not lead there. */
static bool first_comes(const struct scenario *scenario, struct others *others,
			struct t_peer **victim)
{
	bool acted;

	if (!scenario->others_late)
		others_start(others);
	*victim = victim_lives(scenario, &acted);
	if (scenario->others_late)
		others_start(others);
	return acted;
}

/* Returns true when the second died where it should. */
static bool second_comes(enum zc_killpoint point, struct others *others,
			 struct t_peer *first)
{
	const struct scenario *scenario = *scenarios_for(zc_killpoint_name(point));
	struct t_peer *second;
	bool acted;

	if (scenario->others_late)
		others_signal(others, true);
	t_kill(first);
	next_acts(point, ACT_KILL, 1 + t_rand_below(2));
	board->seed++;
	second = victim_lives(scenario, &acted);
	if (scenario->others_late)
		others_signal(others, false);
	(void)second;
	board->deaths += acted;
	return acted;
}

static bool run_pair(enum zc_killpoint one, enum zc_killpoint two, uint64_t seed)
{
	const struct scenario *const *scenario;
	struct t_peer *victim, *next, *guest;
	struct others others;
	bool both;

	t_srand(seed);
	for (scenario = scenarios_for(zc_killpoint_name(one)); *scenario; scenario++) {
		board->seed = seed;
		next = world_make(&others, &guest);
		next_acts(one, ACT_STOP, 1);
		if (first_comes(*scenario, &others, &victim)) {
			both = second_comes(two, &others, victim);
			others_go_on(next, guest);
			others_end(&others);
			return both;
		}
		t_kill(next);
		t_kill(guest);
		others_end(&others);
	}
	T_FAIL("never reached: %s", zc_killpoint_name(one));
}

/* Of all cases, each of which is a process of its own. */
static struct {
	unsigned int tried, both;
} *sum;

__attribute__((constructor))
static void share_sum(void)
{
	sum = mmap(NULL, sizeof(*sum), PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (sum == MAP_FAILED)
		abort();
}

static void run_first(enum zc_killpoint one)
{
	unsigned int pairs = 0, tried = 0, most = t_long() ? ZC_KP_COUNT : 1;
	uint64_t seed = t_env("ZC_SEED", 1 + (uint64_t)one);

	if (step_is_the_kernels(one))
		t_skip("on the device this is a step of the kernel's");
	board = t_shared(sizeof(*board));
	for (unsigned int i = 0; i < ZC_KP_COUNT && tried < most; i++) {
		enum zc_killpoint two = (enum zc_killpoint)
			(((uint64_t)one * 37 + i + seed) % ZC_KP_COUNT);

		if (step_is_the_kernels(two))
			continue;
		pairs += run_pair(one, two, seed + i * 10007);
		tried++;
	}
	t_note("%s: %u of %u seconds died where they should",
	       zc_killpoint_name(one), pairs, tried);
	sum->tried += tried;
	sum->both += pairs;
}

/* Some lead there only when they are alone. */
static void most_seconds_died(void)
{
	if (!sum->tried)
		t_skip("no pair was tried");
	t_note("%u of %u", sum->both, sum->tried);
	CHECK_OP(4 * sum->both, >=, 3 * sum->tried);
}

#define CASES_OF(name)                                                         \
	static void name##_and_another(void)                                   \
	{                                                                      \
		run_first(ZC_KP_##name);                                       \
	}
ZC_KILLPOINT_LIST(CASES_OF)

#define ROWS_OF(name) T_CASE(name##_and_another),

static const struct t_case cases[] = {
	ZC_KILLPOINT_LIST(ROWS_OF)
	T_CASE(most_seconds_died),
	T_END,
};

CRASH_MAIN(cases)
#else
CRASH_SKIP()
#endif
