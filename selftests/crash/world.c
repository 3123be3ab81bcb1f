/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * world.c - a pool, a victim in it, and the others: what is true after every death.
 */
#include <string.h>

#include "crash.h"

#ifdef ZC_KILLPOINTS
void pulses_flow(void)
{
	uint64_t from = board_load(&board->pulses);

	T_UNTIL(board_load(&board->pulses) > from + 20);
}

void others_start(struct others *others)
{
	struct t_peer *all[] = { others->watcher, others->listener,
				 others->talker };

	for (int i = 0; i < 3; i++) {
		t_say(all[i], "go");
		t_hear(all[i], "ready");
	}
	pulses_flow();
}

struct t_peer *victim_lives(const struct scenario *scenario, bool *acted)
{
	struct t_peer *victim = t_spawn(scenario->name, scenario->live, NULL);

	*acted = t_wait_stopped(victim) ||
		 (board->action == ACT_KILL &&
		  board_load(&board->hits[board->point]) >= board->nth);
	return victim;
}

/* What is true after every death. */
void others_go_on(struct t_peer *next, struct t_peer *guest)
{
	uint64_t last;

	pulses_flow();
	t_say(next, "go");
	last = t_hear_number(next, "written");
	T_UNTIL(board_load(&board->watched) == last);
	t_say(guest, "go");
	t_hear(guest, "left");
	t_join(guest);
	t_say(next, "end");
	t_join(next);
	pulses_flow();
}

void others_go_on_beside(struct t_peer *guest)
{
	pulses_flow();
	t_say(guest, "go");
	t_hear(guest, "left");
	t_join(guest);
	pulses_flow();
}

void others_end(struct others *others)
{
	zc_pool_t *pool;

	board_store(&board->end, 1);
	t_join(others->talker);
	t_join(others->listener);
	t_join(others->watcher);
	CHECK_OP(board_load(&board->watched), >=, board_load(&board->committed));
	pool = t_pool_open();
	t_pool_check_left(pool);
	t_pool_acquire_all(pool, MAIN);
	t_pool_acquire_all(pool, SACRIFICE);
	t_pool_register_all(pool);
	t_pool_check_rest(pool);
	zc_pool_close(pool);
	CHECK_OK(zc_pool_remove(t_name(0)));
}

/* The pool is made by a process that ends: the driver must be able to fork. */
static void makes_the_pool(void *arg)
{
	zc_pool_options_t geometry = t_pool_options();

	(void)arg;
	geometry.bytes = 1U << 20;
	geometry.ring_entries = 16;
	geometry.segment_bytes = geometry.bytes;
	geometry.max_bytes = 2 * geometry.bytes;
	t_pool_close(t_pool_create(&geometry));
}

struct t_peer *world_make(struct others *others, struct t_peer **guest)
{
	struct t_peer *next;

	for (int i = 0; i < ZC_KP_COUNT; i++)
		board->hits[i] = 0;
	board->committed = board->watched = board->pulses = board->end = 0;
	board->deaths = 1;
	t_join(t_spawn("creator", makes_the_pool, NULL));
	next = t_spawn("successor", successor, NULL);
	*guest = t_spawn("visitor", visitor, NULL);
	others->talker = t_spawn("talker", talker, NULL);
	others->listener = t_spawn("listener", listener, NULL);
	others->watcher = t_spawn("watcher", watcher, NULL);
	return next;
}

/* On the device these are the kernel's, within a call or by its own thread, or there are none. */
bool step_is_the_kernels(enum zc_killpoint point)
{
	static const char *const starts[] = {
		"member_", "reader_", "writer_slot", "cleaner_", "grow_", "segment_",
		"revive_", "shrink_", "remover_", "service_", "death_", "reap_", "event_",
	};
	const char *name = zc_killpoint_name(point);

	if (t_backend_is_shm() || !strcmp(name, "reader_headed") ||
	    !strcmp(name, "reader_joined"))
		return false;
	for (size_t i = 0; i < sizeof(starts) / sizeof(*starts); i++)
		if (!strncmp(name, starts[i], strlen(starts[i])))
			return true;
	return false;
}
#else
/* ISO C forbids an empty translation unit. */
typedef int crash_world_unused;
#endif
