/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * loop.h - what is done over and over while the clock runs.
 *
 * The same for all peers: written once, and compiled into each peer's file with
 * its verbs in place, so that a ring that costs a few nanoseconds is not
 * measured by calls through pointers.  Every message is filled and checked by
 * bench_payload.h.
 */
#ifndef ZEROCORE_BENCH_LOOP_H
#define ZEROCORE_BENCH_LOOP_H

#include "bench_clock.h"
#include "bench_payload.h"
#include "peer.h"

#include <sched.h>

#define LOOP_INLINE static inline __attribute__((always_inline))

/* One side's state; goes on from one call to the next. */
struct loop {
	size_t size;
	bool whole;
	bool block;
	uint32_t yield;		/* empty looks between two sched_yield(); 0: none */
	uint64_t sent;		/* messages, which is also the next one's number */
	uint64_t seen;
	uint64_t spoil;		/* this one is sent with a wrong byte */
	uint64_t wrong;
	uint32_t *samples;	/* ticks of each round trip, or NULL */
};

LOOP_INLINE void loop_idle(const struct loop *loop, uint64_t empty)
{
	if (loop->yield != 0 && empty % loop->yield == 0)
		sched_yield();
}

LOOP_INLINE void loop_send(const struct peer_verbs *verbs, void *out,
			   struct loop *loop, uint64_t number)
{
	unsigned char *data;

	for (uint64_t full = 1; (data = verbs->reserve(out)) == NULL; full++)
		loop_idle(loop, full);
	bench_fill(data, loop->size, number, loop->whole);
	if (__builtin_expect(loop->sent == loop->spoil, 0))
		data[loop->size - 1] ^= 1;
	loop->sent++;
	verbs->send(out);
}

/* Returns the number that the message carries; @own: check it against that. */
LOOP_INLINE uint64_t loop_take(const struct peer_verbs *verbs, void *in,
			       struct loop *loop, bool own)
{
	const void *data;
	uint64_t number;
	size_t bytes;

	for (uint64_t empty = 1; (data = verbs->receive(in, &bytes)) == NULL;
	     empty++)
		loop_idle(loop, empty);
	number = own ? bench_number(data, loop->size) : loop->seen;
	loop->wrong += bytes != loop->size ||
		       !bench_check(data, loop->size, number, loop->whole);
	loop->seen++;
	verbs->release(in);
	return number;
}

/* So long does the other side wait before it writes: this one sleeps by then. */
#define LOOP_PAUSE_NS 100000

/* Busy: its own wake-up is not what is measured. */
static inline uint64_t loop_pause(void)
{
	uint64_t ticks = (uint64_t)(LOOP_PAUSE_NS / bench_ns_per_tick());
	uint64_t start = bench_ticks(), now = start;

	while (now - start < ticks)
		now = bench_ticks();
	return now - start;
}

/*
 * Ping-pong.  Where sides sleep, each pauses before it writes; the answer says
 * for how long, and that is taken off the round trip.
 */
LOOP_INLINE void loop_ask(const struct peer_verbs *verbs, void *out, void *in,
			  struct loop *loop, uint64_t count)
{
	const bool block = loop->block;
	uint64_t last = bench_ticks();

	for (uint64_t i = 0; i < count; i++) {
		uint64_t now, paused;

		if (block) {
			loop_pause();
			last = bench_ticks();
		}
		loop_send(verbs, out, loop, loop->sent);
		paused = loop_take(verbs, in, loop, block);
		/* The end of a trip is the start of the next one. */
		now = bench_ticks();
		if (loop->samples != NULL)
			loop->samples[i] = bench_sample(
				now - last - (block ? paused : 0));
		last = now;
	}
}

LOOP_INLINE void loop_answer(const struct peer_verbs *verbs, void *out,
			     void *in, struct loop *loop, uint64_t count)
{
	const bool block = loop->block;

	for (uint64_t i = 0; i < count; i++) {
		loop_take(verbs, in, loop, block);
		loop_send(verbs, out, loop, block ? loop_pause() : loop->sent);
	}
}

LOOP_INLINE void loop_write(const struct peer_verbs *verbs, void *out,
			    struct loop *loop, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++)
		loop_send(verbs, out, loop, loop->sent);
}

LOOP_INLINE void loop_read(const struct peer_verbs *verbs, void *in,
			   struct loop *loop, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++)
		loop_take(verbs, in, loop, false);
}

/* Takes @count messages from each of @nr ends, as they come; @loop: of each. */
LOOP_INLINE void loop_gather(const struct peer_verbs *verbs, void *const *in,
			     uint32_t nr, struct loop *loop, uint64_t count)
{
	uint64_t left = count * nr, end = loop->seen + count, empty = 0;

	while (left > 0) {
		uint64_t before = left;

		for (uint32_t i = 0; i < nr; i++) {
			struct loop *l = &loop[i];
			const void *data;
			size_t bytes;

			if (l->seen == end)
				continue;
			data = verbs->receive(in[i], &bytes);
			if (data == NULL)
				continue;
			l->wrong += bytes != l->size ||
				    !bench_check(data, l->size, l->seen,
						 l->whole);
			l->seen++;
			verbs->release(in[i]);
			left--;
		}
		if (left == before)
			loop_idle(loop, ++empty);
	}
}

/* One message, if there is one; @ticks: when it was there. */
LOOP_INLINE bool loop_look(const struct peer_verbs *verbs, void *in,
			   struct loop *loop, uint64_t *number, uint64_t *ticks)
{
	const void *data;
	size_t bytes;

	data = verbs->receive(in, &bytes);
	if (data == NULL)
		return false;
	*ticks = bench_ticks();
	*number = bench_number(data, loop->size);
	loop->wrong += bytes != loop->size ||
		       !bench_check(data, loop->size, *number, loop->whole);
	loop->seen++;
	verbs->release(in);
	return true;
}

/* The functions that struct peer_loops wants, of a file that defines @verbs. */
#define LOOPS_OF(verbs)                                                        \
	static void ask_(void *o, void *i, struct loop *l, uint64_t n)         \
	{                                                                      \
		loop_ask(&(verbs), o, i, l, n);                                \
	}                                                                      \
	static void answer_(void *o, void *i, struct loop *l, uint64_t n)      \
	{                                                                      \
		loop_answer(&(verbs), o, i, l, n);                             \
	}                                                                      \
	static void write_(void *o, struct loop *l, uint64_t n)                \
	{                                                                      \
		loop_write(&(verbs), o, l, n);                                 \
	}                                                                      \
	static void read_(void *i, struct loop *l, uint64_t n)                 \
	{                                                                      \
		loop_read(&(verbs), i, l, n);                                  \
	}                                                                      \
	static void gather_(void *const *i, uint32_t nr, struct loop *l,       \
			    uint64_t n)                                        \
	{                                                                      \
		loop_gather(&(verbs), i, nr, l, n);                            \
	}                                                                      \
	static uint64_t take_(void *i, struct loop *l)                         \
	{                                                                      \
		return loop_take(&(verbs), i, l, true);                        \
	}                                                                      \
	static void put_(void *o, struct loop *l, uint64_t number)             \
	{                                                                      \
		loop_send(&(verbs), o, l, number);                             \
	}                                                                      \
	static bool look_(void *i, struct loop *l, uint64_t *number,           \
			  uint64_t *ticks)                                     \
	{                                                                      \
		return loop_look(&(verbs), i, l, number, ticks);               \
	}                                                                      \
	struct peer_loops /* nothing: takes the semicolon */

#define LOOPS { ask_, answer_, write_, read_, gather_, take_, put_, look_ }

#endif /* ZEROCORE_BENCH_LOOP_H */
