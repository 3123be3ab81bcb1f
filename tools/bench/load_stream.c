/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * load_stream.c - one writer, one or more readers, each gets everything.
 */
#include "load.h"

static uint32_t one(const struct cell *cell)
{
	(void)cell;
	return 1;
}

static uint32_t others(const struct cell *cell)
{
	return cell->others;
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

static void pass(struct worker *w, void *state, uint64_t count,
		 uint32_t *samples)
{
	(void)samples;
	if (w->id == 0)
		w->peer->loops.write(w->out[0], state, count);
	else
		w->peer->loops.read(w->in[0], state, count);
}

static void work(struct worker *w)
{
	struct loop loop;

	worker_open(w);
	worker_settle(w);
	worker_loop(w, &loop);
	worker_measure(w, pass, &loop, false);
	worker_book(w, &loop);
	worker_close(w);
}

const struct load load_stream = {
	.name = "stream",
	.what = "one writer to 1, 2, 4, 8 readers, as fast as it goes",
	.figure = LOAD_RATE,
	.unpaced = true,
	.channels = one,
	.readers = others,
	.writer = writer,
	.reader = reader,
	.work = work,
};
