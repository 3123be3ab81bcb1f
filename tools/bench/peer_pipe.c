/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * peer_pipe.c - pipe(2), one for each reader.
 */
#include "fds.h"
#include "watch.h"
#include "worker.h"

#include <fcntl.h>
#include <unistd.h>

static const struct peer_verbs verbs = { fds_reserve, fds_send, fds_receive,
					 fds_release };

LOOPS_OF(verbs);

static int make(int fd[2], size_t size)
{
	(void)size;
	if (pipe2(fd, O_CLOEXEC) != 0)
		return -1;
	/* As much as everybody may have; what it has does as well. */
	(void)fcntl(fd[0], F_SETPIPE_SZ, 1 << 20);
	return 0;
}

static void *prepare(const struct peer_plan *plan, char *why, size_t bytes)
{
	return fds_prepare(plan, make, why, bytes);
}

const struct peer peer_pipe = {
	.name = "pipe",
	.title = "pipe",
	.version = worker_kernel,
	.prepare = prepare,
	.drop = fds_drop,
	.open_reader = fds_open_reader,
	.open_writer = fds_open_writer,
	.watch = fds_watch,
	.await = watch_await,
	.close = fds_close,
	.loops = LOOPS,
};
