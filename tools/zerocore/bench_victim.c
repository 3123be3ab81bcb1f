/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * bench_victim.c - processes that are about to be killed.
 */
#include "bench_payload.h"
#include "bench_recovery.h"

#include <stdlib.h>
#include <unistd.h>

static void wait_for_death(void)
{
	for (;;)
		pause();
}

static zc_pool_t *open_pool(struct recovery *rc)
{
	zc_pool_t *pool;
	zc_result_t result = zc_pool_open(rc->pool, &pool);

	if (result != ZC_OK)
		recovery_zc_fail(rc, "victim: pool open", result);
	return pool;
}

static zc_reader_t *register_reader(struct recovery *rc, zc_pool_t *pool)
{
	zc_reader_options_t options = ZC_READER_OPTIONS_INIT;
	zc_reader_t *reader;
	zc_result_t result;

	options.service = RECOVERY_SERVICE;
	options.max_holds = rc->held;
	result = zc_reader_register(pool, &options, &reader);
	if (result != ZC_OK)
		recovery_zc_fail(rc, "victim: reader register", result);
	return reader;
}

/* The writer before was killed a moment ago: its slot may still be reaped. */
static zc_writer_t *register_writer(struct recovery *rc, zc_pool_t *pool)
{
	zc_writer_options_t options = ZC_WRITER_OPTIONS_INIT;
	uint64_t deadline = zc_timestamp() + RECOVERY_PATIENCE_NS;
	zc_writer_t *writer;
	zc_result_t result;

	options.service = RECOVERY_SERVICE;
	do {
		result = zc_writer_register(pool, &options, &writer);
	} while (result == ZC_ERROR_BUSY && zc_timestamp() < deadline);
	if (result != ZC_OK)
		recovery_zc_fail(rc, "victim: writer register", result);
	return writer;
}

/* Commits a block; the message carries its own sequence. */
static void commit(struct recovery *rc, zc_writer_t *writer, zc_handle_t handle)
{
	zc_writer_stats_t stats = { .sz = sizeof(stats) };
	zc_result_t result = zc_writer_get_stats(writer, &stats);
	size_t bytes;
	void *data = zc_writer_block_data(writer, handle, &bytes);

	if (result != ZC_OK || data == NULL)
		recovery_zc_fail(rc, "victim: block data", result);
	bench_fill(data, bytes, stats.next_sequence, false);
	__atomic_store_n(&rc->intent, stats.next_sequence, __ATOMIC_SEQ_CST);
	result = zc_writer_commit_block(writer, handle);
	if (result != ZC_OK)
		recovery_zc_fail(rc, "victim: commit", result);
	__atomic_store_n(&rc->done, stats.next_sequence, __ATOMIC_SEQ_CST);
}

static zc_handle_t acquire(struct recovery *rc, zc_writer_t *writer,
			   uint64_t bytes)
{
	zc_handle_t handle;
	zc_result_t result = zc_writer_acquire_block(writer, bytes, &handle,
						     RECOVERY_PATIENCE_NS);

	if (result != ZC_OK)
		recovery_zc_fail(rc, "victim: acquire", result);
	return handle;
}

static zc_handle_t poll_one(struct recovery *rc, zc_reader_t *reader,
			    uint64_t timeout_ns)
{
	zc_handle_t handle;
	zc_result_t result = zc_reader_poll_block(reader, 0, &handle,
						  timeout_ns);

	if (result == ZC_ERROR_TIMEOUT && timeout_ns != RECOVERY_PATIENCE_NS)
		return 0;
	if (result != ZC_OK)
		recovery_zc_fail(rc, "victim: poll", result);
	return handle;
}

/* Holds the messages that the survivor writes for it. */
static void reader_holding(struct recovery *rc, uint64_t kill, zc_pool_t *pool)
{
	zc_reader_t *reader = register_reader(rc, pool);

	recovery_enter(rc, kill, RECOVERY_READY);
	for (uint32_t i = 0; i < rc->held; i++)
		poll_one(rc, reader, RECOVERY_PATIENCE_NS);
	recovery_enter(rc, kill, RECOVERY_HOLDING);
	wait_for_death();
}

/* In the middle of a message, with others begun. */
static void writer_holding(struct recovery *rc, uint64_t kill, zc_pool_t *pool)
{
	zc_writer_t *writer = register_writer(rc, pool);
	zc_handle_t handle = 0;

	for (uint32_t i = 0; i < RECOVERY_MESSAGES; i++)
		commit(rc, writer, acquire(rc, writer, 64));
	for (uint32_t i = 0; i < rc->held; i++)
		handle = acquire(rc, writer, rc->size);
	memset(zc_writer_block_data(writer, handle, NULL), 0x5a, rc->size / 2);
	recovery_enter(rc, kill, RECOVERY_HOLDING);
	wait_for_death();
}

/* Polls, holds for a while, releases in any order. */
static void reader_busy(struct recovery *rc, uint64_t kill, zc_pool_t *pool,
			uint64_t *random)
{
	zc_handle_t *held = calloc(rc->held, sizeof(*held));
	zc_reader_t *reader = register_reader(rc, pool);

	if (held == NULL)
		recovery_fail(rc, "victim: no memory");
	recovery_enter(rc, kill, RECOVERY_READY);
	for (;;) {
		uint32_t i = (uint32_t)(recovery_random(random) % rc->held);

		if (held[i] == 0) {
			held[i] = poll_one(rc, reader, 1000000);
		} else {
			zc_reader_release_block(reader, held[i]);
			held[i] = 0;
		}
	}
}

/* Acquires, commits and cancels in any order. */
static void writer_busy(struct recovery *rc, uint64_t kill, zc_pool_t *pool,
			uint64_t *random)
{
	zc_handle_t held[RECOVERY_INFLIGHT] = { 0 };
	zc_writer_t *writer = register_writer(rc, pool);

	recovery_enter(rc, kill, RECOVERY_READY);
	for (;;) {
		uint64_t r = recovery_random(random);
		uint32_t i = r % RECOVERY_INFLIGHT;

		if (held[i] == 0)
			held[i] = acquire(rc, writer,
					  8 + (r >> 8) % RECOVERY_SMALL);
		else if ((r >> 32) % 4 == 0)
			zc_writer_cancel_block(writer, held[i]), held[i] = 0;
		else
			commit(rc, writer, held[i]), held[i] = 0;
	}
}

void recovery_victim(struct recovery *rc, uint64_t kill)
{
	uint64_t random = kill * 2 + 1;
	zc_pool_t *pool;

	bench_child_init(rc->parent_pid);
	pool = open_pool(rc);
	if (!rc->random && rc->writer)
		writer_holding(rc, kill, pool);
	else if (!rc->random)
		reader_holding(rc, kill, pool);
	else if (rc->writer)
		writer_busy(rc, kill, pool, &random);
	else
		reader_busy(rc, kill, pool, &random);
	_exit(0);
}
