/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_killpoints.c - a victim dies, or stops, at every step of the transition
 * table; the others go on, nothing is lost, and nothing leaks.
 *
 * Four cases a point: SIGKILL at the first time it comes there and at a random
 * later one; SIGSTOP, then SIGCONT; SIGSTOP, then SIGKILL.  A point that no
 * scenario reaches is a failure.
 */
#include "crash.h"

#ifdef ZC_KILLPOINTS
#include <string.h>

enum variant { KILL_FIRST, KILL_LATER, STOP_CONTINUE, STOP_KILL };

/* Returns false when this scenario does not lead there. */
static bool run_scenario(const struct scenario *scenario, enum variant variant)
{
	struct others others;
	struct t_peer *victim, *next, *guest;
	bool acted;

	next = world_make(&others, &guest);
	if (!scenario->others_late)
		others_start(&others);
	victim = victim_lives(scenario, &acted);
	if (scenario->others_late)
		others_start(&others);
	if (acted && variant == STOP_CONTINUE) {
		others_go_on_beside(guest);
		t_continue(victim);
		t_join(victim);
		pulses_flow();
		t_kill(next);
	} else if (acted && variant == STOP_KILL) {
		pulses_flow();
		t_kill(victim);
		others_go_on(next, guest);
	} else if (acted) {
		others_go_on(next, guest);
	} else {
		t_kill(next);
		t_kill(guest);
	}
	others_end(&others);
	return acted;
}

static void run_point_with(enum zc_killpoint point, enum variant variant,
			   uint64_t seed)
{
	const struct scenario *const *scenario;

	board->seed = seed;
	board->point = point;
	board->action = variant <= KILL_LATER ? ACT_KILL : ACT_STOP;
	t_srand(seed);
	board->nth = 1;
	if (variant != KILL_FIRST)
		board->nth += t_rand_below(6);
	scenario = scenarios_for(zc_killpoint_name(point));
	for (; *scenario; scenario++) {
		if (run_scenario(*scenario, variant))
			return;
		/* It comes there, though less often: the first time will do. */
		if (board_load(&board->hits[point]) && board->nth > 1) {
			board->nth = 1;
			if (run_scenario(*scenario, variant))
				return;
		}
	}
	T_FAIL("never reached: %s", zc_killpoint_name(point));
}

static void run_point(enum zc_killpoint point, enum variant variant)
{
	uint64_t seed = t_env("ZC_SEED", 1 + (uint64_t)point * 4 + variant);

	if (step_is_the_kernels(point))
		t_skip("on the device this is a step of the kernel's");
	board = t_shared(sizeof(*board));
	for (int i = 0; i < (t_long() ? 20 : 1); i++)
		run_point_with(point, variant, seed + (uint64_t)i * 10007);
}

/* Nobody dies: how often each point is passed. */
static void every_point_is_reached(void)
{
	const struct scenario *const *scenario = scenarios_for("");
	uint64_t sum[ZC_KP_COUNT] = { 0 };
	unsigned int reached = 0, ours = 0;

	board = t_shared(sizeof(*board));
	board->seed = t_env("ZC_SEED", 1);
	board->action = ACT_COUNT;
	board->nth = UINT64_MAX;
	for (; *scenario; scenario++) {
		CHECK(!run_scenario(*scenario, KILL_FIRST));
		for (int i = 0; i < ZC_KP_COUNT; i++)
			sum[i] += board_load(&board->hits[i]);
	}
	for (int i = 0; i < ZC_KP_COUNT; i++) {
		reached += sum[i] > 0;
		ours += !step_is_the_kernels((enum zc_killpoint)i);
		if (sum[i] < 10)
			t_note("%s: passed %llu times",
			       zc_killpoint_name((enum zc_killpoint)i),
			       (unsigned long long)sum[i]);
	}
	t_note("%u of %d points reached", reached, ZC_KP_COUNT);
	CHECK_EQ(reached, ours);
}

#define CASES_OF(name)                                                         \
	static void name##_kill(void)                                          \
	{                                                                      \
		run_point(ZC_KP_##name, KILL_FIRST);                           \
	}                                                                      \
	static void name##_kill_later(void)                                    \
	{                                                                      \
		run_point(ZC_KP_##name, KILL_LATER);                           \
	}                                                                      \
	static void name##_stop_continue(void)                                 \
	{                                                                      \
		run_point(ZC_KP_##name, STOP_CONTINUE);                        \
	}                                                                      \
	static void name##_stop_kill(void)                                     \
	{                                                                      \
		run_point(ZC_KP_##name, STOP_KILL);                            \
	}
ZC_KILLPOINT_LIST(CASES_OF)

static void no_point_beyond_the_last(void)
{
	CHECK(!strcmp(zc_killpoint_name(ZC_KP_COUNT), "unknown"));
	CHECK(!strcmp(zc_killpoint_name(ZC_KP_event_written), "event_written"));
}

#define ROWS_OF(name)                                                          \
	T_CASE(name##_kill), T_CASE(name##_kill_later),                        \
	T_CASE(name##_stop_continue), T_CASE(name##_stop_kill),

static const struct t_case cases[] = {
	T_CASE(every_point_is_reached),
	T_CASE(no_point_beyond_the_last),
	ZC_KILLPOINT_LIST(ROWS_OF)
	T_END,
};

CRASH_MAIN(cases)
#else
CRASH_SKIP()
#endif
