/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_strategy.c - a program's tables decide, and what they say hurts nobody.
 */
#include <string.h>

#include "harness.h"

/* What the functions were told, and what they are to say: other threads read it. */
struct says {
	uint64_t asked;
	uint64_t nonsense;
	uint64_t answer;
	uint64_t total_bytes;
	uint64_t last;		/* what was asked about, last */
};

static uint64_t get(const uint64_t *word)
{
	return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

static void set(uint64_t *word, uint64_t value)
{
	__atomic_store_n(word, value, __ATOMIC_SEQ_CST);
}

static void saw(struct says *says, bool sane, uint64_t last)
{
	set(&says->last, last);
	__atomic_add_fetch(&says->nonsense, !sane, __ATOMIC_SEQ_CST);
	__atomic_add_fetch(&says->asked, 1, __ATOMIC_SEQ_CST);
}

static uint64_t free_bytes(zc_pool_t *pool)
{
	zc_pool_load_t load = { .sz = sizeof(load) };

	CHECK_OK(zc_pool_get_load(pool, &load));
	return load.free_bytes;
}

static zc_cleaner_t *cleaner_of(zc_pool_t *pool)
{
	zc_cleaner_options_t options = ZC_CLEANER_OPTIONS_INIT;
	zc_cleaner_t *cleaner;

	options.idle_ns = 5000000;
	CHECK_OK(zc_cleaner_start(pool, &options, &cleaner));
	return cleaner;
}

static zc_cleaner_stats_t stats_of(zc_cleaner_t *cleaner)
{
	zc_cleaner_stats_t stats = { .sz = sizeof(stats) };

	CHECK_OK(zc_cleaner_get_stats(cleaner, &stats));
	return stats;
}

/* --- allocation ------------------------------------------------------------------------ */

static bool alloc_sane(const struct says *says, const zc_alloc_stats_t *s)
{
	return s->sz == sizeof(*s) && s->total_bytes == says->total_bytes &&
	       s->free_bytes <= s->total_bytes && s->block_bytes &&
	       s->block_bytes % 512 == 0 && s->kept_bytes <= s->used_bytes &&
	       s->usual;
}

static uint32_t says_candidates(const zc_alloc_stats_t *s, void *ctx)
{
	struct says *says = ctx;

	saw(says, alloc_sane(says, s) && s->usual == 16384, s->block_bytes);
	return (uint32_t)get(&says->answer);
}

static uint64_t says_keep(const zc_alloc_stats_t *s, void *ctx)
{
	struct says *says = ctx;

	saw(says, alloc_sane(says, s) && s->run_bytes, s->block_bytes);
	return get(&says->answer);
}

static uint64_t says_footprint(const zc_alloc_stats_t *s, void *ctx)
{
	struct says *says = ctx;

	saw(says, alloc_sane(says, s), s->block_bytes);
	return get(&says->answer);
}

/* Free memory that acquiring one block took. */
static uint64_t one_block_takes(zc_pool_t *pool, const char *service, size_t bytes)
{
	uint64_t before = free_bytes(pool), taken;
	struct t_writer writer;
	zc_handle_t handle;

	t_writer_open(&writer, pool, service, NULL);
	CHECK_OK(zc_writer_acquire_block(writer.role, bytes, &handle, 0));
	taken = before - free_bytes(pool);
	CHECK_OK(zc_writer_cancel_block(writer.role, handle));
	t_writer_close(&writer);
	return taken;
}

/* The same in a new pool, whose memory is in few long runs. */
static uint64_t first_block_takes(unsigned int index, const zc_alloc_strategy_t *table,
				  const zc_alloc_strategy_t *then)
{
	zc_pool_t *pool = t_pool_create_at(index, NULL);
	uint64_t taken;

	CHECK_OK(zc_set_alloc_strategy(pool, table));
	CHECK_OK(zc_set_alloc_strategy(pool, then));
	taken = one_block_takes(pool, "strategy/keep/main", 512);
	t_pool_check_rest(pool);
	t_pool_close(pool);
	return taken;
}

static void so_much_of_a_run_is_kept(void)
{
	zc_alloc_strategy_t table = ZC_ALLOC_STRATEGY_INIT;
	struct says says = { .total_bytes = 4 << 20 };
	uint64_t usual = first_block_takes(0, NULL, NULL);

	CHECK_OP(usual, >, 512);
	table.keep_run_bytes = says_keep;
	table.ctx = &says;
	CHECK_EQ(first_block_takes(1, NULL, &table), 512);
	CHECK_EQ(get(&says.asked), 1);
	CHECK_EQ(get(&says.last), 512);
	set(&says.answer, 32768);
	CHECK_EQ(first_block_takes(2, &table, &table), 512 + 32768);
	/* More than it may: it gets what it may, which a run's end bounds, too. */
	set(&says.answer, UINT64_MAX);
	CHECK_OP(first_block_takes(3, NULL, &table), <=, 512 + (256 << 10));
	CHECK_EQ(get(&says.asked), 3);
	CHECK_EQ(get(&says.nonsense), 0);
	CHECK_EQ(first_block_takes(4, &table, NULL), usual);
	CHECK_EQ(get(&says.asked), 3);
}

/* Memory of a writer that has written and seen read 400 blocks, one by one. */
static uint64_t goes_round_in(zc_pool_t *pool, size_t bytes)
{
	zc_writer_stats_t stats = { .sz = sizeof(stats) };
	struct t_writer writer;
	struct t_reader reader;

	t_writer_open(&writer, pool, "strategy/round/main", NULL);
	t_reader_open(&reader, pool, "strategy/round/main", NULL);
	for (unsigned int i = 0; i < 400; i++) {
		t_write(&writer, bytes);
		t_read_many(&reader, 1);
	}
	CHECK_OK(zc_writer_get_stats(writer.role, &stats));
	t_reader_close(&reader);
	t_writer_close(&writer);
	return stats.held_bytes;
}

static void writers_go_round_in_the_footprint(void)
{
	zc_alloc_strategy_t table = ZC_ALLOC_STRATEGY_INIT;
	zc_pool_t *pool = t_pool_create(NULL);
	struct says says = { .total_bytes = 4 << 20, .answer = 4 * 512 };
	uint64_t usual = goes_round_in(pool, 512), now;

	table.footprint_bytes = says_footprint;
	table.ctx = &says;
	CHECK_OK(zc_set_alloc_strategy(pool, &table));
	now = goes_round_in(pool, 512);
	CHECK_OP(now, >=, 4 * 512);
	/* A few more than that: by turns, as by default. */
	CHECK_OP(now, <, usual / 3 * 2);
	CHECK_OP(get(&says.asked), >=, 1);
	CHECK_EQ(get(&says.last), 512);
	/* None at all, and more than there is. */
	set(&says.answer, 0);
	goes_round_in(pool, 512);
	set(&says.answer, UINT64_MAX);
	CHECK_OP(goes_round_in(pool, 512), <=, 2 << 20);
	CHECK_EQ(get(&says.nonsense), 0);
	CHECK_OK(zc_set_alloc_strategy(pool, NULL));
	CHECK_OP(goes_round_in(pool, 512), >, now / 2 * 3);
	t_pool_check_rest(pool);
	t_pool_close(pool);
}

static void searches_ask_how_far(void)
{
	static const uint64_t answer[] = { 0, 64, 1000, UINT32_MAX };
	zc_alloc_strategy_t table = ZC_ALLOC_STRATEGY_INIT;
	zc_pool_t *pool = t_pool_create(NULL);
	struct says says = { .total_bytes = 4 << 20 };

	table.candidates = says_candidates;
	table.ctx = &says;
	CHECK_OK(zc_set_alloc_strategy(pool, &table));
	for (unsigned int i = 0; i < 4; i++) {
		set(&says.answer, answer[i]);
		set(&says.asked, 0);
		one_block_takes(pool, "strategy/search/main", 3000);
		CHECK_OP(get(&says.asked), >=, 1);
		CHECK_EQ(get(&says.last), 3072);
	}
	CHECK_EQ(get(&says.nonsense), 0);
	CHECK_OK(zc_set_alloc_strategy(pool, NULL));
	set(&says.asked, 0);
	one_block_takes(pool, "strategy/search/main", 3000);
	CHECK_EQ(get(&says.asked), 0);
	t_pool_close(pool);
}

/* --- cleaning -------------------------------------------------------------------------------- */

static bool says_reclaim(const zc_topic_stats_t *s, void *ctx)
{
	struct says *says = ctx;

	saw(says, s->sz == sizeof(*s) && s->writer < 32, s->messages);
	return get(&says->answer);
}

static bool clean_sane(const struct says *says, const zc_clean_stats_t *s)
{
	return s->sz == sizeof(*s) && s->cleaner < 8 &&
	       s->total_bytes == says->total_bytes && s->free_bytes <= s->total_bytes;
}

static bool says_scan(const zc_clean_stats_t *s, void *ctx)
{
	struct says *says = ctx;

	saw(says, clean_sane(says, s), s->usual);
	return get(&says->answer);
}

static uint32_t says_slice(const zc_clean_stats_t *s, void *ctx)
{
	struct says *says = ctx;

	saw(says, clean_sane(says, s) && s->usual, s->usual);
	return (uint32_t)get(&says->answer);
}

static uint64_t says_pause(const zc_clean_stats_t *s, void *ctx)
{
	struct says *says = ctx;

	saw(says, clean_sane(says, s) && s->usual, s->usual);
	return get(&says->answer);
}

static void topics_are_taken_back_when_the_table_says(void)
{
	zc_clean_strategy_t table = ZC_CLEAN_STRATEGY_INIT;
	zc_pool_t *pool = t_pool_create(NULL);
	struct says says = { .total_bytes = 4 << 20 };
	zc_cleaner_t *cleaner;
	struct t_writer writer;
	struct t_reader reader;

	table.should_reclaim = says_reclaim;
	table.ctx = &says;
	CHECK_OK(zc_set_clean_strategy(pool, &table));
	t_no_more_cleaners(pool);
	cleaner = cleaner_of(pool);
	t_writer_open(&writer, pool, "strategy/clean/main", NULL);
	t_reader_open(&reader, pool, "strategy/clean/main", NULL);
	t_write_many(&writer, 10, 1000);
	t_read_many(&reader, 10);
	T_UNTIL(get(&says.last) == 10);
	set(&says.asked, 0);
	T_UNTIL(get(&says.asked) > 20);
	CHECK_EQ(stats_of(cleaner).reclaimed_bytes, 0);
	set(&says.answer, 1);
	/* The numbers are those of the last pass: something must move. */
	T_UNTIL(free_bytes(pool) && stats_of(cleaner).reclaimed_bytes == 10 * 1024);
	CHECK_EQ(get(&says.nonsense), 0);
	/* The default does it, too. */
	CHECK_OK(zc_set_clean_strategy(pool, NULL));
	t_write_many(&writer, 10, 1000);
	t_read_many(&reader, 10);
	T_UNTIL(stats_of(cleaner).reclaimed_bytes > 10 * 1024);
	t_reader_close(&reader);
	t_writer_close(&writer);
	zc_cleaner_stop(cleaner);
	t_pool_close(pool);
}

static void passes_slices_and_pauses_are_the_tables(void)
{
	zc_clean_strategy_t table = ZC_CLEAN_STRATEGY_INIT;
	zc_pool_t *pool = t_pool_create(NULL);
	struct says scan = { .total_bytes = 4 << 20 }, slice = scan, pause = scan;
	zc_cleaner_t *cleaner;
	struct t_writer writer;
	uint64_t passes;

	/* One table has one ctx: each function is tried by itself. */
	table.should_scan = says_scan;
	table.ctx = &scan;
	CHECK_OK(zc_set_clean_strategy(pool, &table));
	t_no_more_cleaners(pool);
	cleaner = cleaner_of(pool);
	t_writer_open(&writer, pool, "strategy/pass/main", NULL);
	t_write_many(&writer, 10, 1000);
	T_UNTIL(get(&scan.asked) > 10);
	CHECK_EQ(stats_of(cleaner).passes, 0);
	/* Always: also where nothing moves. */
	set(&scan.answer, 1);
	T_UNTIL(stats_of(cleaner).passes > 20);
	CHECK_EQ(get(&scan.nonsense), 0);
	/* A pass in slices of 16, the least, though none are asked for. */
	table = (zc_clean_strategy_t)ZC_CLEAN_STRATEGY_INIT;
	table.slice = says_slice;
	table.ctx = &slice;
	for (unsigned int i = 0; i < 2; i++) {
		CHECK_OK(zc_set_clean_strategy(pool, &table));
		set(&slice.asked, 0);
		set(&slice.answer, i ? UINT64_MAX : 0);
		passes = stats_of(cleaner).passes;
		t_write_many(&writer, 1, 1000);
		T_UNTIL(get(&slice.asked) >= 1 && stats_of(cleaner).passes > passes);
	}
	CHECK_EQ(get(&slice.nonsense), 0);
	/* No pause, and one for ever: within the limits, and it ends when told to. */
	table = (zc_clean_strategy_t)ZC_CLEAN_STRATEGY_INIT;
	table.pause_ns = says_pause;
	table.ctx = &pause;
	CHECK_OK(zc_set_clean_strategy(pool, &table));
	T_UNTIL(get(&pause.asked) > 100);
	set(&pause.answer, UINT64_MAX);
	set(&pause.asked, 0);
	T_UNTIL(get(&pause.asked) >= 2);
	CHECK_EQ(get(&pause.nonsense), 0);
	CHECK_OK(zc_set_clean_strategy(pool, NULL));
	t_writer_close(&writer);
	zc_cleaner_stop(cleaner);
	t_pool_close(pool);
}

/* --- segments ---------------------------------------------------------------------------------- */

static bool wants_segments(const zc_stats_t *s, int segments, void *ctx)
{
	struct says *says = ctx;

	saw(says, s->total_bytes == (uint64_t)segments << 20 &&
		      s->segment_bytes == 1 << 20 && s->least_segments == 1 &&
		      s->max_segments == 4 && s->used_bytes <= s->total_bytes,
	    (uint64_t)segments);
	return (uint64_t)segments < get(&says->answer);
}

static bool wants_fewer(const zc_stats_t *s, int segments, void *ctx)
{
	struct says *says = ctx;

	(void)s;
	return (uint64_t)segments > get(&says->answer);
}

static uint64_t pool_bytes(zc_pool_t *pool)
{
	zc_pool_load_t load = { .sz = sizeof(load) };

	CHECK_OK(zc_pool_get_load(pool, &load));
	return load.bytes;
}

static void segments_follow_the_policy(void)
{
	zc_scaling_policy_t policy = ZC_SCALING_POLICY_INIT;
	zc_pool_options_t options = t_pool_options();
	struct says says = { .answer = 3 };
	zc_cleaner_t *cleaner;
	zc_pool_t *pool;

	options.bytes = 1 << 20;
	options.segment_bytes = 1 << 20;
	options.max_bytes = 4 << 20;
	pool = t_pool_create(&options);
	policy.should_grow = wants_segments;
	policy.should_shrink = wants_fewer;
	policy.ctx = &says;
	CHECK_OK(zc_set_scaling_policy(pool, &policy));
	cleaner = cleaner_of(pool);
	T_UNTIL(pool_bytes(pool) == 3 << 20);
	/* As many as it likes: the pool's limit. */
	set(&says.answer, 100);
	T_UNTIL(pool_bytes(pool) == 4 << 20);
	set(&says.answer, 2);
	T_UNTIL(pool_bytes(pool) == 2 << 20);
	CHECK_EQ(get(&says.nonsense), 0);
	/* The default shrinks what nobody uses, to what it was made with. */
	CHECK_OK(zc_set_scaling_policy(pool, NULL));
	T_UNTIL(pool_bytes(pool) == 1 << 20);
	zc_cleaner_stop(cleaner);
	t_pool_close(pool);
}

/* --- nonsense ------------------------------------------------------------------------------------ */

static void bad_tables_are_refused(void)
{
	zc_backpressure_strategy_t backpressure = ZC_BACKPRESSURE_STRATEGY_INIT;
	zc_alloc_strategy_t alloc = ZC_ALLOC_STRATEGY_INIT;
	zc_clean_strategy_t clean = ZC_CLEAN_STRATEGY_INIT;
	zc_scaling_policy_t policy = ZC_SCALING_POLICY_INIT;
	zc_pool_t *pool = t_pool_create(NULL);

	CHECK_RESULT(zc_set_alloc_strategy(NULL, &alloc), ZC_ERROR_INVALID);
	CHECK_RESULT(zc_set_backpressure_strategy(NULL, NULL), ZC_ERROR_INVALID);
	CHECK_RESULT(zc_set_clean_strategy(NULL, &clean), ZC_ERROR_INVALID);
	alloc.sz = backpressure.sz = clean.sz = 3;
	CHECK_RESULT(zc_set_alloc_strategy(pool, &alloc), ZC_ERROR_INVALID);
	CHECK_RESULT(zc_set_backpressure_strategy(pool, &backpressure),
		     ZC_ERROR_INVALID);
	CHECK_RESULT(zc_set_clean_strategy(pool, &clean), ZC_ERROR_INVALID);
	/* One more above less than one less below. */
	policy.up_percent = 40;
	CHECK_RESULT(zc_set_scaling_policy(pool, &policy), ZC_ERROR_INVALID);
	policy.down_percent = 39;
	CHECK_OK(zc_set_scaling_policy(pool, &policy));
	policy.grow_percent = 101;
	CHECK_RESULT(zc_set_scaling_policy(pool, &policy), ZC_ERROR_INVALID);
	policy.grow_percent = 30;
	CHECK_RESULT(zc_set_scaling_policy(pool, &policy), ZC_ERROR_INVALID);
	t_pool_close(pool);
}

int main(int argc, char **argv)
{
	static const struct t_case cases[] = {
		T_CASE(so_much_of_a_run_is_kept),
		T_CASE(writers_go_round_in_the_footprint),
		T_CASE(searches_ask_how_far),
		T_CASE(topics_are_taken_back_when_the_table_says),
		T_CASE(passes_slices_and_pauses_are_the_tables),
		T_CASE(segments_follow_the_policy),
		T_CASE(bad_tables_are_refused),
		T_END
	};

	return t_main(argc, argv, cases);
}
