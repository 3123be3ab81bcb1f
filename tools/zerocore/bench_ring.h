/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * bench_ring.h - the bare broadcast ring that everything is compared with.
 *
 * What a message costs when nothing can go wrong: the writer fills the next
 * slot and publishes by one release store to the head line; each reader polls
 * that line, reads the slot and stores its cursor to a line of its own; the
 * writer looks at the cursors only when it has used up what it knew to be
 * free.  No owners, no sizes, no deaths, no late joiners.
 */
#ifndef ZEROCORE_TOOL_BENCH_RING_H
#define ZEROCORE_TOOL_BENCH_RING_H

#include "bench_run.h"

#include <stdbool.h>
#include <stdint.h>

struct bench_ring_line {
	_Alignas(64) uint64_t value;
	uint64_t pad[7];
};

/* In shared memory; the slots follow at BENCH_RING_SLOTS_OFF. */
struct bench_ring {
	struct bench_ring_line head;	/* messages published */
	struct bench_ring_line sleepers;
	struct bench_ring_line cursor[BENCH_READERS_MAX];
	_Alignas(64) uint64_t slots;
	uint64_t slot_bytes;
	uint64_t bytes;
	uint32_t readers;
};

#define BENCH_RING_SLOTS_OFF (2ULL << 20)

/* The writer's and a reader's own view; in private memory. */
struct bench_ring_end {
	struct bench_ring *ring;
	unsigned char *first, *end, *slot;
	uint64_t at;		/* next message to write or read */
	uint64_t limit;		/* writer: known to be free up to here */
	uint64_t *cursor;
};

/* Room for @slots messages of @size bytes to @readers readers. */
struct bench_ring *bench_ring_map(uint64_t slots, uint64_t size,
				  uint32_t readers);
void bench_ring_unmap(struct bench_ring *ring);

/* Slots that make up @footprint bytes, or a good number where that is 0. */
uint64_t bench_ring_slots(uint64_t footprint, uint64_t size, bool whole);

void bench_ring_write_init(struct bench_ring_end *end, struct bench_ring *ring);
void bench_ring_read_init(struct bench_ring_end *end, struct bench_ring *ring,
			  uint32_t reader);

/* Slow halves of the functions below. */
bool bench_ring_room(struct bench_ring_end *w);
void bench_ring_wake(struct bench_ring *ring);
void bench_ring_sleep(struct bench_ring_end *r);

static inline void bench_ring_next(struct bench_ring_end *e)
{
	e->at++;
	e->slot += e->ring->slot_bytes;
	if (e->slot == e->end)
		e->slot = e->first;
}

/* The slot to fill, or NULL while all are unread. */
static inline void *bench_ring_reserve(struct bench_ring_end *w)
{
	if (w->at == w->limit && !bench_ring_room(w))
		return NULL;
	return w->slot;
}

static inline void bench_ring_publish(struct bench_ring_end *w)
{
	bench_ring_next(w);
	__atomic_store_n(&w->ring->head.value, w->at, __ATOMIC_RELEASE);
}

/*
 * The next message, or NULL.  The head is looked at for each message: a reader
 * that remembers how far it has looked falls into one of two states, on the
 * writer's heels or far behind, which differ by a factor of two.  This one is
 * in the faster state always.
 */
static inline const void *bench_ring_poll(struct bench_ring_end *r)
{
	if (r->at == __atomic_load_n(&r->ring->head.value, __ATOMIC_ACQUIRE))
		return NULL;
	return r->slot;
}

static inline void bench_ring_release(struct bench_ring_end *r)
{
	bench_ring_next(r);
	__atomic_store_n(r->cursor, r->at, __ATOMIC_RELEASE);
}

/* The ring as a side of a run; ctx: one ring, or two (there and back). */
void *bench_ring_stream_open(struct bench_worker *worker, void *ctx);
void bench_ring_stream_rep(struct bench_worker *worker, void *state,
			   struct bench_rep *rep);
void *bench_ring_echo_open(struct bench_worker *worker, void *ctx);
void bench_ring_echo_rep(struct bench_worker *worker, void *state,
			 struct bench_rep *rep);
void bench_ring_close(struct bench_worker *worker, void *state);

#endif /* ZEROCORE_TOOL_BENCH_RING_H */
