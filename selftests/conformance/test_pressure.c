/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_pressure.c - how scarce memory is told to all, and what is done then.
 */
#include <stdio.h>
#include <string.h>

#include "harness.h"

static uint64_t get(const uint64_t *word)
{
	return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

static void set(uint64_t *word, uint64_t value)
{
	__atomic_store_n(word, value, __ATOMIC_SEQ_CST);
}

static zc_cleaner_t *cleaner_of(zc_pool_t *pool)
{
	zc_cleaner_options_t options = ZC_CLEANER_OPTIONS_INIT;
	zc_cleaner_t *cleaner;

	options.idle_ns = 5000000;
	CHECK_OK(zc_cleaner_start(pool, &options, &cleaner));
	return cleaner;
}

struct pressure {
	uint64_t level, relief;		/* what is to be said; relief ~0: as usual */
	uint64_t asked, nonsense, relief_asked;
	uint64_t hooked, hook_level;
	uint64_t told, told_level;	/* to the writer, and its reader */
	uint64_t reader_told, reader_level;
};

static zc_pressure_t says_level(const zc_pressure_stats_t *s, void *ctx)
{
	struct pressure *p = ctx;

	__atomic_add_fetch(&p->asked, 1, __ATOMIC_SEQ_CST);
	__atomic_add_fetch(&p->nonsense, s->sz != sizeof(*s) || !s->total_bytes ||
			   s->free_bytes > s->total_bytes ||
			   (unsigned int)s->usual > ZC_PRESSURE_CRITICAL ||
			   (unsigned int)s->before > ZC_PRESSURE_CRITICAL,
			   __ATOMIC_SEQ_CST);
	return (zc_pressure_t)get(&p->level);
}

static uint32_t says_relief(zc_pressure_t level, uint32_t usual, void *ctx)
{
	struct pressure *p = ctx;
	uint64_t relief = get(&p->relief);

	__atomic_add_fetch(&p->relief_asked, 1, __ATOMIC_SEQ_CST);
	__atomic_add_fetch(&p->nonsense, (unsigned int)level > ZC_PRESSURE_CRITICAL,
			   __ATOMIC_SEQ_CST);
	return relief == UINT64_MAX ? usual : (uint32_t)relief;
}

static void hooked(zc_pool_t *pool, zc_pressure_t level, uint32_t used, void *ctx)
{
	struct pressure *p = ctx;

	(void)pool;
	CHECK_OP(used, <=, 100);
	__atomic_add_fetch(&p->hooked, 1, __ATOMIC_SEQ_CST);
	set(&p->hook_level, (uint64_t)level);
}

static void told(const zc_message_t *m, void *ctx)
{
	struct pressure *p = ctx;
	uint64_t news[2];

	CHECK_EQ(m->bytes, sizeof(news));
	memcpy(news, m->payload, sizeof(news));
	CHECK_OP(news[1], <=, 100);
	p->told_level = news[0];
	p->told++;
}

static void reader_told(const zc_message_t *m, void *ctx)
{
	struct pressure *p = ctx;

	memcpy(&p->reader_level, m->payload, sizeof(p->reader_level));
	p->reader_told++;
}

static zc_backpressure_strategy_t table_of(struct pressure *p)
{
	zc_backpressure_strategy_t table = ZC_BACKPRESSURE_STRATEGY_INIT;

	p->relief = UINT64_MAX;
	table.level = says_level;
	table.relief = says_relief;
	table.ctx = p;
	return table;
}

/* What came for both; true: the writer was told that level last. */
static bool both_told(struct t_writer *writer, struct t_reader *reader,
		      struct pressure *p, uint64_t level)
{
	CHECK_OK(zc_writer_check_message(writer->role, NULL, NULL, NULL, 0));
	CHECK_OK(zc_reader_check_message(reader->role, NULL, NULL, NULL, 0));
	return p->told && p->reader_told && p->told_level == level &&
	       p->reader_level == level;
}

static void levels_are_told_up_and_down(void)
{
	zc_pool_t *pool = t_pool_create(NULL);
	zc_hooks_t hooks = ZC_HOOKS_INIT;
	struct pressure p = { .level = ZC_PRESSURE_NONE };
	zc_backpressure_strategy_t table = table_of(&p);
	zc_cleaner_t *cleaner;
	struct t_writer writer;
	struct t_reader reader;
	uint64_t before;

	hooks.ctx = &p;
	hooks.backpressure = hooked;
	CHECK_OK(zc_set_hooks(pool, &hooks));
	CHECK_OK(zc_set_backpressure_strategy(pool, &table));
	t_no_more_cleaners(pool);
	cleaner = cleaner_of(pool);
	t_writer_open(&writer, pool, "strategy/told/main", NULL);
	t_reader_open(&reader, pool, "strategy/told/main", NULL);
	CHECK_OK(zc_writer_handle_message(writer.role, ZC_MSG_BACKPRESSURE, told, &p));
	CHECK_OK(zc_reader_handle_message(reader.role, ZC_MSG_BACKPRESSURE,
					  reader_told, &p));
	for (uint64_t level = ZC_PRESSURE_LOW; level <= ZC_PRESSURE_CRITICAL; level++) {
		set(&p.level, level);
		T_UNTIL(both_told(&writer, &reader, &p, level));
		T_UNTIL(get(&p.hook_level) == level);
	}
	for (uint64_t level = ZC_PRESSURE_CRITICAL; level-- > ZC_PRESSURE_NONE;) {
		set(&p.level, level);
		T_UNTIL(both_told(&writer, &reader, &p, level));
		T_UNTIL(get(&p.hook_level) == level);
	}
	/* Each once. */
	CHECK_EQ(p.told, 6);
	CHECK_EQ(p.reader_told, 6);
	CHECK_EQ(get(&p.hooked), 6);
	/* What is no level counts as the default's. */
	set(&p.level, 77);
	before = get(&p.asked);
	T_UNTIL(get(&p.asked) > before + 20);
	CHECK(both_told(&writer, &reader, &p, ZC_PRESSURE_NONE));
	/* Neither told nor called: the level is asked for all the same. */
	set(&p.relief, 0);
	set(&p.level, ZC_PRESSURE_HIGH);
	before = get(&p.asked);
	T_UNTIL(get(&p.asked) > before + 50);
	CHECK(both_told(&writer, &reader, &p, ZC_PRESSURE_NONE));
	CHECK_EQ(get(&p.hooked), 6);
	/* The default again: all is well. */
	set(&p.relief, UINT64_MAX);
	T_UNTIL(both_told(&writer, &reader, &p, ZC_PRESSURE_HIGH));
	CHECK_OK(zc_set_backpressure_strategy(pool, NULL));
	T_UNTIL(both_told(&writer, &reader, &p, ZC_PRESSURE_NONE));
	CHECK_EQ(get(&p.nonsense), 0);
	t_reader_close(&reader);
	t_writer_close(&writer);
	zc_cleaner_stop(cleaner);
	t_pool_close(pool);
}

/* The library's own levels, by how much is free. */
static void scarce_memory_is_told_by_the_default(void)
{
	zc_pool_t *pool = t_pool_create(NULL);
	zc_cleaner_t *cleaner = cleaner_of(pool);
	zc_writer_options_t options = ZC_WRITER_OPTIONS_INIT;
	struct pressure p = { 0 };
	zc_handle_t handle[64];
	struct t_writer writer, other;
	struct t_reader reader;
	unsigned int nr = 0;

	t_writer_open(&other, pool, "strategy/scarce/other", NULL);
	t_reader_open(&reader, pool, "strategy/scarce/other", NULL);
	CHECK_OK(zc_writer_handle_message(other.role, ZC_MSG_BACKPRESSURE, told, &p));
	CHECK_OK(zc_reader_handle_message(reader.role, ZC_MSG_BACKPRESSURE,
					  reader_told, &p));
	options.max_inflight = 63;
	t_writer_open(&writer, pool, "strategy/scarce/main", &options);
	while (nr < 51)
		CHECK_OK(zc_writer_acquire_block(writer.role, 65536, &handle[nr++], 0));
	T_UNTIL(both_told(&other, &reader, &p, ZC_PRESSURE_LOW));
	while (nr < 58)
		CHECK_OK(zc_writer_acquire_block(writer.role, 65536, &handle[nr++], 0));
	T_UNTIL(both_told(&other, &reader, &p, ZC_PRESSURE_HIGH));
	while (nr < 63)
		CHECK_OK(zc_writer_acquire_block(writer.role, 65536, &handle[nr++], 0));
	T_UNTIL(both_told(&other, &reader, &p, ZC_PRESSURE_CRITICAL));
	while (nr)
		CHECK_OK(zc_writer_cancel_block(writer.role, handle[--nr]));
	t_writer_close(&writer);
	T_UNTIL(both_told(&other, &reader, &p, ZC_PRESSURE_NONE));
	t_reader_close(&reader);
	t_writer_close(&other);
	zc_cleaner_stop(cleaner);
	t_pool_close(pool);
}

/* A reader that stands still loses messages though there is memory. */
static void slow_readers_are_pushed_early(void)
{
	zc_pool_t *pool = t_pool_create(NULL);
	zc_writer_options_t options = ZC_WRITER_OPTIONS_INIT;
	struct pressure p = { .level = ZC_PRESSURE_LOW };
	zc_backpressure_strategy_t table = table_of(&p);
	zc_writer_stats_t stats = { .sz = sizeof(stats) };
	struct t_writer writer;
	struct t_reader reader;

	options.on_slow = ZC_ON_SLOW_DROP_OLDEST;
	t_writer_open(&writer, pool, "strategy/push/main", &options);
	t_reader_open(&reader, pool, "strategy/push/main", NULL);
	t_write_many(&writer, 20, 100);
	CHECK_OK(zc_writer_get_stats(writer.role, &stats));
	CHECK_EQ(stats.dropped, 0);
	CHECK_OK(zc_set_backpressure_strategy(pool, &table));
	t_write_many(&writer, 10, 100);
	CHECK_OK(zc_writer_get_stats(writer.role, &stats));
	CHECK_EQ(stats.dropped, 0);
	set(&p.relief, ZC_RELIEF_PUSH_EARLY);
	t_write_many(&writer, 10, 100);
	CHECK_OK(zc_writer_get_stats(writer.role, &stats));
	CHECK_OP(stats.dropped, >=, 1);
	CHECK_EQ(get(&p.nonsense), 0);
	t_reader_close(&reader);
	t_writer_close(&writer);
	t_pool_close(pool);
}

/* A writer of the upper half is refused what one of the lower half still gets. */
static void the_reserve_begins_where_the_table_says(void)
{
	zc_pool_t *pool = t_pool_create(NULL);
	struct pressure p = { .level = ZC_PRESSURE_HIGH };
	zc_backpressure_strategy_t table = table_of(&p);
	struct t_writer writer[17];
	zc_handle_t handle[60];
	zc_handle_t one;
	char service[64];
	unsigned int nr = 0;

	for (unsigned int i = 0; i < 17; i++) {
		snprintf(service, sizeof(service), "strategy/reserve/w%u", i);
		t_writer_open(&writer[i], pool, service, NULL);
	}
	CHECK_EQ(zc_writer_id(writer[16].role), 16);
	/* An eighth is left. */
	while (nr < 28)
		CHECK_OK(zc_writer_acquire_block(writer[0].role, 65536, &handle[nr++], 0));
	while (nr < 56)
		CHECK_OK(zc_writer_acquire_block(writer[1].role, 65536, &handle[nr++], 0));
	CHECK_OK(zc_writer_acquire_block(writer[16].role, 65536, &one, 0));
	CHECK_OK(zc_writer_cancel_block(writer[16].role, one));
	set(&p.relief, ZC_RELIEF_RESERVE);
	CHECK_OK(zc_set_backpressure_strategy(pool, &table));
	CHECK_RESULT(zc_writer_acquire_block(writer[16].role, 32768, &one, 0),
		     ZC_ERROR_NO_MEMORY);
	CHECK_OK(zc_writer_acquire_block(writer[2].role, 32768, &one, 0));
	CHECK_OK(zc_writer_cancel_block(writer[2].role, one));
	/* None at that level. */
	set(&p.relief, 0);
	CHECK_OK(zc_writer_acquire_block(writer[16].role, 32768, &one, 0));
	CHECK_OK(zc_writer_cancel_block(writer[16].role, one));
	for (; nr; nr--)
		CHECK_OK(zc_writer_cancel_block(writer[nr > 28].role, handle[nr - 1]));
	/* With much free none is refused, whatever the table says. */
	set(&p.relief, ZC_RELIEF_RESERVE);
	CHECK_OK(zc_writer_acquire_block(writer[16].role, 32768, &one, 0));
	for (unsigned int i = 0; i < 17; i++)
		t_writer_close(&writer[i]);
	t_pool_close(pool);
}

int main(int argc, char **argv)
{
	static const struct t_case cases[] = {
		T_CASE(levels_are_told_up_and_down),
		T_CASE(scarce_memory_is_told_by_the_default),
		T_CASE(slow_readers_are_pushed_early),
		T_CASE(the_reserve_begins_where_the_table_says),
		T_END
	};

	return t_main(argc, argv, cases);
}
