/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * bench_messagering.c - "zerocore bench messagering": one hop between two nodes, as half
 * a round trip.
 *
 * Beside it, in turns: one cache line that goes to and fro; with --wait block, a futex
 * that each side waits on.  (TC-6.3 of reference 1.3.1.)
 */
#include "bench_clock.h"
#include "bench_pool.h"

#include <json-c/json.h>
#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What a trip needs: to send a number, and to wait for the next. */
struct line {
	_Alignas(64) uint32_t word[2][16];	/* to worker 0, to worker 1 */
};

struct node {
	zc_pool_t *pool;
	zc_messagering_t *ring;
	uint64_t got;		/* the last number */
	uint64_t nr;
};

struct ends {
	struct line *line;	/* NULL: nodes */
	struct node node;
	uint64_t number;
};

static void *line_open(struct bench_worker *worker, void *ctx)
{
	struct ends *ends = calloc(1, sizeof(*ends));

	if (ends == NULL)
		bench_fail(worker, "no memory");
	ends->line = ctx;
	return ends;
}

static void line_close(struct bench_worker *worker, void *state)
{
	(void)worker;
	free(state);
}

static void got(const zc_message_t *message, void *ctx)
{
	struct node *node = ctx;

	memcpy(&node->got, message->payload, sizeof(node->got));
	node->nr++;
}

static void *node_open(struct bench_worker *worker, void *ctx)
{
	struct ends *ends = line_open(worker, NULL);
	struct node *node = &ends->node;
	zc_result_t result;

	node->pool = bench_pool_enter(worker, ctx);
	/* In turns: worker 0 is node 0. */
	if (worker->id != 0)
		bench_sync(worker);
	result = zc_messagering_register(node->pool, &node->ring);
	if (worker->id == 0)
		bench_sync(worker);
	if (result == ZC_OK)
		result = zc_messagering_handle(node->ring, ZC_MSG_USER, got, node);
	if (result != ZC_OK)
		bench_zc_fail(worker, "register", result);
	bench_sync(worker);
	return ends;
}

static void node_close(struct bench_worker *worker, void *state)
{
	struct ends *ends = state;

	zc_messagering_unregister(ends->node.ring);
	zc_pool_close(ends->node.pool);
	line_close(worker, state);
}

static void send_number(struct bench_worker *worker, struct ends *ends,
			uint64_t number)
{
	uint32_t *word;
	zc_result_t result;

	if (ends->line == NULL) {
		do {
			result = zc_messagering_post(ends->node.ring,
						     1 - worker->id, ZC_MSG_USER,
						     &number, sizeof(number), 0);
			/* It was away for long: until it looks again. */
		} while (result == ZC_ERROR_NOT_FOUND);
		if (result != ZC_OK)
			bench_zc_fail(worker, "post", result);
		return;
	}
	word = ends->line->word[1 - worker->id];
	__atomic_store_n(word, (uint32_t)number, __ATOMIC_RELEASE);
	if (worker->options->block)
		syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void await_number(struct bench_worker *worker, struct ends *ends,
			 uint64_t number, struct bench_rep *rep)
{
	const bool block = worker->options->block;
	const uint32_t *word;
	uint32_t now;

	if (ends->line == NULL) {
		uint64_t before = ends->node.nr;
		zc_result_t result = ZC_OK;

		while (ends->node.nr == before) {
			result = zc_messagering_on_message(
				ends->node.ring,
				block ? BENCH_PATIENCE_NS : 1000000000, NULL);
			if (result != ZC_OK && (block ||
						result != ZC_ERROR_TIMEOUT))
				bench_zc_fail(worker, "on_message", result);
		}
		rep->wrong += ends->node.got != number;
		return;
	}
	word = ends->line->word[worker->id];
	while ((now = __atomic_load_n(word, __ATOMIC_ACQUIRE)) !=
	       (uint32_t)number)
		if (block)
			syscall(SYS_futex, word, FUTEX_WAIT, now, NULL, NULL, 0);
}

static void trip_rep(struct bench_worker *worker, void *state,
		     struct bench_rep *rep)
{
	const struct bench_options *o = worker->options;
	struct ends *ends = state;

	for (uint64_t i = 0; i < o->warmup + o->count; i++) {
		uint64_t number = ++ends->number, start, paused = 0;

		if (worker->id != 0) {
			await_number(worker, ends, number, rep);
			bench_pause(worker);
			send_number(worker, ends, number);
			continue;
		}
		bench_pause(worker);
		start = bench_ticks();
		send_number(worker, ends, number);
		await_number(worker, ends, number, rep);
		/* The other side paused as long as this one does. */
		if (o->block)
			paused = bench_pause(worker);
		start = bench_ticks() - start;
		/* What is left is less than a pause was: none to speak of. */
		start = start > 2 * paused ? start - 2 * paused : 0;
		if (i >= o->warmup)
			rep->samples[i - o->warmup] = bench_sample(start);
	}
}

static void report(const struct bench_options *o,
		   const struct bench_result *result)
{
	const struct bench_figures *base = &result->side[0];
	const struct bench_figures *ring = &result->side[1];
	const char *what = o->block ? "futex" : "line";
	char key[32];

	if (o->json) {
		struct json_object *line = json_object_new_object();

		json_object_object_add(line, "bench",
				       json_object_new_string("messagering"));
		bench_json_common(line, o, result, 1);
		json_object_object_del(line, "ratio_to_ring");
		bench_json_percentiles(line, "", &ring->samples);
		snprintf(key, sizeof(key), "%s_", what);
		bench_json_percentiles(line, key, &base->samples);
		snprintf(key, sizeof(key), "ratio_to_%s", what);
		bench_json_number(line, key, ring->ratio_to[0]);
		bench_json_print(line);
		return;
	}
	printf("messagering, one hop: %.2f x the bare %s\n", ring->ratio_to[0],
	       what);
	for (int i = 1; i >= 0; i--) {
		const struct bench_figures *f = &result->side[i];

		printf("  %-11s min %.0f, p50 %.0f, p99 %.0f, p99.9 %.0f, max %.0f ns\n",
		       i ? "messagering" : what, f->samples.min_ns,
		       f->samples.p50_ns, f->samples.p99_ns, f->samples.p999_ns,
		       f->samples.max_ns);
	}
	bench_print_common(o, result);
}

int bench_messagering(const struct bench_options *options)
{
	struct bench_options o = *options;
	struct line *line = bench_shared_map(sizeof(*line), false);
	struct bench_pool_plan pool = { 0, 1 << 20, 0 };
	struct bench_side sides[2] = {
		{ o.block ? "futex" : "line", line, line_open, trip_rep,
		  line_close },
		{ "messagering", &pool, node_open, trip_rep, node_close },
	};
	struct bench_plan plan = { &o, sides, 2, 1, 0, 0.5 };
	struct bench_result result;
	int code;

	bench_defaults(&o, o.block ? 200 : 20000);
	plan.samples_nr = o.count;
	code = bench_run(&plan, &result);
	if (code == 0)
		report(&o, &result);
	bench_shared_unmap(line, sizeof(*line));
	if (code == 0 && result.side[1].wrong != 0) {
		fprintf(stderr, "zerocore: packets arrived with wrong content\n");
		return 1;
	}
	return code;
}
