/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_priority.c - where memory is scarce the lower id is served first.
 *
 * Priority is hints and a reserve, never an ordering that somebody waits for:
 * only counts over many rounds are looked at, with no order inside a round.
 */
#include <stdio.h>

#include "harness.h"

/* Two fit into a stripe: no piece is too small to be had. */
#define BLOCK (8U << 10)
#define HOLDERS 24

static void service_name(char name[32], unsigned int index)
{
	snprintf(name, 32, "priority/test/%u", index);
}

/* Registers 32 services; writer[i] has id i. */
static void open_all(zc_pool_t *pool, zc_writer_t *writer[32])
{
	for (unsigned int i = 0; i < 32; i++) {
		zc_writer_options_t options = ZC_WRITER_OPTIONS_INIT;
		zc_writer_t *role = NULL;
		char name[32];

		service_name(name, i);
		options.service = name;
		CHECK_OK(zc_writer_register(pool, &options, &role));
		CHECK_OP(zc_writer_id(role), <, 32);
		writer[zc_writer_id(role)] = role;
	}
}

static unsigned int claim_all(zc_writer_t *role)
{
	unsigned int nr = 0;
	zc_handle_t handle;

	while (zc_writer_acquire_block(role, BLOCK, &handle, 0) == ZC_OK)
		nr++;
	return nr;
}

/* The last part of the pool is kept for the lower half of the ids. */
static void priority_keeps_a_reserve(void)
{
	zc_pool_options_t geometry = t_pool_options();
	zc_writer_t *writer[32];
	zc_pool_t *pool;

	geometry.bytes = 1U << 20;
	geometry.ring_entries = 1024;
	pool = t_pool_create(&geometry);
	open_all(pool, writer);
	CHECK_OP(claim_all(writer[31]), >, 0);
	CHECK_OP(claim_all(writer[0]), >, 0);
	/* What the lower half takes, it may take to the end. */
	CHECK_EQ(claim_all(writer[30]), 0);
	CHECK_EQ(claim_all(writer[1]), 0);
}

struct board {
	uint64_t served[2];
	uint64_t waiting[2];
	uint64_t end;
};

static struct board *board;

static void takes_what_comes(void *arg)
{
	uintptr_t me = (uintptr_t)arg;
	zc_writer_options_t options = ZC_WRITER_OPTIONS_INIT;
	struct t_writer writer;
	zc_handle_t handle;
	zc_pool_t *pool;
	char name[32];

	service_name(name, (unsigned int)t_hear_number(t_parent(), "go"));
	pool = t_pool_open();
	options.max_inflight = 400;
	t_writer_open(&writer, pool, name, &options);
	t_say_number(t_parent(), "id", zc_writer_id(writer.role));
	t_hear(t_parent(), "take");
	while (!__atomic_load_n(&board->end, __ATOMIC_SEQ_CST)) {
		zc_result_t result;

		__atomic_fetch_add(&board->waiting[me], 1, __ATOMIC_SEQ_CST);
		result = zc_writer_acquire_block(writer.role, BLOCK, &handle,
						 3000000);
		if (result == ZC_OK)
			__atomic_fetch_add(&board->served[me], 1,
					   __ATOMIC_SEQ_CST);
		else
			CHECK_RESULT(result, ZC_ERROR_TIMEOUT);
	}
	zc_pool_close(pool);
}

static uint64_t served(void)
{
	return __atomic_load_n(&board->served[0], __ATOMIC_SEQ_CST) +
	       __atomic_load_n(&board->served[1], __ATOMIC_SEQ_CST);
}

static void priority_serves_the_lower_id_first(void)
{
	zc_pool_options_t geometry = t_pool_options();
	zc_writer_t *holder[32] = { NULL }, *last = NULL;
	struct t_peer *low, *high;
	unsigned int freed = 0, held[32] = { 0 };
	uint64_t first[2] = { 0 };
	uint64_t id_low, id_high;
	zc_pool_t *pool;

	board = t_shared(sizeof(*board));
	low = t_spawn("low", takes_what_comes, (void *)0);
	high = t_spawn("high", takes_what_comes, (void *)1);
	geometry.bytes = 1U << 20;
	geometry.ring_entries = 1024;
	pool = t_pool_create(&geometry);
	t_say_number(low, "go", 100);
	id_low = t_hear_number(low, "id");
	/* All between them hold a little each. */
	for (unsigned int i = 0; i < HOLDERS; i++) {
		zc_writer_options_t options = ZC_WRITER_OPTIONS_INIT;
		zc_handle_t handle;
		char name[32];

		service_name(name, i);
		options.service = name;
		CHECK_OK(zc_writer_register(pool, &options, &holder[i]));
		last = holder[i];
		if (zc_writer_acquire_block(holder[i], BLOCK, &handle, 0) ==
		    ZC_OK)
			held[i] = 1;
	}
	t_say_number(high, "go", 101);
	id_high = t_hear_number(high, "id");
	CHECK_OP(id_low, <, id_high);
	claim_all(last);
	claim_all(holder[0]);
	held[HOLDERS - 1] = held[0] = 0;
	t_say(low, "take");
	t_say(high, "take");
	for (unsigned int i = 1; i < HOLDERS - 1; i++) {
		uint64_t before, waiting[2];

		if (!held[i])
			continue;
		/* Both are in the middle of asking. */
		for (int c = 0; c < 2; c++)
			waiting[c] = __atomic_load_n(&board->waiting[c],
						     __ATOMIC_SEQ_CST);
		T_UNTIL(__atomic_load_n(&board->waiting[0], __ATOMIC_SEQ_CST) >
				waiting[0] &&
			__atomic_load_n(&board->waiting[1], __ATOMIC_SEQ_CST) >
				waiting[1]);
		/* What they found before it was scarce does not count. */
		if (!freed)
			for (int c = 0; c < 2; c++)
				first[c] = __atomic_load_n(&board->served[c],
							   __ATOMIC_SEQ_CST);
		before = served();
		zc_writer_unregister(holder[i]);
		freed++;
		T_UNTIL(served() > before);
	}
	__atomic_store_n(&board->end, 1, __ATOMIC_SEQ_CST);
	t_join(low);
	t_join(high);
	board->served[0] -= first[0];
	board->served[1] -= first[1];
	t_note("freed %u, lower id served %llu, higher id %llu", freed,
	       (unsigned long long)board->served[0],
	       (unsigned long long)board->served[1]);
	CHECK_OP(freed, >=, 10);
	/* Twice as often is usual; half as often never was. */
	CHECK_OP(board->served[0] * 2, >=, board->served[1]);
}

/* --- a fight --------------------------------------------------------------------------- */

struct fight {
	uint64_t served[32];	/* by id */
	uint64_t writers;
	uint64_t end;
};

static struct fight *fight;

/* Takes more than its share, marks each block, and sees its marks when it lets go. */
static void fights(void *arg)
{
	zc_writer_options_t options = ZC_WRITER_OPTIONS_INIT;
	zc_handle_t handle[64];
	struct t_writer writer;
	unsigned int nr, most;
	zc_pool_t *pool;
	char name[32];
	uint32_t id;

	(void)arg;
	service_name(name, (unsigned int)t_hear_number(t_parent(), "go"));
	pool = t_pool_open();
	options.max_inflight = 64;
	t_writer_open(&writer, pool, name, &options);
	id = zc_writer_id(writer.role);
	t_say_number(t_parent(), "id", id);
	t_hear(t_parent(), "fight");
	/* Half as much again as there is for each. */
	most = (unsigned int)(192 / fight->writers);
	while (!__atomic_load_n(&fight->end, __ATOMIC_SEQ_CST)) {
		for (nr = 0; nr < most; nr++) {
			zc_result_t result = zc_writer_acquire_block(
				writer.role, BLOCK, &handle[nr], 100000);

			if (result == ZC_ERROR_TIMEOUT)
				break;
			CHECK_OK(result);
			t_fill(zc_writer_block_data(writer.role, handle[nr], NULL),
			       BLOCK, id, nr);
			__atomic_fetch_add(&fight->served[id], 1, __ATOMIC_SEQ_CST);
		}
		while (nr--) {
			CHECK(t_matches(zc_writer_block_data(writer.role, handle[nr],
							     NULL),
					BLOCK, id, nr));
			CHECK_OK(zc_writer_cancel_block(writer.role, handle[nr]));
		}
	}
	zc_pool_close(pool);
}

static uint64_t fought(unsigned int from, unsigned int to)
{
	uint64_t sum = 0;

	for (unsigned int i = from; i < to; i++)
		sum += __atomic_load_n(&fight->served[i], __ATOMIC_SEQ_CST);
	return sum;
}

/*
 * (TC-3.1) No block has two owners; over all, those for whom the reserve is get no less
 * than the others; and one that is stopped with blocks in its hands stops nobody else.
 */
static void fight_of(unsigned int writers)
{
	zc_pool_options_t geometry = t_pool_options();
	struct t_peer *child[32];
	uint64_t low, high, rounds = writers * (t_long() ? 20000ULL : 200ULL);
	zc_pool_t *pool;

	fight = t_shared(sizeof(*fight));
	fight->writers = writers;
	for (unsigned int i = 0; i < writers; i++)
		child[i] = t_spawn("fighter", fights, NULL);
	geometry.bytes = 1U << 20;
	geometry.ring_entries = 128;
	pool = t_pool_create(&geometry);
	for (unsigned int i = 0; i < writers; i++) {
		t_say_number(child[i], "go", i);
		CHECK_EQ(t_hear_number(child[i], "id"), i);
	}
	for (unsigned int i = 0; i < writers; i++)
		t_say(child[i], "fight");
	T_UNTIL(fought(0, writers) >= rounds / 2);
	t_stop(child[1]);
	for (unsigned int i = 0; i < writers; i++) {
		uint64_t before = fought(i, i + 1);

		/* Each of the others goes on. */
		if (i != 1)
			T_UNTIL(fought(i, i + 1) > before);
	}
	t_continue(child[1]);
	T_UNTIL(fought(0, writers) >= rounds);
	__atomic_store_n(&fight->end, 1, __ATOMIC_SEQ_CST);
	low = fought(0, writers / 2);
	high = fought(writers / 2, writers);
	t_note("%u writers: lower half served %llu, higher half %llu", writers,
	       (unsigned long long)low, (unsigned long long)high);
	for (unsigned int i = 0; i < writers; i++)
		t_join(child[i]);
	/*
	 * Chance, and who has the processor, have their part; among eight the reserve
	 * is everybody's.
	 */
	CHECK(low * 2 >= high || writers <= 16);
	t_pool_check_rest(pool);
	t_pool_close(pool);
}

static void eight_writers_fight(void) { fight_of(8); }
static void thirty_two_writers_fight(void) { fight_of(32); }

static const struct t_case cases[] = {
	T_CASE(priority_keeps_a_reserve),
	T_CASE(priority_serves_the_lower_id_first),
	T_CASE(eight_writers_fight),
	T_CASE(thirty_two_writers_fight),
	T_END,
};

int main(int argc, char **argv)
{
	return t_main(argc, argv, cases);
}
