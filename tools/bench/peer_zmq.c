/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * peer_zmq.c - ZeroMQ over Unix sockets: PUSH to PULL; to several readers XPUB
 * with queues that are not bounded.
 */
#include "peer.h"

#ifdef PEER_ZMQ

#include "loop.h"
#include "worker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

/* Messages that may wait take at most so much memory. */
#define QUEUE_BYTES (64UL << 20)

struct end {
	void *socket;
	size_t size;
	bool block;
	uint32_t readers;
	unsigned char *buffer;	/* what is sent */
	zmq_msg_t got;
};

static void *context;	/* of this process */

static void fail(const char *what)
{
	worker_fail("%s: %s", what, zmq_strerror(errno));
}

static void *reserve(void *end)
{
	struct end *e = end;

	return e->buffer;
}

static void send(void *end)
{
	struct end *e = end;

	while (zmq_send(e->socket, e->buffer, e->size, 0) < 0) {
		if (errno != EINTR)
			fail("zmq_send");
	}
}

static const void *receive(void *end, size_t *bytes)
{
	struct end *e = end;

	while (zmq_msg_recv(&e->got, e->socket,
			    e->block ? 0 : ZMQ_DONTWAIT) < 0) {
		if (errno == EAGAIN)
			return NULL;
		if (errno != EINTR)
			fail("zmq_msg_recv");
	}
	*bytes = zmq_msg_size(&e->got);
	return *bytes < e->size ? e->buffer : zmq_msg_data(&e->got);
}

/* The next zmq_msg_recv() lets go of the message before. */
static void release(void *end)
{
	(void)end;
}

static const struct peer_verbs verbs = { reserve, send, receive, release };

LOOPS_OF(verbs);

static void *prepare(const struct peer_plan *plan, char *why, size_t bytes)
{
	(void)plan;
	(void)why;
	(void)bytes;
	return &context;
}

static void drop(void *ctx)
{
	(void)ctx;
}

/* An abstract name: no file. */
static void address(const struct peer_plan *plan, uint32_t channel, char *out,
		    size_t bytes)
{
	snprintf(out, bytes, "ipc://@zc-compare-%s-%u", plan->run, channel);
}

static struct end *end_new(const struct peer_plan *plan, int type)
{
	struct end *end = calloc(1, sizeof(*end));
	int depth = QUEUE_BYTES / plan->size > 1000 ?
		    1000 : (int)(QUEUE_BYTES / plan->size);
	int none = 0, one = 1;

	if (end == NULL)
		worker_fail("no memory");
	/* Publishing drops at the mark: without one, none is lost. */
	if (plan->readers > 1)
		depth = 0;
	if (context == NULL) {
		context = zmq_ctx_new();
		zmq_ctx_set(context, ZMQ_MAX_SOCKETS, 2000);
	}
	end->buffer = worker_buffer(plan->size);
	end->size = plan->size;
	end->block = plan->block;
	end->readers = plan->readers;
	zmq_msg_init(&end->got);
	end->socket = zmq_socket(context, type);
	if (end->socket == NULL)
		fail("zmq_socket");
	zmq_setsockopt(end->socket, ZMQ_SNDHWM, &depth, sizeof(depth));
	zmq_setsockopt(end->socket, ZMQ_RCVHWM, &depth, sizeof(depth));
	zmq_setsockopt(end->socket, ZMQ_RECONNECT_IVL, &one, sizeof(one));
	zmq_setsockopt(end->socket, ZMQ_LINGER, &none, sizeof(none));
	if (type == ZMQ_XPUB)
		zmq_setsockopt(end->socket, ZMQ_XPUB_VERBOSE, &one, sizeof(one));
	if (type == ZMQ_SUB)
		zmq_setsockopt(end->socket, ZMQ_SUBSCRIBE, "", 0);
	return end;
}

static void *open_reader(void *ctx, const struct peer_plan *plan,
			 uint32_t channel, uint32_t reader)
{
	struct end *end = end_new(plan, plan->readers > 1 ? ZMQ_SUB : ZMQ_PULL);
	char text[108];

	(void)ctx;
	(void)reader;
	/* Who connects subscribes by itself; who is bound, at its next call only. */
	address(plan, channel, text, sizeof(text));
	if ((plan->readers > 1 ? zmq_connect : zmq_bind)(end->socket, text) != 0)
		fail("its address");
	return end;
}

static void *open_writer(void *ctx, const struct peer_plan *plan,
			 uint32_t channel)
{
	struct end *end = end_new(plan, plan->readers > 1 ? ZMQ_XPUB : ZMQ_PUSH);
	char text[108];

	(void)ctx;
	address(plan, channel, text, sizeof(text));
	if ((plan->readers > 1 ? zmq_bind : zmq_connect)(end->socket, text) != 0)
		fail("its address");
	return end;
}

/* Each subscription arrives as a message.  PUSH waits by itself. */
static void ready(void *end)
{
	struct end *e = end;
	int type;
	size_t bytes = sizeof(type);
	char byte;

	zmq_getsockopt(e->socket, ZMQ_TYPE, &type, &bytes);
	for (uint32_t i = 0; type == ZMQ_XPUB && i < e->readers; i++) {
		if (zmq_recv(e->socket, &byte, 1, 0) < 0)
			fail("zmq_recv");
	}
}

struct watch {
	uint32_t nr;
	zmq_pollitem_t item[];
};

static void *watch(void *const *in, uint32_t nr)
{
	struct watch *watch = calloc(1, sizeof(*watch) +
					nr * sizeof(watch->item[0]));

	if (watch == NULL)
		worker_fail("no memory");
	while (watch->nr < nr) {
		struct end *e = in[watch->nr];

		watch->item[watch->nr].socket = e->socket;
		watch->item[watch->nr++].events = ZMQ_POLLIN;
	}
	return watch;
}

static uint32_t await(void *watch, uint32_t *ready, uint32_t max)
{
	struct watch *w = watch;
	uint32_t nr = 0;

	if (zmq_poll(w->item, (int)w->nr, -1) < 0 && errno != EINTR)
		fail("zmq_poll");
	for (uint32_t i = 0; i < w->nr && nr < max; i++) {
		if ((w->item[i].revents & ZMQ_POLLIN) != 0)
			ready[nr++] = i;
	}
	return nr;
}

/* The context's threads go with the process. */
static void close_end(void *end)
{
	struct end *e = end;

	zmq_msg_close(&e->got);
	zmq_close(e->socket);
	free(e->buffer);
	free(e);
}

static const char *version(void)
{
	static char text[32];
	int major, minor, patch;

	zmq_version(&major, &minor, &patch);
	snprintf(text, sizeof(text), "%d.%d.%d", major, minor, patch);
	return text;
}
#endif

const struct peer peer_zmq = {
	.name = "zmq",
	.title = "ZeroMQ",
	.traits = PEER_THREADS,
#ifdef PEER_ZMQ
	.version = version,
	.prepare = prepare,
	.drop = drop,
	.open_reader = open_reader,
	.open_writer = open_writer,
	.ready = ready,
	.watch = watch,
	.await = await,
	.close = close_end,
	.loops = LOOPS,
#else
	.left_out = "libzmq was not there at build time",
#endif
};
