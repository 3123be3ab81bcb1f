/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_roundtrip.c - blocks of every size, from one process to another.
 */
#include <string.h>

#include "harness.h"

#define SERVICE "round/trip/block"

static size_t sizes[64];
static unsigned int sizes_nr;

static void add_size(size_t bytes)
{
	CHECK(sizes_nr < 64);
	sizes[sizes_nr++] = bytes;
}

/* What a pool with these numbers must carry: around each of its limits. */
static void make_sizes(size_t granule, size_t segment)
{
	size_t stripe = segment / 64;

	sizes_nr = 0;
	add_size(1);
	for (size_t n = 7; n <= 9; n++)
		add_size(n);
	for (size_t n = 1; n <= 3; n++)
		for (int d = -1; d <= 1; d++)
			add_size(n * granule + (size_t)d);
	for (int d = -1; d <= 1; d++) {
		add_size(stripe + (size_t)d);
		add_size(2 * stripe + (size_t)d);
		add_size(segment / 2 + (size_t)d);
	}
	add_size(segment / 4 * 3);
	add_size(segment - granule);
	add_size(segment - 1);
	add_size(segment);
	add_size(1);
	add_size(segment);
}

static void reads_sizes(void *arg)
{
	zc_block_info_t info = { .sz = sizeof(info) };
	struct t_reader reader;
	zc_pool_t *pool;
	size_t granule;

	(void)arg;
	granule = t_hear_number(t_parent(), "granule");
	make_sizes(granule, t_hear_number(t_parent(), "segment"));
	pool = t_pool_open();
	t_reader_open(&reader, pool, SERVICE, NULL);
	reader.next = 1;
	t_say(t_parent(), "ready");
	for (unsigned int i = 0; i < sizes_nr; i++) {
		zc_handle_t handle = t_read(&reader);
		size_t bytes;

		zc_reader_block_data(reader.role, handle, &bytes);
		CHECK_EQ(bytes, sizes[i]);
		CHECK_OK(zc_reader_block_info(reader.role, handle, &info));
		CHECK_EQ(info.bytes, sizes[i]);
		CHECK(info.timestamp_ns && info.timestamp_ns <= zc_timestamp());
		t_release(&reader, handle);
	}
	zc_pool_close(pool);
}

static void carry_sizes(uint64_t bytes, uint32_t granule, uint64_t segment)
{
	struct t_peer *child = t_spawn("reader", reads_sizes, NULL);
	zc_pool_options_t options = t_pool_options();
	struct t_writer writer;
	zc_handle_t handle = 0;
	zc_pool_t *pool;

	options.bytes = bytes;
	options.granule_bytes = granule;
	options.segment_bytes = segment;
	pool = t_pool_create(&options);
	segment = t_segment_bytes(pool);
	make_sizes(granule, segment);
	t_say_number(child, "granule", granule);
	t_say_number(child, "segment", segment);
	t_hear(child, "ready");
	t_writer_open(&writer, pool, SERVICE, NULL);
	for (unsigned int i = 0; i < sizes_nr; i++)
		t_write(&writer, sizes[i]);
	CHECK_RESULT(zc_writer_acquire_block(writer.role, segment + 1, &handle,
					     t_wait_ns()),
		     ZC_ERROR_SIZE);
	CHECK_RESULT(zc_writer_acquire_block(writer.role, SIZE_MAX, &handle,
					     t_wait_ns()),
		     ZC_ERROR_SIZE);
	CHECK(zc_writer_acquire_block(writer.role, 0, &handle, t_wait_ns()) !=
	      ZC_OK);
	CHECK(!handle);
	t_join(child);
}

static void block_sizes_small_granule(void)
{
	carry_sizes(2U << 20, 64, 0);
}

static void block_sizes_usual_granule(void)
{
	carry_sizes(16U << 20, 512, 0);
}

static void block_sizes_large_granule(void)
{
	carry_sizes(16U << 20, 65536, 0);
}

static void block_sizes_several_segments(void)
{
	carry_sizes(8U << 20, 512, 2U << 20);
}

static void reads_many(void *arg)
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

static void block_stream_keeps_order_and_content(void)
{
	uint64_t messages = 20000;
	struct t_peer *child = t_spawn("reader", reads_many, &messages);
	zc_pool_t *pool = t_pool_create(NULL);
	zc_writer_stats_t stats = { .sz = sizeof(stats) };
	struct t_writer writer;

	t_srand(t_seed());
	t_say(child, "go");
	t_hear(child, "ready");
	t_writer_open(&writer, pool, SERVICE, NULL);
	for (uint64_t i = 0; i < messages; i++)
		t_write(&writer, t_rand_size(4096));
	t_join(child);
	CHECK_OK(zc_writer_get_stats(writer.role, &stats));
	CHECK_EQ(stats.committed, messages);
	CHECK_EQ(stats.acquired, messages);
	CHECK_EQ(stats.dropped, 0);
	CHECK_EQ(stats.inflight, 0);
	CHECK_EQ(stats.next_sequence, messages + 1);
}

/* Order is the order of commit, not of acquire. */
static void block_commits_in_any_order(void)
{
	enum { NR = 16 };
	zc_pool_t *pool = t_pool_create(NULL);
	zc_writer_stats_t stats = { .sz = sizeof(stats) };
	struct t_writer writer;
	struct t_reader reader;

	t_srand(t_seed());
	t_writer_open(&writer, pool, SERVICE, NULL);
	t_reader_open(&reader, pool, SERVICE, NULL);
	reader.next = 1;
	for (int round = 0; round < 50; round++) {
		zc_handle_t handle[NR];
		size_t bytes[NR];

		for (int i = 0; i < NR; i++) {
			bytes[i] = t_rand_size(20000);
			CHECK_OK(zc_writer_acquire_block(writer.role, bytes[i],
							 &handle[i],
							 t_wait_ns()));
		}
		CHECK_OK(zc_writer_get_stats(writer.role, &stats));
		CHECK_EQ(stats.inflight, NR);
		for (int left = NR; left; left--) {
			unsigned int pick = (unsigned int)
				t_rand_below((uint64_t)left);
			zc_handle_t got;
			size_t size;

			t_commit(&writer, handle[pick]);
			got = t_read(&reader);
			zc_reader_block_data(reader.role, got, &size);
			CHECK_EQ(size, bytes[pick]);
			t_release(&reader, got);
			handle[pick] = handle[left - 1];
			bytes[pick] = bytes[left - 1];
		}
	}
}

/* (I1) What is in flight or published never shares a byte. */
static void block_memory_is_never_shared(void)
{
	enum { NR = 24 };
	zc_pool_t *pool = t_pool_create(NULL);
	struct t_writer a, b;
	zc_handle_t handle[NR];
	size_t bytes[NR];

	t_srand(t_seed());
	t_writer_open(&a, pool, "one/of/two", NULL);
	t_writer_open(&b, pool, "two/of/two", NULL);
	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < NR; i++) {
			zc_writer_t *role = i % 2 ? b.role : a.role;
			void *data;

			bytes[i] = t_rand_size(60000);
			CHECK_OK(zc_writer_acquire_block(role, bytes[i],
							 &handle[i],
							 t_wait_ns()));
			data = zc_writer_block_data(role, handle[i], NULL);
			CHECK(data && (uintptr_t)data % 512 == 0);
			t_fill(data, bytes[i], (uint64_t)i, (uint64_t)round);
		}
		for (int i = 0; i < NR; i++) {
			zc_writer_t *role = i % 2 ? b.role : a.role;

			CHECK(t_matches(zc_writer_block_data(role, handle[i],
							     NULL),
					bytes[i], (uint64_t)i,
					(uint64_t)round));
			CHECK_OK(zc_writer_cancel_block(role, handle[i]));
		}
	}
}

static void block_cancelled_leaves_no_trace(void)
{
	zc_pool_t *pool = t_pool_create(NULL);
	uint64_t segment = t_segment_bytes(pool);
	zc_writer_stats_t stats = { .sz = sizeof(stats) };
	struct t_writer writer;
	struct t_reader reader;
	zc_handle_t handle;

	t_reader_open(&reader, pool, SERVICE, NULL);
	reader.next = 1;
	t_writer_open(&writer, pool, SERVICE, NULL);
	for (int i = 0; i < 200; i++) {
		CHECK_OK(zc_writer_acquire_block(writer.role,
						 segment >> (i % 12), &handle,
						 t_wait_ns()));
		CHECK_OK(zc_writer_cancel_block(writer.role, handle));
		if (i % 10 == 0) {
			t_write(&writer, 100);
			t_read_many(&reader, 1);
		}
	}
	CHECK_RESULT(t_try_read(&reader, &handle, 0), ZC_ERROR_TIMEOUT);
	CHECK_OK(zc_writer_get_stats(writer.role, &stats));
	CHECK_EQ(stats.cancelled, 200);
	CHECK_EQ(stats.committed, 20);
	CHECK_EQ(stats.acquired, 220);
	CHECK_EQ(stats.inflight, 0);
	CHECK_OK(zc_writer_acquire_block(writer.role, segment, &handle,
					 t_wait_ns()));
}

static void block_resized_before_commit(void)
{
	zc_pool_t *pool = t_pool_create(NULL);
	struct t_writer writer;
	struct t_reader reader;
	zc_handle_t handle, got;
	size_t bytes;

	t_reader_open(&reader, pool, SERVICE, NULL);
	t_writer_open(&writer, pool, SERVICE, NULL);
	CHECK_OK(zc_writer_acquire_block(writer.role, 10000, &handle,
					 t_wait_ns()));
	CHECK_RESULT(zc_writer_resize_block(writer.role, handle, 10001),
		     ZC_ERROR_SIZE);
	CHECK(zc_writer_resize_block(writer.role, handle, 0) != ZC_OK);
	CHECK_RESULT(zc_writer_resize_block(writer.role, handle, SIZE_MAX),
		     ZC_ERROR_SIZE);
	CHECK_OK(zc_writer_resize_block(writer.role, handle, 5));
	CHECK(zc_writer_block_data(writer.role, handle, &bytes));
	CHECK_EQ(bytes, 5);
	CHECK_OK(zc_writer_resize_block(writer.role, handle, 10000));
	CHECK_OK(zc_writer_resize_block(writer.role, handle, 777));
	t_commit(&writer, handle);
	got = t_read(&reader);
	CHECK(zc_reader_block_data(reader.role, got, &bytes));
	CHECK_EQ(bytes, 777);
	t_release(&reader, got);
	CHECK_RESULT(zc_writer_resize_block(writer.role, handle, 5),
		     ZC_ERROR_STALE_HANDLE);
}

static void block_inflight_limit_is_kept(void)
{
	zc_writer_options_t options = ZC_WRITER_OPTIONS_INIT;
	zc_pool_t *pool = t_pool_create(NULL);
	struct t_writer writer;
	zc_handle_t handle[4], more = 0;

	options.max_inflight = 4;
	t_writer_open(&writer, pool, SERVICE, &options);
	for (int i = 0; i < 4; i++)
		CHECK_OK(zc_writer_acquire_block(writer.role, 100, &handle[i],
						 t_wait_ns()));
	CHECK_RESULT(zc_writer_acquire_block(writer.role, 100, &more, 0),
		     ZC_ERROR_BUSY);
	CHECK_RESULT(zc_writer_acquire_block(writer.role, 100, &more,
					     t_wait_ns()),
		     ZC_ERROR_BUSY);
	CHECK(!more);
	CHECK_OK(zc_writer_cancel_block(writer.role, handle[2]));
	CHECK_OK(zc_writer_acquire_block(writer.role, 100, &more, 0));
}

static void block_hints_and_timestamps(void)
{
	static const size_t hints[] = { 0, 1, 64, 4096, 1U << 30, SIZE_MAX };
	zc_writer_options_t options = ZC_WRITER_OPTIONS_INIT;
	zc_block_info_t info = { .sz = sizeof(info) };
	zc_pool_t *pool = t_pool_create(NULL);
	struct t_writer writer, untimed;
	struct t_reader reader, other;
	uint64_t last = zc_timestamp();
	zc_handle_t handle;

	options.no_timestamp = true;
	t_reader_open(&reader, pool, SERVICE, NULL);
	t_reader_open(&other, pool, "no/time/stamp", NULL);
	t_writer_open(&writer, pool, SERVICE, NULL);
	t_writer_open(&untimed, pool, "no/time/stamp", &options);
	for (size_t i = 0; i < sizeof(hints) / sizeof(*hints); i++) {
		t_write(&writer, 1000);
		t_write(&untimed, 1000);
		CHECK_OK(zc_reader_poll_block(reader.role, hints[i], &handle,
					      t_wait_ns()));
		CHECK_OK(zc_reader_block_info(reader.role, handle, &info));
		CHECK_OP(info.timestamp_ns, >=, last);
		last = info.timestamp_ns;
		t_release(&reader, handle);
		handle = t_read(&other);
		CHECK_OK(zc_reader_block_info(other.role, handle, &info));
		CHECK_EQ(info.timestamp_ns, 0);
		t_release(&other, handle);
	}
	CHECK_OP(zc_timestamp(), >=, last);
}

static const struct t_case cases[] = {
	T_CASE(block_sizes_small_granule),
	T_CASE(block_sizes_usual_granule),
	T_CASE(block_sizes_large_granule),
	T_CASE(block_sizes_several_segments),
	T_CASE(block_stream_keeps_order_and_content),
	T_CASE(block_commits_in_any_order),
	T_CASE(block_memory_is_never_shared),
	T_CASE(block_cancelled_leaves_no_trace),
	T_CASE(block_resized_before_commit),
	T_CASE(block_inflight_limit_is_kept),
	T_CASE(block_hints_and_timestamps),
	T_END,
};

int main(int argc, char **argv)
{
	return t_main(argc, argv, cases);
}
