/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * bench_throughput.c - "zerocore bench throughput": one writer, one or more
 * readers.  Every message carries its number and is verified; a message that
 * is wrong fails the command.
 */
#include "bench_stream.h"
#include "bench_clock.h"
#include "bench_ring.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>

void *bench_stream_open(struct bench_worker *worker, void *ctx)
{
	struct bench_stream *stream = calloc(1, sizeof(*stream));

	if (stream == NULL)
		bench_fail(worker, "no memory");
	stream->pool = bench_pool_enter(worker, ctx);
	if (worker->id == 0)
		stream->writer = bench_writer(worker, stream->pool,
					      "bench/stream/data");
	else
		stream->reader = bench_reader(worker, stream->pool,
					      "bench/stream/data");
	return stream;
}

void bench_stream_close(struct bench_worker *worker, void *state)
{
	struct bench_stream *stream = state;

	(void)worker;
	zc_writer_unregister(stream->writer);
	zc_reader_unregister(stream->reader);
	zc_pool_close(stream->pool);
	free(stream);
}

static double stream_write(struct bench_worker *worker,
			   struct bench_stream *stream)
{
	const struct bench_options *o = worker->options;
	const bool whole = o->whole;
	const size_t size = o->size;
	uint64_t start = bench_ticks();

	for (uint64_t i = 0; i < o->warmup + o->count; i++) {
		if (i == o->warmup)
			start = bench_ticks();
		bench_zc_write(worker, stream->writer, size, stream->number++,
			       whole);
	}
	bench_sync(worker);
	return (double)(bench_ticks() - start) * bench_ns_per_tick() /
	       (double)o->count;
}

void bench_stream_read(struct bench_worker *worker, struct bench_stream *stream,
		       uint64_t end, struct bench_rep *rep)
{
	const struct bench_options *o = worker->options;
	const bool whole = o->whole, gaps = o->hazard && o->size >= 8;
	const size_t size = o->size;
	zc_reader_t *reader = stream->reader;
	uint64_t number = stream->number, wrong = 0;

	while (number < end) {
		zc_handle_t handle = bench_zc_poll(worker, reader);
		const void *data = zc_reader_block_data(reader, handle, NULL);

		if (gaps) {
			uint64_t found = bench_number(data, size);

			/* Behind or beyond: not a loss but a wrong message. */
			if (found < number || found >= end) {
				wrong++;
			} else {
				rep->lost += found - number;
				number = found;
			}
		}
		wrong += !bench_check(data, size, number, whole);
		number++;
		if (zc_reader_release_block(reader, handle) != ZC_OK)
			bench_fail(worker, "release: %s", zc_last_error());
	}
	stream->number = number;
	rep->wrong += wrong;
}

void bench_stream_rep(struct bench_worker *worker, void *state,
		      struct bench_rep *rep)
{
	const struct bench_options *o = worker->options;
	struct bench_stream *stream = state;

	if (worker->id == 0) {
		rep->value_ns = stream_write(worker, stream);
		return;
	}
	bench_stream_read(worker, stream,
			  stream->number + o->warmup + o->count, rep);
	bench_sync(worker);
}

static void print_side(const char *name, const struct bench_figures *f,
		       uint64_t size)
{
	double rate = 1e9 / f->value_ns;

	printf("  %-9s %.2f M messages/s, %.2f GiB/s, %.1f ns a message "
	       "(%.1f to %.1f)\n",
	       name, rate / 1e6, rate * (double)size / (1ULL << 30),
	       f->value_ns, f->low_ns, f->high_ns);
}

/* A stream has more than one steady state: far apart, they are two. */
static void add_spread(struct json_object *line, const char *prefix,
		       const struct bench_figures *f)
{
	char key[64];

	snprintf(key, sizeof(key), "%sns_per_msg", prefix);
	bench_json_number(line, key, f->value_ns);
	snprintf(key, sizeof(key), "%sns_per_msg_p10", prefix);
	bench_json_number(line, key, f->low_ns);
	snprintf(key, sizeof(key), "%sns_per_msg_p90", prefix);
	bench_json_number(line, key, f->high_ns);
}

static void report(const struct bench_options *o,
		   const struct bench_result *result)
{
	double zc_ns = result->side[1].value_ns;
	double ring_ns = result->side[0].value_ns;

	if (o->json) {
		struct json_object *line = json_object_new_object();

		json_object_object_add(line, "bench",
				       json_object_new_string("throughput"));
		bench_json_common(line, o, result, 1);
		bench_json_rate(line, "", zc_ns, o->size);
		bench_json_rate(line, "ring_", ring_ns, o->size);
		add_spread(line, "", &result->side[1]);
		add_spread(line, "ring_", &result->side[0]);
		bench_json_print(line);
		return;
	}
	printf("throughput: %.2f x the bare ring; %llu wrong, %llu lost\n",
	       1 / result->side[1].ratio_to[0],
	       (unsigned long long)result->side[1].wrong,
	       (unsigned long long)result->side[1].lost);
	print_side("zerocore", &result->side[1], o->size);
	print_side("ring", &result->side[0], o->size);
	bench_print_common(o, result);
}

int bench_throughput_measure(struct bench_options *o, struct bench_result *result)
{
	uint64_t slots = bench_ring_slots(o->footprint, o->size, o->whole);
	struct bench_ring *ring = bench_ring_map(slots, o->size, o->readers);
	struct bench_pool_plan pool = { 0, bench_pool_bytes(o), 0 };
	struct bench_side sides[2] = {
		{ "ring", ring, bench_ring_stream_open, bench_ring_stream_rep,
		  bench_ring_close },
		{ "zerocore", &pool, bench_stream_open, bench_stream_rep,
		  bench_stream_close },
	};
	struct bench_plan plan = { o, sides, 2, o->readers, 0, 1 };
	int code;

	o->throughput = true;
	bench_defaults(o, bench_stream_count(o));
	code = bench_run(&plan, result);
	bench_ring_unmap(ring);
	return code;
}

int bench_throughput(const struct bench_options *options)
{
	struct bench_options o = *options;
	struct bench_result result;
	int code = bench_throughput_measure(&o, &result);

	if (code == 0)
		report(&o, &result);
	if (code == 0 && (result.side[0].wrong | result.side[1].wrong) != 0) {
		fprintf(stderr, "zerocore: messages arrived with wrong "
				"content\n");
		return 1;
	}
	return code;
}
