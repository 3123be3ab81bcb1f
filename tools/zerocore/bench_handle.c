/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * bench_handle.c - "zerocore bench handle": what a sealed handle costs.
 *
 * Decode: from a handle to the location under its key.  Pointer: zora_data(), which also
 * checks thread, role, range, state and generation.  Each twice: handles that do not
 * depend on each other, as a program has them (throughput), and each only after the last
 * (latency).
 *
 * A cycle is what one of many additions takes of which each needs the one before: the
 * clock of a virtual machine need not be the processor's.  It is measured beside each
 * repetition.
 */
#include "bench_clock.h"
#include "bench_run.h"
#include "bench_stats.h"

#include <zerocore/zerocore.h>

#include <json-c/json.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define HANDLES 16U		/* in flight, in the cache */

enum what { DECODE, DECODE_LATENCY, POINTER, POINTER_LATENCY, WHATS };

static const char *const what_key[WHATS] = {
	"decode", "decode_latency", "pointer", "pointer_latency"
};

struct handles {
	zc_handle_t handle[HANDLES];
	uint64_t key[ZORA_EPOCHS];	/* for decode alone */
	zora_id_t id;
	uint64_t count;
	int instructions;		/* perf counter, -1: there is none */
	uint64_t sum;			/* so that nothing is left out */
};

/* --- what is measured ----------------------------------------------------------------- */

static uint64_t add_up(uint64_t n)
{
	uint64_t x = n;

	for (uint64_t i = 0; i < n; i += 16)
#if defined(__aarch64__)
		__asm__ volatile(".rept 16\n\tadd %0, %0, %1\n\t.endr" : "+r"(x) : "r"(i));
#else
		__asm__ volatile(".rept 16\n\tadd %1, %0\n\t.endr" : "+r"(x) : "r"(i));
#endif
	return x;
}

static uint64_t decode(const struct handles *h, uint64_t n)
{
	uint64_t sum = 0;

	for (uint64_t i = 0; i < n; i += HANDLES)
		for (unsigned int k = 0; k < HANDLES; k++)
			sum ^= zora_decode(h->key, h->handle[k]);
	return sum;
}

static uint64_t decode_latency(const struct handles *h, uint64_t n)
{
	uint64_t one = h->handle[0];

	/* A location is a handle's bits but for the key: of epoch 0 again. */
	for (uint64_t i = 0; i < n; i++)
		one = zora_decode(h->key, one);
	return one;
}

static uint64_t pointer(const struct handles *h, uint64_t n)
{
	uint64_t sum = 0;

	for (uint64_t i = 0; i < n; i += HANDLES)
		for (unsigned int k = 0; k < HANDLES; k++)
			sum += (uintptr_t)zora_data(h->id, h->handle[k]);
	return sum;
}

static uint64_t pointer_latency(const struct handles *h, uint64_t n)
{
	uint64_t last = 0;

	/* Where payloads are, the lowest bits are 0; the compiler does not know. */
	for (uint64_t i = 0; i < n; i++)
		last = (uintptr_t)zora_data(h->id, h->handle[last & 15]);
	return last;
}

static uint64_t (*const what_runs[WHATS])(const struct handles *h, uint64_t n) = {
	decode, decode_latency, pointer, pointer_latency
};

/* --- how -------------------------------------------------------------------------------- */

static int count_instructions(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_HARDWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_HW_INSTRUCTIONS,
		.exclude_kernel = 1,
		.exclude_hv = 1,
	};

	return (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
}

static uint64_t instructions(const struct handles *h)
{
	uint64_t nr = 0;

	if (h->instructions >= 0 &&
	    read(h->instructions, &nr, sizeof(nr)) != sizeof(nr))
		nr = 0;
	return nr;
}

struct figure {
	double cycles, ns, instructions;
};

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

static void measure(struct handles *h, uint64_t reps, struct figure figure[WHATS])
{
	double *cycles = calloc(reps * WHATS * 2, sizeof(*cycles));
	double *ns;

	if (!cycles)
		abort();
	ns = cycles + reps * WHATS;
	for (uint64_t rep = 0; rep < reps; rep++) {
		for (unsigned int what = 0; what < WHATS; what++) {
			uint64_t begun = bench_ticks(), counted, cycle, taken;

			h->sum += add_up(h->count);
			cycle = bench_ticks() - begun;
			counted = instructions(h);
			begun = bench_ticks();
			h->sum += what_runs[what](h, h->count);
			taken = bench_ticks() - begun;
			figure[what].instructions =
				(double)(instructions(h) - counted) / (double)h->count;
			cycles[what * reps + rep] = (double)taken / (double)cycle;
			ns[what * reps + rep] = (double)taken * bench_ns_per_tick() /
						(double)h->count;
		}
	}
	for (unsigned int what = 0; what < WHATS; what++) {
		figure[what].cycles = middle(cycles + what * reps, reps);
		figure[what].ns = middle(ns + what * reps, reps);
	}
	free(cycles);
}

static void report(const struct bench_options *o, const struct handles *h,
		   const struct figure figure[WHATS])
{
	if (o->json) {
		struct json_object *line = json_object_new_object();
		char key[64];

		json_object_object_add(line, "bench", json_object_new_string("handle"));
		for (unsigned int i = 0; i < WHATS; i++) {
			snprintf(key, sizeof(key), "%s_cycles", what_key[i]);
			bench_json_number(line, key, figure[i].cycles);
			snprintf(key, sizeof(key), "%s_ns", what_key[i]);
			bench_json_number(line, key, figure[i].ns);
			snprintf(key, sizeof(key), "%s_instructions", what_key[i]);
			if (h->instructions >= 0)
				bench_json_number(line, key, figure[i].instructions);
			else
				json_object_object_add(line, key, NULL);
		}
		json_object_object_add(line, "count",
				       json_object_new_int64((int64_t)h->count));
		json_object_object_add(line, "reps", json_object_new_int64((int64_t)o->reps));
		bench_json_print(line);
		return;
	}
	printf("%-18s %8s %8s %14s\n", "handle", "cycles", "ns", "instructions");
	for (unsigned int i = 0; i < WHATS; i++) {
		printf("%-18s %8.2f %8.2f", what_key[i], figure[i].cycles, figure[i].ns);
		if (h->instructions >= 0)
			printf(" %14.1f\n", figure[i].instructions);
		else
			printf(" %14s\n", "-");
	}
}

/* --- a writer that has some blocks ----------------------------------------------------------- */

static zc_result_t enter(const char *name, struct handles *h, zc_pool_t **pool,
			 zc_writer_t **writer)
{
	zc_pool_options_t po = ZC_POOL_OPTIONS_INIT;
	zc_writer_options_t wo = ZC_WRITER_OPTIONS_INIT;
	zc_result_t result;

	po.bytes = 4 << 20;
	result = zc_pool_create(name, &po, pool);
	if (result != ZC_OK)
		return result;
	zc_pool_remove(name);
	wo.service = "bench/handle/main";
	result = zc_writer_register(*pool, &wo, writer);
	if (result == ZC_OK)
		result = zora_register_writer(*writer, &h->id);
	for (unsigned int i = 0; i < HANDLES && result == ZC_OK; i++)
		result = zc_writer_acquire_block(*writer, 64, &h->handle[i], 0);
	/* Decode is of the same handles, under some key. */
	for (unsigned int i = 0; i < ZORA_EPOCHS; i++)
		h->key[i] = (uint64_t)i << ZORA_EPOCH_SHIFT |
			    h->handle[i] * 0x9e3779b97f4a7c15ULL >> 4;
	return result;
}

int bench_handle(const struct bench_options *options)
{
	struct bench_options o = *options;
	struct handles h = { .count = 0 };
	struct figure figure[WHATS];
	zc_writer_t *writer = NULL;
	zc_pool_t *pool = NULL;
	zc_result_t result;
	char name[48];

	bench_defaults(&o, 1000000);
	h.count = (o.count + HANDLES - 1) / HANDLES * HANDLES;
	h.instructions = count_instructions();
	snprintf(name, sizeof(name), "bench-handle-%d", (int)getpid());
	result = enter(name, &h, &pool, &writer);
	if (result != ZC_OK) {
		fprintf(stderr, "zerocore: bench handle: %s\n", zc_last_error());
		zc_pool_close(pool);
		return 1;
	}
	measure(&h, o.reps, figure);
	report(&o, &h, figure);
	zc_writer_unregister(writer);
	zc_pool_close(pool);
	if (h.instructions >= 0)
		close(h.instructions);
	return 0;
}
