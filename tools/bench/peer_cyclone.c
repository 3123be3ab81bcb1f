/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * peer_cyclone.c - Cyclone DDS, UDP on the loopback.
 */
#include "dds.h"

#ifdef PEER_CYCLONE
static const struct peer_verbs verbs = { dds_reserve, dds_send, dds_receive,
					 dds_release };

LOOPS_OF(verbs);
#endif

const struct peer peer_cyclone = {
	.name = "cyclone",
	.title = "Cyclone DDS, loopback",
	.traits = PEER_THREADS,
#ifdef PEER_CYCLONE
	.version = dds_version,
	.prepare = dds_prepare_plain,
	.drop = dds_drop,
	.open_reader = dds_open_reader,
	.open_writer = dds_open_writer,
	.ready = dds_ready,
	.watch = dds_watch,
	.await = dds_await,
	.close = dds_close,
	.loops = LOOPS,
#else
	.left_out = "libddsc was not there at build time",
#endif
};
