/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * reader.h - poll, release, and wait for several writers.
 *
 * A reader is a role used by one thread at a time; it follows one service.
 * (Reference 1.4 section 5.)
 */
#ifndef ZEROCORE_READER_H
#define ZEROCORE_READER_H

#include <zerocore/pool.h>

ZC_BEGIN_DECLS

typedef struct zc_reader zc_reader_t;
struct zc_type;

/**
 * struct zc_reader_options - what to read, and how
 * @sz: sizeof(struct zc_reader_options): set by ZC_READER_OPTIONS_INIT
 * @service: "service/instance/event"; its writer may come later
 * @best_effort: never keep anything for me: blocks may be reused before I see
 *	them (counted as lost), the writer never waits for me. Readers of an
 *	overwrite topic always are.
 * @history: begin with up to that many messages from before the join, as far
 *	as they are still there; what is gone by then is not counted as lost
 * @max_holds: blocks held at a time, 0: 64; at most the pool's max_holds
 * @spin_ns: how long a waiting poll spins before it sleeps; 0: 20 us
 * @guard_release: verify a guarded message once more when it is released
 * @type: what its writer must say that all messages begin with (see type.h); NULL:
 *	anything, also what is typed
 */
typedef struct zc_reader_options {
	size_t sz;
	const char *service;
	bool best_effort;
	uint32_t history;
	uint32_t max_holds;
	uint64_t spin_ns;
	bool guard_release;
	const struct zc_type *type;
} zc_reader_options_t;

#define ZC_READER_OPTIONS_INIT                                                 \
	{                                                                      \
		sizeof(zc_reader_options_t), NULL, false, 0, 0, 0, false, NULL \
	}

/**
 * zc_reader_register() - become a reader of a service
 * @pool: the pool
 * @options: with .service set
 * @out: the role; give it to zc_reader_unregister()
 *
 * From here on every message of the service is kept for this reader (unless
 * best_effort). A service that nobody wrote to yet is created.
 * Return: ZC_OK; ZC_ERROR_SLOTS: 32 readers, or no free service;
 * ZC_ERROR_BUSY: too many make services at a time; ZC_ERROR_TYPE: its writer has
 * another type; ZC_ERROR_PERMISSION: the pool is open to look only; ZC_ERROR_NO_MEMORY;
 * ZC_ERROR_INVALID; ZC_ERROR_FORKED; ZC_ERROR_EVICTED.
 */
ZC_API zc_result_t zc_reader_register(zc_pool_t *pool,
				      const zc_reader_options_t *options,
				      zc_reader_t **out);

/* zc_reader_unregister() - leave; what it held is released, and the pointer is invalid: see
 * zc_pool_close(). NULL: nothing. */
ZC_API void zc_reader_unregister(zc_reader_t *reader);

/**
 * zc_reader_poll_block() - get the next message
 * @reader: the role
 * @hint_size: payload bytes to prefetch; the first line is asked for in any case
 * @out_handle: ended by release
 * @timeout_ns: how long to wait
 *
 * Messages come in the order of commit. Signals do not end the wait: see
 * ZC_TIMEOUT_FOREVER. Stores only to the reader's own
 * memory: no read-modify-write, no system call unless it sleeps.
 * Return: ZC_OK; ZC_ERROR_TIMEOUT; ZC_ERROR_HOLDS: all holds are in use, the
 * message stays; ZC_ERROR_DISCONNECTED; ZC_ERROR_CORRUPT_BLOCK: the entry made
 * no sense, or the message failed its guard, and was skipped; ZC_ERROR_NOT_FOUND,
 * ZC_ERROR_CORRUPT_POOL, ZC_ERROR_SYSTEM: the message is in a segment that came after
 * this process and cannot be mapped, it stays; ZC_ERROR_FORKED; ZC_ERROR_EVICTED;
 * ZC_ERROR_CLOSED.
 */
ZC_API zc_result_t zc_reader_poll_block(zc_reader_t *reader, size_t hint_size,
					zc_handle_t *out_handle,
					uint64_t timeout_ns);

/**
 * zc_reader_block_data() - the payload of a held message
 * @reader: the role
 * @handle: of a held message
 * @out_bytes: NULL, or gets the payload size
 * Return: valid until release; NULL for a handle that this role does not hold.
 */
ZC_API const void *zc_reader_block_data(zc_reader_t *reader, zc_handle_t handle,
					size_t *out_bytes);

/**
 * struct zc_block_info - about a held message
 * @sz: sizeof(struct zc_block_info), set by the caller
 * @sequence: commit number in its service, without gaps; from 1, or where the service
 *	got the place of another, from where that goes on: see zc_writer_register()
 * @timestamp_ns: zc_timestamp() at commit; 0: the writer takes none
 * @bytes: payload size
 * @granule: place in the pool, as the tools show it
 */
typedef struct zc_block_info {
	size_t sz;
	uint64_t sequence;
	uint64_t timestamp_ns;
	uint64_t bytes;
	uint64_t granule;
} zc_block_info_t;

ZC_API zc_result_t zc_reader_block_info(zc_reader_t *reader, zc_handle_t handle,
					zc_block_info_t *info);

/**
 * zc_reader_release_block() - let a message go, in any order
 * @reader: the role
 * @handle: of a held message; ends here
 * Return: ZC_OK; ZC_ERROR_STALE_HANDLE, or another word for a bad handle: see zora.h;
 * ZC_ERROR_BUSY: still in I/O; ZC_ERROR_CORRUPT_BLOCK: it is released, but changed
 * since it was polled (zc_reader_options_t.guard_release); ZC_ERROR_FORKED; ZC_ERROR_EVICTED;
 * ZC_ERROR_CLOSED. Wait-free.
 */
ZC_API zc_result_t zc_reader_release_block(zc_reader_t *reader,
					   zc_handle_t handle);

/* As zc_writer_io_begin(), for a held message (O_DIRECT writes from it...). */
ZC_API zc_result_t zc_reader_io_begin(zc_reader_t *reader, zc_handle_t handle);
ZC_API zc_result_t zc_reader_io_end(zc_reader_t *reader, zc_handle_t handle);

/**
 * zc_wait_any() - sleep until one of several readers has something to poll
 * @readers: of one pool, all used by this thread
 * @nr: 1 to 127
 * @out_index: NULL, or gets the first that is ready
 * @timeout_ns: how long
 *
 * One futex for all of them, which only their writers wake. Also returns
 * (ZC_OK, *@out_index = @nr) when the pool changed: new writers, deaths. Of what only a
 * process notices that may not write to the pool it hears up to 100 ms later. Signals do
 * not end the wait: see ZC_TIMEOUT_FOREVER.
 * Ready means that a message is there, also for a reader that holds all it may
 * (ZC_ERROR_HOLDS): release before you wait.
 * Return: ZC_OK; ZC_ERROR_TIMEOUT; ZC_ERROR_INVALID; ZC_ERROR_FORKED;
 * ZC_ERROR_EVICTED; ZC_ERROR_CLOSED.
 */
ZC_API zc_result_t zc_wait_any(zc_reader_t *const *readers, uint32_t nr,
			       uint32_t *out_index, uint64_t timeout_ns);

/**
 * zc_reader_get_fd() - a file descriptor for an event loop
 * @reader: the role
 * @out_fd: an eventfd, readable when there is something to poll; owned by the
 *	reader, do not close it. Read it, then poll until ZC_ERROR_TIMEOUT. Who stops
 *	before that (ZC_ERROR_HOLDS) polls again after a release: of what is there
 *	already it is told once.
 *
 * Fed by a background thread of this process, which sleeps on the writer's
 * futex; its signals are blocked. A loop of poll(2) over it and an eventfd (or signalfd) of
 * the program's own is a wait that the program can end.
 * Return: ZC_OK; ZC_ERROR_SYSTEM: also when the program has closed it; ZC_ERROR_INVALID;
 * ZC_ERROR_FORKED; ZC_ERROR_EVICTED; ZC_ERROR_CLOSED.
 */
ZC_API zc_result_t zc_reader_get_fd(zc_reader_t *reader, int *out_fd);

/* The state of the writer on the other side. */
typedef enum zc_peer_state {
	ZC_PEER_NONE = 0,	/* no writer now; one may come and adopt */
	ZC_PEER_LIVE = 1,
	ZC_PEER_REAPING = 2	/* it died just now */
} zc_peer_state_t;

ZC_API zc_peer_state_t zc_reader_writer_state(const zc_reader_t *reader);

/**
 * struct zc_reader_stats - counters of a reader since it registered
 * @sz: sizeof(struct zc_reader_stats), set by the caller
 * @received: messages handed out
 * @lost: messages that were gone before this reader saw them, but for @history that was
 *	gone when it began
 * @corrupt: entries that made no sense, messages that failed their guard
 * @sleeps: times that it slept
 * @held: messages held now
 * @lag: messages waiting
 * @changed: messages that failed their guard when they were released
 */
typedef struct zc_reader_stats {
	size_t sz;
	uint64_t received;
	uint64_t lost;
	uint64_t corrupt;
	uint64_t sleeps;
	uint64_t held;
	uint64_t lag;
	uint64_t changed;
} zc_reader_stats_t;

ZC_API zc_result_t zc_reader_get_stats(const zc_reader_t *reader,
				       zc_reader_stats_t *stats);

/* The reader's index at its writer, 0 to 31. */
ZC_API uint32_t zc_reader_id(const zc_reader_t *reader);

ZC_END_DECLS

#endif /* ZEROCORE_READER_H */
