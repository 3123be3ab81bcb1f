/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * fds.c - pairs of descriptors.
 */
#include "fds.h"
#include "watch.h"
#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct fds {
	uint32_t nr;		/* pairs */
	uint32_t readers;
	int fd[][2];
};

struct end {
	size_t size, got;
	uint32_t nr;		/* descriptors that a message goes to */
	bool block;
	unsigned char *buffer;
	int fd[BENCH_READERS_MAX];
};

void *fds_reserve(void *end)
{
	struct end *e = end;

	return e->buffer;
}

void fds_send(void *end)
{
	struct end *e = end;

	for (uint32_t i = 0; i < e->nr; i++) {
		for (size_t done = 0; done < e->size;) {
			ssize_t n = write(e->fd[i], e->buffer + done,
					  e->size - done);

			if (n > 0)
				done += (size_t)n;
			else if (n < 0 && errno == EAGAIN)
				sched_yield();
			else if (n < 0 && errno != EINTR)
				worker_fail("write: %s", strerror(errno));
		}
	}
}

const void *fds_receive(void *end, size_t *bytes)
{
	struct end *e = end;

	do {
		ssize_t n = read(e->fd[0], e->buffer + e->got,
				 e->size - e->got);

		if (n > 0)
			e->got += (size_t)n;
		else if (n == 0)
			worker_fail("read: the other end is gone");
		else if (errno == EAGAIN && !e->block)
			return NULL;
		else if (errno != EINTR)
			worker_fail("read: %s", strerror(errno));
	} while (e->got < e->size && e->block);
	*bytes = e->size;
	return e->got == e->size ? e->buffer : NULL;
}

void fds_release(void *end)
{
	struct end *e = end;

	e->got = 0;
}

void fds_drop(void *ctx)
{
	struct fds *fds = ctx;

	for (uint32_t i = 0; i < fds->nr; i++) {
		close(fds->fd[i][0]);
		close(fds->fd[i][1]);
	}
	free(fds);
}

void *fds_prepare(const struct peer_plan *plan, int (*make)(int fd[2], size_t size),
		  char *why, size_t bytes)
{
	uint32_t nr = plan->channels * plan->readers;
	struct fds *fds = calloc(1, sizeof(*fds) + nr * sizeof(fds->fd[0]));

	if (fds == NULL) {
		snprintf(why, bytes, "no memory");
		return NULL;
	}
	fds->readers = plan->readers;
	while (fds->nr < nr && make(fds->fd[fds->nr], plan->size) == 0)
		fds->nr++;
	if (fds->nr == nr)
		return fds;
	snprintf(why, bytes, "descriptors: %s", strerror(errno));
	fds_drop(fds);
	return NULL;
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

static void add(struct end *end, int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (!end->block && fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0)
		worker_fail("O_NONBLOCK: %s", strerror(errno));
	end->fd[end->nr++] = fd;
}

void *fds_open_reader(void *ctx, const struct peer_plan *plan, uint32_t channel,
		      uint32_t reader)
{
	struct fds *fds = ctx;
	struct end *end = end_new(plan);

	add(end, fds->fd[channel * fds->readers + reader][0]);
	return end;
}

void *fds_open_writer(void *ctx, const struct peer_plan *plan, uint32_t channel)
{
	struct fds *fds = ctx;
	struct end *end = end_new(plan);

	for (uint32_t i = 0; i < fds->readers; i++)
		add(end, fds->fd[channel * fds->readers + i][1]);
	return end;
}

static int fd_of(void *end)
{
	struct end *e = end;

	return e->fd[0];
}

void *fds_watch(void *const *in, uint32_t nr)
{
	return watch_new(in, nr, fd_of);
}

void fds_close(void *end)
{
	struct end *e = end;

	free(e->buffer);
	free(e);
}
