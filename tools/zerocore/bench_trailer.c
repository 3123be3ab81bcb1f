/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * bench_trailer.c - "zerocore bench guard": what a guarded message costs.
 *
 * One thread acquires, commits, polls and releases; the cost of a mode is the difference
 * to a service that is not guarded, of the same repetition.  Beside it, over as many
 * blocks of the same size: one memcpy, and the bare checksum of the library twice, as a
 * message has it, at commit and at poll: of the payload, and of as many bytes as FULL
 * covers, which are 64 more.
 */
#include "bench_clock.h"
#include "bench_run.h"
#include "bench_stats.h"

#include <zerocore/zerocore.h>

#include <isa-l/crc.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GRANULE 512U
#define BLOCKS_MAX 64U
#define BLOCKS_MIN 4U
#define BLOCKS_BYTES (256U << 10)
#define RECORD 64U

enum what { OFF, MAGIC, HEADER, FULL, COPY, CRC, CRC_SAME, WHATS };
#define MODES 4

static const char *const what_key[WHATS] = { "off",  "magic", "header",	 "full",
					     "memcpy", "crc", "crc_same" };
static const uint64_t sizes[] = { 64, 512, 4096, 65536, 1 << 20 };

struct guarded {
	zc_pool_t *pool;
	zc_writer_t *writer[MODES];
	zc_reader_t *reader[MODES];
	unsigned char *from;
	unsigned char *to;
	size_t step;			/* from one block to the next */
	uint64_t blocks;		/* that are gone round in, hot if they fit a cache */
	uint64_t verified;
	uint64_t alarms;
	uint32_t sum;			/* so that nothing is left out */
};

/* --- what is measured ----------------------------------------------------------------- */

static void message(struct guarded *g, unsigned int mode, size_t size)
{
	zc_handle_t handle;
	zc_result_t result = zc_writer_acquire_block(g->writer[mode], size, &handle, 0);

	if (result == ZC_OK)
		result = zc_writer_commit_block(g->writer[mode], handle);
	if (result == ZC_OK)
		result = zc_reader_poll_block(g->reader[mode], 0, &handle, 0);
	if (result == ZC_OK)
		result = zc_reader_release_block(g->reader[mode], handle);
	if (result != ZC_OK) {
		fprintf(stderr, "zerocore: bench guard: %s\n", zc_last_error());
		if (result != ZC_ERROR_CORRUPT_BLOCK)
			exit(1);
		g->alarms++;
	}
}

static void once(struct guarded *g, enum what what, size_t size, uint64_t i)
{
	size_t at = i % g->blocks * g->step;

	switch (what) {
	case COPY:
		memcpy(g->to + at, g->from + at, size);
		/* Where it went somebody reads. */
		__asm__ volatile("" : : "r"(g->to) : "memory");
		break;
	case CRC:
	case CRC_SAME:
		if (what == CRC_SAME)
			size += RECORD;
		g->sum ^= crc32_iscsi(g->from + at, (int)size, ~0U);
		g->sum ^= crc32_iscsi(g->from + at, (int)size, ~0U);
		break;
	default:
		message(g, what, size);
	}
}

static double measure(struct guarded *g, enum what what, size_t size, uint64_t count)
{
	uint64_t begun = bench_ticks();

	for (uint64_t i = 0; i < count; i++)
		once(g, what, size, i);
	return (double)(bench_ticks() - begun) * bench_ns_per_tick() / (double)count;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double middle(double *values, uint64_t nr)
{
	qsort(values, nr, sizeof(*values), by_size);
	return values[nr / 2];
}

/* Some milliseconds of each. */
static uint64_t count_of(const struct bench_options *o, size_t size)
{
	return o->count ? o->count : 4000000 / (size / 16 + 50) + 16;
}

static void measure_all(struct guarded *g, const struct bench_options *o, size_t size,
			double figure[WHATS])
{
	double *ns = calloc(o->reps * WHATS, sizeof(*ns));
	uint64_t count = count_of(o, size);

	if (!ns)
		abort();
	for (unsigned int what = 0; what < WHATS; what++)
		measure(g, what, size, count / 10 + 2 * BLOCKS_MAX);
	for (uint64_t rep = 0; rep < o->reps; rep++) {
		double off = 0;

		for (unsigned int what = 0; what < WHATS; what++) {
			/* The last two cost time alone where it is alarms that are counted. */
			uint64_t n = what >= MODES && count > 1000000 ? 1000000 : count;
			double one = measure(g, what, size, n);

			if (what == OFF)
				off = one;
			else if (what < MODES)
				one -= off;
			ns[what * o->reps + rep] = one;
		}
		g->verified += (MODES - 1) * count;
	}
	for (unsigned int what = 0; what < WHATS; what++)
		figure[what] = middle(ns + what * o->reps, o->reps);
	free(ns);
}

/* --- and how it is shown ------------------------------------------------------------------ */

static void report(const struct bench_options *o, const struct guarded *g, size_t size,
		   const double figure[WHATS])
{
	struct json_object *line;
	char key[64];

	if (!o->json) {
		printf("%8zu %8.1f %8.1f %8.1f %8.1f %10.1f %10.1f %10.1f %8.2f %8.2f\n", size,
		       figure[OFF], figure[MAGIC], figure[HEADER], figure[FULL],
		       figure[COPY], figure[CRC], figure[CRC_SAME],
		       figure[FULL] / figure[CRC], figure[FULL] / figure[CRC_SAME]);
		return;
	}
	line = json_object_new_object();
	json_object_object_add(line, "bench", json_object_new_string("guard"));
	json_object_object_add(line, "size", json_object_new_int64((int64_t)size));
	for (unsigned int i = 0; i < WHATS; i++) {
		snprintf(key, sizeof(key), "%s_ns", what_key[i]);
		bench_json_number(line, key, figure[i]);
	}
	bench_json_number(line, "full_to_crc", figure[FULL] / figure[CRC]);
	bench_json_number(line, "full_to_crc_same", figure[FULL] / figure[CRC_SAME]);
	json_object_object_add(line, "count",
			       json_object_new_int64((int64_t)count_of(o, size)));
	json_object_object_add(line, "reps", json_object_new_int64((int64_t)o->reps));
	json_object_object_add(line, "verified",
			       json_object_new_int64((int64_t)g->verified));
	json_object_object_add(line, "false_alarms",
			       json_object_new_int64((int64_t)g->alarms));
	bench_json_print(line);
}

static zc_result_t enter(struct guarded *g, const char *name, size_t largest)
{
	zc_pool_options_t po = ZC_POOL_OPTIONS_INIT;
	zc_result_t result;
	size_t bytes;

	po.bytes = 64 << 20;
	result = zc_pool_create(name, &po, &g->pool);
	if (result != ZC_OK)
		return result;
	zc_pool_remove(name);
	bytes = 2 * (largest + GRANULE) * BLOCKS_MIN + BLOCKS_BYTES;
	g->from = malloc(bytes);
	g->to = malloc(bytes);
	if (!g->from || !g->to)
		return ZC_ERROR_NO_MEMORY;
	/* Not a page of zeros. */
	memset(g->from, 0x5a, bytes);
	memset(g->to, 0xa5, bytes);
	return ZC_OK;
}

/* A service of each mode, and its reader, for messages of @size. */
static zc_result_t open_modes(struct guarded *g, size_t size)
{
	zc_result_t result = ZC_OK;

	g->step = (size + RECORD + GRANULE - 1) / GRANULE * GRANULE;
	g->blocks = BLOCKS_BYTES / g->step;
	if (g->blocks > BLOCKS_MAX)
		g->blocks = BLOCKS_MAX;
	if (g->blocks < BLOCKS_MIN)
		g->blocks = BLOCKS_MIN;
	for (unsigned int mode = 0; mode < MODES && result == ZC_OK; mode++) {
		zc_writer_options_t wo = ZC_WRITER_OPTIONS_INIT;
		zc_reader_options_t ro = ZC_READER_OPTIONS_INIT;
		char service[64];

		snprintf(service, sizeof(service), "bench/guard/%s", what_key[mode]);
		wo.service = service;
		wo.no_timestamp = true;
		wo.footprint_bytes = g->blocks * g->step;
		wo.guard = (zc_guard_t)(ZC_GUARD_OFF + mode);
		ro.service = service;
		result = zc_writer_register(g->pool, &wo, &g->writer[mode]);
		if (result == ZC_OK)
			result = zc_reader_register(g->pool, &ro, &g->reader[mode]);
	}
	return result;
}

static void close_modes(struct guarded *g)
{
	for (unsigned int mode = 0; mode < MODES; mode++) {
		zc_reader_unregister(g->reader[mode]);
		zc_writer_unregister(g->writer[mode]);
		g->reader[mode] = NULL;
		g->writer[mode] = NULL;
	}
}

static int run(struct guarded *g, const struct bench_options *o)
{
	size_t nr = sizeof(sizes) / sizeof(*sizes);
	double figure[WHATS];

	for (size_t i = 0; i < nr; i++) {
		size_t size = o->size ? o->size : sizes[i];
		zc_result_t result = open_modes(g, size);

		if (result == ZC_OK)
			measure_all(g, o, size, figure);
		close_modes(g);
		if (result != ZC_OK) {
			fprintf(stderr, "zerocore: bench guard: %s\n", zc_last_error());
			return 1;
		}
		report(o, g, size, figure);
		if (o->size)
			break;
	}
	if (!o->json)
		printf("%llu messages verified, %llu false alarms\n",
		       (unsigned long long)g->verified, (unsigned long long)g->alarms);
	return g->alarms != 0;
}

int bench_guard(const struct bench_options *options)
{
	struct bench_options o = *options;
	struct guarded g = { .pool = NULL };
	size_t largest = o.size ? o.size : 1 << 20;
	char name[48];
	int status;

	if (o.reps == 0)
		o.reps = 25;
	if (largest > 8 << 20) {
		fprintf(stderr, "zerocore: bench guard: --size goes up to 8M\n");
		return 2;
	}
	snprintf(name, sizeof(name), "bench-guard-%d", (int)getpid());
	if (enter(&g, name, largest) != ZC_OK) {
		fprintf(stderr, "zerocore: bench guard: %s\n", zc_last_error());
		status = 1;
	} else {
		if (!o.json)
			printf("%8s %8s %8s %8s %8s %10s %10s %10s %8s %8s\n", "bytes",
			       "off ns", "+magic", "+header", "+full", "memcpy", "2 x crc",
			       "and record", "full/crc", "record");
		/* What takes minutes, to count alarms, is not to be in anybody's way. */
		if (!o.count && bench_pin(o.pin[0]))
			(void)bench_realtime(false);
		status = run(&g, &o);
		bench_normal();
	}
	zc_pool_close(g.pool);
	free(g.from);
	free(g.to);
	return status;
}
