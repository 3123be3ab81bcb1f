/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * others.c - who lives on: messages flow between them, and none is lost.
 */
#include "crash.h"

struct crash_board *board;

void talker(void *arg)
{
	zc_writer_options_t dropping = ZC_WRITER_OPTIONS_INIT;
	struct t_writer pulse, feed;
	zc_pool_t *pool;

	(void)arg;
	t_srand(board->seed + 1);
	t_hear(t_parent(), "go");
	pool = t_pool_open();
	dropping.on_slow = ZC_ON_SLOW_DROP_OLDEST;
	dropping.lag_limit = 6;
	t_writer_open(&pulse, pool, PULSE, NULL);
	t_writer_open(&feed, pool, FEED, &dropping);
	t_say(t_parent(), "ready");
	while (!board_load(&board->end)) {
		t_write(&pulse, t_rand_size(3000));
		t_write(&feed, t_rand_size(3000));
	}
	zc_pool_close(pool);
}

void listener(void *arg)
{
	struct t_reader reader;
	zc_handle_t handle;
	zc_result_t result;
	zc_pool_t *pool;

	(void)arg;
	t_hear(t_parent(), "go");
	pool = t_pool_open();
	t_reader_open(&reader, pool, PULSE, NULL);
	reader.next = 1;
	t_say(t_parent(), "ready");
	for (;;) {
		result = t_try_read(&reader, &handle, 1000000);
		if (result == ZC_ERROR_TIMEOUT) {
			if (board_load(&board->end))
				break;
			continue;
		}
		CHECK_RESULT(result, ZC_OK);
		CHECK_EQ(reader.lost, 0);
		t_release(&reader, handle);
		board_store(&board->pulses, reader.received);
	}
	zc_pool_close(pool);
}

/* Sleeps between messages, so that commits must wake. */
void watcher(void *arg)
{
	zc_reader_options_t options = ZC_READER_OPTIONS_INIT;
	struct t_reader reader;
	zc_handle_t handle;
	zc_pool_t *pool;

	(void)arg;
	t_hear(t_parent(), "go");
	pool = t_pool_open();
	options.spin_ns = 1;
	options.max_holds = 4;
	t_reader_open(&reader, pool, MAIN, &options);
	reader.next = 1;
	t_say(t_parent(), "ready");
	for (;;) {
		zc_result_t result = t_try_read(&reader, &handle, 20000000);

		if (result == ZC_ERROR_TIMEOUT) {
			if (board_load(&board->end))
				break;
			continue;
		}
		CHECK_RESULT(result, ZC_OK);
		/* (I3) */
		CHECK_EQ(reader.lost, 0);
		t_release(&reader, handle);
		board_store(&board->watched, reader.next - 1);
	}
	zc_pool_close(pool);
}

void successor(void *arg)
{
	struct t_writer writer;
	zc_pool_t *pool;

	(void)arg;
	t_hear(t_parent(), "go");
	pool = t_pool_open();
	t_writer_open(&writer, pool, MAIN, NULL);
	/* The commit in the middle of which one died came through, or not. */
	CHECK_OP(writer.next, >, board_load(&board->committed));
	CHECK_OP(writer.next, <=,
		 board_load(&board->committed) + 1 + board->deaths);
	/* What somebody has seen was committed: no number comes twice. */
	CHECK_OP(writer.next, >, board_load(&board->watched));
	t_write_many(&writer, 3, 700);
	t_say_number(t_parent(), "written", writer.next - 1);
	t_hear(t_parent(), "end");
	zc_pool_close(pool);
}

void visitor(void *arg)
{
	zc_reader_options_t options = ZC_READER_OPTIONS_INIT;
	struct t_reader reader;
	zc_pool_t *pool;

	(void)arg;
	t_hear(t_parent(), "go");
	pool = t_pool_open();
	options.max_holds = 2;
	t_reader_open(&reader, pool, PULSE, &options);
	t_read_many(&reader, 5);
	t_pool_check(pool);
	t_reader_close(&reader);
	zc_pool_close(pool);
	t_say(t_parent(), "left");
}
