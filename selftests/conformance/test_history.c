/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_history.c - late joiners, "keep last N" topics, best-effort readers:
 * blocks that nobody keeps for a reader.
 */
#include "harness.h"

#define SERVICE "history/test/one"

static zc_writer_options_t keeps(uint32_t history, bool overwrite)
{
	zc_writer_options_t options = ZC_WRITER_OPTIONS_INIT;

	options.history = history;
	options.overwrite = overwrite;
	return options;
}

static zc_reader_options_t wants(uint32_t history, bool best_effort)
{
	zc_reader_options_t options = ZC_READER_OPTIONS_INIT;

	options.history = history;
	options.best_effort = best_effort;
	options.max_holds = 8;
	return options;
}

static void joins_late(void *arg)
{
	zc_reader_options_t options = wants(5, false);
	struct t_reader reader;
	zc_pool_t *pool;

	(void)arg;
	t_hear(t_parent(), "go");
	pool = t_pool_open();
	t_reader_open(&reader, pool, SERVICE, &options);
	reader.next = 196;
	/* History is what is still there: no more comes until it is read. */
	t_read_many(&reader, 5);
	t_say(t_parent(), "joined");
	t_read_many(&reader, 100);
	zc_pool_close(pool);
}

static void history_gives_the_last_n_in_order(void)
{
	struct t_peer *child = t_spawn("late", joins_late, NULL);
	zc_writer_options_t keep = keeps(5, false);
	zc_pool_t *pool = t_pool_create(NULL);
	struct t_writer writer;

	t_writer_open(&writer, pool, SERVICE, &keep);
	for (int i = 1; i <= 200; i++)
		t_write(&writer, 1 + (size_t)i * 31 % 5000);
	t_say(child, "go");
	t_hear(child, "joined");
	for (int i = 1; i <= 100; i++)
		t_write(&writer, 1 + (size_t)i * 17 % 5000);
	t_join(child);
}

static void history_gives_at_most_what_is_asked(void)
{
	static const uint32_t asked[] = { 0, 1, 3, 8 };
	zc_writer_options_t keep = keeps(8, false);
	zc_pool_t *pool = t_pool_create(NULL);
	struct t_writer writer;

	t_writer_open(&writer, pool, SERVICE, &keep);
	t_write_many(&writer, 100, 3000);
	for (size_t i = 0; i < sizeof(asked) / sizeof(*asked); i++) {
		zc_reader_options_t want = wants(asked[i], false);
		struct t_reader reader;
		zc_handle_t handle;

		t_reader_open(&reader, pool, SERVICE, &want);
		reader.next = writer.next - asked[i];
		t_read_many(&reader, asked[i]);
		CHECK_RESULT(t_try_read(&reader, &handle, 0),
			     ZC_ERROR_TIMEOUT);
		t_write_many(&writer, 2, 100);
		t_read_many(&reader, 2);
		t_reader_close(&reader);
	}
}

static void history_shorter_than_asked_begins_at_the_first(void)
{
	zc_writer_options_t keep = keeps(20, false);
	zc_reader_options_t want = wants(20, false);
	zc_pool_t *pool = t_pool_create(NULL);
	struct t_reader none, some;
	struct t_writer writer;
	zc_handle_t handle;

	t_writer_open(&writer, pool, SERVICE, &keep);
	t_reader_open(&none, pool, SERVICE, &want);
	CHECK_RESULT(t_try_read(&none, &handle, 0), ZC_ERROR_TIMEOUT);
	t_write_many(&writer, 3, 100);
	t_reader_open(&some, pool, SERVICE, &want);
	none.next = some.next = 1;
	t_read_many(&none, 3);
	t_read_many(&some, 3);
	CHECK_RESULT(t_try_read(&some, &handle, 0), ZC_ERROR_TIMEOUT);
}

static uint64_t lost_of(const struct t_reader *reader)
{
	zc_reader_stats_t stats = { .sz = sizeof(stats) };

	CHECK_OK(zc_reader_get_stats(reader->role, &stats));
	CHECK_EQ(stats.received, reader->received);
	return stats.lost;
}

/* What went before the reader came is not lost, whoever took it back. */
static void history_that_is_gone_is_not_lost(void)
{
	zc_writer_options_t keep = keeps(0, false);
	zc_reader_options_t want = wants(50, false);
	zc_pool_t *pool = t_pool_create(NULL);
	struct t_writer writer;
	struct t_reader reader;
	zc_handle_t handle;

	for (int round = 0; round < 2; round++) {
		/* Each writer's messages are taken back by the next one. */
		for (int i = 0; i < 5; i++) {
			t_writer_open(&writer, pool, SERVICE, &keep);
			t_write_many(&writer, 3, 100);
			t_writer_close(&writer);
		}
		want.best_effort = round;
		t_reader_open(&reader, pool, SERVICE, &want);
		while (t_try_read(&reader, &handle, 0) == ZC_OK)
			t_release(&reader, handle);
		CHECK_EQ(reader.lost, 0);
		CHECK_EQ(lost_of(&reader), 0);
		/* From here on what is missing counts. */
		t_writer_open(&writer, pool, SERVICE, &keep);
		t_write_many(&writer, 3, 100);
		t_read_many(&reader, 3);
		CHECK_EQ(lost_of(&reader), 0);
		t_writer_close(&writer);
		t_reader_close(&reader);
	}
}

/* What its slot's last reader was too slow for is nothing to the next one. */
static void join_after_a_slow_one(zc_on_slow_t on_slow)
{
	zc_writer_options_t keep = keeps(20, false);
	zc_reader_options_t want = wants(50, false);
	zc_pool_t *pool = t_pool_create(NULL);
	struct t_writer writer;
	struct t_reader reader;
	zc_handle_t handle;

	keep.on_slow = ZC_ON_SLOW_DROP_OLDEST;
	keep.lag_limit = 8;
	t_writer_open(&writer, pool, SERVICE, &keep);
	t_reader_open(&reader, pool, SERVICE, NULL);
	t_write_many(&writer, 100, 100);
	t_reader_close(&reader);
	t_write_many(&writer, 5, 100);
	t_writer_close(&writer);
	keep.on_slow = on_slow;
	t_writer_open(&writer, pool, SERVICE, &keep);
	t_reader_open(&reader, pool, SERVICE, &want);
	while (t_try_read(&reader, &handle, 0) == ZC_OK)
		t_release(&reader, handle);
	CHECK_OP(reader.received, >=, 20);
	CHECK_EQ(reader.next, 106);
	CHECK_EQ(lost_of(&reader), 0);
	t_write_many(&writer, 3, 100);
	t_read_many(&reader, 3);
	CHECK_EQ(lost_of(&reader), 0);
}

static void history_is_whole_after_a_slow_reader(void)
{
	join_after_a_slow_one(ZC_ON_SLOW_DROP_OLDEST);
}

static void history_is_whole_after_a_slow_reader_where_some_are_cut(void)
{
	join_after_a_slow_one(ZC_ON_SLOW_DISCONNECT);
}

static void history_outlives_its_writer(void)
{
	zc_writer_options_t keep = keeps(6, false);
	zc_reader_options_t want = wants(6, false);
	zc_pool_t *pool = t_pool_create(NULL);
	struct t_writer writer;
	struct t_reader reader;

	t_writer_open(&writer, pool, SERVICE, &keep);
	t_write_many(&writer, 30, 1000);
	t_writer_close(&writer);
	t_reader_open(&reader, pool, SERVICE, &want);
	reader.next = 25;
	t_read_many(&reader, 3);
	t_writer_open(&writer, pool, SERVICE, &keep);
	t_write(&writer, 1000);
	t_read_many(&reader, 4);
	t_reader_close(&reader);
	/* The next writer's history begins with what it adopted. */
	t_reader_open(&reader, pool, SERVICE, &want);
	reader.next = 26;
	t_read_many(&reader, 6);
}

/* A writer that overwrites asks nobody: one try is always enough. */
static void overwrite_never_waits(void)
{
	zc_writer_options_t keep = keeps(8, true);
	zc_pool_t *pool = t_pool_create(NULL);
	zc_reader_stats_t stats = { .sz = sizeof(stats) };
	struct t_writer writer;
	struct t_reader reader;
	zc_handle_t handle;
	zc_result_t result;

	t_reader_open(&reader, pool, SERVICE, NULL);
	t_writer_open(&writer, pool, SERVICE, &keep);
	reader.next = 1;
	for (int i = 0; i < 3000; i++)
		CHECK_OK(t_try_write(&writer, 3000, 0));
	while ((result = t_try_read(&reader, &handle, 0)) == ZC_OK)
		t_release(&reader, handle);
	CHECK_RESULT(result, ZC_ERROR_TIMEOUT);
	/* The last N are kept, and nothing is lost without being counted. */
	CHECK_OP(reader.received, >=, 8);
	CHECK_OP(reader.received, <, 3000);
	CHECK_EQ(reader.received + reader.lost, 3000);
	CHECK_EQ(reader.next, 3001);
	CHECK_OK(zc_reader_get_stats(reader.role, &stats));
	CHECK_EQ(stats.received, reader.received);
	CHECK_EQ(stats.lost, reader.lost);
	CHECK_EQ(stats.corrupt, 0);
}

static void overwrite_of_one_keeps_the_newest(void)
{
	zc_writer_options_t keep = keeps(1, true);
	zc_reader_options_t want = wants(1, false);
	zc_pool_t *pool = t_pool_create(NULL);
	struct t_writer writer;

	t_writer_open(&writer, pool, SERVICE, &keep);
	for (int i = 0; i < 50; i++) {
		struct t_reader reader;

		t_write_many(&writer, 3, 40000);
		t_reader_open(&reader, pool, SERVICE, &want);
		reader.next = writer.next - 1;
		t_read_many(&reader, 1);
		t_reader_close(&reader);
	}
}

struct lossy {
	uint64_t received[2];
	uint64_t lost[2];
	uint64_t messages;
	bool best_effort;
};

static void reads_what_it_can(void *arg)
{
	struct lossy *lossy = arg;
	zc_reader_options_t want = wants(0, lossy->best_effort);
	zc_reader_stats_t stats = { .sz = sizeof(stats) };
	uint64_t me = t_hear_number(t_parent(), "go");
	struct t_reader reader;
	zc_pool_t *pool = t_pool_open();
	zc_handle_t held[4] = { 0 };

	t_srand(me);
	t_reader_open(&reader, pool, SERVICE, &want);
	reader.next = 1;
	t_say(t_parent(), "ready");
	while (reader.next <= lossy->messages) {
		unsigned int i = (unsigned int)t_rand_below(4);

		if (held[i])
			t_release(&reader, held[i]);
		CHECK_OK(t_try_read(&reader, &held[i], t_wait_ns()));
	}
	for (int i = 0; i < 4; i++)
		if (held[i])
			t_release(&reader, held[i]);
	CHECK_OK(zc_reader_get_stats(reader.role, &stats));
	CHECK_EQ(stats.received, reader.received);
	CHECK_EQ(stats.lost, reader.lost);
	CHECK_EQ(stats.corrupt, 0);
	lossy->received[me] = reader.received;
	lossy->lost[me] = reader.lost;
	zc_pool_close(pool);
}

/* Two readers that hold at random, and a writer that waits for nobody. */
static void stream_past_readers(bool overwrite)
{
	struct lossy *lossy = t_shared(sizeof(*lossy));
	zc_writer_options_t keep = keeps(overwrite ? 16 : 0, overwrite);
	struct t_peer *child[2];
	struct t_writer writer;
	zc_pool_t *pool;

	lossy->messages = 20000;
	lossy->best_effort = !overwrite;
	t_srand(t_seed());
	for (int i = 0; i < 2; i++)
		child[i] = t_spawn("reader", reads_what_it_can, lossy);
	pool = t_pool_create(NULL);
	for (unsigned int i = 0; i < 2; i++) {
		t_say_number(child[i], "go", i);
		t_hear(child[i], "ready");
	}
	t_writer_open(&writer, pool, SERVICE, &keep);
	for (uint64_t i = 0; i < lossy->messages; i++)
		CHECK_OK(t_try_write(&writer, t_rand_size(8192), 0));
	for (int i = 0; i < 2; i++) {
		t_join(child[i]);
		CHECK_EQ(lossy->received[i] + lossy->lost[i], lossy->messages);
	}
}

static void overwrite_counts_every_loss(void)
{
	stream_past_readers(true);
}

static void best_effort_counts_every_loss(void)
{
	stream_past_readers(false);
}

static void best_effort_reader_holds_back_nobody(void)
{
	zc_reader_options_t want = wants(0, true);
	zc_pool_t *pool = t_pool_create(NULL);
	struct t_reader reader, keen;
	struct t_writer writer;
	zc_handle_t held;

	t_reader_open(&reader, pool, SERVICE, &want);
	t_reader_open(&keen, pool, SERVICE, NULL);
	reader.next = keen.next = 1;
	t_writer_open(&writer, pool, SERVICE, NULL);
	t_write(&writer, 5000);
	held = t_read(&reader);
	t_read_many(&keen, 1);
	for (int i = 0; i < 1000; i++) {
		CHECK_OK(t_try_write(&writer, 5000, 0));
		t_read_many(&keen, 1);
	}
	/* What it holds is as safe as anybody's. */
	CHECK_EQ(t_sequence(&reader, held), 1);
	t_release(&reader, held);
}

static const struct t_case cases[] = {
	T_CASE(history_gives_the_last_n_in_order),
	T_CASE(history_gives_at_most_what_is_asked),
	T_CASE(history_shorter_than_asked_begins_at_the_first),
	T_CASE(history_that_is_gone_is_not_lost),
	T_CASE(history_is_whole_after_a_slow_reader),
	T_CASE(history_is_whole_after_a_slow_reader_where_some_are_cut),
	T_CASE(history_outlives_its_writer),
	T_CASE(overwrite_never_waits),
	T_CASE(overwrite_of_one_keeps_the_newest),
	T_CASE(overwrite_counts_every_loss),
	T_CASE(best_effort_counts_every_loss),
	T_CASE(best_effort_reader_holds_back_nobody),
	T_END,
};

int main(int argc, char **argv)
{
	return t_main(argc, argv, cases);
}
