/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_hooks.c - a program is called when something happens.
 */
#include <string.h>

#include "harness.h"

/* What was told: by other threads than the case's. */
struct told {
	uint64_t deaths, died_pid, died_blocks;
	uint64_t resized, bytes;
	uint64_t levels, level, used;
	uint64_t missing, sequence;
};

static void add(uint64_t *word)
{
	__atomic_add_fetch(word, 1, __ATOMIC_SEQ_CST);
}

static uint64_t of(uint64_t *word)
{
	return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

static void died(zc_pool_t *pool, const zc_event_t *event, void *ctx)
{
	struct told *told = ctx;

	(void)pool;
	__atomic_store_n(&told->died_pid, event->pid, __ATOMIC_SEQ_CST);
	__atomic_store_n(&told->died_blocks, event->blocks, __ATOMIC_SEQ_CST);
	add(&told->deaths);
}

static void resized(zc_pool_t *pool, uint64_t bytes, void *ctx)
{
	struct told *told = ctx;

	(void)pool;
	__atomic_store_n(&told->bytes, bytes, __ATOMIC_SEQ_CST);
	add(&told->resized);
}

static void pressed(zc_pool_t *pool, zc_pressure_t level, uint32_t used, void *ctx)
{
	struct told *told = ctx;

	/* Not from here: the pool's own thread is in it. */
	zc_pool_close(pool);
	CHECK(strstr(zc_last_error(), "handler or hook"));
	__atomic_store_n(&told->used, used, __ATOMIC_SEQ_CST);
	__atomic_store_n(&told->level, (uint64_t)level, __ATOMIC_SEQ_CST);
	add(&told->levels);
}

static void missed(zc_pool_t *pool, const char *service, uint64_t sequence,
		   uint64_t age_ns, void *ctx)
{
	struct told *told = ctx;

	(void)pool;
	CHECK(!strcmp(service, "hooks/missing/main"));
	CHECK_OP(age_ns, >=, 1000000);
	__atomic_store_n(&told->sequence, sequence, __ATOMIC_SEQ_CST);
	add(&told->missing);
}

static zc_hooks_t hooks_of(struct told *told)
{
	zc_hooks_t hooks = ZC_HOOKS_INIT;

	hooks.ctx = told;
	hooks.member_died = died;
	hooks.pool_resized = resized;
	hooks.backpressure = pressed;
	hooks.missing_block = missed;
	return hooks;
}

static void holds_blocks(void *arg)
{
	zc_handle_t handle;
	struct t_writer writer;
	zc_pool_t *pool;

	(void)arg;
	t_hear(t_parent(), "open");
	pool = t_pool_open();
	t_writer_open(&writer, pool, "hooks/dies/main", NULL);
	for (int i = 0; i < 3; i++)
		CHECK_OK(zc_writer_acquire_block(writer.role, 100, &handle, 0));
	t_say(t_parent(), "holds");
	t_hear(t_parent(), "never");
}

static void death_is_told(void)
{
	struct t_peer *child[2];
	struct told told = { 0 };
	zc_hooks_t hooks = hooks_of(&told);
	zc_pool_t *pool;

	for (int i = 0; i < 2; i++)
		child[i] = t_spawn("holder", holds_blocks, NULL);
	pool = t_pool_create(NULL);
	/* What was before is not. */
	t_say(child[0], "open");
	t_hear(child[0], "holds");
	t_kill(child[0]);
	{
		zc_event_t event = { .sz = sizeof(event) };

		do
			CHECK_OK(zc_pool_next_event(pool, &event, t_wait_ns()));
		while (event.type != ZC_EVENT_MEMBER_DIED);
	}
	CHECK_OK(zc_set_hooks(pool, &hooks));
	t_say(child[1], "open");
	t_hear(child[1], "holds");
	t_kill(child[1]);
	T_UNTIL(of(&told.deaths) == 1);
	CHECK_EQ(of(&told.died_pid), child[1]->pid);
	CHECK_OP(of(&told.died_blocks), >=, 3);
	/* Those who ask are told, too. */
	{
		zc_event_t event = { .sz = sizeof(event) };

		do
			CHECK_OK(zc_pool_next_event(pool, &event, t_wait_ns()));
		while (event.type != ZC_EVENT_MEMBER_DIED);
		CHECK_EQ(event.pid, child[1]->pid);
	}
	CHECK_EQ(of(&told.deaths), 1);
	t_pool_close(pool);
}

static void growth_is_told(void)
{
	zc_pool_options_t options = t_pool_options();
	struct told told = { 0 };
	zc_hooks_t hooks = hooks_of(&told);
	zc_pool_t *pool;

	options.bytes = 1 << 20;
	options.segment_bytes = 1 << 20;
	options.max_bytes = 4 << 20;
	pool = t_pool_create(&options);
	CHECK_OK(zc_set_hooks(pool, &hooks));
	CHECK_OK(zc_pool_grow(pool, 1));
	T_UNTIL(of(&told.resized) == 1);
	CHECK_EQ(of(&told.bytes), 2 << 20);
	CHECK_OK(zc_pool_grow(pool, 2));
	T_UNTIL(of(&told.resized) == 3);
	CHECK_EQ(of(&told.bytes), 4 << 20);
	/* No more of them. */
	CHECK_OK(zc_set_hooks(pool, NULL));
	t_pool_close(pool);
	CHECK_EQ(of(&told.resized), 3);
}

static void pressure_is_told_when_it_changes(void)
{
	zc_pool_t *pool = t_pool_create(NULL);
	struct told told = { 0 };
	zc_hooks_t hooks = hooks_of(&told);
	zc_writer_options_t options = ZC_WRITER_OPTIONS_INIT;
	struct t_writer writer;
	zc_handle_t handle[64];
	unsigned int nr = 0;

	CHECK_OK(zc_set_hooks(pool, &hooks));
	options.max_inflight = 60;
	t_writer_open(&writer, pool, "hooks/presses/main", &options);
	while (nr < 55)
		CHECK_OK(zc_writer_acquire_block(writer.role, 65536, &handle[nr++],
						 0));
	/* 55 of 64. */
	T_UNTIL(of(&told.levels) == 1);
	CHECK_EQ(of(&told.level), ZC_PRESSURE_LOW);
	CHECK_OP(of(&told.used), >=, 75);
	while (nr)
		CHECK_OK(zc_writer_cancel_block(writer.role, handle[--nr]));
	t_writer_close(&writer);
	T_UNTIL(of(&told.levels) == 2);
	CHECK_EQ(of(&told.level), ZC_PRESSURE_NONE);
	t_pool_close(pool);
}

static void what_is_not_read_is_told(void)
{
	zc_cleaner_options_t options = ZC_CLEANER_OPTIONS_INIT;
	zc_pool_t *pool = t_pool_create(NULL);
	struct told told = { 0 };
	zc_hooks_t hooks = hooks_of(&told);
	zc_cleaner_t *cleaner;
	struct t_writer writer;
	struct t_reader reader;

	options.idle_ns = 5000000;
	options.unread_ns = 1000000;
	CHECK_OK(zc_set_hooks(pool, &hooks));
	CHECK_OK(zc_cleaner_start(pool, &options, &cleaner));
	t_writer_open(&writer, pool, "hooks/missing/main", NULL);
	t_reader_open(&reader, pool, "hooks/missing/main", NULL);
	t_write_many(&writer, 3, 100);
	T_UNTIL((zc_reader_check_message(reader.role, NULL, NULL, NULL, 0),
		 of(&told.missing)));
	CHECK_EQ(of(&told.sequence), 1);
	t_read_many(&reader, 3);
	t_reader_close(&reader);
	t_writer_close(&writer);
	zc_cleaner_stop(cleaner);
	t_pool_close(pool);
}

static void bad_hooks_are_refused(void)
{
	zc_pool_t *pool = t_pool_create(NULL);
	zc_hooks_t hooks = ZC_HOOKS_INIT;

	CHECK_RESULT(zc_set_hooks(NULL, &hooks), ZC_ERROR_INVALID);
	hooks.sz = 1;
	CHECK_RESULT(zc_set_hooks(pool, &hooks), ZC_ERROR_INVALID);
	t_pool_close(pool);
}

int main(int argc, char **argv)
{
	static const struct t_case cases[] = {
		T_CASE(death_is_told),
		T_CASE(growth_is_told),
		T_CASE(pressure_is_told_when_it_changes),
		T_CASE(what_is_not_read_is_told),
		T_CASE(bad_hooks_are_refused),
		T_END
	};

	return t_main(argc, argv, cases);
}
