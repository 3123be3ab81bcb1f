/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * load_pingpong.c - one way, as half of a round trip over two channels.
 */
#include "load.h"

static uint32_t two(const struct cell *cell)
{
	(void)cell;
	return 2;
}

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
	return channel == id ? -1 : 0;
}

static void pass(struct worker *w, void *state, uint64_t count,
		 uint32_t *samples)
{
	const struct peer_loops *loops = &w->peer->loops;
	struct loop *loop = state;

	loop->samples = samples;
	if (w->id == 0)
		loops->ask(w->out[0], w->in[0], loop, count);
	else
		loops->answer(w->out[0], w->in[0], loop, count);
}

static void work(struct worker *w)
{
	struct loop loop;

	worker_open(w);
	worker_settle(w);
	worker_loop(w, &loop);
	worker_measure(w, pass, &loop, true);
	worker_book(w, &loop);
	worker_close(w);
}

const struct load load_pingpong = {
	.name = "pingpong",
	.what = "one way, half of a round trip",
	.figure = LOAD_TIMES,
	.sample_ticks = 0.5,
	.channels = two,
	.readers = one,
	.writer = writer,
	.reader = reader,
	.work = work,
};
