/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * bench_readers.c - "zerocore bench readers": what a message costs its writer
 * with 1, 2, 4, 8, 16 and 32 readers.
 *
 * The writer is timed over bursts that it can write without waiting for
 * anybody; then all readers, which share one core, catch up.  So the figure
 * is the writer's own work and the cache lines that the readers take from it,
 * and not the readers' scheduling.  Each reader verifies each message.
 */
#include "bench_clock.h"
#include "bench_ring.h"
#include "bench_stream.h"

#include <json-c/json.h>
#include <stdio.h>

enum { BURST = 256 };

static void burst_rep(struct bench_worker *worker, void *state,
		      struct bench_rep *rep)
{
	const struct bench_options *o = worker->options;
	struct bench_stream *stream = state;
	uint64_t bursts = o->count / BURST;

	for (uint64_t i = 0; i < 1 + bursts; i++) {
		if (worker->id == 0) {
			uint64_t start = bench_ticks();

			for (uint32_t k = 0; k < BURST; k++)
				bench_zc_write(worker, stream->writer, o->size,
					       stream->number++, o->whole);
			if (i > 0)
				rep->samples[i - 1] =
					bench_sample(bench_ticks() - start);
		} else {
			bench_stream_read(worker, stream,
					  stream->number + BURST, rep);
		}
		bench_sync(worker);
	}
}

static void ring_burst_rep(struct bench_worker *worker, void *state,
			   struct bench_rep *rep)
{
	const struct bench_options *o = worker->options;
	struct bench_ring_end *end = state;
	uint64_t bursts = o->count / BURST;

	for (uint64_t i = 0; i < 1 + bursts; i++) {
		uint64_t start = bench_ticks();

		for (uint64_t k = 0, idle = 1; k < BURST;) {
			const void *data;

			if (worker->id == 0) {
				/* All of the last burst was read: room. */
				bench_fill(bench_ring_reserve(end), o->size,
					   end->at, o->whole);
				bench_ring_publish(end);
				k++;
				continue;
			}
			data = bench_ring_poll(end);
			if (data == NULL) {
				bench_idle(worker, idle++);
				continue;
			}
			rep->wrong += !bench_check(data, o->size, end->at,
						   o->whole);
			bench_ring_release(end);
			k++;
		}
		if (worker->id == 0 && i > 0)
			rep->samples[i - 1] = bench_sample(bench_ticks() - start);
		bench_sync(worker);
	}
}

static void report(const struct bench_options *o,
		   const struct bench_result *result)
{
	const struct bench_figures *ring = &result->side[0];
	const struct bench_figures *zc = &result->side[1];
	struct json_object *line;

	if (!o->json) {
		printf("%7u %12.1f %12.1f %8.2f %10.1f %6llu %6llu %7u %7u\n",
		       o->readers, zc->samples.p50_ns, ring->samples.p50_ns,
		       zc->ratio_to[0], result->probe_before_ns,
		       (unsigned long long)zc->wrong,
		       (unsigned long long)zc->lost, result->rounds,
		       result->dropped);
		fflush(stdout);
		return;
	}
	line = json_object_new_object();
	json_object_object_add(line, "bench",
			       json_object_new_string("readers"));
	bench_json_common(line, o, result, 1);
	bench_json_percentiles(line, "", &zc->samples);
	bench_json_percentiles(line, "ring_", &ring->samples);
	bench_json_print(line);
}

static int one(const struct bench_options *options, uint32_t readers)
{
	struct bench_options o = *options;
	struct bench_pool_plan pool = { 0, bench_pool_bytes(&o), 0 };
	struct bench_ring *ring = bench_ring_map(2 * BURST, o.size, readers);
	struct bench_side sides[2] = {
		{ "ring", ring, bench_ring_stream_open, ring_burst_rep,
		  bench_ring_close },
		{ "zerocore", &pool, bench_stream_open, burst_rep,
		  bench_stream_close },
	};
	struct bench_plan plan = { &o, sides, 2, readers, o.count / BURST,
				   1.0 / BURST };
	struct bench_result result;
	int code;

	o.readers = readers;
	code = bench_run(&plan, &result);
	if (code == 0)
		report(&o, &result);
	bench_ring_unmap(ring);
	if (code == 0 && (result.side[0].wrong | result.side[1].wrong) != 0) {
		fprintf(stderr, "zerocore: messages arrived with wrong "
				"content\n");
		return 1;
	}
	return code;
}

int bench_readers(const struct bench_options *options)
{
	struct bench_options o = *options;
	int code = 0;

	if (o.reps == 0)
		o.reps = 11;
	bench_defaults(&o, 40 * BURST);
	o.warmup = BURST;
	if (o.count < BURST)
		o.count = BURST;
	o.count -= o.count % BURST;
	/* Twice what is on its way, so that blocks go round. */
	if (o.footprint == 0)
		o.footprint = 2 * BURST * ((o.size + 511) / 512 * 512);
	if (!o.json)
		printf("%7s %12s %12s %8s %10s %6s %6s %7s %7s\n", "readers",
		       "zerocore ns", "ring ns", "ratio", "line ns", "wrong",
		       "lost", "rounds", "dropped");
	if (o.readers != 0)
		return one(&o, o.readers);
	for (uint32_t n = 1; n <= BENCH_READERS_MAX && code == 0; n *= 2)
		code = one(&o, n);
	return code;
}
