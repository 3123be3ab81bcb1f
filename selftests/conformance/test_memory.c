/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_memory.c - a pool that is full, cut in pieces, shared, or rationed.
 */
#include "harness.h"

#define SERVICE "memory/test/one"
#define OTHER "memory/test/two"

/* Commits until there is no room, and holds everything. */
static unsigned int fill(struct t_writer *writer, struct t_reader *reader,
			 size_t bytes, zc_handle_t *held, unsigned int max)
{
	unsigned int nr = 0;
	zc_result_t result;

	while ((result = t_try_write(writer, bytes, 0)) == ZC_OK) {
		CHECK_OP(nr, <, max);
		held[nr++] = t_read(reader);
	}
	CHECK_RESULT(result, ZC_ERROR_NO_MEMORY);
	return nr;
}

static zc_pool_t *pool_with_many_holds(void)
{
	zc_pool_options_t geometry = t_pool_options();

	geometry.bytes = 1U << 20;
	geometry.ring_entries = 4096;
	geometry.max_holds = 4096;
	return t_pool_create(&geometry);
}

static zc_reader_options_t many_holds(void)
{
	zc_reader_options_t options = ZC_READER_OPTIONS_INIT;

	options.max_holds = 4096;
	return options;
}

static void memory_full_is_refused_and_recovers(void)
{
	static zc_handle_t held[4096];
	zc_reader_options_t options = many_holds();
	zc_pool_t *pool = pool_with_many_holds();
	zc_writer_stats_t stats = { .sz = sizeof(stats) };
	struct t_writer writer;
	struct t_reader reader;
	zc_handle_t handle = 0;
	unsigned int nr;
	uint64_t begin;

	t_reader_open(&reader, pool, SERVICE, &options);
	reader.next = 1;
	t_writer_open(&writer, pool, SERVICE, NULL);
	for (int round = 0; round < 5; round++) {
		nr = fill(&writer, &reader, 3000, held, 4096);
		CHECK_OP(nr, >, (1U << 20) / 4096 / 2);
		begin = zc_timestamp();
		CHECK_RESULT(zc_writer_acquire_block(writer.role, 3000, &handle,
						     3000000),
			     ZC_ERROR_TIMEOUT);
		CHECK_OP(zc_timestamp() - begin, >=, 3000000);
		CHECK(!handle);
		/* One goes, one comes. */
		t_release(&reader, held[nr / 2]);
		t_write(&writer, 3000);
		held[nr / 2] = t_read(&reader);
		while (nr)
			t_release(&reader, held[--nr]);
	}
	CHECK_OK(zc_writer_get_stats(writer.role, &stats));
	CHECK_OP(stats.timeouts, >=, 5);
	CHECK_OK(zc_writer_acquire_block(writer.role, t_segment_bytes(pool),
					 &handle, 0));
}

static void holds_all_then_lets_go(void *arg)
{
	static zc_handle_t held[4096];
	zc_reader_options_t options = many_holds();
	struct t_reader reader;
	unsigned int nr = 0;
	zc_pool_t *pool;

	(void)arg;
	t_hear(t_parent(), "go");
	pool = t_pool_open();
	t_reader_open(&reader, pool, SERVICE, &options);
	t_say(t_parent(), "ready");
	for (uint64_t n = t_hear_number(t_parent(), "hold"); n; n--)
		held[nr++] = t_read(&reader);
	t_say(t_parent(), "holding");
	t_hear(t_parent(), "release");
	while (nr)
		t_release(&reader, held[--nr]);
	t_read_many(&reader, 1);
	zc_pool_close(pool);
}

/* Who waits for memory gets it when somebody else lets go. */
static void memory_waited_for_comes(void)
{
	struct t_peer *child = t_spawn("holder", holds_all_then_lets_go, NULL);
	zc_pool_t *pool = pool_with_many_holds();
	struct t_writer writer;
	uint64_t nr = 0;

	t_say(child, "go");
	t_hear(child, "ready");
	t_writer_open(&writer, pool, SERVICE, NULL);
	while (t_try_write(&writer, 5000, 0) == ZC_OK)
		nr++;
	CHECK_OP(nr, >, 0);
	t_say_number(child, "hold", nr);
	t_hear(child, "holding");
	CHECK_RESULT(t_try_write(&writer, 5000, 1000000), ZC_ERROR_TIMEOUT);
	t_say(child, "release");
	CHECK_OK(t_try_write(&writer, 5000, ZC_TIMEOUT_FOREVER));
	t_join(child);
}

static void memory_merges_on_demand(void)
{
	static zc_handle_t held[4096];
	static const size_t sizes[] = { 1, 512, 1500, 9000, 70000 };
	zc_reader_options_t options = many_holds();
	zc_pool_t *pool = pool_with_many_holds();
	uint64_t segment = t_segment_bytes(pool);
	struct t_writer writer;
	struct t_reader reader;
	zc_handle_t handle;

	t_reader_open(&reader, pool, SERVICE, &options);
	t_writer_open(&writer, pool, SERVICE, NULL);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		unsigned int nr = fill(&writer, &reader, sizes[i], held, 4096);

		/* Every second one first: no two pieces lie together. */
		for (unsigned int n = 0; n < nr; n += 2)
			t_release(&reader, held[n]);
		CHECK_RESULT(zc_writer_acquire_block(writer.role, segment,
						     &handle, 0),
			     ZC_ERROR_NO_MEMORY);
		CHECK_OK(zc_writer_acquire_block(writer.role, sizes[i],
						 &handle, 0));
		CHECK_OK(zc_writer_cancel_block(writer.role, handle));
		for (unsigned int n = 1; n < nr; n += 2)
			t_release(&reader, held[n]);
		/* One try is bounded, and here is more to do. */
		CHECK_OK(zc_writer_acquire_block(writer.role, segment, &handle,
						 t_wait_ns()));
		CHECK_OK(zc_writer_cancel_block(writer.role, handle));
	}
}

static void memory_of_random_sizes_merges(void)
{
	static zc_handle_t held[4096];
	zc_reader_options_t options = many_holds();
	zc_pool_t *pool = pool_with_many_holds();
	uint64_t segment = t_segment_bytes(pool);
	struct t_writer writer;
	struct t_reader reader;
	zc_handle_t handle;

	t_srand(t_seed());
	t_reader_open(&reader, pool, SERVICE, &options);
	t_writer_open(&writer, pool, SERVICE, NULL);
	for (int round = 0; round < 10; round++) {
		unsigned int nr = 0;

		while (nr < 3000 &&
		       t_try_write(&writer, t_rand_size(segment / 16), 0) ==
			       ZC_OK)
			held[nr++] = t_read(&reader);
		t_pool_check(pool);
		while (nr) {
			unsigned int pick = (unsigned int)t_rand_below(nr);

			t_release(&reader, held[pick]);
			held[pick] = held[--nr];
		}
		CHECK_OK(zc_writer_acquire_block(writer.role, segment, &handle,
						 0));
		CHECK_OK(zc_writer_cancel_block(writer.role, handle));
	}
}

static void memory_of_all_segments_is_used(void)
{
	zc_pool_options_t geometry = t_pool_options();
	zc_pool_info_t info = { .sz = sizeof(info) };
	struct t_writer writer;
	zc_handle_t handle[8], more = 0;
	zc_pool_t *pool;

	geometry.bytes = 4U << 20;
	geometry.segment_bytes = 1U << 20;
	pool = t_pool_create(&geometry);
	CHECK_OK(zc_pool_get_info(pool, &info));
	CHECK_EQ(info.segments, 4);
	CHECK_EQ(info.segment_bytes, 1U << 20);
	t_writer_open(&writer, pool, SERVICE, NULL);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 4; i++)
			CHECK_OK(zc_writer_acquire_block(writer.role, 1U << 20,
							 &handle[i], 0));
		CHECK_RESULT(zc_writer_acquire_block(writer.role, 1, &more, 0),
			     ZC_ERROR_NO_MEMORY);
		for (int i = 0; i < 4; i++)
			CHECK_OK(zc_writer_cancel_block(writer.role,
							handle[i]));
	}
}

static void quota_is_kept(void)
{
	zc_writer_options_t limited = ZC_WRITER_OPTIONS_INIT;
	zc_reader_options_t options = many_holds();
	zc_pool_t *pool = pool_with_many_holds();
	zc_writer_stats_t stats = { .sz = sizeof(stats) };
	struct t_writer small, large;
	struct t_reader reader;
	zc_handle_t held[64], handle = 0;
	unsigned int nr = 0;
	zc_result_t result;

	limited.quota_bytes = 64U << 10;
	t_reader_open(&reader, pool, SERVICE, &options);
	t_writer_open(&small, pool, SERVICE, &limited);
	t_writer_open(&large, pool, OTHER, NULL);
	while ((result = t_try_write(&small, 4096, 0)) == ZC_OK) {
		CHECK_OP(nr, <, 16);
		held[nr++] = t_read(&reader);
	}
	CHECK_RESULT(result, ZC_ERROR_QUOTA);
	/* What it may hold it can: a little may be kept for reuse. */
	CHECK_OP(nr, >=, 8);
	CHECK_RESULT(t_try_write(&small, 4096, 1000000), ZC_ERROR_TIMEOUT);
	CHECK_OK(zc_writer_get_stats(small.role, &stats));
	CHECK_OP(stats.held_bytes, <=, limited.quota_bytes);
	CHECK_RESULT(zc_writer_acquire_block(small.role, 65537, &handle, 0),
		     ZC_ERROR_QUOTA);
	CHECK(!handle);
	/* The others have the rest of the pool. */
	CHECK_OK(zc_writer_acquire_block(large.role, 512U << 10, &handle, 0));
	t_release(&reader, held[3]);
	t_write(&small, 4096);
	held[3] = t_read(&reader);
	while (nr)
		t_release(&reader, held[--nr]);
	for (int i = 0; i < 1000; i++) {
		t_write(&small, 30000);
		t_read_many(&reader, 1);
	}
	CHECK_OK(zc_writer_get_stats(small.role, &stats));
	CHECK_OP(stats.held_bytes, <=, limited.quota_bytes);
}

/* Unread by nobody, left by its writer: anyone short of memory takes it. */
static void memory_of_a_writer_that_left_is_reused(void)
{
	zc_pool_t *pool = pool_with_many_holds();
	uint64_t segment = t_segment_bytes(pool);
	struct t_writer first, second;
	zc_handle_t handle;

	t_writer_open(&first, pool, SERVICE, NULL);
	t_writer_open(&second, pool, OTHER, NULL);
	for (int round = 0; round < 3; round++) {
		while (t_try_write(&first, 5000, 0) == ZC_OK &&
		       first.next % 100)
			;
		t_writer_close(&first);
		CHECK_OK(zc_writer_acquire_block(second.role, segment, &handle,
						 t_wait_ns()));
		CHECK_OK(zc_writer_cancel_block(second.role, handle));
		t_writer_open(&first, pool, SERVICE, NULL);
		CHECK_OP(first.next, >, 1);
	}
}

/* Two live writers, each of which needs half of the memory for one message. */
static void memory_goes_back_and_forth(void)
{
	zc_pool_t *pool = pool_with_many_holds();
	uint64_t segment = t_segment_bytes(pool);
	struct t_writer writer[2];
	struct t_reader reader[2];
	zc_handle_t handle;

	for (int i = 0; i < 2; i++) {
		const char *service = i ? OTHER : SERVICE;

		t_reader_open(&reader[i], pool, service, NULL);
		t_writer_open(&writer[i], pool, service, NULL);
	}
	for (int round = 0; round < 20; round++) {
		int i = round % 2;

		CHECK_OK(zc_writer_acquire_block(writer[i].role, segment / 2,
						 &handle, t_wait_ns()));
		t_commit(&writer[i], handle);
		t_read_many(&reader[i], 1);
	}
}

/* Publishes most of the pool, has all of it read, and does nothing any more. */
static void publishes_and_idles(void *arg)
{
	struct t_writer writer;
	struct t_reader reader;
	zc_pool_t *pool;

	(void)arg;
	t_hear(t_parent(), "go");
	pool = t_pool_open();
	t_reader_open(&reader, pool, SERVICE, NULL);
	t_writer_open(&writer, pool, SERVICE, NULL);
	t_write_many(&writer, 3, t_segment_bytes(pool) / 4);
	t_read_many(&reader, 3);
	t_say(t_parent(), "done");
	t_hear(t_parent(), "end");
	zc_pool_close(pool);
}

/* Another process takes it back, that has never seen those readers' regions. */
static void memory_of_an_idle_topic_is_reused(void)
{
	struct t_peer *child = t_spawn("idle", publishes_and_idles, NULL);
	zc_pool_t *pool = pool_with_many_holds();
	struct t_writer writer;
	zc_handle_t handle;

	t_say(child, "go");
	t_hear(child, "done");
	t_writer_open(&writer, pool, OTHER, NULL);
	CHECK_OK(zc_writer_acquire_block(writer.role, t_segment_bytes(pool) * 7 / 8,
					 &handle, t_wait_ns()));
	t_say(child, "end");
	t_join(child);
}

static const struct t_case cases[] = {
	T_CASE(memory_full_is_refused_and_recovers),
	T_CASE(memory_waited_for_comes),
	T_CASE(memory_merges_on_demand),
	T_CASE(memory_of_random_sizes_merges),
	T_CASE(memory_of_all_segments_is_used),
	T_CASE(quota_is_kept),
	T_CASE(memory_of_a_writer_that_left_is_reused),
	T_CASE(memory_goes_back_and_forth),
	T_CASE(memory_of_an_idle_topic_is_reused),
	T_END,
};

int main(int argc, char **argv)
{
	return t_main(argc, argv, cases);
}
