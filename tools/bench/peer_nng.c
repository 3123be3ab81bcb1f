/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * peer_nng.c - nng over Unix sockets, push to pull, one for each reader: its own
 * publishing loses messages.
 */
#include "peer.h"

#ifdef PEER_NNG

#include "loop.h"
#include "worker.h"

#include <nng/nng.h>
#include <nng/protocol/pipeline0/pull.h>
#include <nng/protocol/pipeline0/push.h>
#include <stdio.h>
#include <stdlib.h>

struct end {
	uint32_t nr;
	size_t size;
	bool block;
	unsigned char *buffer;
	nng_msg *got;
	nng_socket socket[BENCH_READERS_MAX];
};

static void good(const char *what, int result)
{
	if (result != 0)
		worker_fail("%s: %s", what, nng_strerror(result));
}

static void *reserve(void *end)
{
	struct end *e = end;

	return e->buffer;
}

static void send(void *end)
{
	struct end *e = end;

	for (uint32_t i = 0; i < e->nr; i++)
		good("nng_send", nng_send(e->socket[i], e->buffer, e->size, 0));
}

static const void *receive(void *end, size_t *bytes)
{
	struct end *e = end;
	int result = nng_recvmsg(e->socket[0], &e->got,
				 e->block ? 0 : NNG_FLAG_NONBLOCK);

	if (result == NNG_EAGAIN)
		return NULL;
	good("nng_recvmsg", result);
	*bytes = nng_msg_len(e->got);
	return *bytes < e->size ? e->buffer : nng_msg_body(e->got);
}

static void release(void *end)
{
	struct end *e = end;

	nng_msg_free(e->got);
}

static const struct peer_verbs verbs = { reserve, send, receive, release };

LOOPS_OF(verbs);

static void *prepare(const struct peer_plan *plan, char *why, size_t bytes)
{
	static char nothing;

	(void)plan;
	(void)why;
	(void)bytes;
	return &nothing;
}

static void drop(void *ctx)
{
	(void)ctx;
}

/* An abstract name: no file. */
static void address(const struct peer_plan *plan, uint32_t channel,
		    uint32_t reader, char *out, size_t bytes)
{
	snprintf(out, bytes, "abstract://zc-compare-%s-%u-%u", plan->run,
		 channel, reader);
}

static struct end *end_new(const struct peer_plan *plan)
{
	struct end *end = calloc(1, sizeof(*end));

	if (end == NULL)
		worker_fail("no memory");
	end->buffer = worker_buffer(plan->size);
	end->size = plan->size;
	end->block = plan->block;
	return end;
}

static void *open_reader(void *ctx, const struct peer_plan *plan,
			 uint32_t channel, uint32_t reader)
{
	struct end *end = end_new(plan);
	char text[108];

	(void)ctx;
	good("nng_pull0_open", nng_pull0_open(&end->socket[end->nr++]));
	good("recv-size-max", nng_socket_set_size(end->socket[0],
						  NNG_OPT_RECVMAXSZ, 0));
	address(plan, channel, reader, text, sizeof(text));
	good("nng_listen", nng_listen(end->socket[0], text, NULL, 0));
	return end;
}

static void *open_writer(void *ctx, const struct peer_plan *plan,
			 uint32_t channel)
{
	struct end *end = end_new(plan);
	char text[108];

	(void)ctx;
	for (uint32_t i = 0; i < plan->readers; i++) {
		good("nng_push0_open", nng_push0_open(&end->socket[i]));
		end->nr++;
		address(plan, channel, i, text, sizeof(text));
		good("nng_dial", nng_dial(end->socket[i], text, NULL, 0));
	}
	return end;
}

static void close_end(void *end)
{
	struct end *e = end;

	for (uint32_t i = 0; i < e->nr; i++)
		nng_close(e->socket[i]);
	free(e->buffer);
	free(e);
}
#endif

const struct peer peer_nng = {
	.name = "nng",
	.title = "nng",
	.traits = PEER_THREADS,
	/* Of 600 sockets in 24 processes it makes nothing within ten seconds. */
	.channels_max = 64,
#ifdef PEER_NNG
	.version = nng_version,
	.prepare = prepare,
	.drop = drop,
	.open_reader = open_reader,
	.open_writer = open_writer,
	.close = close_end,
	.loops = LOOPS,
#else
	.left_out = "libnng was not there at build time",
#endif
};
