/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_interleave.c - at each step of one role, others run.
 *
 * One thread plays all roles.  At a kill point inside a call of one role, the
 * hook lets other roles make random calls, in which others may come in between
 * in turn: interleavings that two processes meet once in a month, chosen by a
 * seed, and the same again with the same seed.
 *
 * $ZC_SEED: one seed instead of several.
 */
#include "crash.h"

#ifdef ZC_KILLPOINTS
#include <pthread.h>
#include <stdio.h>

#include "core/killpoint.h"

#define WRITERS 4
#define READERS 10
#define INFLIGHT 3
#define HOLDS 4
#define DEPTH 3
#define STEPS 6000

enum policy { BLOCKING, DROPPING, CUTTING, OVERWRITING };

struct writing {
	struct t_writer out;
	zc_handle_t inflight[INFLIGHT];
	unsigned int nr;
	bool busy;
};

struct reading {
	struct t_reader in;
	unsigned int service;
	zc_reader_options_t options;
	zc_handle_t held[HOLDS];
	unsigned int nr;
	uint64_t lost_at_join;	/* history that was gone already */
	bool busy, open;
};

static zc_pool_t *pool;
static struct writing writing[WRITERS];
static struct reading reading[READERS];
static pthread_t player;
static unsigned int depth;
static bool registering;	/* a lock may be held */
static uint64_t calls[DEPTH + 1];

static void service_name(char name[32], unsigned int service)
{
	snprintf(name, 32, "interleave/test/%u", service);
}

/* --- writers ------------------------------------------------------------------- */

static void open_writer(unsigned int i)
{
	zc_writer_options_t options = ZC_WRITER_OPTIONS_INIT;
	char name[32];

	service_name(name, i);
	options.on_slow = i == DROPPING ? ZC_ON_SLOW_DROP_OLDEST :
			  i == CUTTING	? ZC_ON_SLOW_DISCONNECT :
					  ZC_ON_SLOW_BLOCK;
	options.overwrite = i == OVERWRITING;
	options.history = 4;
	options.lag_limit = 7;
	options.max_inflight = INFLIGHT;
	/* Some go round in almost nothing, some in as much as there is. */
	options.footprint_bytes = i % 2 ? 4096 : 0;
	t_writer_open(&writing[i].out, pool, name, &options);
	writing[i].nr = 0;
}

static void writer_acquires(struct writing *w)
{
	zc_handle_t handle = 0;
	zc_result_t result;

	result = zc_writer_acquire_block(w->out.role, t_rand_size(6000),
					 &handle, ZC_TIMEOUT_TRY);
	if (result == ZC_OK)
		w->inflight[w->nr++] = handle;
	else
		CHECK(result == ZC_ERROR_TIMEOUT ||
		      result == ZC_ERROR_NO_MEMORY);
}

static void writer_ends_one(struct writing *w)
{
	unsigned int pick = (unsigned int)t_rand_below(w->nr);
	zc_handle_t handle = w->inflight[pick];

	w->inflight[pick] = w->inflight[--w->nr];
	if (t_rand_below(8))
		t_commit(&w->out, handle);
	else
		CHECK_OK(zc_writer_cancel_block(w->out.role, handle));
}

static void writer_plays(struct writing *w)
{
	w->busy = true;
	if (!depth && t_rand_below(300) == 0) {
		registering = true;
		t_writer_close(&w->out);
		open_writer((unsigned int)(w - writing));
		registering = false;
	} else if (w->nr && (w->nr == INFLIGHT || t_rand_below(2))) {
		writer_ends_one(w);
	} else {
		writer_acquires(w);
	}
	w->busy = false;
}

/* --- readers -------------------------------------------------------------------- */

static void reader_joins(struct reading *r)
{
	const zc_reader_options_t init = ZC_READER_OPTIONS_INIT;
	bool was = registering;
	char name[32];

	r->service = (unsigned int)t_rand_below(WRITERS);
	r->options = init;
	r->options.max_holds = HOLDS;
	r->options.best_effort = t_rand_below(4) == 0;
	r->options.history = (uint32_t)t_rand_below(3) * 2;
	service_name(name, r->service);
	registering = true;
	t_reader_open(&r->in, pool, name, &r->options);
	registering = was;
	r->nr = 0;
	r->lost_at_join = 0;
	r->open = true;
}

static void reader_leaves(struct reading *r)
{
	bool was = registering;

	/* What it holds is let go with it. */
	registering = true;
	t_reader_close(&r->in);
	registering = was;
	r->open = false;
}

static void reader_polls(struct reading *r)
{
	zc_handle_t handle;
	zc_result_t result = t_try_read(&r->in, &handle, ZC_TIMEOUT_TRY);

	if (result == ZC_ERROR_DISCONNECTED) {
		CHECK_EQ(r->service, CUTTING);
		reader_leaves(r);
		return;
	}
	if (result != ZC_OK) {
		CHECK_RESULT(result, ZC_ERROR_TIMEOUT);
		return;
	}
	r->held[r->nr++] = handle;
	if (r->in.received <= r->options.history + 1)
		r->lost_at_join = r->in.lost;
	/* (I3) for those whom the topic waits for, or cuts off. */
	if (!r->options.best_effort &&
	    (r->service == BLOCKING || r->service == CUTTING))
		CHECK_EQ(r->in.lost, r->lost_at_join);
}

static void reader_counts(struct reading *r)
{
	zc_reader_stats_t stats = { .sz = sizeof(stats) };

	CHECK_OK(zc_reader_get_stats(r->in.role, &stats));
	CHECK_EQ(stats.received, r->in.received);
	CHECK_OP(stats.lost, >=, r->in.lost);
	CHECK_EQ(stats.corrupt, 0);
	CHECK_EQ(stats.held, r->nr);
}

static void reader_plays(struct reading *r)
{
	r->busy = true;
	if (!r->open) {
		reader_joins(r);
	} else if (t_rand_below(60) == 0) {
		reader_leaves(r);
	} else if (r->nr && (r->nr == HOLDS || t_rand_below(5) < 2)) {
		unsigned int pick = (unsigned int)t_rand_below(r->nr);
		zc_handle_t handle = r->held[pick];

		r->held[pick] = r->held[--r->nr];
		t_release(&r->in, handle);
	} else {
		reader_polls(r);
	}
	if (r->open)
		reader_counts(r);
	r->busy = false;
}

/* --- the play --------------------------------------------------------------------- */

/* Some role that is not in the middle of something makes a call. */
static void somebody_plays(void)
{
	unsigned int pick = (unsigned int)t_rand_below(WRITERS * 2 + READERS);
	struct reading *r;

	calls[depth]++;
	if (pick < WRITERS * 2) {
		if (!writing[pick % WRITERS].busy)
			writer_plays(&writing[pick % WRITERS]);
		return;
	}
	r = &reading[pick - WRITERS * 2];
	/* Joining and leaving take a lock. */
	if (r->busy || (registering && (!r->open || depth)))
		return;
	reader_plays(r);
}

static void on_point(enum zc_killpoint point, void *ctx)
{
	(void)point;
	(void)ctx;
	if (!pthread_equal(pthread_self(), player) || depth == DEPTH ||
	    registering)
		return;
	/* Seldom, but then enough to go round the ring. */
	if (t_rand_below(8U << depth))
		return;
	depth++;
	for (uint64_t nr = t_rand_below(4) ? t_rand_below(6) :
					     t_rand_below(60); nr; nr--)
		somebody_plays();
	depth--;
}

static void play(uint64_t seed, uint64_t bytes)
{
	zc_pool_options_t geometry = t_pool_options();

	t_srand(seed);
	geometry.bytes = bytes;
	geometry.ring_entries = 16;
	geometry.max_holds = 8;
	pool = t_pool_create(&geometry);
	player = pthread_self();
	for (unsigned int i = 0; i < WRITERS; i++)
		open_writer(i);
	zc_killpoint_set(on_point, NULL);
	for (unsigned int i = 0; i < STEPS; i++) {
		somebody_plays();
		if (i % 1000 == 999)
			t_pool_check(pool);
	}
	zc_killpoint_set(NULL, NULL);
	for (unsigned int i = 0; i < READERS; i++)
		if (reading[i].open)
			reader_leaves(&reading[i]);
	for (unsigned int i = 0; i < WRITERS; i++)
		t_writer_close(&writing[i].out);
	t_pool_check_left(pool);
	t_pool_acquire_all(pool, "interleave/test/0");
	t_pool_close(pool);
	CHECK_OK(zc_pool_remove(t_name(0)));
}

static uint64_t seed;

static void say_the_seed(void)
{
	if (seed)
		t_note("failed with ZC_SEED=%llu", (unsigned long long)seed);
}

static void play_seeds(uint64_t bytes)
{
	uint64_t one = t_env("ZC_SEED", UINT64_MAX);
	uint64_t nr = t_long() ? 150 : 12;

	if (one != UINT64_MAX) {
		play(one, bytes);
		return;
	}
	t_on_fail(say_the_seed);
	for (seed = 1; seed <= nr; seed++)
		play(seed, bytes);
	t_note("calls by depth: %llu, %llu, %llu, %llu",
	       (unsigned long long)calls[0], (unsigned long long)calls[1],
	       (unsigned long long)calls[2], (unsigned long long)calls[3]);
}

static void interleave_in_scarce_memory(void)
{
	play_seeds(64U << 10);
}

static void interleave_in_plenty(void)
{
	play_seeds(1U << 20);
}

static const struct t_case cases[] = {
	T_CASE(interleave_in_scarce_memory),
	T_CASE(interleave_in_plenty),
	T_END,
};

CRASH_MAIN(cases)
#else
CRASH_SKIP()
#endif
