/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * peer_mq.c - POSIX message queues, one for each reader.
 */
#include "loop.h"
#include "watch.h"
#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

/* Within what a user's queues may take together (RLIMIT_MSGQUEUE). */
#define QUEUE_BYTES (640 << 10)
#define DEPTH 10
/* What the kernel allows to whoever has no privilege. */
#define USER_BYTES 8192

struct queues {
	uint32_t nr;
	uint32_t readers;
	mqd_t queue[];
};

struct end {
	size_t size;
	uint32_t nr;
	bool block;
	unsigned char *buffer;
	mqd_t queue[BENCH_READERS_MAX];
};

static void *reserve(void *end)
{
	struct end *e = end;

	return e->buffer;
}

static void send(void *end)
{
	struct end *e = end;

	for (uint32_t i = 0; i < e->nr; i++) {
		while (mq_send(e->queue[i], (char *)e->buffer, e->size, 0)) {
			if (errno == EAGAIN)
				sched_yield();
			else if (errno != EINTR)
				worker_fail("mq_send: %s", strerror(errno));
		}
	}
}

static const void *receive(void *end, size_t *bytes)
{
	struct end *e = end;
	ssize_t n = mq_receive(e->queue[0], (char *)e->buffer, e->size, NULL);

	if (n < 0 && errno != EAGAIN && errno != EINTR)
		worker_fail("mq_receive: %s", strerror(errno));
	*bytes = (size_t)n;
	return n < 0 ? NULL : e->buffer;
}

static void release(void *end)
{
	(void)end;
}

static const struct peer_verbs verbs = { reserve, send, receive, release };

LOOPS_OF(verbs);

static void drop(void *ctx)
{
	struct queues *queues = ctx;

	for (uint32_t i = 0; i < queues->nr; i++)
		mq_close(queues->queue[i]);
	free(queues);
}

/* Its name is gone as soon as it is open: nothing is left, whoever dies. */
static mqd_t make(const struct peer_plan *plan, uint32_t index, uint32_t nr)
{
	struct mq_attr attr = { .mq_msgsize = (long)plan->size };
	long depth = (long)(QUEUE_BYTES / nr / plan->size);
	char name[64];
	mqd_t queue;

	attr.mq_maxmsg = depth > DEPTH ? DEPTH : depth < 1 ? 1 : depth;
	snprintf(name, sizeof(name), "/zc-compare-%s-%u", plan->run, index);
	queue = mq_open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC |
			(plan->block ? 0 : O_NONBLOCK), 0600, &attr);
	if (queue != (mqd_t)-1)
		mq_unlink(name);
	return queue;
}

static void *prepare(const struct peer_plan *plan, char *why, size_t bytes)
{
	uint32_t nr = plan->channels * plan->readers;
	struct queues *queues = calloc(1, sizeof(*queues) +
					  nr * sizeof(queues->queue[0]));
	const struct rlimit plenty = { RLIM_INFINITY, RLIM_INFINITY };

	if (queues == NULL) {
		snprintf(why, bytes, "no memory");
		return NULL;
	}
	queues->readers = plan->readers;
	/* Who may raises what a user's queues may take: see the message. */
	if (plan->many)
		(void)setrlimit(RLIMIT_MSGQUEUE, &plenty);
	while (queues->nr < nr) {
		mqd_t queue = make(plan, queues->nr, nr);

		if (queue == (mqd_t)-1) {
			snprintf(why, bytes, "mq_open of queue %u: %s%s",
				 queues->nr, strerror(errno),
				 plan->many ? " (ulimit -q, fs.mqueue.queues_max)" :
					      "");
			drop(queues);
			return NULL;
		}
		queues->queue[queues->nr++] = queue;
	}
	return queues;
}

static struct end *end_new(const struct peer_plan *plan)
{
	struct end *end = calloc(1, sizeof(*end));

	if (end == NULL)
		worker_fail("no memory");
	end->buffer = worker_buffer(plan->size);
	end->size = plan->size;
	return end;
}

static void *open_reader(void *ctx, const struct peer_plan *plan,
			 uint32_t channel, uint32_t reader)
{
	struct queues *queues = ctx;
	struct end *end = end_new(plan);

	end->queue[end->nr++] = queues->queue[channel * queues->readers + reader];
	return end;
}

static void *open_writer(void *ctx, const struct peer_plan *plan,
			 uint32_t channel)
{
	struct queues *queues = ctx;
	struct end *end = end_new(plan);

	for (uint32_t i = 0; i < queues->readers; i++)
		end->queue[end->nr++] =
			queues->queue[channel * queues->readers + i];
	return end;
}

/* A queue is a descriptor here. */
static int fd_of(void *end)
{
	struct end *e = end;

	return e->queue[0];
}

static void *watch(void *const *in, uint32_t nr)
{
	return watch_new(in, nr, fd_of);
}

static void close_end(void *end)
{
	struct end *e = end;

	free(e->buffer);
	free(e);
}

const struct peer peer_mq = {
	.name = "mq",
	.title = "POSIX message queue",
	.size_max = USER_BYTES,
	.version = worker_kernel,
	.prepare = prepare,
	.drop = drop,
	.open_reader = open_reader,
	.open_writer = open_writer,
	.watch = watch,
	.await = watch_await,
	.close = close_end,
	.loops = LOOPS,
};
