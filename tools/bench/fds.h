/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * fds.h - what pipes and sockets have in common: a pair of descriptors for each
 * reader of a channel, read(2) and write(2).
 */
#ifndef ZEROCORE_BENCH_FDS_H
#define ZEROCORE_BENCH_FDS_H

#include "loop.h"
#include "peer.h"

/* The verbs of such a peer. */
void *fds_reserve(void *end);
void fds_send(void *end);
const void *fds_receive(void *end, size_t *bytes);
void fds_release(void *end);

/* @make: fd[0] to read, fd[1] to write messages of @size; -1: errno says why. */
void *fds_prepare(const struct peer_plan *plan, int (*make)(int fd[2], size_t size),
		  char *why, size_t bytes);
void fds_drop(void *ctx);
void *fds_open_reader(void *ctx, const struct peer_plan *plan, uint32_t channel,
		      uint32_t reader);
void *fds_open_writer(void *ctx, const struct peer_plan *plan,
		      uint32_t channel);
void *fds_watch(void *const *in, uint32_t nr);
void fds_close(void *end);

#endif /* ZEROCORE_BENCH_FDS_H */
