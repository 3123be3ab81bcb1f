/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * bench_fragmentation.c - "zerocore bench fragmentation": a day of random sizes and
 * lifetimes in fast motion; how much of the free memory stays in long runs?
 *
 * One thread writes and reads.  Half of the blocks are committed, polled, held by the
 * reader and released: what comes back goes through the writer's deferred blocks, as it
 * does with any reader that holds for long.  The other half stays in flight, and is
 * cancelled.  When the next would not fit below the utilisation that was asked for, one
 * that is chosen at random goes, so that lifetimes are exponential.  Payloads are not
 * touched: only where they are counts.
 */
#include "bench_run.h"

#include <zerocore/zerocore.h>

#include <json-c/json.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FRAG_SERVICE "bench/fragmentation/data"
#define FRAG_SIZE_MIN 64.0
#define FRAG_SIZE_MAX (8.0 * (1 << 20))
#define FRAG_LONG_BYTES (1ULL << 20)
#define FRAG_STRIPES 64		/* of a segment; runs end with one, see layout.rst */
#define FRAG_SAMPLES 200
#define FRAG_FILL_OPS 100000
#define FRAG_TARGET_OPS 16	/* between two looks at how full it is */
#define FRAG_CLEANERS_MAX 8
#define FRAG_POOL_MIN (64ULL << 20)
#define FRAG_LIMIT_S 86400

/* What one look at all runs saw, in bytes. */
struct frag_look {
	uint64_t free;
	uint64_t in_long;	/* in runs of FRAG_LONG_BYTES and more, as they lie */
	uint64_t in_joined;	/* the same when free neighbours count as one */
	uint64_t largest;	/* that an acquire can have: joined */
	uint64_t runs;		/* free ones */
};

struct frag_walk {
	struct frag_look look;
	uint64_t stripe;	/* granules */
	uint64_t segment;
	uint32_t granule_bytes;
	uint64_t begin;		/* of the run that is being joined */
	uint64_t end;
};

struct frag_block {
	zc_handle_t handle;
	uint64_t bytes;
	bool in_flight;		/* not committed: the writer's */
};

struct frag {
	const struct bench_options *options;
	zc_pool_t *pool;
	zc_writer_t *writer;
	zc_reader_t *reader;
	zc_cleaner_t *cleaner[FRAG_CLEANERS_MAX];
	struct frag_walk plain;	/* a walk that has not begun */
	struct frag_block *block;
	uint32_t blocks_nr;
	uint32_t blocks_max;
	uint64_t live;		/* bytes asked for and not released */
	uint64_t target;
	uint64_t random;
	uint64_t refused;
	uint64_t refused_fits;	/* a run was there */
	double share_sum;
	double share_least;
	double joined_sum;
	double joined_least;
	uint64_t largest_least;
	uint64_t free_sum;
	uint64_t live_sum;
	uint64_t samples;
};

static uint64_t frag_random(struct frag *f)
{
	/* xorshift64* */
	f->random ^= f->random >> 12;
	f->random ^= f->random << 25;
	f->random ^= f->random >> 27;
	return f->random * 2685821657736338717ULL;
}

static uint64_t frag_size(struct frag *f)
{
	double u = (double)(frag_random(f) >> 11) / (double)(1ULL << 53);

	return (uint64_t)(FRAG_SIZE_MIN *
			  exp(u * log(FRAG_SIZE_MAX / FRAG_SIZE_MIN)));
}

static bool frag_fail(const char *what, zc_result_t result)
{
	fprintf(stderr, "zerocore: %s: %s: %s\n", what, zc_strerror(result),
		zc_last_error());
	return false;
}

/* --- looking ---------------------------------------------------------------- */

/* The joined run is over: an acquire can have it as far as its stripe goes, and from
 * there on anew. */
static void frag_joined(struct frag_walk *w)
{
	while (w->begin < w->end) {
		uint64_t in = w->begin % w->stripe, bytes;
		uint64_t n = w->end - w->begin;

		if (in != 0 && n > w->stripe - in)
			n = w->stripe - in;
		bytes = n * w->granule_bytes;
		if (bytes >= FRAG_LONG_BYTES)
			w->look.in_joined += bytes;
		if (bytes > w->look.largest)
			w->look.largest = bytes;
		w->begin += n;
	}
}

static int frag_visit(const zc_inspect_block_t *run, void *ctx)
{
	struct frag_walk *w = ctx;
	uint64_t bytes = (uint64_t)run->granules * w->granule_bytes;

	/* A walk that lost its way may come again. */
	if (run->granule < w->end || run->state != 0 || run->owner != 0)
		return 0;
	if (run->granule != w->end || run->granule % w->segment == 0) {
		frag_joined(w);
		w->begin = run->granule;
	}
	w->end = run->granule + run->granules;
	w->look.free += bytes;
	w->look.runs++;
	if (bytes >= FRAG_LONG_BYTES)
		w->look.in_long += bytes;
	return 0;
}

static bool frag_look(struct frag *f, struct frag_look *look)
{
	struct frag_walk w = f->plain;
	zc_result_t result = zc_inspect_runs(f->pool, frag_visit, &w);

	if (result != ZC_OK && result != ZC_ERROR_BUSY)
		return frag_fail("look at all runs", result);
	frag_joined(&w);
	*look = w.look;
	return true;
}

static double share_of(uint64_t part, uint64_t all)
{
	return all != 0 ? (double)part / (double)all : 1.0;
}

static void add_count(struct json_object *line, const char *key, uint64_t value)
{
	json_object_object_add(line, key,
			       json_object_new_int64((int64_t)value));
}

static void frag_sample_json(uint64_t op, const struct frag_look *look,
			     double share, double joined)
{
	struct json_object *line = json_object_new_object();

	add_count(line, "op", op);
	add_count(line, "largest_bytes", look->largest);
	bench_json_number(line, "share", share);
	bench_json_number(line, "share_joined", joined);
	add_count(line, "free_bytes", look->free);
	add_count(line, "free_runs", look->runs);
	bench_json_print(line);
}

static bool frag_sample(struct frag *f, uint64_t op)
{
	struct frag_look look;
	double share, joined;

	if (!frag_look(f, &look))
		return false;
	share = share_of(look.in_long, look.free);
	joined = share_of(look.in_joined, look.free);
	if (f->options->json)
		frag_sample_json(op, &look, share, joined);
	else if (f->samples % (FRAG_SAMPLES / 10) == 0)
		printf("%12llu %10.1f %8.1f %8.1f %10.1f %8llu\n",
		       (unsigned long long)op,
		       (double)look.largest / (1 << 20), 100 * share,
		       100 * joined, (double)look.free / (1 << 20),
		       (unsigned long long)look.runs);
	fflush(stdout);
	f->share_sum += share;
	f->joined_sum += joined;
	f->free_sum += look.free;
	f->live_sum += f->live;
	if (f->samples == 0 || share < f->share_least)
		f->share_least = share;
	if (f->samples == 0 || joined < f->joined_least)
		f->joined_least = joined;
	if (f->samples == 0 || look.largest < f->largest_least)
		f->largest_least = look.largest;
	f->samples++;
	return true;
}

/* --- working ---------------------------------------------------------------- */

static void frag_release(struct frag *f)
{
	uint32_t i = (uint32_t)(frag_random(f) % f->blocks_nr);
	struct frag_block *b = &f->block[i];

	if (b->in_flight)
		zc_writer_cancel_block(f->writer, b->handle);
	else
		zc_reader_release_block(f->reader, b->handle);
	f->live -= b->bytes;
	*b = f->block[--f->blocks_nr];
}

/* Would a run of @bytes have been there? */
static bool frag_refused(struct frag *f, uint64_t bytes)
{
	struct frag_look look;

	f->refused++;
	if (!frag_look(f, &look))
		return false;
	/* Sizes are rounded up to an eighth of a power of two. */
	f->refused_fits += look.largest >= bytes + bytes / 8;
	return true;
}

/*
 * What is asked for is a part of the pool in use, as the pool counts it: what blocks are
 * rounded up by, what the writer keeps for reuse and what it has not taken back yet
 * is in use, too.
 */
static bool frag_target(struct frag *f)
{
	zc_pool_load_t load = { .sz = sizeof(load) };
	zc_result_t result = zc_pool_get_load(f->pool, &load);
	uint64_t goal, used;

	if (result != ZC_OK)
		return frag_fail("pool load", result);
	goal = (uint64_t)((double)load.bytes * f->options->utilisation);
	used = load.bytes - load.free_bytes;
	f->target = goal;
	if (used > f->live)
		f->target = goal > used - f->live ? goal - (used - f->live) : 0;
	return true;
}

/* One block comes, as many go as must. */
static bool frag_op(struct frag *f)
{
	uint64_t bytes = frag_size(f);
	bool in_flight = frag_random(f) >> 63;
	zc_handle_t handle;
	zc_result_t result;

	while (f->blocks_nr != 0 && (f->live + bytes > f->target ||
				     f->blocks_nr == f->blocks_max))
		frag_release(f);
	for (;;) {
		result = zc_writer_acquire_block(f->writer, bytes, &handle,
						 ZC_TIMEOUT_TRY);
		if (result != ZC_ERROR_NO_MEMORY || f->blocks_nr == 0)
			break;
		/* Who waits gets it when others have let go of theirs. */
		if (!frag_refused(f, bytes))
			return false;
		frag_release(f);
	}
	if (result != ZC_OK)
		return frag_fail("acquire", result);
	if (!in_flight) {
		result = zc_writer_commit_block(f->writer, handle);
		if (result != ZC_OK)
			return frag_fail("commit", result);
		result = zc_reader_poll_block(f->reader, 0, &handle, ZC_TIMEOUT_TRY);
		if (result != ZC_OK)
			return frag_fail("poll", result);
	}
	f->block[f->blocks_nr++] = (struct frag_block){ handle, bytes, in_flight };
	f->live += bytes;
	return true;
}

static bool frag_work(struct frag *f)
{
	uint64_t count = f->options->count;
	uint64_t each = count > FRAG_SAMPLES ? count / FRAG_SAMPLES : 1;
	uint64_t op = 0;

	/* First it becomes full, or as full as it gets: what counts begins there. */
	while (f->live + (uint64_t)FRAG_SIZE_MAX < f->target && op++ < FRAG_FILL_OPS)
		if (!frag_op(f) || !frag_target(f) || bench_guard_signal() != 0)
			return false;
	for (op = 0; op < count;) {
		if (!frag_op(f) || bench_guard_signal() != 0 ||
		    (op % FRAG_TARGET_OPS == 0 && !frag_target(f)))
			return false;
		if (++op % each == 0 && !frag_sample(f, op))
			return false;
	}
	return true;
}

static bool frag_open(struct frag *f, const char *name)
{
	const struct bench_options *o = f->options;
	zc_pool_options_t po = ZC_POOL_OPTIONS_INIT;
	zc_writer_options_t wo = ZC_WRITER_OPTIONS_INIT;
	zc_reader_options_t ro = ZC_READER_OPTIONS_INIT;
	zc_pool_info_t info = { .sz = sizeof(info) };
	zc_result_t result;

	po.bytes = o->pool_bytes;
	po.max_holds = ro.max_holds = wo.max_inflight = f->blocks_max;
	for (po.ring_entries = 4096; po.ring_entries < 4 * f->blocks_max;)
		po.ring_entries *= 2;
	result = zc_pool_create(name, &po, &f->pool);
	if (result != ZC_OK)
		return frag_fail("pool create", result);
	result = zc_pool_get_info(f->pool, &info);
	wo.service = ro.service = FRAG_SERVICE;
	if (result == ZC_OK)
		result = zc_reader_register(f->pool, &ro, &f->reader);
	if (result == ZC_OK)
		result = zc_writer_register(f->pool, &wo, &f->writer);
	for (uint32_t i = 0; i < o->cleaners && result == ZC_OK; i++)
		result = zc_cleaner_start(f->pool, NULL, &f->cleaner[i]);
	if (result != ZC_OK)
		return frag_fail("begin", result);
	f->plain.granule_bytes = info.granule_bytes;
	f->plain.segment = info.segment_bytes / info.granule_bytes;
	f->plain.stripe = f->plain.segment / FRAG_STRIPES;
	return frag_target(f);
}

static void report(const struct frag *f)
{
	const struct bench_options *o = f->options;
	struct json_object *line;
	double n = (double)f->samples;

	if (!o->json) {
		printf("fragmentation: %.1f %% of the free memory in runs of 1 MiB and more, least %.1f %%;\n"
		       "  joined %.1f %%, least %.1f %%; largest run at least %.1f MiB; live %.1f MiB; %llu acquires refused, %llu of them although a run was there\n",
		       100 * f->share_sum / n, 100 * f->share_least,
		       100 * f->joined_sum / n, 100 * f->joined_least,
		       (double)f->largest_least / (1 << 20),
		       (double)f->live_sum / n / (1 << 20),
		       (unsigned long long)f->refused,
		       (unsigned long long)f->refused_fits);
		return;
	}
	line = json_object_new_object();
	json_object_object_add(line, "bench",
			       json_object_new_string("fragmentation"));
	add_count(line, "count", o->count);
	bench_json_number(line, "utilisation", o->utilisation);
	add_count(line, "pool_bytes", o->pool_bytes);
	add_count(line, "cleaners", o->cleaners);
	add_count(line, "seed", o->seed);
	add_count(line, "samples", f->samples);
	bench_json_number(line, "share_mean", f->share_sum / n);
	bench_json_number(line, "share_least", f->share_least);
	bench_json_number(line, "share_joined_mean", f->joined_sum / n);
	bench_json_number(line, "share_joined_least", f->joined_least);
	add_count(line, "largest_least_bytes", f->largest_least);
	add_count(line, "live_mean_bytes", f->live_sum / f->samples);
	add_count(line, "free_mean_bytes", f->free_sum / f->samples);
	add_count(line, "refused", f->refused);
	add_count(line, "refused_though_it_fits", f->refused_fits);
	bench_json_print(line);
}

int bench_fragmentation(const struct bench_options *options)
{
	struct bench_options o = *options;
	struct frag f = { .options = &o };
	char name[48];
	bool fine;
	int number;

	if (o.count == 0)
		o.count = 1000000;
	if (o.pool_bytes == 0)
		o.pool_bytes = 1ULL << 30;
	if (o.pool_bytes < FRAG_POOL_MIN) {
		fprintf(stderr, "zerocore: bench fragmentation needs a pool of 64 MiB or "
				"more: blocks have up to 8\n");
		return 2;
	}
	if (o.utilisation == 0)
		o.utilisation = 0.6;
	if (o.seed == 0)
		o.seed = 1;
	f.random = o.seed * 0x9e3779b97f4a7c15ULL;
	/* Twice as many as there are to be on average. */
	f.blocks_max = 64 + (uint32_t)(2 * (double)o.pool_bytes /
				      (FRAG_SIZE_MAX / log(FRAG_SIZE_MAX / FRAG_SIZE_MIN)));
	if (f.blocks_max > 65536)
		f.blocks_max = 65536;
	f.block = calloc(f.blocks_max, sizeof(*f.block));
	if (f.block == NULL) {
		fprintf(stderr, "zerocore: no memory for %u blocks\n", f.blocks_max);
		return 1;
	}
	bench_guard_begin(FRAG_LIMIT_S);
	bench_pool_name(0, name, sizeof(name));
	if (!o.json)
		printf("%12s %10s %8s %8s %10s %8s\n", "operations", "largest MiB",
		       "share %", "joined %", "free MiB", "runs");
	fine = frag_open(&f, name) && frag_work(&f);
	number = bench_guard_signal();
	if (fine)
		report(&f);
	zc_pool_close(f.pool);
	bench_pools_remove();
	bench_guard_end();
	free(f.block);
	if (number != 0)
		return 128 + number;
	return fine ? 0 : 1;
}
