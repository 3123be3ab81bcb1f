/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_kills.c - readers and writers are killed with -9 at random, again and
 * again; a survivor sees each committed message once and in order, and when
 * all is over each granule is there.
 *
 * $ZC_KILLS: how many; $ZC_SEED: which.
 */

#include "harness.h"

#define SERVICES 2
#define VICTIMS 4	/* a writer of each service, and readers */
#define HOLDS 6

static const char *const services[SERVICES] = { "kills/test/a", "kills/test/b" };
#define PULSE "kills/test/pulse"

struct board {
	uint64_t committed[SERVICES];	/* by any writer of it, so far */
	uint64_t next[SERVICES];	/* of the survivor */
	uint64_t steps[VICTIMS];	/* of whoever sits there now */
	uint64_t turns;			/* of the survivor */
	uint64_t pulses;		/* that arrived at the listener */
	uint64_t stop;
	uint64_t seed;
};

static struct board *board;

static uint64_t load(uint64_t *word)
{
	return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

static void store(uint64_t *word, uint64_t value)
{
	__atomic_store_n(word, value, __ATOMIC_SEQ_CST);
}

static void step(uintptr_t seat)
{
	store(&board->steps[seat], board->steps[seat] + 1);
}

/* A few messages at a time, let go in any order. */
struct holder {
	struct t_reader reader;
	zc_handle_t held[HOLDS];
	unsigned int nr;
};

static void let_one_go(struct holder *holder)
{
	unsigned int pick = (unsigned int)t_rand_below(holder->nr);

	t_release(&holder->reader, holder->held[pick]);
	holder->held[pick] = holder->held[--holder->nr];
}

static zc_result_t hold_next(struct holder *holder, uint64_t timeout_ns)
{
	zc_handle_t handle;
	zc_result_t result;

	while (holder->nr == HOLDS || (holder->nr && t_rand_below(3) == 0))
		let_one_go(holder);
	result = t_try_read(&holder->reader, &handle, timeout_ns);
	if (result == ZC_OK)
		holder->held[holder->nr++] = handle;
	return result;
}

static void writes(void *arg)
{
	uintptr_t seat = (uintptr_t)arg;
	struct t_writer writer;
	zc_pool_t *pool;

	t_srand(board->seed + load(&board->steps[seat]) + seat);
	step(seat);
	pool = t_pool_open();
	step(seat);
	t_writer_open(&writer, pool, services[seat], NULL);
	/* The commit in which its predecessor died may have come through. */
	CHECK_OP(writer.next, >, load(&board->committed[seat]));
	CHECK_OP(writer.next, <=, load(&board->committed[seat]) + 2);
	/* And what somebody has read was committed: no number comes twice. */
	CHECK_OP(writer.next, >=, load(&board->next[seat]));
	/* If it did, that is known now: this one may die in its first commit as well. */
	store(&board->committed[seat], writer.next - 1);
	for (;;) {
		zc_handle_t handle[3];
		unsigned int nr = 1 + (unsigned int)t_rand_below(3);

		step(seat);
		for (unsigned int i = 0; i < nr; i++)
			CHECK_OK(zc_writer_acquire_block(writer.role,
							 t_rand_size(16384),
							 &handle[i],
							 t_wait_ns()));
		while (nr--) {
			if (t_rand_below(8) == 0) {
				CHECK_OK(zc_writer_cancel_block(writer.role,
								handle[nr]));
				continue;
			}
			t_commit(&writer, handle[nr]);
			store(&board->committed[seat], writer.next - 1);
		}
	}
}

static void reads(void *arg)
{
	uintptr_t seat = (uintptr_t)arg;
	zc_reader_options_t options = ZC_READER_OPTIONS_INIT;
	struct holder holder = { .nr = 0 };
	uint64_t lost = 0;
	zc_pool_t *pool;

	t_srand(board->seed + load(&board->steps[seat]) + seat);
	options.max_holds = HOLDS;
	options.best_effort = t_rand_below(3) == 0;
	options.history = (uint32_t)t_rand_below(4);
	step(seat);
	pool = t_pool_open();
	step(seat);
	t_reader_open(&holder.reader, pool, services[seat % SERVICES],
		      &options);
	for (;;) {
		zc_result_t result = hold_next(&holder, 1000000);

		step(seat);
		CHECK(result == ZC_OK || result == ZC_ERROR_TIMEOUT);
		/* Only what came from before the join may have been gone. */
		if (holder.reader.received <= options.history + 1)
			lost = holder.reader.lost;
		if (!options.best_effort)
			CHECK_EQ(holder.reader.lost, lost);
	}
}

static void survives(void *arg)
{
	struct holder holder[SERVICES] = { 0 };
	zc_pool_options_t geometry = t_pool_options();
	zc_reader_options_t options = ZC_READER_OPTIONS_INIT;
	struct t_writer pulse;
	zc_pool_t *pool;
	bool idle = false;

	(void)arg;
	t_srand(board->seed);
	geometry.bytes = 2U << 20;
	options.max_holds = HOLDS;
	pool = t_pool_create(&geometry);
	for (int i = 0; i < SERVICES; i++) {
		t_reader_open(&holder[i].reader, pool, services[i], &options);
		holder[i].reader.next = 1;
	}
	t_writer_open(&pulse, pool, PULSE, NULL);
	t_say(t_parent(), "ready");
	t_hear(t_parent(), "go");
	while (!idle || !load(&board->stop)) {
		idle = load(&board->stop);
		for (int i = 0; i < SERVICES; i++) {
			zc_result_t result = hold_next(&holder[i], 200000);

			if (result == ZC_OK)
				idle = false;
			else
				CHECK_RESULT(result, ZC_ERROR_TIMEOUT);
			CHECK_EQ(holder[i].reader.lost, 0);
			store(&board->next[i], holder[i].reader.next);
		}
		t_write(&pulse, t_rand_size(3000));
		store(&board->turns, board->turns + 1);
	}
	for (int i = 0; i < SERVICES; i++) {
		/* Nothing that was committed is missing. */
		CHECK_OP(holder[i].reader.next, >, load(&board->committed[i]));
		while (holder[i].nr)
			let_one_go(&holder[i]);
		t_reader_close(&holder[i].reader);
	}
	t_say(t_parent(), "done");
	t_hear(t_parent(), "check");
	t_writer_close(&pulse);
	t_pool_check_left(pool);
	for (int i = 0; i < SERVICES; i++)
		t_pool_acquire_all(pool, services[i]);
	t_pool_check_rest(pool);
	zc_pool_close(pool);
}

static void listens(void *arg)
{
	struct t_reader reader;
	zc_pool_t *pool = t_pool_open();

	(void)arg;
	t_reader_open(&reader, pool, PULSE, NULL);
	reader.next = 1;
	t_say(t_parent(), "ready");
	for (;;) {
		zc_handle_t handle;
		zc_result_t result = t_try_read(&reader, &handle, 1000000);

		if (result == ZC_OK) {
			CHECK_EQ(reader.lost, 0);
			t_release(&reader, handle);
			store(&board->pulses, reader.next);
		} else {
			CHECK_RESULT(result, ZC_ERROR_TIMEOUT);
			if (load(&board->stop) == 2)
				break;
		}
	}
	zc_pool_close(pool);
}

static struct t_peer *seat_one(uintptr_t seat)
{
	return seat < SERVICES ? t_spawn("writer", writes, (void *)seat) :
				 t_spawn("reader", reads, (void *)seat);
}

static void kills_lose_and_leak_nothing(void)
{
	uint64_t kills = t_env("ZC_KILLS", t_long() ? 100000 : 200);
	struct t_peer *survivor, *listener, *victim[VICTIMS];

	board = t_shared(sizeof(*board));
	board->seed = t_seed();
	survivor = t_spawn("survivor", survives, NULL);
	t_hear(survivor, "ready");
	listener = t_spawn("listener", listens, NULL);
	t_hear(listener, "ready");
	t_say(survivor, "go");
	t_srand(board->seed + 1);
	for (uintptr_t seat = 0; seat < VICTIMS; seat++)
		victim[seat] = seat_one(seat);
	for (uint64_t i = 0; i < kills; i++) {
		uintptr_t seat = (uintptr_t)t_rand_below(VICTIMS);
		uint64_t from = load(&board->steps[seat]), pulses;
		uint64_t steps = t_rand_below(30), spin = t_rand_below(20000);

		/* Anywhere: while it opens, registers, or is in full swing. */
		T_UNTIL(load(&board->steps[seat]) >= from + steps ||
			t_ended(victim[seat]));
		while (spin--)
			__asm__ __volatile__("");
		t_kill(victim[seat]);
		/* (I5) The survivors go on, whatever the dead one held. */
		pulses = load(&board->pulses);
		T_UNTIL(load(&board->pulses) > pulses + 1 ||
			t_ended(survivor) || t_ended(listener));
		CHECK(!t_ended(survivor) && !t_ended(listener));
		victim[seat] = seat_one(seat);
	}
	for (int seat = 0; seat < VICTIMS; seat++)
		t_kill_only(victim[seat]);
	for (int seat = 0; seat < VICTIMS; seat++)
		t_reap(victim[seat]);
	store(&board->stop, 1);
	t_hear(survivor, "done");
	store(&board->stop, 2);
	t_join(listener);
	t_say(survivor, "check");
	t_join(survivor);
	t_note("%llu kills, %llu and %llu messages",
	       (unsigned long long)kills,
	       (unsigned long long)board->committed[0],
	       (unsigned long long)board->committed[1]);
}

static const struct t_case cases[] = {
	T_CASE(kills_lose_and_leak_nothing),
	T_END,
};

int main(int argc, char **argv)
{
	return t_main(argc, argv, cases);
}
