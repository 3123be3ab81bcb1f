// SPDX-License-Identifier: GPL-2.0
/*
 * reap.c - the steward: declares deaths, takes back what the dead held, watches.
 *
 * On the device the kernel alone does this.  The walk is lib/core's, a slice at a
 * time under pool->lock; in between others may join, leave, map.
 */
#include <linux/ktime.h>
#include <linux/slab.h>

#include "compat.h"
#include "zerocore.h"
#include "moves.h"
#include "reclaim.h"

#define ZC_REAP_SLICE		4096U
/* Passes without an end: somebody writes over descriptors while we walk. */
#define ZC_REAP_PASSES		64U
#define ZC_WATCH_MS		100U
#define ZC_SUSPECT_NS		1000000000ULL
/* A blocked walk is tried again, more and more seldom. */
#define ZC_REAP_BACKOFF_MAX	100U

static void zc_ops_wake(void *ctx, u32 w)
{
	/* Members do, when the event or the epoch tells them. */
}

static void zc_ops_reaped(void *ctx, u32 m, u32 incarnation)
{
	zc_member_reaped(ctx, m, incarnation);
}

static u64 zc_ops_now(void *ctx)
{
	return ktime_get_ns();
}

static bool zc_run_pinned(const struct zc_pool *pool, u32 granule, u32 length)
{
	const struct zc_view *v = &pool->view;
	u32 segment = granule >> v->segment_shift;
	u64 off = (u64)(granule & v->segment_mask) << v->granule_shift;

	return zc_segment_pinned(&pool->segment[segment], off,
				 (u64)length << v->granule_shift);
}

/* In a block that somebody who is dead since then declared to be in I/O. */
static bool zc_io_goes_on(const struct zc_pool *pool, u64 since_ns, u32 granule,
			  u32 length)
{
	/* Where not all I/O pins what it reads into: a time, not a proof. */
	if (ZC_IO_UNSEEN && ktime_get_ns() - since_ns < ZC_QUARANTINE_NS)
		return true;
	return zc_run_pinned(pool, granule, length);
}

/* Since that one's death: who dies meanwhile has nothing to do with it. */
static bool zc_ops_pinned(void *ctx, u32 m, u32 granule, u32 length)
{
	const struct zc_pool *pool = ctx;

	return zc_io_goes_on(pool, READ_ONCE(pool->view.members[m].death_ns), granule,
			     length);
}

/* Frees what waited for the end of its I/O. (under pool->lock) */
static void zc_quarantine_end(struct zc_pool *pool)
{
	const struct zc_view *v = &pool->view;
	struct zc_walk walk = { 0 };
	u32 granule, left = 0, runs = 0, was = pool->quarantined;
	u64 word;

	while (zc_walk_step(v, &walk, &granule, &word)) {
		if (!(++runs % ZC_REAP_SLICE)) {
			mutex_unlock(&pool->lock);
			cond_resched();
			mutex_lock(&pool->lock);
		}
		/* It may be another's by now: nothing of it is changed but by its word. */
		if (zc_word_state(word) != ZC_STATE_CLEAN ||
		    zc_word_owner(word) != ZC_OWNER_ORPHAN ||
		    !(READ_ONCE(zc_desc(v, granule)->flags) & ZC_BLOCK_IO) ||
		    !zc_run_sane(v, granule, word))
			continue;
		if (zc_io_goes_on(pool, pool->quarantine_ns, granule,
				  zc_word_length(word)) ||
		    !zc_orphan_end(v, granule, word))
			left++;
	}
	/*
	 * A reaper may have added some while the lock was free, behind this walk or ahead
	 * of it: what is counted twice is put right by the next look.
	 */
	pool->quarantined = left + (pool->quarantined - was);
}

/* One slice.  Returns true: nothing is left, or nothing that helps now. */
static bool zc_reap_slice(struct zc_pool *pool)
{
	struct zc_reaper_ops ops = {
		.wake = zc_ops_wake,
		.reaped = zc_ops_reaped,
		.now_ns = zc_ops_now,
		.pinned = zc_ops_pinned,
		.ctx = pool,
	};
	bool done;

	mutex_lock(&pool->lock);
	zc_members_bury(pool);
	done = zc_reap(&pool->view, &pool->reaper, &ops, ZC_REAP_SLICE);
	pool->quarantined += pool->reaper.quarantined;
	if (pool->reaper.quarantined)
		pool->quarantine_ns = ktime_get_ns();
	pool->reaper.quarantined = 0;
	if (done) {
		memset(&pool->reaper, 0, sizeof(pool->reaper));
		pool->reap_passes = 0;
		zc_epoch_bump(pool);
	} else if (!pool->reaper.walking &&
		   (pool->reaper.waiting ||
		    ++pool->reap_passes % ZC_REAP_PASSES == 0)) {
		done = true;	/* the watchdog tries again */
	}
	mutex_unlock(&pool->lock);
	return done;
}

static void zc_reap_work(struct work_struct *work)
{
	struct zc_pool *pool = container_of(work, struct zc_pool, reap_work);

	while (!zc_reap_slice(pool))
		cond_resched();
	zc_pool_put(pool);	/* that of zc_reap_kick() */
}

void zc_reap_kick(struct zc_pool *pool)
{
	zc_pool_get(pool);
	if (!queue_work(zc_wq, &pool->reap_work))
		zc_pool_put(pool);
}

/* --- watchdog ----------------------------------------------------------------------- */

/* What the owner says of itself, copied to where peers can read it. */
static void zc_watch_member(struct zc_pool *pool, struct zc_member *m, u64 now)
{
	const struct zc_stamps *stamps = m->stamps.pages.addr;
	struct zc_member_record *r = &pool->view.members[m->index];
	u64 alive = READ_ONCE(stamps->alive_ns);
	u64 progress = READ_ONCE(stamps->progress_ns);

	/* A clock that is ahead of ours is no sign of life. */
	if (alive > now)
		alive = READ_ONCE(r->alive_ns);
	if (progress > now)
		progress = READ_ONCE(r->progress_ns);
	WRITE_ONCE(r->alive_ns, alive);
	WRITE_ONCE(r->progress_ns, progress);
	if (now - alive < ZC_SUSPECT_NS || m->suspect_ns == alive)
		return;
	m->suspect_ns = alive;
	WRITE_ONCE(r->suspect_ns, alive);
	zc_event_about(pool, ZC_DEVICE_EVENT_MEMBER_SUSPECT, m->index, ~0U, ~0U);
}

static void zc_watchdog(struct work_struct *work)
{
	struct zc_pool *pool = container_of(to_delayed_work(work),
					    struct zc_pool, watchdog);
	struct zc_member *m;
	bool again, reap;

	mutex_lock(&pool->lock);
	list_for_each_entry(m, &pool->members, list)
		if (m->state == ZC_MEMBER_ALIVE && m->leased)
			zc_watch_member(pool, m, ktime_get_ns());
	if (pool->quarantined)
		zc_quarantine_end(pool);
	again = !list_empty(&pool->members) || pool->quarantined;
	reap = zc_reap_wanted(&pool->view) &&
	       (pool->reap_passes < ZC_REAP_PASSES ||
		pool->reap_passes++ % ZC_REAP_BACKOFF_MAX == 0);
	mutex_unlock(&pool->lock);
	if (reap)
		zc_reap_kick(pool);
	if (!again || !queue_delayed_work(zc_wq, &pool->watchdog,
					  msecs_to_jiffies(ZC_WATCH_MS)))
		zc_pool_put(pool);	/* that of zc_watchdog_start() */
}

void zc_watchdog_start(struct zc_pool *pool)
{
	zc_pool_get(pool);
	if (!queue_delayed_work(zc_wq, &pool->watchdog,
				msecs_to_jiffies(ZC_WATCH_MS)))
		zc_pool_put(pool);
}

void zc_reap_init(struct zc_pool *pool)
{
	INIT_WORK(&pool->reap_work, zc_reap_work);
	INIT_DELAYED_WORK(&pool->watchdog, zc_watchdog);
}

void zc_reap_stop(struct zc_pool *pool)
{
	/* Both hold the pool: neither is there any more. */
	WARN_ON_ONCE(work_pending(&pool->reap_work));
	WARN_ON_ONCE(delayed_work_pending(&pool->watchdog));
}
