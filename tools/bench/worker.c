/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * worker.c - the processes of one measurement.
 */
#include "worker.h"
#include "load.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif

/* Who takes longer hangs. */
#define RUN_LIMIT_MS 10000
/* Messages until it is known how long one takes. */
#define TRIAL 50
#define WARM_NS 20e6
/* Memory that is gone through at least once before it counts. */
#define WARM_BYTES (128ULL << 20)
#define WARM_MOST 20000

static struct run *mine;	/* of this process, once it is a worker */

void worker_fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (mine == NULL) {
		vfprintf(stderr, fmt, ap);
		fputc('\n', stderr);
	} else if (__atomic_exchange_n(&mine->failed, 1, __ATOMIC_ACQ_REL) == 0) {
		vsnprintf(mine->error, sizeof(mine->error), fmt, ap);
	}
	va_end(ap);
	_exit(1);
}

/*
 * First touches are not what is measured: all memory that this process shares with
 * others, whoever mapped it.  A kernel before 5.14 has it done by the warm-up.
 */
static void populate(void)
{
	FILE *f = fopen("/proc/self/maps", "re");
	unsigned long from, to;
	char line[512], mode[5];

	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		if (sscanf(line, "%lx-%lx %4s", &from, &to, mode) == 3 &&
		    mode[3] == 's' && mode[0] == 'r')
			(void)madvise((void *)from, to - from,
				      mode[1] == 'w' ? MADV_POPULATE_WRITE :
						       MADV_POPULATE_READ);
	}
	if (f != NULL)
		fclose(f);
}

void *worker_buffer(size_t bytes)
{
	void *buffer = aligned_alloc(64, (bytes + 63) / 64 * 64);

	if (buffer == NULL)
		worker_fail("no memory");
	memset(buffer, 0, bytes);
	return buffer;
}

void worker_sync(const struct worker *w)
{
	bench_barrier_wait(&w->run->barrier, !w->crowded);
}

void worker_begin(struct worker *w)
{
	mine = w->run;
	bench_child_init(w->parent_pid);
	w->crowded = w->id > 0 && w->cell->others > 1;
	/* Threads that carry messages must be served as soon as who waits. */
	if ((w->peer->traits & PEER_THREADS) != 0 && !bench_realtime(true))
		w->run->realtime = 0;
}

static void open_readers(struct worker *w, uint32_t channels)
{
	for (uint32_t c = 0; c < channels; c++) {
		int reader = w->cell->load->reader(c, w->id);

		if (reader >= 0)
			w->in[w->in_nr++] = w->peer->open_reader(
				w->ctx, w->plan, c, (uint32_t)reader);
	}
}

static void open_writers(struct worker *w, uint32_t channels)
{
	for (uint32_t c = 0; c < channels; c++) {
		if (w->cell->load->writer(c) == w->id)
			w->out[w->out_nr++] =
				w->peer->open_writer(w->ctx, w->plan, c);
	}
}

void worker_open(struct worker *w)
{
	uint32_t channels = w->plan->channels;
	uint64_t start = bench_now_ns();

	w->in = calloc(channels, sizeof(*w->in));
	w->out = calloc(channels, sizeof(*w->out));
	if (w->in == NULL || w->out == NULL)
		worker_fail("no memory");
	open_readers(w, channels);
	w->opened_ns = bench_now_ns() - start;
	worker_sync(w);
	start = bench_now_ns();
	open_writers(w, channels);
	w->opened_ns += bench_now_ns() - start;
	worker_sync(w);
	for (uint32_t i = 0; i < w->out_nr && w->peer->ready != NULL; i++)
		w->peer->ready(w->out[i]);
	for (uint32_t i = 0; i < w->in_nr && w->peer->ready != NULL; i++)
		w->peer->ready(w->in[i]);
	worker_sync(w);
}

void worker_close(struct worker *w)
{
	worker_sync(w);
	for (uint32_t i = 0; i < w->out_nr; i++)
		w->peer->close(w->out[i]);
	for (uint32_t i = 0; i < w->in_nr; i++)
		w->peer->close(w->in[i]);
	if (w->peer->leave != NULL)
		w->peer->leave();
	free(w->in);
	free(w->out);
}

/* The first worker on the second processor. */
static uint32_t opposite(const struct worker *w)
{
	return w->cell->load->firsts > 0 ? w->cell->load->firsts : 1;
}

void worker_settle(struct worker *w)
{
	int cpu = w->pin[w->id < opposite(w) ? 0 : 1];

	if (!bench_pin(cpu))
		worker_fail("cannot pin to processor %d: choose others by --pin",
			    cpu);
	if (!bench_realtime((w->peer->traits & PEER_THREADS) != 0))
		w->run->realtime = 0;
	if (!w->plan->starts)
		populate();
	worker_sync(w);
}

double worker_probe(struct worker *w)
{
	double ns = 0;

	worker_sync(w);
	if (w->id == 0)
		ns = bench_probe_ping(&w->run->probe);
	else if (w->id == opposite(w))
		bench_probe_pong(&w->run->probe);
	worker_sync(w);
	return ns;
}

void worker_loop(const struct worker *w, struct loop *loop)
{
	*loop = (struct loop){
		.size = w->cell->size,
		.whole = w->cell->whole,
		.block = w->plan->block,
		.spoil = w->spoil,
		.yield = (w->peer->traits & PEER_THREADS) != 0 ? 1 :
			 w->crowded				 ? 16 :
								   0,
	};
}

void worker_book(const struct worker *w, const struct loop *loop)
{
	__atomic_add_fetch(&w->run->checked, loop->seen, __ATOMIC_RELAXED);
	__atomic_add_fetch(&w->run->wrong, loop->wrong, __ATOMIC_RELAXED);
}

typedef void pass_fn(struct worker *w, void *state, uint64_t count,
		     uint32_t *samples);

/* All send and receive @count messages, as worker 0 says; how long it took. */
static double phase(struct worker *w, pass_fn *pass, void *state,
		    uint64_t count, uint32_t *samples)
{
	uint64_t start;

	if (w->id == 0)
		w->run->count = count;
	worker_sync(w);
	start = bench_ticks();
	pass(w, state, w->run->count, samples);
	worker_sync(w);
	return (double)(bench_ticks() - start) * bench_ns_per_tick();
}

static uint64_t clamp(double value, uint64_t low, uint64_t high)
{
	return value < (double)low ? low :
	       value > (double)high ? high : (uint64_t)value;
}

void worker_measure(struct worker *w, pass_fn *pass, void *state, bool sampled)
{
	struct run *run = w->run;
	double budget_ns = (double)w->budget_ns, warm_ns = budget_ns, each, ns;
	uint64_t warm, part, count;

	if (warm_ns < WARM_NS)
		warm_ns = WARM_NS;

	/*
	 * A repetition takes as long for a slow peer as for a fast one.  How long a
	 * message takes is known when all is warm, and no sooner.
	 */
	each = phase(w, pass, state, TRIAL, NULL) / TRIAL;
	warm = clamp(WARM_BYTES / (double)w->cell->size, 20, WARM_MOST);
	do {
		part = clamp(warm_ns / each, warm < 4 ? warm : 4, warm);
		ns = phase(w, pass, state, part, NULL);
		each = ns / (double)part;
		warm_ns -= ns;
		warm -= part;
		if (w->id == 0)
			run->cold = warm > 0 && warm_ns > 0;
		worker_sync(w);
	} while (run->cold);
	count = clamp(budget_ns / each, 8, sampled ? SAMPLES_MAX : 10000000);
	run->probe_before_ns += worker_probe(w);
	ns = phase(w, pass, state, count, sampled ? run->samples : NULL);
	if (w->id == 0) {
		run->value_ns = ns / (double)count;
		run->samples_nr = sampled ? count : 0;
	}
	run->probe_after_ns += worker_probe(w);
}

static void end_all(pid_t *pid, uint32_t nr)
{
	for (uint32_t i = 0; i < nr; i++) {
		if (pid[i] > 0)
			kill(pid[i], SIGKILL);
	}
}

/* Takes the end of one worker; false: it did not end well. */
static bool take_end(struct run *run, pid_t pid)
{
	int status = 1;

	if (waitpid(pid, &status, 0) != pid)
		return false;
	if (WIFSIGNALED(status) && run->error[0] == '\0')
		snprintf(run->error, sizeof(run->error),
			 "a process was ended by signal %d", WTERMSIG(status));
	return status == 0;
}

/* Others wait for a worker that fails: the first that ends badly ends all. */
static bool wait_all(struct worker *w, pid_t *pid, uint32_t nr)
{
	int64_t until_ms = (int64_t)(bench_now_ns() / 1000000) + RUN_LIMIT_MS;
	struct pollfd pfd[WORKERS_MAX];
	bool good = true;

	for (uint32_t i = 0; i < nr; i++) {
		pfd[i].events = POLLIN;
		pfd[i].fd = pid[i] > 0 ?
			    (int)syscall(SYS_pidfd_open, pid[i], 0) : -1;
	}
	for (uint32_t left = nr; left > 0 && good;) {
		int64_t wait_ms = until_ms - (int64_t)(bench_now_ns() / 1000000);

		if (wait_ms <= 0 || bench_guard_signal() != 0)
			break;
		left = 0;
		for (uint32_t i = 0; i < nr; i++)
			left += pid[i] > 0;
		if (left == 0 || poll(pfd, nr, (int)wait_ms) < 0)
			continue;
		for (uint32_t i = 0; i < nr; i++) {
			if (pid[i] <= 0 || (pfd[i].revents & POLLIN) == 0)
				continue;
			good &= take_end(w->run, pid[i]);
			pid[i] = 0;
			close(pfd[i].fd);
			pfd[i].fd = -1;
		}
	}
	for (uint32_t i = 0; i < nr; i++) {
		if (pid[i] <= 0)
			continue;
		kill(pid[i], SIGKILL);
		waitpid(pid[i], NULL, 0);
		close(pfd[i].fd);
		if (good && w->run->error[0] == '\0')
			snprintf(w->run->error, sizeof(w->run->error),
				 "not done within %d s", RUN_LIMIT_MS / 1000);
		good = false;
	}
	return good;
}

bool worker_run(struct worker *w)
{
	uint32_t nr = 1 + w->cell->others;
	pid_t pid[WORKERS_MAX] = { 0 };
	struct run *run = w->run;
	uint64_t began_ns;
	bool good;

	memset(run, 0, offsetof(struct run, samples));
	run->barrier.workers = nr;
	run->realtime = 1;
	w->parent_pid = (int)getpid();
	began_ns = bench_now_ns();
	w->ctx = w->peer->prepare(w->plan, run->error, sizeof(run->error));
	if (w->ctx == NULL) {
		run->refused = 1;
		return false;
	}
	run->prepare_ns = bench_now_ns() - began_ns;
	fflush(NULL);
	for (uint32_t i = 0; i < nr; i++) {
		pid[i] = fork();
		if (pid[i] == 0) {
			w->id = i;
			worker_begin(w);
			w->cell->load->work(w);
			fflush(NULL);
			/* Handlers of libraries at exit are not measured. */
			_exit(0);
		}
		if (pid[i] < 0) {
			snprintf(run->error, sizeof(run->error),
				 "cannot fork: %s", strerror(errno));
			end_all(pid, i);
			nr = i;
			break;
		}
	}
	good = wait_all(w, pid, nr);
	w->peer->drop(w->ctx);
	return good && run->error[0] == '\0';
}
