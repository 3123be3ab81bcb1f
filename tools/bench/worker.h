/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * worker.h - the processes of one measurement.
 *
 * A measurement is: fork, open, probe, warm up, measure, probe, close, exit.  Each
 * has processes of its own, so that no peer's threads are there while another
 * one is measured.
 */
#ifndef ZEROCORE_BENCH_WORKER_H
#define ZEROCORE_BENCH_WORKER_H

#include "bench_barrier.h"
#include "bench_run.h"
#include "loop.h"
#include "peer.h"

enum {
	WORKERS_MAX = 1 + BENCH_READERS_MAX,
	SAMPLES_MAX = 1 << 18,
};

struct load;

/* One row of the matrix: what is measured of each peer. */
struct cell {
	const struct load *load;
	size_t size;
	bool whole;
	bool block;
	uint32_t others;	/* processes beside worker 0 */
};

/* What one measurement brought; in memory that all its processes share. */
struct run {
	struct bench_barrier barrier;
	struct bench_probe probe;
	_Alignas(64) uint64_t count;	/* of the phase that comes */
	bool cold;		/* warming goes on */
	double probe_before_ns;
	double probe_after_ns;
	double value_ns;	/* a message; the load may say what else */
	double open_ns;		/* the writer's end, and what goes before it */
	double attach_ns;	/* a reader's end */
	double memory_kib;	/* that were not there before */
	double cpu_percent;	/* of one processor, all processes together */
	double cpu_message_ns;	/* the same for each message that arrived */
	double rate_kept;	/* messages sent, of those that were due */
	uint64_t checked;	/* messages */
	uint64_t wrong;		/* messages that were not what was sent */
	uint64_t lost;
	uint64_t samples_nr;
	uint64_t prepare_ns;	/* that the command took for it */
	uint64_t start_ns;	/* when timers begin */
	uint64_t cpu_ns;	/* of the workers so far */
	uint64_t sent, arrived;	/* messages */
	uint32_t realtime;
	uint32_t failed;
	uint32_t refused;	/* the peer could not be prepared for it */
	uint32_t part_nr[WORKERS_MAX];	/* samples of each worker */
	char error[256];
	uint32_t samples[SAMPLES_MAX];
};

struct worker {
	struct run *run;
	const struct cell *cell;
	const struct peer *peer;
	const struct peer_plan *plan;
	void *ctx;		/* the peer's */
	uint64_t budget_ns;	/* that a repetition should take */
	uint64_t spoil;		/* message that is sent wrong */
	int pin[2];
	int parent_pid;
	uint64_t opened_ns;	/* how long this one took to open its ends */
	uint32_t id;
	uint32_t in_nr, out_nr;
	void **in, **out;	/* its ends */
	bool crowded;		/* shares a processor with other workers */
};

/* Ends this process and with it the measurement, with a sentence. */
void worker_fail(const char *fmt, ...)
	__attribute__((noreturn, format(printf, 1, 2)));

/* A private message, zeroed, aligned to a cache line. */
void *worker_buffer(size_t bytes);

/* Versions: of the kernel; of a Debian package, where nothing else says. */
const char *worker_kernel(void);
const char *worker_package(const char *name);

/* A process's memory in KiB, as smaps_rollup has it: "Rss", "Pss"; 0: not known. */
double worker_memory_kib(int pid, const char *which);

void worker_sync(const struct worker *w);

/* What a process does first. */
void worker_begin(struct worker *w);

/* Opens the ends that the load gives to this worker; returns when all can talk. */
void worker_open(struct worker *w);
void worker_close(struct worker *w);

/* From here on: its own processor, real-time priority. */
void worker_settle(struct worker *w);

/* The raw line between worker 0 and the first on the other processor; all call
 * it; 0 in all but worker 0. */
double worker_probe(struct worker *w);

void worker_loop(const struct worker *w, struct loop *loop);

/* Adds what @loop has found to the run's books. */
void worker_book(const struct worker *w, const struct loop *loop);

/*
 * Probe, find out how long a message takes, warm up, measure, probe; @pass
 * sends and receives @count messages.  value_ns is the time a message takes, or
 * of samples their half: a round trip is two ways.
 */
void worker_measure(struct worker *w,
		    void (*pass)(struct worker *w, void *state, uint64_t count,
				 uint32_t *samples),
		    void *state, bool sampled);

/*
 * Runs @w in all its processes.  Returns false with a sentence in run->error.
 */
bool worker_run(struct worker *w);

#endif /* ZEROCORE_BENCH_WORKER_H */
