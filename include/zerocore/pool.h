/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * pool.h - create, open, close, remove pools.
 *
 * A pool is all the memory that one routing domain shares.  On plain shared
 * memory it lives in /dev/shm (or $ZEROCORE_DIR), and needs no daemon and no root.
 * There, control memory is writable by every member: only the kernel module
 * protects against a hostile process.  A pool stays until it is removed, or, if
 * that was asked for, until its last member has left.
 */
#ifndef ZEROCORE_POOL_H
#define ZEROCORE_POOL_H

#include <zerocore/base.h>
#include <zerocore/guard.h>

ZC_BEGIN_DECLS

/* A pool as this process sees it.  A process attaches to a pool once; opening
 * it again gives the same member and one more reference. */
typedef struct zc_pool zc_pool_t;

typedef enum zc_huge {
	ZC_HUGE_TRY = 0,	/* hugetlbfs where reserved, else transparent, else small */
	ZC_HUGE_NEVER = 1,	/* small pages */
	ZC_HUGE_TRANSPARENT = 2,/* ask for transparent huge pages, else small */
	ZC_HUGE_REQUIRE = 3,	/* hugetlbfs or ZC_ERROR_NO_MEMORY */
	ZC_HUGE_GIGANTIC = 4	/* hugetlbfs pages of 1 GiB or ZC_ERROR_NO_MEMORY */
} zc_huge_t;

typedef enum zc_numa {
	ZC_NUMA_DEFAULT = 0,	/* by the calling thread's memory policy */
	ZC_NUMA_NODE = 1,	/* on one node */
	ZC_NUMA_INTERLEAVE = 2	/* over all nodes in turn */
} zc_numa_t;

typedef enum zc_backend {
	ZC_BACKEND_AUTO = 0,	/* the device where it is there and permitted, else the other */
	ZC_BACKEND_SHM = 1,	/* plain shared memory */
	ZC_BACKEND_DEVICE = 2	/* /dev/zerocore */
} zc_backend_t;

/**
 * struct zc_pool_options - geometry and place of a new pool
 * @sz: sizeof(struct zc_pool_options): set by ZC_POOL_OPTIONS_INIT
 * @bytes: data memory; rounded up to whole segments
 * @segment_bytes: rounded up to a power of two, at least 64 granules; 0: chosen from
 *	@bytes; for a pool that may grow, a quarter of that. The largest block is one
 *	segment.
 * @granule_bytes: allocation unit, a power of two from 64 to 65536
 * @ring_entries: messages that one writer may have published and not yet
 *	reclaimed, a power of two from 16 to 1048576; 0: 4096
 * @max_holds: blocks that one reader can hold, 1 to 65536; 0: 448
 * @huge: which pages to ask for; zc_pool_info() says what was got
 * @prefault: touch all data memory now
 * @backend: where; ZEROCORE_BACKEND (shm, device) overrides AUTO
 * @mode: permission bits of the files, 0: 0600
 * @transient: the pool goes with its last member. On plain shared memory with the
 *	last that closes it: if that one was killed, it stays.
 * @evictable: see zc_pool_evict()
 * @numa: where the memory is to be. ZC_NUMA_NODE on plain shared memory means: as
 *	far as there is room, so that nobody is killed for want of it there.
 * @numa_node: of ZC_NUMA_NODE
 * @max_bytes: data memory that it may grow to, by zc_pool_grow() and by cleaners;
 *	0: it does not grow. Addresses are reserved for it, memory is not.
 * @guard: what is verified of messages whose writer does not say: see guard.h
 */
typedef struct zc_pool_options {
	size_t sz;
	uint64_t bytes;
	uint64_t segment_bytes;
	uint32_t granule_bytes;
	uint32_t ring_entries;
	uint32_t max_holds;
	zc_huge_t huge;
	bool prefault;
	zc_backend_t backend;
	uint32_t mode;
	bool transient;
	bool evictable;
	zc_numa_t numa;
	uint32_t numa_node;
	uint64_t max_bytes;
	zc_guard_t guard;
} zc_pool_options_t;

#define ZC_POOL_OPTIONS_INIT                                                   \
	{                                                                      \
		sizeof(zc_pool_options_t), 64ULL << 20, 0, 512, 0, 0,          \
			ZC_HUGE_TRY, false, ZC_BACKEND_AUTO, 0, false, false,  \
			ZC_NUMA_DEFAULT, 0, 0, ZC_GUARD_DEFAULT                \
	}

/**
 * zc_pool_create() - make a pool and attach to it
 * @name: 1 to 48 of A-Z a-z 0-9 _ . - ; starts with a letter or digit
 * @options: NULL: defaults
 * @out: the pool; give it to zc_pool_close()
 *
 * All memory is allocated before the name appears: a machine that is too full
 * refuses the pool here, and nobody gets SIGBUS later.
 *
 * Context: may sleep. Threads: any.
 * Return: ZC_OK; ZC_ERROR_INVALID for a bad name or geometry; ZC_ERROR_EXISTS;
 * ZC_ERROR_NO_MEMORY; ZC_ERROR_PERMISSION; ZC_ERROR_SYSTEM.
 */
ZC_API zc_result_t zc_pool_create(const char *name,
				  const zc_pool_options_t *options,
				  zc_pool_t **out);

/**
 * zc_pool_grow() - add segments to a pool
 * @pool: the pool, which this process may write
 * @segments: how many
 *
 * Each is as large as the others, gets the pages that they have if there are such, and
 * is there for everybody once it is whole: members map it when they meet it. Where there
 * are NUMA nodes it lies as the pool's options said, else, if there is room, near the
 * writer that waits for memory.
 * A cleaner that leads grows a pool by itself when 85 % of it is in use, or a writer
 * waits for memory.
 *
 * Context: may sleep, while memory is allocated. Threads: any.
 * Return: ZC_OK; ZC_ERROR_NO_MEMORY: it has all that it may have (max_bytes), or the
 * machine is too full; then some may have been added; ZC_ERROR_PERMISSION: it may only
 * be read, or on plain shared memory is another user's; ZC_ERROR_BUSY: somebody else is
 * just growing it; ZC_ERROR_NOT_FOUND: on plain shared memory it was removed, and keeps
 * what it has; ZC_ERROR_INVALID; ZC_ERROR_SYSTEM; ZC_ERROR_FORKED; ZC_ERROR_EVICTED.
 */
ZC_API zc_result_t zc_pool_grow(zc_pool_t *pool, uint32_t segments);

/**
 * zc_pool_shrink() - give the memory of segments back to the machine
 * @pool: the pool, which this process may write
 * @segments: how many
 * @timeout_ns: how long to wait for segments to become empty; 0: one look
 *
 * Takes the emptiest first: writers take no more blocks there and give back what they
 * keep for reuse at their next acquire; then it goes, as soon as its last block is
 * free. No message is lost, and no writer waits. While this waits it cleans, for there may
 * be no cleaner. zc_pool_grow() brings the memory back. One segment stays. A cleaner that
 * leads shrinks a pool by itself down to what it was created with, when less than 40 % of
 * it has been in use for a second.
 *
 * Context: sleeps up to @timeout_ns. Threads: any.
 * Return: ZC_OK; ZC_ERROR_TIMEOUT: readers hold, or have not read, blocks in every
 * segment, or a writer that does nothing keeps some, or somebody else is growing or
 * shrinking the pool, and may be stopped; then some may have been removed;
 * ZC_ERROR_INVALID: also when only one is left; ZC_ERROR_NOT_SUPPORTED: on /dev/zerocore
 * hugetlb pages stay; ZC_ERROR_PERMISSION: the pool may only be read; ZC_ERROR_SYSTEM: the
 * system does not take the memory back; ZC_ERROR_FORKED; ZC_ERROR_EVICTED.
 */
ZC_API zc_result_t zc_pool_shrink(zc_pool_t *pool, uint32_t segments,
				  uint64_t timeout_ns);

/**
 * zc_pool_open() - attach to a pool
 * @name: as above
 * @out: the pool; give it to zc_pool_close()
 *
 * Return: ZC_OK; ZC_ERROR_NOT_FOUND; ZC_ERROR_VERSION for another layout;
 * ZC_ERROR_CORRUPT_POOL for a truncated, foreign or half-created file;
 * ZC_ERROR_PERMISSION; ZC_ERROR_SLOTS when too many processes are attached; ZC_ERROR_BUSY
 * in a hook or handler, in a thread of the library's, while this process closes the pool and
 * that waits for this thread: see zc_pool_close(). Other threads wait until it is closed.
 */
ZC_API zc_result_t zc_pool_open(const char *name, zc_pool_t **out);

/**
 * struct zc_open_options - how to attach to a pool
 * @sz: sizeof(struct zc_open_options): set by ZC_OPEN_OPTIONS_INIT
 * @backend: where it is; ZEROCORE_BACKEND overrides AUTO, which takes the first that
 *	has it, /dev/zerocore before plain shared memory
 * @evictable: see zc_pool_evict()
 * @observe: only look: see inspect.h. Permission to read is enough, all is mapped
 *	read-only, nothing is taken back from the dead, and roles are refused. On plain
 *	shared memory the process is no member; on /dev/zerocore it is one that may
 *	not write, and so is whatever else it opens of that pool until it closes both.
 */
typedef struct zc_open_options {
	size_t sz;
	zc_backend_t backend;
	bool evictable;
	bool observe;
} zc_open_options_t;

#define ZC_OPEN_OPTIONS_INIT                                                   \
	{                                                                      \
		sizeof(zc_open_options_t), ZC_BACKEND_AUTO, false, false       \
	}

/**
 * zc_pool_open_with() - attach to a pool, with options
 * @name: as above
 * @options: NULL: defaults; of no effect where this process is attached already
 * @out: the pool; give it to zc_pool_close()
 *
 * Return: as zc_pool_open(); ZC_ERROR_INVALID.
 */
ZC_API zc_result_t zc_pool_open_with(const char *name,
				     const zc_open_options_t *options,
				     zc_pool_t **out);

/**
 * zc_pool_evict() - end a member that hangs
 * @pool: the pool
 * @member: its index, see zc_inspect_member()
 * @incarnation: likewise, so that a successor is not hit
 *
 * The member must have said, when it attached, that it is @evictable, and the caller
 * must be allowed to kill it.  Its process gets SIGKILL; what it held comes back when
 * it is gone.  On /dev/zerocore only.
 *
 * Return: ZC_OK; ZC_ERROR_NOT_FOUND: it is not there any more; ZC_ERROR_PERMISSION;
 * ZC_ERROR_NOT_SUPPORTED on plain shared memory.
 */
ZC_API zc_result_t zc_pool_evict(zc_pool_t *pool, uint32_t member,
				 uint32_t incarnation);

/**
 * zc_pool_close() - drop a reference; the last one leaves the pool
 * @pool: NULL: nothing happens
 *
 * Roles of this process that are still registered are unregistered. With the last
 * reference the pointers to @pool, to its roles and into blocks become invalid. A role
 * that is used after it was unregistered, or after that, mostly says ZC_ERROR_CLOSED, and
 * does nothing if it is unregistered again: its memory goes some registrations later. That
 * is a help and no promise, and there is none for @pool.
 *
 * Waits for hooks and handlers that run in threads of the library's; they may open and close
 * other pools meanwhile, unless they would wait for each other: hooks of two pools that close
 * each other's, or open each other's while both are being closed. The call that would close such a circle is refused: ZC_ERROR_BUSY in
 * zc_last_error()'s words, the pool stays as it is, and may be closed when the hook or
 * handler has returned. So is closing a pool in a hook or handler of its own. Threads: no
 * other may use the pool.
 */
ZC_API void zc_pool_close(zc_pool_t *pool);

/**
 * zc_pool_remove() - take a pool's name away and free its memory
 * @name: as above
 *
 * Members that are attached go on until they close it. (What it grew by in the
 * last seconds a member may not have mapped yet; a reader is told then.) Also sweeps
 * what a creator that was killed left behind.
 * Return: ZC_OK; ZC_ERROR_NOT_FOUND; ZC_ERROR_PERMISSION.
 */
ZC_API zc_result_t zc_pool_remove(const char *name);

/**
 * zc_pool_remove_all() - the same for all pools that this user owns
 * @removed: gets how many; NULL: not wanted
 *
 * On /dev/zerocore those of this network namespace, on plain shared memory those of
 * the folder; ZEROCORE_BACKEND chooses one of the two.
 * Return: ZC_OK, also when there were none; ZC_ERROR_SYSTEM.
 */
ZC_API zc_result_t zc_pool_remove_all(uint32_t *removed);

/* The name that a pool was opened by; valid until it is closed. */
ZC_API const char *zc_pool_name(const zc_pool_t *pool);

ZC_END_DECLS

#endif /* ZEROCORE_POOL_H */
