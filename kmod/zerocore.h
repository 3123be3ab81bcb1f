/* SPDX-License-Identifier: GPL-2.0 */
/*
 * zerocore.h - what the files of the module know of each other.
 *
 * Lock order:
 *
 *	pool->segment_lock	who adds or removes a segment, all the while
 *	mmap_lock (of whoever maps)
 *	  zc_pools_lock		names, who is linked, what users have
 *	    pool->lock		everything of one pool: the kernel region, roles,
 *				members, reader regions, reaping (a slice at a time)
 *	      member->events.lock	(spin)
 *
 * Nothing is copied from or to user memory under any of the mutexes (a fault takes
 * mmap_lock).  No memory is charged to a cgroup under zc_pools_lock and pool->lock:
 * who is over his limit reclaims or is throttled, for seconds, and others must not wait
 * for that.  Nor is a file of a pool allocated there by fallocate (which takes the
 * inode's lock; tmpfs takes mmap_lock inside that one).  Whoever waits for one of them
 * in a call can be killed.
 *
 * Lives: a descriptor (struct zc_file) holds the pool; a member holds its
 * descriptor's pool; the lease mapping holds the descriptor.  A linked persistent
 * pool holds itself.  All of a pool is undone on zc_wq, which module exit drains.
 */
#ifndef ZC_KMOD_ZEROCORE_H
#define ZC_KMOD_ZEROCORE_H

#include <linux/atomic.h>
#include <linux/cred.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include <linux/zerocore.h>

#include "geometry.h"
#include "reaper.h"
#include "service.h"
#include "view.h"

#define ZC_READERS (ZC_MAX_WRITERS * ZC_MAX_READERS_PER)

/* Pages of one backing file, held and mapped for the kernel. */
struct zc_pages {
	struct page **page;
	u32 nr;
	void *addr;
};

/* A backing file and as much of it as the kernel looks at. */
struct zc_region {
	struct file *file;
	struct zc_pages pages;
};

struct zc_segment {
	struct file *file;	/* (invariant) data; NULL: there is no such segment */
	bool retired;		/* (written under both locks of the pool) no memory */
	struct zc_pages descs;
	u32 page_kind;
	u32 page_shift;
};

/* Why a pool's memory is counted against somebody. (under zc_pools_lock) */
struct zc_user {
	struct list_head list;
	kuid_t uid;
	u32 pools;
	u32 persistent;
	u64 bytes;
};

/* A corrupt message. */
struct zc_corrupt {
	u64 sequence;
	u32 service;
	u32 fault;
};

#define ZC_CORRUPT_LAST 16

/* A look at all that wait for the end of their I/O, resumable. */
struct zc_quarantine {
	bool walking;
	u32 was;		/* blocks when it began */
	u32 left;		/* that stay */
	u64 spent;		/* what the slice has cost, in looks at a hold */
	struct zc_walk walk;
	struct zc_batch batch;
};

struct zc_pool {
	struct kref ref;
	struct list_head list;		/* (under zc_pools_lock) in its namespace */
	struct zc_user *user;		/* (invariant) */
	u64 charged_bytes;		/* (under zc_pools_lock) */
	bool linked;			/* (under zc_pools_lock) */
	u32 files;			/* (under zc_pools_lock) open descriptors */
	const struct cred *cred;	/* (invariant) creator's, at creation */
	kuid_t uid;			/* (invariant) */
	kgid_t gid;			/* (invariant) */
	umode_t mode;			/* (invariant) */
	u32 flags;			/* (invariant) ZC_CREATE_* */
	u32 page_wish;			/* (invariant) */
	char name[ZC_NAME_BYTES];	/* (invariant) */
	struct pid_namespace *pid_ns;	/* (invariant) of the creator */

	struct mutex segment_lock;	/* who adds or removes a segment */
	struct mutex lock;		/* (all below, where it says so) */
	struct zc_geometry geometry;	/* (invariant) */
	struct zc_view view;
	struct zc_region kernel;	/* what only the kernel writes */
	struct file *writers;		/* hints, writer regions, descriptors */
	struct zc_pages hints;
	struct zc_pages writer_area[ZC_MAX_WRITERS];
	struct zc_pages node_area[ZC_MAX_CLEANERS];	/* never looked at */
	struct zc_pages nobody;		/* zeros, for what is not there */
	struct zc_region *reader;	/* ZC_READERS of them */
	struct zc_segment *segment;	/* max_segments of them */
	u32 segments;			/* (written under both locks) ever added */
	u32 by_readers;			/* (under @lock) services that such made */

	struct list_head members;	/* (under @lock) */
	u32 member_high;		/* (under @lock) slots ever used */
	struct zc_reaper reaper;	/* (under @lock) */
	u32 reap_passes;		/* (under @lock) without an end */
	u32 quarantined;		/* (under @lock) blocks that wait for I/O */
	struct zc_quarantine quarantine;	/* (under @lock) */
	/* Corrupt messages that were told last. (under @lock) */
	struct zc_corrupt corrupt[ZC_CORRUPT_LAST];
	u32 corrupt_next;		/* (under @lock) */
	u64 urgent_ns;			/* (under @lock) no slice is urgent before */
	u64 pass_ns;			/* (under @lock) what the slices of a pass took */
	u64 again_ns;			/* (under @lock) no pass is repeated before */
	u64 deaths;
	u64 pass_deaths;		/* (under @lock) when this pass began */
	u64 quarantine_ns;		/* (under @lock) when the last block came there */
	u64 reap_last_ns;
	u64 reap_max_ns;

	struct work_struct urgent_work;	/* the first slice after a death */
	struct work_struct reap_work;	/* the rest */
	struct delayed_work anew_work;	/* a pass that comes later */
	struct delayed_work watchdog;
	struct delayed_work free_work;
	unsigned long free_delay;	/* jiffies until the next look */
	struct dentry *debugfs;
};

struct zc_event_queue {
	spinlock_t lock;		/* (the queue) */
	struct zc_device_event *record;	/* (under @lock) ZC_DEVICE_EVENTS */
	u32 first;			/* (under @lock) */
	u32 nr;				/* (under @lock) */
	u64 lost;			/* (under @lock) */
	bool notified;			/* (under @lock) */
};

enum zc_member_state {
	ZC_MEMBER_ALIVE,
	ZC_MEMBER_DYING,	/* declared dead, being reaped */
	ZC_MEMBER_GONE,		/* left, or reaped: nothing of it in the pool */
};

struct zc_member {
	struct kref ref;
	struct list_head list;		/* (under pool->lock) */
	struct list_head file_list;	/* (under pool->lock) of its descriptor */
	struct zc_pool *pool;		/* (invariant), held */
	struct zc_file *file;		/* (under pool->lock) NULL: closed */
	struct mm_struct *mm;		/* (invariant), grabbed: whose rights these are */
	struct pid *pid;		/* (invariant), held */
	kuid_t uid;			/* (invariant) */
	enum zc_member_state state;	/* (under pool->lock) */
	u32 index;			/* (invariant) */
	u64 life;			/* (invariant) its word while it is alive */
	bool may_write;			/* (invariant) */
	bool evictable;			/* (invariant) */
	atomic_t lease;			/* mappings of it; 0: none yet, or over */
	bool leased;			/* (under pool->lock) ever mapped */
	bool lease_over;		/* the last mapping is gone */
	wait_queue_entry_t exit;	/* on the pid's queue while @list is on the pool's */
	u64 died_ns;			/* when that was seen */
	u64 suspect_ns;			/* (under pool->lock) alive_ns last told of */
	u64 corrupt_ns;			/* (under pool->lock) when this second began */
	u32 corrupt_nr;			/* (under pool->lock) corrupt ones told in it */
	struct zc_region stamps;
	struct zc_event_queue events;
};

/* An open descriptor of a pool. */
struct zc_file {
	struct zc_pool *pool;		/* (invariant), held */
	struct list_head members;	/* (under pool->lock), held */
	/* Here, because it must live as long as whoever polls the descriptor. */
	wait_queue_head_t wait;
};

extern struct workqueue_struct *zc_wq, *zc_urgent_wq;
extern struct mutex zc_pools_lock;

/* --- memory.c: backing files ------------------------------------------------- */
int zc_memory_init(void);
void zc_memory_exit(void);
u64 zc_memory_features(void);
/* A private file of small pages; nothing of it is allocated yet. */
struct file *zc_file_small(const char *name, u64 bytes);
/* The same, with huge pages where a whole one fits. */
struct file *zc_file_within(const char *name, u64 bytes);
/* Allocates, holds and maps pages of such a file. */
int zc_pages_get(struct zc_pages *p, struct file *file, u64 off, u64 bytes);
/* Out of the file, whoever has them mapped: what nobody else can be using. */
void zc_pages_drop(struct file *file, u64 off, u64 bytes);
/* As many pages of zeros, read-only. */
int zc_pages_zero(struct zc_pages *p, u64 bytes);
void zc_pages_put(struct zc_pages *p);
int zc_region_make(struct zc_region *r, const char *name, u64 bytes);
void zc_region_free(struct zc_region *r);
/* A data segment, allocated in full and sealed. */
int zc_segment_make(struct zc_segment *s, u64 bytes, u32 wish);
void zc_segment_free(struct zc_segment *s);
/* Takes a segment's memory away under all mappings, or puts some there again. */
void zc_segment_empty(struct zc_segment *s, u64 bytes);
int zc_segment_fill(struct zc_segment *s, u64 bytes);
/* Maps it, as nobody else can; as the file system wants it. */
int zc_file_mmap(struct file *file, struct vm_area_struct *vma);
/* Who looks for an address for it: a file of the same file system, as that made it. */
struct file *zc_file_plain(struct file *file);
/* Does anybody else have it: a mapping, or what is left of one? */
bool zc_file_in_use(const struct file *file);
/* Is any page of that part of a segment pinned for I/O? */
bool zc_segment_pinned(const struct zc_segment *s, u64 off, u64 bytes);

/* --- pool.c ---------------------------------------------------------------------- */
int zc_pools_init(void);
void zc_pools_exit(void);
int zc_pool_create(struct zc_ioc_create *arg, struct zc_pool **out);
/* Gets a pool by name; it must be readable for the caller. */
void zc_pool_forget(struct zc_pool *pool);
struct zc_pool *zc_pool_find(const u8 *name);
int zc_pool_unlink(struct zc_ioc_unlink *arg);
int zc_pool_next(struct zc_ioc_list *arg);
bool zc_pool_may(const struct zc_pool *pool, int mask);
void zc_pool_get(struct zc_pool *pool);
void zc_pool_put(struct zc_pool *pool);
/* What a segment costs its user. */
u64 zc_pool_descs_bytes(const struct zc_pool *pool);
void zc_pool_file_opened(struct zc_pool *pool);
void zc_pool_file_closed(struct zc_pool *pool);

/* --- user.c ------------------------------------------------------------------------- */
u64 zc_pools_max(void);
u64 zc_pool_bytes_max(void);
/* Counts a pool against its user; -EDQUOT: one too many. (under zc_pools_lock) */
int zc_user_charge(struct zc_pool *pool, u64 bytes);
/* A pool is gone. */
void zc_user_discharge(struct zc_pool *pool);
/* More, or less, bytes of a pool; -EDQUOT. */
int zc_pool_charge(struct zc_pool *pool, u64 bytes);
void zc_pool_uncharge(struct zc_pool *pool, u64 bytes);

/* --- segment.c --------------------------------------------------------------------- */
int zc_segment_add(struct zc_pool *pool, u32 *segment, u32 *page_kind);
int zc_segment_remove(struct zc_pool *pool, u32 segment);

/* --- member.c ---------------------------------------------------------------------- */
int zc_member_join(struct zc_file *file, struct zc_ioc_join *arg);
int zc_member_leave(struct zc_file *file);
/* The member that the calling process is by that descriptor, or NULL. */
struct zc_member *zc_member_current(struct zc_file *file);
/* The same, with its lease, or an error. */
struct zc_member *zc_member_leased(struct zc_file *file);
void zc_member_get(struct zc_member *m);
void zc_member_put(struct zc_member *m);
/* Looks who is gone and declares them dead. (under pool->lock) */
void zc_members_bury(struct zc_pool *pool);
/* Everything of it is back. (under pool->lock) */
void zc_member_reaped(struct zc_pool *pool, u32 index, u32 incarnation);
struct zc_member *zc_member_at(struct zc_pool *pool, u32 index);
int zc_member_evict(struct zc_file *file, const struct zc_ioc_evict *arg);
/* From the lease's mapping. */
void zc_member_lease_open(struct zc_member *m);
void zc_member_lease_close(struct zc_member *m);
void zc_members_forget(struct zc_file *file);

/* --- role.c ------------------------------------------------------------------------- */
int zc_writer_join(struct zc_file *file, struct zc_ioc_writer *arg);
int zc_writer_leave(struct zc_file *file, const struct zc_ioc_writer *arg);
int zc_reader_join(struct zc_file *file, struct zc_ioc_reader *arg);
int zc_reader_leave(struct zc_file *file, const struct zc_ioc_reader *arg);
int zc_cleaner_join(struct zc_file *file, struct zc_ioc_cleaner *arg);
int zc_cleaner_leave(struct zc_file *file, const struct zc_ioc_cleaner *arg);
/* All places are taken: by the dead, for a moment (-EAGAIN), or by the living? */
int zc_full(struct zc_pool *pool, int err);
int zc_notify(struct zc_file *file, const struct zc_ioc_notify *arg);

/* --- map.c ---------------------------------------------------------------------------- */
int zc_pool_mmap(struct file *file, struct vm_area_struct *vma);
unsigned long zc_pool_get_unmapped_area(struct file *file, unsigned long addr,
					unsigned long len, unsigned long pgoff,
					unsigned long flags);

/* --- reap.c ---------------------------------------------------------------------------- */
void zc_reap_init(struct zc_pool *pool);
/* Stops what runs; the pool has no members any more. */
void zc_reap_stop(struct zc_pool *pool);
/* Somebody may be gone: look soon.  Any context. */
void zc_reap_kick(struct zc_pool *pool);
void zc_watchdog_start(struct zc_pool *pool);

/* --- event.c ---------------------------------------------------------------------------- */
int zc_events_init(struct zc_event_queue *q);
void zc_events_free(struct zc_event_queue *q);
/* Fills bytes and time in and tells all members. (under pool->lock) */
void zc_event_tell(struct zc_pool *pool, struct zc_device_event *event);
/* An event about a member, and a role of it. (under pool->lock) */
void zc_event_about(struct zc_pool *pool, u32 type, u32 member, u32 service,
		    u32 reader);
/* Somebody found a message corrupt. (under pool->lock) */
int zc_corrupt_tell(struct zc_pool *pool, struct zc_member *m,
		    const struct zc_ioc_notify *arg);
ssize_t zc_events_read(struct zc_file *file, char __user *buf, size_t bytes,
		       bool nonblock);
__poll_t zc_events_poll(struct zc_file *file, struct file *filp,
			struct poll_table_struct *wait);
/* A change that waiters on the epoch word look for. (under pool->lock) */
void zc_epoch_bump(struct zc_pool *pool);

/* --- file.c, device.c --------------------------------------------------------------------- */
extern const struct file_operations zc_pool_fops;
extern const struct file_operations zc_device_fops;
/* A descriptor of the pool, which it takes a reference of. */
struct file *zc_pool_file(struct zc_pool *pool);

/* --- debugfs.c ------------------------------------------------------------------------------ */
void zc_debugfs_init(void);
void zc_debugfs_exit(void);
void zc_debugfs_pool(struct zc_pool *pool);
void zc_debugfs_remove(struct zc_pool *pool);

#endif /* ZC_KMOD_ZEROCORE_H */
