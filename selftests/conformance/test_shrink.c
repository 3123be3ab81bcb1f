/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_shrink.c - a pool gives the memory of segments back, and its members go on.
 */
#include <stdio.h>
#include <string.h>

#include "harness.h"

#define SEGMENT (1ULL << 20)

/* @segments of 1 MiB, up to 8. */
static zc_pool_t *pool_of(unsigned int segments)
{
	zc_pool_options_t options = t_pool_options();

	options.bytes = segments * SEGMENT;
	options.segment_bytes = SEGMENT;
	options.max_bytes = 8 * SEGMENT;
	options.ring_entries = 1024;
	return t_pool_create(&options);
}

static uint64_t bytes_of(zc_pool_t *pool)
{
	zc_pool_info_t info = { .sz = sizeof(info) };
	zc_pool_load_t load = { .sz = sizeof(load) };

	CHECK_OK(zc_pool_get_info(pool, &info));
	CHECK_OK(zc_pool_get_load(pool, &load));
	CHECK_EQ(info.segments * SEGMENT, info.bytes);
	CHECK_EQ(load.segments * SEGMENT, load.bytes);
	return info.bytes;
}

/* What this process has of the segments' memory, in bytes. */
static uint64_t resident(void)
{
	FILE *file = fopen("/proc/self/smaps", "re");
	unsigned long from = 0, to = 0, kib, a, b;
	char line[512], mode[8] = "";
	uint64_t sum = 0;

	CHECK(file);
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%lx-%lx %7s", &a, &b, mode) == 3) {
			from = a;
			to = b;
		} else if (sscanf(line, "Rss: %lu", &kib) == 1 && mode[3] == 's' &&
			   to - from == SEGMENT) {
			sum += (uint64_t)kib << 10;
		}
	}
	fclose(file);
	return sum;
}

static void pool_shrinks_when_asked(void)
{
	zc_pool_t *pool = pool_of(2);
	struct t_writer writer;
	struct t_reader reader;
	uint64_t before, after;

	CHECK_OK(zc_pool_grow(pool, 4));
	t_writer_open(&writer, pool, "shrink/asked/main", NULL);
	t_reader_open(&reader, pool, "shrink/asked/main", NULL);
	for (int round = 0; round < 3; round++) {
		uint64_t nr = 0;

		/* All of it is touched. */
		while (t_try_write(&writer, 60000, 0) == ZC_OK)
			nr++;
		CHECK_OP(nr, >=, 6 * 15);
		t_read_many(&reader, nr);
		before = resident();
		t_writer_close(&writer);
		CHECK_OK(zc_pool_shrink(pool, 5, t_wait_ns()));
		CHECK_EQ(bytes_of(pool), SEGMENT);
		after = resident();
		CHECK_OP(before, >, 5 * SEGMENT);
		CHECK_OP(after, <=, SEGMENT);
		t_pool_check_rest(pool);
		t_pool_acquire_all(pool, "shrink/all/main");
		CHECK_OK(zc_pool_grow(pool, 5));
		CHECK_EQ(bytes_of(pool), 6 * SEGMENT);
		t_pool_check_rest(pool);
		t_pool_acquire_all(pool, "shrink/all/main");
		t_writer_open(&writer, pool, "shrink/asked/main", NULL);
		t_note("resident: %llu KiB with six segments, %llu with one",
		       (unsigned long long)before >> 10,
		       (unsigned long long)after >> 10);
	}
	t_reader_close(&reader);
	t_writer_close(&writer);
	t_pool_check_rest(pool);
	t_pool_close(pool);
}

/* What somebody holds stays, and so does its segment. */
static void segment_in_use_stays(void)
{
	zc_pool_t *pool = pool_of(3);
	zc_handle_t handle[200], held;
	struct t_writer writer;
	struct t_reader reader;
	unsigned int nr = 0;

	t_writer_open(&writer, pool, "shrink/held/main", NULL);
	t_reader_open(&reader, pool, "shrink/held/main", NULL);
	while (nr < 200 && zc_writer_acquire_block(writer.role, 30000, &handle[nr],
						   0) == ZC_OK)
		nr++;
	CHECK_OP(nr, >=, 90);
	CHECK_RESULT(zc_pool_shrink(pool, 1, 1000000), ZC_ERROR_TIMEOUT);
	CHECK_OP(strlen(zc_last_error()), >, 20);
	CHECK_EQ(bytes_of(pool), 3 * SEGMENT);
	/* One message, in one of them. */
	t_commit(&writer, handle[0]);
	while (nr > 1)
		CHECK_OK(zc_writer_cancel_block(writer.role, handle[--nr]));
	held = t_read(&reader);
	t_writer_close(&writer);
	CHECK_OK(zc_pool_shrink(pool, 2, t_wait_ns()));
	CHECK_EQ(bytes_of(pool), SEGMENT);
	t_release(&reader, held);
	t_reader_close(&reader);
	t_pool_check(pool);
	t_pool_close(pool);
}

static void bad_shrinking_is_refused(void)
{
	zc_pool_t *pool = pool_of(2);

	CHECK_RESULT(zc_pool_shrink(NULL, 1, 0), ZC_ERROR_INVALID);
	CHECK_OK(zc_pool_shrink(pool, 0, 0));
	CHECK_OK(zc_pool_shrink(pool, 1, t_wait_ns()));
	CHECK_RESULT(zc_pool_shrink(pool, 1, t_wait_ns()), ZC_ERROR_INVALID);
	CHECK_OP(strlen(zc_last_error()), >, 20);
	CHECK_EQ(bytes_of(pool), SEGMENT);
	t_pool_close(pool);
}

/* A writer at work makes room: it gives back what it keeps, and goes on elsewhere. */
static void writer_at_work_moves_out(void)
{
	zc_pool_t *pool = pool_of(4);
	struct t_writer writer;
	struct t_reader reader;
	zc_result_t result;

	t_writer_open(&writer, pool, "shrink/work/main", NULL);
	t_reader_open(&reader, pool, "shrink/work/main", NULL);
	for (int i = 0; i < 500; i++) {
		t_write(&writer, t_rand_size(100000));
		t_read_many(&reader, 1);
	}
	do {
		for (int i = 0; i < 50; i++) {
			t_write(&writer, t_rand_size(100000));
			t_read_many(&reader, 1);
		}
		result = zc_pool_shrink(pool, 1, 2000000);
		CHECK(result == ZC_OK || result == ZC_ERROR_TIMEOUT);
	} while (bytes_of(pool) > 2 * SEGMENT);
	t_reader_close(&reader);
	t_writer_close(&writer);
	t_pool_check_rest(pool);
	t_pool_acquire_all(pool, "shrink/all/main");
	t_pool_close(pool);
}

/* --- others ---------------------------------------------------------------------------- */

#define MESSAGES 3000
#define LARGEST 40000

static void writes_all(void *arg)
{
	struct t_writer writer;
	zc_pool_t *pool;

	(void)arg;
	t_hear(t_parent(), "open");
	pool = t_pool_open();
	t_writer_open(&writer, pool, "shrink/others/main", NULL);
	t_say(t_parent(), "there");
	t_hear(t_parent(), "go");
	for (int i = 0; i < MESSAGES; i++)
		t_write(&writer, t_rand_size(LARGEST));
	t_writer_close(&writer);
	t_pool_close(pool);
	t_say(t_parent(), "done");
}

static void reads_all(void *arg)
{
	struct t_reader reader;
	zc_pool_t *pool;

	(void)arg;
	t_hear(t_parent(), "open");
	pool = t_pool_open();
	t_reader_open(&reader, pool, "shrink/others/main", NULL);
	t_say(t_parent(), "there");
	t_hear(t_parent(), "go");
	t_read_many(&reader, MESSAGES);
	t_reader_close(&reader);
	t_pool_close(pool);
	t_say(t_parent(), "done");
}

/* One grows, one shrinks, one writes, one reads: every message comes, as it was. */
static void segments_come_and_go_under_load(void)
{
	struct t_peer *reader = t_spawn("reader", reads_all, NULL);
	struct t_peer *writer = t_spawn("writer", writes_all, NULL);
	uint64_t grown = 0, shrunk = 0;
	zc_pool_t *pool = pool_of(2);

	t_say(reader, "open");
	t_hear(reader, "there");
	t_say(writer, "open");
	t_hear(writer, "there");
	t_say(writer, "go");
	while (!t_can_hear(reader)) {
		if (t_rand_below(2) && bytes_of(pool) < 8 * SEGMENT) {
			CHECK_OK(zc_pool_grow(pool, 1));
			/* It waits for the first: they are not done before. */
			if (!grown++)
				t_say(reader, "go");
		} else if (bytes_of(pool) > SEGMENT) {
			zc_result_t result = zc_pool_shrink(pool, 1, 1000000);

			CHECK(result == ZC_OK || result == ZC_ERROR_TIMEOUT);
			shrunk += result == ZC_OK;
		}
	}
	t_hear(reader, "done");
	t_hear(writer, "done");
	t_join(reader);
	t_join(writer);
	t_note("%llu segments came, %llu went", (unsigned long long)grown,
	       (unsigned long long)shrunk);
	t_pool_check_rest(pool);
	t_pool_acquire_all(pool, "shrink/all/main");
	t_pool_close(pool);
}

/* Two who shrink a pool of two segments at once: the second takes not the last. */
static void shrinks_by_one(void *arg)
{
	zc_result_t result;
	zc_pool_t *pool;

	(void)arg;
	t_hear(t_parent(), "open");
	pool = t_pool_open();
	t_say(t_parent(), "there");
	result = zc_pool_shrink(pool, 1, t_wait_ns());
	CHECK(result == ZC_OK || result == ZC_ERROR_INVALID);
	t_say_number(t_parent(), "shrank", result == ZC_OK);
	t_pool_close(pool);
}

static uint32_t cleaners_of(zc_pool_t *pool)
{
	zc_pool_load_t load = { .sz = sizeof(load) };

	CHECK_OK(zc_pool_get_load(pool, &load));
	return load.cleaners;
}

static void last_segment_stays(void)
{
	struct t_peer *child[2];
	zc_handle_t handle[100];
	struct t_writer writer;
	unsigned int i, nr = 0;
	uint64_t shrank = 0;
	zc_pool_t *pool;

	for (i = 0; i < 2; i++)
		child[i] = t_spawn("shrinker", shrinks_by_one, NULL);
	pool = pool_of(2);
	t_writer_open(&writer, pool, "shrink/last/main", NULL);
	while (nr < 100 && zc_writer_acquire_block(writer.role, 30000, &handle[nr],
						   0) == ZC_OK)
		nr++;
	for (i = 0; i < 2; i++) {
		t_say(child[i], "open");
		t_hear(child[i], "there");
	}
	/* Both are at it, and none gets anywhere. */
	T_UNTIL(cleaners_of(pool) == 2);
	while (nr)
		CHECK_OK(zc_writer_cancel_block(writer.role, handle[--nr]));
	t_writer_close(&writer);
	for (i = 0; i < 2; i++) {
		shrank += t_hear_number(child[i], "shrank");
		t_join(child[i]);
	}
	CHECK_EQ(shrank, 1);
	CHECK_EQ(bytes_of(pool), SEGMENT);
	t_pool_check_rest(pool);
	t_pool_acquire_all(pool, "shrink/all/main");
	t_pool_close(pool);
}

/* --- by itself ------------------------------------------------------------------------- */

/*
 * A burst on a reliable topic that needs three times the pool: it grows, nothing is lost,
 * and once the burst is over it is as small as before.
 */
static void burst_leaves_a_pool_as_it_was(void)
{
	zc_cleaner_options_t options = ZC_CLEANER_OPTIONS_INIT;
	zc_pool_t *pool = pool_of(2);
	uint64_t small, most, least;
	zc_cleaner_t *cleaner;
	struct t_writer writer;
	struct t_reader reader;

	options.idle_ns = 2000000;
	CHECK_OK(zc_cleaner_start(pool, &options, &cleaner));
	t_writer_open(&writer, pool, "shrink/burst/main", NULL);
	t_reader_open(&reader, pool, "shrink/burst/main", NULL);
	t_write(&writer, 1000);
	t_read_many(&reader, 1);
	small = resident();
	for (int i = 0; i < 200; i++)
		t_write(&writer, 32000);
	CHECK_OP(bytes_of(pool), >=, 6 * SEGMENT);
	/* What is not read yet cannot go. */
	most = resident();
	t_read_many(&reader, 200);
	/* It goes on with little. */
	while (bytes_of(pool) > 2 * SEGMENT) {
		t_write(&writer, 1000);
		t_read_many(&reader, 1);
		t_nap(__FILE__, __LINE__, "the pool is small again");
	}
	/* The last is counted out before its memory has gone. */
	T_UNTIL((least = resident()) <= 2 * SEGMENT);
	t_note("resident: %llu KiB, after a burst of 6250 KiB %llu, at last %llu",
	       (unsigned long long)small >> 10, (unsigned long long)most >> 10,
	       (unsigned long long)least >> 10);
	CHECK_OP(most, >, 5 * SEGMENT);
	t_reader_close(&reader);
	t_writer_close(&writer);
	zc_cleaner_stop(cleaner);
	CHECK_EQ(bytes_of(pool), 2 * SEGMENT);
	t_pool_check_rest(pool);
	t_pool_close(pool);
}

int main(int argc, char **argv)
{
	static const struct t_case cases[] = {
		T_CASE(pool_shrinks_when_asked),
		T_CASE(segment_in_use_stays),
		T_CASE(bad_shrinking_is_refused),
		T_CASE(writer_at_work_moves_out),
		T_CASE(segments_come_and_go_under_load),
		T_CASE(last_segment_stays),
		T_CASE(burst_leaves_a_pool_as_it_was),
		T_END
	};

	return t_main(argc, argv, cases);
}
