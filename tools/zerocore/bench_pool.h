/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * bench_pool.h - a pool among the workers of a run, and its verbs: what does
 * not succeed ends the run with the library's sentence.
 */
#ifndef ZEROCORE_TOOL_BENCH_POOL_H
#define ZEROCORE_TOOL_BENCH_POOL_H

#include "bench_payload.h"
#include "bench_run.h"

#include <zerocore/zerocore.h>

/* Who waits longer than this waits for somebody that is gone. */
#define BENCH_PATIENCE_NS 20000000000ULL

/* Geometry of one of the run's pools. */
struct bench_pool_plan {
	uint32_t index;
	uint64_t bytes;
	uint32_t ring_entries;
};

/* Bytes of a pool for messages of @size, unless the command line said. */
uint64_t bench_pool_bytes(const struct bench_options *options);

/* All workers call it: worker 0 creates the pool, then the others open it. */
zc_pool_t *bench_pool_enter(struct bench_worker *worker,
			    const struct bench_pool_plan *plan);

zc_writer_t *bench_writer(struct bench_worker *worker, zc_pool_t *pool,
			  const char *service);
zc_reader_t *bench_reader(struct bench_worker *worker, zc_pool_t *pool,
			  const char *service);

/* Is there memory for a pool of @bytes, and some to spare?  @available: how much. */
bool bench_memory_for(uint64_t bytes, uint64_t *available);

/* What "bench acquire" reports of a pool of @options->pool_bytes: side 0 is the ring,
 * side 1 a pool of 16 MiB, side 2 that pool.  Returns an exit code; completes
 * @options. */
int bench_acquire_measure(struct bench_options *options,
			  struct bench_result *result);

/* Ends the run: @what failed. */
void bench_zc_fail(struct bench_worker *worker, const char *what,
		   zc_result_t result) __attribute__((noreturn));

/* Fills a new block with @number, and commits it. */
static inline void bench_zc_write(struct bench_worker *worker, zc_writer_t *w,
				  size_t size, uint64_t number, bool whole)
{
	zc_handle_t handle;
	zc_result_t result = zc_writer_acquire_block(w, size, &handle,
						     BENCH_PATIENCE_NS);

	if (__builtin_expect(result != ZC_OK, 0))
		bench_zc_fail(worker, "acquire", result);
	bench_fill(zc_writer_block_data(w, handle, NULL), size, number, whole);
	result = zc_writer_commit_block(w, handle);
	if (__builtin_expect(result != ZC_OK, 0))
		bench_zc_fail(worker, "commit", result);
}

/* The next message; waits as the options say. */
static inline zc_handle_t bench_zc_poll(struct bench_worker *worker,
					zc_reader_t *r)
{
	const bool waits = worker->options->block || worker->options->spin;
	uint64_t timeout_ns = waits ? BENCH_PATIENCE_NS : ZC_TIMEOUT_TRY;
	zc_handle_t handle;
	zc_result_t result;

	for (uint64_t empty = 1;; empty++) {
		result = zc_reader_poll_block(r, 0, &handle, timeout_ns);
		if (__builtin_expect(result == ZC_OK, 1))
			return handle;
		if (result != ZC_ERROR_TIMEOUT || waits)
			bench_zc_fail(worker, "poll", result);
		bench_idle(worker, empty);
	}
}

#endif /* ZEROCORE_TOOL_BENCH_POOL_H */
