/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * bench_latency.c - "zerocore bench latency": one way, as half a round trip.
 *
 * A writes to B, B answers on a second topic; the time of each round trip is
 * one sample.  It contains all of it, on both sides: acquire (with reclaim),
 * filling, commit, poll, verifying, release.  The bare ring does the same
 * with two rings in the same processes, in turns.
 *
 * With --wait block each side pauses before it writes, until the other one is
 * asleep for sure, and B's answer says how long it paused: A takes that off the
 * round trip, and what is left is two wake-ups.
 */
#include "bench_clock.h"
#include "bench_pool.h"
#include "bench_ring.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>

struct echo {
	zc_pool_t *pool;
	zc_writer_t *out;
	zc_reader_t *in;
	uint64_t number;	/* of the next message, there and back */
};

static void *echo_open(struct bench_worker *worker, void *ctx)
{
	static const char *const topics[] = { "bench/echo/there",
					      "bench/echo/back" };
	struct echo *echo = calloc(1, sizeof(*echo));

	if (echo == NULL)
		bench_fail(worker, "no memory");
	echo->pool = bench_pool_enter(worker, ctx);
	echo->in = bench_reader(worker, echo->pool, topics[1 - worker->id]);
	bench_sync(worker);
	echo->out = bench_writer(worker, echo->pool, topics[worker->id]);
	return echo;
}

/* Returns the number that the message carries. */
static uint64_t receive(struct bench_worker *worker, struct echo *echo,
			struct bench_rep *rep)
{
	const struct bench_options *o = worker->options;
	zc_handle_t handle = bench_zc_poll(worker, echo->in);
	const void *data = zc_reader_block_data(echo->in, handle, NULL);
	uint64_t number = o->block ? bench_number(data, o->size) :
				     echo->number;
	zc_result_t result;

	rep->wrong += !bench_check(data, o->size, number, o->whole);
	result = zc_reader_release_block(echo->in, handle);
	if (result != ZC_OK)
		bench_zc_fail(worker, "release", result);
	return number;
}

static void answer(struct bench_worker *worker, struct echo *echo,
		   struct bench_rep *rep)
{
	const struct bench_options *o = worker->options;
	uint64_t paused;

	receive(worker, echo, rep);
	paused = bench_pause(worker);
	bench_zc_write(worker, echo->out, o->size,
		       o->block ? paused : echo->number, o->whole);
}

static void echo_rep(struct bench_worker *worker, void *state,
		     struct bench_rep *rep)
{
	const struct bench_options *o = worker->options;
	struct echo *echo = state;
	uint64_t last = bench_ticks();

	for (uint64_t i = 0; i < o->warmup + o->count; i++, echo->number++) {
		uint64_t now, paused;

		if (worker->id != 0) {
			answer(worker, echo, rep);
			continue;
		}
		if (o->block) {
			bench_pause(worker);
			last = bench_ticks();
		}
		bench_zc_write(worker, echo->out, o->size, echo->number,
			       o->whole);
		paused = receive(worker, echo, rep);
		/* The end of a trip is the start of the next one. */
		now = bench_ticks();
		if (i >= o->warmup)
			rep->samples[i - o->warmup] = bench_sample(
				now - last - (o->block ? paused : 0));
		last = now;
	}
}

static void echo_close(struct bench_worker *worker, void *state)
{
	struct echo *echo = state;

	(void)worker;
	zc_writer_unregister(echo->out);
	zc_reader_unregister(echo->in);
	zc_pool_close(echo->pool);
	free(echo);
}

static void print_side(const char *name, const struct bench_figures *f)
{
	printf("  %-9s min %.0f, p50 %.0f, p99 %.0f, p99.9 %.0f, max %.0f ns\n",
	       name, f->samples.min_ns, f->samples.p50_ns, f->samples.p99_ns,
	       f->samples.p999_ns, f->samples.max_ns);
}

static void report(const struct bench_options *o,
		   const struct bench_result *result)
{
	const struct bench_figures *ring = &result->side[0];
	const struct bench_figures *zc = &result->side[1];
	double p999 = zc->samples.p999_ns / ring->samples.p999_ns;

	if (o->json) {
		struct json_object *line = json_object_new_object();

		json_object_object_add(line, "bench",
				       json_object_new_string("latency"));
		bench_json_common(line, o, result, 1);
		bench_json_percentiles(line, "", &zc->samples);
		bench_json_percentiles(line, "ring_", &ring->samples);
		bench_json_number(line, "ratio_p50",
				  zc->samples.p50_ns / ring->samples.p50_ns);
		bench_json_number(line, "ratio_p99",
				  zc->samples.p99_ns / ring->samples.p99_ns);
		bench_json_number(line, "ratio_p999", p999);
		bench_json_number(line, "ring_ratio_to_line",
				  ring->samples.p50_ns /
					  result->probe_before_ns);
		bench_json_print(line);
		return;
	}
	printf("latency, one way: %.2f x the bare ring (p99.9: %.2f x)\n",
	       zc->ratio_to[0], p999);
	print_side("zerocore", zc);
	print_side("ring", ring);
	bench_print_common(o, result);
}

int bench_latency(const struct bench_options *options)
{
	struct bench_options o = *options;
	uint64_t slots = bench_ring_slots(o.footprint, o.size, o.whole);
	struct bench_pool_plan pool = { 0, bench_pool_bytes(&o), 0 };
	struct bench_ring *rings[2];
	struct bench_side sides[2] = {
		{ "ring", rings, bench_ring_echo_open, bench_ring_echo_rep,
		  bench_ring_close },
		{ "zerocore", &pool, echo_open, echo_rep, echo_close },
	};
	struct bench_plan plan = { &o, sides, 2, 1, 0, 0.5 };
	struct bench_result result;
	int code;

	bench_defaults(&o, o.block ? 200 : o.whole ?
					bench_stream_count(&o) / 10 : 20000);
	plan.samples_nr = o.count;
	rings[0] = bench_ring_map(slots, o.size, 1);
	rings[1] = bench_ring_map(slots, o.size, 1);
	code = bench_run(&plan, &result);
	if (code == 0)
		report(&o, &result);
	bench_ring_unmap(rings[0]);
	bench_ring_unmap(rings[1]);
	if (code == 0 && (result.side[0].wrong | result.side[1].wrong) != 0) {
		fprintf(stderr, "zerocore: messages arrived with wrong "
				"content\n");
		return 1;
	}
	return code;
}
