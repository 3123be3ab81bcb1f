/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * bench_cleaners.c - "zerocore bench cleaners": does a writer wait for cleaners?
 *
 * Three pools in turns, with 0, 1 and 4 cleaners.  The writer has the first processor
 * for itself and reads its own messages, in turns of BATCH; cleaners have the other.
 * Sizes are log-uniform, so that runs are split and merged all the time.  Each acquire
 * is timed; what counts is the ratio of percentiles of the same round.
 */
#include "bench_clock.h"
#include "bench_pool.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 64, SIDES = 3, CLEANERS_MAX = 4, SIZE_MIN = 64 };

#define POOL_BYTES (64ULL << 20)
#define SERVICE "bench/cleaners/data"

struct side {
	struct bench_pool_plan pool;
	uint32_t cleaners;
};

struct turn {
	zc_pool_t *pool;
	zc_writer_t *writer;
	zc_reader_t *reader;
	zc_cleaner_t *cleaner[CLEANERS_MAX];
	uint64_t random;
	uint64_t number;
};

static void *turn_open(struct bench_worker *worker, void *ctx)
{
	const struct side *side = ctx;
	struct turn *turn = calloc(1, sizeof(*turn));

	if (turn == NULL)
		bench_fail(worker, "no memory");
	/* Threads of the library stay where their starter was. */
	if (!bench_pin(worker->options->pin[1]))
		bench_fail(worker, "cannot pin to processor %d: choose others by "
			   "--pin", worker->options->pin[1]);
	turn->pool = bench_pool_enter(worker, &side->pool);
	turn->random = 1;
	if (worker->id == 0) {
		turn->reader = bench_reader(worker, turn->pool, SERVICE);
		turn->writer = bench_writer(worker, turn->pool, SERVICE);
	}
	for (uint32_t i = 0; worker->id == 1 && i < side->cleaners; i++) {
		zc_result_t result = zc_cleaner_start(turn->pool, NULL,
						      &turn->cleaner[i]);

		if (result != ZC_OK)
			bench_zc_fail(worker, "cleaner start", result);
	}
	return turn;
}

static size_t next_size(struct turn *turn, size_t most)
{
	uint32_t octaves = 0;
	size_t low;

	turn->random = turn->random * 6364136223846793005ULL +
		       1442695040888963407ULL;
	while ((size_t)SIZE_MIN << (octaves + 1) <= most)
		octaves++;
	if (octaves == 0)
		return most;
	low = (size_t)SIZE_MIN << (turn->random >> 33) % octaves;
	return low + (turn->random >> 40) % low;
}

static uint32_t write_one(struct bench_worker *worker, struct turn *turn)
{
	size_t size = next_size(turn, worker->options->size);
	uint64_t start = bench_ticks(), end;
	zc_handle_t handle;
	zc_result_t result;

	result = zc_writer_acquire_block(turn->writer, size, &handle,
					 BENCH_PATIENCE_NS);
	end = bench_ticks();
	if (result != ZC_OK)
		bench_zc_fail(worker, "acquire", result);
	bench_fill(zc_writer_block_data(turn->writer, handle, NULL), size,
		   turn->number++, false);
	result = zc_writer_commit_block(turn->writer, handle);
	if (result != ZC_OK)
		bench_zc_fail(worker, "commit", result);
	return bench_sample(end - start);
}

static uint64_t read_back(struct bench_worker *worker, struct turn *turn,
			  uint64_t first, uint64_t nr)
{
	uint64_t wrong = 0;

	for (uint64_t k = 0; k < nr; k++) {
		zc_handle_t handle = bench_zc_poll(worker, turn->reader);
		size_t bytes;
		const void *data = zc_reader_block_data(turn->reader, handle,
							&bytes);

		wrong += !bench_check(data, bytes, first + k, false);
		if (zc_reader_release_block(turn->reader, handle) != ZC_OK)
			bench_fail(worker, "release: %s", zc_last_error());
	}
	return wrong;
}

static void turn_rep(struct bench_worker *worker, void *state,
		     struct bench_rep *rep)
{
	const struct bench_options *o = worker->options;
	uint64_t total = o->warmup + o->count;
	struct turn *turn = state;

	if (worker->id != 0)
		return;
	for (uint64_t i = 0; i < total;) {
		uint64_t first = turn->number, k;

		for (k = 0; k < BATCH && i < total; k++, i++) {
			uint32_t sample = write_one(worker, turn);

			if (i >= o->warmup)
				rep->samples[i - o->warmup] = sample;
		}
		rep->wrong += read_back(worker, turn, first, k);
	}
}

static void turn_close(struct bench_worker *worker, void *state)
{
	struct turn *turn = state;

	(void)worker;
	for (uint32_t i = 0; i < CLEANERS_MAX; i++)
		zc_cleaner_stop(turn->cleaner[i]);
	zc_writer_unregister(turn->writer);
	zc_reader_unregister(turn->reader);
	zc_pool_close(turn->pool);
	free(turn);
}

static void report(const struct bench_options *o, const struct side *side,
		   const struct bench_result *result)
{
	struct json_object *line;

	for (uint32_t i = 0; i < SIDES; i++) {
		const struct bench_figures *f = &result->side[i];

		if (!o->json) {
			printf("acquire with %u cleaners: p50 %.0f, p99.9 %.0f ns; "
			       "%.2f x and %.2f x those without\n",
			       side[i].cleaners, f->samples.p50_ns,
			       f->samples.p999_ns, f->p50_ratio, f->p999_ratio);
			continue;
		}
		line = json_object_new_object();
		json_object_object_add(line, "bench",
				       json_object_new_string("cleaners"));
		json_object_object_add(line, "cleaners", json_object_new_int(
						(int)side[i].cleaners));
		bench_json_common(line, o, result, i);
		json_object_object_del(line, "ratio_to_ring");
		json_object_object_del(line, "ratio_of_medians");
		bench_json_percentiles(line, "", &f->samples);
		bench_json_number(line, "p50_ratio", f->p50_ratio);
		bench_json_number(line, "p999_ratio", f->p999_ratio);
		bench_json_print(line);
	}
	if (!o->json)
		bench_print_common(o, result);
}

int bench_cleaners(const struct bench_options *options)
{
	struct bench_options o = *options;
	uint64_t bytes = o.pool_bytes != 0 ? o.pool_bytes : POOL_BYTES;
	struct side side[SIDES] = {
		{ { 0, bytes, 0 }, 0 },
		{ { 1, bytes, 0 }, 1 },
		{ { 2, bytes, 0 }, 4 },
	};
	struct bench_side sides[SIDES] = {
		{ "none", &side[0], turn_open, turn_rep, turn_close },
		{ "one", &side[1], turn_open, turn_rep, turn_close },
		{ "four", &side[2], turn_open, turn_rep, turn_close },
	};
	struct bench_plan plan = { &o, sides, SIDES, 1, 0, 1 };
	struct bench_result result;
	int code;

	bench_defaults(&o, 20000);
	plan.samples_nr = o.count;
	code = bench_run(&plan, &result);
	if (code != 0)
		return code;
	report(&o, side, &result);
	for (uint32_t i = 0; i < SIDES; i++) {
		if (result.side[i].wrong == 0)
			continue;
		fprintf(stderr, "zerocore: messages arrived with wrong content\n");
		return 1;
	}
	return 0;
}
