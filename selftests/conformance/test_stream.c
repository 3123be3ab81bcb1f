/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_stream.c - (I3) with several writers and readers, each required reader
 * sees each committed message once and in order; readers come and go.
 */
#include <stdio.h>

#include "harness.h"

#define WRITERS 3
#define READERS 3

struct plan {
	uint64_t seed;
	uint64_t messages;
	uint64_t index;
	size_t max_bytes;
};

static void service_name(char name[32], uint64_t index)
{
	snprintf(name, 32, "stream/test/%u", (unsigned int)index);
}

static void writes(void *arg)
{
	struct plan *plan = arg;
	struct t_writer writer;
	zc_pool_t *pool;
	char name[32];

	service_name(name, plan->index);
	t_srand(plan->seed + plan->index);
	t_hear(t_parent(), "go");
	pool = t_pool_open();
	t_writer_open(&writer, pool, name, NULL);
	for (uint64_t i = 0; i < plan->messages; i++)
		t_write(&writer, t_rand_size(plan->max_bytes));
	t_say(t_parent(), "written");
	t_hear(t_parent(), "end");
	zc_pool_close(pool);
}

/* One reader of each service, all in one thread. */
static void reads_all(void *arg)
{
	struct plan *plan = arg;
	struct t_reader reader[WRITERS];
	zc_reader_t *role[WRITERS];
	unsigned int open = 0;
	zc_pool_t *pool;
	char name[32];

	t_hear(t_parent(), "go");
	pool = t_pool_open();
	for (unsigned int i = 0; i < WRITERS; i++) {
		service_name(name, i);
		t_reader_open(&reader[i], pool, name, NULL);
		reader[i].next = 1;
		role[i] = reader[i].role;
		open++;
	}
	t_say(t_parent(), "ready");
	while (open) {
		uint32_t index;
		zc_handle_t handle;

		CHECK_OK(zc_wait_any(role, WRITERS, &index, t_wait_ns()));
		for (unsigned int i = 0; i < WRITERS; i++) {
			if (t_try_read(&reader[i], &handle, 0) != ZC_OK)
				continue;
			t_release(&reader[i], handle);
			CHECK_EQ(reader[i].lost, 0);
			open -= reader[i].received == plan->messages;
		}
	}
	zc_pool_close(pool);
}

static void stream_reaches_every_reader_once_in_order(void)
{
	struct plan *plan = t_shared(WRITERS * sizeof(*plan));
	struct t_peer *writer[WRITERS], *reader[READERS];
	uint64_t seed = t_seed();

	for (unsigned int i = 0; i < WRITERS; i++) {
		plan[i] = (struct plan){ seed, 2000, i, 4096 };
		writer[i] = t_spawn("writer", writes, &plan[i]);
	}
	for (unsigned int i = 0; i < READERS; i++)
		reader[i] = t_spawn("reader", reads_all, plan);
	t_pool_close(t_pool_create(NULL));
	for (int i = 0; i < READERS; i++) {
		t_say(reader[i], "go");
		t_hear(reader[i], "ready");
	}
	for (int i = 0; i < WRITERS; i++)
		t_say(writer[i], "go");
	for (int i = 0; i < WRITERS; i++)
		t_hear(writer[i], "written");
	for (int i = 0; i < READERS; i++)
		t_join(reader[i]);
	for (int i = 0; i < WRITERS; i++) {
		t_say(writer[i], "end");
		t_join(writer[i]);
	}
}

/* Joins, reads a little without a gap, leaves; again and again. */
static void comes_and_goes(void *arg)
{
	struct plan *plan = arg;
	zc_pool_t *pool;
	char name[32];

	service_name(name, 0);
	t_srand(plan->seed + plan->index);
	t_hear(t_parent(), "go");
	pool = t_pool_open();
	t_say(t_parent(), "ready");
	for (;;) {
		zc_reader_options_t options = ZC_READER_OPTIONS_INIT;
		uint64_t nr = t_rand_below(40), lost = 0;
		struct t_reader reader;
		zc_handle_t handle;

		options.max_holds = 8;
		options.history = (uint32_t)t_rand_below(8);
		t_reader_open(&reader, pool, name, &options);
		while (nr--) {
			zc_result_t result = t_try_read(&reader, &handle,
							1000000);

			if (result == ZC_ERROR_TIMEOUT)
				break;
			CHECK_RESULT(result, ZC_OK);
			/* What was before the join may be gone, no more. */
			if (reader.received <= options.history + 1)
				lost = reader.lost;
			CHECK_EQ(reader.lost, lost);
			/* Some are still held when the reader leaves. */
			if (t_rand_below(8))
				t_release(&reader, handle);
			else if (reader.received > 6)
				break;
		}
		if (reader.next > plan->messages) {
			t_reader_close(&reader);
			break;
		}
		t_reader_close(&reader);
	}
	zc_pool_close(pool);
}

static void stream_is_joined_and_left_at_any_time(void)
{
	struct plan *plan = t_shared(READERS * sizeof(*plan));
	struct t_peer *reader[READERS];
	zc_writer_options_t options = ZC_WRITER_OPTIONS_INIT;
	uint64_t seed = t_seed();
	struct t_reader steady;
	struct t_writer writer;
	zc_pool_t *pool;

	t_srand(seed);
	for (unsigned int i = 0; i < READERS; i++) {
		plan[i] = (struct plan){ seed, 8000, i + 1, 0 };
		reader[i] = t_spawn("visitor", comes_and_goes, &plan[i]);
	}
	pool = t_pool_create(NULL);
	for (int i = 0; i < READERS; i++) {
		t_say(reader[i], "go");
		t_hear(reader[i], "ready");
	}
	options.history = 8;
	t_reader_open(&steady, pool, "stream/test/0", NULL);
	steady.next = 1;
	t_writer_open(&writer, pool, "stream/test/0", &options);
	for (int i = 0; i < 8000; i++) {
		t_write(&writer, t_rand_size(8000));
		t_read_many(&steady, 1);
	}
	/* The visitors end when they have seen the last one. */
	for (int i = 0; i < READERS; i++)
		t_join(reader[i]);
}

/* Every process reads what the others write: no one is special. */
static void talks_to_all(void *arg)
{
	struct plan *plan = arg;
	struct t_reader reader[WRITERS];
	struct t_writer writer;
	uint64_t sent = 0, open = WRITERS;
	zc_pool_t *pool;
	char name[32];

	t_srand(plan->seed + plan->index);
	t_hear(t_parent(), "go");
	pool = t_pool_open();
	for (unsigned int i = 0; i < WRITERS; i++) {
		service_name(name, i);
		t_reader_open(&reader[i], pool, name, NULL);
		reader[i].next = 1;
	}
	service_name(name, plan->index);
	t_writer_open(&writer, pool, name, NULL);
	t_say(t_parent(), "ready");
	t_hear(t_parent(), "start");
	while (open || sent < plan->messages) {
		zc_handle_t handle;

		/* Backpressure of one must not stop its reading. */
		if (sent < plan->messages &&
		    t_try_write(&writer, t_rand_size(plan->max_bytes),
				100000) == ZC_OK)
			sent++;
		for (unsigned int i = 0; i < WRITERS; i++) {
			while (t_try_read(&reader[i], &handle, 0) == ZC_OK) {
				t_release(&reader[i], handle);
				open -= reader[i].received == plan->messages;
			}
			CHECK_EQ(reader[i].lost, 0);
		}
	}
	t_say(t_parent(), "done");
	t_hear(t_parent(), "end");
	zc_pool_close(pool);
}

static void stream_of_all_to_all(void)
{
	struct plan *plan = t_shared(WRITERS * sizeof(*plan));
	struct t_peer *peer[WRITERS];
	uint64_t seed = t_seed();

	for (unsigned int i = 0; i < WRITERS; i++) {
		plan[i] = (struct plan){ seed, 1500, i, 16384 };
		peer[i] = t_spawn("peer", talks_to_all, &plan[i]);
	}
	t_pool_close(t_pool_create(NULL));
	for (int i = 0; i < WRITERS; i++) {
		t_say(peer[i], "go");
		t_hear(peer[i], "ready");
	}
	for (int i = 0; i < WRITERS; i++)
		t_say(peer[i], "start");
	for (int i = 0; i < WRITERS; i++)
		t_hear(peer[i], "done");
	for (int i = 0; i < WRITERS; i++) {
		t_say(peer[i], "end");
		t_join(peer[i]);
	}
}

static const struct t_case cases[] = {
	T_CASE(stream_reaches_every_reader_once_in_order),
	T_CASE(stream_is_joined_and_left_at_any_time),
	T_CASE(stream_of_all_to_all),
	T_END,
};

int main(int argc, char **argv)
{
	return t_main(argc, argv, cases);
}
