/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_slow.c - readers that are slow, never move, or are stopped: what the
 * topic's policy does to them, and that the others lose nothing.
 */
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"

#define SERVICE "slow/test/one"
#define LAG 16

static zc_writer_options_t policy(zc_on_slow_t on_slow)
{
	zc_writer_options_t options = ZC_WRITER_OPTIONS_INIT;

	options.on_slow = on_slow;
	options.lag_limit = LAG;
	return options;
}

static uint64_t dropped_by(struct t_writer *writer)
{
	zc_writer_stats_t stats = { .sz = sizeof(stats) };

	CHECK_OK(zc_writer_get_stats(writer->role, &stats));
	return stats.dropped;
}

static uint64_t disconnected_by(struct t_writer *writer)
{
	zc_writer_stats_t stats = { .sz = sizeof(stats) };

	CHECK_OK(zc_writer_get_stats(writer->role, &stats));
	return stats.disconnected;
}

/* Reads until nothing is there; what was lost must be counted. */
static void read_the_rest(struct t_reader *reader, uint64_t committed)
{
	zc_reader_stats_t stats = { .sz = sizeof(stats) };
	zc_handle_t handle;
	zc_result_t result;

	while ((result = t_try_read(reader, &handle, 0)) == ZC_OK)
		t_release(reader, handle);
	CHECK_RESULT(result, ZC_ERROR_TIMEOUT);
	CHECK_EQ(reader->next, committed + 1);
	CHECK_EQ(reader->received + reader->lost, committed);
	CHECK_OK(zc_reader_get_stats(reader->role, &stats));
	CHECK_EQ(stats.received, reader->received);
	CHECK_EQ(stats.lost, reader->lost);
	CHECK_EQ(stats.corrupt, 0);
}

/* A reader in a process of its own that keeps up: it says so each @LAG / 4. */
static void keeps_up(void *arg)
{
	uint64_t messages = *(uint64_t *)arg;
	struct t_reader reader;
	zc_pool_t *pool;

	t_hear(t_parent(), "go");
	pool = t_pool_open();
	t_reader_open(&reader, pool, SERVICE, NULL);
	reader.next = 1;
	t_say(t_parent(), "ready");
	for (uint64_t i = 1; i <= messages; i++) {
		t_read_many(&reader, 1);
		if (i % (LAG / 4) == 0)
			t_say(t_parent(), "read");
	}
	CHECK_EQ(reader.lost, 0);
	zc_pool_close(pool);
}

static void write_in_step(struct t_writer *writer, struct t_peer *reader,
			  uint64_t messages)
{
	for (uint64_t i = 1; i <= messages; i++) {
		t_write(writer, 1 + i * 101 % 6000);
		if (i % (LAG / 4) == 0)
			t_hear(reader, "read");
	}
}

static void slow_block_makes_the_writer_wait(void)
{
	zc_writer_options_t options = policy(ZC_ON_SLOW_BLOCK);
	zc_pool_t *pool = t_pool_create(NULL);
	struct t_writer writer, elsewhere;
	struct t_reader slow, fast;
	zc_handle_t handle = 0;

	t_reader_open(&slow, pool, SERVICE, NULL);
	t_reader_open(&fast, pool, SERVICE, NULL);
	slow.next = fast.next = 1;
	t_writer_open(&writer, pool, SERVICE, &options);
	t_writer_open(&elsewhere, pool, "slow/test/two", NULL);
	t_write_many(&writer, LAG, 1000);
	t_read_many(&fast, LAG);
	for (int i = 0; i < 50; i++) {
		CHECK_RESULT(zc_writer_acquire_block(writer.role, 1, &handle,
						     0),
			     ZC_ERROR_TIMEOUT);
		CHECK_RESULT(zc_writer_acquire_block(writer.role, 1, &handle,
						     200000),
			     ZC_ERROR_TIMEOUT);
		CHECK(!handle);
		/* Declared backpressure is this topic's alone. */
		t_write(&elsewhere, 1000);
		t_read_many(&slow, 1);
		t_write(&writer, 1000);
		t_read_many(&fast, 1);
	}
	read_the_rest(&slow, LAG + 50);
	CHECK_EQ(slow.lost, 0);
	CHECK_EQ(dropped_by(&writer), 0);
}

static void waits_to_read(void *arg)
{
	struct t_reader reader;
	zc_pool_t *pool;

	(void)arg;
	t_hear(t_parent(), "go");
	pool = t_pool_open();
	t_reader_open(&reader, pool, SERVICE, NULL);
	reader.next = 1;
	t_say(t_parent(), "ready");
	t_hear(t_parent(), "read");
	t_read_many(&reader, LAG + 1);
	zc_pool_close(pool);
}

static void slow_block_ends_when_the_reader_moves(void)
{
	struct t_peer *child = t_spawn("slow", waits_to_read, NULL);
	zc_writer_options_t options = policy(ZC_ON_SLOW_BLOCK);
	zc_pool_t *pool = t_pool_create(NULL);
	struct t_writer writer;

	t_say(child, "go");
	t_hear(child, "ready");
	t_writer_open(&writer, pool, SERVICE, &options);
	t_write_many(&writer, LAG, 1000);
	CHECK_RESULT(t_try_write(&writer, 1, 500000), ZC_ERROR_TIMEOUT);
	t_say(child, "read");
	CHECK_OK(t_try_write(&writer, 1, ZC_TIMEOUT_FOREVER));
	t_join(child);
}

static void slow_drop_oldest_counts_every_loss(void)
{
	uint64_t messages = 2000;
	struct t_peer *child = t_spawn("fast", keeps_up, &messages);
	zc_writer_options_t options = policy(ZC_ON_SLOW_DROP_OLDEST);
	zc_pool_t *pool = t_pool_create(NULL);
	struct t_writer writer;
	struct t_reader slow;
	zc_handle_t held;

	t_say(child, "go");
	t_hear(child, "ready");
	t_reader_open(&slow, pool, SERVICE, NULL);
	slow.next = 1;
	t_writer_open(&writer, pool, SERVICE, &options);
	write_in_step(&writer, child, 100);
	CHECK_OK(t_try_read(&slow, &held, 0));
	CHECK_OP(slow.lost, >=, 100 - LAG - 1);
	write_in_step(&writer, child, messages - 100);
	/* Held is held, however far behind. */
	t_release(&slow, held);
	read_the_rest(&slow, messages);
	CHECK_OP(slow.lost, >=, messages - 100);
	CHECK_EQ(dropped_by(&writer), slow.lost);
	t_join(child);
}

static void slow_disconnect_cuts_off_once(void)
{
	uint64_t messages = 600;
	struct t_peer *child = t_spawn("fast", keeps_up, &messages);
	zc_writer_options_t options = policy(ZC_ON_SLOW_DISCONNECT);
	zc_pool_t *pool = t_pool_create(NULL);
	struct t_writer writer;
	struct t_reader slow;
	zc_event_t event = { .sz = sizeof(event) };
	zc_handle_t held, handle = 0;

	t_say(child, "go");
	t_hear(child, "ready");
	t_reader_open(&slow, pool, SERVICE, NULL);
	slow.next = 1;
	t_writer_open(&writer, pool, SERVICE, &options);
	write_in_step(&writer, child, 4);
	held = t_read(&slow);
	write_in_step(&writer, child, 396);
	CHECK_EQ(disconnected_by(&writer), 1);
	do {
		CHECK_OK(zc_pool_next_event(pool, &event, t_wait_ns()));
	} while (event.type != ZC_EVENT_READER_DISCONNECTED);
	CHECK_EQ(event.pid, getpid());
	CHECK(!strcmp(event.service, SERVICE));
	CHECK_RESULT(t_try_read(&slow, &handle, 0), ZC_ERROR_DISCONNECTED);
	CHECK_RESULT(t_try_read(&slow, &handle, t_wait_ns()),
		     ZC_ERROR_DISCONNECTED);
	CHECK(!handle);
	/* Its holds count until it lets go. */
	CHECK_EQ(t_sequence(&slow, held), 1);
	t_release(&slow, held);
	t_reader_close(&slow);
	/* It may come back, and begins anew. */
	t_reader_open(&slow, pool, SERVICE, NULL);
	slow.next = 401;
	for (int i = 0; i < 50; i++) {
		write_in_step(&writer, child, LAG / 4);
		t_read_many(&slow, LAG / 4);
	}
	t_join(child);
	CHECK_EQ(disconnected_by(&writer), 1);
}

/* Also while what it has not read is still in the ring. */
static void slow_disconnect_is_final_at_once(void)
{
	zc_writer_options_t options = policy(ZC_ON_SLOW_DISCONNECT);
	zc_pool_t *pool = t_pool_create(NULL);
	struct t_writer writer;
	struct t_reader slow;
	zc_handle_t held, handle = 0;

	for (int round = 0; round < 5; round++) {
		t_reader_open(&slow, pool, SERVICE, NULL);
		t_writer_open(&writer, pool, SERVICE, &options);
		t_write_many(&writer, 2, 1000);
		held = t_read(&slow);
		while (!disconnected_by(&writer)) {
			CHECK_OP(writer.next, <, slow.next + 2 * LAG);
			t_write(&writer, 1000);
		}
		CHECK_RESULT(t_try_read(&slow, &handle, 0),
			     ZC_ERROR_DISCONNECTED);
		t_release(&slow, held);
		CHECK_RESULT(t_try_read(&slow, &handle, 0),
			     ZC_ERROR_DISCONNECTED);
		t_reader_close(&slow);
		t_writer_close(&writer);
	}
}

/* Joined, and never polled. */
static void never_moves(zc_on_slow_t on_slow)
{
	uint64_t messages = 400;
	struct t_peer *child = t_spawn("fast", keeps_up, &messages);
	zc_writer_options_t options = policy(on_slow);
	zc_pool_options_t geometry = t_pool_options();
	struct t_writer writer;
	struct t_reader idle;
	zc_handle_t handle;
	zc_pool_t *pool;

	geometry.bytes = 256U << 10;
	geometry.ring_entries = 32;
	pool = t_pool_create(&geometry);
	t_say(child, "go");
	t_hear(child, "ready");
	t_reader_open(&idle, pool, SERVICE, NULL);
	idle.next = 1;
	t_writer_open(&writer, pool, SERVICE, &options);
	write_in_step(&writer, child, messages);
	t_join(child);
	if (on_slow == ZC_ON_SLOW_DISCONNECT) {
		CHECK_RESULT(t_try_read(&idle, &handle, 0),
			     ZC_ERROR_DISCONNECTED);
	} else {
		read_the_rest(&idle, messages);
		CHECK_EQ(dropped_by(&writer), idle.lost);
	}
	/* Nothing is kept for it any more. */
	CHECK_OK(zc_writer_acquire_block(writer.role, t_segment_bytes(pool),
					 &handle, t_wait_ns()));
}

static void reader_that_never_moves_is_dropped(void)
{
	never_moves(ZC_ON_SLOW_DROP_OLDEST);
}

static void reader_that_never_moves_is_disconnected(void)
{
	never_moves(ZC_ON_SLOW_DISCONNECT);
}

struct stopped {
	uint64_t next;		/* what it had read before it was stopped */
	uint64_t messages;
	zc_on_slow_t on_slow;
};

/* Holds a message, reads on, is stopped somewhere, and goes on. */
static void is_stopped(void *arg)
{
	struct stopped *shared = arg;
	struct t_reader reader;
	zc_handle_t held, handle = 0;
	zc_result_t result = ZC_OK;
	zc_pool_t *pool;

	t_hear(t_parent(), "go");
	pool = t_pool_open();
	t_reader_open(&reader, pool, SERVICE, NULL);
	reader.next = 1;
	t_say(t_parent(), "ready");
	held = t_read(&reader);
	t_say(t_parent(), "holding");
	while (reader.next <= shared->messages) {
		result = t_try_read(&reader, &handle, t_wait_ns());
		if (result != ZC_OK)
			break;
		t_release(&reader, handle);
		__atomic_store_n(&shared->next, reader.next, __ATOMIC_SEQ_CST);
	}
	CHECK_EQ(t_sequence(&reader, held), 1);
	t_release(&reader, held);
	if (shared->on_slow == ZC_ON_SLOW_DISCONNECT) {
		CHECK_RESULT(result, ZC_ERROR_DISCONNECTED);
	} else {
		CHECK_RESULT(result, ZC_OK);
		CHECK_EQ(reader.received + reader.lost, shared->messages);
		if (shared->on_slow == ZC_ON_SLOW_BLOCK)
			CHECK_EQ(reader.lost, 0);
		else
			CHECK_OP(reader.lost, >, 0);
	}
	zc_pool_close(pool);
}

static void reader_stopped(zc_on_slow_t on_slow)
{
	struct stopped *shared = t_shared(sizeof(*shared));
	uint64_t before = 40, during = on_slow == ZC_ON_SLOW_BLOCK ? 0 : 400;
	struct t_peer *child, *fast;
	zc_writer_options_t options = policy(on_slow);
	zc_pool_options_t geometry = t_pool_options();
	struct t_writer writer;
	zc_pool_t *pool;

	geometry.bytes = 512U << 10;
	shared->on_slow = on_slow;
	shared->messages = before + during + (on_slow ? 0 : 100);
	child = t_spawn("stopped", is_stopped, shared);
	fast = t_spawn("fast", keeps_up, &shared->messages);
	pool = t_pool_create(&geometry);
	t_say(child, "go");
	t_hear(child, "ready");
	t_say(fast, "go");
	t_hear(fast, "ready");
	t_writer_open(&writer, pool, SERVICE, &options);
	write_in_step(&writer, fast, 4);
	t_hear(child, "holding");
	for (uint64_t sent = 4; sent < before; sent += 4) {
		/* So that it is never cut before it is stopped. */
		T_UNTIL(__atomic_load_n(&shared->next, __ATOMIC_SEQ_CST) ==
			sent + 1);
		write_in_step(&writer, fast, 4);
	}
	t_stop(child);
	if (on_slow == ZC_ON_SLOW_BLOCK) {
		zc_handle_t handle;
		unsigned int more = 0;

		/* Fills what the limit allows, then waits in vain. */
		while (t_try_write(&writer, 100, 300000) == ZC_OK)
			if (++more % 4 == 0)
				t_hear(fast, "read");
		CHECK_OP(more, <=, LAG);
		CHECK_RESULT(zc_writer_acquire_block(writer.role, 1, &handle,
						     1000000),
			     ZC_ERROR_TIMEOUT);
		t_continue(child);
		while (writer.next <= shared->messages) {
			t_write(&writer, 100);
			if (++more % 4 == 0)
				t_hear(fast, "read");
		}
	} else {
		write_in_step(&writer, fast, during);
		t_continue(child);
	}
	t_join(child);
	t_join(fast);
}

static void reader_stopped_blocks_only_its_topic(void)
{
	reader_stopped(ZC_ON_SLOW_BLOCK);
}

static void reader_stopped_loses_its_oldest(void)
{
	reader_stopped(ZC_ON_SLOW_DROP_OLDEST);
}

static void reader_stopped_is_disconnected(void)
{
	reader_stopped(ZC_ON_SLOW_DISCONNECT);
}

/* Without membarrier the floor must be seen by other means. */
static void reads_slowly(void *arg)
{
	struct stopped *shared = arg;
	struct t_reader reader;
	zc_handle_t handle;
	zc_pool_t *pool;

	t_refuse((unsigned int)shared->next);
	t_hear(t_parent(), "go");
	pool = t_pool_open();
	t_reader_open(&reader, pool, SERVICE, NULL);
	reader.next = 1;
	t_say(t_parent(), "ready");
	while (reader.next <= shared->messages) {
		CHECK_OK(t_try_read(&reader, &handle, t_wait_ns()));
		/* Holds it for a while: many others are written meanwhile. */
		for (int i = 0; i < 20; i++)
			sched_yield();
		t_release(&reader, handle);
	}
	CHECK_EQ(reader.received + reader.lost, shared->messages);
	zc_pool_close(pool);
}

static void drop_oldest_refusing(unsigned int reader, unsigned int writer)
{
	struct stopped *shared = t_shared(sizeof(*shared));
	zc_writer_options_t options = policy(ZC_ON_SLOW_DROP_OLDEST);
	struct t_writer out;
	struct t_peer *child;
	zc_pool_t *pool;

	shared->messages = 1500;
	shared->next = reader;
	child = t_spawn("slow", reads_slowly, shared);
	t_refuse(writer);
	pool = t_pool_create(NULL);
	t_say(child, "go");
	t_hear(child, "ready");
	t_writer_open(&out, pool, SERVICE, &options);
	for (uint64_t i = 0; i < shared->messages; i++)
		t_write(&out, 1 + i * 7 % 3000);
	t_join(child);
}

static void slow_drop_oldest_without_membarrier(void)
{
	drop_oldest_refusing(T_REFUSE_MEMBARRIER, T_REFUSE_MEMBARRIER);
}

static void slow_drop_oldest_without_membarrier_here(void)
{
	drop_oldest_refusing(0, T_REFUSE_MEMBARRIER);
}

static void slow_drop_oldest_without_membarrier_there(void)
{
	drop_oldest_refusing(T_REFUSE_MEMBARRIER, 0);
}

static void never_polls(void *arg)
{
	struct t_reader reader;
	zc_pool_t *pool;

	(void)arg;
	t_hear(t_parent(), "go");
	pool = t_pool_open();
	t_reader_open(&reader, pool, SERVICE, NULL);
	t_say(t_parent(), "ready");
	t_hear(t_parent(), "end");
	zc_pool_close(pool);
}

/* (I5) Nor may it wait without bound for one who never polls. */
static void reader_that_never_polls_without_membarrier(void)
{
	zc_writer_options_t options = policy(ZC_ON_SLOW_DROP_OLDEST);
	struct t_peer *child = t_spawn("idle", never_polls, NULL);
	struct t_writer writer;
	zc_pool_t *pool;

	t_refuse(T_REFUSE_MEMBARRIER);
	pool = t_pool_create(NULL);
	t_say(child, "go");
	t_hear(child, "ready");
	t_writer_open(&writer, pool, SERVICE, &options);
	t_write_many(&writer, 500, 1000);
	t_say(child, "end");
	t_join(child);
}

/* Nor for what the writer before it decided. */
static void reader_cut_off_before_without_membarrier(void)
{
	zc_writer_options_t options = policy(ZC_ON_SLOW_DISCONNECT);
	struct t_peer *child = t_spawn("idle", never_polls, NULL);
	struct t_writer writer;
	zc_pool_t *pool;

	t_refuse(T_REFUSE_MEMBARRIER);
	pool = t_pool_create(NULL);
	t_say(child, "go");
	t_hear(child, "ready");
	for (int i = 0; i < 3; i++) {
		t_writer_open(&writer, pool, SERVICE, &options);
		t_write_many(&writer, 500, 1000);
		t_writer_close(&writer);
	}
	t_say(child, "end");
	t_join(child);
}

/* A filter that came later.  Of 32 messages some take the ring entries of others anew. */
static void membarrier_that_fails_later(void)
{
	zc_writer_options_t options = policy(ZC_ON_SLOW_DROP_OLDEST);
	struct t_peer *child = t_spawn("idle", never_polls, NULL);
	zc_pool_options_t geometry = t_pool_options();
	struct t_writer writer;
	zc_pool_t *pool;
	uint64_t begin;

	geometry.ring_entries = 32;
	pool = t_pool_create(&geometry);
	t_say(child, "go");
	t_hear(child, "ready");
	t_writer_open(&writer, pool, SERVICE, &options);
	t_write_many(&writer, 100, 1000);
	t_refuse(T_REFUSE_MEMBARRIER);
	for (int i = 0; i < 4; i++) {
		begin = zc_timestamp();
		t_write_many(&writer, 32, 1000);
		CHECK_OP(zc_timestamp() - begin, >=, 100000000);
	}
	t_say(child, "end");
	t_join(child);
}

static void streams_for_ever(void *arg)
{
	uint64_t *sent = arg;
	struct t_writer writer;
	zc_pool_t *pool;

	t_hear(t_parent(), "go");
	pool = t_pool_open();
	t_writer_open(&writer, pool, SERVICE, NULL);
	for (;;) {
		t_write(&writer, 1 + writer.next % 3000);
		__atomic_store_n(sent, writer.next, __ATOMIC_SEQ_CST);
	}
}

static void writer_stopped_and_continued(void)
{
	uint64_t *sent = t_shared(sizeof(*sent));
	struct t_peer *child = t_spawn("writer", streams_for_ever, sent);
	zc_pool_t *pool = t_pool_create(NULL);
	struct t_reader reader;
	struct t_writer other;
	zc_handle_t handle;

	t_reader_open(&reader, pool, SERVICE, NULL);
	reader.next = 1;
	t_writer_open(&other, pool, "slow/test/two", NULL);
	t_say(child, "go");
	for (int round = 0; round < 20; round++) {
		zc_result_t result;

		t_read_many(&reader, 100);
		t_stop(child);
		/* Stopped is not dead: its service stays its own. */
		CHECK_EQ(zc_reader_writer_state(reader.role), ZC_PEER_LIVE);
		while ((result = t_try_read(&reader, &handle, 0)) == ZC_OK)
			t_release(&reader, handle);
		CHECK_RESULT(result, ZC_ERROR_TIMEOUT);
		CHECK_EQ(reader.lost, 0);
		t_write_many(&other, 100, 5000);
		t_continue(child);
	}
	t_kill(child);
	t_pool_check(pool);
}

static const struct t_case cases[] = {
	T_CASE(slow_block_makes_the_writer_wait),
	T_CASE(slow_block_ends_when_the_reader_moves),
	T_CASE(slow_drop_oldest_counts_every_loss),
	T_CASE(slow_disconnect_cuts_off_once),
	T_CASE(slow_disconnect_is_final_at_once),
	T_CASE(reader_that_never_moves_is_dropped),
	T_CASE(reader_that_never_moves_is_disconnected),
	T_CASE(reader_stopped_blocks_only_its_topic),
	T_CASE(reader_stopped_loses_its_oldest),
	T_CASE(reader_stopped_is_disconnected),
	T_CASE(slow_drop_oldest_without_membarrier),
	T_CASE(slow_drop_oldest_without_membarrier_here),
	T_CASE(slow_drop_oldest_without_membarrier_there),
	T_CASE(reader_that_never_polls_without_membarrier),
	T_CASE(reader_cut_off_before_without_membarrier),
	T_CASE(membarrier_that_fails_later),
	T_CASE(writer_stopped_and_continued),
	T_END,
};

int main(int argc, char **argv)
{
	return t_main(argc, argv, cases);
}
