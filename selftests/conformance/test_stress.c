/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_stress.c - several writers and readers, random sizes, random holds,
 * every policy at once; what arrives is checked byte by byte, what does not
 * arrive must have been counted.
 *
 * $ZC_STRESS_COUNT: messages a writer; $ZC_SEED: which sizes and holds.
 */
#include <stdio.h>

#include "harness.h"

#define WRITERS 4
#define READERS 3
#define HOLDS 6
#define MAX_BYTES (256U << 10)

/* What each topic does with those who are slow. */
enum topic { RELIABLE, DROPPING, OVERWRITING, RATIONED };

struct stress {
	uint64_t seed;
	uint64_t messages;
	uint64_t index;
	bool cleans;		/* this process has a cleaner, too */
	uint64_t received[WRITERS];
	uint64_t lost[WRITERS];
};

static void service_name(char name[32], uint64_t index)
{
	snprintf(name, 32, "stress/test/%u", (unsigned int)index);
}

static void fill_and_commit_all(struct t_writer *writer, zc_handle_t *handle,
				unsigned int nr, uint64_t *left)
{
	while (nr) {
		unsigned int pick = (unsigned int)t_rand_below(nr);

		if (!*left || t_rand_below(10) == 0) {
			CHECK_OK(zc_writer_cancel_block(writer->role,
							handle[pick]));
		} else {
			size_t bytes;

			zc_writer_block_data(writer->role, handle[pick],
					     &bytes);
			if (t_rand_below(4) == 0)
				CHECK_OK(zc_writer_resize_block(
					writer->role, handle[pick],
					1 + t_rand_below(bytes)));
			t_commit(writer, handle[pick]);
			--*left;
		}
		handle[pick] = handle[--nr];
	}
}

/* One that hardly ever sleeps; it ends with the pool. */
static void start_cleaner(zc_pool_t *pool)
{
	zc_cleaner_options_t options = ZC_CLEANER_OPTIONS_INIT;
	zc_cleaner_t *cleaner;

	options.period_ns = 1000;
	options.slice = 64;
	CHECK_OK(zc_cleaner_start(pool, &options, &cleaner));
}

static void writes(void *arg)
{
	struct stress *mine = arg;
	zc_writer_options_t options = ZC_WRITER_OPTIONS_INIT;
	zc_writer_stats_t stats = { .sz = sizeof(stats) };
	uint64_t left = mine->messages;
	struct t_writer writer;
	zc_pool_t *pool;
	char name[32];

	service_name(name, mine->index);
	t_srand(mine->seed + mine->index);
	options.on_slow = mine->index == DROPPING ? ZC_ON_SLOW_DROP_OLDEST :
						    ZC_ON_SLOW_BLOCK;
	options.overwrite = mine->index == OVERWRITING;
	options.history = mine->index == OVERWRITING ? 16 : 0;
	options.quota_bytes = mine->index == RATIONED ? 2U << 20 : 0;
	t_hear(t_parent(), "go");
	pool = t_pool_open();
	if (mine->cleans)
		start_cleaner(pool);
	t_writer_open(&writer, pool, name, &options);
	while (left) {
		zc_handle_t handle[3];
		unsigned int nr = 0;
		unsigned int want = 1 + (unsigned int)t_rand_below(3);

		/* Whoever has something in flight must not wait for more. */
		while (nr < want) {
			zc_result_t result = zc_writer_acquire_block(
				writer.role, t_rand_size(MAX_BYTES),
				&handle[nr], nr ? 0 : t_wait_ns());

			if (nr && result != ZC_OK)
				break;
			CHECK_RESULT(result, ZC_OK);
			nr++;
		}
		fill_and_commit_all(&writer, handle, nr, &left);
	}
	CHECK_OK(zc_writer_get_stats(writer.role, &stats));
	CHECK_EQ(stats.committed, mine->messages);
	CHECK_EQ(stats.acquired, stats.committed + stats.cancelled);
	CHECK_EQ(stats.inflight, 0);
	CHECK_EQ(stats.disconnected, 0);
	t_say(t_parent(), "written");
	t_hear(t_parent(), "end");
	zc_pool_close(pool);
}

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

/* Returns true when a message came. */
static bool take_one(struct holder *holder)
{
	zc_handle_t handle;
	zc_result_t result;

	/* Every so often none is held: so nobody keeps a piece for ever. */
	while (holder->nr == HOLDS || (holder->nr && t_rand_below(3)))
		let_one_go(holder);
	result = t_try_read(&holder->reader, &handle, 0);
	if (result == ZC_ERROR_TIMEOUT) {
		while (holder->nr)
			let_one_go(holder);
		return false;
	}
	CHECK_RESULT(result, ZC_OK);
	holder->held[holder->nr++] = handle;
	return true;
}

static void close_and_count(struct holder *holder, struct stress *mine,
			    unsigned int index)
{
	zc_reader_stats_t stats = { .sz = sizeof(stats) };

	while (holder->nr)
		let_one_go(holder);
	CHECK_OK(zc_reader_get_stats(holder->reader.role, &stats));
	CHECK_EQ(stats.received, holder->reader.received);
	CHECK_EQ(stats.lost, holder->reader.lost);
	CHECK_EQ(stats.corrupt, 0);
	CHECK_EQ(stats.held, 0);
	mine->received[index] = holder->reader.received;
	mine->lost[index] = holder->reader.lost;
}

static void reads(void *arg)
{
	struct stress *mine = arg;
	zc_reader_options_t options = ZC_READER_OPTIONS_INIT;
	struct holder holder[WRITERS] = { 0 };
	zc_reader_t *role[WRITERS];
	bool done;
	zc_pool_t *pool;
	char name[32];

	t_srand(mine->seed + 100 + mine->index);
	options.max_holds = HOLDS;
	options.spin_ns = 1000;
	t_hear(t_parent(), "go");
	pool = t_pool_open();
	for (unsigned int i = 0; i < WRITERS; i++) {
		service_name(name, i);
		t_reader_open(&holder[i].reader, pool, name, &options);
		holder[i].reader.next = 1;
		role[i] = holder[i].reader.role;
	}
	t_say(t_parent(), "ready");
	do {
		bool came = false;
		uint32_t index;

		done = true;
		for (unsigned int i = 0; i < WRITERS; i++) {
			came |= take_one(&holder[i]);
			done &= holder[i].reader.next > mine->messages;
		}
		if (!came && !done)
			CHECK_OK(zc_wait_any(role, WRITERS, &index,
					     t_wait_ns()));
	} while (!done);
	for (unsigned int i = 0; i < WRITERS; i++)
		close_and_count(&holder[i], mine, i);
	zc_pool_close(pool);
}

/*
 * Comes and goes: looks at what nobody keeps for it while its writer takes it back by
 * plain stores, because there was nobody to look.
 */
static void visits(void *arg)
{
	struct stress *mine = arg;
	zc_reader_options_t options = ZC_READER_OPTIONS_INIT;
	uint64_t received = 0;
	zc_pool_t *pool;
	char name[32];

	t_srand(mine->seed + 200);
	options.max_holds = HOLDS;
	t_hear(t_parent(), "go");
	pool = t_pool_open();
	while (!t_can_hear(t_parent())) {
		struct holder holder = { .nr = 0 };
		unsigned int left = 1 + (unsigned int)t_rand_below(8);

		service_name(name, t_rand_below(WRITERS));
		options.history = (uint32_t)t_rand_below(40);
		options.best_effort = t_rand_below(4) == 0;
		t_reader_open(&holder.reader, pool, name, &options);
		while (left-- && take_one(&holder))
			;
		while (holder.nr)
			let_one_go(&holder);
		received += holder.reader.received;
		t_reader_close(&holder.reader);
	}
	t_hear(t_parent(), "end");
	t_note("visitors got %llu messages", (unsigned long long)received);
	zc_pool_close(pool);
}

static void stress(bool cleaners, bool visitors)
{
	uint64_t messages = t_env("ZC_STRESS_COUNT", t_long() ? 200000 : 12000);
	struct stress *plan = t_shared((WRITERS + READERS) * sizeof(*plan));
	struct t_peer *writer[WRITERS], *reader[READERS], *visitor = NULL;
	zc_pool_options_t geometry = t_pool_options();
	uint64_t seed = t_seed();
	zc_pool_t *pool;

	for (unsigned int i = 0; i < WRITERS + READERS; i++) {
		plan[i].seed = seed;
		plan[i].messages = messages;
		plan[i].cleans = cleaners && i < WRITERS;
		plan[i].index = i < WRITERS ? i : i - WRITERS;
		if (i < WRITERS)
			writer[i] = t_spawn("writer", writes, &plan[i]);
		else
			reader[i - WRITERS] = t_spawn("reader", reads,
						      &plan[i]);
	}
	if (visitors)
		visitor = t_spawn("visitor", visits, &plan[0]);
	geometry.bytes = 16U << 20;
	pool = t_pool_create(&geometry);
	for (int i = 0; i < READERS; i++) {
		t_say(reader[i], "go");
		t_hear(reader[i], "ready");
	}
	if (visitor)
		t_say(visitor, "go");
	for (int i = 0; i < WRITERS; i++)
		t_say(writer[i], "go");
	for (int i = 0; i < WRITERS; i++) {
		t_hear(writer[i], "written");
		/* (I4) On a pool in motion: only what persists. */
		t_pool_check(pool);
	}
	if (visitor) {
		t_say(visitor, "end");
		t_join(visitor);
	}
	for (int i = 0; i < READERS; i++) {
		struct stress *seen = &plan[WRITERS + i];

		t_join(reader[i]);
		for (int w = 0; w < WRITERS; w++) {
			CHECK_EQ(seen->received[w] + seen->lost[w], messages);
			if (w == RELIABLE || w == RATIONED)
				CHECK_EQ(seen->lost[w], 0);
		}
	}
	for (int i = 0; i < WRITERS; i++) {
		char name[32];

		t_say(writer[i], "end");
		t_join(writer[i]);
		service_name(name, (uint64_t)i);
		if (i == WRITERS - 1)
			t_pool_acquire_all(pool, name);
	}
}

static void stress_loses_nothing_uncounted(void)
{
	stress(false, false);
}

/* (TC-6.1) A cleaner in each writer's process, which never rests. */
static void stress_with_cleaners_loses_nothing_uncounted(void)
{
	stress(true, false);
}

static void stress_with_visitors_loses_nothing_uncounted(void)
{
	stress(false, true);
}

static void stress_with_cleaners_and_visitors_loses_nothing_uncounted(void)
{
	stress(true, true);
}

static const struct t_case cases[] = {
	T_CASE(stress_loses_nothing_uncounted),
	T_CASE(stress_with_cleaners_loses_nothing_uncounted),
	T_CASE(stress_with_visitors_loses_nothing_uncounted),
	T_CASE(stress_with_cleaners_and_visitors_loses_nothing_uncounted),
	T_END,
};

int main(int argc, char **argv)
{
	return t_main(argc, argv, cases);
}
