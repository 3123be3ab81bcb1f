/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * rings.c - bare rings, one a channel.
 */
#include "rings.h"
#include "worker.h"

#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Before it sleeps, a reader looks so often. */
enum { SPINS = 1000, CHANNELS_MAX = 256, MANY_SLOTS = 64 };

/* In memory that all processes share. */
struct bells {
	struct rings_bell bell[WORKERS_MAX];
	uint32_t nr;
	uint8_t of[CHANNELS_MAX][BENCH_READERS_MAX];
};

struct rings {
	uint32_t nr;
	struct bells *bells;
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

/* Of each reader's process: a flag that is looked at behind a fence. */
static void ring_bells(const struct rings_end *end)
{
	struct bells *bells = end->rings->bells;

	/* What was published before the flag; pairs with rings_await(). */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	for (uint32_t i = 0; i < end->ring.ring->readers; i++) {
		uint32_t *asleep =
			&bells->bell[bells->of[end->channel][i]].asleep;

		if (__atomic_load_n(asleep, __ATOMIC_RELAXED) != 0 &&
		    __atomic_exchange_n(asleep, 0, __ATOMIC_SEQ_CST) != 0)
			syscall(SYS_futex, asleep, FUTEX_WAKE, 1, NULL, NULL, 0);
	}
}

void rings_wake(struct rings_end *end)
{
	if (end->many)
		ring_bells(end);
	else
		bench_ring_wake(end->ring.ring);
}

struct watch {
	uint32_t *asleep;
	uint32_t nr;
	struct rings_end *end[];
};

void *rings_watch(void *const *in, uint32_t nr)
{
	struct watch *watch = calloc(1, sizeof(*watch) +
					nr * sizeof(watch->end[0]));
	struct rings_end *first = in[0];
	struct bells *bells = first->rings->bells;
	uint32_t bell = __atomic_fetch_add(&bells->nr, 1, __ATOMIC_RELAXED);

	if (watch == NULL)
		worker_fail("no memory");
	watch->asleep = &bells->bell[bell].asleep;
	for (; watch->nr < nr; watch->nr++) {
		struct rings_end *e = in[watch->nr];

		watch->end[watch->nr] = e;
		bells->of[e->channel][e->reader] = (uint8_t)bell;
	}
	return watch;
}

static uint32_t look(const struct watch *w, uint32_t *ready, uint32_t max)
{
	uint32_t nr = 0;

	for (uint32_t i = 0; i < w->nr && nr < max; i++) {
		if (bench_ring_poll(&w->end[i]->ring) != NULL)
			ready[nr++] = i;
	}
	return nr;
}

uint32_t rings_await(void *watch, uint32_t *ready, uint32_t max)
{
	struct watch *w = watch;
	uint32_t nr = look(w, ready, max);

	while (nr == 0) {
		/* The flag before the look; pairs with ring_bells(). */
		__atomic_exchange_n(w->asleep, 1, __ATOMIC_SEQ_CST);
		nr = look(w, ready, max);
		if (nr == 0)
			syscall(SYS_futex, w->asleep, FUTEX_WAIT, 1, NULL, NULL,
				0);
		__atomic_store_n(w->asleep, 0, __ATOMIC_RELAXED);
		if (nr == 0)
			nr = look(w, ready, max);
	}
	return nr;
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
	if (plan->many)
		slots = MANY_SLOTS;
	rings->bells = bench_shared_map(sizeof(*rings->bells), false);
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
	bench_shared_unmap(rings->bells, sizeof(*rings->bells));
	free(rings);
}

static struct rings_end *end_new(struct rings *rings, uint32_t channel,
				 const struct peer_plan *plan)
{
	struct rings_end *end = calloc(1, sizeof(*end));

	if (end == NULL)
		worker_fail("no memory");
	end->buffer = worker_buffer(plan->size);
	end->size = plan->size;
	end->block = plan->block;
	end->many = plan->many;
	end->rings = rings;
	end->channel = channel;
	return end;
}

void *rings_open_reader(void *ctx, const struct peer_plan *plan,
			uint32_t channel, uint32_t reader)
{
	struct rings *rings = ctx;
	struct rings_end *end = end_new(rings, channel, plan);

	end->reader = reader;
	bench_ring_read_init(&end->ring, rings->ring[channel], reader);
	return end;
}

void *rings_open_writer(void *ctx, const struct peer_plan *plan,
			uint32_t channel)
{
	struct rings *rings = ctx;
	struct rings_end *end = end_new(rings, channel, plan);

	bench_ring_write_init(&end->ring, rings->ring[channel]);
	return end;
}

void rings_close(void *end)
{
	struct rings_end *e = end;

	free(e->buffer);
	free(e);
}
