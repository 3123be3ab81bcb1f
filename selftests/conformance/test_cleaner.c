/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_cleaner.c - cleaners merge, take back, adopt, and harm nobody.
 */
#include <stdio.h>
#include <string.h>

#include "harness.h"

#define CLEANERS 8

static zc_cleaner_t *cleaner_of(zc_pool_t *pool)
{
	zc_cleaner_options_t options = ZC_CLEANER_OPTIONS_INIT;
	zc_cleaner_t *cleaner;

	options.period_ns = 10000;
	CHECK_OK(zc_cleaner_start(pool, &options, &cleaner));
	return cleaner;
}

static zc_cleaner_stats_t stats_of(zc_cleaner_t *cleaner)
{
	zc_cleaner_stats_t stats = { .sz = sizeof(stats) };

	CHECK_OK(zc_cleaner_get_stats(cleaner, &stats));
	return stats;
}

static uint64_t bytes_of(zc_pool_t *pool)
{
	zc_pool_info_t info = { .sz = sizeof(info) };

	CHECK_OK(zc_pool_get_info(pool, &info));
	return info.bytes;
}

/* All free, in runs as long as they get: a stripe each, of which there are 64. */
static bool whole(zc_pool_t *pool, zc_cleaner_t *cleaner)
{
	zc_cleaner_stats_t s = stats_of(cleaner);
	uint64_t bytes = bytes_of(pool);

	return s.passes && s.free_bytes == bytes &&
	       s.runs == bytes / t_segment_bytes(pool) * 64 &&
	       s.largest_free_bytes == t_segment_bytes(pool) / 64;
}

/* With a ring that has room for many blocks in flight. */
static zc_pool_t *pool_create(void)
{
	zc_pool_options_t geometry = t_pool_options();
	zc_pool_t *pool;

	geometry.ring_entries = 1024;
	pool = t_pool_create(&geometry);
	t_no_more_cleaners(pool);
	return pool;
}

/* Takes all of the pool in pieces of random sizes and gives it back, piece by piece. */
static void crumble(zc_pool_t *pool)
{
	zc_writer_options_t options = ZC_WRITER_OPTIONS_INIT;
	struct t_writer writer;
	zc_handle_t handle[512];
	unsigned int nr = 0;

	options.max_inflight = 512;
	t_writer_open(&writer, pool, "clean/crumbs/main", &options);
	while (nr < 512 &&
	       zc_writer_acquire_block(writer.role, t_rand_size(20000), &handle[nr],
				       0) == ZC_OK)
		nr++;
	CHECK_OP(nr, >, 50);
	while (nr) {
		unsigned int pick = (unsigned int)t_rand_below(nr);

		CHECK_OK(zc_writer_cancel_block(writer.role, handle[pick]));
		handle[pick] = handle[--nr];
	}
	t_writer_close(&writer);
}

static uint64_t runs_of(zc_pool_t *pool)
{
	zc_check_report_t report = { .sz = sizeof(report) };

	CHECK_OK(zc_pool_check(pool, &report));
	CHECK_EQ(report.errors, 0);
	return report.runs;
}

static void cleaner_merges_what_is_free(void)
{
	zc_pool_t *pool = pool_create();
	zc_cleaner_t *cleaner;
	uint64_t crumbs;

	t_srand(t_seed());
	crumble(pool);
	crumbs = runs_of(pool);
	CHECK_OP(crumbs, >, 64 + 50);
	cleaner = cleaner_of(pool);
	T_UNTIL(whole(pool, cleaner));
	CHECK_EQ(stats_of(cleaner).merged, crumbs - 64);
	zc_cleaner_stop(cleaner);
	CHECK_EQ(runs_of(pool), 64);
	t_pool_close(pool);
}

static void cleaner_takes_back_of_a_writer_that_rests(void)
{
	zc_pool_t *pool = pool_create();
	zc_cleaner_t *cleaner;
	struct t_writer writer;
	struct t_reader reader;
	zc_handle_t held;

	t_writer_open(&writer, pool, "clean/rest/main", NULL);
	t_reader_open(&reader, pool, "clean/rest/main", NULL);
	t_write_many(&writer, 40, 3000);
	t_read_many(&reader, 20);
	held = t_read(&reader);
	t_read_many(&reader, 10);
	cleaner = cleaner_of(pool);
	/* Read and not held: 30.  Held: 1.  Not read yet: 9. */
	T_UNTIL(stats_of(cleaner).committed_bytes == 10 * 3072);
	t_release(&reader, held);
	t_read_many(&reader, 9);
	T_UNTIL(!stats_of(cleaner).committed_bytes);
	CHECK_EQ(stats_of(cleaner).reclaimed_bytes, 40 * 3072);
	/* It goes on as if nothing had happened. */
	t_write_many(&writer, 40, 3000);
	t_read_many(&reader, 40);
	t_reader_close(&reader);
	t_writer_close(&writer);
	T_UNTIL(whole(pool, cleaner));
	zc_cleaner_stop(cleaner);
	t_pool_close(pool);
}

static void cleaner_keeps_history(void)
{
	zc_writer_options_t options = ZC_WRITER_OPTIONS_INIT;
	zc_reader_options_t late = ZC_READER_OPTIONS_INIT;
	zc_pool_t *pool = pool_create();
	zc_cleaner_t *cleaner;
	struct t_writer writer;
	struct t_reader reader;

	options.history = 8;
	t_writer_open(&writer, pool, "clean/history/main", &options);
	t_write_many(&writer, 30, 1000);
	cleaner = cleaner_of(pool);
	T_UNTIL(stats_of(cleaner).committed_bytes == 8 * 1024);
	late.history = 8;
	t_reader_open(&reader, pool, "clean/history/main", &late);
	reader.next = 23;
	t_read_many(&reader, 8);
	t_reader_close(&reader);
	t_writer_close(&writer);
	zc_cleaner_stop(cleaner);
	t_pool_close(pool);
}

static void cleaner_places_are_limited(void)
{
	zc_cleaner_t *cleaner[CLEANERS], *one_more;
	zc_pool_t *pool = pool_create();

	for (unsigned int i = 0; i < CLEANERS; i++)
		cleaner[i] = cleaner_of(pool);
	CHECK_RESULT(zc_cleaner_start(pool, NULL, &one_more), ZC_ERROR_SLOTS);
	zc_cleaner_stop(cleaner[3]);
	CHECK_OK(zc_cleaner_start(pool, NULL, &cleaner[3]));
	CHECK_EQ(stats_of(cleaner[3]).id, 3);
	CHECK_RESULT(zc_cleaner_start(NULL, NULL, &one_more), ZC_ERROR_INVALID);
	CHECK_RESULT(zc_cleaner_get_stats(NULL, NULL), ZC_ERROR_INVALID);
	zc_cleaner_stop(NULL);
	/* Those that are left end with the pool. */
	t_pool_close(pool);
}

static void cleans_until_it_is_killed(void *arg)
{
	zc_pool_t *pool;

	(void)arg;
	t_hear(t_parent(), "go");
	pool = t_pool_open();
	t_no_more_cleaners(pool);
	for (unsigned int i = 0; i < CLEANERS; i++)
		cleaner_of(pool);
	t_say(t_parent(), "cleaning");
	for (;;)
		crumble(pool);
}

static void cleaners_that_die_leave_their_places(void)
{
	struct t_peer *peer[4];
	zc_cleaner_t *cleaner;
	zc_pool_t *pool;

	for (unsigned int i = 0; i < 4; i++)
		peer[i] = t_spawn("cleaner", cleans_until_it_is_killed, NULL);
	t_srand(t_seed());
	pool = pool_create();
	for (unsigned int i = 0; i < 4; i++) {
		t_say(peer[i], "go");
		t_hear(peer[i], "cleaning");
		t_kill(peer[i]);
		cleaner = cleaner_of(pool);
		T_UNTIL(whole(pool, cleaner));
		zc_cleaner_stop(cleaner);
		t_pool_check_rest(pool);
	}
	t_pool_close(pool);
}

static void cleaner_that_is_stopped_is_in_nobodys_way(void)
{
	struct t_peer *peer = t_spawn("cleaner", cleans_until_it_is_killed, NULL);
	struct t_writer writer;
	struct t_reader reader;
	zc_pool_t *pool;

	t_srand(t_seed());
	pool = pool_create();
	t_writer_open(&writer, pool, "clean/on/main", NULL);
	t_reader_open(&reader, pool, "clean/on/main", NULL);
	t_say(peer, "go");
	t_hear(peer, "cleaning");
	t_stop(peer);
	for (unsigned int i = 0; i < 500; i++) {
		t_write(&writer, t_rand_size(3000));
		t_read_many(&reader, 1);
	}
	t_continue(peer);
	t_kill(peer);
	t_reader_close(&reader);
	t_writer_close(&writer);
	t_pool_close(pool);
}

/* Starts and stops cleaners, at random, until it is told to end. */
static void comes_and_goes(void *arg)
{
	zc_cleaner_t *cleaner[3] = { NULL };
	zc_pool_t *pool;
	uint64_t rounds = 0;

	(void)arg;
	t_hear(t_parent(), "go");
	t_srand(t_seed());
	pool = t_pool_open();
	t_say(t_parent(), "cleaning");
	while (rounds < 20 || !t_can_hear(t_parent())) {
		zc_cleaner_t **one = &cleaner[t_rand_below(3)];
		zc_cleaner_options_t options = ZC_CLEANER_OPTIONS_INIT;

		options.period_ns = 1000 + t_rand_below(100000);
		if (*one) {
			zc_cleaner_stop(*one);
			*one = NULL;
			rounds++;
		} else if (zc_cleaner_start(pool, &options, one) != ZC_OK) {
			/* The team's own may have the places. */
			*one = NULL;
		}
	}
	t_hear(t_parent(), "end");
	for (unsigned int i = 0; i < 3; i++)
		zc_cleaner_stop(cleaner[i]);
	t_pool_close(pool);
	t_say_number(t_parent(), "rounds", rounds);
}

/*
 * (TC-6.2) In two processes, while a third writes and reads: blocks of all sizes, in
 * flight at the same time, and content that is looked at.
 */
static void cleaners_come_and_go_while_all_runs(void)
{
	struct t_peer *peer[2];
	struct t_writer writer;
	struct t_reader reader;
	uint64_t rounds = 0;
	zc_pool_t *pool;

	for (unsigned int i = 0; i < 2; i++)
		peer[i] = t_spawn("cleaner", comes_and_goes, NULL);
	t_srand(t_seed());
	pool = pool_create();
	for (unsigned int i = 0; i < 2; i++) {
		t_say(peer[i], "go");
		t_hear(peer[i], "cleaning");
	}
	t_writer_open(&writer, pool, "clean/coming/main", NULL);
	t_reader_open(&reader, pool, "clean/coming/main", NULL);
	for (unsigned int i = 0; i < (t_long() ? 200U : 8U); i++) {
		crumble(pool);
		for (unsigned int k = 0; k < 40; k++) {
			t_write(&writer, t_rand_size(60000));
			if (k % 3)
				t_read_many(&reader, 1);
		}
		t_read_many(&reader, 14);
	}
	t_reader_close(&reader);
	t_writer_close(&writer);
	for (unsigned int i = 0; i < 2; i++) {
		t_say(peer[i], "end");
		rounds += t_hear_number(peer[i], "rounds");
		t_join(peer[i]);
	}
	CHECK_OP(rounds, >=, 40);
	t_note("%llu cleaners came or went", (unsigned long long)rounds);
	t_pool_check_rest(pool);
	t_pool_acquire_all(pool, "clean/all/main");
	t_pool_close(pool);
}

static const struct t_case cases[] = {
	T_CASE(cleaner_merges_what_is_free),
	T_CASE(cleaner_takes_back_of_a_writer_that_rests),
	T_CASE(cleaner_keeps_history),
	T_CASE(cleaner_places_are_limited),
	T_CASE(cleaners_that_die_leave_their_places),
	T_CASE(cleaner_that_is_stopped_is_in_nobodys_way),
	T_CASE(cleaners_come_and_go_while_all_runs),
	T_END,
};

int main(int argc, char **argv)
{
	return t_main(argc, argv, cases);
}
