/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * peer_socket.c - a pair of Unix sockets for each reader: packets up to 64 KiB,
 * beyond that a stream, which any user may send any amount by.
 */
#include "fds.h"
#include "watch.h"
#include "worker.h"

#include <sys/socket.h>

static const struct peer_verbs verbs = { fds_reserve, fds_send, fds_receive,
					 fds_release };

LOOPS_OF(verbs);

static int make(int fd[2], size_t size)
{
	int type = size <= 64 << 10 ? SOCK_SEQPACKET : SOCK_STREAM;
	int room = 1 << 20;

	if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fd) != 0)
		return -1;
	(void)setsockopt(fd[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	return 0;
}

static void *prepare(const struct peer_plan *plan, char *why, size_t bytes)
{
	return fds_prepare(plan, make, why, bytes);
}

const struct peer peer_socket = {
	.name = "socket",
	.title = "Unix socket",
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
