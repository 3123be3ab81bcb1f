/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * peer_ring.c - the bare broadcast ring: the yardstick, nobody's library.
 */
#include "rings.h"

static void *reserve(void *end)
{
	struct rings_end *e = end;

	return bench_ring_reserve(&e->ring);
}

static void send(void *end)
{
	struct rings_end *e = end;

	bench_ring_publish(&e->ring);
	if (e->block || e->many)
		rings_wake(e);
}

static const void *receive(void *end, size_t *bytes)
{
	struct rings_end *e = end;

	*bytes = e->size;
	return e->block ? rings_poll(e) : bench_ring_poll(&e->ring);
}

static void release(void *end)
{
	struct rings_end *e = end;

	bench_ring_release(&e->ring);
}

static const struct peer_verbs verbs = { reserve, send, receive, release };

LOOPS_OF(verbs);

static const char *version(void)
{
	return "a head line, a cursor line a reader, slots";
}

const struct peer peer_ring = {
	.name = "ring",
	.title = "bare ring",
	.traits = PEER_YARDSTICK,
	.version = version,
	.prepare = rings_prepare,
	.drop = rings_drop,
	.open_reader = rings_open_reader,
	.open_writer = rings_open_writer,
	.watch = rings_watch,
	.await = rings_await,
	.close = rings_close,
	.loops = LOOPS,
};
