/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * bench_run.c - rounds of probes and repetitions, in several processes.
 *
 * All workers go through the same script in step (bench_sync()); worker 0
 * keeps the books in memory shared with the parent, which only waits.
 */
#include "bench_run.h"
#include "bench_barrier.h"
#include "bench_clock.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* More than this between the probes of a round: the cores were moved. */
#define MOVED_RATIO 1.2
/* A round whose probe is that far from the median is of another placement. */
#define PLACEMENT_RATIO 1.25
#define RUN_LIMIT_S 300
#define ROUNDS_MAX 4096

struct bench_round {
	double probe[BENCH_SIDES_MAX + 1];
	double value_ns[BENCH_SIDES_MAX];
	double p50_ns[BENCH_SIDES_MAX];
	double p999_ns[BENCH_SIDES_MAX];
};

struct bench_run {
	const struct bench_plan *plan;	/* same address in all: forked */
	uint32_t workers;
	uint32_t realtime;
	int parent_pid;

	struct bench_barrier barrier;
	struct bench_probe probe;

	_Alignas(64) uint32_t attempts;
	uint32_t attempts_max;
	uint32_t kept;
	uint32_t moved;
	uint32_t finished;
	struct bench_round round[ROUNDS_MAX];
	uint32_t *samples[BENCH_SIDES_MAX];
	size_t samples_bytes;

	_Alignas(64) uint64_t wrong[BENCH_SIDES_MAX];
	uint64_t lost[BENCH_SIDES_MAX];
	char pages[16];
	uint32_t failed;
	char error[512];
};

void bench_sync(struct bench_worker *worker)
{
	/* Who shares a core must not spin: the others would not get here. */
	bench_barrier_wait(&worker->run->barrier, !worker->crowded);
}

void bench_fail(struct bench_worker *worker, const char *fmt, ...)
{
	struct bench_run *run = worker->run;
	va_list ap;

	va_start(ap, fmt);
	if (__atomic_exchange_n(&run->failed, 1, __ATOMIC_ACQ_REL) == 0)
		vsnprintf(run->error, sizeof(run->error), fmt, ap);
	va_end(ap);
	_exit(1);
}

void bench_set_pages(struct bench_worker *worker, const char *pages)
{
	snprintf(worker->run->pages, sizeof(worker->run->pages), "%s", pages);
}

/* Busy, not asleep: this side's own wake-up is not what is measured. */
#define PAUSE_NS 100000

uint64_t bench_pause(const struct bench_worker *worker)
{
	uint64_t ticks = (uint64_t)(PAUSE_NS / bench_ns_per_tick());
	uint64_t start, now;

	if (!worker->options->block)
		return 0;
	start = now = bench_ticks();
	while (now - start < ticks)
		now = bench_ticks();
	return now - start;
}

static double probe(struct bench_worker *worker)
{
	double ns = 0;

	bench_sync(worker);
	if (worker->id == 0)
		ns = bench_probe_ping(&worker->run->probe);
	else if (worker->id == 1)
		bench_probe_pong(&worker->run->probe);
	bench_sync(worker);
	return ns;
}

static int compare_round_probe(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The placement that most rounds had: their median first probe. */
static double usual_probe(const struct bench_run *run)
{
	static double first[ROUNDS_MAX];

	for (uint32_t i = 0; i < run->kept; i++)
		first[i] = run->round[i].probe[0];
	if (run->kept == 0)
		return 0;
	qsort(first, run->kept, sizeof(first[0]), compare_round_probe);
	return first[run->kept / 2];
}

static bool same_placement(const struct bench_round *round, double usual)
{
	return round->probe[0] <= usual * PLACEMENT_RATIO &&
	       round->probe[0] >= usual / PLACEMENT_RATIO;
}

static uint32_t usual_rounds(const struct bench_run *run)
{
	double usual = usual_probe(run);
	uint32_t nr = 0;

	for (uint32_t i = 0; i < run->kept; i++)
		nr += same_placement(&run->round[i], usual);
	return nr;
}

/* Worker 0: keep this round or not, and is it enough? */
static void judge(struct bench_run *run, const struct bench_round *round)
{
	uint32_t probes = run->plan->sides_nr + 1;
	double low = round->probe[0], high = round->probe[0];

	for (uint32_t i = 1; i < probes; i++) {
		if (round->probe[i] < low)
			low = round->probe[i];
		if (round->probe[i] > high)
			high = round->probe[i];
	}
	/* The first round warms up caches, page tables and the processes. */
	if (run->attempts++ > 0) {
		if (high > low * MOVED_RATIO)
			run->moved++;
		else
			run->round[run->kept++] = *round;
	}
	run->finished = usual_rounds(run) >= run->plan->options->reps ||
			run->attempts >= run->attempts_max ||
			run->kept >= ROUNDS_MAX;
}

static void one_round(struct bench_worker *worker, void *const *state)
{
	struct bench_run *run = worker->run;
	const struct bench_plan *plan = run->plan;
	struct bench_round round;
	bool reverse = run->attempts % 2 == 1;

	memset(&round, 0, sizeof(round));
	round.probe[0] = probe(worker);
	for (uint32_t k = 0; k < plan->sides_nr; k++) {
		/* To and fro, so that a drift favours neither side. */
		uint32_t i = reverse ? plan->sides_nr - 1 - k : k;
		struct bench_rep rep = { 0 };

		if (plan->samples_nr > 0)
			rep.samples = run->samples[i] +
				      (size_t)run->kept * plan->samples_nr;
		plan->sides[i].rep(worker, state[i], &rep);
		round.value_ns[i] = rep.value_ns;
		if (rep.wrong > 0)
			__atomic_add_fetch(&run->wrong[i], rep.wrong,
					   __ATOMIC_RELAXED);
		if (rep.lost > 0)
			__atomic_add_fetch(&run->lost[i], rep.lost,
					   __ATOMIC_RELAXED);
		round.probe[k + 1] = probe(worker);
	}
	if (worker->id == 0)
		judge(run, &round);
	bench_sync(worker);
}

static void worker_main(struct bench_run *run, uint32_t id)
{
	const struct bench_plan *plan = run->plan;
	const struct bench_options *options = plan->options;
	struct bench_worker worker = {
		.run = run,
		.options = options,
		.id = id,
		.readers = plan->readers,
		.crowded = id > 0 && plan->readers > 1,
	};
	void *state[BENCH_SIDES_MAX] = { NULL };
	int cpu = options->pin[id == 0 ? 0 : 1];

	bench_child_init(run->parent_pid);
	/* Page faults while samples are stored would be one in a thousand. */
	for (uint32_t i = 0; id == 0 && i < plan->sides_nr; i++) {
		if (run->samples_bytes > 0)
			memset(run->samples[i], 0, run->samples_bytes);
	}
	for (uint32_t i = 0; i < plan->sides_nr; i++) {
		state[i] = plan->sides[i].open(&worker, plan->sides[i].ctx);
		bench_sync(&worker);
	}
	/* After the pools are open: their background threads keep out of it. */
	if (!bench_pin(cpu))
		bench_fail(&worker,
			   "cannot pin to processor %d: choose others by --pin",
			   cpu);
	if (!bench_realtime(false))
		__atomic_store_n(&run->realtime, 0, __ATOMIC_RELAXED);
	bench_sync(&worker);
	while (!__atomic_load_n(&run->finished, __ATOMIC_ACQUIRE))
		one_round(&worker, state);
	bench_sync(&worker);
	for (uint32_t i = 0; i < plan->sides_nr; i++)
		plan->sides[i].close(&worker, state[i]);
	_exit(0);
}

static void kill_all(pid_t *pid, uint32_t nr)
{
	for (uint32_t i = 0; i < nr; i++) {
		if (pid[i] > 0)
			kill(pid[i], SIGKILL);
	}
}

/* Waits for all workers; the first that fails ends the others. */
static int wait_all(struct bench_run *run, pid_t *pid)
{
	uint32_t left = run->workers;
	bool killed = false;
	int code = 0;

	while (left > 0) {
		int status, number = bench_guard_signal();
		pid_t who = -1;

		if (number != 0 && !killed) {
			kill_all(pid, run->workers);
			killed = true;
			code = number == SIGALRM ? 1 : 128 + number;
			if (number == SIGALRM)
				snprintf(run->error, sizeof(run->error),
					 "not done within %d s: ask for fewer "
					 "--count or --reps", RUN_LIMIT_S);
		}
		who = waitpid(-1, &status, 0);
		if (who < 0)
			continue;
		for (uint32_t i = 0; i < run->workers; i++) {
			if (pid[i] != who)
				continue;
			pid[i] = 0;
			left--;
			if (status == 0 || killed)
				continue;
			code = 1;
			killed = true;
			kill_all(pid, run->workers);
			if (WIFSIGNALED(status) && run->error[0] == '\0')
				snprintf(run->error, sizeof(run->error),
					 "a worker was ended by signal %d",
					 WTERMSIG(status));
		}
	}
	return code;
}

/* A round's value is the middle of its samples, where there are samples. */
static void value_from_samples(struct bench_run *run, uint32_t r)
{
	const struct bench_plan *plan = run->plan;
	double unit_ns = bench_ns_per_tick() * plan->sample_ticks;
	struct bench_percentiles p;

	for (uint32_t i = 0; i < plan->sides_nr; i++) {
		uint32_t *samples = run->samples[i] + r * plan->samples_nr;

		bench_percentiles_of(samples, plan->samples_nr, unit_ns, &p);
		run->round[r].value_ns[i] =
			bench_middle(samples, plan->samples_nr, unit_ns);
		run->round[r].p50_ns[i] = p.p50_ns;
		run->round[r].p999_ns[i] = p.p999_ns;
	}
}

/* Copies what a side measured in the rounds of the usual placement. */
static uint32_t usual_values(struct bench_run *run, uint32_t i, double usual,
			     double *value)
{
	uint32_t nr = 0;

	for (uint32_t r = 0; r < run->kept; r++) {
		if (same_placement(&run->round[r], usual))
			value[nr++] = run->round[r].value_ns[i];
	}
	return nr;
}

/* Moves the samples of those rounds together. */
static size_t usual_samples(struct bench_run *run, uint32_t i, double usual)
{
	size_t each = run->plan->samples_nr, nr = 0;

	for (uint32_t r = 0; r < run->kept; r++) {
		if (!same_placement(&run->round[r], usual))
			continue;
		if (nr != r * each)
			memmove(run->samples[i] + nr,
				run->samples[i] + r * each,
				each * sizeof(uint32_t));
		nr += each;
	}
	return nr;
}

/* Of percentiles of the same round, side @i's to side 0's. */
static void percentile_ratios(const struct bench_run *run, uint32_t i,
			      double usual, struct bench_figures *out)
{
	static double p50[ROUNDS_MAX], p999[ROUNDS_MAX];
	uint32_t nr = 0;

	for (uint32_t r = 0; r < run->kept; r++) {
		const struct bench_round *round = &run->round[r];

		if (!same_placement(round, usual))
			continue;
		p50[nr] = round->p50_ns[i] / round->p50_ns[0];
		p999[nr++] = round->p999_ns[i] / round->p999_ns[0];
	}
	out->p50_ratio = bench_median(p50, nr);
	out->p999_ratio = bench_median(p999, nr);
}

static void summarise_side(struct bench_run *run, uint32_t i, double usual,
			   struct bench_figures *out)
{
	static double mine[ROUNDS_MAX], other[ROUNDS_MAX];
	const struct bench_plan *plan = run->plan;
	uint32_t nr;
	size_t samples;

	for (uint32_t j = 0; j < plan->sides_nr; j++) {
		nr = usual_values(run, i, usual, mine);
		usual_values(run, j, usual, other);
		for (uint32_t r = 0; r < nr; r++)
			other[r] = mine[r] / other[r];
		out->ratio_to[j] = bench_median(other, nr);
	}
	nr = usual_values(run, i, usual, mine);
	out->value_ns = bench_median(mine, nr);
	out->low_ns = bench_quantile(mine, nr, 0.1);
	out->high_ns = bench_quantile(mine, nr, 0.9);
	samples = usual_samples(run, i, usual);
	if (samples > 0)
		bench_percentiles_of(run->samples[i], samples,
				     bench_ns_per_tick() * plan->sample_ticks,
				     &out->samples);
	if (plan->samples_nr > 0)
		percentile_ratios(run, i, usual, out);
	out->wrong = run->wrong[i];
	out->lost = run->lost[i];
}

static int summarise(struct bench_run *run, struct bench_result *result)
{
	const struct bench_plan *plan = run->plan;
	double before[ROUNDS_MAX], after[ROUNDS_MAX];
	double usual = usual_probe(run);
	uint32_t nr = 0;

	for (uint32_t r = 0; r < run->kept; r++) {
		if (!same_placement(&run->round[r], usual))
			continue;
		before[nr] = run->round[r].probe[0];
		after[nr++] = run->round[r].probe[plan->sides_nr];
	}
	memset(result, 0, sizeof(*result));
	if (nr == 0) {
		result->moved = true;
		fprintf(stderr,
			"zerocore: the host moved the processors in each of "
			"%u rounds: try again, or with a smaller --count\n",
			run->attempts);
		return 1;
	}
	result->rounds = nr;
	result->dropped = run->moved + run->kept - nr;
	result->moved = nr < plan->options->reps;
	result->realtime = run->realtime != 0;
	result->probe_before_ns = bench_median(before, nr);
	result->probe_after_ns = bench_median(after, nr);
	result->timer_ns = bench_timer_cost_ns();
	memcpy(result->pages, run->pages, sizeof(result->pages));
	for (uint32_t r = 0; r < run->kept && plan->samples_nr > 0; r++)
		value_from_samples(run, r);
	for (uint32_t i = 0; i < plan->sides_nr; i++)
		summarise_side(run, i, usual, &result->side[i]);
	for (uint32_t i = 0; i < plan->sides_nr; i++)
		result->side[i].ratio_of_medians = result->side[i].value_ns /
						   result->side[0].value_ns;
	return 0;
}

int bench_run(const struct bench_plan *plan, struct bench_result *result)
{
	struct bench_run *run = bench_shared_map(sizeof(*run), false);
	pid_t pid[BENCH_WORKERS_MAX] = { 0 };
	char name[48];
	int code;

	/* Once, before the forks: all use the parent's. */
	(void)bench_ns_per_tick();
	bench_pool_name(0, name, sizeof(name));
	run->plan = plan;
	run->workers = 1 + plan->readers;
	run->barrier.workers = run->workers;
	run->realtime = 1;
	run->parent_pid = (int)getpid();
	run->attempts_max = (uint32_t)plan->options->reps * 4 + 20;
	run->samples_bytes = (size_t)(run->attempts_max + 1) *
			     plan->samples_nr * sizeof(uint32_t);
	for (uint32_t i = 0; i < plan->sides_nr && plan->samples_nr > 0; i++)
		run->samples[i] = bench_shared_map(run->samples_bytes, false);
	bench_guard_begin(RUN_LIMIT_S);
	fflush(NULL);
	for (uint32_t i = 0; i < run->workers; i++) {
		pid[i] = fork();
		if (pid[i] == 0)
			worker_main(run, i);
		if (pid[i] < 0) {
			snprintf(run->error, sizeof(run->error),
				 "cannot fork: %s", strerror(errno));
			kill_all(pid, i);
			run->workers = i;
			break;
		}
	}
	code = wait_all(run, pid);
	bench_guard_end();
	bench_pools_remove();
	if (code != 0 || run->error[0] != '\0') {
		if (run->error[0] != '\0')
			fprintf(stderr, "zerocore: %s\n", run->error);
		code = code != 0 ? code : 1;
	} else {
		code = summarise(run, result);
	}
	for (uint32_t i = 0; i < plan->sides_nr && plan->samples_nr > 0; i++)
		bench_shared_unmap(run->samples[i], run->samples_bytes);
	bench_shared_unmap(run, sizeof(*run));
	return code;
}
