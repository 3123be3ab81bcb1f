/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * bench_ring.c - the bare broadcast ring, and "zerocore bench ring".
 */
#include "bench_ring.h"
#include "bench_clock.h"
#include "bench_payload.h"

#include <json-c/json.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A reader that may sleep looks so often before it does: about 1 us. */
enum { SPINS = 1000 };

static uint64_t ring_bytes(uint64_t slots, uint64_t slot_bytes)
{
	return BENCH_RING_SLOTS_OFF + slots * slot_bytes;
}

struct bench_ring *bench_ring_map(uint64_t slots, uint64_t size,
				  uint32_t readers)
{
	uint64_t slot_bytes = (size + 63) / 64 * 64;
	uint64_t bytes = ring_bytes(slots, slot_bytes);
	struct bench_ring *ring = bench_shared_map(bytes, true);

	ring->slots = slots;
	ring->slot_bytes = slot_bytes;
	ring->bytes = bytes;
	ring->readers = readers;
	return ring;
}

void bench_ring_unmap(struct bench_ring *ring)
{
	bench_shared_unmap(ring, ring->bytes);
}

uint64_t bench_ring_slots(uint64_t footprint, uint64_t size, bool whole)
{
	uint64_t slot_bytes = (size + 63) / 64 * 64;
	uint64_t slots;

	/* Payloads that are written whole stream faster past the second-level
	 * cache; where only the ends are touched it hardly matters. */
	if (footprint == 0) {
		footprint = whole ? 8ULL << 20 : 1024 * slot_bytes;
		if (footprint > 64ULL << 20)
			footprint = 64ULL << 20;
	}
	slots = footprint / slot_bytes;
	return slots < 4 ? 4 : slots;
}

static void end_init(struct bench_ring_end *end, struct bench_ring *ring)
{
	end->ring = ring;
	end->first = (unsigned char *)ring + BENCH_RING_SLOTS_OFF;
	end->end = end->first + ring->slots * ring->slot_bytes;
	end->slot = end->first;
	end->at = 0;
	end->limit = 0;
	end->cursor = NULL;
}

void bench_ring_write_init(struct bench_ring_end *end, struct bench_ring *ring)
{
	end_init(end, ring);
	end->limit = ring->slots;
}

void bench_ring_read_init(struct bench_ring_end *end, struct bench_ring *ring,
			  uint32_t reader)
{
	end_init(end, ring);
	end->cursor = &ring->cursor[reader].value;
}

bool bench_ring_room(struct bench_ring_end *w)
{
	uint64_t low = UINT64_MAX;

	for (uint32_t i = 0; i < w->ring->readers; i++) {
		uint64_t cursor = __atomic_load_n(&w->ring->cursor[i].value,
						  __ATOMIC_ACQUIRE);

		if (cursor < low)
			low = cursor;
	}
	w->limit = low + w->ring->slots;
	return w->at != w->limit;
}

void bench_ring_wake(struct bench_ring *ring)
{
	/* Head before sleepers; pairs with bench_ring_sleep(). */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (__atomic_load_n(&ring->sleepers.value, __ATOMIC_RELAXED) == 0)
		return;
	syscall(SYS_futex, &ring->head.value, FUTEX_WAKE, INT_MAX, NULL, NULL,
		0);
}

void bench_ring_sleep(struct bench_ring_end *r)
{
	struct bench_ring *ring = r->ring;

	/* Sleepers before head; pairs with bench_ring_wake(). */
	__atomic_fetch_add(&ring->sleepers.value, 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&ring->head.value, __ATOMIC_ACQUIRE) == r->at)
		syscall(SYS_futex, &ring->head.value, FUTEX_WAIT,
			(uint32_t)r->at, NULL, NULL, 0);
	__atomic_fetch_sub(&ring->sleepers.value, 1, __ATOMIC_SEQ_CST);
}

static const void *poll_until(struct bench_worker *worker,
			      struct bench_ring_end *r)
{
	const void *data;

	for (uint64_t empty = 1; (data = bench_ring_poll(r)) == NULL; empty++) {
		if (!worker->options->block)
			bench_idle(worker, empty);
		else if (empty % SPINS == 0)
			bench_ring_sleep(r);
	}
	return data;
}

static void *reserve_until(struct bench_worker *worker,
			   struct bench_ring_end *w)
{
	void *data;

	for (uint64_t full = 1; (data = bench_ring_reserve(w)) == NULL; full++)
		bench_idle(worker, full);
	return data;
}

/* Streaming: one writer, all others read. */

void *bench_ring_stream_open(struct bench_worker *worker, void *ctx)
{
	struct bench_ring_end *end = calloc(1, sizeof(*end));

	if (end == NULL)
		bench_fail(worker, "no memory");
	if (worker->id == 0)
		bench_ring_write_init(end, ctx);
	else
		bench_ring_read_init(end, ctx, worker->id - 1);
	return end;
}

static double stream_write(struct bench_worker *worker,
			   struct bench_ring_end *w)
{
	const struct bench_options *o = worker->options;
	const bool whole = o->whole, block = o->block;
	const size_t size = o->size;
	uint64_t start = bench_ticks();

	for (uint64_t i = 0; i < o->warmup + o->count; i++) {
		if (i == o->warmup)
			start = bench_ticks();
		bench_fill(reserve_until(worker, w), size, w->at, whole);
		bench_ring_publish(w);
		if (block)
			bench_ring_wake(w->ring);
	}
	bench_sync(worker);
	return (double)(bench_ticks() - start) * bench_ns_per_tick() /
	       (double)o->count;
}

static uint64_t stream_read(struct bench_worker *worker,
			    struct bench_ring_end *r)
{
	const struct bench_options *o = worker->options;
	const bool whole = o->whole;
	const size_t size = o->size;
	uint64_t wrong = 0;

	for (uint64_t i = 0; i < o->warmup + o->count; i++) {
		const void *data = poll_until(worker, r);

		wrong += !bench_check(data, size, r->at, whole);
		bench_ring_release(r);
	}
	bench_sync(worker);
	return wrong;
}

void bench_ring_stream_rep(struct bench_worker *worker, void *state,
			   struct bench_rep *rep)
{
	if (worker->id == 0)
		rep->value_ns = stream_write(worker, state);
	else
		rep->wrong = stream_read(worker, state);
}

/* Echo: one ring there, one back. */

struct echo {
	struct bench_ring_end out, in;
};

void *bench_ring_echo_open(struct bench_worker *worker, void *ctx)
{
	struct bench_ring **rings = ctx;
	struct echo *echo = calloc(1, sizeof(*echo));

	if (echo == NULL)
		bench_fail(worker, "no memory");
	bench_ring_write_init(&echo->out, rings[worker->id]);
	bench_ring_read_init(&echo->in, rings[1 - worker->id], 0);
	return echo;
}

static void echo_send(struct bench_worker *worker, struct echo *echo,
		      uint64_t number)
{
	const struct bench_options *o = worker->options;

	bench_fill(reserve_until(worker, &echo->out), o->size, number,
		   o->whole);
	bench_ring_publish(&echo->out);
	if (o->block)
		bench_ring_wake(echo->out.ring);
}

static uint64_t echo_receive(struct bench_worker *worker, struct echo *echo,
			     struct bench_rep *rep)
{
	const struct bench_options *o = worker->options;
	const void *data = poll_until(worker, &echo->in);
	uint64_t number = o->block ? bench_number(data, o->size) : echo->in.at;

	rep->wrong += !bench_check(data, o->size, number, o->whole);
	bench_ring_release(&echo->in);
	return number;
}

static void echo_answer(struct bench_worker *worker, struct echo *echo,
			struct bench_rep *rep)
{
	uint64_t paused;

	echo_receive(worker, echo, rep);
	paused = bench_pause(worker);
	echo_send(worker, echo,
		  worker->options->block ? paused : echo->out.at);
}

void bench_ring_echo_rep(struct bench_worker *worker, void *state,
			 struct bench_rep *rep)
{
	const struct bench_options *o = worker->options;
	struct echo *echo = state;
	uint64_t last = bench_ticks();

	for (uint64_t i = 0; i < o->warmup + o->count; i++) {
		uint64_t now, paused;

		if (worker->id != 0) {
			echo_answer(worker, echo, rep);
			continue;
		}
		if (o->block) {
			bench_pause(worker);
			last = bench_ticks();
		}
		echo_send(worker, echo, echo->out.at);
		paused = echo_receive(worker, echo, rep);
		/* The end of a trip is the start of the next one. */
		now = bench_ticks();
		if (i >= o->warmup)
			rep->samples[i - o->warmup] = bench_sample(
				now - last - (o->block ? paused : 0));
		last = now;
	}
}

void bench_ring_close(struct bench_worker *worker, void *state)
{
	(void)worker;
	free(state);
}

/* "zerocore bench ring" */

static void ring_line(const struct bench_options *o, const char *measure,
		      const struct bench_result *result)
{
	const struct bench_figures *f = &result->side[0];
	struct json_object *line = json_object_new_object();
	double rate = 1e9 / f->value_ns;

	json_object_object_add(line, "bench", json_object_new_string("ring"));
	json_object_object_add(line, "measure",
			       json_object_new_string(measure));
	bench_json_common(line, o, result, 0);
	if (o->throughput) {
		bench_json_rate(line, "", f->value_ns, o->size);
	} else {
		bench_json_percentiles(line, "", &f->samples);
		bench_json_number(line, "ratio_to_line",
				  f->samples.p50_ns / result->probe_before_ns);
	}
	if (o->json) {
		bench_json_print(line);
		return;
	}
	json_object_put(line);
	if (o->throughput)
		printf("ring throughput, %u reader%s: %.2f M messages/s, "
		       "%.2f GiB/s\n",
		       o->readers, o->readers == 1 ? "" : "s", rate / 1e6,
		       rate * (double)o->size / (1ULL << 30));
	else
		printf("ring latency, one way: min %.0f, p50 %.0f, p99 %.0f, "
		       "p99.9 %.0f, max %.0f ns; %.2f x the raw line\n",
		       f->samples.min_ns, f->samples.p50_ns, f->samples.p99_ns,
		       f->samples.p999_ns, f->samples.max_ns,
		       f->samples.p50_ns / result->probe_before_ns);
	bench_print_common(o, result);
}

static int ring_latency(const struct bench_options *options)
{
	struct bench_options o = *options;
	uint64_t slots = bench_ring_slots(o.footprint, o.size, o.whole);
	struct bench_ring *rings[2];
	struct bench_side side = { "ring", rings, bench_ring_echo_open,
				   bench_ring_echo_rep, bench_ring_close };
	struct bench_plan plan = { &o, &side, 1, 1, 0, 0.5 };
	struct bench_result result;
	int code;

	bench_defaults(&o, o.block ? 200 : o.whole ?
				   bench_stream_count(&o) / 10 : 20000);
	o.throughput = false;
	o.readers = 1;
	plan.samples_nr = o.count;
	rings[0] = bench_ring_map(slots, o.size, 1);
	rings[1] = bench_ring_map(slots, o.size, 1);
	code = bench_run(&plan, &result);
	if (code == 0)
		ring_line(&o, "latency", &result);
	bench_ring_unmap(rings[0]);
	bench_ring_unmap(rings[1]);
	return code;
}

static int ring_throughput(const struct bench_options *options)
{
	struct bench_options o = *options;
	uint64_t slots = bench_ring_slots(o.footprint, o.size, o.whole);
	struct bench_ring *ring = bench_ring_map(slots, o.size, o.readers);
	struct bench_side side = { "ring", ring, bench_ring_stream_open,
				   bench_ring_stream_rep, bench_ring_close };
	struct bench_plan plan = { &o, &side, 1, o.readers, 0, 1 };
	struct bench_result result;
	int code;

	bench_defaults(&o, bench_stream_count(&o));
	o.throughput = true;
	code = bench_run(&plan, &result);
	if (code == 0)
		ring_line(&o, "throughput", &result);
	bench_ring_unmap(ring);
	return code;
}

int bench_ring(const struct bench_options *options)
{
	int code = ring_latency(options);

	return code != 0 ? code : ring_throughput(options);
}
