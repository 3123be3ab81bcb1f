/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * peer_futex.c - what is often written by hand: a ring in shared memory that
 * messages are copied into and out of, and a futex.
 */
#include "rings.h"

#include <string.h>

static void *reserve(void *end)
{
	struct rings_end *e = end;

	return bench_ring_reserve(&e->ring) != NULL ? e->buffer : NULL;
}

static void send(void *end)
{
	struct rings_end *e = end;

	memcpy(e->ring.slot, e->buffer, e->size);
	bench_ring_publish(&e->ring);
	/* Always: whoever reads may sleep. */
	rings_wake(e);
}

static const void *receive(void *end, size_t *bytes)
{
	struct rings_end *e = end;
	const void *data = rings_poll(e);

	if (data == NULL)
		return NULL;
	memcpy(e->buffer, data, e->size);
	bench_ring_release(&e->ring);
	*bytes = e->size;
	return e->buffer;
}

static void release(void *end)
{
	(void)end;
}

static const struct peer_verbs verbs = { reserve, send, receive, release };

LOOPS_OF(verbs);

static const char *version(void)
{
	return "copied in, copied out";
}

const struct peer peer_futex = {
	.name = "futex",
	.title = "futex and memcpy ring",
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
