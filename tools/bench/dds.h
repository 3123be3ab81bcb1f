/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * dds.h - Cyclone DDS, over the loopback or by shared memory.
 */
#ifndef ZEROCORE_BENCH_DDS_H
#define ZEROCORE_BENCH_DDS_H

#include "loop.h"
#include "peer.h"

#ifdef PEER_CYCLONE

void *dds_reserve(void *end);
void dds_send(void *end);
const void *dds_receive(void *end, size_t *bytes);
void dds_release(void *end);

void *dds_prepare_plain(const struct peer_plan *plan, char *why, size_t bytes);
void *dds_prepare_shm(const struct peer_plan *plan, char *why, size_t bytes);
void dds_drop(void *ctx);
void *dds_open_reader(void *ctx, const struct peer_plan *plan, uint32_t channel,
		      uint32_t reader);
void *dds_open_writer(void *ctx, const struct peer_plan *plan, uint32_t channel);
void dds_ready(void *end);
void *dds_watch(void *const *in, uint32_t nr);
uint32_t dds_await(void *watch, uint32_t *ready, uint32_t max);
void dds_close(void *end);
const char *dds_version(void);

#endif

#endif /* ZEROCORE_BENCH_DDS_H */
