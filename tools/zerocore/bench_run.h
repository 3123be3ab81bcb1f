/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * bench_run.h - several processes that measure several things side by side.
 *
 * A host may move two virtual cores closer together or further apart within
 * seconds, which changes every figure by a factor of four.  So a run is many
 * short rounds: probe, side 0, probe, side 1, probe.  A round in which the
 * probe moved is dropped and repeated, and what is reported is the ratio of
 * sides measured in the same round.
 */
#ifndef ZEROCORE_TOOL_BENCH_RUN_H
#define ZEROCORE_TOOL_BENCH_RUN_H

#include "bench_stats.h"

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BENCH_SIDES_MAX 3
#define BENCH_READERS_MAX 32
#define BENCH_WORKERS_MAX (1 + BENCH_READERS_MAX)
#define BENCH_POOLS_MAX 4

/* What the command line said; 0 is "not said" where a benchmark has its own
 * default. */
struct bench_options {
	const char *name;
	bool json;
	int pin[2];
	uint64_t size;
	uint32_t readers;
	bool whole;
	uint64_t count;
	uint64_t warmup;
	bool warmup_set;
	uint64_t reps;
	bool hazard;
	bool block;		/* --wait block */
	bool spin;		/* --wait spin */
	uint64_t footprint;
	bool timestamps;
	uint64_t pool_bytes;
	uint64_t kills;
	bool kills_writer;
	bool kills_random;
	uint64_t held;
	double utilisation;
	uint32_t cleaners;
	uint64_t seed;
	uint64_t seconds;
	bool throughput;	/* the benchmark's own: not latency */
};

struct bench_run;

/**
 * struct bench_worker - one process of a run
 * @run: shared by all workers
 * @options: of the run
 * @id: 0 writes and keeps the time, the others read
 * @readers: workers beside worker 0
 * @crowded: shares its core with other workers, so an empty poll yields
 */
struct bench_worker {
	struct bench_run *run;
	const struct bench_options *options;
	uint32_t id;
	uint32_t readers;
	bool crowded;
};

/**
 * struct bench_rep - one repetition of one side, as one worker saw it
 * @samples: room for the run's samples_nr, worker 0 fills all (in ticks)
 * @value_ns: nanoseconds a message (worker 0 sets it; with samples, it is
 *	their middle)
 * @wrong: messages whose content was not what was written
 * @lost: messages that never came
 */
struct bench_rep {
	uint32_t *samples;
	double value_ns;
	uint64_t wrong;
	uint64_t lost;
};

/**
 * struct bench_side - one of the things measured side by side
 * @name: "ring", "zerocore"...: prefix of its keys
 * @ctx: for the three functions below
 * @open: in each worker, before all repetitions; what it returns goes to @rep
 * @rep: in each worker at the same time; worker 0 reports
 * @close: in each worker, at the end
 */
struct bench_side {
	const char *name;
	void *ctx;
	void *(*open)(struct bench_worker *worker, void *ctx);
	void (*rep)(struct bench_worker *worker, void *state,
		    struct bench_rep *rep);
	void (*close)(struct bench_worker *worker, void *state);
};

/**
 * struct bench_plan - what to run
 * @options: pins, repetitions...
 * @sides: what to measure; side 0 is the base of the ratios
 * @sides_nr: 1 to BENCH_SIDES_MAX
 * @readers: processes beside the writer, at least 1 (the probe needs two)
 * @samples_nr: samples that a repetition gives, 0: it gives value_ns only
 * @sample_ticks: what one unit of a sample stands for, in ticks (a round trip
 *	is two ways: 0.5)
 */
struct bench_plan {
	const struct bench_options *options;
	const struct bench_side *sides;
	uint32_t sides_nr;
	uint32_t readers;
	size_t samples_nr;
	double sample_ticks;
};

/* Figures of one side over the rounds that were kept. */
struct bench_figures {
	struct bench_percentiles samples;
	double value_ns;	/* median of the rounds, and how far they */
	double low_ns;		/* lie apart: one in ten is below, */
	double high_ns;		/* one in ten above */
	/* Medians over rounds of this side / side j of the same round. */
	double ratio_to[BENCH_SIDES_MAX];
	double ratio_of_medians;	/* to side 0 */
	/* Medians over rounds of percentiles, divided by side 0's of the round. */
	double p50_ratio;
	double p999_ratio;
	uint64_t wrong;
	uint64_t lost;
};

/**
 * struct bench_result - what a run came to
 * @rounds: kept
 * @dropped: rounds thrown away because the placement moved
 * @moved: so many were dropped that fewer than the wanted rounds are left
 * @realtime: the workers ran at real-time priority
 * @probe_before_ns: raw one-way line transfer before a round (median)
 * @probe_after_ns: the same after it
 * @timer_ns: cost of one time stamp, contained in each sample
 * @pages: of the last pool opened: "hugetlb", "transparent", "small" or ""
 */
struct bench_result {
	uint32_t rounds;
	uint32_t dropped;
	bool moved;
	bool realtime;
	double probe_before_ns;
	double probe_after_ns;
	double timer_ns;
	char pages[16];
	struct bench_figures side[BENCH_SIDES_MAX];
};

/**
 * bench_run() - fork the workers, measure, clean up
 * @plan: what to run
 * @result: figures
 * Return: exit code; 0: @result is set. A sentence went to stderr otherwise; where
 *	no round is left because the host moved the processors, @result->moved says so.
 */
int bench_run(const struct bench_plan *plan, struct bench_result *result);

/* Waits until all workers of the run are here. */
void bench_sync(struct bench_worker *worker);

/* Ends this worker and with it the run, with a sentence. */
void bench_fail(struct bench_worker *worker, const char *fmt, ...)
	__attribute__((noreturn, format(printf, 2, 3)));

/* Reports which pages a pool got. */
void bench_set_pages(struct bench_worker *worker, const char *pages);

/**
 * bench_pause() - before a message, in --wait block: so that the other side
 * sleeps by then
 * Return: how long it took, in ticks: it is not part of the trip.
 */
uint64_t bench_pause(const struct bench_worker *worker);

/*
 * Called when nothing was there to read: gives the core to its other users.  In line: a
 * call in each turn of a loop that waits for a line notices the line 60 ns later.
 */
static inline void bench_idle(const struct bench_worker *worker,
			      uint64_t empty_polls)
{
	if (__builtin_expect(worker->crowded, 0) && empty_polls % 16 == 0)
		sched_yield();
}

/* Name of pool @index of the command that runs; removed when it ends. */
void bench_pool_name(uint32_t index, char *name, size_t bytes);

/* Removes all pools with such names. */
void bench_pools_remove(void);

/*
 * For benchmarks that fork by themselves: bench_guard_begin() makes SIGINT,
 * SIGTERM and a deadline set a flag instead of ending the parent.  Inside a guard
 * a second one only has a deadline of its own.
 */
void bench_guard_begin(uint32_t limit_s);
void bench_guard_end(void);
int bench_guard_signal(void);
void bench_child_init(int parent_pid);

/* Pins this thread. */
bool bench_pin(int cpu);

/* Asks for real-time priority, for its threads and children, too, or not. */
bool bench_realtime(bool children);
void bench_normal(void);

/* Anonymous memory shared with children, zeroed; exits when there is none. */
void *bench_shared_map(size_t bytes, bool huge);
void bench_shared_unmap(void *addr, size_t bytes);

/* Adds what every line has: who, how, probes, ratios.  Side @main is the one
 * that "ratio_to_ring" is about. */
void bench_json_common(struct json_object *line,
		       const struct bench_options *options,
		       const struct bench_result *result, uint32_t main);

/* Adds msgs_per_s and gib_per_s, each key with @prefix before it. */
void bench_json_rate(struct json_object *line, const char *prefix,
		     double ns_per_message, uint64_t size);

/* The same for people: what a figure cannot be read without. */
void bench_print_common(const struct bench_options *options,
			const struct bench_result *result);

/* Sets count, warm-up and repetitions where the command line did not. */
void bench_defaults(struct bench_options *options, uint64_t count);

/* Messages of a repetition that takes some tens of milliseconds. */
uint64_t bench_stream_count(const struct bench_options *options);

/* bench_probe.c: ping-pong of one line between worker 0 and worker 1. */
struct bench_probe {
	_Alignas(64) uint64_t word;
	_Alignas(64) uint64_t pad;
};

double bench_probe_ping(struct bench_probe *probe);
void bench_probe_pong(struct bench_probe *probe);

/* The benchmarks: each prints its own line or table. */
int bench_ring(const struct bench_options *options);
int bench_latency(const struct bench_options *options);
int bench_throughput(const struct bench_options *options);
int bench_acquire(const struct bench_options *options);
int bench_readers(const struct bench_options *options);
int bench_recovery(const struct bench_options *options);
int bench_messagering(const struct bench_options *options);
int bench_handle(const struct bench_options *options);
int bench_fragmentation(const struct bench_options *options);
int bench_guard(const struct bench_options *options);
int bench_slow(const struct bench_options *options);
int bench_cleaners(const struct bench_options *options);
int bench_idle_pool(const struct bench_options *options);

#endif /* ZEROCORE_TOOL_BENCH_RUN_H */
