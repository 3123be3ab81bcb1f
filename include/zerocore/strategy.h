/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * strategy.h - tables of functions that decide: allocation, backpressure, cleaning.
 *
 * (Reference 1.3.1, 6.1: zc_clean_strategy_t; 1.4, 6.2: zc_alloc_strategy,
 * zc_backpressure_strategy. The fourth table is in cleaner.h: zc_set_scaling_policy().)
 *
 * Each table is of a pool in this process; a function that is NULL, or a table that is
 * NULL, is the library's own.  A function runs in the thread that asks, in the middle of
 * a call: it must not wait, and must not call the library on this pool.  It is told
 * what the library's own would say, and what it says is put within its limits: no
 * answer can hurt the pool.  None is asked where a block that came back is used again,
 * which is what nearly all calls do.
 */
#ifndef ZEROCORE_STRATEGY_H
#define ZEROCORE_STRATEGY_H

#include <zerocore/hooks.h>
#include <zerocore/pool.h>

ZC_BEGIN_DECLS

/* --- allocation: where a writer's memory comes from --------------------------------- */

/**
 * struct zc_alloc_stats - a writer that needs more memory
 * @sz: sizeof(struct zc_alloc_stats), as this library has it
 * @total_bytes: of the pool's data memory
 * @free_bytes: that nobody owns, by the members' count
 * @waiting_writers: bit w: writer w waits for memory
 * @writer: zc_writer_id()
 * @block_bytes: what is wanted, rounded up to a size class
 * @used_bytes: of this writer: acquired, published, kept for reuse
 * @kept_bytes: of these, kept for reuse
 * @run_bytes: left of the run that the block was just taken from; 0: no such question
 * @usual: what the default says
 */
typedef struct zc_alloc_stats {
	size_t sz;
	uint64_t total_bytes;
	uint64_t free_bytes;
	uint32_t waiting_writers;
	uint32_t writer;
	uint64_t block_bytes;
	uint64_t used_bytes;
	uint64_t kept_bytes;
	uint64_t run_bytes;
	uint64_t usual;
} zc_alloc_stats_t;

/* What answers are put between. */
#define ZC_CANDIDATES_MIN 64U
#define ZC_CANDIDATES_MAX (1U << 20)

/**
 * struct zc_alloc_strategy - where a writer's memory comes from
 * @sz: sizeof(struct zc_alloc_strategy): set by ZC_ALLOC_STRATEGY_INIT
 * @candidates: runs that one search looks at before it gives up; 16384 by default;
 *	ZC_CANDIDATES_MIN to ZC_CANDIDATES_MAX
 * @keep_run_bytes: a run is longer than the block: how much of what is left is split off
 *	for the next blocks of this writer; the rest is everybody's.  128 blocks, at
 *	least 64 KiB, at most 1/256 of the pool by default; up to 1/16 of it, and nothing
 *	while less than that is free
 * @footprint_bytes: memory that the writer takes before it uses its oldest again, and
 *	that it keeps for reuse, where its options do not say (footprint_bytes there).
 *	Asked when the size of blocks changes.  By default 128 blocks, 8 MiB where they
 *	have 2 KiB and more, four blocks where they are larger than 2 MiB; at most 1/128
 *	of the pool, or, where that is more, eight blocks or an eighth of it.  Up to half
 *	of the pool
 * @ctx: for the functions
 */
typedef struct zc_alloc_strategy {
	size_t sz;
	uint32_t (*candidates)(const zc_alloc_stats_t *stats, void *ctx);
	uint64_t (*keep_run_bytes)(const zc_alloc_stats_t *stats, void *ctx);
	uint64_t (*footprint_bytes)(const zc_alloc_stats_t *stats, void *ctx);
	void *ctx;
} zc_alloc_strategy_t;

#define ZC_ALLOC_STRATEGY_INIT { sizeof(zc_alloc_strategy_t), NULL, NULL, NULL, NULL }

/**
 * zc_set_alloc_strategy() - for the writers of this process
 * @pool: the pool
 * @strategy: copied; NULL: the default
 *
 * Writers see it at their next call that needs more memory; one that is just asking may
 * still call the last one.
 *
 * Threads: any. Return: ZC_OK; ZC_ERROR_INVALID; ZC_ERROR_FORKED; ZC_ERROR_EVICTED.
 */
ZC_API zc_result_t zc_set_alloc_strategy(zc_pool_t *pool,
					 const zc_alloc_strategy_t *strategy);

/* --- backpressure: what is done when memory grows scarce ----------------------------- */

/**
 * struct zc_pressure_stats - how much is left
 * @sz: sizeof(struct zc_pressure_stats), as this library has it
 * @total_bytes: of the pool's data memory
 * @free_bytes: that nobody owns, by the members' count; for ZC_RELIEF_RESERVE: that
 *	would be left
 * @waiting_writers: bit w: writer w waits for memory
 * @before: the level at the last question of the same kind
 * @usual: what the default says
 */
typedef struct zc_pressure_stats {
	size_t sz;
	uint64_t total_bytes;
	uint64_t free_bytes;
	uint32_t waiting_writers;
	zc_pressure_t before;
	zc_pressure_t usual;
} zc_pressure_stats_t;

/* Cleaners take back what was read of all topics at once, of busy ones, too. */
#define ZC_RELIEF_RECLAIM (1U << 0)
/* A writer that finds no memory raises the floor of readers that are behind, if its
 * topic drops the oldest. */
#define ZC_RELIEF_PUSH (1U << 1)
/* It does so before, at each block that it needs more memory for. */
#define ZC_RELIEF_PUSH_EARLY (1U << 2)
/* Writers of the upper half of the ids are refused what would bring the pool to this
 * level, while one of the lower half is there; not if a quarter stays free. */
#define ZC_RELIEF_RESERVE (1U << 3)
/* zc_hooks_t.backpressure is called, on the way to this level and from it. */
#define ZC_RELIEF_HOOK (1U << 4)
/* The cleaner on duty tells all writers and readers, likewise: ZC_MSG_BACKPRESSURE. */
#define ZC_RELIEF_TELL (1U << 5)

/**
 * struct zc_backpressure_strategy - levels, and what is done at each
 * @sz: sizeof(struct zc_backpressure_strategy): set by ZC_BACKPRESSURE_STRATEGY_INIT
 * @level: by default from the share that is free, and who waits: see zc_pressure_t.  A
 *	level is left when 1/32 of the pool more is free.  What is no level counts as
 *	@usual
 * @relief: ZC_RELIEF_* of that level; @usual: those by default: HOOK and TELL at all,
 *	RECLAIM from ZC_PRESSURE_LOW on, PUSH and RESERVE at ZC_PRESSURE_CRITICAL
 * @ctx: for the functions
 *
 * Writers and cleaners ask the table of their own process; whether all are told, and of
 * which level, says the one of the cleaner on duty.  It tells of a higher level at once,
 * of a lower one when that has lasted for 100 ms.
 */
typedef struct zc_backpressure_strategy {
	size_t sz;
	zc_pressure_t (*level)(const zc_pressure_stats_t *stats, void *ctx);
	uint32_t (*relief)(zc_pressure_t level, uint32_t usual, void *ctx);
	void *ctx;
} zc_backpressure_strategy_t;

#define ZC_BACKPRESSURE_STRATEGY_INIT                                                      \
	{ sizeof(zc_backpressure_strategy_t), NULL, NULL, NULL }

/**
 * zc_set_backpressure_strategy() - for writers, cleaners and hooks of this process
 * @pool: the pool
 * @strategy: copied; NULL: the default
 *
 * Threads: any. Return: as zc_set_alloc_strategy().
 */
ZC_API zc_result_t
zc_set_backpressure_strategy(zc_pool_t *pool,
			     const zc_backpressure_strategy_t *strategy);

/* --- cleaning: what a cleaner does when ------------------------------------------------- */

/**
 * struct zc_topic_stats - a topic whose messages could be taken back
 * @sz: sizeof(struct zc_topic_stats), as this library has it
 * @writer: zc_writer_id() of its writer, or of the last one
 * @has_writer: somebody writes it
 * @messages: that were ever published
 * @rest_ns: since the cleaner saw the last one
 * @level: of backpressure
 * @usual: what the default says
 */
typedef struct zc_topic_stats {
	size_t sz;
	uint32_t writer;
	bool has_writer;
	uint64_t messages;
	uint64_t rest_ns;
	zc_pressure_t level;
	bool usual;
} zc_topic_stats_t;

/**
 * struct zc_clean_stats - a cleaner that is about to go on
 * @sz: sizeof(struct zc_clean_stats), as this library has it
 * @cleaner: its id
 * @total_bytes: of the pool's data memory
 * @free_bytes: that nobody owns, by the members' count
 * @waiting_writers: bit w: writer w waits for memory
 * @level: of backpressure
 * @moved: something changed in the pool since the last pass began
 * @busy: there was something to do in this turn
 * @usual: what the default says
 */
typedef struct zc_clean_stats {
	size_t sz;
	uint32_t cleaner;
	uint64_t total_bytes;
	uint64_t free_bytes;
	uint32_t waiting_writers;
	zc_pressure_t level;
	bool moved;
	bool busy;
	uint64_t usual;
} zc_clean_stats_t;

/* What answers are put between. */
#define ZC_SLICE_MIN 16U
#define ZC_SLICE_MAX (1U << 16)
#define ZC_PAUSE_MIN_NS 50000ULL
#define ZC_PAUSE_MAX_NS 1000000000ULL

/**
 * struct zc_clean_strategy - what a cleaner does when
 * @sz: sizeof(struct zc_clean_strategy): set by ZC_CLEAN_STRATEGY_INIT
 * @should_reclaim: take back what was read of this topic?  By default if it has no
 *	writer, rests for 20 ms, or the level has ZC_RELIEF_RECLAIM
 * @should_scan: begin a pass over the pool?  By default when something moved
 * @slice: runs that this turn looks at; by default the cleaner's option; ZC_SLICE_MIN to
 *	ZC_SLICE_MAX
 * @pause_ns: sleep until the next turn; by default the period, or twice the last pause
 *	while there is nothing to do, up to the cleaner's options; ZC_PAUSE_MIN_NS to
 *	ZC_PAUSE_MAX_NS.  Packets, messages and writers that wait end it
 * @ctx: for the functions
 */
typedef struct zc_clean_strategy {
	size_t sz;
	bool (*should_reclaim)(const zc_topic_stats_t *stats, void *ctx);
	bool (*should_scan)(const zc_clean_stats_t *stats, void *ctx);
	uint32_t (*slice)(const zc_clean_stats_t *stats, void *ctx);
	uint64_t (*pause_ns)(const zc_clean_stats_t *stats, void *ctx);
	void *ctx;
} zc_clean_strategy_t;

#define ZC_CLEAN_STRATEGY_INIT                                                             \
	{ sizeof(zc_clean_strategy_t), NULL, NULL, NULL, NULL, NULL }

/**
 * zc_set_clean_strategy() - for the cleaners of this process
 * @pool: the pool
 * @strategy: copied; NULL: the default
 *
 * Threads: any; the functions run in the cleaners' threads.
 * Return: as zc_set_alloc_strategy().
 */
ZC_API zc_result_t zc_set_clean_strategy(zc_pool_t *pool,
					 const zc_clean_strategy_t *strategy);

ZC_END_DECLS

#endif /* ZEROCORE_STRATEGY_H */
