/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * cleaner.h - threads that keep a pool in shape.
 *
 * A pool works without: writers take back and merge what they need.  A cleaner does
 * it before they need it. (Reference 1.3.1 section 6, 1.4 section 6.)
 */
#ifndef ZEROCORE_CLEANER_H
#define ZEROCORE_CLEANER_H

#include <zerocore/message.h>
#include <zerocore/pool.h>

ZC_BEGIN_DECLS

typedef struct zc_cleaner zc_cleaner_t;

/**
 * struct zc_cleaner_options - how a cleaner works
 * @sz: sizeof(struct zc_cleaner_options): set by ZC_CLEANER_OPTIONS_INIT
 * @period_ns: sleep between two slices while there is something to do; 0: 1 ms
 * @idle_ns: longest sleep while nothing happens in the pool; 0: 1 s. A writer that
 *	waits for memory, a message to the cleaners and a death wake them
 * @slice: blocks and free runs that one slice looks at; 0: 4096
 * @unread_ns: a reader that leaves a message unread for so long gets a
 *	ZC_MSG_MISSING_BLOCK, if this cleaner is on duty; 0: 1 s
 * @key_period_ns: how often all roles change the key of their handles, if this cleaner
 *	is on duty; 0: 5 s
 */
typedef struct zc_cleaner_options {
	size_t sz;
	uint64_t period_ns;
	uint64_t idle_ns;
	uint32_t slice;
	uint64_t unread_ns;
	uint64_t key_period_ns;
} zc_cleaner_options_t;

#define ZC_CLEANER_OPTIONS_INIT { sizeof(zc_cleaner_options_t), 0, 0, 0, 0, 0 }

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

/**
 * zc_cleaner_stop() - end the thread
 * @cleaner: NULL: nothing happens
 *
 * Returns when it has ended; zc_pool_close() does it for those that are left. Refused in the
 * thread of a cleaner of the same pool (a hook, a handler, a policy, a strategy), and in a
 * hook or handler of another pool that the cleaner waits for: then nothing happens but
 * ZC_ERROR_BUSY in zc_last_error()'s words. See zc_pool_close().
 */
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
 * @leads: it is on duty
 * @scan_ns: longest time that any block goes unscanned: the pass, divided by cleaners
 * @verified: guarded messages that it verified, ever; see guard.h
 * @corrupt: of these, that failed: told once each
 * @rounds: times that it has been round the pool doing so
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
	bool leads;
	uint64_t scan_ns;
	uint64_t verified;
	uint64_t corrupt;
	uint64_t rounds;
} zc_cleaner_stats_t;

/* zc_cleaner_get_stats() - Threads: any, until it is stopped. */
ZC_API zc_result_t zc_cleaner_get_stats(zc_cleaner_t *cleaner,
					zc_cleaner_stats_t *stats);

/**
 * zc_cleaner_handle() - say what a cleaner does with a type of packet
 * @cleaner: the cleaner
 * @type: ZC_MSG_DEFAULT, or from ZC_MSG_USER to ZC_MSG_MAX: the others are its own
 * @handler: runs in the cleaner's thread; NULL: none. The last one may still run when
 *	this returns, unless it is called from there
 * @ctx: for the handler
 *
 * Threads: any. Return: ZC_OK; ZC_ERROR_INVALID; ZC_ERROR_FORKED.
 */
ZC_API zc_result_t zc_cleaner_handle(zc_cleaner_t *cleaner, uint32_t type,
				     zc_message_handler_t handler, void *ctx);

/* --- how many ------------------------------------------------------------------ */

/**
 * struct zc_stats - a pool as a scaling policy sees it
 * @total_bytes: of data memory
 * @used_bytes: claimed and committed: of the cleaner's last pass, or, where segments are
 *	the question, by the members' count
 * @largest_free_bytes: longest run
 * @waiting_writers: bit w: writer w waits for memory
 * @scan_ns: longest time that any block goes unscanned
 * @scan_goal_ns: and how long it may be
 * @segment_bytes: of data memory
 * @segments: that have memory
 * @least_segments: that it was made with; it does not shrink below
 * @max_segments: that it may have
 */
typedef struct zc_stats {
	uint64_t total_bytes;
	uint64_t used_bytes;
	uint64_t largest_free_bytes;
	uint32_t waiting_writers;
	uint64_t scan_ns;
	uint64_t scan_goal_ns;
	uint64_t segment_bytes;
	uint32_t segments;
	uint32_t least_segments;
	uint32_t max_segments;
} zc_stats_t;

/**
 * struct zc_scaling_policy - when team and pool grow and shrink
 * @sz: sizeof(struct zc_scaling_policy): set by ZC_SCALING_POLICY_INIT
 * @should_scale_up: one more cleaner? NULL: when @scan_ns is above @up_percent of the goal
 * @should_scale_down: one less? NULL: below @down_percent
 * @max_cleaners: most that there may be; 0: 4
 * @ctx: for the functions
 * @should_grow: one more segment? NULL: when more than @grow_percent of the memory is in
 *	use, or a writer waits for some.  Asked while the pool may have more
 * @should_shrink: one less? NULL: below @shrink_percent, unless what stays would then be
 *	nearly as full as it grows at, or a writer waits.  Asked while it has more than it
 *	was made with; it must say yes for a second, and @should_grow no
 * @up_percent: of the default, of the time that a block may go unscanned; 0: 85
 * @down_percent: likewise; 0: 40
 * @grow_percent: of the default, of the memory; 0: 85
 * @shrink_percent: likewise; 0: 40
 *
 * (Reference 1.3.1, 6.3.2; there the load of cleaners is that of memory.)
 */
typedef struct zc_scaling_policy {
	size_t sz;
	bool (*should_scale_up)(const zc_stats_t *stats, int current, void *ctx);
	bool (*should_scale_down)(const zc_stats_t *stats, int current, void *ctx);
	int max_cleaners;
	void *ctx;
	bool (*should_grow)(const zc_stats_t *stats, int segments, void *ctx);
	bool (*should_shrink)(const zc_stats_t *stats, int segments, void *ctx);
	uint32_t up_percent;
	uint32_t down_percent;
	uint32_t grow_percent;
	uint32_t shrink_percent;
} zc_scaling_policy_t;

#define ZC_SCALING_POLICY_INIT                                                             \
	{ sizeof(zc_scaling_policy_t), NULL, NULL, 0, NULL, NULL, NULL, 0, 0, 0, 0 }

/**
 * zc_set_scaling_policy() - for the cleaners of this process
 * @pool: the pool
 * @policy: NULL: the default
 *
 * Each cleaner asks the policy at the end of a pass and tells the leader, who starts
 * one more, in its own process, or ends one that a leader started, when more than
 * half of all want it.  Cleaners that a program started are never ended.  About
 * segments the leader asks the policy of its own process.
 *
 * Threads: any; the functions run in the cleaners' threads.
 * Return: ZC_OK; ZC_ERROR_INVALID; ZC_ERROR_FORKED; ZC_ERROR_EVICTED.
 */
ZC_API zc_result_t zc_set_scaling_policy(zc_pool_t *pool,
					 const zc_scaling_policy_t *policy);

ZC_END_DECLS

#endif /* ZEROCORE_CLEANER_H */
