/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * bench_stream.h - one writer, one or more readers, as fast as it goes.
 */
#ifndef ZEROCORE_TOOL_BENCH_STREAM_H
#define ZEROCORE_TOOL_BENCH_STREAM_H

#include "bench_pool.h"

struct bench_stream {
	zc_pool_t *pool;
	zc_writer_t *writer;	/* worker 0 */
	zc_reader_t *reader;	/* the others */
	uint64_t number;	/* of the next message */
};

/* ctx: struct bench_pool_plan */
void *bench_stream_open(struct bench_worker *worker, void *ctx);
void bench_stream_rep(struct bench_worker *worker, void *state,
		      struct bench_rep *rep);
void bench_stream_close(struct bench_worker *worker, void *state);

/* Reads and verifies messages up to number @end. */
void bench_stream_read(struct bench_worker *worker, struct bench_stream *stream,
		       uint64_t end, struct bench_rep *rep);

/* What "bench throughput" reports: side 0 is the ring, side 1 the pool.  Returns an
 * exit code; completes @options. */
int bench_throughput_measure(struct bench_options *options,
			     struct bench_result *result);

#endif /* ZEROCORE_TOOL_BENCH_STREAM_H */
