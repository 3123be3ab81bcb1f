/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * peer_cyclone_shm.c - Cyclone DDS with its shared memory, which is iceoryx.
 */
#include "dds.h"
#include "roudi.h"

#ifdef PEER_CYCLONE
static const struct peer_verbs verbs = { dds_reserve, dds_send, dds_receive,
					 dds_release };

LOOPS_OF(verbs);
#endif

const struct peer peer_cyclone_shm = {
	.name = "cyclone-shm",
	.title = "Cyclone DDS, shared memory",
	.traits = PEER_THREADS | PEER_LOSES,
#ifdef PEER_CYCLONE
	.version = dds_version,
	.begin = roudi_begin,
	.finish = roudi_finish,
	.daemon = roudi_pid,
	.size_max = 4 << 20,
	.prepare = dds_prepare_shm,
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
