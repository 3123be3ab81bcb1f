/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * rings.c - bare rings, one a channel.
 */
#include "rings.h"
#include "worker.h"

#include <stdio.h>
#include <stdlib.h>

/* Before it sleeps, a reader looks so often. */
enum { SPINS = 1000, CHANNELS_MAX = 256 };

struct rings {
	uint32_t nr;
	struct bench_ring *ring[CHANNELS_MAX];
};

const void *rings_poll(struct rings_end *end)
{
	const void *data = bench_ring_poll(&end->ring);

	for (uint32_t empty = 1; data == NULL && end->block; empty++) {
		if (empty % SPINS == 0)
			bench_ring_sleep(&end->ring);
		data = bench_ring_poll(&end->ring);
	}
	return data;
}

void *rings_prepare(const struct peer_plan *plan, char *why, size_t bytes)
{
	struct rings *rings = calloc(1, sizeof(*rings));
	uint64_t slots = bench_ring_slots(0, plan->size, plan->whole);

	if (rings == NULL || plan->channels > CHANNELS_MAX) {
		snprintf(why, bytes, "no memory");
		free(rings);
		return NULL;
	}
	rings->nr = plan->channels;
	for (uint32_t i = 0; i < rings->nr; i++)
		rings->ring[i] = bench_ring_map(slots, plan->size,
						plan->readers);
	return rings;
}

void rings_drop(void *ctx)
{
	struct rings *rings = ctx;

	for (uint32_t i = 0; i < rings->nr; i++)
		bench_ring_unmap(rings->ring[i]);
	free(rings);
}

static struct rings_end *end_new(struct bench_ring *ring,
				 const struct peer_plan *plan)
{
	struct rings_end *end = calloc(1, sizeof(*end));

	if (end == NULL)
		worker_fail("no memory");
	if (!plan->starts)
		worker_populate(ring, ring->bytes);
	end->buffer = worker_buffer(plan->size);
	end->size = plan->size;
	end->block = plan->block;
	return end;
}

void *rings_open_reader(void *ctx, const struct peer_plan *plan,
			uint32_t channel, uint32_t reader)
{
	struct rings *rings = ctx;
	struct rings_end *end = end_new(rings->ring[channel], plan);

	bench_ring_read_init(&end->ring, rings->ring[channel], reader);
	return end;
}

void *rings_open_writer(void *ctx, const struct peer_plan *plan,
			uint32_t channel)
{
	struct rings *rings = ctx;
	struct rings_end *end = end_new(rings->ring[channel], plan);

	bench_ring_write_init(&end->ring, rings->ring[channel]);
	return end;
}

void rings_close(void *end)
{
	struct rings_end *e = end;

	free(e->buffer);
	free(e);
}
