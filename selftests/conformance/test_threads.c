/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_threads.c - one process, one mapping, several threads, each with roles
 * of its own: what ThreadSanitizer can follow.
 *
 * $ZC_STRESS_COUNT: messages a writer; $ZC_SEED: which sizes and holds.
 */
#include <pthread.h>
#include <stdio.h>

#include "harness.h"

#define WRITERS 3
#define READERS 3
#define HOLDS 5

struct job {
	zc_pool_t *pool;
	pthread_barrier_t *ready;
	uint64_t seed;
	uint64_t messages;
	unsigned int index;
	pthread_t thread;
};

static void service_name(char name[32], unsigned int index)
{
	snprintf(name, 32, "threads/test/%u", index);
}

static void start(struct job *job, void *(*fn)(void *))
{
	CHECK(!pthread_create(&job->thread, NULL, fn, job));
}

static void end(struct job *job)
{
	CHECK(!pthread_join(job->thread, NULL));
}

static void *writes(void *arg)
{
	struct job *job = arg;
	zc_writer_options_t options = ZC_WRITER_OPTIONS_INIT;
	struct t_writer writer;
	char name[32];

	t_srand(job->seed + job->index);
	service_name(name, job->index);
	options.on_slow = job->index == 1 ? ZC_ON_SLOW_DROP_OLDEST :
					    ZC_ON_SLOW_BLOCK;
	options.overwrite = job->index == 2;
	options.history = job->index == 2 ? 8 : 0;
	t_writer_open(&writer, job->pool, name, &options);
	pthread_barrier_wait(job->ready);
	for (uint64_t i = 0; i < job->messages; i++)
		t_write(&writer, t_rand_size(8192));
	t_writer_close(&writer);
	return NULL;
}

static void *reads(void *arg)
{
	struct job *job = arg;
	zc_handle_t held[WRITERS][HOLDS];
	unsigned int nr[WRITERS] = { 0 }, open = WRITERS;
	struct t_reader reader[WRITERS];
	char name[32];

	t_srand(job->seed + 100 + job->index);
	for (unsigned int i = 0; i < WRITERS; i++) {
		service_name(name, i);
		t_reader_open(&reader[i], job->pool, name, NULL);
		reader[i].next = 1;
	}
	pthread_barrier_wait(job->ready);
	while (open) {
		for (unsigned int i = 0; i < WRITERS; i++) {
			zc_result_t result;

			if (reader[i].next > job->messages)
				continue;
			while (nr[i] == HOLDS || (nr[i] && t_rand_below(2)))
				t_release(&reader[i], held[i][--nr[i]]);
			result = t_try_read(&reader[i], &held[i][nr[i]],
					    100000);
			if (result == ZC_ERROR_TIMEOUT)
				continue;
			CHECK_RESULT(result, ZC_OK);
			nr[i]++;
			open -= reader[i].next > job->messages;
		}
	}
	for (unsigned int i = 0; i < WRITERS; i++) {
		while (nr[i])
			t_release(&reader[i], held[i][--nr[i]]);
		CHECK_EQ(reader[i].received + reader[i].lost, job->messages);
		if (i == 0)
			CHECK_EQ(reader[i].lost, 0);
		t_reader_close(&reader[i]);
	}
	return NULL;
}

static void threads_stream_to_each_other(void)
{
	uint64_t messages = t_env("ZC_STRESS_COUNT", t_long() ? 200000 : 8000);
	struct job job[WRITERS + READERS];
	zc_pool_t *pool = t_pool_create(NULL);
	pthread_barrier_t ready;
	uint64_t seed = t_seed();

	CHECK(!pthread_barrier_init(&ready, NULL, WRITERS + READERS));
	for (unsigned int i = 0; i < WRITERS + READERS; i++) {
		job[i] = (struct job){ pool, &ready, seed, messages,
				       i % WRITERS, 0 };
		start(&job[i], i < WRITERS ? writes : reads);
	}
	for (unsigned int i = 0; i < WRITERS + READERS; i++)
		end(&job[i]);
	t_pool_check_left(pool);
}

static void *joins_and_leaves(void *arg)
{
	struct job *job = arg;
	char mine[32], common[32];

	t_srand(job->seed + job->index);
	service_name(mine, 10 + job->index);
	service_name(common, 9);
	pthread_barrier_wait(job->ready);
	for (uint64_t i = 0; i < job->messages; i++) {
		struct t_writer writer;
		struct t_reader reader, other;

		t_reader_open(&other, job->pool, common, NULL);
		t_reader_open(&reader, job->pool, mine, NULL);
		t_writer_open(&writer, job->pool, mine, NULL);
		reader.next = writer.next;
		t_write_many(&writer, 3, t_rand_size(5000));
		t_read_many(&reader, 2);
		if (t_rand_below(2))
			t_writer_close(&writer);
		t_reader_close(&reader);
		t_reader_close(&other);
		if (writer.role)
			t_writer_close(&writer);
	}
	return NULL;
}

static void threads_register_and_unregister(void)
{
	enum { NR = 4 };
	zc_pool_t *pool = t_pool_create(NULL);
	pthread_barrier_t ready;
	struct job job[NR];
	uint64_t seed = t_seed();

	CHECK(!pthread_barrier_init(&ready, NULL, NR));
	for (unsigned int i = 0; i < NR; i++) {
		job[i] = (struct job){ pool, &ready, seed, 100, i, 0 };
		start(&job[i], joins_and_leaves);
	}
	for (unsigned int i = 0; i < NR; i++)
		end(&job[i]);
	t_pool_check_rest(pool);
}

static void *opens_and_closes(void *arg)
{
	struct job *job = arg;
	char name[32];

	service_name(name, job->index);
	pthread_barrier_wait(job->ready);
	for (uint64_t i = 0; i < job->messages; i++) {
		zc_pool_t *pool = t_pool_open();
		struct t_writer writer;
		zc_pool_info_t info = { .sz = sizeof(info) };

		CHECK_OK(zc_pool_get_info(pool, &info));
		CHECK_EQ(info.members, 1);
		t_writer_open(&writer, pool, name, NULL);
		t_write(&writer, 100);
		t_writer_close(&writer);
		zc_pool_close(pool);
	}
	return NULL;
}

/* The last reference leaves the pool, the next one joins it again. */
static void threads_open_and_close_the_pool(void)
{
	enum { NR = 3 };
	pthread_barrier_t ready;
	struct job job[NR];

	t_pool_close(t_pool_create(NULL));
	CHECK(!pthread_barrier_init(&ready, NULL, NR));
	for (unsigned int i = 0; i < NR; i++) {
		job[i] = (struct job){ NULL, &ready, 0, 50, i, 0 };
		start(&job[i], opens_and_closes);
	}
	for (unsigned int i = 0; i < NR; i++)
		end(&job[i]);
}

struct baton {
	pthread_mutex_t lock;
	struct t_writer writer;
	struct t_reader reader;
	uint64_t left;
};

static void *takes_turns(void *arg)
{
	struct baton *baton = arg;

	for (;;) {
		pthread_mutex_lock(&baton->lock);
		if (!baton->left) {
			pthread_mutex_unlock(&baton->lock);
			return NULL;
		}
		baton->left--;
		t_write(&baton->writer, 1 + baton->left % 3000);
		if (baton->left % 4 == 0)
			t_read_many(&baton->reader, 4);
		pthread_mutex_unlock(&baton->lock);
	}
}

/* A role belongs to one thread at a time: a lock may hand it on. */
static void threads_share_a_role_by_turns(void)
{
	enum { NR = 3 };
	struct baton baton = { .lock = PTHREAD_MUTEX_INITIALIZER, .left = 2000 };
	zc_pool_t *pool = t_pool_create(NULL);
	pthread_t thread[NR];

	t_reader_open(&baton.reader, pool, "threads/test/baton", NULL);
	t_writer_open(&baton.writer, pool, "threads/test/baton", NULL);
	baton.reader.next = 1;
	for (int i = 0; i < NR; i++)
		CHECK(!pthread_create(&thread[i], NULL, takes_turns, &baton));
	for (int i = 0; i < NR; i++)
		CHECK(!pthread_join(thread[i], NULL));
	CHECK_EQ(baton.reader.received, 2000);
}

static const struct t_case cases[] = {
	T_CASE(threads_stream_to_each_other),
	T_CASE(threads_register_and_unregister),
	T_CASE(threads_open_and_close_the_pool),
	T_CASE(threads_share_a_role_by_turns),
	T_END,
};

int main(int argc, char **argv)
{
	return t_main(argc, argv, cases);
}
