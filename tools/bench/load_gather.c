/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * load_gather.c - several writers, each with a channel, one reader of all.
 */
#include "load.h"

static uint32_t others(const struct cell *cell)
{
	return cell->others;
}

static uint32_t one(const struct cell *cell)
{
	(void)cell;
	return 1;
}

static uint32_t writer(uint32_t channel)
{
	return channel + 1;
}

static int reader(uint32_t channel, uint32_t id)
{
	(void)channel;
	return id == 0 ? 0 : -1;
}

/* Of @count messages each writer sends its part. */
static void pass(struct worker *w, void *state, uint64_t count,
		 uint32_t *samples)
{
	uint64_t part = (count + w->cell->others - 1) / w->cell->others;

	(void)samples;
	if (w->id == 0)
		w->peer->loops.gather(w->in, w->in_nr, state, part);
	else
		w->peer->loops.write(w->out[0], state, part);
}

static void work(struct worker *w)
{
	struct loop loop[WORKERS_MAX];

	worker_open(w);
	worker_settle(w);
	for (uint32_t i = 0; i < w->cell->others; i++)
		worker_loop(w, &loop[i]);
	worker_measure(w, pass, loop, false);
	for (uint32_t i = 0; i < w->cell->others; i++)
		worker_book(w, &loop[i]);
	worker_close(w);
}

const struct load load_gather = {
	.name = "gather",
	.what = "2, 4, 8 writers to one reader, as fast as it goes",
	.figure = LOAD_RATE,
	.channels = others,
	.readers = one,
	.writer = writer,
	.reader = reader,
	.work = work,
};
