/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * load_start.c - from nothing to the first message, and the memory that it took.
 */
#include "load.h"

#include <unistd.h>

static uint32_t one(const struct cell *cell)
{
	(void)cell;
	return 1;
}

static uint32_t writer(uint32_t channel)
{
	return channel;
}

static int reader(uint32_t channel, uint32_t id)
{
	(void)channel;
	return (int)id - 1;
}

/* Its part of the memory that it uses, in KiB; shared pages by halves. */
static double memory_of(int pid)
{
	return worker_memory_kib(pid, "Pss");
}

/* One after the other: what they have in common is halved by each. */
static void add_memory(struct worker *w, double before)
{
	for (uint32_t i = 0; i <= w->cell->others; i++) {
		if (i == w->id)
			w->run->memory_kib += memory_of(getpid()) - before;
		worker_sync(w);
	}
	if (w->id == 0 && w->peer->daemon != NULL)
		w->run->memory_kib += memory_of(w->peer->daemon());
	if (w->id == 0 && w->run->memory_kib < 0)
		w->run->memory_kib = 0;
}

static void work(struct worker *w)
{
	struct run *run = w->run;
	struct loop loop;
	uint64_t start;
	double before;

	/* The daemon is not asked to be as fast: it is there before. */
	if (!bench_realtime((w->peer->traits & PEER_THREADS) != 0))
		run->realtime = 0;
	/* All are there by now: what they were forked with is shared by as many. */
	worker_sync(w);
	before = memory_of(getpid());
	worker_sync(w);
	if (w->id == 0)
		run->open_ns = (double)run->prepare_ns;
	start = bench_now_ns();
	worker_open(w);
	worker_loop(w, &loop);
	if (w->id == 0) {
		w->peer->loops.write(w->out[0], &loop, 1);
	} else {
		w->peer->loops.read(w->in[0], &loop, 1);
		run->value_ns = (double)(run->prepare_ns + bench_now_ns() - start);
		run->attach_ns = (double)w->opened_ns;
	}
	worker_sync(w);
	if (w->id == 0)
		run->open_ns += (double)w->opened_ns;
	add_memory(w, before);
	worker_book(w, &loop);
	worker_close(w);
}

const struct load load_start = {
	.name = "start",
	.what = "from nothing to the first message, and the memory it took",
	.figure = LOAD_VALUE,
	.sample_ticks = 1,
	.unpaced = true,
	.starts = true,
	.channels = one,
	.readers = one,
	.writer = writer,
	.reader = reader,
	.work = work,
};
