/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * internal.h - what the files of the library know of each other.
 *
 * Locks: zc_pools_lock (the list of attached pools) > pool->lock (its roles)
 * > leaf locks.  Nothing that happens per message takes one.  Nobody waits for a thread
 * that may be in a hook or handler with one of the first two: those may open pools.
 * Such a thread waits for another one only as await.c permits.
 */
#ifndef ZC_LIB_INTERNAL_H
#define ZC_LIB_INTERNAL_H

#include <pthread.h>
#include <sys/types.h>

#include <zerocore/zerocore.h>

#include "core/killpoint.h"
#include "core/reaper.h"
#include "core/run.h"
#include "core/view.h"
#include "strategy.h"

struct zc_background;
struct zc_backend_ops;
struct zc_device;
struct zc_event_fd;

/* Somebody who follows the ring of events. */
struct zc_listener {
	u64 cursor;
	u64 hole_ns;			/* when a hole was first seen, 0: none */
	u64 lost;			/* not reported yet */
	u32 died[ZC_MAX_MEMBERS];	/* incarnations whose death was told */
	char service[ZC_MAX_WRITERS][200];	/* names, as last seen: one may go */
};

/* Whose a file is, and who else may do what: of a pool on plain shared memory. */
struct zc_rights {
	uid_t uid;
	gid_t gid;
	u32 mode;			/* 0777 */
};

struct zc_pool {
	const struct zc_backend_ops *backend;	/* (invariant) */
	struct zc_device *device;	/* /dev/zerocore only */
	struct zc_view view;		/* (invariant) after attach */
	char *data;			/* reserved range of all segments */
	u64 data_span;			/* bytes reserved at @data */
	void *control;
	u64 control_bytes;
	bool data_writable;		/* PROT_WRITE is on; (under @map_lock) */
	bool may_write;			/* opened read-write */
	bool observer;			/* (invariant) it only looks */

	/*
	 * A program may close all its descriptors behind our back (daemonising)
	 * and get the numbers again for its own files: whoever uses one of these
	 * asks zc_fd_is() first.  lock_fd is never closed while attached, because
	 * that would drop the record locks of the whole process.
	 */
	int control_fd;
	int lock_fd;
	u64 control_dev, control_ino;
	u64 lock_dev, lock_ino;
	struct zc_rights rights;	/* (invariant) control's at attach; not the device's */
	char map_id[48];		/* of control in /proc/PID/maps */
	u32 map_known;			/* it is there, for good */
	u64 pid_ns;			/* 0: /proc cannot be used here */
	const u32 *alive;		/* zc_not_forked of the process that attached */
	char name[ZC_NAME_BYTES];
	char dir[ZC_PATH_BYTES];	/* folder of control and lock file */
	u8 creation_id[16];

	u32 member;			/* my index; ZC_MAX_MEMBERS: none */
	u64 life;			/* my life word while LIVE */
	struct zc_member_record self;	/* who I am, if nobody else says it */
	u32 caps;			/* ZC_CAP_* */
	u32 refs;			/* (under zc_pools_lock) 0: it is being closed */
	bool evictable;			/* (invariant) asked for at attach */
	/* Set by the background thread; roles look at it at each verb. */
	u32 evicted;

	pthread_mutex_t lock;		/* roles */
	struct zc_writer *writers;	/* (under @lock) */
	struct zc_reader *readers;	/* (under @lock) */
	struct zc_cleaner *cleaners;	/* (under @lock) */
	struct zc_messagering *rings;	/* (under @lock) */
	struct zc_event_fd *event_fds;	/* of the readers (under @lock) */
	zc_scaling_policy_t scaling;	/* (under @lock) */
	struct zc_strategies strategies;	/* (under @lock); version: anybody */
	pthread_mutex_t map_lock;	/* leaf: @data_writable, mapping */
	/* Over @map_lock: which thread grows or shrinks it, of those of this process. */
	pthread_mutex_t segment_lock;

	struct zc_listener listener;	/* zc_pool_next_event() */
	zc_hooks_t hooks;		/* (under @lock) */
	u64 hooked_ns;			/* when they were set (under @lock) */
	u32 hooked;			/* there are some: @lock need not be taken */
	struct zc_listener hook_listener;	/* the background thread's; names: @lock */
	zc_pressure_t pressure;		/* as it was last seen; likewise */
	struct zc_background *background;
	struct zc_pool *next;		/* (under zc_pools_lock) */
};

/* --- result.c ---------------------------------------------------------- */

/* Sets this thread's sentence and returns @result: `return zc_fail(...)`. */
zc_result_t zc_fail(zc_result_t result, const char *fmt, ...)
	ZC_PRINTF(2, 3);
#ifdef ZC_ANALYZED
/* Static analysis sees one file at a time: what failed is not ZC_OK. */
#define zc_fail(result, ...) (zc_fail(result, __VA_ARGS__), (result))
#endif
/* The same for a failed system call: adds strerror(errno), maps EACCES, EPERM
 * to PERMISSION, ENOMEM and ENOSPC to NO_MEMORY, ENOENT to NOT_FOUND, the rest
 * to SYSTEM. */
zc_result_t zc_fail_errno(const char *fmt, ...) ZC_PRINTF(1, 2);

#define ZC_SENTENCE_BYTES 2560	/* two shapes of types have room */

/*
 * This thread's sentence as it was, where something may fail and be got over: a call
 * that succeeds leaves the sentence alone.  zc_said_of(): only if @result is ZC_OK.
 */
struct zc_said {
	char text[ZC_SENTENCE_BYTES];
};

void zc_said_keep(struct zc_said *said);
void zc_said_again(const struct zc_said *said);
zc_result_t zc_said_of(const struct zc_said *said, zc_result_t result);

/* Copies a growable struct (size_t sz first) out to a caller who set .sz: what he
 * does not know is left out, what we do not know is zeroed. false: .sz is bad. */
bool zc_copy_out(void *dst, const void *src, size_t src_bytes);

/* --- log.c --------------------------------------------------------------- */
void zc_log(zc_log_level_t level, const char *fmt, ...) ZC_PRINTF(2, 3);

/* --- threads ------------------------------------------------------------ */

/* Of a thread as long as it lives, and of no other meanwhile; two instructions. */
static inline uintptr_t zc_thread_self(void)
{
#if defined(__x86_64__) || defined(__aarch64__)
	return (uintptr_t)__builtin_thread_pointer();
#else
	return (uintptr_t)pthread_self();
#endif
}

/* liveness.c: is a thread of this process there, and not at its end already? */
bool zc_thread_there(int tid);

/* --- fork.c -------------------------------------------------------------- */

/*
 * A word in a page that the kernel wipes in forked children (MADV_WIPEONFORK):
 * 1 in the process that attached, 0 in a child.  One load a verb.  A child that
 * opens a pool anew gets a page of its own: whoever keeps the pointer (roles,
 * pools) goes on seeing 0 of what was inherited.
 */
extern const u32 *zc_not_forked;
/* Makes the page; idempotent, thread-safe. Called by create and open. In a
 * forked child: forgets the inherited pools, too (zc_pools_after_fork()). */
zc_result_t zc_fork_guard(void);

/* --- os.c: system calls with their fallbacks ------------------------------ */

/* Sleeps while *@word == @expected, at most until @deadline_ns (CLOCK_MONOTONIC,
 * absolute). Shared futex. Returns 0, or -ETIMEDOUT, -EAGAIN, -EINTR. */
int zc_futex_wait(const u32 *word, u32 expected, u64 deadline_ns);
int zc_futex_wake(const u32 *word);		/* all sleepers; how many there were */
/* The same of those sleepers that have one of @bits in common with the waker. */
int zc_futex_wait_bits(const u32 *word, u32 expected, u32 bits, u64 deadline_ns);
int zc_futex_wake_bits(const u32 *word, u32 bits);
/* GLOBAL_EXPEDITED registration and call; false: refused here. */
bool zc_membarrier_register(void);
bool zc_membarrier(void);
/*
 * What a program prints goes to descriptors 1 and 2, whatever they are: a pool's file must
 * not be one of these where the program has closed them.  Another descriptor of it, above
 * them; the same one if there is none.
 */
int zc_fd_keep(int fd);
/* open() so. */
int zc_open(const char *path, int flags, unsigned int mode);
/* now + timeout, saturating: UINT64_MAX stays for ever. */
u64 zc_deadline(u64 timeout_ns);

/* --- shm_files.c: control, data and lock files by name -------------------- */

bool zc_pool_name_valid(const char *name);
/* Folder of control and lock files: $ZEROCORE_DIR or /dev/shm. */
const char *zc_shm_dir(void);
/* Makes, fills and links the files; leaves control mapped etc. in @pool. */
zc_result_t zc_shm_create(struct zc_pool *pool, const char *name,
			  const zc_pool_options_t *options);
/* Opens and validates; leaves control mapped, view filled, lock_fd open. */
zc_result_t zc_shm_open(struct zc_pool *pool, const char *name);
/* Is @pool->name still this very pool? (An opener asks after joining.) */
bool zc_shm_still_named(const struct zc_pool *pool);
zc_result_t zc_shm_remove(const char *name);
/* Unmaps and closes everything. */
void zc_shm_detach(struct zc_pool *pool);

/* Allocates a part of control (a role's region) before it is first touched. */
zc_result_t zc_shm_control_allocate(struct zc_pool *pool, u64 off, u64 bytes);

/* Gives the whole pages of a part of control back, which read as zeros then. */
void zc_shm_control_punch(struct zc_pool *pool, u64 off, u64 bytes);

/* --- shm_map.c: data segments ---------------------------------------------- */

/* Creates, allocates and reports @segments data files at creation. */
zc_result_t zc_shm_data_create(struct zc_pool *pool, u32 segments,
			       u64 segment_bytes, zc_huge_t huge, bool prefault);
/* Reserves the address range and maps every published segment read-only. */
zc_result_t zc_shm_data_map(struct zc_pool *pool);
/* Maps what was published since. Idempotent, thread-safe. */
zc_result_t zc_shm_data_map_more(struct zc_pool *pool);
/* Before the first writer role: PROT_WRITE on all segments, on both backends. */
zc_result_t zc_data_writable(struct zc_pool *pool);
/* An address range that nothing can be read from, aligned for huge pages. */
char *zc_reserve(u64 bytes, u64 align);
u64 zc_segment_bytes(const struct zc_pool *pool);
#define ZC_ALIGN_MAX (1ULL << 30)

/* --- cleaner.c ---------------------------------------------------------------- */

/* Ends all cleaners of this process. */
void zc_cleaners_close(struct zc_pool *pool);

/* --- strategy.c ----------------------------------------------------------------- */

static inline void zc_strategies_look(struct zc_pool *pool, struct zc_strategies *s)
{
	if (zc_unlikely(zc_load_acquire(&pool->strategies.version) != s->version))
		zc_strategies_fetch(pool, s);
}

/* --- grow.c ------------------------------------------------------------------ */

/* Maps the segment of that granule, if there is one and it is not mapped yet. */
zc_result_t zc_pool_meet(struct zc_pool *pool, u64 granule);
void zc_pool_meet_new(struct zc_pool *pool);

/* --- liveness.c: who is alive ----------------------------------------------- */

/* Locks my byte for (member, incarnation) in the lock file; false: taken (EAGAIN,
 * EACCES), or it cannot be had (errno). */
bool zc_live_lock(struct zc_pool *pool, u32 member, u32 incarnation);
void zc_live_unlock(struct zc_pool *pool, u32 member, u32 incarnation);
/* Is that byte locked by anybody (me included)? F_OFD_GETLK. */
bool zc_live_locked(struct zc_pool *pool, u32 member, u32 incarnation);
/*
 * Is member @m, LIVE with word @life, provably dead?  Lock gone, and process
 * gone (or its maps no longer hold the pool), and where its pid cannot be seen,
 * a stamp stale for 2 s.
 */
bool zc_live_proven_dead(struct zc_pool *pool, u32 m, u64 life);
/* Looks at every member and declares the dead ones; returns how many. */
u32 zc_live_scan(struct zc_pool *pool);
u64 zc_proc_start_ticks(pid_t pid);	/* 0: not visible */
u64 zc_proc_pid_ns(void);		/* 0: /proc is not of our namespace */
/* Is @pid the process of @start_ticks, visible and in our namespace? */
bool zc_live_visible(const struct zc_pool *pool, const struct zc_member_record *r);
/* My own lock, checked and if need be taken again. */
void zc_live_keep(struct zc_pool *pool);
/* For the member record: where @pool has control mapped. */
u64 zc_live_map_token(const struct zc_pool *pool, u64 address);

/* --- member.c: joining and leaving as a process ------------------------------ */
zc_result_t zc_member_join(struct zc_pool *pool);
/* This member's record says who it is, whatever somebody else wrote there. */
void zc_member_mend(struct zc_pool *pool);
void zc_member_leave(struct zc_pool *pool);

/* --- numa.c ------------------------------------------------------------------ */

#define ZC_NUMA_NODES 1024U
#define ZC_NUMA_BITS (8 * sizeof(unsigned long))
#define ZC_NUMA_WORDS (ZC_NUMA_NODES / ZC_NUMA_BITS)

/* The policy that the thread had. */
struct zc_numa_saved {
	bool changed;
	int mode;
	unsigned long mask[ZC_NUMA_WORDS];
};

/* @strict: there, or not at all. */
zc_result_t zc_numa_begin(struct zc_numa_saved *saved, const zc_pool_options_t *o,
			  bool strict);
void zc_numa_end(const struct zc_numa_saved *saved);
/* Of the processor that the caller runs on. */
u32 zc_numa_here(void);

/* --- background.c: one thread a member ---------------------------------------- */

/* Stamps, watches peers (pidfd, else probing), reaps, feeds eventfds. */
zc_result_t zc_background_start(struct zc_pool *pool);
void zc_background_join(struct zc_pool *pool);	/* its end is waited for */
void zc_background_stop(struct zc_pool *pool);
/* A forked child: its copies of the descriptors go. */
void zc_background_after_fork(struct zc_pool *pool);
/* Reaps to the end, now, in the calling thread (up to quarantine). */
void zc_reap_all(struct zc_pool *pool);
extern const struct zc_reaper_ops zc_lib_reaper_ops;	/* .ctx is set per call */
/* Keeps an eventfd readable while the reader has something: see reader_fd.c */

/* For backends' watch(): to be stopped; a descriptor that is readable then, or -1
 * if this program closed it; counts of the writers of this process, published; what
 * the roles of this member have done so far, as one number. */
bool zc_background_stopping(const struct zc_pool *pool);
int zc_background_fd(const struct zc_pool *pool);
void zc_publish_bytes(struct zc_pool *pool);
u64 zc_progress(struct zc_pool *pool);
void zc_shm_watch(struct zc_pool *pool);

/* --- event.c -------------------------------------------------------------------- */
void zc_event_emit(struct zc_pool *pool, u32 type, u32 member, u32 role,
		   u32 service, u32 reader, u64 blocks, u64 bytes);
/* The ring of events in control memory, where every member may write it. */
void zc_shm_event_tell(struct zc_pool *pool, const struct zc_event_record *event);
bool zc_shm_event_next(struct zc_pool *pool, struct zc_event_record *out);
/* From now on. */
void zc_listener_begin(struct zc_pool *pool, struct zc_listener *l);
bool zc_listener_next(struct zc_pool *pool, struct zc_listener *l,
		      struct zc_event_record *out);
const u32 *zc_shm_event_word(struct zc_pool *pool);
/* Once or more often a death: member @m of @incarnation, as long as it is REAPING. */
void zc_event_emit_death(struct zc_pool *pool, u32 m, u32 incarnation);
/* A message is corrupt, which @member wrote (~0: nobody knows); once for each. */
void zc_event_emit_corrupt(struct zc_pool *pool, struct zc_event_record *event,
			   u32 member);
/* Wakes who waits for several readers and has one of @bits; how many there were. */
int zc_wake_any(struct zc_pool *pool, u32 bits);
/* Bumps the epoch word and wakes whoever sleeps on it, or waits for several. */
void zc_epoch_bump(struct zc_pool *pool);

/* --- guard.c -------------------------------------------------------------------- */

/* enum zc_guard_mode of what a program asked for; ~0: that is none. */
u32 zc_guard_choose(zc_guard_t asked, u32 otherwise);

/* --- hooks.c -------------------------------------------------------------------- */

/* Whose hooks this thread is in, which may be a program's own: in zc_pool_next_event(). */
struct zc_hooked {
	const struct zc_pool *pool;
	const struct zc_hooked *outer;
};
extern _Thread_local const struct zc_hooked *zc_hooked;

/* Something happened: in a thread of the library or of the program's, without a lock. */
void zc_event_out(struct zc_pool *pool, struct zc_listener *l, zc_event_t *event,
		  const struct zc_event_record *r);
void zc_hook_event(struct zc_pool *pool, const struct zc_event_record *r);
/* At each tick of the background thread; @listen: follow the ring of events. */
void zc_hook_tick(struct zc_pool *pool, bool listen);
void zc_hook_corrupted(struct zc_pool *pool, u32 service, u64 sequence);
void zc_hook_missing(struct zc_pool *pool, u32 service, u64 sequence, u64 age_ns);

/* A service's "a/b/c", cleaned of what must not be there; "" if there is none. */
void zc_service_text(const struct zc_view *v, u32 service, char out[200]);

/* --- pool.c ----------------------------------------------------------------- */

/* FORKED or EVICTED with a sentence, else ZC_OK: for calls on a pool. */
zc_result_t zc_pool_usable(const struct zc_pool *pool);
/* PERMISSION with a sentence for who only looks, else ZC_OK. */
zc_result_t zc_pool_joined(const struct zc_pool *pool);
/* The pool of that creation id that this process is a member of, or NULL.
 * (under zc_pools_lock) */
struct zc_pool *zc_pool_find(const u8 creation_id[16]);
/* Whose cleaner or background thread this is, or NULL; and is it a cleaner? */
extern _Thread_local const struct zc_pool *zc_thread_of;
extern _Thread_local bool zc_thread_cleans;
/* In a forked child, before anything else: drop what was inherited. */
void zc_pools_after_fork(void);

/* --- await.c ----------------------------------------------------------------- */

/* A thread of @who's waits for the end of @whom's cleaners, or of @all of its threads. */
struct zc_await {
	const struct zc_pool *who;	/* NULL: a program's own thread */
	const struct zc_pool *whom;
	bool cleans;			/* it is a cleaner */
	bool all;
	struct zc_await *next;
};

/* This thread is about to wait.  BUSY with a sentence: it would for ever. */
zc_result_t zc_await_begin(struct zc_await *a, const struct zc_pool *whom, bool all);
void zc_await_end(struct zc_await *a);
/* @whom has no threads any more, and its address may be another's. */
void zc_awaits_over(const struct zc_pool *whom);
void zc_awaits_after_fork(void);

/* --- role close, used by zc_pool_close() --------------------------------------- */
void zc_roles_close(struct zc_pool *pool);
/* Is this thread in a program's function that one of them, the background thread, or
 * zc_pool_next_event() has called? */
bool zc_roles_in(struct zc_pool *pool);
/* The background thread found this member dead in the eyes of its peers: every
 * role stops with ZC_ERROR_EVICTED. */
void zc_roles_evict(struct zc_pool *pool);

#endif /* ZC_LIB_INTERNAL_H */
