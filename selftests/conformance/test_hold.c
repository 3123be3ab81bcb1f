/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_hold.c - what a reader holds: any order, any time, nothing changes.
 */
#include "harness.h"

#define SERVICE "hold/test/one"

static zc_reader_options_t holds(uint32_t nr)
{
	zc_reader_options_t options = ZC_READER_OPTIONS_INIT;

	options.max_holds = nr;
	return options;
}

static void hold_released_in_any_order(void)
{
	enum { NR = 16 };
	zc_reader_options_t options = holds(NR);
	zc_pool_t *pool = t_pool_create(NULL);
	zc_reader_stats_t stats = { .sz = sizeof(stats) };
	struct t_writer writer;
	struct t_reader reader;
	zc_handle_t held[NR];
	unsigned int nr = 0;

	t_srand(t_seed());
	t_reader_open(&reader, pool, SERVICE, &options);
	reader.next = 1;
	t_writer_open(&writer, pool, SERVICE, NULL);
	for (int step = 0; step < 5000; step++) {
		if (nr < NR && (nr == 0 || t_rand_below(2))) {
			t_write(&writer, t_rand_size(10000));
			held[nr++] = t_read(&reader);
		} else {
			unsigned int pick = (unsigned int)t_rand_below(nr);

			t_release(&reader, held[pick]);
			held[pick] = held[--nr];
		}
	}
	CHECK_OK(zc_reader_get_stats(reader.role, &stats));
	CHECK_EQ(stats.held, nr);
	CHECK_EQ(stats.received, reader.received);
	CHECK_EQ(stats.lost, 0);
	CHECK_EQ(stats.corrupt, 0);
	CHECK_EQ(stats.lag, 0);
}

static void hold_limit_leaves_the_message(void)
{
	static const uint32_t limits[] = { 1, 2, 7, 8, 9, 16 };
	zc_pool_t *pool = t_pool_create(NULL);
	struct t_writer writer;

	t_writer_open(&writer, pool, SERVICE, NULL);
	for (size_t i = 0; i < sizeof(limits) / sizeof(*limits); i++) {
		zc_reader_options_t options = holds(limits[i]);
		struct t_reader reader;
		zc_handle_t held[16], more = 0;
		uint64_t next;

		t_reader_open(&reader, pool, SERVICE, &options);
		reader.next = writer.next;
		t_write_many(&writer, limits[i] + 3, 1000);
		for (uint32_t n = 0; n < limits[i]; n++)
			held[n] = t_read(&reader);
		next = reader.next;
		CHECK_RESULT(t_try_read(&reader, &more, 0), ZC_ERROR_HOLDS);
		CHECK_RESULT(t_try_read(&reader, &more, t_wait_ns()),
			     ZC_ERROR_HOLDS);
		/* Any of them makes room; none of them was touched. */
		t_release(&reader, held[limits[i] / 2]);
		held[limits[i] / 2] = t_read(&reader);
		CHECK_EQ(reader.next, next + 1);
		CHECK_RESULT(t_try_read(&reader, &more, 0), ZC_ERROR_HOLDS);
		for (uint32_t n = 0; n < limits[i]; n++)
			t_release(&reader, held[n]);
		t_read_many(&reader, 2);
		t_reader_close(&reader);
	}
}

static void hold_limit_of_the_pool_is_kept(void)
{
	zc_reader_options_t options = holds(17);
	zc_pool_t *pool = t_pool_create(NULL);
	zc_reader_t *role = NULL;

	options.service = SERVICE;
	CHECK_RESULT(zc_reader_register(pool, &options, &role),
		     ZC_ERROR_INVALID);
	CHECK(!role);
	/* The default fits every pool. */
	options.max_holds = 0;
	CHECK_OK(zc_reader_register(pool, &options, &role));
}

static void reads_all(void *arg)
{
	zc_pool_t *pool;
	struct t_reader reader;

	t_hear(t_parent(), "go");
	pool = t_pool_open();
	t_reader_open(&reader, pool, SERVICE, NULL);
	reader.next = 1;
	t_say(t_parent(), "ready");
	t_read_many(&reader, *(uint64_t *)arg);
	zc_pool_close(pool);
}

/* (I2) The writer goes round its ring and its memory many times. */
static void hold_for_ever_stops_nobody_and_stays(void)
{
	uint64_t messages = 3000;
	struct t_peer *child = t_spawn("reader", reads_all, &messages);
	zc_pool_options_t geometry = t_pool_options();
	zc_reader_options_t options = holds(8);
	zc_pool_t *pool;
	struct t_writer writer;
	struct t_reader keeper;
	zc_handle_t kept[3];

	geometry.bytes = 256U << 10;
	geometry.ring_entries = 16;
	pool = t_pool_create(&geometry);
	t_say(child, "go");
	t_hear(child, "ready");
	t_reader_open(&keeper, pool, SERVICE, &options);
	keeper.next = 1;
	t_writer_open(&writer, pool, SERVICE, NULL);
	for (uint64_t i = 0; i < messages; i++) {
		zc_handle_t handle;

		t_write(&writer, 1 + i * 37 % 3000);
		handle = t_read(&keeper);
		if (i == 0 || i == 1 || i == 40)
			kept[i == 40 ? 2 : i] = handle;
		else
			t_release(&keeper, handle);
	}
	t_join(child);
	CHECK_EQ(t_sequence(&keeper, kept[0]), 1);
	CHECK_EQ(t_sequence(&keeper, kept[1]), 2);
	CHECK_EQ(t_sequence(&keeper, kept[2]), 41);
	for (int i = 0; i < 3; i++)
		t_release(&keeper, kept[i]);
}

static void hold_of_several_readers_ends_with_the_last(void)
{
	enum { NR = 5 };
	zc_pool_t *pool = t_pool_create(NULL);
	uint64_t segment = t_segment_bytes(pool);
	struct t_writer writer;
	struct t_reader reader[NR];
	zc_handle_t held[NR], handle = 0;

	for (int i = 0; i < NR; i++)
		t_reader_open(&reader[i], pool, SERVICE, NULL);
	t_writer_open(&writer, pool, SERVICE, NULL);
	t_write(&writer, segment / 2);
	for (int i = 0; i < NR; i++)
		held[i] = t_read(&reader[i]);
	for (int i = 0; i < NR; i++) {
		CHECK_RESULT(zc_writer_acquire_block(writer.role, segment,
						     &handle, 0),
			     ZC_ERROR_NO_MEMORY);
		t_release(&reader[(i + 2) % NR], held[(i + 2) % NR]);
	}
	CHECK_OK(zc_writer_acquire_block(writer.role, segment, &handle, 0));
}

static void hold_ends_with_its_reader(void)
{
	zc_pool_t *pool = t_pool_create(NULL);
	uint64_t segment = t_segment_bytes(pool);
	struct t_writer writer;
	struct t_reader reader;
	zc_handle_t handle = 0;

	t_writer_open(&writer, pool, SERVICE, NULL);
	for (int round = 0; round < 10; round++) {
		t_reader_open(&reader, pool, SERVICE, NULL);
		t_write_many(&writer, 12, 10000);
		for (int i = 0; i < 8; i++)
			t_read(&reader);
		CHECK_RESULT(zc_writer_acquire_block(writer.role, segment,
						     &handle, 0),
			     ZC_ERROR_NO_MEMORY);
		t_reader_close(&reader);
		CHECK_OK(zc_writer_acquire_block(writer.role, segment, &handle,
						 0));
		CHECK_OK(zc_writer_cancel_block(writer.role, handle));
		handle = 0;
	}
}

static void streams(void *arg)
{
	zc_pool_t *pool;
	struct t_writer writer;

	t_srand(*(uint64_t *)arg);
	t_hear(t_parent(), "go");
	pool = t_pool_open();
	t_writer_open(&writer, pool, SERVICE, NULL);
	for (int i = 0; i < 10000; i++)
		t_write(&writer, t_rand_size(8192));
	zc_pool_close(pool);
}

/* (I2) Random holds under a stream; t_release() looks at the bytes again. */
static void hold_content_stays_under_a_stream(void)
{
	enum { NR = 12 };
	uint64_t seed = t_seed();
	struct t_peer *child = t_spawn("writer", streams, &seed);
	zc_pool_options_t geometry = t_pool_options();
	zc_reader_options_t options = holds(NR);
	struct t_reader reader;
	zc_handle_t held[NR];
	unsigned int nr = 0;
	zc_pool_t *pool;

	t_srand(seed + 1);
	geometry.bytes = 512U << 10;
	pool = t_pool_create(&geometry);
	t_reader_open(&reader, pool, SERVICE, &options);
	reader.next = 1;
	t_say(child, "go");
	while (reader.next <= 10000) {
		held[nr++] = t_read(&reader);
		while (nr == NR || (nr && t_rand_below(8) < 3)) {
			unsigned int pick = (unsigned int)t_rand_below(nr);

			t_release(&reader, held[pick]);
			held[pick] = held[--nr];
		}
	}
	while (nr)
		t_release(&reader, held[--nr]);
	t_join(child);
}

struct race {
	uint64_t messages;
	uint64_t seed;
	zc_on_slow_t on_slow;
};

/* In so little memory that what is let go is written to at once. */
static void writes_in_a_hurry(void *arg)
{
	struct race *race = arg;
	zc_writer_options_t options = ZC_WRITER_OPTIONS_INIT;
	struct t_writer writer;
	zc_pool_t *pool;

	t_srand(race->seed);
	t_hear(t_parent(), "go");
	pool = t_pool_open();
	options.footprint_bytes = 1024;
	options.quota_bytes = 4096;
	options.on_slow = race->on_slow;
	options.lag_limit = 6;
	options.no_timestamp = true;
	t_writer_open(&writer, pool, SERVICE, &options);
	for (uint64_t i = 0; i < race->messages; i++)
		t_write(&writer, 1 + i % 64);
	t_say(t_parent(), "written");
	t_hear(t_parent(), "end");
	zc_pool_close(pool);
}

static void race_reclaim(zc_on_slow_t on_slow, bool best_effort)
{
	struct race *race = t_shared(sizeof(*race));
	struct t_peer *child = t_spawn("writer", writes_in_a_hurry, race);
	zc_pool_options_t geometry = t_pool_options();
	zc_reader_options_t options = holds(2);
	struct t_reader reader;
	zc_pool_t *pool;

	race->seed = t_seed();
	race->messages = t_long() ? 1000000 : 20000;
	race->on_slow = on_slow;
	t_srand(race->seed);
	geometry.bytes = 64U << 10;
	geometry.ring_entries = 16;
	pool = t_pool_create(&geometry);
	options.best_effort = best_effort;
	t_reader_open(&reader, pool, SERVICE, &options);
	reader.next = 1;
	t_say(child, "go");
	while (reader.next <= race->messages) {
		uint64_t spin = t_rand_below(64);
		zc_handle_t handle;

		CHECK_OK(t_try_read(&reader, &handle, t_wait_ns()));
		while (spin--)
			__asm__ __volatile__("");
		t_release(&reader, handle);
	}
	CHECK_EQ(reader.received + reader.lost, race->messages);
	if (on_slow == ZC_ON_SLOW_BLOCK && !best_effort)
		CHECK_EQ(reader.lost, 0);
	t_hear(child, "written");
	t_say(child, "end");
	t_join(child);
}

/* (I2) as close to each other as they get. */
static void hold_races_reclaim(void)
{
	race_reclaim(ZC_ON_SLOW_BLOCK, false);
}

static void hold_races_the_floor(void)
{
	race_reclaim(ZC_ON_SLOW_DROP_OLDEST, false);
}

static void hold_of_best_effort_races_reclaim(void)
{
	race_reclaim(ZC_ON_SLOW_BLOCK, true);
}

static const struct t_case cases[] = {
	T_CASE(hold_released_in_any_order),
	T_CASE(hold_limit_leaves_the_message),
	T_CASE(hold_limit_of_the_pool_is_kept),
	T_CASE(hold_for_ever_stops_nobody_and_stays),
	T_CASE(hold_of_several_readers_ends_with_the_last),
	T_CASE(hold_ends_with_its_reader),
	T_CASE(hold_content_stays_under_a_stream),
	T_CASE(hold_races_reclaim),
	T_CASE(hold_races_the_floor),
	T_CASE(hold_of_best_effort_races_reclaim),
	T_END,
};

int main(int argc, char **argv)
{
	return t_main(argc, argv, cases);
}
