/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * inspect.h - look at a pool from outside: what the tools show.
 *
 * Everything here reads a pool that is in motion: each row is true by itself,
 * the rows together need not be.  Rows are asked for by index, from 0: a loop that goes on
 * until ZC_ERROR_INVALID, and skips ZC_ERROR_NOT_FOUND, meets all that are there and needs
 * to know no limit.  Only zc_pool_check() writes: all else works, too, on
 * a pool that was opened with zc_open_options_t.observe.
 */
#ifndef ZEROCORE_INSPECT_H
#define ZEROCORE_INSPECT_H

#include <zerocore/pool.h>

ZC_BEGIN_DECLS

/* Which pages the data memory got. */
typedef enum zc_pages {
	ZC_PAGES_GOT_SMALL = 0,
	ZC_PAGES_GOT_TRANSPARENT = 1,
	ZC_PAGES_GOT_HUGETLB = 2
} zc_pages_t;

/**
 * struct zc_pool_info - geometry and use of a pool
 * @sz: sizeof(struct zc_pool_info), set by the caller
 */
typedef struct zc_pool_info {
	size_t sz;
	char name[64];
	char creation_id[33];
	zc_backend_t backend;
	zc_pages_t pages;
	uint32_t layout_version;
	uint32_t mode;
	uint32_t creator_pid;
	uint32_t creator_uid;
	uint64_t created_unix_ns;
	uint64_t bytes;
	uint64_t control_bytes;	/* length of the file; what no role used yet is a hole */
	uint64_t segment_bytes;
	uint32_t segments;
	uint32_t granule_bytes;
	uint32_t ring_entries;
	uint32_t max_holds;
	uint32_t members;
	uint32_t writers;
	uint32_t readers;
	uint64_t free_bytes;
	bool transient;
	uint32_t max_segments;		/* that it may grow to */
	zc_guard_t guard;		/* of writers that do not say */
} zc_pool_info_t;

ZC_API zc_result_t zc_pool_get_info(zc_pool_t *pool, zc_pool_info_t *info);

/* One process. */
typedef struct zc_member_info {
	size_t sz;
	uint32_t index;
	uint32_t incarnation;
	uint32_t pid;
	uint32_t uid;
	bool live;
	bool self;
	uint64_t alive_age_ns;		/* since its last heartbeat */
	uint64_t progress_age_ns;	/* since it last used a role */
	char comm[16];
	bool may_write;
	uint64_t process_age_ns;	/* since the process started; 0: unknown */
	uint64_t reaped_blocks;		/* of a dead one: what came back so far */
	uint64_t reaped_bytes;
	uint64_t lost_blocks;		/* likewise: committed and not published */
} zc_member_info_t;

/* zc_inspect_member() - ZC_ERROR_NOT_FOUND: nobody there; ZC_ERROR_INVALID:
 * past the last index. */
ZC_API zc_result_t zc_inspect_member(zc_pool_t *pool, uint32_t index,
				     zc_member_info_t *info);

/*
 * One service and its writer.  What the writer counts is stored for others when it has
 * to do with memory anyway, committed_bytes also ten times a second.
 */
typedef struct zc_service_info {
	size_t sz;
	uint32_t index;
	char service[200];
	uint32_t writer_state;		/* enum zc_peer_state */
	uint32_t writer_member;
	uint32_t writer_pid;
	uint32_t on_slow;
	bool overwrite;
	uint32_t history;
	uint32_t lag_limit;
	uint32_t readers;		/* to whom all goes that is committed from now on */
	uint32_t reader_mask;		/* bit r: reader r is active, or about to begin */
	uint64_t quota_bytes;
	uint64_t used_bytes;
	uint64_t next_sequence;
	uint64_t oldest_sequence;
	uint64_t dropped;
	uint64_t disconnected;
	uint64_t timeouts;
	uint64_t wakes;
	uint64_t committed_bytes;
	uint32_t writer_incarnation;
	uint32_t io_blocks;		/* claimed ones that are in I/O */
	uint64_t acquired;
	uint64_t cancelled;
	uint64_t wanted_bytes;		/* the writer waits for such a run; 0: it does not */
	zc_guard_t guard;
	uint64_t type_fingerprint;	/* of what the live writer says it writes; 0: untyped */
	char type[136];			/* its name for people, "struct imu"; empty: untyped */
} zc_service_info_t;

/* zc_inspect_service() - ZC_ERROR_NOT_FOUND: nobody has that place; ZC_ERROR_INVALID: past
 * the last index. Its index is what zc_inspect_reader() takes, and the id of its writer. */
ZC_API zc_result_t zc_inspect_service(zc_pool_t *pool, uint32_t index,
				      zc_service_info_t *info);

/* One reader of a service. */
typedef struct zc_reader_info {
	size_t sz;
	uint32_t service;
	uint32_t index;
	uint32_t member;
	uint32_t pid;
	bool active;
	bool best_effort;
	bool disconnected;
	uint64_t cursor;		/* next sequence that it reads */
	uint64_t lag;
	uint32_t holds;
	uint64_t oldest_hold;		/* sequence, 0: none */
	uint64_t received;
	uint64_t lost;
	uint32_t state;			/* enum zc_peer_state */
	uint32_t incarnation;
	uint64_t corrupt;		/* messages that it refused */
	uint64_t sleeps;
	uint32_t io_blocks;		/* held ones that are in I/O */
} zc_reader_info_t;

/* zc_inspect_reader() - ZC_ERROR_NOT_FOUND: nobody has that place; ZC_ERROR_INVALID: past
 * the last index of readers, or of services. */
ZC_API zc_result_t zc_inspect_reader(zc_pool_t *pool, uint32_t service,
				     uint32_t index, zc_reader_info_t *info);

/* One cleaner, or a monitor that has its place in the MessageRing. */
typedef struct zc_cleaner_info {
	size_t sz;
	uint32_t index;
	uint32_t state;			/* enum zc_peer_state */
	uint32_t incarnation;		/* how many had this place, it included */
	uint32_t member;
	uint32_t pid;
	bool self;
	char comm[16];
	uint64_t process_age_ns;	/* since its process started; 0: unknown */
	uint64_t alive_age_ns;		/* since it last looked at its messages */
	bool monitor;			/* it looks, and cleans nothing */
	bool leads;			/* it is on duty: the others follow */
	uint32_t busy_percent;		/* of the time of its last pass */
	uint64_t position;		/* granule where its pass is */
	uint64_t passes;
	uint64_t pass_ns;		/* of the last one */
	uint64_t busy_ns;		/* processor time */
	uint64_t merged;		/* runs that became part of another */
	uint64_t adopted;		/* blocks of the dead that came back */
	uint64_t reclaimed_bytes;	/* messages that were taken back */
	uint64_t sent;			/* packets of the MessageRing */
	uint64_t received;
	uint64_t forwarded;
	uint64_t packets_dropped;
} zc_cleaner_info_t;

/* zc_inspect_cleaner() - ZC_ERROR_NOT_FOUND: nobody has that place;
 * ZC_ERROR_INVALID: past the last index. */
ZC_API zc_result_t zc_inspect_cleaner(zc_pool_t *pool, uint32_t index,
				      zc_cleaner_info_t *info);

/**
 * struct zc_pool_load - how full a pool is, and who waits for memory
 * @sz: sizeof(struct zc_pool_load), set by the caller
 * @bytes: data memory
 * @free_bytes: by the count that members keep; off by what some died with
 * @segments: that are there
 * @members: live ones
 * @writers: live ones
 * @readers: active ones
 * @cleaners: live ones
 * @waiting_writers: bit w: the writer of service w waits for memory
 * @removed: its name is gone; members go on until they close it
 */
typedef struct zc_pool_load {
	size_t sz;
	uint64_t bytes;
	uint64_t free_bytes;
	uint32_t segments;
	uint32_t members;
	uint32_t writers;
	uint32_t readers;
	uint32_t cleaners;
	uint32_t waiting_writers;
	bool removed;
} zc_pool_load_t;

/* zc_pool_get_load() - without a walk through the pool, unlike zc_pool_get_info(). */
ZC_API zc_result_t zc_pool_get_load(zc_pool_t *pool, zc_pool_load_t *load);

/* One block (or free run). */
typedef struct zc_inspect_block {
	size_t sz;
	uint64_t granule;		/* first one, over all segments */
	uint32_t granules;
	uint32_t generation;
	uint32_t state;			/* 0 free (of an owner: claimed), 1 published, 2 coming back */
	uint32_t owner;			/* 0 nobody, 1..32 writer + 1, 33..40 cleaner, 41 orphan */
	uint64_t bytes;			/* payload of a committed one, else 0 */
	uint64_t sequence;		/* of a committed one, else 0 */
	uint64_t age_ns;		/* since its commit; 0: unknown */
	uint32_t held_by;		/* bit r: reader r of its writer holds it */
	uint32_t unvisited_by;		/* bit r: reader r has not been there yet */
	uint32_t guard;			/* zc_inspect_verified(): enum zc_guard, else 0 */
	uint32_t fault;			/* likewise: enum zc_guard_fault */
} zc_inspect_block_t;

/**
 * zc_inspect_blocks() - visit every run of the pool
 * @pool: the pool
 * @visit: called for each; not 0: stop and return ZC_OK
 * @ctx: handed to @visit
 * Return: ZC_OK; ZC_ERROR_BUSY: the walk lost its way too often in a pool that
 * changes quickly; what was visited is still true.
 */
ZC_API zc_result_t zc_inspect_blocks(
	zc_pool_t *pool,
	int (*visit)(const zc_inspect_block_t *block, void *ctx), void *ctx);

/**
 * zc_inspect_verified() - visit every run of the pool, and verify what is guarded
 * @pool: the pool
 * @visit: as zc_inspect_blocks() calls it; .guard and .fault say what was found
 * @ctx: handed to @visit
 *
 * Reads all payloads of services that are guarded in full. Nothing is told to anybody.
 * Of a pool on plain shared memory that was removed, who only looks (.observe) cannot
 * read what is in the blocks any more: .guard is 0 there.
 * Return: as zc_inspect_blocks().
 */
ZC_API zc_result_t zc_inspect_verified(
	zc_pool_t *pool,
	int (*visit)(const zc_inspect_block_t *block, void *ctx), void *ctx);

/**
 * zc_inspect_runs() - visit every run of the pool, and look at no record of it
 * @pool: the pool
 * @visit: called for each, with granule, granules, generation, state and owner, the
 *	rest is 0; not 0: stop and return ZC_OK
 * @ctx: handed to @visit
 *
 * One load a run, where zc_inspect_blocks() asks every reader for every block.
 * Return: as zc_inspect_blocks().
 */
ZC_API zc_result_t zc_inspect_runs(
	zc_pool_t *pool,
	int (*visit)(const zc_inspect_block_t *run, void *ctx), void *ctx);

/**
 * struct zc_check_report - what zc_pool_check() found
 * @sz: sizeof(struct zc_check_report), set by the caller
 * @in_motion: members use the pool: only what stayed over two passes counts
 * @granules: all that have memory
 * @free: nobody's
 * @claimed: of writers, not committed (cached runs and blocks kept for reuse)
 * @committed: readable
 * @cleaning: being reclaimed, orphans included
 * @lost: in no run: a defect
 * @runs: how many runs
 * @largest_free: granules of the longest free run
 * @members: live ones
 * @dead_members: not reaped yet
 * @errors: number of defects
 * @first_error: a sentence about the first, "" if none
 */
typedef struct zc_check_report {
	size_t sz;
	bool in_motion;
	uint64_t granules;
	uint64_t free;
	uint64_t claimed;
	uint64_t committed;
	uint64_t cleaning;
	uint64_t lost;
	uint64_t runs;
	uint64_t largest_free;
	uint32_t members;
	uint32_t dead_members;
	uint64_t errors;
	char first_error[256];
} zc_check_report_t;

/**
 * zc_pool_check() - fsck for a pool
 * @pool: the pool; exact when nobody else is attached
 * @report: with .sz set
 *
 * Reaps first what dead members held. Changes nothing else.
 * Return: ZC_OK, also with errors in the report.
 */
ZC_API zc_result_t zc_pool_check(zc_pool_t *pool, zc_check_report_t *report);

/**
 * zc_pool_list() - visit every pool of this machine
 * @visit: gets each name; not 0: stop
 * @ctx: handed to @visit
 * Return: ZC_OK; ZC_ERROR_SYSTEM.
 */
ZC_API zc_result_t zc_pool_list(int (*visit)(const char *name, void *ctx),
				void *ctx);

ZC_END_DECLS

#endif /* ZEROCORE_INSPECT_H */
