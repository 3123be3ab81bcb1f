/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * writer.h - acquire, commit, cancel.
 *
 * A writer is a role used by one thread at a time.  (References 1.3.1 section
 * 3.2, 1.4 section 4.)
 */
#ifndef ZEROCORE_WRITER_H
#define ZEROCORE_WRITER_H

#include <zerocore/pool.h>

ZC_BEGIN_DECLS

typedef struct zc_writer zc_writer_t;
struct zc_type;

/* What a topic does with a reader that is more than its lag limit behind. */
typedef enum zc_on_slow {
	ZC_ON_SLOW_BLOCK = 0,		/* acquire waits, until its timeout */
	ZC_ON_SLOW_DROP_OLDEST = 1,	/* the reader loses its oldest, counted */
	ZC_ON_SLOW_DISCONNECT = 2	/* the reader gets ZC_ERROR_DISCONNECTED */
} zc_on_slow_t;

/**
 * struct zc_writer_options - what to write, and how
 * @sz: sizeof(struct zc_writer_options): set by ZC_WRITER_OPTIONS_INIT
 * @service: "service/instance/event", each part 1 to 63 of A-Z a-z 0-9 _ . -
 * @on_slow: what happens to a slow reader
 * @overwrite: "keep last N" topic: the writer never waits for anybody; N is
 *	@history, at least 1
 * @history: messages kept for readers that join late, at most the ring's entries less two
 * @lag_limit: messages that a reader may be behind, below the ring's entries;
 *	0: three quarters of the ring
 * @quota_bytes: most pool memory that this writer may hold, 0: all of it
 * @footprint_bytes: how much memory to go round in before reusing the oldest
 *	block, 0: chosen by block size
 * @no_timestamp: do not take the time at commit (saves one clock read)
 * @max_inflight: blocks acquired and not yet committed, 0: ring entries / 2
 * @guard: what is verified of its messages: see guard.h
 * @type: what all its messages begin with (see type.h), copied; NULL: untyped
 * @type_room: bytes behind each payload for zc_writer_describe_block(), beside what
 *	@type needs; at most ZC_TYPE_TAGS_MAX in all
 */
typedef struct zc_writer_options {
	size_t sz;
	const char *service;
	zc_on_slow_t on_slow;
	bool overwrite;
	uint32_t history;
	uint32_t lag_limit;
	uint64_t quota_bytes;
	uint64_t footprint_bytes;
	bool no_timestamp;
	uint32_t max_inflight;
	zc_guard_t guard;
	const struct zc_type *type;
	size_t type_room;
} zc_writer_options_t;

#define ZC_WRITER_OPTIONS_INIT                                                 \
	{                                                                      \
		sizeof(zc_writer_options_t), NULL, ZC_ON_SLOW_BLOCK, false, 0, \
			0, 0, 0, false, 0, ZC_GUARD_DEFAULT, NULL, 0           \
	}

/**
 * zc_writer_register() - become the writer of a service
 * @pool: the pool
 * @options: with .service set
 * @out: the role; give it to zc_writer_unregister()
 *
 * Adopts the sequence, ring and unread messages of a writer that left or died. A new
 * service begins at 1. Where all 32 places of the pool were used already it takes the first
 * whose service nobody uses and whose messages nobody holds, and goes on from that one's
 * number. The service that had it is gone, with its history; if it comes back it is new, too,
 * and its numbers may be less than they were.
 * Return: ZC_OK; ZC_ERROR_BUSY: the service has a live writer, or its dead one
 * is being reaped (a few ms), or too many make services at a time;
 * ZC_ERROR_TYPE: a reader that is there already has another type;
 * ZC_ERROR_SLOTS: no free service; ZC_ERROR_INVALID; ZC_ERROR_PERMISSION;
 * ZC_ERROR_NO_MEMORY; ZC_ERROR_FORKED; ZC_ERROR_EVICTED.
 */
ZC_API zc_result_t zc_writer_register(zc_pool_t *pool,
				      const zc_writer_options_t *options,
				      zc_writer_t **out);

/**
 * zc_writer_unregister() - leave; claimed blocks go back
 * @writer: NULL: nothing happens. Published messages stay readable. Blocks in
 *	I/O are given back, too: let the I/O end first. The pointer is invalid
 *	afterwards: see zc_pool_close().
 */
ZC_API void zc_writer_unregister(zc_writer_t *writer);

/**
 * zc_writer_acquire_block() - get a block to fill
 * @writer: the role
 * @bytes: payload size, 1 (typed: its type's size) to one segment, less what stands behind
 *	the payload (a guard's 16 bytes, a type's tags)
 * @out_handle: ended by commit or cancel
 * @timeout_ns: how long to wait for memory, or for slow readers
 *
 * With a timeout, blocks of a page and more that are written as a whole wait for readers
 * that move, for at most 20 ms, before they take memory beyond the footprint
 * (footprint_bytes; four blocks at least): both sides are faster so, see
 * Documentation/protocol.rst. It is never a reason to fail.
 *
 * Several blocks may be in flight. Progress: lock-free. System calls only where
 * it has to wait (futex), to drop or cut off a reader (membarrier), or to tell a
 * writer that waits for memory (futex).
 * Return: ZC_OK; ZC_ERROR_TIMEOUT; ZC_ERROR_NO_MEMORY with timeout 0 when the
 * pool is full; ZC_ERROR_QUOTA with timeout 0 when the quota is used up, and with any
 * when the block is larger than it; ZC_ERROR_SIZE; ZC_ERROR_BUSY: too many in flight;
 * ZC_ERROR_FORKED; ZC_ERROR_EVICTED; ZC_ERROR_CLOSED.
 */
ZC_API zc_result_t zc_writer_acquire_block(zc_writer_t *writer, size_t bytes,
					   zc_handle_t *out_handle,
					   uint64_t timeout_ns);

/**
 * zc_writer_block_data() - where to write
 * @writer: the role
 * @handle: of a claimed block
 * @out_bytes: NULL, or gets the payload size
 * Return: the payload, aligned to the granule; NULL for a handle that this
 * role does not hold.
 */
ZC_API void *zc_writer_block_data(zc_writer_t *writer, zc_handle_t handle,
				  size_t *out_bytes);

/**
 * zc_writer_resize_block() - say that less (or again more) of it is used
 * @writer: the role
 * @handle: of a claimed block
 * @bytes: 1 (typed: its type's size) to the size acquired
 * Return: ZC_OK; ZC_ERROR_STALE_HANDLE, or another word for a bad handle: see zora.h;
 * ZC_ERROR_SIZE.
 */
ZC_API zc_result_t zc_writer_resize_block(zc_writer_t *writer,
					  zc_handle_t handle, size_t bytes);

/**
 * zc_writer_commit_block() - publish a block
 * @writer: the role
 * @handle: of a claimed block; ends here
 *
 * Wait-free; no system call unless a reader sleeps for this message.
 * Return: ZC_OK; ZC_ERROR_STALE_HANDLE, or, where its key was changed since,
 * ZC_ERROR_REPLAYED_HANDLE: see zora.h for all four words for a bad handle;
 * ZC_ERROR_BUSY: still in I/O; ZC_ERROR_CORRUPT_BLOCK: guarded, and this program wrote
 * past the end of what it acquired: the block was cancelled; ZC_ERROR_FORKED; ZC_ERROR_EVICTED;
 * ZC_ERROR_CLOSED.
 */
ZC_API zc_result_t zc_writer_commit_block(zc_writer_t *writer,
					  zc_handle_t handle);

/**
 * zc_writer_cancel_block() - give a block back unpublished
 * @writer: the role
 * @handle: of a claimed block; ends here
 * Return: as commit.
 */
ZC_API zc_result_t zc_writer_cancel_block(zc_writer_t *writer,
					  zc_handle_t handle);

/**
 * zc_writer_io_begin() - say that the kernel or a device works on a block
 * @writer: the role
 * @handle: of a claimed block
 *
 * If the process dies before zc_writer_io_end(), what it held waits in
 * quarantine (1 s on plain shared memory: a time, not a proof).
 */
ZC_API zc_result_t zc_writer_io_begin(zc_writer_t *writer, zc_handle_t handle);
ZC_API zc_result_t zc_writer_io_end(zc_writer_t *writer, zc_handle_t handle);

/**
 * struct zc_writer_stats - counters of a writer since it registered
 * @sz: sizeof(struct zc_writer_stats), set by the caller
 * @committed: messages published
 * @committed_bytes: their payload
 * @acquired: blocks acquired
 * @cancelled: blocks cancelled
 * @dropped: messages that slow readers lost (drop oldest), summed over readers
 * @disconnected: readers cut off
 * @timeouts: acquires that gave up
 * @wakes: futex wakes
 * @held_bytes: pool memory held now: claimed, published, kept for reuse
 * @inflight: blocks acquired and not yet committed
 * @next_sequence: number of the next commit
 */
typedef struct zc_writer_stats {
	size_t sz;
	uint64_t committed;
	uint64_t committed_bytes;
	uint64_t acquired;
	uint64_t cancelled;
	uint64_t dropped;
	uint64_t disconnected;
	uint64_t timeouts;
	uint64_t wakes;
	uint64_t held_bytes;
	uint64_t inflight;
	uint64_t next_sequence;
} zc_writer_stats_t;

ZC_API zc_result_t zc_writer_get_stats(const zc_writer_t *writer,
				       zc_writer_stats_t *stats);

/* The writer's index in the pool, 0 to 31: lower ids are served first. */
ZC_API uint32_t zc_writer_id(const zc_writer_t *writer);

ZC_END_DECLS

#endif /* ZEROCORE_WRITER_H */
