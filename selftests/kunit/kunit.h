/* SPDX-License-Identifier: GPL-2.0 */
/*
 * kunit.h - what the module's KUnit suites share: checks, pools, processes, users.
 *
 * A world is a pool by hand: memory and lives, without files, each part of it an
 * allocation of its own, so that KASAN sees whoever leaves it.  A pool is one of
 * the module's.  All that is made here goes when the test ends.
 */
#ifndef ZC_SELFTESTS_KUNIT_H
#define ZC_SELFTESTS_KUNIT_H

#include <kunit/test.h>

#include "zerocore.h"
#include "moves.h"
#include "reclaim.h"
#include "ring.h"
#include "run.h"
#include "word.h"

/*
 * Checks.  A failed one ends the test.  Only in the test's own thread: not in a
 * process of zk_process(), not in a callback that may be called under a lock.
 * Out of line, because each of KUnit's own takes room on the stack.
 */
__printf(4, 5)
void zk_fail(struct kunit *test, const char *file, int line, const char *fmt, ...);
void zk_equal(struct kunit *test, const char *file, int line, const char *what,
	      long long got, long long want);

#define must(test, cond)                                                       \
	do {                                                                   \
		if (!(cond))                                                   \
			zk_fail(test, __FILE__, __LINE__, "%s", #cond);        \
	} while (0)

#define must_eq(test, got, want)                                               \
	zk_equal(test, __FILE__, __LINE__, #got " == " #want, (long long)(got), \
		 (long long)(want))

/* Looks again and again, and fails when it is still not so after a minute. */
#define must_come(test, cond)                                                  \
	do {                                                                   \
		unsigned long until_ = jiffies + 60 * HZ;                      \
									       \
		while (!(cond)) {                                              \
			if (time_after(jiffies, until_))                       \
				zk_fail(test, __FILE__, __LINE__,              \
					"%s does not come", #cond);            \
			schedule_timeout_uninterruptible(1);                   \
		}                                                              \
	} while (0)

/* Zeroed memory with a guard page behind it. */
void *zk_alloc(struct kunit *test, u64 bytes);

/* --- worlds ----------------------------------------------------------------------- */

/*
 * 1024 granules of 64 bytes a segment, 16 a stripe; 16 ring entries, 9 holds: two
 * of them overflow.
 */
#define ZK_SEGMENT	1024U
#define ZK_STRIPE	(ZK_SEGMENT / ZC_STRIPES)
#define ZK_RING		16U
#define ZK_HOLDS	9U

struct zk_world {
	struct kunit *test;
	struct zc_geometry geometry;
	struct zc_view view;
	struct zc_pages nobody;		/* read-only, as the module has it */
	u32 segments;
};

/* Of that size; @most: segments that it has room for. */
struct zk_world *zk_world(struct kunit *test, u32 segments, u32 most);

/* Who has how many granules. */
struct zk_tally {
	u64 free;		/* nobody's */
	u64 claimed;		/* FREE with owner */
	u64 using;
	u64 clean;
	u32 runs;
};

/*
 * Do the runs of each segment tile it?  Written without zc_walk_step(), which it is
 * there to judge.
 */
struct zk_tally zk_tiling(struct zk_world *w);
/* At rest: every hint says the truth, free runs stay within their stripes. */
void zk_at_rest(struct zk_world *w);

static inline u64 zk_word(const struct zk_world *w, u32 granule)
{
	return zc_load_acquire(&zc_desc(&w->view, granule)->word);
}

static inline void zk_set_word(const struct zk_world *w, u32 granule, u64 word)
{
	zc_store_relaxed(&zc_desc(&w->view, granule)->word, word);
}

/* Claims exactly @granules at @granule, splitting as need be. */
void zk_claim(struct zk_world *w, u32 granule, u32 granules, u32 owner);
/* What a writer does in acquire and commit.  Return: the sequence. */
u64 zk_commit(struct zk_world *w, u32 writer, u32 granule, u32 granules);
/* Member @m is LIVE, one incarnation on. */
void zk_member_lives(struct zk_world *w, u32 m);
void zk_member_dies(struct zk_world *w, u32 m);
/* Writer slot @writer is LIVE, of member @m; it has a region. */
void zk_writer_lives(struct zk_world *w, u32 writer, u32 m);
/* Reader @r of @writer is LIVE, of member @m, with these ZC_READER_* flags. */
void zk_reader_lives(struct zk_world *w, u32 writer, u32 r, u32 m, u32 flags);
void zk_hold(struct zk_world *w, u32 writer, u32 r, u32 idx, u64 sequence);

/* --- numbers ------------------------------------------------------------------------- */

struct zk_random {
	u64 state;
};

u64 zk_random(struct zk_random *random);

/* 0 .. n - 1 */
static inline u32 zk_below(struct zk_random *random, u32 n)
{
	return (u32)((zk_random(random) >> 32) * n >> 32);
}

/* --- pools --------------------------------------------------------------------------- */

/* What is asked for a small pool: one segment of 64 KiB, at most three. */
struct zc_ioc_create *zk_wish(struct kunit *test, const char *name);
/* Makes it.  The reference, and the creator's count as a descriptor, are the test's. */
struct zc_pool *zk_pool_make(struct kunit *test, struct zc_ioc_create *wish);
struct zc_pool *zk_pool(struct kunit *test, const char *name);
/* A descriptor of it. */
struct file *zk_open(struct kunit *test, struct zc_pool *pool);
/* Closes it before the test ends. */
void zk_close(struct kunit *test, struct file *file);
/* What was kicked has run, what was put has gone. */
void zk_settle(struct zc_pool *pool);
/* The watchdog has looked since. */
void zk_watched(struct zc_pool *pool);
/* Runs what the module has put off, of all pools. */
void zk_flush(void);
/* Users that the module has a record of; @pool: any pool. */
u32 zk_users(struct zc_pool *pool);
/* Sets a parameter of the module while the test runs. */
void zk_param(struct kunit *test, const char *name, const char *value);

static inline struct zc_file *zk_zf(struct file *file)
{
	return file->private_data;
}

/* --- users ----------------------------------------------------------------------------- */

/* An ordinary user, in one more group than @gid; @cap: what it may anyway, -1: nothing. */
struct cred *zk_cred(struct kunit *test, u32 uid, u32 gid, u32 group, int cap);
/* The test is that user from here on; NULL: itself again, as at its end it must be. */
void zk_become(struct kunit *test, const struct cred *cred);

/* --- processes ---------------------------------------------------------------------------- */

/* A thread with an address space of its own.  What it does, it does as the test's user. */
struct zk_process;
struct zk_process *zk_process(struct kunit *test);
struct pid *zk_pid(const struct zk_process *p);
long zk_in(struct zk_process *p, long (*call)(void *arg), void *arg);
/* A call on a pool's descriptor, as ZC_IOC_* names them. */
long zk_call(struct zk_process *p, struct file *file, unsigned int cmd, void *arg);
/* Return: the address, or -errno. */
long zk_map(struct zk_process *p, struct file *file, u64 off, u64 bytes,
	    unsigned long prot);
long zk_unmap(struct zk_process *p, unsigned long address, u64 bytes);
/* read(), O_NONBLOCK. */
ssize_t zk_read(struct zk_process *p, struct file *file,
		struct zc_device_event *events, size_t bytes);
/* It lets go of its address space, as in exec. */
void zk_exec(struct zk_process *p);
void zk_exit(struct kunit *test, struct zk_process *p);

/* A process that has joined, taken its lease, and read what it was told. */
struct zk_member {
	struct zk_process *p;
	struct file *file;
	struct zc_ioc_join join;
	unsigned long lease;
};

struct zk_member *zk_member(struct kunit *test, struct file *file, u32 flags);
/* The module's record of it, NULL: none. */
struct zc_member *zk_member_at(struct zc_pool *pool, u32 index);
/* What it says of itself, and the kernel looks. */
void zk_stamp(struct zk_member *m, u64 alive, u64 progress);
/* Reads all that there is. */
void zk_drain(struct zk_member *m);
/* The next event of that type, whatever comes before it. */
void zk_event(struct kunit *test, struct zk_member *m, u32 type,
	      struct zc_device_event *event);
/* Its lease goes; what that leads to has happened. */
void zk_die(struct kunit *test, struct zk_member *m);

#endif /* ZC_SELFTESTS_KUNIT_H */
