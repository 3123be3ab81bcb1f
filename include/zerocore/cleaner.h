/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * cleaner.h - threads that keep a pool in shape.
 *
 * A pool works without: writers take back and merge what they need.  A cleaner does
 * it before they need it. (Reference 1.3.1 section 6, 1.4 section 6.)
 */
#ifndef ZEROCORE_CLEANER_H
#define ZEROCORE_CLEANER_H

#include <zerocore/pool.h>

ZC_BEGIN_DECLS

typedef struct zc_cleaner zc_cleaner_t;

/**
 * struct zc_cleaner_options - how a cleaner works
 * @sz: sizeof(struct zc_cleaner_options): set by ZC_CLEANER_OPTIONS_INIT
 * @period_ns: sleep between two slices while there is something to do; 0: 1 ms
 * @idle_ns: longest sleep while nothing happens in the pool; 0: 100 ms
 * @slice: blocks and free runs that one slice looks at; 0: 4096
 */
typedef struct zc_cleaner_options {
	size_t sz;
	uint64_t period_ns;
	uint64_t idle_ns;
	uint32_t slice;
} zc_cleaner_options_t;

#define ZC_CLEANER_OPTIONS_INIT { sizeof(zc_cleaner_options_t), 0, 0, 0 }

/**
 * zc_cleaner_start() - start a thread that cleans the pool
 * @pool: the pool, which this process may write
 * @options: NULL: defaults
 * @out: the cleaner; give it to zc_cleaner_stop()
 *
 * It takes back messages that all readers are done with, of topics whose writer is gone
 * or rests, and of all while memory is scarce; merges free neighbours; ends blocks that
 * the dead left and nobody holds any more; and offers what is free to writers that wait,
 * in the order of their ids.  It never waits for anybody, and while it has a run it has
 * that for some microseconds.
 *
 * Context: may sleep. Threads: any. Up to 8 cleaners a pool.
 * Return: ZC_OK; ZC_ERROR_PERMISSION: a pool that one may only read; ZC_ERROR_SLOTS;
 * ZC_ERROR_INVALID; ZC_ERROR_SYSTEM; ZC_ERROR_FORKED; ZC_ERROR_EVICTED.
 */
ZC_API zc_result_t zc_cleaner_start(zc_pool_t *pool,
				    const zc_cleaner_options_t *options,
				    zc_cleaner_t **out);

/* zc_cleaner_stop() - ends the thread. NULL: nothing happens. Returns when it has ended;
 * zc_pool_close() does it for those that are left. */
ZC_API void zc_cleaner_stop(zc_cleaner_t *cleaner);

/**
 * struct zc_cleaner_stats - what a cleaner has done, and what it saw last
 * @sz: sizeof(struct zc_cleaner_stats), set by the caller
 * @passes: times that it has seen the whole pool
 * @runs: blocks and free runs of the last pass
 * @free_bytes: of the last pass, like the next three
 * @claimed_bytes: by writers, and not published
 * @committed_bytes: published, and not taken back
 * @largest_free_bytes: longest run
 * @merged: runs that became part of another, ever
 * @adopted: blocks of the dead that came back, ever
 * @reclaimed_bytes: messages that were taken back, ever
 * @pass_ns: how long the last pass took
 * @busy_ns: processor time of the thread, ever
 * @resting: it has seen all of the pool, and there was nothing to do
 */
typedef struct zc_cleaner_stats {
	size_t sz;
	uint32_t id;
	uint64_t passes;
	uint64_t runs;
	uint64_t free_bytes;
	uint64_t claimed_bytes;
	uint64_t committed_bytes;
	uint64_t largest_free_bytes;
	uint64_t merged;
	uint64_t adopted;
	uint64_t reclaimed_bytes;
	uint64_t pass_ns;
	uint64_t busy_ns;
	bool resting;
} zc_cleaner_stats_t;

/* zc_cleaner_get_stats() - Threads: any, until it is stopped. */
ZC_API zc_result_t zc_cleaner_get_stats(zc_cleaner_t *cleaner,
					zc_cleaner_stats_t *stats);

ZC_END_DECLS

#endif /* ZEROCORE_CLEANER_H */
