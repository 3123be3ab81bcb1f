/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * rings.h - bare rings, one a channel: what the yardstick and the copying ring
 * have in common.
 */
#ifndef ZEROCORE_BENCH_RINGS_H
#define ZEROCORE_BENCH_RINGS_H

#include "bench_ring.h"
#include "loop.h"
#include "peer.h"

/* What the readers of one process sleep on when they are many; one line. */
struct rings_bell {
	_Alignas(64) uint32_t asleep;
};

struct rings_end {
	struct bench_ring_end ring;
	struct rings *rings;
	uint32_t channel, reader;
	bool many;
	size_t size;
	bool block;
	unsigned char *buffer;	/* private, for who copies */
};

/* The next message; sleeps on the head where the plan says so. */
const void *rings_poll(struct rings_end *end);

/* When something was published: wakes who sleeps. */
void rings_wake(struct rings_end *end);

void *rings_watch(void *const *in, uint32_t nr);
uint32_t rings_await(void *watch, uint32_t *ready, uint32_t max);

void *rings_prepare(const struct peer_plan *plan, char *why, size_t bytes);
void rings_drop(void *ctx);
void *rings_open_reader(void *ctx, const struct peer_plan *plan,
			uint32_t channel, uint32_t reader);
void *rings_open_writer(void *ctx, const struct peer_plan *plan,
			uint32_t channel);
void rings_close(void *end);

#endif /* ZEROCORE_BENCH_RINGS_H */
