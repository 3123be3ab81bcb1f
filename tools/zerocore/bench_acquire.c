/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * bench_acquire.c - "zerocore bench acquire": what a writer pays for a block,
 * its reclaim included, and whether that grows with the pool.
 *
 * One thread is writer and reader, in turns of BATCH messages, so that only
 * acquire, commit and reclaim are timed and no other core is in the way.  Two
 * pools are open at the same time and used in turns: a small and a large one,
 * then one with many blocks held by other writers and one with none.  Both
 * writers go round in the same number of bytes.
 */
#include "bench_clock.h"
#include "bench_pool.h"
#include "bench_ring.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	BATCH = 64,
	HOLDERS_MAX = 31,	/* writers of a pool, but one */
	RING_SPARE = 96,	/* ring entries that a holder leaves unused */
};

#define SMALL_POOL_BYTES (16ULL << 20)
#define LARGE_POOL_BYTES (8ULL << 30)
#define HELD_POOL_BYTES (64ULL << 20)
#define FOOTPRINT_BYTES (256ULL << 10)

struct plan {
	struct bench_pool_plan pool;
	uint64_t held;
};

struct turn {
	zc_pool_t *pool;
	zc_writer_t *writer;
	zc_reader_t *reader;
	zc_writer_t *holder[HOLDERS_MAX];
	uint64_t number;
};

static uint32_t held_each(uint32_t ring_entries)
{
	return ring_entries - RING_SPARE;
}

/* Ring entries with which HOLDERS_MAX writers can hold @held blocks. */
static uint32_t ring_entries_for(uint64_t held)
{
	uint32_t entries = 4096;

	while ((uint64_t)held_each(entries) * HOLDERS_MAX < held)
		entries *= 2;
	return entries;
}

static zc_writer_t *hold(struct bench_worker *worker, zc_pool_t *pool,
			 uint32_t i, uint64_t blocks)
{
	zc_writer_options_t options = ZC_WRITER_OPTIONS_INIT;
	zc_writer_t *writer;
	zc_result_t result;
	zc_handle_t handle;
	char service[64];

	snprintf(service, sizeof(service), "bench/holder%u/data", i);
	options.service = service;
	options.max_inflight = (uint32_t)blocks;
	result = zc_writer_register(pool, &options, &writer);
	if (result != ZC_OK)
		bench_zc_fail(worker, "holder register", result);
	for (uint64_t k = 0; k < blocks; k++) {
		result = zc_writer_acquire_block(writer, worker->options->size,
						 &handle, BENCH_PATIENCE_NS);
		if (result != ZC_OK)
			bench_zc_fail(worker, "holder acquire", result);
	}
	return writer;
}

static void *turn_open(struct bench_worker *worker, void *ctx)
{
	const struct plan *plan = ctx;
	struct turn *turn = calloc(1, sizeof(*turn));
	uint64_t left = plan->held;

	if (turn == NULL)
		bench_fail(worker, "no memory");
	turn->pool = bench_pool_enter(worker, &plan->pool);
	if (worker->id == 0) {
		turn->reader = bench_reader(worker, turn->pool,
					    "bench/acquire/data");
		turn->writer = bench_writer(worker, turn->pool,
					    "bench/acquire/data");
	}
	bench_sync(worker);
	for (uint32_t i = 0; worker->id == 1 && left > 0; i++) {
		uint64_t blocks = held_each(plan->pool.ring_entries);

		if (blocks > left)
			blocks = left;
		turn->holder[i] = hold(worker, turn->pool, i, blocks);
		left -= blocks;
	}
	return turn;
}

static uint64_t read_back(struct bench_worker *worker, struct turn *turn,
			  uint64_t first)
{
	const struct bench_options *o = worker->options;
	uint64_t wrong = 0;

	for (uint64_t k = 0; k < BATCH; k++) {
		zc_handle_t handle = bench_zc_poll(worker, turn->reader);
		const void *data = zc_reader_block_data(turn->reader, handle,
							NULL);

		wrong += !bench_check(data, o->size, first + k, o->whole);
		if (zc_reader_release_block(turn->reader, handle) != ZC_OK)
			bench_fail(worker, "release: %s", zc_last_error());
	}
	return wrong;
}

static void turn_rep(struct bench_worker *worker, void *state,
		     struct bench_rep *rep)
{
	const struct bench_options *o = worker->options;
	uint64_t warm = o->warmup / BATCH, batches = o->count / BATCH;
	struct turn *turn = state;

	if (worker->id != 0)
		return;
	for (uint64_t i = 0; i < warm + batches; i++) {
		uint64_t first = turn->number;
		uint64_t start = bench_ticks(), end;

		for (uint32_t k = 0; k < BATCH; k++)
			bench_zc_write(worker, turn->writer, o->size,
				       turn->number++, o->whole);
		end = bench_ticks();
		if (i >= warm)
			rep->samples[i - warm] = bench_sample(end - start);
		rep->wrong += read_back(worker, turn, first);
	}
}

static void turn_close(struct bench_worker *worker, void *state)
{
	struct turn *turn = state;

	(void)worker;
	for (uint32_t i = 0; i < HOLDERS_MAX; i++)
		zc_writer_unregister(turn->holder[i]);
	zc_writer_unregister(turn->writer);
	zc_reader_unregister(turn->reader);
	zc_pool_close(turn->pool);
	free(turn);
}

/* The ring, by one thread in turns, too. */

struct ring_turn {
	struct bench_ring_end out, in;
};

static void *ring_open(struct bench_worker *worker, void *ctx)
{
	struct ring_turn *turn = calloc(1, sizeof(*turn));

	if (turn == NULL)
		bench_fail(worker, "no memory");
	bench_ring_write_init(&turn->out, ctx);
	bench_ring_read_init(&turn->in, ctx, 0);
	return turn;
}

static void ring_rep(struct bench_worker *worker, void *state,
		     struct bench_rep *rep)
{
	const struct bench_options *o = worker->options;
	uint64_t warm = o->warmup / BATCH, batches = o->count / BATCH;
	struct ring_turn *turn = state;

	if (worker->id != 0)
		return;
	for (uint64_t i = 0; i < warm + batches; i++) {
		uint64_t start = bench_ticks(), end;

		for (uint32_t k = 0; k < BATCH; k++) {
			/* At most BATCH are unread: there is room. */
			bench_fill(bench_ring_reserve(&turn->out), o->size,
				   turn->out.at, o->whole);
			bench_ring_publish(&turn->out);
		}
		end = bench_ticks();
		if (i >= warm)
			rep->samples[i - warm] = bench_sample(end - start);
		for (uint32_t k = 0; k < BATCH; k++) {
			const void *data = bench_ring_poll(&turn->in);

			rep->wrong += !bench_check(data, o->size, turn->in.at,
						   o->whole);
			bench_ring_release(&turn->in);
		}
	}
}

/* One comparison: side 1 is the base, side 2 what should be no dearer. */
static void report(const struct bench_options *o, const char *compare,
		   const struct plan *base, const struct plan *main,
		   struct bench_result *result)
{
	const struct bench_figures *b = &result->side[1];
	const struct bench_figures *m = &result->side[2];
	struct json_object *line;
	double ratio = m->ratio_to[1];

	if (!o->json) {
		printf("acquire + commit + reclaim, %s: %.1f ns against %.1f, "
		       "%.2f x (the ring: %.1f ns)\n",
		       compare, m->samples.p50_ns, b->samples.p50_ns,
		       ratio, result->side[0].samples.p50_ns);
		printf("  pool of %llu MiB with %llu blocks held elsewhere, "
		       "against %llu MiB with %llu\n",
		       (unsigned long long)main->pool.bytes >> 20,
		       (unsigned long long)main->held,
		       (unsigned long long)base->pool.bytes >> 20,
		       (unsigned long long)base->held);
		bench_print_common(o, result);
		return;
	}
	line = json_object_new_object();
	json_object_object_add(line, "bench",
			       json_object_new_string("acquire"));
	json_object_object_add(line, "compare",
			       json_object_new_string(compare));
	bench_json_common(line, o, result, 2);
	bench_json_percentiles(line, "", &m->samples);
	bench_json_percentiles(line, "base_", &b->samples);
	bench_json_percentiles(line, "ring_", &result->side[0].samples);
	json_object_object_add(line, "pool_bytes",
			       json_object_new_int64((int64_t)main->pool.bytes));
	json_object_object_add(line, "base_pool_bytes",
			       json_object_new_int64((int64_t)base->pool.bytes));
	json_object_object_add(line, "held",
			       json_object_new_int64((int64_t)main->held));
	bench_json_number(line, "ratio_to_base", ratio);
	bench_json_print(line);
}

static int measure(const struct bench_options *o, struct plan *base,
		   struct plan *main, struct bench_result *result)
{
	/* Room for a batch, at the least. */
	uint64_t slots = bench_ring_slots(o->footprint, o->size, o->whole);
	struct bench_ring *ring = bench_ring_map(slots < BATCH ? BATCH : slots,
						 o->size, 1);
	struct bench_side sides[3] = {
		{ "ring", ring, ring_open, ring_rep, bench_ring_close },
		{ "base", base, turn_open, turn_rep, turn_close },
		{ "zerocore", main, turn_open, turn_rep, turn_close },
	};
	struct bench_plan plan = { o, sides, 3, 1, o->count / BATCH,
				   1.0 / BATCH };
	int code = bench_run(&plan, result);

	bench_ring_unmap(ring);
	return code;
}

static int compare(const struct bench_options *o, const char *name,
		   struct plan *base, struct plan *main)
{
	struct bench_result result;
	int code = measure(o, base, main, &result);

	if (code == 0)
		report(o, name, base, main, &result);
	return code;
}

bool bench_memory_for(uint64_t bytes, uint64_t *available)
{
	unsigned long long kib = 0;
	char row[128];
	FILE *f = fopen("/proc/meminfo", "re");

	while (f != NULL && fgets(row, sizeof(row), f) != NULL) {
		if (sscanf(row, "MemAvailable: %llu kB", &kib) == 1)
			break;
	}
	if (f != NULL)
		fclose(f);
	*available = kib << 10;
	/* Data, an eighth of it for descriptors, and the machine itself. */
	return *available > bytes / 8 * 9 + (512ULL << 20);
}

static void skip(const struct bench_options *o, const char *name,
		 uint64_t bytes, uint64_t available)
{
	struct json_object *line;
	char why[200];

	snprintf(why, sizeof(why),
		 "%llu MiB are available, too few for a pool of %llu MiB: "
		 "choose a smaller one by --pool-bytes",
		 (unsigned long long)available >> 20,
		 (unsigned long long)bytes >> 20);
	if (!o->json) {
		printf("acquire, %s: skipped: %s\n", name, why);
		return;
	}
	line = json_object_new_object();
	json_object_object_add(line, "bench",
			       json_object_new_string("acquire"));
	json_object_object_add(line, "compare", json_object_new_string(name));
	json_object_object_add(line, "skipped", json_object_new_string(why));
	bench_json_print(line);
}

static void complete(struct bench_options *o)
{
	bench_defaults(o, 100 * BATCH);
	if (o->count < BATCH)
		o->count = BATCH;
	o->count -= o->count % BATCH;
	if (o->footprint == 0)
		o->footprint = FOOTPRINT_BYTES;
}

int bench_acquire_measure(struct bench_options *o, struct bench_result *result)
{
	struct plan small = { { 0, SMALL_POOL_BYTES, 0 }, 0 };
	struct plan large = { { 1, o->pool_bytes, 0 }, 0 };

	complete(o);
	return measure(o, &small, &large, result);
}

int bench_acquire(const struct bench_options *options)
{
	struct bench_options o = *options;
	struct plan small = { { 0, SMALL_POOL_BYTES, 0 }, 0 };
	struct plan large = { { 1, LARGE_POOL_BYTES, 0 }, 0 };
	struct plan none = { { 2, HELD_POOL_BYTES, 0 }, 0 };
	struct plan held = { { 3, HELD_POOL_BYTES, 0 }, 100000 };
	uint64_t available;
	int code = 0;

	complete(&o);
	if (o.pool_bytes != 0)
		large.pool.bytes = o.pool_bytes;
	if (o.held != 0)
		held.held = o.held;
	held.pool.ring_entries = ring_entries_for(held.held);
	none.pool.ring_entries = held.pool.ring_entries;
	while (held.pool.bytes < held.held * (o.size + 512) * 4)
		held.pool.bytes *= 2;
	none.pool.bytes = held.pool.bytes;

	if (bench_memory_for(large.pool.bytes, &available))
		code = compare(&o, "pool", &small, &large);
	else
		skip(&o, "pool", large.pool.bytes, available);
	if (code != 0)
		return code;
	if (bench_memory_for(2 * held.pool.bytes, &available))
		return compare(&o, "held", &none, &held);
	skip(&o, "held", 2 * held.pool.bytes, available);
	return 0;
}
