/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * peer_ck.c - Concurrency Kit: slots in shared memory, a ck_ring of pointers to
 * them there, and one back, for each reader.
 */
#include "peer.h"

#ifdef PEER_CK

#include "bench_ring.h"
#include "loop.h"
#include "worker.h"

#include <ck_ring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct pair {
	_Alignas(64) ck_ring_t there;
	_Alignas(64) ck_ring_t back;
};

/* In memory that all processes have at the same address. */
struct channel {
	size_t bytes;
	unsigned char *slots;
	size_t slot_bytes;
	uint32_t slots_nr;
	uint32_t readers;
	unsigned int entries;
	ck_ring_buffer_t *there[BENCH_READERS_MAX];
	ck_ring_buffer_t *back[BENCH_READERS_MAX];
	struct pair pair[];
};

struct channels {
	uint32_t nr;
	struct channel *channel[];
};

struct end {
	struct channel *channel;
	size_t size;
	void *slot;		/* being filled or read */
	uint32_t reader;
	uint32_t fresh;		/* slots that were never used */
	uint32_t *pending;	/* readers that still have a slot */
};

/* The next slot that all readers have given back. */
static void *reserve(void *end)
{
	struct end *e = end;
	struct channel *c = e->channel;

	if (e->slot != NULL)
		return e->slot;
	if (e->fresh < c->slots_nr)
		return e->slot = c->slots + e->fresh++ * c->slot_bytes;
	for (uint32_t i = 0; i < c->readers; i++) {
		unsigned char *slot;
		uint32_t index;

		if (!ck_ring_dequeue_spsc(&c->pair[i].back, c->back[i], &slot))
			continue;
		if (c->readers == 1)
			return e->slot = slot;
		index = (uint32_t)((size_t)(slot - c->slots) / c->slot_bytes);
		if (--e->pending[index] == 0)
			return e->slot = slot;
	}
	return NULL;
}

/* A ring has more entries than there are slots: it is never full. */
static void send(void *end)
{
	struct end *e = end;
	struct channel *c = e->channel;

	if (c->readers > 1)
		e->pending[(size_t)((unsigned char *)e->slot - c->slots) /
			   c->slot_bytes] = c->readers;
	for (uint32_t i = 0; i < c->readers; i++)
		(void)ck_ring_enqueue_spsc(&c->pair[i].there, c->there[i],
					   e->slot);
	e->slot = NULL;
}

static const void *receive(void *end, size_t *bytes)
{
	struct end *e = end;
	struct channel *c = e->channel;

	*bytes = e->size;
	if (!ck_ring_dequeue_spsc(&c->pair[e->reader].there,
				  c->there[e->reader], &e->slot))
		return NULL;
	return e->slot;
}

static void release(void *end)
{
	struct end *e = end;
	struct channel *c = e->channel;

	(void)ck_ring_enqueue_spsc(&c->pair[e->reader].back,
				   c->back[e->reader], e->slot);
}

static const struct peer_verbs verbs = { reserve, send, receive, release };

LOOPS_OF(verbs);

static struct channel *channel_new(const struct peer_plan *plan)
{
	size_t slot_bytes = (plan->size + 63) / 64 * 64;
	uint32_t slots = (uint32_t)bench_ring_slots(0, plan->size, plan->whole);
	unsigned int entries = 16;
	size_t head, rings, bytes;
	struct channel *c;
	unsigned char *at;

	while (entries <= slots)
		entries *= 2;
	head = (sizeof(*c) + plan->readers * sizeof(c->pair[0]) + 63) / 64 * 64;
	rings = entries * sizeof(ck_ring_buffer_t);
	bytes = head + plan->readers * 2 * rings + slots * slot_bytes;
	c = bench_shared_map(bytes, true);
	c->bytes = bytes;
	c->slot_bytes = slot_bytes;
	c->slots_nr = slots;
	c->readers = plan->readers;
	c->entries = entries;
	at = (unsigned char *)c + head;
	for (uint32_t i = 0; i < plan->readers; i++) {
		c->there[i] = (ck_ring_buffer_t *)at;
		c->back[i] = (ck_ring_buffer_t *)(at + rings);
		at += 2 * rings;
		ck_ring_init(&c->pair[i].there, entries);
		ck_ring_init(&c->pair[i].back, entries);
	}
	c->slots = at;
	return c;
}

static void *prepare(const struct peer_plan *plan, char *why, size_t bytes)
{
	struct channels *channels = calloc(1, sizeof(*channels) +
			plan->channels * sizeof(channels->channel[0]));

	if (channels == NULL) {
		snprintf(why, bytes, "no memory");
		return NULL;
	}
	for (; channels->nr < plan->channels; channels->nr++)
		channels->channel[channels->nr] = channel_new(plan);
	return channels;
}

static void drop(void *ctx)
{
	struct channels *channels = ctx;

	for (uint32_t i = 0; i < channels->nr; i++)
		bench_shared_unmap(channels->channel[i],
				   channels->channel[i]->bytes);
	free(channels);
}

static void *open_writer(void *ctx, const struct peer_plan *plan,
			 uint32_t channel)
{
	struct channels *channels = ctx;
	struct end *end = calloc(1, sizeof(*end));

	if (end == NULL)
		worker_fail("no memory");
	end->channel = channels->channel[channel];
	end->size = plan->size;
	end->pending = calloc(end->channel->slots_nr, sizeof(*end->pending));
	if (end->pending == NULL)
		worker_fail("no memory");
	return end;
}

static void *open_reader(void *ctx, const struct peer_plan *plan,
			 uint32_t channel, uint32_t reader)
{
	struct end *end = open_writer(ctx, plan, channel);

	end->reader = reader;
	return end;
}

static void close_end(void *end)
{
	struct end *e = end;

	free(e->pending);
	free(e);
}

static const char *version(void)
{
	return worker_package("libck-dev");
}
#endif

const struct peer peer_ck = {
	.name = "ck",
	.title = "Concurrency Kit, rings of pointers",
	.traits = PEER_POLLS,
#ifdef PEER_CK
	.version = version,
	.prepare = prepare,
	.drop = drop,
	.open_reader = open_reader,
	.open_writer = open_writer,
	.close = close_end,
	.loops = LOOPS,
#else
	.left_out = "libck was not there at build time",
#endif
};
